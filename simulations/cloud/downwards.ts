// What the cloud in memory has for whoever pushes: what operators said beyond what the push holds, and the certificates under
// which they said it (PROTOCOL 3.3). Production reads the same from its tables; the contract compares the two.
import type { Push, PushAnswer, Segment } from '../../src/ports.ts'
import type { Log } from '../../src/replica/logs.ts'
import type { Tables } from './commit.ts'
import { isOperator } from './devices.ts'

/** So much of it in one answer; whoever pushes asks on. */
const MAX_WORDS_BYTES = 512 * 1024
const MAX_WORDS_SEGMENTS = 128
const NONE = {}

export type Words = Pick<PushAnswer, 'segments' | 'certificates' | 'more'>

export function wordsFor({ logs, roster }: Tables, holds: Push['holds']): Words {
  if (!holds) return NONE
  const held = new Map(holds.map(({ logId, nextSeq }) => [logId, nextSeq]))
  const segments: Segment[] = []
  const certificates = new Set<Uint8Array>()
  let bytes = 0
  let more = false
  for (const log of operatorsLogs(logs.all())) {
    const fromSeq = held.get(log.logId) ?? 0
    if (fromSeq > log.head.seq) continue
    for (const { logId, fromSeq: from, update } of logs.segments(log.logId, fromSeq, MAX_WORDS_SEGMENTS)) {
      more ||= bytes + update.length > MAX_WORDS_BYTES || segments.length >= MAX_WORDS_SEGMENTS
      if (more) break
      bytes += update.length
      segments.push({ logId, fromSeq: from, update })
    }
    const issuer = roster.certificate(log.certificate.issuedBy)
    if (issuer) certificates.add(issuer.encoded)
    certificates.add(log.certificate.encoded)
  }
  if (segments.length === 0) return NONE
  return { segments, certificates: [...certificates], ...(more && { more }) }
}

function operatorsLogs(all: Iterable<Log>): readonly Log[] {
  const found = [...all].filter(({ certificate, fork }) => isOperator(certificate) && !fork)
  return found.sort((a, b) => (a.logId < b.logId ? -1 : 1))
}

// The cloud's acks of the logs that a stick is about: what of them need not be pushed, and what goes back to the site.

import { siteIdIn } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { readObject, type SignedObject } from '../log/object.ts'
import type { Push, PushAnswer } from '../ports.ts'
import { type LogId, unhex } from '../units.ts'
import type { Cover } from '../uplink/bundle.ts'

type Ask = (push: Partial<Push>) => Promise<PushAnswer>
type Ack = Extract<SignedObject, { kind: 'ack' }>

export type AckBook = {
  /** Keeps what an answer brought of the logs that are followed. */
  readonly note: (answer: Pick<PushAnswer, 'acks' | 'version' | 'certificates'>) => void
  readonly covers: (cover: Cover) => boolean
  readonly isBeacon: (encoded: Uint8Array) => boolean
  readonly encoded: () => readonly Uint8Array[]
  /** The receiver's version, up to which nothing was missed. */
  readonly version: () => number
}

/** Asks for all that the cloud has acknowledged of these logs; the acks of others are let go of as they come. */
export async function createAckBook(
  operator: Operator,
  ask: Ask,
  followed: ReadonlySet<LogId>,
): Promise<AckBook> {
  const signatures = ed25519()
  const { site } = operator
  const roster = createRoster({ signatures }, siteIdIn(site), unhex(site.rootKey))
  for (const one of operator.certificates()) roster.enrol(one.encoded)
  const acks = new Map<LogId, Ack>()
  let version = 0
  const note: AckBook['note'] = answer => {
    version = Math.max(version, answer.version)
    for (const encoded of answer.certificates ?? []) roster.enrol(encoded)
    for (const encoded of answer.acks) {
      const verdict = readObject({ roster, signatures }, encoded)
      if (verdict.kind !== 'valid' || verdict.object.kind !== 'ack') continue
      const { logId } = verdict.object.body
      if (followed.has(logId) && (acks.get(logId)?.version ?? -1) < verdict.object.version)
        acks.set(logId, verdict.object)
    }
  }
  if (followed.size > 0)
    for (let before = -1; version > before; ) {
      before = version
      note(await ask({ sinceVersion: version }))
    }
  return {
    note,
    covers: ({ logId, nextSeq }) => (acks.get(logId)?.body.seq ?? -1) >= nextSeq - 1,
    isBeacon: encoded => {
      const verdict = readObject({ roster, signatures }, encoded)
      return verdict.kind === 'valid' && verdict.object.kind === 'beacon'
    },
    encoded: () => [...acks.values()].map(ack => ack.encoded),
    version: () => version,
  }
}

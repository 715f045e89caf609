// The cloud's word, looked at whenever it gives it (PROTOCOL 6.5). I25 a receipt claims no more than what is committed at that very
// moment, with that very hash, in the epoch that the cloud is in; and where the cloud itself lost what it had acknowledged
// (U4 to U6), no node goes on believing it. I19 in one place of one log the cloud never holds two different events, whatever it lost in
// between. I24 the gaps that it reports are those that the nodes' own logs show, no more and no fewer. L1 in the end it has
// all that any node holds, not only receipts that say so.
import { decodeBody } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import { readObject } from '../../src/log/object.ts'
import type { PushAnswer } from '../../src/ports.ts'
import type { Log } from '../../src/replica/logs.ts'
import type { EventHash, LogId } from '../../src/units.ts'
import type { CloudHead } from '../cloud/cloud.ts'
import type { Observer, Shown } from '../world/observer.ts'

/** Gaps are compared so often. */
const GAPS_EVERY_MS = 300_000

type Heads = ReadonlyMap<LogId, CloudHead>

export function uplinksChecker(shown: Shown): Observer {
  const { site, cloud } = shown
  const deps = { roster: site.roster(site.cloud), signatures: site.signatures, remember: site.remember }
  const hostile = new Set(shown.plan.hostile.map(one => site.devices[one.node - 1]?.certificate.deviceId))
  const seen = new Map<LogId, Map<number, EventHash>>()
  let heads: Heads = new Map()

  const checkAck = (encoded: Uint8Array): void => {
    const verdict = readObject(deps, encoded)
    if (verdict.kind === 'refused') shown.object('I25', `the cloud signs what is ${verdict.reason}`)
    if (verdict.kind === 'refused' || verdict.object.kind !== 'ack') return
    const { logId, seq, hash, cloudEpoch } = verdict.object.body
    const head = cloud.headsNow().get(logId)
    if (!head || head.seq < seq)
      shown.object('I25', `a receipt for ${seq} of log ${logId}, of which ${head?.seq ?? -1} is committed`)
    else if (head.seq === seq && head.hash !== hash)
      shown.object('I25', `a receipt for another event ${seq} of log ${logId} than the one committed`)
    if (cloudEpoch !== cloud.epoch())
      shown.object('I25', `a receipt of epoch ${cloudEpoch} in epoch ${cloud.epoch()}`)
  }

  const checkPlaces = (): void => {
    const now = cloud.headsNow()
    if (now === heads) return
    heads = now
    for (const [logId, { seq, hash }] of now) {
      const places = seen.get(logId) ?? new Map<number, EventHash>()
      seen.set(logId, places)
      const before = places.get(seq)
      if (before !== undefined && before !== hash)
        shown.object(
          'I19',
          `log ${logId}: event ${seq} is ${hash.slice(0, 8)}, and was ${before.slice(0, 8)}`,
        )
      places.set(seq, hash)
    }
  }

  const compareGaps = async (): Promise<void> => {
    const [reported, at] = await Promise.all([cloud.gaps(), cloud.heads()])
    const logs = logsOf(shown)
    const told = reported.flatMap(gap =>
      gap.kind === 'missing' && logs.has(gap.namedBy)
        ? [`${gap.logId} ${gap.fromSeq} to ${gap.toSeq}, named by ${gap.namedBy}`]
        : [],
    )
    const truth = [...logs.values()].flatMap(log => missingBefore(log, at))
    for (const gap of told.filter(one => !truth.includes(one)))
      shown.object('I24', `the cloud reports a gap that is none: ${gap}`)
    for (const gap of truth.filter(one => !told.includes(one)))
      shown.object('I24', `the cloud reports nothing of this gap: ${gap}`)
  }

  /** Nobody goes on believing a receipt for what is not there. */
  const misled = (): string | undefined => {
    const now = cloud.headsNow()
    for (const member of shown.members()) {
      const ledger = member.node()?.ledger()
      for (const { logId, head, fork, certificate } of ledger?.logs.all() ?? []) {
        if (fork || hostile.has(certificate.deviceId)) continue
        const there = now.get(logId)
        if (there?.forkSeq !== undefined) continue
        const acked = ledger?.ackedSeq(logId) ?? -1
        if (acked > (there?.seq ?? -1))
          return `I25 node ${member.name} believes that the cloud has ${acked} of log ${logId}, which has ${there?.seq ?? -1}`
        if (head.seq > (there?.seq ?? -1))
          return `L1 of log ${logId} the cloud has ${there?.seq ?? -1}, and node ${member.name} ${head.seq}`
      }
    }
    return undefined
  }

  return {
    name: 'uplinks',
    receipted: ({ acks }: PushAnswer) => {
      for (const encoded of acks) checkAck(encoded)
      checkPlaces()
    },
    second: () => {
      if (shown.nowMs() % GAPS_EVERY_MS === 0 && shown.plan.cloud === 'memory') void compareGaps()
    },
    awaits: misled,
    finished: compareGaps,
  }
}

function logsOf(shown: Shown): ReadonlyMap<LogId, Log> {
  const found = new Map<LogId, Log>()
  for (const member of shown.members())
    for (const log of member.node()?.ledger().logs.all() ?? [])
      if (!log.fork && log.elements[0]) found.set(log.logId, log)
  return found
}

/** What this log says of the one before it, where the cloud has the first and not all of the second. */
function missingBefore({ logId, elements }: Log, heads: Heads): readonly string[] {
  if (!heads.has(logId)) return []
  const read = decodeElement(elements[0] as Uint8Array)
  const said = typeof read === 'string' ? undefined : decodeBody(read.type, read.body)
  const prev = said?.name === 'epoch_open' ? said.body.prev : undefined
  const held = prev ? (heads.get(prev.logId)?.seq ?? -1) : 0
  if (!prev || held >= prev.seq) return []
  return [`${prev.logId} ${held + 1} to ${prev.seq}, named by ${logId}`]
}

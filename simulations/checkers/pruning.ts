// What a node lets go of is somebody else's to answer for, and never comes back (PROTOCOL 6.5).
// I11 no node lets go of an event that the cloud has not committed, or without an ack of durability 2, checked here anew, that is a
// week old by the true time. I10 cuts only move up, over a crash too, and no fold tells of what lies below one.
import { readCut } from '../../src/replica/cut.ts'
import type { Log, Logs } from '../../src/replica/logs.ts'
import type { LogId } from '../../src/units.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'

const WEEK_MS = 7 * 24 * 3600 * 1000
/** Clocks of the cloud and of the operator are right to the second, and what they sign is on its way for a while. */
const LEEWAY_MS = 60_000
/** Folds are built anew within half a minute. */
const REFOLD_MS = 60_000

type Cut = { readonly base: number; readonly atMs: number }
type Seen = { logs: Logs; changes: number; readonly cuts: Map<LogId, Cut> }

export type Prunes = Observer & {
  /** Logs that nodes let go of, each node counted. */
  readonly count: () => number
}

export function pruningChecker(shown: Shown): Prunes {
  let count = 0
  const seen = new Map<Member, Seen>()

  const look = (member: Member): void => {
    const logs = member.node()?.ledger().logs
    if (!logs) return
    const past = seen.get(member) ?? { logs, changes: 0, cuts: new Map<LogId, Cut>() }
    seen.set(member, past)
    const isAnew = past.logs !== logs
    if (!isAnew && past.changes === logs.changes()) return
    for (const log of logs.changedSince(isAnew ? 0 : past.changes)) checkLog(member, log, past.cuts)
    Object.assign(past, { logs, changes: logs.changes() })
  }

  const checkLog = (member: Member, log: Log, cuts: Map<LogId, Cut>): void => {
    const before = cuts.get(log.logId)?.base ?? 0
    if (log.base < before)
      shown.object(
        'I10',
        `node ${member.name} has ${log.base} for the cut of ${log.logId}, and had ${before}`,
      )
    if (log.base <= before) return
    count += 1
    cuts.set(log.logId, { base: log.base, atMs: shown.nowMs() })
    const fault = faultOf(log)
    if (fault) shown.object('I11', `node ${member.name} let go of log ${log.logId} although ${fault}`)
  }

  const faultOf = ({ logId, base, hashes, cut }: Log): string | undefined => {
    const head = shown.cloud.headsNow().get(logId)
    if (!head || head.seq < base - 1) return `the cloud has ${head?.seq ?? -1} of ${base - 1}`
    if (!cut) return 'nothing stands for it'
    const verdict = readCut({ roster: shown.site.roster(), signatures: shown.site.signatures }, cut.words)
    // Its author may be one that the site's own roster was never told of.
    if (verdict.kind === 'refused')
      return verdict.reason === 'unknown-author' ? undefined : `its cut is ${verdict.reason}`
    const { ack } = verdict.cut
    if (ack.seq !== base - 1 || ack.hash !== hashes[base - 1]) return 'the ack covers something else'
    const ageMs = shown.plan.startsAt + shown.nowMs() - ack.issuedAt
    return ageMs < WEEK_MS - LEEWAY_MS ? `the ack is ${Math.round(ageMs / 60_000)} minutes old` : undefined
  }

  return {
    name: 'pruning',
    count: () => count,
    stepped: look,
    booted: look,
    gone: (member, how) => {
      // Another disk, or an older one: it may hold again what was let go of.
      if (how === 'wiped' || how === 'restored' || how === 'disposed') seen.delete(member)
    },
    finished: () => {
      for (const [member, { cuts }] of seen) {
        const view = member.node()?.ledger().view()
        const gone = new Set(
          [...cuts].flatMap(([id, cut]) => (shown.nowMs() - cut.atMs > REFOLD_MS ? [id] : [])),
        )
        const again = view?.sessions().find(({ start }) => {
          const base = cuts.get(start.ref.logId)?.base ?? 0
          return gone.has(start.ref.logId) && start.ref.seq < base
        })
        if (again)
          shown.object('I10', `node ${member.name} tells of session ${again.sessionId}, which it let go of`)
      }
    },
  }
}

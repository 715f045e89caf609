// Judges what real machines left behind with the very checkers of the simulator. Those that look at single steps (durable
// before acknowledged, what a card was answered with what knowledge, the spread of news) see nothing here and are not
// asked; the rest looks once, at the end.
import type { Closers } from '../../src/host/closers.ts'
import type { Ledger } from '../../src/ledger.ts'
import type { Log } from '../../src/replica/logs.ts'
import { type Books, billingChecker } from '../checkers/billing.ts'
import { convergenceChecker } from '../checkers/convergence.ts'
import { livenessChecker } from '../checkers/liveness.ts'
import { logsChecker } from '../checkers/logs.ts'
import { watchLosses } from '../checkers/losses.ts'
import { seededRandom } from '../dice.ts'
import type { Violation } from '../outcome.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import type { Played } from './drive.ts'
import { type Evidence, gather } from './evidence.ts'

/** What no checker can see from outside. */
export const NOT_JUDGED = ['I2', 'I5', 'I6', 'I13', 'I14', 'I16', 'I18'] as const

export type Judgement = {
  readonly violations: readonly Violation[]
  readonly books: Books
  readonly events: number
}

export async function judge(played: Played, closers: Closers): Promise<Judgement> {
  const evidence = await gather(played, closers)
  const fallen = played.fallen.map(
    (node): Violation => ({
      ...{ invariant: 'crash', checker: 'process', atMs: played.endedMs },
      detail: `node ${node} ended by itself; its log is node-${node}/node.log in its folder`,
    }),
  )
  const judged = await judgeEvidence(evidence)
  return { ...judged, violations: [...fallen, ...judged.violations] }
}

export async function judgeEvidence(evidence: Evidence): Promise<Judgement> {
  const violations: Violation[] = []
  let looking = ''
  const shown: Shown = {
    ...evidence,
    object: (invariant, detail) =>
      void violations.push({ invariant, checker: looking, atMs: evidence.nowMs(), detail }),
  }
  const losses = watchLosses(shown)
  const billing = billingChecker(shown, losses)
  const logs = logsChecker(shown)
  const observers: readonly Observer[] = [
    logs,
    losses,
    convergenceChecker(shown, seededRandom(shown.plan.seed).fork('checkers')),
    livenessChecker(shown, losses),
    billing,
  ]
  looking = logs.name
  // What an author wrote is what its own store says: it is looked at before anybody else's copy.
  for (const member of shown.members()) logs.booted?.(onlyOwn(member))
  for (const member of shown.members()) logs.booted?.(member)
  for (const observer of observers) {
    looking = observer.name
    const still = observer.awaits?.()
    if (still !== undefined) {
      // What was awaited in vain names its invariant itself.
      const [named, invariant = 'L'] = /^([IL]\d+) /.exec(still) ?? ['']
      shown.object(invariant, still.slice(named.length))
    }
    await observer.finished?.()
  }
  const ledger = shown.members()[0]?.node()?.ledger()
  const events = ledger ? [...ledger.logs.all()].reduce((sum, log) => sum + log.head.seq + 1, 0) : 0
  return { violations, books: billing.books(), events }
}

/** The member with nothing but its own logs. */
function onlyOwn(member: Member): Member {
  const isOwn = (log: Log): boolean => log.certificate.deviceId === member.deviceId
  const node = member.node()
  if (!node) return member
  const ledger = node.ledger()
  const own: Ledger = {
    ...ledger,
    logs: { ...ledger.logs, changedSince: changes => [...ledger.logs.changedSince(changes)].filter(isOwn) },
  }
  return { ...member, node: () => ({ ...node, ledger: () => own }) }
}

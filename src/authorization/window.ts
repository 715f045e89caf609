// What a revoked card can still cost (PROTOCOL 2.4). The nodes that have said that they hold the revocation refuse it, and
// with that word came every session that they had begun before: what was drawn there is known. Each of the others is taken
// for an island of its own, where the card works as it did before, up to its cap a day. A cap is looked at when a session
// starts, so the last one of a day may go beyond it by what a car takes. One car at a time charges on the card; what a copied
// card, a charger that decides for itself or a stolen node gives away is not in it.
import type { Grant } from './policy.ts'

const DAY_MS = 24 * 3600 * 1000
const HOUR_MS = 3600 * 1000

export type WindowNode = {
  readonly name: string
  /** When it said that it holds the revocation; undefined when it never did. */
  readonly knowsSinceAt: number | undefined
  /** The grants of this card that it may act on, the newest that it is known to hold and those after it. */
  readonly grants: readonly Grant[]
}

export type WindowFacts = {
  readonly nowAt: number
  readonly revokedAt: number
  readonly nodes: readonly WindowNode[]
  /** Of sessions of this card that ended after the revocation, begun by nodes that know of it or are gone. */
  readonly drawnWh: number
  /** Sessions of it at those nodes whose end is not known here. */
  readonly open: number
  /** What one session takes at most: a whole battery. */
  readonly sessionWh: number
  /** What a connector gives at most, where somebody says so. */
  readonly maxPowerW?: number
  /** Parts into which the nodes that do not know have fallen, where somebody knows that. */
  readonly islands?: number
}

export type RiskWindow = {
  readonly knowing: readonly WindowNode[]
  readonly silent: readonly WindowNode[]
  readonly islands: number
  /** At nodes that know: what was drawn, and sessions whose end is not known here. */
  readonly drawnWh: number
  readonly open: number
  /** Begun days since the revocation in which an island could take the card. */
  readonly days: number
  /** The highest among the silent nodes; undefined when one of their grants has none. */
  readonly capWhPerDay: number | undefined
  /** At most so much, on all islands together; undefined when nothing bounds it. */
  readonly worstWh: number | undefined
}

export function riskWindow(facts: WindowFacts): RiskWindow {
  const knowing = facts.nodes.filter(node => node.knowsSinceAt !== undefined)
  const silent = facts.nodes.filter(node => node.knowsSinceAt === undefined)
  const islands = Math.min(silent.length, facts.islands ?? silent.length)
  const grants = silent.flatMap(node => node.grants)
  const caps = grants.map(({ body }) => body.offline.maxWhPerDay ?? Number.POSITIVE_INFINITY)
  const capWh = Math.max(0, ...caps)
  // Later, the grant has expired, or the operator was not heard of for too long.
  const endsAt = Math.max(
    facts.revokedAt,
    ...grants.map(({ body }) =>
      Math.min(body.notAfterAt, facts.revokedAt + body.offline.maxAgeS * 1000, facts.nowAt),
    ),
  )
  const openForMs = endsAt - facts.revokedAt
  const days = islands === 0 ? 0 : Math.floor(openForMs / DAY_MS) + 1
  const byCapWh = days * (capWh + facts.sessionWh)
  const byPowerWh =
    facts.maxPowerW === undefined ? Number.POSITIVE_INFINITY : (facts.maxPowerW * openForMs) / HOUR_MS
  const knownWh = facts.drawnWh + facts.open * facts.sessionWh
  // Where a silent node can be, one session may have run when the card was revoked, and what begins while the operator's
  // last word is fresh is held back by no cap.
  const anywhereWh = islands === 0 ? 0 : 2 * facts.sessionWh
  const onIslandsWh = islands === 0 ? 0 : islands * Math.min(byCapWh, byPowerWh)
  const worstWh = Math.ceil(knownWh + anywhereWh + onIslandsWh)
  return {
    ...{ knowing, silent, islands, days, drawnWh: facts.drawnWh, open: facts.open },
    capWhPerDay: Number.isFinite(capWh) ? capWh : undefined,
    worstWh: Number.isFinite(worstWh) ? worstWh : undefined,
  }
}

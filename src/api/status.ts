// One look at a node: who it is, whom it sees, what it holds, what waits, and what was refused.
import type { Roster } from '../identity/roster.ts'
import type { Node } from '../node.ts'
import type { ChargePoints, Clock, Network } from '../ports.ts'
import { nameOf } from './report.ts'

export type StatusDeps = {
  readonly node: Node
  readonly roster: Roster
  readonly name: string
  readonly network: Network
  readonly chargePoints: ChargePoints
  readonly clock: Clock
}

export function reportStatus({
  node,
  roster,
  name,
  network,
  chargePoints,
  clock,
}: StatusDeps): Readonly<Record<string, unknown>> {
  const ledger = node.ledger()
  const view = ledger.view()
  const nowAt = clock.wallMs()
  const sessions = view.sessions()
  const { policyAgeMs, isClockInDoubt } = ledger.news({ wallMs: nowAt, monotonicMs: clock.monotonicMs() })
  return {
    name,
    site: roster.siteId,
    now: new Date(nowAt).toISOString(),
    store: node.health(),
    peers: network.peers().map(peer => nameOf(roster, peer)),
    traffic: network.traffic(),
    chargersConnected: chargePoints.connected(),
    logs: ledger.logs.count(),
    events: [...ledger.logs.all()].reduce((sum, log) => sum + log.elements.length - log.base, 0),
    forks: [...ledger.logs.all()].flatMap(log => (log.fork ? [{ logId: log.logId, seq: log.fork.seq }] : [])),
    unsentEvents: node.uplinks().unsentEvents(ledger),
    uplinks: node.uplinks().status(),
    sessions: {
      open: sessions.filter(session => !session.end).length,
      ended: sessions.filter(session => session.end).length,
      orphanStops: view.orphanEnds().length,
    },
    cards: view.policy.tokens().length,
    ...(policyAgeMs !== undefined && { policyAgeS: Math.round(policyAgeMs / 1000) }),
    ...(isClockInDoubt && { clock: 'in doubt: it is behind what it said before' }),
    unreadableEvents: view.unreadable(),
    counters: node.counters(),
  }
}

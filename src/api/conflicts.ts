// What a node would show a person of sessions whose money contradicts itself, from its own fold alone: for a site whose cloud
// is away. What was billed it does not know.
import { reasonsOf } from '../billing/attention.ts'
import { type Conflict, conflictOf, type OrphanStop } from '../billing/conflict.ts'
import { judge } from '../billing/judge.ts'
import type { Node } from '../node.ts'
import { timesOf } from '../session/times.ts'

export function reportConflicts(node: Node): readonly (Conflict | OrphanStop)[] {
  const view = node.ledger().view()
  const tariffAt = view.tariffs.at
  const conflicts = view.sessions().flatMap(session => {
    const corrections = view.corrections.of(session.sessionId)
    const { state, flags } = judge(session, { billed: [], finalise: false, tariffAt, corrections })
    const reasons = reasonsOf(state, flags, { isBilled: false })
    if (reasons.length === 0) return []
    const startedAt = timesOf(session).startedAt.at
    return [{ ...conflictOf(session, { state, reasons, billed: [], tariffAt }), startedAt }]
  })
  const stops = view.orphanEnds().map(({ ref, body }): OrphanStop => {
    const { chargerId, sessionId, transactionId, meterStopWh, stoppedAt } = body
    return {
      ...{ kind: 'stop', stopId: `${ref.logId}/${ref.seq}`, chargerId, transactionId, meterStopWh },
      ...(sessionId && { sessionId }),
      ...{ stoppedAt: stoppedAt.raw, ref: `${ref.logId}/${ref.seq}/${ref.hash}` },
    }
  })
  return [...conflicts, ...stops]
}

// Whether the cloud has committed all that it bills a session by. Its start may stand in another log than its stop, whose
// acks come apart (a charger that moved in mid-session): the stop alone is not yet a bill.
import type { LogId } from '../units.ts'
import type { Session } from './fold.ts'

/** `ackedSeq`: the last event of a log that an ack covers, -1 for none. */
export function isStartAcked({ starts, pricing }: Session, ackedSeq: (logId: LogId) => number): boolean {
  const isCovered = ({ ref }: Session['start'] | NonNullable<Session['pricing']>): boolean =>
    ref.seq <= ackedSeq(ref.logId)
  return starts.some(isCovered) && (pricing === undefined || isCovered(pricing))
}

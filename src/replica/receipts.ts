// What the cloud's signed receipts say of the logs that we hold.
import type { LogId } from '../units.ts'
import type { Logs } from './logs.ts'
import type { Objects } from './objects.ts'

export type Held = { readonly logs: Logs; readonly objects: Objects }

/** Number of the newest event of a log that the cloud has acked; -1 for none. */
export function ackedSeq({ logs, objects }: Held, logId: LogId): number {
  const ack = objects.get(`ack/${logId}`)
  if (ack?.kind !== 'ack') return -1
  // The cloud has lost commits since, and has not said that it still holds this log (PROTOCOL 3.5).
  if (ack.body.cloudEpoch < objects.cloudEpoch()) return -1
  const log = logs.get(logId)
  const ours = log?.hashes[ack.body.seq]
  // The cloud took another branch of a forked log: what we hold behind the fork it does not have.
  return ours === undefined || ours === ack.body.hash ? ack.body.seq : (log?.fork?.seq ?? 0) - 1
}

// What signed statements say of the logs that we hold: how far the cloud has them, and how old our policy may be.
import type { Certificate } from '../identity/certificate.ts'
import type { Beacon } from '../log/object.ts'
import type { LogId } from '../units.ts'
import type { Logs } from './logs.ts'
import type { Objects } from './objects.ts'

/** A beacon may be this far ahead of our clock; further ahead it says nothing about age. */
const MAX_BEACON_LEAD_MS = 10 * 60 * 1000

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

/** Age in ms of the newest beacon whose head we hold (PROTOCOL 2.1); undefined when there is none. */
export function policyAgeMs(
  { logs, objects }: Held,
  wallMs: number,
  isVoid: (signer: Certificate) => boolean = () => false,
): number | undefined {
  const issued = objects
    .ofKind('beacon')
    .filter(({ body, signer }) => satisfied(logs, body) && !isVoid(signer))
    .map(beacon => beacon.body.issuedAt)
    .filter(issuedAt => issuedAt <= wallMs + MAX_BEACON_LEAD_MS)
  return issued.length === 0 ? undefined : Math.max(0, wallMs - Math.max(...issued))
}

/** A beacon counts only for who holds the log up to the head that it names. */
function satisfied(logs: Logs, beacon: Beacon): boolean {
  return logs.get(beacon.logId)?.hashes[beacon.seq] === beacon.hash
}

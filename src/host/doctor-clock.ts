// Layer clock: against the certificate, against what this node and others wrote, and against the cloud.
import { MAX_LEAD_MS, wallOf } from '../log/hlc.ts'
import type { Log } from '../replica/logs.ts'
import { chainOf } from './doctor-key.ts'
import { type Finding, type Patient, spanOf, trouble } from './doctor-patient.ts'
import { clockTrouble, type Trouble } from './validity.ts'

const MINUTE_MS = 60_000
/** Beyond it card limits and certificates go wrong, and not only times on bills. */
const GRAVE_MS = 12 * 3600 * 1000

export async function examineClock(patient: Patient): Promise<Finding> {
  const { nowAt, identity, store, uplinks } = patient
  const { certificate } = typeof identity === 'string' ? { certificate: undefined } : chainOf(identity)
  const troubles: Trouble[] = []
  const plain = certificate && clockTrouble(certificate, nowAt)
  if (plain) troubles.push(plain)
  const logs = store?.value ? [...store.value.ledger.logs.all()] : []
  const isOwn = (log: Log): boolean => log.certificate.deviceId === certificate?.deviceId
  const ownAt = newest(logs.filter(isOwn))
  if (ownAt !== undefined && ownAt - nowAt > MINUTE_MS)
    troubles.push(
      trouble(
        gravity(ownAt - nowAt),
        `the clock went back: this node wrote its last entry ${spanOf(ownAt - nowAt)} after what the clock shows now; set it`,
      ),
    )
  for (const log of logs) {
    const lead = wallOf(log.head.hlc) - nowAt
    if (isOwn(log) || lead <= MAX_LEAD_MS) continue
    troubles.push(
      trouble(
        'warn',
        `${log.certificate.name} wrote entries ${spanOf(lead)} ahead of this clock: set the wrong one of the two`,
      ),
    )
    break
  }
  let compared = 'no cloud was there to compare it with'
  for (const { name, dateAt } of typeof uplinks === 'string' ? [] : uplinks) {
    if (dateAt === undefined) continue
    const off = nowAt - dateAt
    compared = `within ${spanOf(Math.max(1000, Math.abs(off)))} of ${name}`
    if (Math.abs(off) > MINUTE_MS)
      troubles.push(
        trouble(
          gravity(off),
          `the clock is ${spanOf(off)} ${off > 0 ? 'ahead of' : 'behind'} that of ${name}: set it`,
        ),
      )
  }
  return { fine: `${new Date(nowAt).toISOString()}, ${compared}`, troubles }
}

function newest(logs: readonly Log[]): number | undefined {
  const stamps = logs.map(log => wallOf(log.head.hlc))
  return stamps.length > 0 ? Math.max(...stamps) : undefined
}

function gravity(offMs: number): Trouble['verdict'] {
  return Math.abs(offMs) > GRAVE_MS ? 'fail' : 'warn'
}

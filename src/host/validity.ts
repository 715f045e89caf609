// What the dates of a device's certificate mean for the day that the clock shows, in one sentence with the cure.
import { CERTIFICATE_GRACE_MS, type CertificateBody } from '../identity/certificate.ts'

const DAY_MS = 24 * 3600 * 1000
/** Its owner is reminded so long before the end. */
const REMINDER_MS = 30 * DAY_MS
/** No clock can rightly show a day before this software was written. */
const WRITTEN_AT = Date.UTC(2026, 0, 1)

export type Trouble = { readonly verdict: 'warn' | 'fail'; readonly says: string }

/** Undefined when there is nothing to be said. */
export function clockTrouble(
  { notBeforeAt }: Pick<CertificateBody, 'notBeforeAt'>,
  nowAt: number,
): Trouble | undefined {
  const clock = `the clock of this machine says ${dayOf(nowAt)}`
  if (nowAt < WRITTEN_AT)
    return {
      verdict: 'fail',
      says: `${clock}, which is long ago: set it, others refuse this node until then`,
    }
  if (nowAt < notBeforeAt)
    return {
      verdict: 'fail',
      says: `${clock}, and the certificate of this node begins only on ${dayOf(notBeforeAt)}: set the clock, others refuse this node until then`,
    }
  return undefined
}

/** Undefined when the certificate is in force and stays so for a while. */
export function validityTrouble(
  { notAfterAt }: Pick<CertificateBody, 'notAfterAt'>,
  nowAt: number,
): Trouble | undefined {
  const graceAt = notAfterAt + CERTIFICATE_GRACE_MS
  const cure =
    'renew it with `chargemesh keys renew`, given to a node that this one can reach, or set the clock if that is wrong'
  if (nowAt > graceAt)
    return {
      verdict: 'fail',
      says: `the certificate of this node ended on ${dayOf(notAfterAt)} and its days of grace on ${dayOf(graceAt)}: others refuse this node; ${cure}`,
    }
  if (nowAt > notAfterAt)
    return {
      verdict: 'warn',
      says: `the certificate of this node ended on ${dayOf(notAfterAt)}, and others take it in grace until ${dayOf(graceAt)}: ${cure}`,
    }
  if (nowAt > notAfterAt - REMINDER_MS)
    return {
      verdict: 'warn',
      says: `the certificate of this node ends in ${Math.ceil((notAfterAt - nowAt) / DAY_MS)} days, on ${dayOf(notAfterAt)}: ${cure}`,
    }
  return undefined
}

/** A day as people write it; whatever a broken clock says, too. */
export function dayOf(at: number): string {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().slice(0, 10) : String(at)
}

// Times on the command line: `now`, ISO 8601, or nothing else.
import { MeshError } from '../errors.ts'

const ISO = /^(\d{4})-(\d{2})-(\d{2})(T([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/

/** UTC ms. Times without a zone are of this machine's zone, dates without a time are UTC midnight. */
export function instantOf(option: string, text: string, nowAt: number): number {
  if (text === 'now') return nowAt
  const at = isDate(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at) || at < 0) {
    throw new MeshError(
      'CONFIG_INVALID',
      `${option} ${text}: wanted a time such as 2026-07-04T08:00 or 2026-07-04T08:00Z`,
    )
  }
  return at
}

/** Date.parse takes 31 June for 1 July: a guest's card would work a day too long. */
function isDate(text: string): boolean {
  const [, year, month, day] = ISO.exec(text) ?? []
  return Number(day) >= 1 && Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
}

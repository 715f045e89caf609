// The site's hours, from the offsets that stand in the terms. In spring an hour is not there and in autumn one is there
// twice: who charges through it is billed for the seconds that passed, at the prices of what the clock on the wall said.
import { DAYS_OF_WEEK, type Terms } from './terms.ts'

export type LocalTime = {
  /** Days since 1970-01-01. */
  readonly day: number
  /** Of the day, 0 to 86399. */
  readonly second: number
}

type Offsets = Terms['offsets']

const DAY_S = 86_400
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/

/** `at` in UTC seconds. */
export function localAt(offsets: Offsets, at: number): LocalTime {
  return localOf(at, offsetAt(offsets, at))
}

export function weekdayOf(day: number): (typeof DAYS_OF_WEEK)[number] | undefined {
  // 1970-01-01 was a Thursday.
  return DAYS_OF_WEEK[(((day + 3) % 7) + 7) % 7]
}

/** Days since 1970-01-01, or undefined where that is no day. */
export function dayOf(date: string): number | undefined {
  const [, year, month, day] = DATE.exec(date) ?? []
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day))
  return new Date(at || 0).toISOString().slice(0, 10) === date ? at / DAY_S / 1000 : undefined
}

/** Every instant between the two (UTC seconds) at which the clock on the wall comes to one of these minutes, or is put. */
export function instantsOf(
  offsets: Offsets,
  minutes: ReadonlySet<number>,
  { from, to }: { readonly from: number; readonly to: number },
): readonly number[] {
  const puts = offsets.map(({ fromAt }) => Math.ceil(fromAt / 1000)).filter(at => at > from && at < to)
  const bounds = [from, ...puts, to]
  return [
    ...puts,
    ...puts
      .concat(to)
      .flatMap((end, i) => wallInstants(offsets, minutes, { from: bounds[i] ?? from, to: end })),
  ]
}

/** Between two puttings of the clock. */
function wallInstants(
  offsets: Offsets,
  minutes: ReadonlySet<number>,
  { from, to }: { readonly from: number; readonly to: number },
): readonly number[] {
  const offset = offsetAt(offsets, from)
  const found: number[] = []
  for (let { day } = localOf(from, offset); day * DAY_S - offset * 60 < to; day++) {
    for (const minute of minutes) {
      const at = day * DAY_S + minute * 60 - offset * 60
      if (at > from && at < to) found.push(at)
    }
  }
  return found
}

function localOf(at: number, offset: number): LocalTime {
  const local = at + offset * 60
  const day = Math.floor(local / DAY_S)
  return { day, second: local - day * DAY_S }
}

/** Minutes east of UTC; `at` in UTC seconds. */
export function offsetAt(offsets: Offsets, at: number): number {
  return (offsets.findLast(({ fromAt }) => fromAt <= at * 1000) ?? offsets[0])?.minutes ?? 0
}

// What a clock on the wall of a site shows: the offsets of a time zone, from this machine's tables. They are written into the
// tariff, so that nodes and the cloud need no tables of their own, and never differ in what hour it was.
import { MeshError } from '../errors.ts'
import { offsetAt } from '../tariff/hours.ts'
import type { Terms } from '../tariff/terms.ts'

type Offsets = Terms['offsets']

const YEAR_MS = 365 * 24 * 3600 * 1000
/** Clocks of one zone are seldom changed twice within so long. */
const STEP_MS = 7 * 24 * 3600 * 1000
const MINUTE_MS = 60_000
/** As many as the terms of a tariff hold. */
const MAX_OFFSETS = 64

/** From a year before to ten years after `nowAt`; what comes behind stays as it is then. */
export function offsetsOf(timeZone: string, nowAt: number): Offsets {
  const minutesAt = offsetIn(timeZone)
  const [from, until] = [Math.max(0, nowAt - YEAR_MS), nowAt + 10 * YEAR_MS]
  const offsets = [{ fromAt: from, minutes: minutesAt(from) }]
  for (let at = from; at < until; at += STEP_MS) {
    const last = offsets.at(-1)?.minutes
    const next = Math.min(at + STEP_MS, until)
    if (minutesAt(next) === last) continue
    const fromAt = firstChange(at, next, minutesAt)
    offsets.push({ fromAt, minutes: minutesAt(fromAt) })
  }
  if (offsets.length > MAX_OFFSETS)
    throw new MeshError('CONFIG_INVALID', `--time-zone ${timeZone}: its clocks change too often`)
  return offsets
}

/** The first minute in ]from, to] at which the clock shows another offset than at `from`. */
function firstChange(from: number, to: number, minutesAt: (at: number) => number): number {
  const before = minutesAt(from)
  let [low, high] = [Math.floor(from / MINUTE_MS), Math.ceil(to / MINUTE_MS)]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (minutesAt(middle * MINUTE_MS) === before) low = middle
    else high = middle
  }
  return high * MINUTE_MS
}

/** Minutes east of UTC. Refuses a zone that this machine does not know. */
function offsetIn(timeZone: string): (at: number) => number {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', calendar: 'gregory', numberingSystem: 'latn' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new MeshError(
      'CONFIG_INVALID',
      `--time-zone ${timeZone}: wanted a zone of the IANA database, such as Europe/Berlin`,
      error,
    )
  }
  return at => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
    const days = [part('year'), part('month') - 1, part('day')] as const
    const shown = Date.UTC(...days, part('hour'), part('minute'), part('second'))
    return Math.round((shown - Math.floor(at / 1000) * 1000) / MINUTE_MS)
  }
}

/** UTC ms of what the clock on the wall showed, given as if that were UTC; the first of the two where it is shown twice. */
export function instantOfWall(offsets: Offsets, shownAt: number): number {
  const found = offsets
    .map(({ minutes }) => shownAt - minutes * MINUTE_MS)
    .filter(at => at + offsetAt(offsets, at / 1000) * MINUTE_MS === shownAt)
  // Shown never, when the clock was put forward: as if it had not been yet.
  const before = offsetAt(offsets, shownAt / 1000 - 24 * 3600)
  return found.length > 0 ? Math.min(...found) : shownAt - before * MINUTE_MS
}

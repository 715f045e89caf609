// How the register of a session rose over time, as far as a price asks: of every five minutes the first and the last
// reading. What an hour of the day divides is then known as well as from all readings. The curve of two sets of readings
// is that of both, whatever the order and however often, so that every node and the cloud come to the same.
import type { Register } from './registers.ts'

/**
 * `readings` is flat, `at, wh, at, wh, ...` in order of `at`, then `wh`: a node holds a hundred thousand of them. Both are
 * never changed in place. `grid`: how coarse it had to become, an index into GRIDS_MS.
 */
export type Curve = { readonly grid: number; readonly readings: readonly number[] }

export const NO_CURVE: Curve = { grid: 0, readings: [] }

const MINUTE_MS = 60_000
/** Each divides the next, so that what a finer grid has kept is enough for a coarser one. */
export const GRIDS_MS = [5, 15, 60, 360, 1440].map(minutes => minutes * MINUTE_MS)
/** Four days at two readings in five minutes, twelve at fifteen, and so on: 36 KiB. */
export const MAX_READINGS = 2304

export function withReading(curve: Curve, { at, wh }: Register): Curve {
  const { grid, readings } = curve
  const lastAt = readings.at(-2)
  if (lastAt === undefined || at <= lastAt) return joinCurves(curve, { grid: 0, readings: [at, wh] })
  // Most come in order: the last reading of this interval now, or the first of the next.
  const [interval, before] = [intervalOf(at, grid), intervalOf(readings.at(-4) ?? lastAt, grid)]
  const isLast = readings.length > 2 && before === interval
  // Joined so, the list has no room to spare; one that grew has half as much again.
  return bounded(grid, (isLast ? readings.slice(0, -2) : readings).concat([at, wh]))
}

/** The curve of the readings of both. */
export function joinCurves(a: Curve, b: Curve): Curve {
  if (a.readings.length === 0) return b
  if (b.readings.length === 0) return a
  const grid = Math.max(a.grid, b.grid)
  return bounded(grid, thinned(merged(a.readings, b.readings), grid))
}

export function registersOf({ readings }: Curve): readonly Register[] {
  const registers: Register[] = []
  for (let i = 0; i < readings.length; i += 2) registers.push(registerAt(readings, i))
  return registers
}

function registerAt(readings: readonly number[], i: number): Register {
  return { at: readings[i] ?? 0, wh: readings[i + 1] ?? 0 }
}

function intervalOf(at: number, grid: number): number {
  return Math.floor(at / (GRIDS_MS[grid] ?? MINUTE_MS))
}

function merged(a: readonly number[], b: readonly number[]): readonly number[] {
  const both: number[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const isFirst = j >= b.length || (i < a.length && isBefore(a, i, b, j))
    const { at, wh } = isFirst ? registerAt(a, i) : registerAt(b, j)
    if (isFirst) i += 2
    else j += 2
    both.push(at, wh)
  }
  return both
}

function isBefore(a: readonly number[], i: number, b: readonly number[], j: number): boolean {
  const [one, other] = [registerAt(a, i), registerAt(b, j)]
  return one.at < other.at || (one.at === other.at && one.wh <= other.wh)
}

/** The first and the last reading of each interval. */
function thinned(readings: readonly number[], grid: number): readonly number[] {
  const kept: number[] = []
  let current: number | undefined
  let first = 0
  for (let i = 0; i < readings.length; i += 2) {
    const { at, wh } = registerAt(readings, i)
    const interval = intervalOf(at, grid)
    if (interval !== current) {
      current = interval
      first = kept.length
    } else if (kept.length - first > 2) kept.length = first + 2
    else if (kept[first] === at && kept[first + 1] === wh) kept.length = first
    kept.push(at, wh)
  }
  // Without the room that a list which grew has to spare.
  return kept.slice()
}

/**
 * As fine as fits. A set of readings never comes to a finer grid than a part of it, so what was lost in one order is lost in
 * all. Where even days do not fit (a clock that shows any year), the earliest are kept.
 */
function bounded(grid: number, readings: readonly number[]): Curve {
  if (readings.length <= 2 * MAX_READINGS) return { grid, readings }
  if (grid + 1 < GRIDS_MS.length) return bounded(grid + 1, thinned(readings, grid + 1))
  return { grid, readings: readings.slice(0, 2 * MAX_READINGS) }
}

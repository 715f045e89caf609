// The curve of a session's readings: the same from any order, any split and any repetition, bounded, and exact where a
// price looks.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Curve,
  GRIDS_MS,
  joinCurves,
  MAX_READINGS,
  NO_CURVE,
  registersOf,
  withReading,
} from '../../src/session/curve.ts'
import type { Register } from '../../src/session/registers.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const FROM = Date.UTC(2026, 5, 1)

function curveOf(readings: readonly Register[]): Curve {
  return readings.reduce(withReading, NO_CURVE)
}

function each(everyMs: number, count: number): readonly Register[] {
  return [...Array(count).keys()].map(n => ({ at: FROM + n * everyMs, wh: n }))
}

/** By the words of the rule, from all readings at once. */
function naive(readings: readonly Register[], grid: number): readonly Register[] {
  const sorted = readings.toSorted((a, b) => a.at - b.at || a.wh - b.wh)
  const ids = sorted.map(({ at }) => Math.floor(at / (GRIDS_MS[grid] ?? 1)))
  const kept = sorted.filter((_, i) => ids[i] !== ids[i - 1] || ids[i] !== ids[i + 1])
  return kept.filter(({ at, wh }, i) => at !== kept[i - 1]?.at || wh !== kept[i - 1]?.wh)
}

const few = fc.array(fc.record({ at: fc.nat(60).map(n => FROM + n * 70_000), wh: fc.nat(3) }), {
  maxLength: 30,
})
/** So far apart, and so many, that they fit no fine grid. */
const wide = fc
  .array(
    fc.record({
      from: fc.nat(3000),
      everyMs: fc.constantFrom(MINUTE_MS, 17 * MINUTE_MS, 7 * 60 * MINUTE_MS, 3 * DAY_MS),
      count: fc.nat(2500),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map(runs =>
    runs.flatMap(({ from, everyMs, count }) =>
      each(everyMs, count).map(({ at, wh }) => ({ at: at + from * MINUTE_MS, wh })),
    ),
  )

describe('the curve of readings', () => {
  it('keeps the first and the last of every five minutes, whatever their order', () => {
    fc.assert(
      fc.property(few, readings => {
        expect(registersOf(curveOf(readings))).toEqual(naive(readings, 0))
        expect(curveOf(readings.toReversed())).toEqual(curveOf(readings))
      }),
    )
  })

  it('joins in any order, any split, and as often as it likes', () => {
    fc.assert(
      fc.property(few, few, few, (a, b, c) => {
        const [one, two, three] = [curveOf(a), curveOf(b), curveOf(c)]
        expect(joinCurves(one, two)).toEqual(curveOf([...b, ...a]))
        expect(joinCurves(two, one)).toEqual(joinCurves(one, two))
        expect(joinCurves(joinCurves(one, two), three)).toEqual(joinCurves(one, joinCurves(two, three)))
        expect(joinCurves(one, one)).toEqual(one)
      }),
    )
  })

  it('is the same from any split where it has to become coarser, and never longer than it may be', () => {
    fc.assert(
      fc.property(wide, fc.nat(6), (readings, modulus) => {
        const parts: Register[][] = [[], []]
        for (const [i, one] of readings.entries()) parts[i % (modulus + 1) === 0 ? 0 : 1]?.push(one)
        const whole = curveOf(readings)
        expect(parts.map(curveOf).reduce(joinCurves)).toEqual(whole)
        expect(whole.readings.length).toBeLessThanOrEqual(2 * MAX_READINGS)
      }),
      { numRuns: 10 },
    )
  })

  it('holds four days exactly, and of forty days every hour', () => {
    const short = curveOf(each(MINUTE_MS, 4 * 24 * 60))
    expect(short.grid).toBe(0)
    const readings = each(5 * MINUTE_MS, 40 * 24 * 12)
    const long = curveOf(readings)
    expect(GRIDS_MS[long.grid]).toBe(60 * MINUTE_MS)
    expect(registersOf(long)).toEqual(naive(readings, 2))
  })

  it('keeps the earliest of what a clock gone mad shows', () => {
    const mad = curveOf(each(3 * DAY_MS, 9000))
    expect(registersOf(mad)).toEqual(each(3 * DAY_MS, MAX_READINGS))
  })
})

// What a price is told of a session: from its readings, its pauses and its clocks, whatever is wrong with them.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dueOf, type TariffAt } from '../../src/billing/due.ts'
import { usageOf } from '../../src/billing/usage.ts'
import { encodeTerms } from '../../src/tariff/terms.ts'
import type { Usage } from '../../src/tariff/usage.ts'
import { readTariffCases } from '../tariff/cases.ts'
import {
  MINUTE_MS,
  NINE,
  type Placed,
  type State,
  type Story,
  sessionOf,
  unknowing,
  wordsOf,
} from './stories.ts'

const HOUR_MS = 60 * MINUTE_MS
const YEARS_MS = 50 * 365.25 * 24 * HOUR_MS

/** In minutes since nine. */
function told({ startedAt, stoppedAt, curve, idle }: Usage): unknown {
  const minute = (at: number): number => (at * 1000 - NINE) / MINUTE_MS
  return {
    span: [minute(startedAt), minute(stoppedAt)],
    curve: curve.map(({ at, wh }) => [minute(at), wh]),
    idle: idle.map(({ fromAt, toAt, kind }) => [minute(fromAt), minute(toAt), kind]),
  }
}

function usage(story: Story): unknown {
  const session = sessionOf(wordsOf(story))
  const energyWh = session.end ? session.energyWh : session.soFar?.energyWh
  return told(usageOf(session, energyWh ?? 0))
}

const ENDS = [
  [0, 0],
  [60, 10_000],
] as const
function curveWith(...between: readonly (readonly [number, number])[]): unknown {
  return [ENDS[0], ...between, ENDS[1]]
}

describe('the curve of a session', () => {
  it('goes through its readings, from nothing at the start to all of it at the stop', () => {
    const readings = [
      [10, 3000],
      [30, 8000],
      [50, 10_500],
    ] as const
    expect(usage({ readings })).toEqual({
      span: [0, 60],
      curve: curveWith([10, 2000], [30, 7000], [50, 9500]),
      idle: [],
    })
    expect(usage({})).toMatchObject({ curve: ENDS })
    expect(usage({ readings, isPlain: true })).toMatchObject({ curve: ENDS })
  })

  it('stands still where the register did', () => {
    const readings = [10, 30, 50].map(minute => [minute, 3000] as const)
    expect(usage({ readings })).toMatchObject({ curve: curveWith([10, 2000], [30, 2000], [50, 2000]) })
  })

  it('leaves out what was read before the start, behind the stop, or cannot be in between', () => {
    const readings = [
      [-5, 1000],
      [0, 1000],
      [20, 900],
      [30, 5000],
      [40, 11_500],
      [60, 11_000],
      [65, 11_000],
    ] as const
    expect(usage({ readings })).toMatchObject({ curve: curveWith([30, 4000]) })
  })

  it('leaves one slip of the meter out, whichever way it went', () => {
    const good = [
      [10, 2000],
      [20, 4000],
      [40, 8000],
    ] as const
    const curve = curveWith([10, 1000], [20, 3000], [40, 7000])
    for (const slip of [
      [15, 9000],
      [30, 1500],
      [50, 3000],
    ] as const)
      expect(usage({ readings: [...good, slip] }), String(slip)).toMatchObject({ curve })
  })

  it('takes the readings out of order and doubled as they were', () => {
    const readings = [
      [10, 2000],
      [20, 4000],
      [40, 8000],
      [50, 9000],
    ] as const
    const story = { readings: [...readings.toReversed(), ...readings] }
    expect(usage(story)).toEqual(usage({ readings }))
  })

  it('goes on over the end of the register', () => {
    const story: Story = {
      ...{ startWh: 999_000, stopWh: 9000 },
      readings: [
        [3, 999_400],
        [5, 999_900],
        [7, 300],
        [10, 500],
        [30, 4000],
      ],
    }
    expect(sessionOf(wordsOf(story)).flags).toContain('meter-rolled-over')
    expect(usage(story)).toMatchObject({
      curve: curveWith([3, 400], [5, 900], [7, 1300], [10, 1500], [30, 5000]),
    })
  })

  it('is even where the register began anew, and counts back from the stop where the start named none', () => {
    const anew: Story = {
      ...{ startWh: 50_000, stopWh: 4000 },
      readings: [
        [10, 52_000],
        [20, 54_000],
        [30, 100],
        [40, 2000],
      ],
    }
    const session = sessionOf(wordsOf(anew))
    expect(session.flags).toContain('meter-reset')
    const energyWh = session.energyWh ?? 0
    expect(told(usageOf(session, energyWh))).toMatchObject({ curve: [ENDS[0], [60, energyWh]] })
    const unreadable: Story = {
      ...{ startWh: 2 ** 31 - 1, stopWh: 11_000 },
      readings: [
        [1, 1000],
        [2, 1200],
        [30, 6000],
      ],
    }
    expect(usage(unreadable)).toMatchObject({
      curve: [
        [0, 0],
        [2, 0],
        [30, 4800],
        [60, 9800],
      ],
    })
  })

  it('of a session without a stop ends with the last register, or now', () => {
    const open: Story = {
      isOpen: true,
      readings: [
        [10, 3000],
        [30, 8000],
      ],
    }
    const curve = [
      [0, 0],
      [10, 2000],
      [30, 7000],
    ]
    expect(usage(open)).toEqual({ span: [0, 30], curve, idle: [] })
    expect(told(usageOf(sessionOf(wordsOf(open)), 7000, NINE + HOUR_MS))).toMatchObject({
      span: [0, 60],
      curve: [...curve, [60, 7000]],
    })
    expect(usage({ isOpen: true })).toEqual({
      span: [0, 0],
      curve: [
        [0, 0],
        [0, 0],
      ],
      idle: [],
    })
  })

  it('of forty days is known by the hour', () => {
    const days = 40 * 24 * 60
    const readings = [...Array(days / 5).keys()].slice(1).map(n => [5 * n, 1000 + n] as const)
    const session = sessionOf(wordsOf({ readings, stopMinute: days, stopWh: 1000 + days / 5 }))
    const { curve, stoppedAt, startedAt } = usageOf(session, days / 5)
    expect(stoppedAt - startedAt).toBe(40 * 24 * 3600)
    for (const hour of [1, 500, 40 * 24 - 1])
      expect(curve).toContainEqual({ at: NINE / 1000 + hour * 3600, wh: hour * 12 })
    expect(curve.length).toBeLessThan(2 * 40 * 24 + 3)
  })
})

describe('a charger’s wrong clock', () => {
  const readings = [
    [10, 3000],
    [30, 8000],
  ] as const
  const states = [
    [40, 'suspendedEv'],
    [50, 'charging'],
  ] as const
  const right = {
    span: [0, 60],
    curve: curveWith([10, 2000], [30, 7000]),
    idle: [[40, 50, 'parked']],
  }

  it('that is ahead is put right, for readings and pauses as for start and stop', () => {
    expect(usage({ readings, states })).toEqual(right)
    expect(usage({ readings, states, aheadMs: 3 * HOUR_MS })).toEqual(right)
    // All of it told at its end, when the line was there again.
    const late = { toldMinute: () => 60 }
    expect(usage({ readings, states, aheadMs: 3 * HOUR_MS, ...late })).toEqual(right)
  })

  it('that was never set says nothing, and what was recorded at once counts', () => {
    expect(usage({ readings, states, aheadMs: undefined })).toEqual(right)
    expect(usage({ readings, states, aheadMs: -YEARS_MS })).toEqual(right)
  })

  it('that was never set counts the minutes of what it told late; its readings do not say when they were', () => {
    const toldMinute = (minute: number): number => Math.max(58, minute)
    const late: Story = { readings, states, aheadMs: -YEARS_MS, toldMinute }
    expect(usage(late)).toEqual({ ...right, curve: ENDS })
  })

  it('is put right in a session without a stop too', () => {
    const open: Story = { readings, states: [[20, 'suspendedEv']], isOpen: true, aheadMs: 3 * HOUR_MS }
    expect(usage(open)).toEqual({
      span: [0, 30],
      curve: [
        [0, 0],
        [10, 2000],
        [30, 7000],
      ],
      idle: [[20, 30, 'parked']],
    })
  })
})

describe('pauses', () => {
  it('are the vehicle’s or the charger’s, and end with what comes next', () => {
    const states: Story['states'] = [
      [10, 'suspendedEv'],
      [20, 'suspendedEvse'],
      [25, 'paused'],
      [30, 'charging'],
      [50, 'suspendedEv'],
    ]
    expect(usage({ states })).toMatchObject({
      idle: [
        [10, 20, 'parked'],
        [20, 30, 'withheld'],
        [50, 60, 'parked'],
      ],
    })
  })

  it('begin with the session at the earliest and end with it at the latest', () => {
    const early: Story['states'] = [
      [-20, 'charging'],
      [-10, 'suspendedEv'],
      [5, 'charging'],
    ]
    expect(usage({ states: early })).toMatchObject({ idle: [[0, 5, 'parked']] })
    expect(usage({ states: [[70, 'suspendedEv']] })).toMatchObject({ idle: [] })
    expect(usage({ states: [[60, 'suspendedEv']] })).toMatchObject({ idle: [] })
  })

  it('are in the order in which they happened, though told in another', () => {
    const states: Story['states'] = [
      [20, 'suspendedEv'],
      [40, 'charging'],
    ]
    const toldMinute = (minute: number): number => (minute === 20 ? 58 : minute)
    expect(usage({ states, toldMinute })).toMatchObject({ idle: [[20, 40, 'parked']] })
  })

  it('of the future are from when they were told', () => {
    const words = wordsOf({ states: [[40, 'suspendedEv']] })
    const ahead = words.map(word => {
      if (word.body.name !== 'session_state') return word
      const at = NINE + 5 * HOUR_MS
      return {
        ...word,
        body: {
          ...word.body,
          body: { ...word.body.body, changedAt: { raw: new Date(at).toISOString(), at } },
        },
      }
    })
    expect(told(usageOf(sessionOf(ahead), 10_000))).toMatchObject({ idle: [[40, 60, 'parked']] })
  })

  it('without a time are from when they were told, unless by a clock that is not set', () => {
    const words = wordsOf({ states: [[40, 'suspendedEvse']] }).map(word => {
      if (word.body.name !== 'session_state') return word
      const { changedAt: _, ...body } = word.body.body
      return { ...word, body: { name: word.body.name, body } }
    })
    expect(told(usageOf(sessionOf(words), 10_000))).toMatchObject({ idle: [[40, 60, 'withheld']] })
    const by1970 = words.map(word =>
      word.body.name === 'session_state' ? { ...word, recordedAt: 5000 } : word,
    )
    expect(told(usageOf(sessionOf(by1970), 10_000))).toMatchObject({ idle: [] })
  })

  it('are no parking where the meter says that the vehicle charged', () => {
    const states: Story['states'] = [[20, 'suspendedEv']]
    const flows: Story['readings'] = [
      [19, 5000],
      [21, 5300],
      [40, 8000],
    ]
    expect(usage({ states, readings: flows })).toMatchObject({ idle: [] })
    // The last of the energy came before, and a little of standby.
    const stands: Story['readings'] = [
      [19, 10_500],
      [21, 10_900],
      [40, 10_950],
    ]
    expect(usage({ states, readings: stands })).toMatchObject({ idle: [[20, 60, 'parked']] })
    const withheld: Story['states'] = [[20, 'suspendedEvse']]
    expect(usage({ states: withheld, readings: flows })).toMatchObject({ idle: [[20, 60, 'withheld']] })
  })

  it('by the thousand cost no more than they last', () => {
    const states = [...Array(20_000).keys()].map(
      n => [n / 400, n % 2 === 0 ? 'suspendedEv' : 'charging'] as const,
    )
    const startedAt = performance.now()
    const { idle } = usageOf(sessionOf(wordsOf({ states })), 10_000)
    expect(performance.now() - startedAt).toBeLessThan(5000)
    expect(idle.length).toBeGreaterThanOrEqual(1000)
    expect(
      idle.every(({ fromAt, toAt }, i) => fromAt < toAt && toAt <= (idle[i + 1]?.fromAt ?? Infinity)),
    ).toBe(true)
  })
})

const minutes = fc.integer({ min: -3, max: 33 }).map(n => 2 * n)
const stories: fc.Arbitrary<Story> = fc.record({
  stopMinute: fc.constantFrom(60, 61),
  readings: fc.array(
    fc.tuple(
      minutes,
      fc.nat(12).map(n => n * 1000),
    ),
    { maxLength: 25 },
  ),
  states: fc.array(
    fc.tuple(minutes, fc.constantFrom<State>('charging', 'paused', 'suspendedEv', 'suspendedEvse')),
    { maxLength: 6 },
  ),
  aheadMs: fc.constantFrom(0, 0, 3 * HOUR_MS, -YEARS_MS, undefined),
  isOpen: fc.constantFrom(false, false, true),
})

/** Tariffs of the accountant's table, of many kinds. */
const tariffs: readonly TariffAt[] = readTariffCases()
  .filter((_, i) => i % 12 === 0)
  .map(({ terms }): TariffAt => {
    const shown = { currency: 'EUR', pricePerKwh: '0.25' }
    const said = { ...shown, tariffId: 'T1', effectiveAt: 0, elements: encodeTerms(terms) }
    return ref => ({ ...said, ref, hlc: 0n })
  })

describe('any order, any doubles, and any split over logs', () => {
  it('give the same usage, one that a price can compute with, and the same bill', () => {
    fc.assert(
      fc.property(
        stories,
        fc.array(fc.tuple(fc.nat(2), fc.nat(1000), fc.boolean()), { minLength: 70, maxLength: 70 }),
        (story, draws) => {
          const words = wordsOf(story)
          const placed: readonly (Placed & { readonly order: number })[] = words.flatMap((word, i) => {
            const [drawn, order, isDouble] = draws[i] ?? [0, 0, false]
            // The price is shown by whoever served the start.
            const served = words.findIndex(({ body }) => body.name === 'session_start')
            const node = word.body.name === 'pricing' ? (draws[served]?.[0] ?? 0) : drawn
            const one = { ...word, node, order }
            return isDouble ? [one, { ...one, node: (node + 1) % 3, order: 1000 - order }] : [one]
          })
          // The third does not know the session's start.
          const known = placed.map(word => (word.node === 2 ? unknowing(word) : word))
          const shuffled = known.toSorted((a, b) => a.order - b.order)
          const whole = sessionOf(words)
          const energyWh = (whole.end ? whole.energyWh : whole.soFar?.energyWh) ?? 0
          const expected = usageOf(whole, energyWh)
          expect(usageOf(sessionOf(shuffled), energyWh)).toEqual(expected)
          isSound(expected)
          for (const tariffAt of tariffs) {
            const due = dueOf(whole, tariffAt, { energyWh })
            expect(due.kind).toBe('due')
            expect(dueOf(sessionOf(shuffled), tariffAt, { energyWh })).toEqual(due)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

function isSound({ startedAt, stoppedAt, curve, idle }: Usage): void {
  expect(curve[0]).toEqual({ at: startedAt, wh: 0 })
  expect(curve.at(-1)?.at).toBe(stoppedAt)
  for (const [i, { at, wh }] of curve.entries()) {
    expect(Number.isSafeInteger(at) && Number.isSafeInteger(wh)).toBe(true)
    expect(at).toBeGreaterThanOrEqual(curve[i - 1]?.at ?? at)
    expect(wh).toBeGreaterThanOrEqual(curve[i - 1]?.wh ?? 0)
  }
  for (const [i, { fromAt, toAt }] of idle.entries()) {
    expect(fromAt).toBeGreaterThanOrEqual(idle[i - 1]?.toAt ?? startedAt)
    expect(toAt).toBeGreaterThan(fromAt)
    expect(toAt).toBeLessThanOrEqual(stoppedAt)
  }
}

// A register that runs over, begins anew or slips: what is billed is never more than what flowed, and it does not
// matter who heard which reading, or when.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import { measure } from '../../src/session/energy.ts'
import {
  type Extremes,
  joinExtremes,
  NO_EXTREMES,
  type Register,
  UNREADABLE_START_WH,
  withRegister,
} from '../../src/session/registers.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { placed, sessionsOf, type Told } from './telling.ts'

const MINUTE = 60_000

/** A register a minute: the first is the start's, the last the stop's, those between were heard. */
function measured(...registers: readonly number[]): ReturnType<typeof measure> {
  const all = registers.map((wh, i) => ({ wh, at: i * MINUTE }))
  const [start, end] = [all[0], all.at(-1)]
  if (!start || !end) throw new Error('a session has a start and a stop')
  return measure(start, end, extremesOf(all.slice(1, -1)))
}

function extremesOf(registers: readonly Register[]): Extremes {
  return registers.reduce(withRegister, NO_EXTREMES)
}

describe('what a session took', () => {
  it.each([
    ['the difference of its ends', [5000, 5100, 5200, 5300], 300, []],
    ['the same without a reading between', [5000, 5300], 300, []],
    ['the same when nothing flowed', [5000, 5000, 5000], 0, []],
    ['one reading too high is left out', [5000, 5100, 900_000, 5200, 5300], 300, ['meter-jumped']],
    ['one reading too low is left out', [5000, 5100, 0, 5200, 5300], 300, ['meter-jumped']],
    ['a coarser stop is no jump', [5000, 5400, 5900, 5000], 0, []],
    ['readings in another unit are left out', [5000, 5_100_000, 5_200_000, 5300], 300, ['meter-jumped']],
    ['readings of the session alone are left out', [5000, 100, 200, 5300], 300, ['meter-jumped']],
    [
      'began anew and passed its start: the least counts',
      [100, 9000, 9200, 0, 300, 500],
      400,
      ['meter-went-back'],
    ],
    [
      'a start that named none: from the second lowest reading on',
      [UNREADABLE_START_WH, 5000, 5100, 5200, 5300],
      200,
      ['start-from-readings'],
    ],
    [
      'a start that named none, and one slip',
      [UNREADABLE_START_WH, 5000, 5100, 0, 5300],
      300,
      ['start-from-readings'],
    ],
    [
      'a start that named none, and two slips: more than a connector gives',
      [UNREADABLE_START_WH, 5_000_000, 0, 1, 5_000_300],
      undefined,
      ['meter-went-back'],
    ],
    [
      'a start that named none, and one reading',
      [UNREADABLE_START_WH, 5000, 5300],
      undefined,
      ['meter-went-back'],
    ],
    ['began anew: both parts', [5000, 5100, 5200, 5300, 0, 100, 200, 300], 200 + 200, ['meter-reset']],
    ['began anew at an older value', [5000, 5100, 5200, 5300, 4000, 4100, 4200], 200 + 100, ['meter-reset']],
    ['began anew behind the last reading', [5000, 5100, 5200, 0], 100, ['meter-reset']],
    [
      'began anew before the first reading: the start stands alone',
      [5000, 0, 100, 200],
      undefined,
      ['meter-went-back'],
    ],
    ['one reading does not bear out the start', [5000, 5100, 0, 100, 200], undefined, ['meter-went-back']],
    [
      'the slip before it began anew is not billed',
      [5000, 5100, 5200, 900_000, 0, 100, 200],
      200 + 100,
      ['meter-reset'],
    ],
    ['the slip behind it is not billed', [5000, 5100, 5200, 2000, 0, 2100, 2200], 100 + 200, ['meter-reset']],
    ['no reading between', [5000, 4000], undefined, ['meter-went-back']],
    [
      'a reading between end and start belongs nowhere',
      [5000, 5100, 5200, 4500, 4000],
      undefined,
      ['meter-went-back'],
    ],
    ['high and low by turns', [5000, 100, 5100, 200, 5200, 300], undefined, ['meter-went-back']],
    ['more than a connector gives', [5000, 5_005_000, 5_006_000, 10, 20], undefined, ['meter-went-back']],
    [
      'more than a connector gives, behind the fall',
      [500_000, 500_100, 500_200, 1, 2, 400_000],
      undefined,
      ['meter-went-back'],
    ],
    [
      'ran over at a million Wh',
      [999_600, 999_700, 999_800, 999_900, 0, 100, 200],
      600,
      ['meter-rolled-over'],
    ],
    [
      'ran over at a million kWh',
      [999_999_600, 999_999_700, 999_999_800, 50, 150],
      550,
      ['meter-rolled-over'],
    ],
    [
      'ran over at 32 bits',
      [2 ** 32 - 500, 2 ** 32 - 400, 2 ** 32 - 300, 2 ** 32 - 100, 20, 120],
      620,
      ['meter-rolled-over'],
    ],
    ['fell far below a width', [600_000, 600_100, 600_200, 0, 100, 200], 100 + 100, ['meter-reset']],
    [
      'fell near a width, too far to have reached it',
      [997_000, 997_001, 997_002, 0, 1, 2],
      1 + 1,
      ['meter-reset'],
    ],
    ['stood still near a width, then fell', [997_500, 998_500, 998_501, 0, 1, 2], 1000 + 1, ['meter-reset']],
    ['ran over, heard on one side only', [999_600, 999_700, 999_800, 100], 100, ['meter-reset']],
  ])('%s', (_what, registers, energyWh, flags) => {
    expect(measured(...registers)).toEqual({ ...(energyWh !== undefined && { energyWh }), flags })
  })

  it('leaves readings from before the start and behind the stop aside', () => {
    const [start, end] = [
      { wh: 5000, at: 10 * MINUTE },
      { wh: 5300, at: 20 * MINUTE },
    ]
    const strangers = extremesOf([
      { wh: 90_000, at: 0 },
      { wh: 91_000, at: 30 * MINUTE },
      { wh: 1, at: 5 * MINUTE },
    ])
    expect(measure(start, end, strangers)).toEqual({ energyWh: 300, flags: [] })
  })
})

/** What happened at a meter: what flowed a minute, and at most one thing that went wrong with its register. */
const happenings = fc.record({
  /** Below the width of its counter where that is to run over, else above 0. */
  startWh: fc.nat(12_000),
  width: fc.constantFrom(1e6, 1e9, 2 ** 32),
  flowsWh: fc.oneof(
    fc.array(fc.nat(1500), { minLength: 1, maxLength: 30 }),
    fc.array(fc.integer({ min: 250, max: 350 }), { minLength: 20, maxLength: 30 }),
  ),
  mishap: fc.constantFrom('none', 'reset', 'rollover'),
  mishapAt: fc.nat(30),
  resetTo: fc.double({ min: 0, max: 1, noNaN: true }),
  slip: fc.option(fc.record({ at: fc.nat(30), wh: fc.nat(2_000_000) })),
  heard: fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
})
type Happening = typeof happenings extends fc.Arbitrary<infer T> ? T : never

type History = { readonly shown: readonly Register[]; readonly flowedWh: number }

function historyOf({ startWh, width, flowsWh, mishap, mishapAt, resetTo }: Happening): History {
  // What begins anew just where it would have run over cannot be told from that: the table has such a case.
  let wh = mishap === 'rollover' ? width - startWh - 1 : startWh
  const shown: Register[] = [{ wh, at: 0 }]
  for (const [i, flowWh] of flowsWh.entries()) {
    wh += flowWh
    if (mishap === 'rollover') wh %= width
    if (mishap === 'reset' && i === mishapAt) wh = Math.floor(wh * resetTo)
    shown.push({ wh, at: (i + 1) * MINUTE })
  }
  return { shown, flowedWh: flowsWh.reduce((sum, one) => sum + one, 0) }
}

describe('whatever happens to the register', () => {
  it('no more is billed than flowed, even with a slip among the readings', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(happenings, happening => {
        const { shown, flowedWh } = historyOf(happening)
        const [start, end] = [shown[0] as Register, shown.at(-1) as Register]
        const { slip, heard } = happening
        const readings = shown
          .slice(1, -1)
          .map((one, i) => (slip?.at === i ? { ...one, wh: slip.wh } : one))
          .filter((_, i) => heard[i])
        const { energyWh = 0, flags } = measure(start, end, extremesOf(readings))
        for (const flag of flags) seen.set(flag, (seen.get(flag) ?? 0) + 1)
        expect(energyWh).toBeLessThanOrEqual(flowedWh)
        expect(energyWh).toBeGreaterThanOrEqual(0)
        if (flags.includes('meter-rolled-over')) expect(energyWh).toBe(flowedWh)
      }),
      { numRuns: 3000 },
    )
    // Else the property would say nothing.
    for (const flag of ['meter-rolled-over', 'meter-reset', 'meter-went-back', 'meter-jumped'])
      expect(seen.get(flag) ?? 0).toBeGreaterThan(20)
  })

  it('every node folds the same energy, whoever heard which reading, how often, and in whatever order it learns of it', () => {
    const keys = fc.array(fc.nat(1000), { minLength: 70, maxLength: 70 })
    fc.assert(
      fc.property(happenings, keys, (happening, order) => {
        const { shown } = historyOf(happening)
        const [start, end] = [shown[0] as Register, shown.at(-1) as Register]
        const at = (one: Register): number => SITE_OPENED_AT + one.at
        const words = { meterStartWh: start.wh, meterStopWh: end.wh, stoppedAt: at(end) }
        const bodies = sessionBodies(words)
        const told: Told[] = [{ node: 0, atMs: at(start), body: bodies.start as AnyBody }]
        const heard = shown.slice(1, -1).filter((_, i) => happening.heard[i])
        for (const [i, one] of heard.entries())
          for (const node of (order[i] ?? 0) % 3 === 0 ? [0, 1] : [(order[i] ?? 0) % 2])
            told.push({ node, atMs: at(one), body: bodies.tick(one.wh, at(one)) })
        told.push({ node: 1, atMs: at(end), body: bodies.end })
        const events = placed(told)
        const mixed = events
          .map((event, i) => ({ event, key: order[i % order.length] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ event }) => event)
        expect(sessionsOf(mixed)).toEqual(sessionsOf(events))
        const { energyWh, flags } = measure(start, end, extremesOf(heard))
        const [session] = sessionsOf(mixed)['CP-1']?.sessions ?? []
        expect(session?.energyWh).toBe(energyWh)
        expect(session?.flags).toEqual([...flags, 'unpriced'])
      }),
      { numRuns: 300 },
    )
  })

  it('the same is kept of the readings in any order, doubled, and in any number of heaps', () => {
    const register = fc.record({ wh: fc.nat(6), at: fc.nat(4) })
    fc.assert(
      fc.property(fc.array(register, { maxLength: 12 }), fc.array(fc.nat(3)), (readings, heapOf) => {
        const heaps = [0, 1, 2, 3].map(heap =>
          extremesOf(readings.filter((_, i) => (heapOf[i] ?? 0) === heap).toReversed()),
        )
        const joined = [...heaps.toReversed(), extremesOf(readings)].reduce(joinExtremes, NO_EXTREMES)
        expect(joined).toEqual(extremesOf(readings))
        const values = [...new Set(readings.map(({ wh }) => wh))].toSorted((a, b) => a - b)
        expect(joined.lowest.map(({ wh }) => wh)).toEqual(values.slice(0, 2))
        expect(joined.highest.map(({ wh }) => wh)).toEqual(values.toReversed().slice(0, 2))
        for (const { wh, at } of [...joined.lowest, ...joined.highest])
          expect(at).toBe(Math.min(...readings.filter(one => one.wh === wh).map(one => one.at)))
      }),
      { numRuns: 1000 },
    )
  })
})

// What a way out may be used for: never over its budget, never outside its hours, never before those that come first
// while they work; and never kept from it for good, by whatever its clock says.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { UplinkTerms } from '../../src/ports.ts'
import {
  hindranceIn,
  isPollDue,
  NO_TERMS,
  type Now,
  PUSH_OVERHEAD_BYTES,
  permissionOf,
  roomOf,
  type Spent,
  spentNow,
  type WayFacts,
} from '../../src/uplink/terms.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const NOON = Date.UTC(2026, 6, 4, 12)

function way(terms: Partial<UplinkTerms>, facts: Partial<WayFacts> = {}): WayFacts {
  return {
    ...{ name: 'way', terms: { ...NO_TERMS, ...terms }, spent: spentOf(0) },
    ...{ failingSinceMs: undefined, triedAtMs: undefined },
    ...facts,
  }
}

function spentOf(bytes: number, at = NOON): Spent {
  return { day: Math.floor(at / DAY_MS), bytes, ranMs: 0 }
}

function now(facts: Partial<Now> = {}): Now {
  return { wallMs: NOON, monotonicMs: HOUR_MS, isClockInDoubt: false, ...facts }
}

describe('a budget', () => {
  it('is never exceeded by pushes that keep to the room that it leaves, and leaves a fifth to the operator', () => {
    const steps = fc.array(
      fc.record({
        afterMs: fc.integer({ min: 1, max: 3 * HOUR_MS }),
        wants: fc.nat(300_000),
        isOperators: fc.boolean(),
      }),
      { minLength: 1, maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, fc.integer({ min: 10_000, max: 2_000_000 }), (all, budgetBytes) => {
        let [atMs, spent] = [0, spentOf(0)]
        const perDay = new Map<number, { bytes: number; rest: number }>()
        for (const { afterMs, wants, isOperators } of all) {
          atMs += afterMs
          const wallMs = NOON + atMs
          spent = spentNow(spent, { wallMs, passedMs: afterMs, hasJumped: false })
          const { upTo } = permissionOf(
            way({ budgetBytes }, { spent }),
            [],
            now({ wallMs, monotonicMs: atMs }),
          )
          if (upTo === undefined || (upTo === 0 && !isOperators)) continue
          const { forAll, forRest } = roomOf({ ...NO_TERMS, budgetBytes }, spent)
          const room = (isOperators ? forAll : forRest) - PUSH_OVERHEAD_BYTES
          const bytes = Math.min(Math.max(0, room), wants) + PUSH_OVERHEAD_BYTES
          spent = { ...spent, bytes: spent.bytes + bytes }
          const day = perDay.get(Math.floor(wallMs / DAY_MS)) ?? { bytes: 0, rest: 0 }
          perDay.set(Math.floor(wallMs / DAY_MS), {
            bytes: day.bytes + bytes,
            rest: day.rest + (isOperators ? 0 : bytes),
          })
        }
        for (const { bytes, rest } of perDay.values()) {
          expect(bytes).toBeLessThanOrEqual(budgetBytes)
          expect(rest).toBeLessThanOrEqual(0.8 * budgetBytes)
        }
      }),
    )
  })

  it('is given anew at midnight of UTC', () => {
    const before = { ...spentOf(900_000), ranMs: 12 * HOUR_MS }
    const just = { passedMs: 1000, hasJumped: false }
    const midnight = (Math.floor(NOON / DAY_MS) + 1) * DAY_MS
    expect(spentNow(before, { ...just, wallMs: midnight - 1 }).bytes).toBe(900_000)
    expect(spentNow(before, { ...just, wallMs: midnight }).bytes).toBe(0)
  })

  it('is given at most once in a running hour by a clock that lies, twice a day when it is seen to, and once a day at the least', () => {
    const clocks = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 10, maxLength: 400 })
    fc.assert(
      fc.property(clocks, fc.boolean(), (days, hasJumped) => {
        let spent = spentOf(0)
        let given = 0
        const everyMs = 20 * MINUTE_MS
        for (const day of days) {
          const next = spentNow(spent, { wallMs: day * DAY_MS, passedMs: everyMs, hasJumped })
          if (next.ranMs === 0) given += 1
          spent = next
        }
        const ranMs = days.length * everyMs
        expect(given).toBeLessThanOrEqual(ranMs / (hasJumped ? 12 * HOUR_MS : HOUR_MS))
        expect(given).toBeGreaterThanOrEqual(Math.floor(ranMs / (25 * HOUR_MS)))
      }),
    )
  })

  it('says why nothing goes', () => {
    const spent = permissionOf(way({ budgetBytes: 100_000 }, { spent: spentOf(80_000) }), [], now())
    expect([spent.upTo, spent.mayPoll]).toEqual([0, true])
    expect(spent.hindrance && hindranceIn(spent.hindrance)).toBe(
      "the day's budget is spent but for what operators say",
    )
    const empty = permissionOf(way({ budgetBytes: 100_000 }, { spent: spentOf(99_000) }), [], now())
    expect([empty.upTo, empty.mayPoll]).toEqual([undefined, false])
    expect(empty.hindrance && hindranceIn(empty.hindrance)).toBe("the day's budget is spent")
  })
})

describe('a window', () => {
  const nightly = { windows: [{ fromMinute: 60, untilMinute: 300 }] }
  const overMidnight = { windows: [{ fromMinute: 22 * 60, untilMinute: 60 }] }

  it.each([
    [nightly, '00:59', false],
    [nightly, '01:00', true],
    [nightly, '04:59', true],
    [nightly, '05:00', false],
    [overMidnight, '21:59', false],
    [overMidnight, '22:00', true],
    [overMidnight, '00:59', true],
    [overMidnight, '01:00', false],
    [{ windows: [{ fromMinute: 0, untilMinute: 1440 }] }, '23:59', true],
  ])('%o lets something out at %s: %s', (terms, at, open) => {
    const wallMs = Date.parse(`2026-07-04T${at}:00Z`)
    expect(permissionOf(way(terms), [], now({ wallMs })).upTo === 4).toBe(open)
  })

  it('is named with the minute in which the next one opens', () => {
    const { hindrance } = permissionOf(way(nightly), [], now({ wallMs: NOON + 1234 }))
    expect(hindrance && hindranceIn(hindrance)).toBe('outside its window until 01:00 UTC')
  })

  it('never lets anything out at a minute that no window holds, whatever they are', () => {
    const minute = fc.integer({ min: 0, max: 1439 })
    const windows = fc.array(fc.record({ fromMinute: minute, untilMinute: minute }), { minLength: 1 })
    fc.assert(
      fc.property(windows, minute, (all, at) => {
        const day = Array.from({ length: 1440 }, (_, one) =>
          all.some(({ fromMinute, untilMinute }) =>
            fromMinute < untilMinute
              ? one >= fromMinute && one < untilMinute
              : one >= fromMinute || one < untilMinute,
          ),
        )
        const wallMs = Date.UTC(2026, 0, 1) + at * MINUTE_MS
        const { upTo, hindrance } = permissionOf(way({ windows: all }), [], now({ wallMs }))
        expect(upTo === 4).toBe(day[at])
        if (hindrance?.kind !== 'outside-window') return
        expect(day[(hindrance.opensAt / MINUTE_MS) % 1440]).toBe(true)
      }),
    )
  })

  it('that nobody can tell lets one try out an hour, so that a node without a clock is neither silent nor dear', () => {
    const doubtful = now({ isClockInDoubt: true })
    expect(permissionOf(way(nightly), [], doubtful).upTo).toBe(4)
    const tried = way(nightly, { triedAtMs: doubtful.monotonicMs - 59 * MINUTE_MS })
    expect(permissionOf(tried, [], doubtful).hindrance).toEqual({
      kind: 'clock-in-doubt',
      waitMs: MINUTE_MS,
    })
    const hourAgo = way(nightly, { triedAtMs: doubtful.monotonicMs - HOUR_MS })
    expect(permissionOf(hourAgo, [], doubtful).upTo).toBe(4)
  })
})

describe('the order of uplinks', () => {
  const satellite = way({ priority: 2 }, { name: 'satellite' })
  const cloud = (facts: Partial<WayFacts> = {}): WayFacts => way({}, { name: 'cloud', ...facts })

  it.each([
    ['works', cloud(), undefined],
    ['fails for 9 s', cloud({ failingSinceMs: HOUR_MS - 9000 }), undefined],
    ['fails for 10 s: money only', cloud({ failingSinceMs: HOUR_MS - 10_000 }), 1],
    ['fails for 59 s: money only', cloud({ failingSinceMs: HOUR_MS - 59_000 }), 1],
    ['fails for a minute', cloud({ failingSinceMs: HOUR_MS - 60_000 }), 4],
    ['is outside its window', way({ windows: [{ fromMinute: 0, untilMinute: 1 }] }), 4],
    ['is spent', way({ budgetBytes: 100_000 }, { spent: spentOf(90_000) }), 4],
    ['has the same number', way({ priority: 2 }), 4],
    ['has a higher number', way({ priority: 3 }), 4],
  ])('when another one %s', (_, other, upTo) => {
    const permission = permissionOf(satellite, [other], now())
    expect(permission.upTo).toBe(upTo)
    expect(permission.mayPoll).toBe(upTo === 4)
    if (upTo !== 4)
      expect(permission.hindrance && hindranceIn(permission.hindrance)).toBe('waits behind cloud')
  })

  it('always lets one of them go on that its own terms let, or one that has not failed for long', () => {
    const facts = fc.record({
      priority: fc.integer({ min: 1, max: 4 }),
      isSpent: fc.boolean(),
      failingForMs: fc.option(fc.nat(200_000), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(facts, { minLength: 1, maxLength: 6 }), some => {
        const ways = some.map(({ priority, isSpent, failingForMs }, i) =>
          way(
            { priority, ...(isSpent && { budgetBytes: 50_000 }) },
            {
              ...{ name: `way ${i}`, spent: spentOf(50_000) },
              ...(failingForMs !== undefined && { failingSinceMs: HOUR_MS - failingForMs }),
            },
          ),
        )
        const used = ways.filter(
          one =>
            permissionOf(
              one,
              ways.filter(other => other !== one),
              now(),
            ).upTo === 4,
        )
        expect(used.length > 0).toBe(some.some(({ isSpent }) => !isSpent))
      }),
    )
  })
})

describe('asking for news', () => {
  const times = { monotonicMs: HOUR_MS, contactAtMs: HOUR_MS - 1, openedAtMs: 0 }

  it('is left to the rounds where nothing is paid, and is seldom where it is', () => {
    expect(isPollDue(NO_TERMS, times)).toBe(true)
    expect(isPollDue({ ...NO_TERMS, costPerMb: '4' }, times)).toBe(false)
    expect(isPollDue({ ...NO_TERMS, costPerMb: '4' }, { ...times, contactAtMs: 0 })).toBe(true)
  })

  it('is due once in each window', () => {
    const windows = [{ fromMinute: 0, untilMinute: 60 }]
    expect(isPollDue({ ...NO_TERMS, windows }, { ...times, openedAtMs: HOUR_MS - 2 })).toBe(false)
    expect(isPollDue({ ...NO_TERMS, windows }, { ...times, openedAtMs: HOUR_MS })).toBe(true)
  })

  it('takes at most a twentieth of a budget', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10_000, max: 1e9 }), budgetBytes => {
        const terms = { ...NO_TERMS, budgetBytes }
        let [polls, contactAtMs] = [0, 0]
        for (let atMs = 0; atMs < DAY_MS; atMs += MINUTE_MS) {
          if (!isPollDue(terms, { monotonicMs: atMs, contactAtMs, openedAtMs: 0 })) continue
          polls += 1
          contactAtMs = atMs
        }
        expect(polls).toBeLessThanOrEqual(96)
        expect(polls * PUSH_OVERHEAD_BYTES).toBeLessThanOrEqual(0.05 * budgetBytes + PUSH_OVERHEAD_BYTES)
      }),
    )
  })
})

// Random tariffs and sessions, with few and round numbers, so that bounds are hit exactly and meet one another. Around
// midnight and the nights in which the clocks are put.
import fc from 'fast-check'
import {
  DAYS_OF_WEEK,
  DIMENSIONS,
  type PriceComponent,
  type Restrictions,
  TAX_INCLUDED,
  type Terms,
} from '../../src/tariff/terms.ts'
import type { IdleSpan, Usage } from '../../src/tariff/usage.ts'

/** Every third time it is not there. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 })
/** At 3600 an hour, and at 5000 a kWh, one second or Wh too many is seen. */
const price = fc.constantFrom('0', '0.1', '0.333', '1.2', '3600', '3600', '5000')
const vat = fc.constantFrom(undefined, '0', '7', '10', '19')
const step = fc.constantFrom(1, 1, 7, 60, 100, 900)
const minute = fc.constantFrom(0, 30, 60, 120, 150, 180, 1380, 1439)
const date = fc.constantFrom('2026-03-28', '2026-03-29', '2026-03-30', '2026-10-25', '2026-10-26')
const kwh = fc.constantFrom('0', '0.1', '0.25', '0.2505', '1', '1.5')
const kw = fc.constantFrom('0', '0.5', '1', '3.6')
const seconds = fc.constantFrom(0, 60, 600, 1800, 3600)
const OFFSETS = [
  { fromAt: Date.parse('2025-10-26T01:00:00Z'), minutes: 60 },
  { fromAt: Date.parse('2026-03-29T01:00:00Z'), minutes: 120 },
  { fromAt: Date.parse('2026-10-25T01:00:00Z'), minutes: 60 },
]

export const component: fc.Arbitrary<PriceComponent> = fc
  .record({ type: fc.constantFrom(...DIMENSIONS), price, vat, stepSize: step })
  .map(there)

/** One or two of them, or all. */
const restrictions: fc.Arbitrary<Restrictions> = fc
  .record({
    ...{ startMinute: maybe(minute), endMinute: maybe(minute), startDate: maybe(date), endDate: maybe(date) },
    ...{ minKwh: maybe(kwh), maxKwh: maybe(kwh), minPower: maybe(kw), maxPower: maybe(kw) },
    ...{ minDurationS: maybe(seconds), maxDurationS: maybe(seconds) },
    daysOfWeek: fc.oneof(fc.constant([]), fc.subarray([...DAYS_OF_WEEK])),
    kept: fc.array(fc.constantFrom('time', 'date', 'kwh', 'power', 'duration', 'days'), {
      minLength: 1,
      maxLength: 2,
    }),
  })
  .map(({ kept, ...all }) => {
    const of = {
      time: 'Minute',
      date: 'Date',
      kwh: 'Kwh',
      power: 'Power',
      duration: 'Duration',
      days: 'days',
    }
    const names = Object.keys(all).filter(name => kept.some(kind => name.includes(of[kind])))
    const some = Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
    return { daysOfWeek: [], ...there(some) } as Restrictions
  })

const limit = fc.record({
  beforeTaxes: fc.constantFrom('0', '0.5', '2', '3', '5000'),
  afterTaxes: maybe(fc.constantFrom('0.55', '2.2', '4', '5500')),
})

export function termsWith(elements: fc.Arbitrary<Terms['elements']>): fc.Arbitrary<Terms> {
  return fc
    .record({
      elements,
      minPrice: fc.oneof(fc.constant(undefined), limit.map(there)),
      maxPrice: fc.oneof(fc.constant(undefined), fc.constant(undefined), limit.map(there)),
      taxIncluded: fc.constantFrom(...TAX_INCLUDED),
    })
    .map(drawn => ({
      ...there(drawn),
      ...{ countryCode: 'DE', partyId: 'ALL', timeZone: 'Europe/Berlin', offsets: OFFSETS },
      scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
    }))
}

export const terms: fc.Arbitrary<Terms> = termsWith(
  fc.array(
    fc
      .record({
        components: fc.array(component, { minLength: 1, maxLength: 3 }),
        restrictions: fc.option(restrictions, { nil: undefined, freq: 4 }),
      })
      .map(there),
    { minLength: 1, maxLength: 5 },
  ),
)

const startedAt = fc
  .constantFrom(
    '2026-03-28T22:00Z',
    '2026-03-29T00:00Z',
    '2026-10-24T23:00Z',
    '2026-10-25T00:30Z',
    '2026-06-01T21:30Z',
  )
  .chain(text => fc.integer({ min: 0, max: 3600 }).map(later => Date.parse(text) / 1000 + later))

/** Up to an hour and some, with up to five readings in between. */
export const usage: fc.Arbitrary<Usage> = fc
  .record({
    startedAt,
    lasted: fc.oneof(fc.constantFrom(1, 600, 1800, 3600), fc.integer({ min: 1, max: 4000 })),
    readings: fc.array(fc.record({ after: fc.nat(60), wh: fc.constantFrom(0, 1, 50, 100, 250, 333, 1000) }), {
      maxLength: 5,
    }),
    last: fc.constantFrom(0, 1, 100, 250, 777),
    turns: fc.array(fc.nat(60), { maxLength: 6, size: 'max' }),
    kinds: fc.array(fc.constantFrom('parked', 'withheld'), { minLength: 3, maxLength: 3 }),
  })
  .map(({ startedAt: from, lasted, readings, last, turns, kinds }) => {
    const stoppedAt = from + lasted
    const times = [...new Set(readings.map(({ after }) => from + Math.floor((lasted * after) / 60)))]
      .filter(at => at > from && at < stoppedAt)
      .sort((a, b) => a - b)
    let wh = 0
    const inner = times.map((at, i) => {
      wh += readings[i]?.wh ?? 0
      return { at, wh }
    })
    return {
      startedAt: from,
      stoppedAt,
      curve: [{ at: from, wh: 0 }, ...inner, { at: stoppedAt, wh: wh + last }],
      idle: idleOf(
        turns.map(turn => from + Math.floor((lasted * turn) / 60)),
        kinds,
      ),
    }
  })

function idleOf(turns: readonly number[], kinds: readonly string[]): readonly IdleSpan[] {
  const sorted = turns.toSorted((a, b) => a - b)
  return kinds.flatMap((kind, i) => {
    const [fromAt, toAt] = [sorted[2 * i], sorted[2 * i + 1]]
    if (fromAt === undefined || toAt === undefined || fromAt === toAt) return []
    return [{ fromAt, toAt, kind: kind as IdleSpan['kind'] }]
  })
}

type There<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Without what is undefined. */
function there<T extends object>(all: T): There<T> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as There<T>
}

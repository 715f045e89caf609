// What a session costs by a tariff's terms: every case of the table that an accountant can check.
import { describe, expect, it } from 'vitest'
import { costOf } from '../../src/tariff/cost.ts'
import { highestEnergyPrice } from '../../src/tariff/highest.ts'
import { decodeTerms, encodeTerms, type PriceComponent, type Terms } from '../../src/tariff/terms.ts'
import { MAX_SESSION_S, type Usage } from '../../src/tariff/usage.ts'
import { type OcpiTariff, readTariffCases, type TariffCase, termsOf } from './cases.ts'

const cases = readTariffCases()

/** As the log carries it. */
function costOfCase({ terms, currency, usage }: TariffCase): ReturnType<typeof costOf> {
  const carried = decodeTerms(encodeTerms(terms))
  return carried && costOf({ currency, pricePerKwh: '0', terms: carried }, usage)
}

describe('the worked cases', () => {
  it('are at least sixty, each of its own name', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60)
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
  })

  it.each(cases.map(one => [one.name, one] as const))('%s', (_, one) => {
    const cost = costOfCase(one)
    const { total, beforeTaxes, taxes, parts } = cost ?? {}
    expect({ total, beforeTaxes, taxes, parts }).toEqual(one.expected)
  })

  it('count every Wh and second of a session in its periods', () => {
    for (const one of cases) {
      const periods = costOfCase(one)?.periods ?? []
      const { curve, startedAt, stoppedAt, idle } = one.usage
      const sum = (of: (period: (typeof periods)[number]) => number): number =>
        periods.reduce((total, period) => total + of(period), 0)
      const lasted = (kind: string): number =>
        idle.filter(span => span.kind === kind).reduce((total, { fromAt, toAt }) => total + toAt - fromAt, 0)
      expect(
        sum(period => period.energyWh),
        one.name,
      ).toBe(curve.at(-1)?.wh)
      expect(
        sum(period => period.parkingS),
        one.name,
      ).toBe(lasted('parked'))
      expect(
        sum(period => period.chargingS + period.parkingS),
        one.name,
      ).toBe(stoppedAt - startedAt - lasted('withheld'))
      expect(periods[0]?.startedAt, one.name).toBe(startedAt)
    }
  })
})

const WHERE = { timeZone: 'UTC', offsets: [{ fromAt: 0, minutes: 0 }] }
const ENERGY: PriceComponent = { type: 'ENERGY', price: '0.25', stepSize: 1 }
const HOUR: Usage = {
  ...{ startedAt: 1_780_000_000, stoppedAt: 1_780_003_600, idle: [] },
  curve: [
    { at: 1_780_000_000, wh: 0 },
    { at: 1_780_003_600, wh: 4000 },
  ],
}

function terms(change: Partial<Terms> = {}): Terms {
  const ocpi: OcpiTariff = { currency: 'EUR', tax_included: 'N/A', elements: [] }
  return { ...termsOf(ocpi, WHERE), elements: [{ components: [ENERGY] }], ...change }
}

function restricted(restrictions: object): Partial<Terms> {
  return { elements: [{ components: [ENERGY], restrictions: { daysOfWeek: [], ...restrictions } }] }
}

describe('a price that cannot be computed', () => {
  const total = (by: Terms, used: Usage = HOUR, currency = 'EUR'): string | undefined =>
    costOf({ currency, pricePerKwh: '0.25', terms: by }, used)?.total

  it('is none, where one that can is 1.00', () => {
    expect(total(terms())).toBe('1.00')
  })

  it.each([
    ['a least current, which nobody measures', restricted({ minCurrent: '32' })],
    ['a most current', restricted({ maxCurrent: '32' })],
    ['a day that is not in the calendar', restricted({ startDate: '2026-02-30' })],
    ['an end that is no day', restricted({ endDate: 'tomorrow' })],
    ['a minute past the day', restricted({ startMinute: 1440 })],
    ['an end past the day', restricted({ endMinute: 1440 })],
    ['energy that is no number', restricted({ minKwh: '-1' })],
    ['energy that is no number either', restricted({ maxKwh: '1e3' })],
    ['power that is no number', restricted({ minPower: 'much' })],
    ['power that is no number either', restricted({ maxPower: '' })],
    ['hours of nowhere', { ...restricted({ startMinute: 60 }), offsets: [] }],
    ['a negative price', { elements: [{ components: [{ ...ENERGY, price: '-0.25' }] }] }],
    ['a tax that is no number', { elements: [{ components: [{ ...ENERGY, vat: '19%' }] }] }],
    ['a tax beyond the price', { elements: [{ components: [{ ...ENERGY, vat: '100.1' }] }] }],
    ['steps of nothing', { elements: [{ components: [{ ...ENERGY, stepSize: 0 }] }] }],
    ['steps beyond exact numbers', { elements: [{ components: [{ ...ENERGY, stepSize: 2 ** 53 }] }] }],
    ['a least that is no number', { minPrice: { beforeTaxes: 'x' } }],
    ['a most that is no number', { maxPrice: { beforeTaxes: '1', afterTaxes: '-1' } }],
  ] as const)('is none for %s', (_, change) => {
    expect(total(terms(change as Partial<Terms>))).toBeUndefined()
  })

  const { startedAt, stoppedAt } = HOUR
  const line = (...wh: number[]): Usage => ({
    ...HOUR,
    curve: wh.map((one, i) => ({ at: i === wh.length - 1 ? stoppedAt : startedAt + i, wh: one })),
  })
  it('is one without steps for a fee, which has none', () => {
    const fee = { type: 'FLAT', price: '2', stepSize: 0 } as const
    expect(total(terms({ elements: [{ components: [fee] }] }))).toBe('2.00')
  })

  it.each<[string, Usage]>([
    ['a meter that goes back', line(0, 5, 4)],
    ['a meter that does not begin at zero', line(1, 4)],
    ['parts of a Wh', line(0, 0.5)],
    ['more than exact numbers hold', line(0, 2 ** 53)],
    ['nothing', { ...HOUR, curve: [] }],
    ['a line that ends before the session', { ...HOUR, stoppedAt: stoppedAt + 1 }],
    ['a line that begins after it', { ...HOUR, startedAt: startedAt - 1 }],
    [
      'more than a year, by a clock that was never set',
      { ...HOUR, startedAt: 0, curve: [{ at: 0, wh: 0 }, ...HOUR.curve.slice(1)] },
    ],
    ['idle spans over one another', { ...HOUR, idle: [idle(0, 60), idle(30, 90)] }],
    ['an idle span before the start', { ...HOUR, idle: [idle(-1, 60)] }],
    ['an idle span after the end', { ...HOUR, idle: [idle(0, 3601)] }],
    ['an idle span that goes back', { ...HOUR, idle: [idle(60, 0)] }],
    ['half a second of idleness', { ...HOUR, idle: [idle(0, 0.5)] }],
  ])('is none for a session with %s', (_, used) => {
    expect(total(terms(), used)).toBeUndefined()
  })

  it.each(['eur', '', 'EURO'])('is none in the currency "%s"', currency => {
    expect(total(terms(), HOUR, currency)).toBeUndefined()
  })

  function idle(from: number, to: number): Usage['idle'][number] {
    return { fromAt: HOUR.startedAt + from, toAt: HOUR.startedAt + to, kind: 'parked' }
  }
})

describe('the hours of a site', () => {
  it('are those of its first offset before it began, too', () => {
    const offsets = [
      { fromAt: (HOUR.startedAt + 7200) * 1000, minutes: 120 },
      { fromAt: (HOUR.startedAt + 9000) * 1000, minutes: 60 },
    ]
    // 20:26 in UTC.
    const by = terms({ ...restricted({ startMinute: 22 * 60 }), offsets })
    expect(costOf({ currency: 'EUR', pricePerKwh: '0', terms: by }, HOUR)?.total).toBe('1.00')
  })
})

describe('the periods of a session', () => {
  it('last as long as the same prices hold', () => {
    const one = cases.find(({ name }) => name.startsWith('steps, a charge across 17:00 and two'))
    const at = (time: string): number => Date.parse(`2026-03-02T${time}+01:00`) / 1000
    expect(one && costOfCase(one)?.periods).toEqual([
      { startedAt: at('16:55'), energyWh: 625, chargingS: 300, parkingS: 0 },
      { startedAt: at('17:00'), energyWh: 625, chargingS: 300, parkingS: 0 },
      { startedAt: at('17:05'), energyWh: 250, chargingS: 0, parkingS: 120 },
    ])
  })

  it('go on where the next element says the same', () => {
    const elements = [{ components: [{ ...ENERGY }], restrictions: { maxKwh: '1', daysOfWeek: [] } }]
    const by = terms({ elements: [...elements, { components: [{ ...ENERGY }] }] })
    expect(costOf({ currency: 'EUR', pricePerKwh: '0', terms: by }, HOUR)?.periods).toEqual([
      { startedAt: HOUR.startedAt, energyWh: 4000, chargingS: 3600, parkingS: 0 },
    ])
  })

  it('are bounded in time: a session of a year by a tariff of every hour', () => {
    const elements = Array.from({ length: 24 }, (_, hour) => ({
      components: [{ ...ENERGY, price: hour % 2 === 0 ? '0.20' : '0.30' }],
      restrictions: { startMinute: hour * 60, endMinute: ((hour + 1) % 24) * 60, daysOfWeek: [] },
    }))
    const stoppedAt = HOUR.startedAt + MAX_SESSION_S
    const year = {
      ...HOUR,
      stoppedAt,
      curve: [
        { at: HOUR.startedAt, wh: 0 },
        { at: stoppedAt, wh: 1_000_000 },
      ],
    }
    const cost = costOf({ currency: 'EUR', pricePerKwh: '0', terms: terms({ elements }) }, year)
    expect(cost?.periods).toHaveLength(366 * 24 + 1)
  })
})

describe('the highest price of energy', () => {
  const energy = (...components: Partial<PriceComponent>[]): Terms['elements'] =>
    components.map(one => ({ components: [{ ...ENERGY, ...one }] }))
  it.each([
    ['of several', { elements: energy({ price: '0.30' }, { price: '0.4500' }, { price: '0.09' }) }, '0.45'],
    ['with the taxes that are added', { elements: energy({ vat: '10' }), taxIncluded: 'NO' }, '0.275'],
    ['with the taxes in it', { elements: energy({ vat: '10' }), taxIncluded: 'YES' }, '0.25'],
    ['without taxes', { elements: energy({ vat: '10' }) }, '0.25'],
    [
      'after taxes, not before',
      { elements: energy({ price: '1' }, { price: '0.9', vat: '19' }), taxIncluded: 'NO' },
      '1.071',
    ],
    [
      'rounded up',
      { elements: energy({ price: '0.000000000001', vat: '1' }), taxIncluded: 'NO' },
      '0.000000000002',
    ],
    ['that is free', { elements: energy({ price: '0.00' }) }, '0'],
    ['that is not priced', { elements: energy({ type: 'TIME', price: '9' }) }, '0'],
  ] as const)('is the one %s', (_, change, highest) => {
    expect(highestEnergyPrice(terms(change as Partial<Terms>))).toBe(highest)
  })
})

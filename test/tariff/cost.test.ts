// What a session costs by a tariff's terms: every case of the table that an accountant can check.
import { describe, expect, it } from 'vitest'
import { costOf } from '../../src/tariff/cost.ts'
import { decodeTerms, encodeTerms } from '../../src/tariff/terms.ts'
import { readTariffCases, type TariffCase } from './cases.ts'

const cases = readTariffCases()

/** As the log carries it. */
function costOfCase({ terms, currency, usage }: TariffCase): ReturnType<typeof costOf> {
  const carried = decodeTerms(encodeTerms(terms))
  return carried && costOf({ currency, pricePerKwh: '0', terms: carried }, usage)
}

describe('the worked cases', () => {
  it('are many, each of its own name', () => {
    expect(cases.length).toBeGreaterThanOrEqual(4)
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

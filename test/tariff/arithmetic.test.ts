// Whether a bill adds up, asked by who has nothing but the bill.
import { describe, expect, it } from 'vitest'
import { faultOf } from '../../src/tariff/arithmetic.ts'
import { readTariffCases } from './cases.ts'

const cases = readTariffCases()
const cent = (amount: string, by: 1 | -1): string => {
  const digits = amount.split('.')[1]?.length ?? 0
  return ((Number(amount) * 10 ** digits + by) / 10 ** digits).toFixed(digits)
}

describe('a bill', () => {
  it.each(cases.map(one => [one.name, one] as const))('adds up: %s', (_, { currency, expected }) => {
    expect(faultOf({ currency, ...expected })).toBeUndefined()
  })

  it('does not, with another total, another tax or without one of its lines', () => {
    for (const { name, currency, expected } of cases) {
      const bill = { currency, ...expected }
      for (const by of [1, -1] as const) {
        const total = cent(bill.total, by)
        expect(faultOf({ ...bill, total }), name).toBeDefined()
        expect(faultOf({ ...bill, beforeTaxes: cent(bill.beforeTaxes, by) }), name).toBeDefined()
        // Even where what is before taxes was changed along with it.
        expect(faultOf({ ...bill, total, beforeTaxes: cent(bill.beforeTaxes, by) }), name).toBeDefined()
      }
      const [first, ...others] = bill.taxes
      if (first) expect(faultOf({ ...bill, taxes: others }), name).toBeDefined()
      const dear = bill.parts.findIndex(({ afterTaxes }) => Math.abs(Number(afterTaxes)) > 0.02)
      if (dear >= 0) expect(faultOf({ ...bill, parts: bill.parts.toSpliced(dear, 1) }), name).toBeDefined()
    }
  })
})

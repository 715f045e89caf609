// Money: exact, rounded once, half up, in the currency's own digits; and refused by name rather than guessed.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addAmounts, priceOf, subtractAmounts } from '../../src/tariff/price.ts'
import { createTariffs, type Tariff } from '../../src/tariff/tariffs.ts'
import type { EventHash, LogId } from '../../src/units.ts'

describe('the price of energy', () => {
  it('is 0.63 for 154200 Wh to 156700 Wh at 0.25 (D1)', () => {
    expect(priceOf(156_700 - 154_200, { currency: 'EUR', pricePerKwh: '0.25' })).toBe('0.63')
  })

  it.each([
    // energyWh, pricePerKwh, currency, amount
    [0, '0.25', 'EUR', '0.00'],
    [1, '0.25', 'EUR', '0.00'],
    [19, '0.25', 'EUR', '0.00'],
    [20, '0.25', 'EUR', '0.01'],
    [60, '0.25', 'EUR', '0.02'],
    [1000, '0', 'EUR', '0.00'],
    [1000, '0.004', 'EUR', '0.00'],
    [1000, '0.005', 'EUR', '0.01'],
    [1000, '0.015', 'EUR', '0.02'],
    [1000, '1.005', 'EUR', '1.01'],
    [1000, '2.675', 'USD', '2.68'],
    [1000, '0.004999999999', 'EUR', '0.00'],
    [7, '0.1', 'EUR', '0.00'],
    [33_333, '0.3', 'EUR', '10.00'],
    [10_001, '0.29', 'GBP', '2.90'],
    [1000, '0.5', 'JPY', '1'],
    [1000, '0.499999999999', 'JPY', '0'],
    [12_345, '31', 'JPY', '383'],
    [500, '31', 'KRW', '16'],
    [1000, '0.0005', 'KWD', '0.001'],
    [1000, '0.00049', 'BHD', '0.000'],
    [2500, '0.0254', 'TND', '0.064'],
    [1000, '0.00005', 'CLF', '0.0001'],
    [Number.MAX_SAFE_INTEGER, '999999999999.999999999999', 'EUR', '9007199254740990999999990.99'],
    [1, '0.000000000001', 'EUR', '0.00'],
  ])('of %d Wh at %s %s is %s', (energyWh, pricePerKwh, currency, amount) => {
    expect(priceOf(energyWh, { currency, pricePerKwh })).toBe(amount)
  })

  it.each([
    ['a negative price', 1000, '-0.25', 'EUR'],
    ['a signed price', 1000, '+0.25', 'EUR'],
    ['no number', 1000, 'NaN', 'EUR'],
    ['an exponent', 1000, '2.5e-1', 'EUR'],
    ['infinity', 1000, 'Infinity', 'EUR'],
    ['a decimal comma', 1000, '0,25', 'EUR'],
    ['an empty price', 1000, '', 'EUR'],
    ['blanks', 1000, ' 0.25', 'EUR'],
    ['a line behind it', 1000, '0.25\n', 'EUR'],
    ['a point without digits', 1000, '1.', 'EUR'],
    ['thirteen digits', 1000, '1234567890123', 'EUR'],
    ['other digits', 1000, '٠.٢٥', 'EUR'],
    ['a small currency', 1000, '0.25', 'eur'],
    ['no currency', 1000, '0.25', ''],
    ['a symbol', 1000, '0.25', '€'],
    ['four letters', 1000, '0.25', 'EURO'],
    ['a currency with a line behind it', 1000, '0.25', 'EUR\n'],
    ['negative energy', -1, '0.25', 'EUR'],
    ['half a watt-hour', 0.5, '0.25', 'EUR'],
    ['unknown energy', Number.NaN, '0.25', 'EUR'],
    ['energy beyond exact integers', 2 ** 53, '0.25', 'EUR'],
  ])('is refused for %s, never guessed', (_, energyWh, pricePerKwh, currency) => {
    expect(priceOf(energyWh, { currency, pricePerKwh })).toBeUndefined()
  })

  it('is what integers of any size say: no float comes near it', () => {
    const digits: Readonly<Record<string, number>> = { EUR: 2, JPY: 0, KWD: 3 }
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }),
        fc.tuple(fc.integer({ min: 1, max: 12 }), fc.bigInt({ min: 0n, max: 10n ** 12n - 1n })),
        fc.constantFrom('EUR', 'JPY', 'KWD'),
        (energyWh, whole, [places, fractionOf], currency) => {
          const fraction = (fractionOf % 10n ** BigInt(places)).toString().padStart(places, '0')
          const price = BigInt(`${whole}${fraction}`)
          // Amount = energy * price / (1000 * 10^places); in minor units, rounded half up.
          const minor = 10n ** BigInt(digits[currency] ?? 2)
          const divisor = 1000n * 10n ** BigInt(places)
          const rounded = (2n * BigInt(energyWh) * price * minor + divisor) / (2n * divisor)
          const text = rounded.toString().padStart((digits[currency] ?? 2) + 1, '0')
          const at = text.length - (digits[currency] ?? 2)
          const wanted = digits[currency] === 0 ? text : `${text.slice(0, at)}.${text.slice(at)}`
          expect(priceOf(energyWh, { currency, pricePerKwh: `${whole}.${fraction}` })).toBe(wanted)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('sums and differences of amounts', () => {
  it.each([
    ['0.10', '0.20', '0.3', '-0.1'],
    ['0.63', '0.63', '1.26', '0'],
    ['9007199254740993.01', '0.01', '9007199254740993.02', '9007199254740993'],
    ['0.00', '0.05', '0.05', '-0.05'],
  ])('are exact: %s and %s', (a, b, sum, difference) => {
    expect(addAmounts(a, b)).toBe(sum)
    expect(subtractAmounts(a, b)).toBe(difference)
  })
})

describe('the tariffs of a site', () => {
  const tariff = (pricePerKwh: string, effectiveAt: number, hlc: bigint, logId = '1'): Tariff => ({
    ...{ tariffId: 'T', currency: 'EUR', pricePerKwh, effectiveAt, hlc },
    ref: { logId: logId.repeat(32) as LogId, seq: Number(hlc), hash: '0'.repeat(64) as EventHash },
  })
  const published = [
    tariff('0.10', 100, 1n),
    tariff('0.20', 200, 2n),
    tariff('0.21', 200, 3n),
    tariff('0.30', 300, 1n, '2'),
    tariff('0.31', 300, 1n, '3'),
    tariff('cheap', 250, 9n),
  ]

  it.each([
    [99, undefined],
    [100, '0.10'],
    [199, '0.10'],
    [200, '0.21'],
    [299, '0.21'],
    [300, '0.30'],
    [10_000, '0.30'],
  ])('at %d have in force %s, whatever order they came in', (at, price) => {
    fc.assert(
      fc.property(fc.shuffledSubarray(published, { minLength: published.length }), order => {
        const tariffs = createTariffs()
        for (const one of order) tariffs.add(one)
        expect(tariffs.inForce(at)?.pricePerKwh).toBe(price)
      }),
    )
  })
})

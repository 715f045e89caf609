// What holds of every price, whatever the tariff and the session.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cost, costOf } from '../../src/tariff/cost.ts'
import type { Terms } from '../../src/tariff/terms.ts'
import type { IdleSpan, Usage } from '../../src/tariff/usage.ts'
import { component, terms, termsWith, usage } from './drawn.ts'
import { slowCost } from './slow.ts'

const DIGITS: Readonly<Record<string, number>> = { EUR: 2, JPY: 0, KWD: 3 }
const currency = fc.constantFrom('EUR', 'EUR', 'JPY', 'KWD')

function cost(by: Terms, used: Usage, inCurrency = 'EUR'): Cost {
  const found = costOf({ currency: inCurrency, pricePerKwh: '0', terms: by }, used)
  if (!found) throw new Error('no price')
  return found
}

/** Millionths. */
function micros(decimal: string): bigint {
  const [whole = '0', digits = ''] = decimal.replace('-', '').split('.')
  const size = BigInt(whole + digits.padEnd(6, '0'))
  return decimal.startsWith('-') ? -size : size
}

describe('the price of a session', () => {
  it('is what counting each second and each Wh comes to', () => {
    fc.assert(
      fc.property(terms, usage, currency, (by, used, inCurrency) => {
        const { total, beforeTaxes, taxes } = cost(by, used, inCurrency)
        const slow = slowCost({ terms: by, usage: used, digits: DIGITS[inCurrency] ?? 2 })
        expect({ total, beforeTaxes, taxes }).toEqual(slow)
      }),
      { numRuns: 100 },
    )
  })

  it('does not change with more readings on the same line', () => {
    const steady = fc.record({
      startedAt: fc.constant(Date.parse('2026-03-28T22:30Z') / 1000),
      stretches: fc.array(fc.record({ s: fc.integer({ min: 1, max: 3000 }), perS: fc.nat(3) }), {
        minLength: 1,
        maxLength: 4,
      }),
      more: fc.array(fc.nat(12_000), { maxLength: 10 }),
    })
    fc.assert(
      fc.property(terms, steady, (by, { startedAt, stretches, more }) => {
        const curve = [{ at: startedAt, wh: 0 }]
        const finer = [{ at: startedAt, wh: 0 }]
        for (const { s, perS } of stretches) {
          const { at, wh } = curve.at(-1) ?? { at: 0, wh: 0 }
          const between = [...new Set(more)].filter(later => later > 0 && later < s).sort((a, b) => a - b)
          finer.push(...between.map(later => ({ at: at + later, wh: wh + later * perS })))
          for (const line of [curve, finer]) line.push({ at: at + s, wh: wh + s * perS })
        }
        const ends = { startedAt, stoppedAt: curve.at(-1)?.at ?? 0, idle: [] }
        expect(cost(by, { ...ends, curve: finer })).toEqual(cost(by, { ...ends, curve }))
      }),
    )
  })

  it('does not change when an idle span is told in pieces', () => {
    fc.assert(
      fc.property(terms, usage, fc.array(fc.nat(7200)), (by, used, cuts) => {
        const idle = used.idle.flatMap(({ fromAt, toAt, kind }): IdleSpan[] => {
          const at = [...new Set(cuts.map(cut => used.startedAt + cut))].filter(
            cut => cut > fromAt && cut < toAt,
          )
          const bounds = [fromAt, ...at.sort((a, b) => a - b), toAt]
          return bounds.slice(1).map((end, i) => ({ fromAt: bounds[i] ?? fromAt, toAt: end, kind }))
        })
        expect(cost(by, { ...used, idle })).toEqual(cost(by, used))
      }),
    )
  })

  it('is that of the plain tariff where energy is all that is priced', () => {
    const decimal = fc.tuple(fc.nat(999), fc.nat(999_999)).map(([whole, part]) => `${whole}.${part}`)
    fc.assert(
      fc.property(
        decimal,
        fc.maxSafeNat(),
        currency,
        usage,
        (pricePerKwh, wh, inCurrency, { startedAt, stoppedAt }) => {
          const used = {
            startedAt,
            stoppedAt,
            idle: [],
            curve: [
              { at: startedAt, wh: 0 },
              { at: stoppedAt, wh },
            ],
          }
          const components = [{ type: 'ENERGY' as const, price: pricePerKwh, stepSize: 1 }]
          const [by] = fc.sample(termsWith(fc.constant([{ components }])), { numRuns: 1, seed: 1 })
          if (!by) throw new Error('no terms')
          const { minPrice, maxPrice, ...plain } = by
          const { total, beforeTaxes, taxes, periods } = cost(plain, used, inCurrency)
          const expected = costOf({ currency: inCurrency, pricePerKwh }, used)
          expect({ total, beforeTaxes, taxes, periods }).toEqual({
            ...{ total: expected?.total, beforeTaxes: expected?.beforeTaxes },
            ...{ taxes: expected?.taxes, periods: expected?.periods },
          })
        },
      ),
    )
  })

  it('does not fall when more energy was used, without steps, limits, and prices of power or time', () => {
    const tiers = fc.array(
      fc.record({
        components: fc.array(
          component
            .filter(({ type }) => type === 'ENERGY' || type === 'FLAT')
            .map(one => ({ ...one, stepSize: 1 })),
          { minLength: 1, maxLength: 2 },
        ),
        restrictions: fc.constantFrom(
          { minKwh: '0.25', daysOfWeek: [] },
          { maxKwh: '1', daysOfWeek: [] },
          { minKwh: '0.1', maxKwh: '1.5', daysOfWeek: [] },
        ),
      }),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(termsWith(tiers), fc.nat(3000), fc.nat(3000), (by, wh, more) => {
        const { minPrice, maxPrice, ...open } = by
        const of = (energyWh: number): bigint =>
          micros(
            cost(open, {
              ...{ startedAt: 1_780_000_000, stoppedAt: 1_780_003_600, idle: [] },
              curve: [
                { at: 1_780_000_000, wh: 0 },
                { at: 1_780_003_600, wh: energyWh },
              ],
            }).total,
          )
        expect(of(wh + more) >= of(wh)).toBe(true)
      }),
    )
  })

  it('is the sum of its parts, and of its taxes and what is left of it; none of them below zero', () => {
    fc.assert(
      fc.property(terms, usage, currency, (by, used, inCurrency) => {
        const { total, beforeTaxes, taxes, parts } = cost(by, used, inCurrency)
        const sum = parts.reduce((all, { afterTaxes }) => all + micros(afterTaxes), 0n)
        const half = 500_000n / 10n ** BigInt(DIGITS[inCurrency] ?? 2)
        const off = sum - micros(total)
        expect((off < 0n ? -off : off) <= half + BigInt(parts.length)).toBe(true)
        expect(taxes.reduce((all, { amount }) => all + micros(amount), micros(beforeTaxes))).toBe(
          micros(total),
        )
        for (const amount of [total, beforeTaxes, ...taxes.map(tax => tax.amount)])
          expect(amount).not.toContain('-')
        for (const { type, measured, quantity } of parts) {
          expect(quantity, type).toBeGreaterThanOrEqual(measured)
        }
      }),
    )
  })
})

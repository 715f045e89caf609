// What a session costs, with the parts of it: exact until the end, and rounded once, half up, at the bill (D1).
import { isComputable } from './computable.ts'
import { fractionOf, isLess, minus, plus, rounded, shown, ZERO } from './fraction.ts'
import { byRate, limitLines, sumOf } from './limits.ts'
import { type Line, linesOf } from './lines.ts'
import { type Priced, pricedPeriods } from './periods.ts'
import { digitsOf, exactly, isCurrency, type Price, priceOf } from './price.ts'
import type { Dimension, Terms } from './terms.ts'
import { energyOf, isWhole, type Usage } from './usage.ts'

/** One line of a bill. */
export type CostPart = {
  /** MINIMUM raises a sum to the least that the tariff asks, MAXIMUM lowers it to the most. */
  readonly type: Dimension | 'MINIMUM' | 'MAXIMUM'
  /** Measured, in Wh (ENERGY) or s (TIME, PARKING_TIME); 1 for the others. */
  readonly measured: number
  /** Billed: rounded up to the step size. */
  readonly quantity: number
  /** Per kWh, per hour, or once. */
  readonly price: string
  /** Percent; absent where there is no tax. */
  readonly vat?: string
  /** For people, to six digits; the sum is made of exact numbers. MAXIMUM is negative. */
  readonly beforeTaxes: string
  readonly afterTaxes: string
}

/** OCPI ChargingPeriod: as long as the same prices hold. */
export type ChargingPeriod = {
  /** UTC seconds. */
  readonly startedAt: number
  readonly energyWh: number
  readonly chargingS: number
  readonly parkingS: number
}

export type Cost = {
  readonly currency: string
  /** What is billed, taxes included, in the currency's own digits. */
  readonly total: string
  /** `total` less the taxes. */
  readonly beforeTaxes: string
  /** By rate, the lowest first, each rounded. */
  readonly taxes: readonly { readonly vat: string; readonly amount: string }[]
  readonly parts: readonly CostPart[]
  readonly periods: readonly ChargingPeriod[]
  /** UTC seconds: when what is billed ended. Told apart from the periods, since time that was withheld is in none of them. */
  readonly stoppedAt?: number
  /** The event of the tariff by which it was computed, as log/seq/hash. */
  readonly tariff?: string
}

/** Undefined where the price is no price that can be computed with: never a default. */
export function costOf(price: Price & { readonly terms?: Terms }, usage: Usage): Cost | undefined {
  const { terms, currency } = price
  if (!terms) return plainCost(price, usage)
  if (!isCurrency(currency) || !isComputable(terms) || !isWhole(usage)) return undefined
  const priced = pricedPeriods(terms, usage)
  return priced && costOfLines(linesOf(priced, terms), { currency, terms, priced })
}

type Known = { readonly currency: string; readonly terms: Terms; readonly priced: Priced }

function costOfLines(used: readonly Line[], { currency, terms, priced }: Known): Cost | undefined {
  if (!used.every(({ quantity }) => Number.isSafeInteger(quantity))) return undefined
  const lines = [...used, ...limitLines(used, terms)]
  const digits = digitsOf(currency)
  const total = rounded(sumOf(lines).after, digits)
  const taxes = byRate(lines)
    .flatMap(({ before, after, vat }) =>
      vat === undefined ? [] : [{ vat, amount: rounded(minus(after, before), digits) }],
    )
    .sort((a, b) => (isLess(fractionOf(a.vat), fractionOf(b.vat)) ? -1 : 1))
  const allTaxes = taxes.map(({ amount }) => fractionOf(amount)).reduce(plus, ZERO)
  return {
    currency,
    total,
    beforeTaxes: rounded(minus(fractionOf(total), allTaxes), digits),
    taxes,
    parts: lines.map(({ before, after, ...line }) => ({
      ...{ ...line, beforeTaxes: shown(before), afterTaxes: shown(after) },
    })),
    periods: priced.periods.map(({ startedAt, energyWh, chargingS, parkingS }) => ({
      ...{ startedAt, energyWh, chargingS, parkingS },
    })),
  }
}

function plainCost(price: Price, usage: Usage): Cost | undefined {
  const energyWh = energyOf(usage)
  const total = priceOf(energyWh, price)
  if (total === undefined) return undefined
  const exact = exactly(energyWh, price.pricePerKwh)
  return {
    currency: price.currency,
    total,
    beforeTaxes: total,
    taxes: [],
    parts: [
      {
        ...{ type: 'ENERGY', measured: energyWh, quantity: energyWh, price: price.pricePerKwh },
        ...{ beforeTaxes: exact, afterTaxes: exact },
      },
    ],
    periods: [{ startedAt: usage.startedAt, energyWh, ...durationsOf(usage) }],
  }
}

function durationsOf({ startedAt, stoppedAt, idle }: Usage): Pick<ChargingPeriod, 'chargingS' | 'parkingS'> {
  const lasted = (kind: 'parked' | 'withheld'): number =>
    idle.filter(span => span.kind === kind).reduce((sum, { fromAt, toAt }) => sum + toAt - fromAt, 0)
  const parkingS = lasted('parked')
  return { parkingS, chargingS: stoppedAt - startedAt - parkingS - lasted('withheld') }
}

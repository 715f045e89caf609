// What a session costs, with the parts of it: exact until the end, and rounded once, half up, at the bill (D1).
import { exactly, type Price, priceOf } from './price.ts'
import type { Dimension, Terms } from './terms.ts'
import { energyOf, type Usage } from './usage.ts'

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
  /** By rate, each rounded. */
  readonly taxes: readonly { readonly vat: string; readonly amount: string }[]
  readonly parts: readonly CostPart[]
  readonly periods: readonly ChargingPeriod[]
  /** UTC seconds: when what is billed ended. Told apart from the periods, since time that was withheld is in none of them. */
  readonly stoppedAt?: number
}

/** Undefined where the price is no price that can be computed with: never a default. */
export function costOf(price: Price & { readonly terms?: Terms }, usage: Usage): Cost | undefined {
  return price.terms ? undefined : plainCost(price, usage)
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

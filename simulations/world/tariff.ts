// The tariffs of a simulated site: a price of energy, or one with everything that a price by terms may hang on (the hour, how
// long the session lasts, whether the car still asks for power, tax), so that nodes and cloud have something to differ in.
import type { AnyBody } from '../../src/log/body.ts'
import { encodeTerms, type PriceComponent, type Terms } from '../../src/tariff/terms.ts'
import type { Plan } from '../plan.ts'

/** More a kWh in the dear hours. */
const MORE = '0.11'
const PARKED_PER_HOUR = '6'
const FLAT = '0.35'
const VAT = '19'
const OTHER_VAT = '7'
const ZONE_MINUTES = 120
const DEAR_FROM = 45
const DEAR_FOR = 40
const DAY_MINUTES = 24 * 60

export function tariffOf(plan: Plan, pricePerKwh: string, effectiveAt: number): AnyBody {
  const said = { tariffId: 'day', currency: 'EUR', effectiveAt }
  if (!plan.byTerms) return { name: 'tariff', body: { ...said, pricePerKwh } }
  const elements = encodeTerms(termsOf(plan, pricePerKwh))
  return { name: 'tariff', body: { ...said, pricePerKwh: dearest(pricePerKwh), elements } }
}

/** The highest price of energy. */
export function dearest(pricePerKwh: string): string {
  return (Number(pricePerKwh) + Number(MORE)).toFixed(2)
}

export function termsOf(plan: Plan, pricePerKwh: string): Terms {
  const startMinute = (Math.floor(plan.startsAt / 60_000) + ZONE_MINUTES + DEAR_FROM) % DAY_MINUTES
  const dear = { startMinute, endMinute: (startMinute + DEAR_FOR) % DAY_MINUTES, daysOfWeek: [] }
  const energy = (price: string): PriceComponent => ({ type: 'ENERGY', price, vat: VAT, stepSize: 1 })
  return {
    elements: [
      { components: [{ type: 'FLAT', price: FLAT, vat: VAT, stepSize: 1 }] },
      { components: [energy(dearest(pricePerKwh))], restrictions: dear },
      { components: [energy(pricePerKwh)] },
      {
        components: [{ type: 'PARKING_TIME', price: PARKED_PER_HOUR, vat: OTHER_VAT, stepSize: 60 }],
        restrictions: { minDurationS: 600, daysOfWeek: [] },
      },
    ],
    ...{ taxIncluded: 'NO', countryCode: 'DE', partyId: 'SIM', timeZone: 'Europe/Berlin' },
    scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
    offsets: [{ fromAt: 0, minutes: ZONE_MINUTES }],
  }
}

/** What a session of so much energy may cost at the least and at the most, with taxes; to a cent. */
export function boundsOf(
  plan: Plan,
  prices: readonly string[],
  { energyWh, lastedMs }: { readonly energyWh: number; readonly lastedMs: number },
): readonly [least: number, most: number] {
  if (!plan.byTerms) throw new RangeError('these tariffs are prices of energy')
  const all = prices.map(Number)
  const gross = (net: number, vat: string): number => net * (1 + Number(vat) / 100)
  const energy = (price: number): number => gross((energyWh / 1000) * price + Number(FLAT), VAT)
  const parked = gross((lastedMs / 3_600_000) * Number(PARKED_PER_HOUR), OTHER_VAT)
  return [energy(Math.min(...all)) - 0.01, energy(Math.max(...all) + Number(MORE)) + parked + 0.01]
}

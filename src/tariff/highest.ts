// The most that a kWh costs by a tariff's terms, taxes included as in every amount that is billed. It stands in the tariff as
// the price of energy for all that asks for no more than that: what a card may owe at most, what a screen shows.
import { type Fraction, fractionOf, isLess, rounded, times, trimmed, ZERO } from './fraction.ts'
import { taxFactor, vatOf } from './lines.ts'
import type { PriceComponent, Terms } from './terms.ts'

/** As many as a price has. */
const DIGITS = 12

/** "0" where energy is free. Rounded up, so that it is never less than what is billed. */
export function highestEnergyPrice({ elements, taxIncluded }: Terms): string {
  const afterTaxes = (component: PriceComponent): Fraction => {
    const price = fractionOf(component.price)
    return taxIncluded === 'YES' ? price : times(price, taxFactor(vatOf(component, taxIncluded)))
  }
  const { over, under } = elements
    .flatMap(({ components }) => components.filter(({ type }) => type === 'ENERGY').map(afterTaxes))
    .reduce((a, b) => (isLess(a, b) ? b : a), ZERO)
  const scale = 10n ** BigInt(DIGITS)
  return trimmed(rounded({ over: (over * scale + under - 1n) / under, under: scale }, DIGITS))
}

// Whether a tariff's numbers are numbers. It comes from an issuer whose import has said so already; a price that is none
// after all leaves the session unpriced, never free.
import { fractionOf, isLess } from './fraction.ts'
import { isDecimal } from './price.ts'
import type { PriceComponent, PriceLimit, Terms } from './terms.ts'

const HUNDRED = fractionOf('100')

/** Beyond 100 % the rounded taxes of a small bill could exceed it. */
export function isComputable({ elements, minPrice, maxPrice }: Terms): boolean {
  return elements.every(({ components }) => components.every(isPriced)) && [minPrice, maxPrice].every(isLimit)
}

function isPriced({ type, price, vat, stepSize }: PriceComponent): boolean {
  const isRate = vat === undefined || (isDecimal(vat) && !isLess(HUNDRED, fractionOf(vat)))
  return isDecimal(price) && isRate && (type === 'FLAT' || stepSize > 0)
}

function isLimit(limit: PriceLimit | undefined): boolean {
  return limit === undefined || (isDecimal(limit.beforeTaxes) && isDecimal(limit.afterTaxes ?? '0'))
}

// Whether the lines of a bill make its total. Asked by those who were handed a bill and did not compute it: the price
// itself is another question, for which they would need the readings.
import Big from 'big.js'
import { decimalsIn, isCurrency } from './price.ts'

type Lines = {
  readonly currency: string
  readonly total: string
  readonly beforeTaxes: string
  readonly taxes: readonly { readonly vat: string; readonly amount: string }[]
  readonly parts: readonly {
    readonly vat?: string
    readonly beforeTaxes: string
    readonly afterTaxes: string
  }[]
}

const AMOUNT = /^-?\d{1,15}(\.\d{1,12})?$/
/** A part is shown to six digits. */
const PART_DIGITS = 6

/** In words, what does not add up; undefined where all does. */
export function faultOf({ currency, total, beforeTaxes, taxes, parts }: Lines): string | undefined {
  if (!isCurrency(currency)) return 'the currency is none'
  const amounts = [total, beforeTaxes, ...taxes.flatMap(({ vat, amount }) => [vat, amount])]
  const rates = parts.flatMap(({ vat }) => vat ?? [])
  const lines = [...parts.flatMap(part => [part.beforeTaxes, part.afterTaxes]), ...rates]
  if (![...amounts, ...lines].every(amount => AMOUNT.test(amount))) return 'an amount is no number'
  if (total.startsWith('-')) return 'the total is below nothing'
  if (!sumOf([beforeTaxes, ...taxes.map(({ amount }) => amount)]).eq(total))
    return 'the total is not the sum before taxes and the taxes'
  const taxed = taxes.map(({ vat }) => vat)
  if (!isAmong(rates, taxed) || !isAmong(taxed, rates)) return 'the taxes are not those of the parts'
  const digits = decimalsIn(total)
  if (
    !roundings(sumOf(parts.map(part => part.afterTaxes)), slackOf(parts, 'afterTaxes'), digits).includes(
      total,
    )
  )
    return 'the total is not the sum of its parts'
  // Each tax is rounded by itself.
  const apart = sumOf(parts.map(part => part.beforeTaxes))
    .minus(beforeTaxes)
    .abs()
  const most = new Big(10).pow(-digits).times(1 + taxes.length)
  if (apart.gt(most.plus(slackOf(parts, 'beforeTaxes'))))
    return 'the sum before taxes is not that of the parts'
  return undefined
}

/** Whether what is left is the difference, and none of the three is below nothing. */
export function isLeft(whole: string, taken: string, left: string): boolean {
  const amounts = [whole, taken, left]
  if (!amounts.every(amount => AMOUNT.test(amount) && !amount.startsWith('-'))) return false
  return new Big(whole).minus(taken).eq(left)
}

function isAmong(rates: readonly string[], others: readonly string[]): boolean {
  return rates.every(rate => others.some(other => new Big(other).eq(rate)))
}

/** By how much what is shown of the parts may be off: those with all their digits were rounded. */
function slackOf(parts: Lines['parts'], side: 'beforeTaxes' | 'afterTaxes'): Big {
  const rounded = parts.filter(part => decimalsIn(part[side]) >= PART_DIGITS)
  return new Big(10).pow(-PART_DIGITS).div(2).times(rounded.length)
}

/** Half up, of all that the sum may have been. */
function roundings(sum: Big, slack: Big, digits: number): readonly string[] {
  return [sum.minus(slack), sum.plus(slack)].map(one => one.round(digits, Big.roundHalfUp).toFixed(digits))
}

function sumOf(amounts: readonly string[]): Big {
  return amounts.reduce((sum, amount) => sum.plus(amount), new Big(0))
}

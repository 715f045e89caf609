// Whether the lines of a bill make its total. Asked by those who were handed a bill and did not compute it: the price
// itself is another question, for which they would need the readings.
import Big from 'big.js'
import { isCurrency } from './price.ts'

type Lines = {
  readonly currency: string
  readonly total: string
  readonly beforeTaxes: string
  readonly taxes: readonly { readonly vat: string; readonly amount: string }[]
  readonly parts: readonly { readonly beforeTaxes: string; readonly afterTaxes: string }[]
}

const AMOUNT = /^-?\d{1,15}(\.\d{1,12})?$/
/** A part is shown to six digits. */
const PART_DIGITS = 6

/** In words, what does not add up; undefined where all does. */
export function faultOf({ currency, total, beforeTaxes, taxes, parts }: Lines): string | undefined {
  if (!isCurrency(currency)) return 'the currency is none'
  const amounts = [total, beforeTaxes, ...taxes.flatMap(({ vat, amount }) => [vat, amount])]
  const lines = parts.flatMap(part => [part.beforeTaxes, part.afterTaxes])
  if (![...amounts, ...lines].every(amount => AMOUNT.test(amount))) return 'an amount is no number'
  if (total.startsWith('-')) return 'the total is below nothing'
  if (!sumOf([beforeTaxes, ...taxes.map(({ amount }) => amount)]).eq(total))
    return 'the total is not the sum before taxes and the taxes'
  const unit = new Big(10).pow(-(total.split('.')[1]?.length ?? 0))
  const slack = new Big(10).pow(-PART_DIGITS).times(parts.length)
  const isNear = (sum: Big, wanted: string, most: Big): boolean =>
    sum.minus(wanted).abs().lte(most.plus(slack))
  if (!isNear(sumOf(parts.map(part => part.afterTaxes)), total, unit.div(2)))
    return 'the total is not the sum of its parts'
  // Each tax is rounded by itself.
  if (!isNear(sumOf(parts.map(part => part.beforeTaxes)), beforeTaxes, unit.times(1 + taxes.length)))
    return 'the sum before taxes is not that of the parts'
  return undefined
}

function sumOf(amounts: readonly string[]): Big {
  return amounts.reduce((sum, amount) => sum.plus(amount), new Big(0))
}

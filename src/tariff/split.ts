// What part of an amount is taxes, where the amount is no longer all that its parts come to: after a refund, or a person's
// decision. Exact, each rounded once; what rounding leaves over stays with the part before taxes, so that all adds up.
import Big from 'big.js'
import type { Cost } from './cost.ts'
import { decimalsIn } from './price.ts'

export type Split = {
  /** Taxes included. */
  readonly amount: string
  readonly beforeTaxes: string
  readonly taxes: readonly { readonly vat: string; readonly amount: string }[]
}

/** `amount` in the proportions of a cost; without one, or where the cost is nothing, no part of it is known to be taxes. */
export function splitOf(amount: string, digits: number, cost?: Cost): Split {
  const whole = new Big(amount)
  const fixed = (value: Big): string => value.toFixed(digits, Big.roundHalfUp)
  if (!cost || new Big(cost.total).eq(0))
    return { amount: fixed(whole), beforeTaxes: fixed(whole), taxes: [] }
  const taxes = cost.taxes.map(tax => ({
    vat: tax.vat,
    amount: fixed(
      whole.eq(cost.total) ? new Big(tax.amount) : new Big(tax.amount).times(whole).div(cost.total),
    ),
  }))
  const taxed = taxes.reduce((sum, tax) => sum.plus(tax.amount), new Big(0))
  return { amount: fixed(whole), beforeTaxes: fixed(whole.minus(taxed)), taxes }
}

/** What changed between two, by tax rate. */
export function splitChange(after: Split, before: Split | undefined): Split {
  if (!before) return after
  const digits = Math.max(decimalsIn(after.amount), decimalsIn(before.amount))
  const minus = (a: string, b: string): string => new Big(a).minus(b).toFixed(digits)
  const amountAt = ({ taxes }: Split, vat: string): string =>
    taxes
      .filter(tax => tax.vat === vat)
      .reduce((sum, tax) => sum.plus(tax.amount), new Big(0))
      .toFixed()
  const rates = [...new Set([...before.taxes, ...after.taxes].map(tax => tax.vat))]
  return {
    amount: minus(after.amount, before.amount),
    beforeTaxes: minus(after.beforeTaxes, before.beforeTaxes),
    taxes: rates.map(vat => ({ vat, amount: minus(amountAt(after, vat), amountAt(before, vat)) })),
  }
}

/** Half up; for numbers in files whose format says how many digits they have. */
export function rounded(amount: string, digits: number): string {
  return new Big(amount).round(digits, Big.roundHalfUp).toFixed()
}

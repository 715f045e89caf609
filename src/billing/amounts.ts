// Sums of money as bills write them: signed decimal text, with as many digits behind the point as the currency has.
import { decimalsIn, subtractAmounts } from '../tariff/price.ts'

export function isZero(amount: string): boolean {
  return /^-?0*(\.0*)?$/.test(amount)
}

export function isMore(a: string, b: string): boolean {
  return subtractAmounts(b, a).startsWith('-')
}

export function smallerOf(a: string, b: string): string {
  return isMore(a, b) ? b : a
}

/** An amount with as many digits behind the point as the one that it came from: 0.50, not 0.5. */
export function inDigitsOf(model: string, amount: string): string {
  const digits = decimalsIn(model)
  const [whole = '0', fraction = ''] = amount.split('.')
  return fraction.length >= digits ? amount : `${whole}.${fraction.padEnd(digits, '0')}`
}

// What energy costs: exact decimals, rounded once, half up, at the bill (D1: 154200 Wh to 156700 Wh at 0.25 a kWh
// is 2.5 kWh and 0.63). The only home of big.js.
import Big from 'big.js'

/** Digits behind the point where they are not two (ISO 4217). */
const MINOR_DIGITS: Readonly<Record<string, number>> = {
  BIF: 0,
  CLP: 0,
  DJF: 0,
  GNF: 0,
  ISK: 0,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  PYG: 0,
  RWF: 0,
  UGX: 0,
  UYI: 0,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
  BHD: 3,
  IQD: 3,
  JOD: 3,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  TND: 3,
  CLF: 4,
  UYW: 4,
}
const DECIMAL = /^\d{1,12}(\.\d{1,12})?$/
const CURRENCY = /^[A-Z]{3}$/

export type Price = { readonly currency: string; readonly pricePerKwh: string }

/** Whether a text is a price that we can compute with: a plain, non-negative decimal. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text)
}

export function isCurrency(text: string): boolean {
  return CURRENCY.test(text)
}

/** Behind the point of an amount. */
export function digitsOf(currency: string): number {
  return MINOR_DIGITS[currency] ?? 2
}

/** Digits behind the point in a decimal text. */
export function decimalsIn(text: string): number {
  return text.split('.')[1]?.length ?? 0
}

/** Amount as decimal text in the currency's own digits, or undefined when the price is no price: never a default. */
export function priceOf(energyWh: number, price: Price): string | undefined {
  if (
    !isDecimal(price.pricePerKwh) ||
    !isCurrency(price.currency) ||
    !Number.isSafeInteger(energyWh) ||
    energyWh < 0
  ) {
    return undefined
  }
  const exact = new Big(energyWh).times(price.pricePerKwh).div(1000)
  const digits = digitsOf(price.currency)
  return exact.round(digits, Big.roundHalfUp).toFixed(digits)
}

/** The same before it is rounded, to six digits, for people. */
export function exactly(energyWh: number, pricePerKwh: string): string {
  return new Big(energyWh).times(pricePerKwh).div(1000).round(6, Big.roundHalfUp).toFixed()
}

/** Whether so much energy costs at least this share of an amount; undefined when one of them cannot be computed with. */
export function hasCost(
  energyWh: number,
  pricePerKwh: string,
  of: { readonly share: number; readonly amount: string },
): boolean | undefined {
  if (!isDecimal(pricePerKwh) || !isDecimal(of.amount) || !Number.isSafeInteger(energyWh)) return undefined
  return new Big(energyWh).times(pricePerKwh).gte(new Big(of.amount).times(of.share).times(1000))
}

/** Whether amounts come to at least this share of another. */
export function isAtLeast(
  amounts: readonly string[],
  of: { readonly share: number; readonly amount: string },
): boolean {
  const sum = amounts.reduce((held, one) => held.plus(one), new Big(0))
  return isDecimal(of.amount) && sum.gt(0) && sum.gte(new Big(of.amount).times(of.share))
}

/** Sum, difference and comparison of decimal texts, exact. */
export function addAmounts(a: string, b: string): string {
  return new Big(a).plus(b).toFixed()
}

export function subtractAmounts(a: string, b: string): string {
  return new Big(a).minus(b).toFixed()
}

/** What is asked with taxes on top, in percent; exact. */
export function withTax(price: string, vat: string): string {
  return new Big(price).times(new Big(vat).plus(100)).div(100).toFixed()
}

/** The highest of some decimals; undefined where there are none. */
export function highestOf(texts: readonly string[]): string | undefined {
  return texts.reduce<string | undefined>(
    (most, one) => (most === undefined || new Big(one).gt(most) ? one : most),
    undefined,
  )
}

/** An hour's price by the minute, where that is a number of few digits; else undefined. */
export function perMinute(price: string): string | undefined {
  const exact = new Big(price).div(60).round(4, Big.roundHalfUp)
  return exact.times(60).eq(price) ? exact.toFixed() : undefined
}

/** As people write money: at least the digits of the currency. */
export function inDigits(amount: string, currency: string): string {
  const digits = digitsOf(currency)
  const exact = new Big(amount)
  const shown = exact.toFixed()
  return decimalsIn(shown) >= digits ? shown : exact.toFixed(digits)
}

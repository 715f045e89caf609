// Exact numbers. An hour has 3600 seconds and a price with 19 % in it is divided by 119: neither ends as a decimal, and a
// quotient that was cut off once rounds to the wrong cent some day. So sums are fractions until they are written out.

export type Fraction = { readonly over: bigint; readonly under: bigint }

export const ZERO: Fraction = { over: 0n, under: 1n }
export const ONE: Fraction = { over: 1n, under: 1n }

/** Of a plain decimal, as `isDecimal` knows it. */
export function fractionOf(decimal: string): Fraction {
  const [whole = '0', digits = ''] = decimal.split('.')
  return { over: BigInt(whole + digits), under: 10n ** BigInt(digits.length) }
}

export function plus(a: Fraction, b: Fraction): Fraction {
  if (a.under === b.under) return { over: a.over + b.over, under: a.under }
  return reduced({ over: a.over * b.under + b.over * a.under, under: a.under * b.under })
}

export function minus(a: Fraction, b: Fraction): Fraction {
  return plus(a, { over: -b.over, under: b.under })
}

export function times(a: Fraction, b: Fraction): Fraction {
  return reduced({ over: a.over * b.over, under: a.under * b.under })
}

/** `b` is more than zero. */
export function dividedBy(a: Fraction, b: Fraction): Fraction {
  return reduced({ over: a.over * b.under, under: a.under * b.over })
}

export function isLess(a: Fraction, b: Fraction): boolean {
  return a.over * b.under < b.over * a.under
}

/** The one rounding: half up, what is below zero like what is above. */
export function rounded({ over, under }: Fraction, digits: number): string {
  const most = (over < 0n ? -over : over) * 10n ** BigInt(digits)
  const text = ((2n * most + under) / (2n * under)).toString().padStart(digits + 1, '0')
  const sign = over < 0n && /[1-9]/.test(text) ? '-' : ''
  const whole = text.slice(0, text.length - digits)
  return digits === 0 ? sign + whole : `${sign}${whole}.${text.slice(-digits)}`
}

/** For people: to six digits, without zeros behind the last that counts. */
export function shown(fraction: Fraction): string {
  return trimmed(rounded(fraction, 6))
}

/** 0.250 and 0.25 are the same number. */
export function trimmed(decimal: string): string {
  const text = decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
  return text.replace(/^(-?)0+(?=\d)/, '$1')
}

function reduced({ over, under }: Fraction): Fraction {
  let [a, b] = [over < 0n ? -over : over, under]
  while (b !== 0n) [a, b] = [b, a % b]
  return a <= 1n ? { over, under } : { over: over / a, under: under / a }
}

// The lines of a bill, one for each dimension, price and rate of tax, and what each comes to before and after taxes.
import { dividedBy, type Fraction, fractionOf, ONE, plus, times, trimmed } from './fraction.ts'
import type { Priced } from './periods.ts'
import { quantitiesOf } from './steps.ts'
import type { Dimension, PriceComponent, Terms } from './terms.ts'

/** Exact. */
export type Sum = { readonly before: Fraction; readonly after: Fraction }

export type Line = Sum & {
  readonly type: Dimension
  readonly measured: number
  readonly quantity: number
  readonly price: string
  readonly vat?: string
}

/** As bills show them. */
const ORDER: readonly Dimension[] = ['FLAT', 'ENERGY', 'TIME', 'PARKING_TIME']
/** Of each, what the price is for: a kWh, an hour, once. */
const UNIT = { FLAT: 1n, ENERGY: 1000n, TIME: 3600n, PARKING_TIME: 3600n } as const
const HUNDRED = fractionOf('100')

export function linesOf({ periods, flat }: Priced, { taxIncluded }: Terms): readonly Line[] {
  const lines = new Map<string, Omit<Line, keyof Sum>>()
  const once = flat ? [{ component: flat, measured: 1, quantity: 1 }] : []
  for (const { component, measured, quantity } of [...once, ...quantitiesOf(periods)]) {
    const { type, price } = component
    const vat = vatOf(component, taxIncluded)
    const key = `${type} ${trimmed(price)} ${vat ?? ''}`
    const held = lines.get(key)
    lines.set(key, {
      ...{ type, price: held?.price ?? price },
      measured: (held?.measured ?? 0) + measured,
      quantity: (held?.quantity ?? 0) + quantity,
      ...(vat !== undefined && { vat }),
    })
  }
  return [...lines.values()]
    .sort((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type))
    .map(line => ({ ...line, ...sumOf(line, taxIncluded) }))
}

/** The rate that is due for it; none where no taxes apply. */
export function vatOf({ vat }: PriceComponent, taxIncluded: Terms['taxIncluded']): string | undefined {
  return vat === undefined || taxIncluded === 'N/A' ? undefined : trimmed(vat)
}

/** What a sum before taxes is multiplied by to be one after them. */
export function taxFactor(vat: string | undefined): Fraction {
  return vat === undefined ? ONE : plus(ONE, dividedBy(fractionOf(vat), HUNDRED))
}

function sumOf(
  { type, quantity, price, vat }: Omit<Line, keyof Sum>,
  taxIncluded: Terms['taxIncluded'],
): Sum {
  const stated = times({ over: BigInt(quantity), under: UNIT[type] }, fractionOf(price))
  const factor = taxFactor(vat)
  return taxIncluded === 'YES'
    ? { before: dividedBy(stated, factor), after: stated }
    : { before: stated, after: times(stated, factor) }
}

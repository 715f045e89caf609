// The least and the most that a session costs. Both hold before and after taxes; the bill is raised or lowered as a whole, in
// proportion, so that each rate of tax keeps its share of it and no tax is shown that nothing was sold at. Where nothing was
// sold, the least is taxed like the tariff's first component. A least above the most gives way.
import { dividedBy, type Fraction, fractionOf, isLess, minus, ONE, plus, times, ZERO } from './fraction.ts'
import { type Line, type Sum, taxFactor, vatOf } from './lines.ts'
import type { PriceLimit, Terms } from './terms.ts'

export type LimitLine = Omit<Line, 'type'> & { readonly type: 'MINIMUM' | 'MAXIMUM' }
type Side = { readonly of: Fraction; readonly price: string }

/** What is to be added to the lines, one for each rate of tax. */
export function limitLines(lines: readonly Line[], terms: Terms): readonly LimitLine[] {
  const raised = terms.minPrice ? raise(lines, terms.minPrice, terms) : []
  const lowered = terms.maxPrice ? lower([...lines, ...raised], terms.maxPrice) : []
  return [...raised, ...lowered]
}

export function sumOf(lines: readonly Sum[]): Sum {
  return lines.reduce(
    (sum, { before, after }) => ({ before: plus(sum.before, before), after: plus(sum.after, after) }),
    { before: ZERO, after: ZERO },
  )
}

/** In the order in which the rates first come up. */
export function byRate<L extends Sum & { readonly vat?: string }>(
  lines: readonly L[],
): readonly (Sum & { readonly vat?: string })[] {
  const rates = [...new Set(lines.map(({ vat }) => vat))]
  return rates.map(vat => ({
    ...sumOf(lines.filter(line => line.vat === vat)),
    ...(vat !== undefined && { vat }),
  }))
}

function raise(lines: readonly Line[], limit: PriceLimit, terms: Terms): readonly LimitLine[] {
  const sum = sumOf(lines)
  if (!isLess(ZERO, sum.after)) return firstSum(limit, terms)
  const side = sidesOf(sum, limit).reduce((a, b) => (isLess(a.of, b.of) ? b : a))
  return isLess(ONE, side.of) ? scaled('MINIMUM', lines, side) : []
}

function lower(lines: readonly (Line | LimitLine)[], limit: PriceLimit): readonly LimitLine[] {
  const sum = sumOf(lines)
  if (!isLess(ZERO, sum.after)) return []
  const side = sidesOf(sum, limit).reduce((a, b) => (isLess(b.of, a.of) ? b : a))
  return isLess(side.of, ONE) ? scaled('MAXIMUM', lines, side) : []
}

/** What part of the sum the limit is, before taxes and after them. */
function sidesOf(sum: Sum, { beforeTaxes, afterTaxes }: PriceLimit): readonly [Side, ...Side[]] {
  const before = { of: dividedBy(fractionOf(beforeTaxes), sum.before), price: beforeTaxes }
  if (afterTaxes === undefined) return [before]
  return [before, { of: dividedBy(fractionOf(afterTaxes), sum.after), price: afterTaxes }]
}

function scaled(
  type: LimitLine['type'],
  lines: readonly (Line | LimitLine)[],
  side: Side,
): readonly LimitLine[] {
  const by = minus(side.of, ONE)
  return byRate(lines)
    .filter(({ after }) => isLess(ZERO, after))
    .map(({ before, after, vat }) => ({
      ...{ type, measured: 1, quantity: 1, price: side.price },
      ...(vat !== undefined && { vat }),
      ...{ before: times(before, by), after: times(after, by) },
    }))
}

function firstSum({ beforeTaxes, afterTaxes }: PriceLimit, terms: Terms): readonly LimitLine[] {
  const first = terms.elements[0]?.components[0]
  const vat = first && vatOf(first, terms.taxIncluded)
  const factor = taxFactor(vat)
  const least = fractionOf(beforeTaxes)
  const leastAfter = times(least, factor)
  const after = afterTaxes === undefined ? ZERO : fractionOf(afterTaxes)
  const higher = isLess(leastAfter, after)
  const sum = higher ? { before: dividedBy(after, factor), after } : { before: least, after: leastAfter }
  if (!isLess(ZERO, sum.after)) return []
  const price = higher && afterTaxes !== undefined ? afterTaxes : beforeTaxes
  return [{ type: 'MINIMUM', measured: 1, quantity: 1, price, ...(vat !== undefined && { vat }), ...sum }]
}

// A tariff in plain words, as a driver and an operator are shown it: what is paid, taxes in it where they are known, and when.
import { clockOf } from './ocpi-out.ts'
import { inDigits, perMinute, withTax } from './price.ts'
import type { Tariff } from './tariffs.ts'
import { DAYS_OF_WEEK, type PriceComponent, type PriceLimit, type Restrictions, type Terms } from './terms.ts'

export function describe({
  currency,
  pricePerKwh,
  terms,
  elements,
}: Pick<Tariff, 'currency' | 'pricePerKwh' | 'terms' | 'elements'>): string {
  if (!terms) {
    const plain = `${pricePerKwh} ${currency} a kWh`
    return elements ? `up to ${plain}; its other terms cannot be read by this version` : plain
  }
  const all = terms.elements.flatMap(({ components }) => components)
  const rates = new Set(all.map(({ vat }) => vat))
  const parts = terms.elements.flatMap(({ components, restrictions }) =>
    components.map(component => {
      const price = priceOf(component, terms, currency)
      const rate = rates.size > 1 && component.vat !== undefined ? ` (incl. ${component.vat} % VAT)` : ''
      return [`${price}${rate}`, ...whenOf(restrictions)].join(', ')
    }),
  )
  const limits = [limit('at least', terms.minPrice, currency), limit('at most', terms.maxPrice, currency)]
  return [...parts, ...limits.flat(), ...taxOf(terms, rates)].join('; ')
}

function priceOf(
  { type, price, vat, stepSize }: PriceComponent,
  { taxIncluded }: Terms,
  currency: string,
): string {
  const paid = taxIncluded === 'NO' && vat !== undefined ? withTax(price, vat) : price
  if (type === 'ENERGY') {
    const steps = stepSize > 1 ? ` (steps of ${stepSize} Wh)` : ''
    return `${inDigits(paid, currency)} ${currency} a kWh${steps}`
  }
  if (type === 'FLAT') return `${inDigits(paid, currency)} ${currency} once`
  const minute = perMinute(paid)
  const rate =
    minute === undefined
      ? `${inDigits(paid, currency)} ${currency} an hour`
      : `${inDigits(minute, currency)} ${currency} a minute`
  const steps = stepSize > 1 ? ` (steps of ${durationOf(stepSize)})` : ''
  return `${rate} ${type === 'TIME' ? 'while charging' : 'parked without charging'}${steps}`
}

function whenOf(restrictions: Restrictions | undefined): readonly string[] {
  if (!restrictions) return []
  const { startMinute, endMinute, startDate, endDate, daysOfWeek } = restrictions
  const { minKwh, maxKwh, minPower, maxPower, minDurationS, maxDurationS } = restrictions
  const hours =
    startMinute === undefined && endMinute === undefined
      ? []
      : [`${clockOf(startMinute ?? 0)}-${clockOf(endMinute ?? 0).replace('00:00', '24:00')}`]
  return [
    [...hours, ...(daysOfWeek.length > 0 ? [daysIn(daysOfWeek)] : [])].join(' '),
    [...(startDate ? [`from ${startDate}`] : []), ...(endDate ? [`before ${endDate}`] : [])].join(' '),
    range(minKwh, maxKwh, ' kWh'),
    range(minPower, maxPower, ' kW'),
    [
      ...(minDurationS === undefined ? [] : [`after ${durationOf(minDurationS)}`]),
      ...(maxDurationS === undefined ? [] : [`in the first ${durationOf(maxDurationS)}`]),
    ].join(' and '),
  ].filter(text => text !== '')
}

function range(least: string | undefined, most: string | undefined, unit: string): string {
  if (least !== undefined && most !== undefined) return `from ${least} to ${most}${unit}`
  if (least !== undefined) return `from ${least}${unit} on`
  return most === undefined ? '' : `below ${most}${unit}`
}

/** Mon-Fri, Sun. */
function daysIn(days: readonly (typeof DAYS_OF_WEEK)[number][]): string {
  const runs: string[][] = []
  DAYS_OF_WEEK.forEach((day, i) => {
    if (!days.includes(day)) return
    const before = DAYS_OF_WEEK[i - 1]
    const name = `${day.charAt(0)}${day.slice(1, 3).toLowerCase()}`
    if (before !== undefined && days.includes(before)) runs.at(-1)?.push(name)
    else runs.push([name])
  })
  return runs.map(run => (run.length > 1 ? `${run[0]}-${run.at(-1)}` : run[0])).join(', ')
}

function durationOf(seconds: number): string {
  if (seconds > 0 && seconds % 3600 === 0) return `${seconds / 3600} h`
  return seconds > 0 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}

function limit(word: string, given: PriceLimit | undefined, currency: string): readonly string[] {
  if (!given) return []
  const { beforeTaxes, afterTaxes } = given
  const shown = inDigits(afterTaxes ?? beforeTaxes, currency)
  return [`${word} ${shown} ${currency}${afterTaxes === undefined ? ' before taxes' : ''}`]
}

function taxOf({ taxIncluded }: Terms, rates: ReadonlySet<string | undefined>): readonly string[] {
  const [rate] = rates
  if (taxIncluded === 'N/A') return ['no taxes apply']
  if (rates.size === 1 && rate !== undefined) return [`incl. ${rate} % VAT`]
  if (taxIncluded === 'YES') return ['taxes included']
  return rates.size === 1 ? ['taxes not stated'] : []
}

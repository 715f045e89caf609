// The price of a session once more, in the slowest way there is: second by second and Wh by Wh, with nothing from src/ but
// types. It knows no periods and no places where something turns; it asks all elements at every moment.
import type { Cost } from '../../src/tariff/cost.ts'
import type { Dimension, PriceComponent, PriceLimit, Restrictions, Terms } from '../../src/tariff/terms.ts'
import type { Usage } from '../../src/tariff/usage.ts'

type Ratio = readonly [bigint, bigint]
type Wall = { readonly minute: number; readonly date: string; readonly day: number }
type Moment = { readonly passedS: number; readonly wall: Wall; readonly wh: number; readonly kw: Ratio }
type Heap = Map<PriceComponent, number>

export function slowCost({
  terms,
  usage,
  digits,
}: {
  readonly terms: Terms
  readonly usage: Usage
  readonly digits: number
}): Pick<Cost, 'total' | 'beforeTaxes' | 'taxes'> {
  const { startedAt, stoppedAt, curve, idle } = usage
  const energy: Heap = new Map()
  const time: Heap = new Map()
  let [lastEnergy, lastTime, flat]: (PriceComponent | undefined)[] = []
  const wanted = (type: Dimension, moment: Moment): PriceComponent | undefined => {
    for (const { components, restrictions } of terms.elements) {
      for (const component of components) {
        if (component.type === type && holds(restrictions, moment)) return component
      }
    }
    return undefined
  }
  let wall = wallAt(terms, startedAt)
  for (let at = startedAt; at < stoppedAt; at++) {
    // A clock on the wall shows minutes.
    if (at % 60 === 0) wall = wallAt(terms, at)
    const i = curve.findIndex((point, n) => n > 0 && point.at > at)
    const [from, to] = [curve[i - 1] ?? { at: 0, wh: 0 }, curve[i] ?? { at: 1, wh: 0 }]
    const lineAt = (second: number): number =>
      from.wh + Math.floor(((to.wh - from.wh) * (second - from.at)) / (to.at - from.at))
    const kw: Ratio = [BigInt(to.wh - from.wh) * 3600n, BigInt(to.at - from.at) * 1000n]
    const now = { passedS: at - startedAt, wall, kw }
    const [here, next] = [lineAt(at), lineAt(at + 1)]
    const moments = [here]
    for (let wh = here + 1; wh < next; wh++) moments.push(wh)
    for (const wh of moments) flat ??= wanted('FLAT', { ...now, wh })
    for (const wh of here < next ? moments : []) {
      const component = wanted('ENERGY', { ...now, wh })
      if (component) energy.set(component, (energy.get(component) ?? 0) + 1)
      lastEnergy = component ?? lastEnergy
    }
    const span = idle.find(({ fromAt, toAt }) => fromAt <= at && at < toAt)
    if (span?.kind === 'withheld') continue
    const component = wanted(span ? 'PARKING_TIME' : 'TIME', { ...now, wh: here })
    if (component) time.set(component, (time.get(component) ?? 0) + 1)
    lastTime = component ?? lastTime
  }
  fill(energy, lastEnergy)
  fill(time, lastTime)
  const once: Heap = new Map(flat ? [[flat, 1]] : [])
  return billed([...once, ...energy, ...time], terms, digits)
}

/** Up to the next step of the last. */
function fill(heap: Heap, last: PriceComponent | undefined): void {
  if (!last) return
  let sum = 0
  for (const [component, amount] of heap) if (component.type === last.type) sum += amount
  while (sum % last.stepSize !== 0) {
    heap.set(last, (heap.get(last) ?? 0) + 1)
    sum++
  }
}

function wallAt({ offsets }: Terms, at: number): Wall {
  let offset = offsets[0]?.minutes ?? 0
  for (const { fromAt, minutes } of offsets) if (at * 1000 >= fromAt) offset = minutes
  const wall = new Date(at * 1000 + offset * 60_000)
  const minute = wall.getUTCHours() * 60 + wall.getUTCMinutes()
  return { minute, date: wall.toISOString().slice(0, 10), day: wall.getUTCDay() }
}

const DAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const

/** Minute by minute from the start to the end, which may be on the next day. */
function isWithin(minute: number, { startMinute = 0, endMinute = 0 }: Restrictions): boolean {
  const lasts = endMinute > startMinute ? endMinute - startMinute : endMinute + 1440 - startMinute
  return (minute + 1440 - startMinute) % 1440 < lasts
}

function holds(rules: Restrictions | undefined, { passedS, wall, wh, kw }: Moment): boolean {
  if (!rules) return true
  const { minute, date, day } = wall
  const timed = rules.startMinute !== undefined || rules.endMinute !== undefined
  const less = (limit: string): boolean => isLess(kw, ratio(limit))
  return (
    (!timed || isWithin(minute, rules)) &&
    !(rules.startDate !== undefined && date < rules.startDate) &&
    !(rules.endDate !== undefined && date >= rules.endDate) &&
    (rules.daysOfWeek.length === 0 || rules.daysOfWeek.includes(DAYS[day] ?? 'SUNDAY')) &&
    !(rules.minKwh !== undefined && isLess([BigInt(wh), 1000n], ratio(rules.minKwh))) &&
    !(rules.maxKwh !== undefined && !isLess([BigInt(wh), 1000n], ratio(rules.maxKwh))) &&
    !(rules.minPower !== undefined && less(rules.minPower)) &&
    !(rules.maxPower !== undefined && !less(rules.maxPower)) &&
    !(rules.minDurationS !== undefined && passedS < rules.minDurationS) &&
    !(rules.maxDurationS !== undefined && passedS >= rules.maxDurationS)
  )
}

type Owed = { readonly vat: string | undefined; before: Ratio; after: Ratio }

function billed(
  used: readonly (readonly [PriceComponent, number])[],
  terms: Terms,
  digits: number,
): Pick<Cost, 'total' | 'beforeTaxes' | 'taxes'> {
  const owed: Owed[] = []
  for (const [{ type, price, vat: rate }, amount] of used) {
    const vat = terms.taxIncluded === 'N/A' ? undefined : rate
    const stated = mul(ratio(price), [
      BigInt(amount),
      type === 'FLAT' ? 1n : type === 'ENERGY' ? 1000n : 3600n,
    ])
    owed.push(owe(stated, vat, terms.taxIncluded === 'YES'))
  }
  const { minPrice, maxPrice } = terms
  if (minPrice && sum(owed, 'after')[0] === 0n) {
    const first = terms.elements[0]?.components[0]?.vat
    const vat = terms.taxIncluded === 'N/A' ? undefined : first
    const one = owe(ratio(minPrice.beforeTaxes), vat, false)
    const other = owe(ratio(minPrice.afterTaxes ?? '0'), vat, true)
    const least = isLess(one.after, other.after) ? other : one
    if (least.after[0] > 0n) owed.push(least)
  } else if (minPrice) {
    scale(owed, ratios(owed, minPrice).concat([[1n, 1n]]), (a, b) => isLess(b, a))
  }
  if (maxPrice && sum(owed, 'after')[0] > 0n) {
    scale(owed, ratios(owed, maxPrice).concat([[1n, 1n]]), isLess)
  }
  const total = round(sum(owed, 'after'), digits)
  const rates = [...new Set(owed.flatMap(({ vat }) => (vat === undefined ? [] : [vat])))]
  const taxes = rates
    .sort((a, b) => Number(a) - Number(b))
    .map(vat => {
      const of = owed.filter(one => one.vat === vat)
      return { vat, amount: round(add(sum(of, 'after'), mul(sum(of, 'before'), [-1n, 1n])), digits) }
    })
  const cents = taxes.reduce((left, { amount }) => left - centsOf(amount), centsOf(total))
  return { total, beforeTaxes: written(cents, digits), taxes }
}

function owe(stated: Ratio, vat: string | undefined, included: boolean): Owed {
  const factor = add([1n, 1n], mul(ratio(vat ?? '0'), [1n, 100n]))
  const inverse: Ratio = [factor[1], factor[0]]
  return included
    ? { vat, before: mul(stated, inverse), after: stated }
    : { vat, before: stated, after: mul(stated, factor) }
}

function ratios(owed: readonly Owed[], { beforeTaxes, afterTaxes }: PriceLimit): Ratio[] {
  const [before, after] = [sum(owed, 'before'), sum(owed, 'after')]
  const all = [mul(ratio(beforeTaxes), [before[1], before[0]])]
  if (afterTaxes !== undefined) all.push(mul(ratio(afterTaxes), [after[1], after[0]]))
  return all
}

function scale(
  owed: readonly Owed[],
  factors: readonly Ratio[],
  isBetter: (a: Ratio, b: Ratio) => boolean,
): void {
  const best = factors.reduce((a, b) => (isBetter(b, a) ? b : a))
  for (const one of owed) Object.assign(one, { before: mul(one.before, best), after: mul(one.after, best) })
}

function sum(owed: readonly Owed[], side: 'before' | 'after'): Ratio {
  return owed.map(one => one[side]).reduce(add, [0n, 1n])
}

const read = new Map<string, Ratio>()

function ratio(decimal: string): Ratio {
  const digits = decimal.split('.')[1]?.length ?? 0
  const found: Ratio = read.get(decimal) ?? [BigInt(decimal.replace('.', '')), 10n ** BigInt(digits)]
  read.set(decimal, found)
  return found
}

function add(a: Ratio, b: Ratio): Ratio {
  return [a[0] * b[1] + b[0] * a[1], a[1] * b[1]]
}

function mul(a: Ratio, b: Ratio): Ratio {
  return [a[0] * b[0], a[1] * b[1]]
}

function isLess(a: Ratio, b: Ratio): boolean {
  return a[0] * b[1] < b[0] * a[1]
}

/** Of what is not below zero: the next lower of it and a half. */
function round([over, under]: Ratio, digits: number): string {
  return written((over * 10n ** BigInt(digits) * 2n + under) / (under * 2n), digits)
}

function written(cents: bigint, digits: number): string {
  const text = cents.toString().padStart(digits + 1, '0')
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

function centsOf(amount: string): bigint {
  return BigInt(amount.replace('.', ''))
}

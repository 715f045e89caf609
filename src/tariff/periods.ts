// Cuts a session into the periods in which the same prices hold. Of the elements with a component of one dimension the first
// that holds is used, at each moment anew. The moments of a session are its seconds, from the first on and without the one in
// which it has ended; a session of no length has one.
import type { ChargingPeriod } from './cost.ts'
import { type Place, placeAt, placeOf } from './curve.ts'
import { instantsOf, localAt } from './hours.ts'
import { type Condition, conditionOf, type Moment, type Turns } from './restrictions.ts'
import type { Dimension, PriceComponent, Terms } from './terms.ts'
import { energyOf, type IdleSpan, type Usage } from './usage.ts'

/** `timed`: of TIME while it charged, of PARKING_TIME while it was parked, of neither while the site withheld the power. */
export type PricedPeriod = ChargingPeriod & {
  readonly energy?: PriceComponent
  readonly timed?: PriceComponent
}

export type Priced = {
  readonly periods: readonly PricedPeriod[]
  /** Once, of the element with one that held first. */
  readonly flat?: PriceComponent
}

type Rule = { readonly component: PriceComponent; readonly holds: Condition }
type Stretch = { readonly from: Place; readonly to: Place; readonly kind?: IdleSpan['kind'] }

/** Undefined where a restriction cannot be judged. */
export function pricedPeriods(terms: Terms, usage: Usage): Priced | undefined {
  const turns: Turns = { minutes: new Set(), passedS: new Set(), usedWh: new Set(), power: false }
  const rules = new Map<Dimension, Rule[]>()
  for (const { components, restrictions } of terms.elements) {
    const holds = conditionOf(restrictions, turns)
    if (!holds) return undefined
    for (const component of components) {
      const ofType = rules.get(component.type) ?? []
      rules.set(component.type, [...ofType, { component, holds }])
    }
  }
  if (turns.minutes.size > 0 && terms.offsets.length === 0) return undefined
  return priced(stretchesOf(usage, placesOf(terms, usage, turns)), { terms, usage, rules })
}

type Known = {
  readonly terms: Terms
  readonly usage: Usage
  readonly rules: ReadonlyMap<Dimension, readonly Rule[]>
}

function priced(stretches: readonly Stretch[], { terms, usage, rules }: Known): Priced {
  const periods: PricedPeriod[] = []
  let flat: PriceComponent | undefined
  for (const stretch of stretches) {
    const { from, to, kind } = stretch
    const moment = momentOf(from, usage, terms)
    const componentOf = (type: Dimension): PriceComponent | undefined =>
      rules.get(type)?.find(({ holds }) => holds(moment))?.component
    flat ??= componentOf('FLAT')
    const energy = componentOf('ENERGY')
    const timed = kind === 'withheld' ? undefined : componentOf(kind === 'parked' ? 'PARKING_TIME' : 'TIME')
    const lasted = to.at - from.at
    const last = periods.at(-1)
    const same = last && isSame(last.energy, energy) && isSame(last.timed, timed)
    const before = same ? periods.pop() : undefined
    periods.push({
      startedAt: before?.startedAt ?? from.at,
      energyWh: (before?.energyWh ?? 0) + to.wh - from.wh,
      chargingS: (before?.chargingS ?? 0) + (kind === undefined ? lasted : 0),
      parkingS: (before?.parkingS ?? 0) + (kind === 'parked' ? lasted : 0),
      ...(energy && { energy }),
      ...(timed && { timed }),
    })
  }
  return { periods, ...(flat && { flat }) }
}

/** Two elements may say the same. */
function isSame(a: PriceComponent | undefined, b: PriceComponent | undefined): boolean {
  if (!a || !b) return a === b
  return a.type === b.type && a.price === b.price && a.vat === b.vat && a.stepSize === b.stepSize
}

function momentOf({ second, wh, segment }: Place, { startedAt, curve }: Usage, terms: Terms): Moment {
  const [from, to] = [curve[segment], curve[segment + 1]]
  return {
    passedS: second - startedAt,
    usedWh: wh,
    local: localAt(terms.offsets, second),
    flow: from && to ? { wh: to.wh - from.wh, s: to.at - from.at } : { wh: 0, s: 0 },
  }
}

/** Everywhere that something can turn, in order, from the start to the stop. */
function placesOf({ offsets }: Terms, usage: Usage, turns: Turns): readonly Place[] {
  const { startedAt, stoppedAt, curve, idle } = usage
  const allWh = energyOf(usage)
  const instants = new Set([
    ...[...turns.passedS].map(s => startedAt + s),
    ...idle.flatMap(({ fromAt, toAt }) => [fromAt, toAt]),
    ...(turns.minutes.size > 0 ? instantsOf(offsets, turns.minutes, { from: startedAt, to: stoppedAt }) : []),
  ])
  const points = turns.power ? curve.map(({ at, wh }, segment) => ({ at, wh, second: at, segment })) : []
  return [
    { at: startedAt, wh: 0, second: startedAt, segment: 0 },
    ...[...instants].filter(at => at > startedAt && at < stoppedAt).map(at => placeAt(curve, at)),
    ...[...turns.usedWh].filter(wh => wh > 0 && wh <= allWh).map(wh => placeOf(curve, wh)),
    ...points,
    { at: stoppedAt, wh: allWh, second: stoppedAt, segment: curve.length - 1 },
  ].sort((a, b) => a.at - b.at || a.wh - b.wh)
}

function stretchesOf(usage: Usage, places: readonly Place[]): readonly Stretch[] {
  const stretches: Stretch[] = []
  let from: Place | undefined
  for (const to of places) {
    if (from && (to.at > from.at || to.wh > from.wh)) {
      stretches.push({ from, to, ...kindAt(usage, from.second) })
    }
    // Of several at one place the last that turned counts.
    from = {
      ...to,
      second: Math.max(from?.second ?? to.second, to.second),
      segment: Math.max(from?.segment ?? 0, to.segment),
    }
  }
  return stretches.length === 0 && from ? [{ from, to: from }] : stretches
}

function kindAt({ idle }: Usage, second: number): Pick<Stretch, 'kind'> {
  // The last that had begun by then, of spans that come one after the other.
  let low = 0
  for (let high = idle.length; low < high; ) {
    const middle = (low + high) >>> 1
    if ((idle[middle]?.fromAt ?? second) <= second) low = middle + 1
    else high = middle
  }
  const span = idle[low - 1]
  return span && second < span.toAt ? { kind: span.kind } : {}
}

// When an element of a tariff holds (OCPI mod_tariffs, TariffRestrictions): a condition on one moment of a session, and the
// places at which it can turn. All of an element's restrictions must hold at once.
import { type Fraction, fractionOf, isLess, times, ZERO } from './fraction.ts'
import { dayOf, type LocalTime, weekdayOf } from './hours.ts'
import { isDecimal } from './price.ts'
import type { Restrictions } from './terms.ts'

export type Moment = {
  /** Whole seconds since the session began. */
  readonly passedS: number
  /** Whole Wh since then. */
  readonly usedWh: number
  readonly local: LocalTime
  /** What flows between the two readings around it. Both zero: nothing. */
  readonly flow: { readonly wh: number; readonly s: number }
}

export type Condition = (moment: Moment) => boolean

/** Where conditions turn. */
export type Turns = {
  /** Of the local day. */
  readonly minutes: Set<number>
  readonly passedS: Set<number>
  readonly usedWh: Set<number>
  /** At each reading. */
  power: boolean
}

const WH_A_KWH = fractionOf('1000')

/** Undefined where that cannot be told: what is asked for is not measured, or is no number or day. */
export function conditionOf(restrictions: Restrictions | undefined, turns: Turns): Condition | undefined {
  if (!restrictions) return () => true
  // Nobody records the current of a session.
  if (restrictions.minCurrent !== undefined || restrictions.maxCurrent !== undefined) return undefined
  const all = [
    timeOfDay(restrictions, turns),
    dates(restrictions, turns),
    daysOfWeek(restrictions, turns),
    energy(restrictions, turns),
    power(restrictions, turns),
    duration(restrictions, turns),
  ]
  if (all.some(condition => condition === undefined)) return undefined
  // Asked thousands of times of a long session.
  const asked = all.filter(condition => condition !== undefined && condition !== always)
  return moment => asked.every(condition => condition?.(moment))
}

const always: Condition = () => true

function timeOfDay({ startMinute, endMinute }: Restrictions, { minutes }: Turns): Condition | undefined {
  if (startMinute === undefined && endMinute === undefined) return always
  const start = startMinute ?? 0
  const end = endMinute ?? 0
  if (start > 1439 || end > 1439) return undefined
  minutes.add(start).add(end)
  return ({ local: { second } }) =>
    start < end ? second >= start * 60 && second < end * 60 : second >= start * 60 || second < end * 60
}

function dates({ startDate, endDate }: Restrictions, { minutes }: Turns): Condition | undefined {
  if (startDate === undefined && endDate === undefined) return always
  const start = startDate === undefined ? Number.NEGATIVE_INFINITY : dayOf(startDate)
  const end = endDate === undefined ? Number.POSITIVE_INFINITY : dayOf(endDate)
  if (start === undefined || end === undefined) return undefined
  minutes.add(0)
  return ({ local: { day } }) => day >= start && day < end
}

function daysOfWeek({ daysOfWeek: days }: Restrictions, { minutes }: Turns): Condition {
  if (days.length === 0) return always
  minutes.add(0)
  return ({ local }) => days.some(day => day === weekdayOf(local.day))
}

function energy({ minKwh, maxKwh }: Restrictions, { usedWh: turns }: Turns): Condition | undefined {
  if (minKwh === undefined && maxKwh === undefined) return always
  const least = whOf(minKwh ?? '0')
  const most = maxKwh === undefined ? Number.POSITIVE_INFINITY : whOf(maxKwh)
  if (least === undefined || most === undefined) return undefined
  for (const wh of [least, most]) if (Number.isFinite(wh)) turns.add(wh)
  return ({ usedWh }) => usedWh >= least && usedWh < most
}

/** The whole Wh with which so much is reached. */
function whOf(kwh: string): number | undefined {
  if (!isDecimal(kwh)) return undefined
  const { over, under } = times(fractionOf(kwh), WH_A_KWH)
  return Number((over + under - 1n) / under)
}

function power({ minPower, maxPower }: Restrictions, turns: Turns): Condition | undefined {
  if (minPower === undefined && maxPower === undefined) return always
  if (!isDecimal(minPower ?? '0') || !isDecimal(maxPower ?? '0')) return undefined
  turns.power = true
  const least = minPower === undefined ? undefined : fractionOf(minPower)
  const most = maxPower === undefined ? undefined : fractionOf(maxPower)
  return ({ flow }) => !(least && flowsLess(flow, least)) && !(most && !flowsLess(flow, most))
}

function flowsLess({ wh, s }: Moment['flow'], kw: Fraction): boolean {
  // What comes in no time comes with more than any power; and nothing is nothing.
  if (s === 0) return wh === 0 && isLess(ZERO, kw)
  return isLess({ over: BigInt(wh) * 3600n, under: BigInt(s) * 1000n }, kw)
}

function duration({ minDurationS, maxDurationS }: Restrictions, { passedS: turns }: Turns): Condition {
  if (minDurationS === undefined && maxDurationS === undefined) return always
  const least = minDurationS ?? 0
  const most = maxDurationS ?? Number.POSITIVE_INFINITY
  for (const s of [least, most]) if (Number.isFinite(s)) turns.add(s)
  return ({ passedS }) => passedS >= least && passedS < most
}

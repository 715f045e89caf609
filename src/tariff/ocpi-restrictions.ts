// When an element of a tariff holds, read from OCPI's TariffRestrictions; what can never hold is refused by name.
import { dayOf, weekdayOf } from './hours.ts'
import { AMOUNT_WANTED, decimalOf, type OcpiRestrictions, type Say } from './ocpi-object.ts'
import { DAYS_OF_WEEK, type Restrictions } from './terms.ts'

export function restrictionsOf(
  given: OcpiRestrictions,
  element: number,
  { fault, warn }: { readonly fault: Say; readonly warn: Say },
): Restrictions {
  const wrong = (field: string, value: unknown, wanted: string): void =>
    fault(`restrictions.${field}`, value, wanted, element)
  if (given.reservation !== undefined)
    wrong(
      'reservation',
      given.reservation,
      'none: prices of reservations are not supported yet; leave the element out',
    )
  for (const name of ['min_current', 'max_current'] as const)
    if (given[name] !== undefined)
      wrong(name, given[name], 'none: current is not measured here; min_power and max_power are')
  const times = { startMinute: minuteOf('start_time'), endMinute: minuteOf('end_time') }
  if (times.startMinute !== undefined && times.startMinute === times.endMinute && times.startMinute !== 0)
    warn('restrictions.end_time', given.end_time, 'the same as start_time: this is the whole day', element)
  const dates = { startDate: dateOf('start_date'), endDate: dateOf('end_date') }
  const { startDate, endDate } = dates
  if (startDate !== undefined && endDate !== undefined && startDate >= endDate)
    wrong(
      'end_date',
      endDate,
      `later than start_date (${startDate}): it is the first day on which it holds no more`,
    )
  const amounts = {
    ...{ minKwh: amountOf('min_kwh'), maxKwh: amountOf('max_kwh') },
    ...{ minPower: amountOf('min_power'), maxPower: amountOf('max_power') },
  }
  checkRange('kwh', amounts.minKwh, amounts.maxKwh)
  checkRange('power', amounts.minPower, amounts.maxPower)
  const durations = { minDurationS: secondsOf('min_duration'), maxDurationS: secondsOf('max_duration') }
  checkRange('duration', durations.minDurationS, durations.maxDurationS)
  return { ...present({ ...times, ...dates, ...amounts, ...durations }), daysOfWeek: daysOf() }

  function minuteOf(name: 'start_time' | 'end_time'): number | undefined {
    const text = given[name]
    if (text === undefined) return undefined
    const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
    if (hours !== undefined) return Number(hours) * 60 + Number(minutes)
    wrong(name, text, 'a time of day from 00:00 to 23:59, such as 07:30')
    return undefined
  }

  function dateOf(name: 'start_date' | 'end_date'): string | undefined {
    const text = given[name]
    if (text === undefined || dayOf(text) !== undefined) return text
    wrong(name, text, 'a day of the calendar, such as 2026-12-24')
    return undefined
  }

  function amountOf(name: 'min_kwh' | 'max_kwh' | 'min_power' | 'max_power'): string | undefined {
    const amount = given[name]
    const text = amount === undefined ? undefined : decimalOf(amount)
    if (amount !== undefined && text === undefined) wrong(name, amount, AMOUNT_WANTED)
    return text
  }

  function secondsOf(name: 'min_duration' | 'max_duration'): number | undefined {
    const seconds = given[name]
    if (seconds === undefined || (Number.isSafeInteger(seconds) && seconds >= 0)) return seconds
    wrong(name, seconds, 'whole seconds')
    return undefined
  }

  function checkRange(of: string, least?: string | number, most?: string | number): void {
    if (most !== undefined && Number(most) === 0)
      wrong(`max_${of}`, most, 'more than 0: it holds only below that, so never')
    else if (least !== undefined && most !== undefined && Number(least) >= Number(most))
      wrong(`min_${of}`, least, `less than max_${of} (${most})`)
  }

  function daysOf(): Restrictions['daysOfWeek'] {
    const words: readonly string[] | undefined = given.day_of_week
    if (!words) return []
    const days = DAYS_OF_WEEK.filter(day => words.includes(day))
    const isList = words.length > 0 && days.length === words.length
    if (!isList)
      wrong('day_of_week', words, 'each of MONDAY to SUNDAY at most once, or left out for every day')
    else if (startDate && endDate && startDate < endDate && !meets({ startDate, endDate, days }))
      wrong('day_of_week', words, `a day between ${startDate} and ${endDate}: it never holds`)
    // In the order of the file, so that what is exported is what came in.
    return isList ? (words as Restrictions['daysOfWeek']) : []
  }
}

type Span = { readonly startDate: string; readonly endDate: string; readonly days: readonly string[] }

function meets({ startDate, endDate, days }: Span): boolean {
  const [from = 0, to = 0] = [dayOf(startDate), dayOf(endDate)]
  const within = Array.from({ length: 7 }, (_, i) => from + i).filter(day => day < to)
  return within.some(day => days.includes(weekdayOf(day) ?? ''))
}

/** Without what is not there. */
function present<T extends object>(values: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  const held = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(held) as { readonly [K in keyof T]?: Exclude<T[K], undefined> }
}

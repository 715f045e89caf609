// The words of a scenario file for one value: durations (`20m`, `1h30m`), ranges (`8..12`, `1m..30m`), percentages, byte
// rates and budgets, how often something happens. A field refuses what it cannot read with a sentence of what is allowed.
import { z } from 'zod'
import { exactly, type Range } from './range.ts'

/** A field that `read` understands or, by giving undefined, refuses. */
export function field<T>(allowed: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = read(value)
    if (result !== undefined) return result
    context.addIssue({ code: 'custom', message: allowed })
    return z.NEVER
  })
}

/** An object that knows all its fields by name. */
export function record<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape, { error: () => fieldsAllowed(Object.keys(shape)) })
}

const FIELDS = 'the fields '
/** What an unknown field is refused with; `fieldsIn` reads the names again, to guess which one was meant. */
export function fieldsAllowed(names: readonly string[]): string {
  return FIELDS + names.join(', ')
}
export function fieldsIn(message: string): readonly string[] {
  return message.startsWith(FIELDS) ? message.slice(FIELDS.length).split(', ') : []
}

export function oneOf<const W extends string>(words: readonly W[]) {
  return field(words.join(', '), value => words.find(word => word === value))
}

export function listOf<const W extends string>(words: readonly W[]) {
  return field(`all, or a list of ${words.join(', ')}`, (value): readonly W[] | undefined => {
    if (value === 'all') return words
    if (!Array.isArray(value) || value.length === 0) return undefined
    const found = words.filter(word => value.includes(word))
    return found.length === value.length ? found : undefined
  })
}

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const YEAR = 365 * DAY
const UNITS: readonly (readonly [string, number])[] = [
  ['y', YEAR],
  ['w', 7 * DAY],
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
  ['s', SECOND],
  ['ms', 1],
]
const DURATION = /^-?(\d+(\.\d+)?(ms|[smhdwy]))+$/

/** Milliseconds, or undefined. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!DURATION.test(text)) return undefined
  let sum = 0
  for (const [, count, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|[smhdwy])/g))
    sum += Number(count) * (UNITS.find(([name]) => name === unit)?.[1] ?? 0)
  return Math.round(text.startsWith('-') ? -sum : sum)
}

/** As a person writes it: `1h30m`. */
export function durationText(ms: number): string {
  if (ms === 0) return '0'
  let left = Math.abs(ms)
  let text = ms < 0 ? '-' : ''
  for (const [name, size] of UNITS) {
    if (left >= size) text += `${Math.floor(left / size)}${name}`
    left %= size
  }
  return text
}

function parseNumber(text: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}

function parsePercent(text: string): number | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]
  // Divided once: 5 % is the 0.05 that a person would write.
  return percent === undefined ? parseNumber(text) : Number(percent) / 100
}

const SIZES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }
const SPEEDS = { bit: 1 / 8, kbit: 125, Mbit: 125_000, Gbit: 125_000_000 }
function parseUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(\w+)$/.exec(text) ?? []
  const size = unit === undefined ? undefined : units[unit]
  return size === undefined ? undefined : Math.round(Number(count) * size)
}

/** `a` or `a..b`, each as `parse` reads it. */
export function parseRange(value: unknown, parse: (text: string) => number | undefined): Range | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const [from = '', to = from, ...more] = String(value).trim().split('..')
  const min = parse(from.trim())
  const max = parse(to.trim())
  if (min === undefined || max === undefined || more.length > 0 || min > max) return undefined
  return { min, max }
}

function within(range: Range | undefined, { min, max }: Range): Range | undefined {
  return range && range.min >= min && range.max <= max ? range : undefined
}

export function duration(min: number, max: number) {
  const allowed = `a duration from ${durationText(min)} to ${durationText(max)} such as 20m or 1h30m, or 1m..30m`
  return field(allowed, value => within(parseRange(value, parseDuration), { min, max }))
}

export function whole(min: number, max: number) {
  const example = `or ${min}..${Math.min(max, min + 4)}`
  return field(`a whole number from ${min} to ${max}, ${example}`, value => {
    const range = within(parseRange(value, parseNumber), { min, max })
    return range && Number.isInteger(range.min) && Number.isInteger(range.max) ? range : undefined
  })
}

export function amount(min: number, max: number) {
  return field(`a number from ${min} to ${max}, or two as in ${min}..${max}`, value =>
    within(parseRange(value, parseNumber), { min, max }),
  )
}

export function share() {
  return field('a share such as 5%, 0.05 or 0%..20%', value =>
    within(parseRange(value, parsePercent), { min: 0, max: 1 }),
  )
}

/** Bytes a second. */
export function speed() {
  return field('bits a second such as 64kbit or 1kbit..64kbit (bit, kbit, Mbit, Gbit)', value =>
    within(
      parseRange(value, text => parseUnit(text, SPEEDS)),
      { min: 1, max: 1e10 },
    ),
  )
}

/** Bytes a day. */
export function budget() {
  return field('bytes a day such as 20MB or 1MB..20MB (B, kB, MB, GB)', value =>
    within(
      parseRange(value, text => parseUnit(text, SIZES)),
      { min: 1, max: 1e13 },
    ),
  )
}

/** Decimal text. Quotes keep 0.30 as it is; without them YAML makes it 0.3, which is the same price. */
export function price() {
  return field('a price for a kWh such as 0.35', value => {
    const text = typeof value === 'number' ? String(value) : value
    return typeof text === 'string' && /^\d{1,6}(\.\d{1,6})?$/.test(text) ? text : undefined
  })
}

/** UTC ms. */
export function instant() {
  return field('a time in UTC such as 2026-07-04T08:00Z', value => {
    if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/.test(value))
      return undefined
    const at = Date.parse(value)
    // Date.parse takes 31 June for 1 July on one engine and for nothing on another.
    const isThatDay = !Number.isNaN(at) && new Date(at).toISOString().startsWith(value.slice(0, 10))
    return isThatDay ? at : undefined
  })
}

export const PERIODS = ['hour', 'day', 'node-hour', 'node-day', 'charger-hour', 'charger-day'] as const
export type Often =
  | { readonly kind: 'count'; readonly times: Range }
  | { readonly kind: 'rate'; readonly times: Range; readonly per: (typeof PERIODS)[number] }

export const NEVER: Often = { kind: 'count', times: exactly(0) }

export function parseOften(value: unknown): Often | undefined {
  if (value === 'never') return NEVER
  const [, times, per] = /^(.+?)\s+per\s+([a-z-]+)$/.exec(String(value)) ?? []
  const bounds = { min: 0, max: 10_000 }
  const range = within(parseRange(times ?? value, parseNumber), bounds)
  if (range === undefined) return undefined
  const period = PERIODS.find(one => one === per)
  if (period !== undefined) return { kind: 'rate', times: range, per: period }
  const isWhole = Number.isInteger(range.min) && Number.isInteger(range.max)
  return per === undefined && isWhole ? { kind: 'count', times: range } : undefined
}

export const OFTEN = 'never, a number of times in the run such as 0..3, or a rate such as 2 per day'
export function often() {
  return field(`${OFTEN} (${PERIODS.join(', ')})`, parseOften)
}

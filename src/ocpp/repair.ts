// Reads the fields of a charger's message leniently: what firmware is known to get wrong is mended and named with
// a short word, and everything is bounded. Nothing here throws, whatever the value is. The words end up in
// `ChargerInput.repairs` and in the status of the charger.
import type { ChargerTime } from '../ports.ts'

export type Repairs = Set<string>
export type Fields = { readonly source: Readonly<Record<string, unknown>>; readonly repairs: Repairs }

const MAX_TIME_CHARACTERS = 64
const MAX_NUMERAL_CHARACTERS = 40

/** An object's fields; `[{}]` counts as `{}`, and anything else as an object without fields. */
export function fieldsOf(value: unknown, repairs: Repairs): Fields {
  if (isObject(value)) return { source: value, repairs }
  if (Array.isArray(value) && value.length === 1 && isObject(value[0])) {
    repairs.add('array-for-object')
    return { source: value[0], repairs }
  }
  repairs.add('payload-not-object')
  return { source: {}, repairs }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A field's value. Names are matched without case when the exact one is missing; null counts as missing. */
export function field(fields: Fields, name: string): unknown {
  const { source, repairs } = fields
  let value = Object.hasOwn(source, name) ? source[name] : undefined
  if (value === undefined) {
    const other = spellings(source).get(name.toLowerCase())
    if (other !== undefined && source[other] !== undefined) {
      repairs.add('field-case')
      value = source[other]
    }
  }
  if (value !== null) return value
  repairs.add('null-field')
  return undefined
}

const spelled = new WeakMap<object, ReadonlyMap<string, string>>()

/** The names of an object's fields by their lower case, the first of several; remembered, since a hostile one has thousands. */
function spellings(source: Fields['source']): ReadonlyMap<string, string> {
  const known = spelled.get(source)
  if (known) return known
  const made = new Map<string, string>()
  for (const key of Object.keys(source)) {
    const lower = key.toLowerCase()
    if (!made.has(lower)) made.set(lower, key)
  }
  spelled.set(source, made)
  return made
}

/** A list; a single object stands for a list of one. */
export function list(fields: Fields, name: string): readonly unknown[] {
  const value = field(fields, name)
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  if (isObject(value)) {
    fields.repairs.add('object-for-array')
    return [value]
  }
  fields.repairs.add('wrong-type')
  return []
}

/** Text without control characters, of at most `max` characters; undefined when there is none. */
export function text(fields: Fields, name: string, max: number): string | undefined {
  const value = field(fields, name)
  if (value === undefined) return undefined
  if (typeof value === 'number' || typeof value === 'boolean') {
    fields.repairs.add('text-as-number')
    return String(value).slice(0, max)
  }
  if (typeof value !== 'string') {
    fields.repairs.add('wrong-type')
    return undefined
  }
  const clean = withoutControls(value)
  if (clean !== value) fields.repairs.add('control-bytes')
  if (clean.length > max) fields.repairs.add('text-cut')
  return cut(clean, max)
}

/** An action as it is spelled among these, whatever its case; undefined for one that is none of them. */
export function actionAmong(
  actions: readonly string[],
  action: string,
  repairs: Repairs,
): string | undefined {
  if (actions.includes(action)) return action
  const lower = action.trim().toLowerCase()
  const meant = actions.find(known => known.toLowerCase() === lower)
  if (meant) repairs.add('action-case')
  return meant
}

export type Make = { readonly vendor: string; readonly model: string; readonly firmware?: string }

/** Whose charger it is; empty names are seen, and no reason to refuse a boot. */
export function makeOf(fields: Fields, vendorName: string, modelName: string): Make {
  const vendor = text(fields, vendorName, 50)?.trim()
  const model = text(fields, modelName, 50)?.trim()
  const firmware = text(fields, 'firmwareVersion', 50)?.trim()
  if (!vendor) fields.repairs.add('empty-vendor')
  if (!model) fields.repairs.add('empty-model')
  return { vendor: vendor || 'unknown', model: model || 'unknown', ...(firmware ? { firmware } : {}) }
}

/** A byte order mark is no character of a text either, and readers of UTF-8 leave it out. */
export function withoutControls(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
  return value.replace(/[\u0000-\u001F\u007F-\u009F\uFEFF]/g, '')
}

/** A status or a reason is one word of letters; anything else says nothing that we could rely on. */
export function word(value: string | undefined): string {
  const trimmed = value?.trim() ?? ''
  return /^[A-Za-z0-9_.-]*$/.test(trimmed) ? trimmed : ''
}

/** Half of a surrogate pair would not come back from the log as it went in, and a repeated message not be known again. */
function cut(value: string, max: number): string {
  return value.slice(0, max).toWellFormed()
}

/** A finite number, also when written as text. */
export function number(fields: Fields, name: string): number | undefined {
  const value = field(fields, name)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string') {
    const parsed = numeral(value, fields.repairs)
    if (parsed !== undefined) {
      fields.repairs.add('number-as-text')
      return parsed
    }
  }
  fields.repairs.add('wrong-type')
  return undefined
}

const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i

/** The number that a text says, with a point or a single comma before the decimals. */
export function numeral(value: string, repairs: Repairs): number | undefined {
  const trimmed = withoutControls(value).trim()
  if (trimmed.length > MAX_NUMERAL_CHARACTERS) return undefined
  const pointed = trimmed.replace(',', '.')
  if (!NUMERAL.test(pointed)) return undefined
  if (pointed !== trimmed) repairs.add('decimal-comma')
  const parsed = Number(pointed)
  return Number.isFinite(parsed) ? parsed : undefined
}

/** A whole number from 0 to `max`; fractions are rounded, anything else counts as missing. */
export function count(fields: Fields, name: string, max: number): number | undefined {
  const value = number(fields, name)
  if (value === undefined) return undefined
  const whole = Math.round(value)
  if (whole !== value) fields.repairs.add('fractional-number')
  if (whole >= 0 && whole <= max) return whole
  fields.repairs.add('number-out-of-range')
  return undefined
}

const TRANSACTION_ID_MAX = 2 ** 31 - 1

/** As on the wire; what is no 32-bit integer becomes 0, since JSON has rounded it already. */
export function transactionId(fields: Fields): number | undefined {
  const value = number(fields, 'transactionId')
  if (value === undefined) return undefined
  if (Number.isInteger(value) && Math.abs(value) <= TRANSACTION_ID_MAX) return value === 0 ? 0 : value
  fields.repairs.add('transaction-id-out-of-range')
  return 0
}

const ISO_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i

/** A clock that was never set: firmware counts from 1970 or from its build year. */
const PLAUSIBLE_SINCE_AT = Date.UTC(2010, 0, 1)

/** A time as sent, and its instant when it can be read; without a zone it is taken as UTC (OCPP 1.6, 3.14). */
export function time(fields: Fields, name: string): ChargerTime {
  const value = field(fields, name)
  const raw =
    typeof value === 'string' || typeof value === 'number'
      ? cut(withoutControls(String(value)), MAX_TIME_CHARACTERS)
      : ''
  const at = typeof value === 'string' ? instant(raw.trim(), fields.repairs) : undefined
  if (at === undefined) {
    fields.repairs.add('bad-timestamp')
    return { raw }
  }
  if (at < PLAUSIBLE_SINCE_AT) fields.repairs.add('clock-unset')
  return { raw, at }
}

function instant(raw: string, repairs: Repairs): number | undefined {
  const match = ISO_TIME.exec(raw)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match
  const millisecond = Math.floor(Number(`0.${fraction || '0'}`) * 1000)
  const parts = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts
  const monthLength = new Date(Date.UTC(y, mo, 0)).getUTCDate()
  if (mo < 1 || mo > 12 || d < 1 || d > monthLength || h > 23 || mi > 59 || s > 60) return undefined
  if (zone === undefined) repairs.add('no-timezone')
  return Date.UTC(y, mo - 1, d, h, mi, s, millisecond) - offsetMs(zone)
}

function offsetMs(zone: string | undefined): number {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const digits = zone.slice(1).replace(':', '')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || '0')
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}

const ID_TAG_CHARACTERS = 20

/**
 * A card's id as it is matched everywhere, in lists and on the wire: no control bytes, no blanks around it, at
 * most 20 characters, upper case (OCPP 1.6 types it CiString20; 2.0.1 has 36).
 */
export function normalIdTag(raw: string, most = ID_TAG_CHARACTERS): string {
  const clean = cut(withoutControls(raw).trim(), most).trim()
  // ASCII only: other letters may change their length with their case.
  return clean.replace(/[a-z]/g, letter => letter.toUpperCase())
}

/** The card's id in its normal form; empty when there is none that can be read. */
export function idTag(fields: Fields): string {
  const value = field(fields, 'idTag')
  if (typeof value === 'number') fields.repairs.add('text-as-number')
  const raw = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
  const normal = normalIdTag(raw)
  if (normal === '') fields.repairs.add('no-idtag')
  else if (normal.length !== raw.length) fields.repairs.add('idtag-trimmed')
  return normal
}

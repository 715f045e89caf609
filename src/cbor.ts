// Deterministic CBOR (RFC 8949 section 4.2) and the small table language in which every signed body and every
// message is written: a record is a CBOR array of its fields in order. An absent optional field is null, trailing
// nulls are cut, and a reader ignores fields behind those it knows, so a record grows by appending fields.
// Whatever does not encode back to the very same bytes is refused. The only home of cborg.
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { hex, sameBytes, unhex } from './units.ts'

/** Nothing that we read nests deeper; more is an attack on the stack. */
const MAX_DEPTH = 16

export class MalformedBytes extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'MalformedBytes'
  }
}

/** One field's two directions. `read` throws MalformedBytes on anything but its own kind of value. */
export type Field<T> = {
  /** What it is, in the words of src/PROTOCOL.md. */
  readonly says: string
  readonly write: (value: T) => unknown
  readonly read: (value: unknown) => T
}
export type Value<F> = F extends Field<infer T> ? T : never

function refuse(what: string, value: unknown): never {
  throw new MalformedBytes(`expected ${what}, got ${value === null ? 'null' : typeof value}`)
}

/** `length` bytes, as hex text on our side. */
export function id<T extends string>(length: number): Field<T> {
  return {
    says: `bytes(${length})`,
    write: value => {
      const bytes = unhex(value)
      if (bytes.length !== length) throw new MalformedBytes(`id of ${bytes.length} bytes, wanted ${length}`)
      return bytes
    },
    read: value =>
      value instanceof Uint8Array && value.length === length
        ? hex<T>(value)
        : refuse(`${length} bytes`, value),
  }
}

export function bytes(max: number, min = 0): Field<Uint8Array> {
  const check = (value: unknown): Uint8Array =>
    value instanceof Uint8Array && value.length <= max && value.length >= min
      ? value
      : refuse(`${min} to ${max} bytes`, value)
  return { says: min === max ? `bytes(${max})` : `bytes(${min}..${max})`, write: check, read: check }
}

/** Text of at most `max` UTF-16 units. */
export function text(max: number): Field<string> {
  return textId<string>(max)
}

/** Text that is an id. Apart from `text`, so that a table never infers a looser type for it. */
export function textId<T extends string>(max: number): Field<T> {
  const check = (value: unknown): T =>
    typeof value === 'string' && value.length <= max ? (value as T) : refuse(`text of at most ${max}`, value)
  // A byte order mark in front is left out by whoever reads UTF-8: written, it would not come back, and the whole be refused.
  return { says: `text(..${max})`, write: value => check(value).replace(/^\uFEFF+/, '') as T, read: check }
}

export const uint: Field<number> = {
  says: 'uint',
  write: value => (Number.isSafeInteger(value) && value >= 0 ? value : refuse('an unsigned integer', value)),
  read: value =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : refuse('an unsigned integer', value),
}

export const int: Field<number> = {
  says: 'int',
  write: value => (Number.isSafeInteger(value) ? value : refuse('an integer', value)),
  read: value =>
    typeof value === 'number' && Number.isSafeInteger(value) ? value : refuse('an integer', value),
}

export const bool: Field<boolean> = {
  says: 'bool',
  write: value => (typeof value === 'boolean' ? value : refuse('a boolean', value)),
  read: value => (typeof value === 'boolean' ? value : refuse('a boolean', value)),
}

/** One of some words; the wire carries its position, so words are only ever added at the end. */
export function oneOf<const W extends readonly string[]>(words: W): Field<W[number]> {
  return {
    says: words.map((word, i) => `${i} ${word}`).join(' · '),
    write: value => {
      const position = words.indexOf(value)
      return position >= 0 ? position : refuse(`one of ${words.join(', ')}`, value)
    },
    read: value => {
      const word = typeof value === 'number' ? words[value] : undefined
      return word ?? refuse(`one of ${words.join(', ')}`, value)
    },
  }
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    says: `${field.says}?`,
    write: value => (value === undefined ? null : field.write(value)),
    read: value => (value === null || value === undefined ? undefined : field.read(value)),
  }
}

export function listOf<T>(field: Field<T>, max: number): Field<readonly T[]> {
  return {
    says: `[${field.says}](..${max})`,
    write: values =>
      values.length <= max ? values.map(field.write) : refuse(`a list of at most ${max}`, values),
    read: value =>
      Array.isArray(value) && value.length <= max
        ? value.map(field.read)
        : refuse(`a list of at most ${max}`, value),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds fields of every kind; each is typed where it is made
type Fields = Readonly<Record<string, Field<any>>>
type OptionalKeys<F extends Fields> = { [K in keyof F]: undefined extends Value<F[K]> ? K : never }[keyof F]
export type RecordOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Value<F[K]>
} & { readonly [K in OptionalKeys<F>]?: Exclude<Value<F[K]>, undefined> }

export type RecordField<F extends Fields> = Field<RecordOf<F>> & { readonly names: readonly string[] }

/** A record: its fields in the order written here, which is the order on the wire. */
export function record<const F extends Fields>(fields: F): RecordField<F> {
  const names = Object.keys(fields)
  return {
    names,
    says: `{${names.map(name => `${name}: ${fields[name]?.says}`).join(', ')}}`,
    write: value => {
      const source = value as Readonly<Record<string, unknown>>
      const row = names.map(name => fields[name]?.write(source[name]))
      while (row.length > 0 && row[row.length - 1] === null) row.pop()
      return row
    },
    read: value => {
      if (!Array.isArray(value)) return refuse('a record', value)
      const result: Record<string, unknown> = {}
      names.forEach((name, i) => {
        const read = fields[name]?.read(value[i])
        if (read !== undefined) result[name] = read
      })
      return result as RecordOf<F>
    },
  }
}

/** The one encoding of a value. Throws MalformedBytes when the value is outside its field's bounds. */
export function toBytes<T>(field: Field<T>, value: T): Uint8Array {
  return encode(field.write(value), rfc8949EncodeOptions)
}

/** Reads bytes that must be the one encoding of what they say. Throws MalformedBytes. */
export function fromBytes<T>(field: Field<T>, encoded: Uint8Array): T {
  let value: unknown
  try {
    value = decode(encoded, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    })
    checkDepth(value, 0)
  } catch (error) {
    // A RangeError here is the stack: nested arrays deep enough to exhaust it are refused like any other junk.
    throw new MalformedBytes('not CBOR as we write it', error)
  }
  const result = field.read(value)
  // Strict reading has refused whatever is longer than need be; what is left to doubt is seldom there.
  if (!isPlain(encoded) && !sameBytes(encode(value, rfc8949EncodeOptions), encoded))
    throw new MalformedBytes('not in canonical form')
  return result
}

/**
 * True when well-formed CBOR holds nothing but integers, bytes, ASCII text, arrays, booleans and null. Each of these has one
 * shortest form. Floats, maps, tags and other text have to be written again to be compared.
 */
function isPlain(encoded: Uint8Array): boolean {
  for (let at = 0; at < encoded.length; ) {
    const first = encoded[at] ?? 0
    const major = first >> 5
    if (major === 7 ? first < 0xf4 || first > 0xf6 : major > 4) return false
    at += 1
    if (major === 7) continue
    let value = first & 31
    if (value >= 24) {
      const length = 1 << (value - 24)
      if (value > 27) return false
      value = 0
      for (const end = at + length; at < end; at++) value = value * 256 + (encoded[at] ?? 0)
    }
    if (major === 3) for (let i = at; i < at + value; i++) if ((encoded[i] ?? 0x80) >= 0x80) return false
    // What stands in an array is looked at in its turn.
    if (major === 2 || major === 3) at += value
  }
  return true
}

function checkDepth(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new MalformedBytes('nested too deep')
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  // Maps too: nothing of ours is one, but a field behind those we know may hold anything, and is encoded again below.
  for (const part of Object.values(value)) checkDepth(part, depth + 1)
}

// The one encoding: what is written reads back, what is not written by us is refused, and nothing that a peer can send
// in one frame costs more than a few milliseconds or throws anything but MalformedBytes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bool,
  bytes,
  type Field,
  fromBytes,
  id,
  int,
  listOf,
  MalformedBytes,
  oneOf,
  optional,
  record,
  text,
  toBytes,
  uint,
} from '../src/cbor.ts'
import { MAX_MESSAGE_BYTES } from '../src/ports.ts'
import { concatBytes, hex, unhex } from '../src/units.ts'

const THING = record({
  name: text(8),
  count: uint,
  delta: int,
  flag: bool,
  kind: oneOf(['red', 'green']),
  key: id<string>(2),
  raw: bytes(4),
  list: listOf(uint, 3),
  note: optional(text(8)),
  more: optional(uint),
})

const thing = {
  ...{ name: 'abc', count: 1, delta: -2, flag: true, kind: 'green' as const, key: '0a0b' },
  ...{ raw: new Uint8Array([1]), list: [1, 2] },
}
const THING_HEX = '886361626301' + '21f501420a0b4101820102'

function verdictOf<T>(field: Field<T>, encoded: Uint8Array): string {
  try {
    fromBytes(field, encoded)
    return 'read'
  } catch (error) {
    if (error instanceof MalformedBytes) return 'refused'
    throw error
  }
}

describe('a record', () => {
  it('is a CBOR array of its fields in order, and trailing absent fields are cut', () => {
    expect(hex(toBytes(THING, thing))).toBe(THING_HEX)
  })

  it('writes an absent field as null where a later one is present', () => {
    expect(hex(toBytes(THING, { ...thing, more: 3 }))).toBe(`8a${THING_HEX.slice(2)}f603`)
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            name: fc.string({ maxLength: 8, unit: 'grapheme-ascii' }),
            count: fc.maxSafeNat(),
            delta: fc.maxSafeInteger(),
            flag: fc.boolean(),
            kind: fc.constantFrom('red' as const, 'green' as const),
            key: fc.constantFrom('0000', 'ffff'),
            raw: fc.uint8Array({ maxLength: 4 }),
            list: fc.array(fc.maxSafeNat(), { maxLength: 3 }),
            note: fc.string({ maxLength: 8, unit: 'grapheme-ascii' }),
            more: fc.maxSafeNat(),
          },
          { requiredKeys: ['name', 'count', 'delta', 'flag', 'kind', 'key', 'raw', 'list'] },
        ),
        value => {
          expect(fromBytes(THING, toBytes(THING, value))).toEqual(value)
        },
      ),
    )
  })

  it('writes no byte order mark in front of a text, which would make it unreadable', () => {
    const written = toBytes(THING, { ...thing, name: '\uFEFF\uFEFFpole' })
    expect(fromBytes(THING, written)).toEqual({ ...thing, name: 'pole' })
  })

  it('ignores fields behind those it knows, because newer software writes them', () => {
    expect(fromBytes(THING, unhex(`8b${THING_HEX.slice(2)}f6f6186c`))).toEqual(thing)
  })

  it.each([
    ['a text that is too long', { name: 'a'.repeat(9) }],
    ['a negative count', { count: -1 }],
    ['a count beyond exact numbers', { count: 2 ** 53 }],
    ['a broken number', { delta: 0.5 }],
    ['an id of another length', { key: '0a' }],
    ['too many bytes', { raw: new Uint8Array(5) }],
    ['too long a list', { list: [1, 2, 3, 4] }],
    ['a word that it does not have', { kind: 'blue' as 'red' }],
    ['something else than a boolean', { flag: 1 as unknown as boolean }],
  ])('refuses to write %s', (_, change) => {
    expect(() => toBytes(THING, { ...thing, ...change })).toThrow(MalformedBytes)
  })
})

describe('bytes that are not the one encoding', () => {
  it.each([
    ['nothing', ''],
    ['a number in more bytes than it needs', THING_HEX.replace('636162630121', '63616263180121')],
    ['a length of a text in more bytes than it needs', THING_HEX.replace('63616263', '7803616263')],
    ['a length of bytes in more bytes than it needs', THING_HEX.replace('4101820102', '580101820102')],
    ['a length of a list in more bytes than it needs', THING_HEX.replace('820102', '98020102')],
    ['a length of the record in more bytes than it needs', `9808${THING_HEX.slice(2)}`],
    ['a float where an integer is meant', THING_HEX.replace('636162630121', '63616263f93c0021')],
    ['an array of indefinite length', `9f${THING_HEX.slice(2)}ff`],
    ['a text of indefinite length', THING_HEX.replace('63616263', '7f63616263ff')],
    ['a byte behind the end', `${THING_HEX}00`],
    ['the last byte missing', THING_HEX.slice(0, -2)],
    ['undefined instead of null', `8a${THING_HEX.slice(2)}f703`],
    ['a tag before the record', `c0${THING_HEX}`],
    ['a word number that nobody gave', THING_HEX.replace('f501', 'f505')],
    ['a negative word number', THING_HEX.replace('f501', 'f520')],
    ['a map instead of an array', 'a0'],
    ['text that is not UTF-8', THING_HEX.replace('63616263', '63ff6263')],
    ['an integer of 64 bits', THING_HEX.replace('636162630121', '636162631bffffffffffffffff21')],
  ])('are refused: %s', (_, encoded) => {
    expect(verdictOf(THING, unhex(encoded))).toBe('refused')
  })

  it('are refused for every one of their mutations, or say something else in canonical form', () => {
    const good = unhex(THING_HEX)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const mutated = good.slice()
        mutated[at] = value
        if (verdictOf(THING, mutated) === 'refused') return
        const read = fromBytes(THING, mutated)
        expect(hex(toBytes(THING, read))).toBe(hex(mutated))
      }),
      { numRuns: 1000 },
    )
  })
})

/** `levels` containers inside one another; each `opening` is what one of them begins with. */
function nested(opening: string, levels: number): Uint8Array {
  const one = unhex(opening)
  return concatBytes([...Array.from({ length: levels }, () => one), Uint8Array.of(0)])
}

describe('an attack in one frame', () => {
  const EXTRA = unhex(`8b${THING_HEX.slice(2)}f6f6`)
  const DEPTHS = [17, 100, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 16_000, 32_000, 60_000]

  it.each(['81', 'a160', 'a100', 'c1', '8200'])('cannot exhaust the stack by nesting %s', opening => {
    for (const levels of DEPTHS) {
      const bomb = nested(opening, levels).subarray(0, MAX_MESSAGE_BYTES)
      expect(verdictOf(THING, bomb), `${levels} levels alone`).toBe('refused')
      const hidden = concatBytes([EXTRA, bomb]).subarray(0, MAX_MESSAGE_BYTES)
      expect(verdictOf(THING, hidden), `${levels} levels behind the known fields`).toBe('refused')
    }
  })

  it.each([
    ['an array that says it has 2^32 entries', '9affffffff'],
    ['an array that says it has 2^53 entries', '9b001fffffffffffff'],
    ['bytes that say they are 2^32 long', '5affffffff'],
    ['a map that says it has 2^32 entries', 'baffffffff'],
    ['text that says it is 2^63 long', '7b7fffffffffffffff'],
  ])('allocates nothing for %s', (_, encoded) => {
    const startedMs = performance.now()
    expect(verdictOf(THING, concatBytes([unhex(encoded), new Uint8Array(60_000)]))).toBe('refused')
    expect(performance.now() - startedMs).toBeLessThan(100)
  })

  it('never throws anything but MalformedBytes, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), noise => {
        verdictOf(THING, noise)
        verdictOf(THING, concatBytes([EXTRA, noise]))
      }),
      { numRuns: 3000 },
    )
  })
})

// The signed formats are for ever: these tests make every event type's bytes anew from fixed bodies, keys and times and
// compare them with test/fixtures/events.json. A fixture is never edited, only added; a missing one fails with its text.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ed25519, publicKeyOf } from '../../src/identity/signature.ts'
import {
  type AnyBody,
  BODIES,
  decodeBody,
  type EventName,
  encodeBody,
  nameOfType,
  TYPE_NUMBERS,
} from '../../src/log/body.ts'
import { decodeElement, digestToSign, type Element, encodeElement, place } from '../../src/log/event.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import { type EventHash, hex, type LogId, unhex } from '../../src/units.ts'
import { SAMPLES } from './samples.ts'

type Golden = { type: number; body: string; element: string; digest: string; hash: string }

const signatures = ed25519()
const LOG_KEY = new Uint8Array(32).fill(0x42)
const AT = { logId: '10'.repeat(16) as LogId, seq: 2 ** 32 + 5, prev: 'ab'.repeat(32) as EventHash }
const HLC = hlcOf(Date.UTC(2026, 5, 1, 8), 258)
const MONO_MS = 2 ** 33 + 7

function bodiesOf(name: EventName): readonly AnyBody[] {
  // A sample stands under its own name, which the checker cannot follow through the index.
  return SAMPLES[name].map(body => ({ name, body }) as AnyBody)
}

function made(event: AnyBody): Golden {
  const unsigned: Element = {
    ...{ type: TYPE_NUMBERS[event.name], hlc: HLC, monoMs: MONO_MS, body: encodeBody(event) },
  }
  const digest = digestToSign(unsigned, AT)
  const element = { ...unsigned, signature: signatures.sign(LOG_KEY, digest) }
  return {
    type: unsigned.type,
    body: hex(unsigned.body),
    element: hex(encodeElement(element)),
    digest: hex(digest),
    hash: place(element, AT).hash,
  }
}

/** The text of test/fixtures/events.json as this code writes it. */
function allMade(): string {
  const names = Object.keys(BODIES) as EventName[]
  return JSON.stringify(Object.fromEntries(names.map(name => [name, bodiesOf(name).map(made)])), null, 1)
}

const fixtures = JSON.parse(
  readFileSync(new URL('../fixtures/events.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, readonly Golden[]>>

describe.each(Object.keys(BODIES) as EventName[])('the event type %s', name => {
  it('has the bytes that its fixture says', () => {
    const golden = fixtures[name]
    if (!golden) throw new Error(`no fixture of ${name}; the file as this code writes it:\n${allMade()}`)
    expect(bodiesOf(name).map(made)).toEqual(golden)
  })

  it('reads its fixture back to the body that was written', () => {
    const bodies = bodiesOf(name)
    for (const [i, golden] of (fixtures[name] ?? []).entries()) {
      expect(decodeBody(golden.type, unhex(golden.body))).toEqual(bodies[i])
      const element = decodeElement(unhex(golden.element))
      if (typeof element === 'string') throw new Error(element)
      expect(hex(element.body)).toBe(golden.body)
      expect(place(element, AT).hash).toBe(golden.hash)
      const signature = element.signature ?? new Uint8Array()
      expect(signatures.verify(signature, unhex(golden.digest), publicKeyOf(LOG_KEY))).toBe(true)
    }
  })
})

/** PROTOCOL 1.3, written out once more, without a line of the code under test. */
function hashesByTheText(golden: Golden): { digest: string; hash: string } {
  const element = Buffer.from(golden.element, 'hex')
  const place = Buffer.alloc(16 + 6 + 32)
  place.fill(0x10, 0, 16)
  place.writeUIntBE(AT.seq, 16, 6)
  place.fill(0xab, 22)
  const fixed = element.subarray(0, 19)
  const body = element.subarray(19, 19 + fixed.readUInt16BE(17))
  const signature = element.subarray(19 + body.length)
  const header = Buffer.concat([fixed, place, createHash('sha256').update(body).digest()])
  const digest = createHash('sha256').update('chargemesh/ev/v1').update(header).digest('hex')
  const hash = createHash('sha256').update('chargemesh/evh/v1').update(header).update(signature).digest('hex')
  return { digest, hash }
}

describe('the fixtures of events', () => {
  it('name no type that the code has forgotten', () => {
    expect(Object.keys(fixtures).sort()).toEqual(Object.keys(BODIES).sort())
  })

  it('agree with the protocol text about what is signed and what is hashed', () => {
    for (const golden of Object.values(fixtures).flat()) {
      expect(hashesByTheText(golden)).toEqual({ digest: golden.digest, hash: golden.hash })
    }
  })

  it('hold fixed fields in the order of the protocol text', () => {
    const [golden] = fixtures.session_end ?? []
    const element = Buffer.from(golden?.element ?? '', 'hex')
    expect([...element.subarray(0, 3)]).toEqual([1, 18, 1])
    expect(element.readBigUInt64BE(3)).toBe(HLC)
    expect(element.readUIntBE(11, 6)).toBe(MONO_MS)
    expect(element.length).toBe(19 + element.readUInt16BE(17) + 64)
  })

  it('give every type a number of its own', () => {
    const numbers = Object.values(TYPE_NUMBERS)
    expect(new Set(numbers).size).toBe(numbers.length)
    for (const [name, number] of Object.entries(TYPE_NUMBERS)) expect(nameOfType(number)).toBe(name)
  })

  it('have both a full and a bare sample wherever a field is optional', () => {
    for (const [name, golden] of Object.entries(fixtures)) {
      const row = (SAMPLES as Readonly<Record<string, readonly object[]>>)[name]
      const counts = row?.map(body => Object.keys(body).length) ?? []
      const fields = BODIES[name as EventName].names.length
      expect(Math.max(...counts), `${name}: a sample sets every field`).toBe(fields)
      expect(golden.length).toBe(counts.length)
    }
  })
})

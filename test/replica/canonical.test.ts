// Our own encoder of a log's Yjs update against Yjs itself, and the strict reader against everything that is not exactly
// what we write (PROTOCOL 1.5, 1.6). No Yjs upgrade may change these bytes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import {
  countOf,
  decodeUpdate,
  encodeUpdate,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENT_EVENTS,
} from '../../src/replica/canonical.ts'
import { documentName, documentOf, elementsOf, stateOf } from '../../src/replica/document.ts'
import { hex, type LogId, sameBytes, unhex } from '../../src/units.ts'

/** A document as Yjs itself makes it: client 1, the elements pushed in groups of so many. */
function yjsDoc(elements: readonly Uint8Array[], groupOf: number): Y.Doc {
  const doc = new Y.Doc({ gc: false })
  doc.clientID = 1
  for (let i = 0; i < elements.length; i += groupOf) {
    doc.getArray<Uint8Array>('e').push(elements.slice(i, i + groupOf))
  }
  return doc
}

const someElements = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 40 })

describe('the canonical update', () => {
  it('is what Yjs encodes, however the elements were pushed', () => {
    fc.assert(
      fc.property(someElements, fc.integer({ min: 1, max: 7 }), (elements, groupOf) => {
        const theirs = Y.encodeStateAsUpdate(yjsDoc(elements, groupOf))
        expect(hex(encodeUpdate(0, elements))).toBe(hex(theirs))
      }),
    )
  })

  it('is what Yjs encodes from any number on', () => {
    fc.assert(
      fc.property(someElements, fc.nat(39), (elements, from) => {
        const fromSeq = Math.min(from, elements.length - 1)
        const earlier = Y.encodeStateVector(yjsDoc(elements.slice(0, fromSeq), 1))
        const theirs = Y.encodeStateAsUpdate(yjsDoc(elements, 3), earlier)
        expect(hex(encodeUpdate(fromSeq, elements.slice(fromSeq)))).toBe(hex(theirs))
      }),
    )
  })

  it.each([127, 128, 129, 255, 256, 4094, 4095])('is what Yjs encodes across number %i', border => {
    const elements = Array.from({ length: border + 3 }, (_, i) => Uint8Array.of(i & 255))
    const doc = yjsDoc(elements, 512)
    for (const fromSeq of [border - 2, border - 1, border, border + 1]) {
      const before = Y.encodeStateVectorFromUpdate(encodeUpdate(0, elements.slice(0, fromSeq)))
      const theirs = Y.encodeStateAsUpdate(doc, before)
      expect(hex(encodeUpdate(fromSeq, elements.slice(fromSeq)))).toBe(hex(theirs))
    }
  })

  it('gives byte-identical documents, whether applied at once or piece by piece', () => {
    fc.assert(
      fc.property(someElements, fc.nat(39), (elements, cut) => {
        const at = Math.min(cut, elements.length)
        const [front, back] = [elements.slice(0, at), elements.slice(at)]
        const pieces = [
          ...(front.length > 0 ? [encodeUpdate(0, front)] : []),
          ...(back.length > 0 ? [encodeUpdate(at, back)] : []),
        ]
        const whole = documentOf(encodeUpdate(0, elements))
        const pieced = documentOf(...pieces)
        expect(hex(stateOf(pieced))).toBe(hex(stateOf(whole)))
        expect(hex(stateOf(whole))).toBe(hex(encodeUpdate(0, elements)))
        expect(elementsOf(pieced)).toEqual(elements)
      }),
    )
  })

  it('names a document after its log', () => {
    expect(documentName('0f'.repeat(16) as LogId)).toBe(`L/${'0f'.repeat(16)}`)
  })

  it('of no elements is the empty update of Yjs', () => {
    expect(hex(encodeUpdate(0, []))).toBe(hex(Y.encodeStateAsUpdate(new Y.Doc())))
  })

  it('drifts when a document loads its own client id: the trap that we never step into', () => {
    const loaded = new Y.Doc({ gc: false })
    loaded.clientID = 1
    Y.applyUpdate(loaded, encodeUpdate(0, [Uint8Array.of(1)]))
    expect(loaded.clientID).not.toBe(1)
    loaded.getArray<Uint8Array>('e').push([Uint8Array.of(2)])
    const drifted = Y.encodeStateAsUpdate(loaded)
    expect(decodeUpdate(0, drifted)).toBeUndefined()
  })
})

describe('the reader of updates', () => {
  it('reads what was written', () => {
    fc.assert(
      fc.property(someElements, fc.nat(2 ** 40), (elements, fromSeq) => {
        const update = encodeUpdate(fromSeq, elements)
        expect(decodeUpdate(fromSeq, update)).toEqual(elements)
        expect(countOf(update)).toBe(elements.length)
      }),
    )
  })

  it('knows an update only at its own number', () => {
    const update = encodeUpdate(5, [Uint8Array.of(1)])
    for (const fromSeq of [0, 4, 6, 133, 2 ** 32 + 5]) expect(decodeUpdate(fromSeq, update)).toBeUndefined()
  })

  it(`takes ${MAX_SEGMENT_EVENTS} events and not one more`, () => {
    const elements = Array.from({ length: MAX_SEGMENT_EVENTS + 1 }, () => Uint8Array.of(1))
    expect(decodeUpdate(0, encodeUpdate(0, elements.slice(1)))).toHaveLength(MAX_SEGMENT_EVENTS)
    expect(decodeUpdate(0, encodeUpdate(0, elements))).toBeUndefined()
  })

  it('holds nothing that its own encoder would write otherwise: every mutation is refused or shows', () => {
    const mutation = fc.oneof(
      fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.nat(255) }),
      fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
      fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }),
      fc.record({ kind: fc.constant('truncate' as const), at: fc.nat() }),
    )
    fc.assert(
      fc.property(someElements, fc.integer({ min: 0, max: 300 }), mutation, (elements, fromSeq, change) => {
        const good = encodeUpdate(fromSeq, elements)
        const at = change.at % good.length
        const bytes = [...good]
        if (change.kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << change.bit)
        if (change.kind === 'set') bytes[at] = change.value
        if (change.kind === 'insert') bytes.splice(at, 0, change.value)
        if (change.kind === 'delete') bytes.splice(at, 1)
        if (change.kind === 'truncate') bytes.length = at
        const bad = Uint8Array.from(bytes)
        const read = decodeUpdate(fromSeq, bad)
        if (!read || sameBytes(bad, good)) return
        // What is read is exactly what those bytes hold: re-encoding gives them back, or the gate sees the difference.
        const again = encodeUpdate(fromSeq, read)
        if (sameBytes(again, bad)) expect(read).not.toEqual(elements)
        else expect(again.length).toBeLessThanOrEqual(bad.length)
      }),
      { numRuns: 5000 },
    )
  })

  it('agrees with Yjs about every update that it takes and that is canonical', () => {
    fc.assert(
      fc.property(someElements, fc.nat(), fc.nat(255), (elements, at, value) => {
        const bytes = encodeUpdate(0, elements)
        bytes[at % bytes.length] = value
        const read = decodeUpdate(0, bytes)
        if (!read || !sameBytes(encodeUpdate(0, read), bytes)) return
        expect(elementsOf(documentOf(bytes))).toEqual(read)
      }),
      { numRuns: 500 },
    )
  })

  it('takes nothing behind the end and nothing short of it', () => {
    const update = encodeUpdate(3, [Uint8Array.of(1), Uint8Array.of(2)])
    expect(decodeUpdate(3, Uint8Array.of(...update, 0))).toBeUndefined()
    for (let length = 0; length < update.length; length++)
      expect(decodeUpdate(3, update.subarray(0, length))).toBeUndefined()
  })

  it('does not follow a number of more than seven bytes', () => {
    expect(decodeUpdate(0, unhex('01ffffffffffffffffffff01'))).toBeUndefined()
    expect(decodeUpdate(0, unhex(`0101${'80'.repeat(20)}01`))).toBeUndefined()
  })

  it('does not believe a length that goes beyond the end', () => {
    expect(decodeUpdate(0, unhex('0101010003010165ff7f0200'))).toBeUndefined()
    expect(decodeUpdate(0, unhex('01010100030101658080808080800100'))).toBeUndefined()
  })

  it('reads a full segment in a few milliseconds', () => {
    const elements = Array.from({ length: 150 }, () => new Uint8Array(300))
    const update = encodeUpdate(0, elements)
    expect(update.length).toBeLessThan(MAX_SEGMENT_BYTES)
    const startedMs = performance.now()
    for (let i = 0; i < 20; i++) decodeUpdate(0, update)
    expect((performance.now() - startedMs) / 20).toBeLessThan(5)
  })
})

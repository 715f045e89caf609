// The bombs and tricks of PROTOCOL 1.1 and 6.6 as bytes: each is refused within five milliseconds and changes nothing.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { encodeElement, type LogEvent } from '../../src/log/event.ts'
import type { Segment } from '../../src/ports.ts'
import { decodeUpdate, encodeUpdate, MAX_SEGMENT_BYTES } from '../../src/replica/canonical.ts'
import { documentOf, elementsOf, stateOf } from '../../src/replica/document.ts'
import { concatBytes, hex, sameBytes, unhex } from '../../src/units.ts'
import { testSite } from '../site.ts'
import { craft, type Gate, gateOf, segmentOf } from './gate.ts'

const site = testSite('vectors')
const node = site.device('node')
const whole = craft({ site, device: node }, [{}, {}, {}, {}, {}, {}])
const logId = segmentOf(whole).logId

function stateIn(gate: Gate): string {
  const log = gate.logs.get(logId)
  return JSON.stringify([log?.head.seq, log?.head.hash, log?.elements.map(hex), gate.logs.changes()])
}

/** Best of five, so that a busy machine does not fail the test. */
function millisecondsFor(work: () => void): number {
  const runs = Array.from({ length: 5 }, () => {
    const startedMs = performance.now()
    work()
    return performance.now() - startedMs
  })
  return Math.min(...runs)
}

function refusedAtOnce(update: Uint8Array, fromSeqs: readonly number[] = [0, 3, 6]): void {
  const gate = gateOf(site, [node])
  gate.admit(segmentOf(whole))
  const before = stateIn(gate)
  for (const fromSeq of fromSeqs) {
    const verdicts: string[] = []
    const tookMs = millisecondsFor(() => verdicts.push(gate.admit({ logId, fromSeq, update }).kind))
    expect(new Set(verdicts), `from ${fromSeq}`).toEqual(new Set(['invalid']))
    expect(tookMs).toBeLessThan(5)
  }
  expect(stateIn(gate)).toBe(before)
}

function yjsUpdate(
  clientId: number,
  change: (array: Y.Array<Uint8Array>) => void,
  base?: Uint8Array,
): Uint8Array {
  const doc = new Y.Doc({ gc: false })
  if (base) Y.applyUpdate(doc, base)
  const before = Y.encodeStateVector(doc)
  doc.clientID = clientId
  change(doc.getArray<Uint8Array>('e'))
  return Y.encodeStateAsUpdate(doc, before)
}

function varUint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128))
  return Uint8Array.of(...bytes, rest)
}

const held = encodeUpdate(0, whole.map(encodeElement))

describe('the gate refuses, at once and without a trace', () => {
  it('F1: what another client id wrote into the document', () => {
    const foreign = yjsUpdate(2, array => array.push([encodeElement(whole[1] as LogEvent)]), held)
    refusedAtOnce(foreign)
    refusedAtOnce(yjsUpdate(2, array => array.push([Uint8Array.of(1)])))
  })

  it('F1: what the victim id wrote in another shape: two elements in one struct, text, a map', () => {
    refusedAtOnce(yjsUpdate(1, array => array.insert(0, [Uint8Array.of(1)]), held))
    const doc = new Y.Doc()
    doc.clientID = 1
    doc.getMap('e').set('k', 'v')
    refusedAtOnce(Y.encodeStateAsUpdate(doc))
    const text = new Y.Doc()
    text.clientID = 1
    text.getText('e').insert(0, 'hello')
    refusedAtOnce(Y.encodeStateAsUpdate(text))
  })

  it('F2: six bytes that delete the array', () => {
    const bomb = unhex('000101010006')
    expect(bomb).toHaveLength(6)
    const victim = documentOf(held)
    Y.applyUpdate(victim, bomb)
    expect(elementsOf(victim)).toHaveLength(0)
    refusedAtOnce(bomb)
    refusedAtOnce(yjsUpdate(1, array => array.delete(0, 3), held))
  })

  it('F2: one GC struct under the author id, which silences it for ever', () => {
    const gc = concatBytes([
      unhex('0101'),
      varUint(1),
      varUint(6),
      unhex('00'),
      varUint(2 ** 31),
      unhex('00'),
    ])
    const victim = documentOf(held)
    Y.applyUpdate(victim, gc)
    const next = craft({ site, device: node, fromSeq: 6, prev: whole[5]?.hash as LogEvent['hash'] }, [{}])
    Y.applyUpdate(victim, segmentOf(next).update)
    expect(elementsOf(victim)).toHaveLength(6)
    refusedAtOnce(gc)
    refusedAtOnce(unhex('0101010600ffffffff0700'))
  })

  it('F3: sixty-four kilobytes of structs behind gaps', () => {
    const structs = Array.from({ length: 4000 }, (_, i) =>
      concatBytes([
        unhex('01'),
        varUint(1),
        varUint(10 + 2 * i),
        unhex('8301'),
        varUint(9 + 2 * i),
        unhex('0100'),
      ]),
    )
    const bomb = concatBytes([varUint(structs.length), ...structs, unhex('00')])
    refusedAtOnce(bomb.subarray(0, 65_536))
    refusedAtOnce(bomb.subarray(0, MAX_SEGMENT_BYTES))
  })

  it('the seven-byte struct bomb and other huge counts', () => {
    for (const text of [
      '01ffffffff0f01',
      'ffffffff0f0100',
      '01ffffffffffff7f0100',
      '010100ffffffff0f00',
      '0180020100',
      `01ffffff7f0100${'00'.repeat(1000)}`,
      '000101ffffffff0f0001',
    ])
      refusedAtOnce(unhex(text))
  })

  it('nested CBOR where the opening should stand', () => {
    for (const opening of ['81', 'a160', '8200', 'd8ff81']) {
      const body = concatBytes(Array.from({ length: 8192 / (opening.length / 2) - 1 }, () => unhex(opening)))
      const bomb = craft({ site, device: node, logId: 'bb'.repeat(16) as never }, [
        { body: body.slice(0, 8192) },
      ])
      const gate = gateOf(site, [node])
      const tookMs = millisecondsFor(() => expect(gate.admit(segmentOf(bomb)).kind).toBe('invalid'))
      expect(tookMs).toBeLessThan(5)
    }
  })

  it('a document that Yjs would take happily, because it is not the canonical one', () => {
    const doc = documentOf(held)
    const merged = Y.mergeUpdates([held, Y.encodeStateAsUpdate(doc)])
    expect(sameBytes(merged, held)).toBe(true)
    const v2 = Y.encodeStateAsUpdateV2(doc)
    refusedAtOnce(v2, [0])
  })
})

describe('a segment that was tampered with', () => {
  const follows = craft({ site, device: node, fromSeq: 6, prev: whole[5]?.hash as LogEvent['hash'] }, [
    { sealed: false },
    {},
    { sealed: false },
    {},
  ])
  const good = segmentOf(follows).update

  it('never adds an event that its author did not sign, whatever byte is changed, added or missing', () => {
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.nat(255),
        fc.constantFrom('set', 'insert', 'delete', 'cut'),
        (at, value, how) => {
          const bytes = [...good]
          if (how === 'set') bytes[at] = value
          if (how === 'insert') bytes.splice(at, 0, value)
          if (how === 'delete') bytes.splice(at, 1)
          if (how === 'cut') bytes.length = at
          const update = Uint8Array.from(bytes)
          if (sameBytes(update, good)) return
          const gate = gateOf(site, [node])
          gate.admit(segmentOf(whole))
          const before = stateIn(gate)
          const segment: Segment = { logId, fromSeq: 6, update }
          expect(gate.admit(segment).kind).toBe('invalid')
          expect(stateIn(gate)).toBe(before)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('leaves the document of an honest one byte for byte what Yjs makes of it', () => {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole))
    gate.admit(segmentOf(follows))
    const elements = gate.logs.get(logId)?.elements ?? []
    const doc = new Y.Doc({ gc: false })
    doc.clientID = 1
    for (const element of elements) doc.getArray<Uint8Array>('e').push([element])
    expect(hex(stateOf(documentOf(held, good)))).toBe(hex(Y.encodeStateAsUpdate(doc)))
    expect(decodeUpdate(0, Y.encodeStateAsUpdate(doc))).toEqual(elements)
  })
})

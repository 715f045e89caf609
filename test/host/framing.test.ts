import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  coalesce,
  FRAME_HEADER_BYTES,
  frame,
  frameReader,
  KEEPALIVE_FRAME,
  MAX_WRITE_BYTES,
} from '../../src/host/framing.ts'
import { concatBytes, sameBytes } from '../../src/units.ts'

const message = fc.uint8Array({ minLength: 1, maxLength: 300 })

/** Cuts bytes at the given places, taken round and round. */
function cut(stream: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    pieces.push(stream.subarray(at, at + length))
    at += length
  }
  return pieces
}

describe('frame reader', () => {
  it('gives back the same messages however the stream is cut, and leaves keepalives out', () => {
    const part = fc.oneof(message, fc.constant(undefined))
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), cuts, (parts, lengths) => {
        const stream = concatBytes(parts.map(each => (each ? frame(each) : KEEPALIVE_FRAME)))
        const reader = frameReader(300)
        const read = cut(stream, lengths).flatMap(piece => {
          const step = reader.push(piece)
          return step.kind === 'frames' ? step.messages : []
        })
        expect(read).toEqual(parts.filter(each => each !== undefined))
      }),
    )
  })

  it('refuses a length above its bound as soon as the length is there, and takes one at the bound', () => {
    const reader = frameReader(10)
    expect(reader.push(frame(new Uint8Array(10)))).toEqual({ kind: 'frames', messages: [new Uint8Array(10)] })
    expect(reader.push(Uint8Array.of(0, 0, 0))).toEqual({ kind: 'frames', messages: [] })
    expect(reader.push(Uint8Array.of(11))).toEqual({ kind: 'oversize', declaredBytes: 11 })
    expect(frameReader(10).push(Uint8Array.of(255, 255, 255, 255))).toMatchObject({ kind: 'oversize' })
  })

  it('gives messages in memory of their own', () => {
    const stream = frame(Uint8Array.of(1, 2))
    const step = frameReader(10).push(stream)
    stream.fill(9)
    expect(step).toEqual({ kind: 'frames', messages: [Uint8Array.of(1, 2)] })
  })
})

describe('coalescing', () => {
  it('writes every frame once, in order, whole, and never more than the bound unless one frame alone is larger', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(sizes, lengths => {
        let queue = lengths.map((length, i) => frame(new Uint8Array(length).fill(i)))
        const expected = concatBytes(queue)
        const writes: Uint8Array[] = []
        while (queue.length > 0) {
          const { bytes, count } = coalesce(queue)
          expect(count).toBeGreaterThan(0)
          expect(bytes.length).toBeLessThanOrEqual(MAX_WRITE_BYTES)
          writes.push(bytes)
          queue = queue.slice(count)
        }
        expect(sameBytes(concatBytes(writes), expected)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('lets the largest message leave alone', () => {
    const largest = frame(new Uint8Array(MAX_WRITE_BYTES))
    expect(coalesce([largest, frame(Uint8Array.of(1))])).toMatchObject({ count: 1 })
    expect(coalesce([largest]).bytes.length).toBe(MAX_WRITE_BYTES + FRAME_HEADER_BYTES)
  })
})

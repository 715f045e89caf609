import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c, encodeFrame, findFrame, MAX_RECORD_BYTES, readFrame } from '../../src/store/frame.ts'
import { SEGMENT_HEADER, scanSegment } from '../../src/store/segment.ts'
import { concatBytes, hex, unhex } from '../../src/units.ts'

const record = fc.record({
  kind: fc.integer({ min: 0, max: 255 }),
  payload: fc.uint8Array({ maxLength: 400 }),
})
const BUDGET_BYTES = 1_000_000

describe('a frame', () => {
  it('uses the checksum of Castagnoli (RFC 3720, B.4)', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
  })

  it('has the bytes that version 1 has written', () => {
    const golden = '434d00000005cd269f9b0007010203'
    expect(hex(encodeFrame({ kind: 7, payload: unhex('010203') }))).toBe(golden)
  })

  it('gives back every record, whatever stands before and behind it', () => {
    fc.assert(
      fc.property(fc.uint8Array(), record, fc.uint8Array(), (before, value, behind) => {
        const frame = encodeFrame(value)
        const bytes = concatBytes([before, frame, behind])
        const read = readFrame(bytes, before.length)
        expect(read).toEqual({ kind: 'record', record: value, end: before.length + frame.length })
      }),
    )
  })

  it('is garbage when any of its bytes is missing or has a flipped bit', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 0, max: 7 }), (value, seed, bit) => {
        const frame = encodeFrame(value)
        const offset = seed % frame.length
        expect(readFrame(frame.subarray(0, offset), 0)).toEqual({ kind: 'garbage' })
        frame[offset] = (frame[offset] ?? 0) ^ (1 << bit)
        expect(readFrame(frame, 0)).toEqual({ kind: 'garbage' })
      }),
    )
  })

  it('is found behind garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array(), record, (garbage, value) => {
        const bytes = concatBytes([garbage, encodeFrame(value)])
        expect(findFrame(bytes, 0, BUDGET_BYTES)).toBe(garbage.length)
      }),
    )
  })

  it('is looked for no longer than the budget allows', () => {
    const fake = unhex('434d0000010000000000')
    const bytes = concatBytes([
      ...Array.from({ length: 100 }, () => fake),
      encodeFrame({ kind: 1, payload: new Uint8Array(300) }),
    ])
    expect(findFrame(bytes, 0, 100 * 256 + 302)).toBe(1_000)
    expect(findFrame(bytes, 0, 50 * 256)).toBeUndefined()
  })

  it('takes the largest record and refuses a larger one and a kind that is no byte', () => {
    const largest = { kind: 1, payload: new Uint8Array(MAX_RECORD_BYTES - 1) }
    expect(readFrame(encodeFrame(largest), 0).kind).toBe('record')
    expect(() => encodeFrame({ kind: 1, payload: new Uint8Array(MAX_RECORD_BYTES) })).toThrow('at most')
    for (const kind of [-1, 256, 1.5])
      expect(() => encodeFrame({ kind, payload: new Uint8Array() })).toThrow('one byte')
  })

  it('with a foreign key is whole and locked, never a record', () => {
    expect(readFrame(lockedFrame(3), 0)).toEqual({ kind: 'locked', keyId: 3, end: 50 })
  })
})

describe('a segment', () => {
  it('is read without an exception, byte by byte accounted for, whatever it holds', () => {
    const part = fc.oneof(
      record.map(encodeFrame),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(SEGMENT_HEADER),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), parts => {
        const bytes = concatBytes(parts)
        const scan = scanSegment(bytes)
        const inRecords = scan.records.reduce((sum, { payload }) => sum + 12 + payload.length, 0)
        const inHoles = scan.holes.reduce((sum, hole) => sum + hole.lostBytes, 0)
        const hasHeader = hex(bytes).startsWith(hex(SEGMENT_HEADER))
        expect(inRecords + inHoles + (hasHeader ? 4 : 0)).toBe(scan.goodEnd)
      }),
    )
  })
})

/** 40 bytes behind the checksum: key id, nonce, sealed bytes. */
function lockedFrame(keyId: number): Uint8Array {
  const body = new Uint8Array(40).fill(keyId)
  const head = new DataView(new ArrayBuffer(10))
  head.setUint16(0, 0x434d)
  head.setUint32(2, body.length)
  head.setUint32(6, crc32c(body))
  return concatBytes([new Uint8Array(head.buffer), body])
}

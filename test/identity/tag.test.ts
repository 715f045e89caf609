// A card's own id, sealed to the site.
import { describe, expect, it } from 'vitest'
import { createTagKeys } from '../../src/identity/tag.ts'
import { hex, type TokenRef } from '../../src/units.ts'

const KEY = new Uint8Array(32).fill(7)
const OLD = new Uint8Array(32).fill(8)
const REF = '0a'.repeat(16) as TokenRef
const OTHER = '0b'.repeat(16) as TokenRef
const NONCE = new Uint8Array(12).fill(3)
const keys = createTagKeys([KEY])

describe("a sealed card's id", () => {
  it('opens for its own reference and under its own key only', () => {
    const box = keys.seal(REF, '04A2B3C4', NONCE) as Uint8Array
    expect(keys.open(REF, box)).toBe('04A2B3C4')
    expect(keys.open(OTHER, box)).toBeUndefined()
    expect(createTagKeys([OLD]).open(REF, box)).toBeUndefined()
    expect(createTagKeys([]).open(REF, box)).toBeUndefined()
  })

  it('opens under a key that was in force before', () => {
    const box = createTagKeys([OLD]).seal(REF, '04A2B3C4', NONCE) as Uint8Array
    expect(createTagKeys([KEY, OLD]).open(REF, box)).toBe('04A2B3C4')
  })

  it('is 52 bytes whatever the card, holds nothing in the clear, and fails when a bit is turned', () => {
    const short = keys.seal(REF, '0', NONCE) as Uint8Array
    const long = keys.seal(REF, 'ABCDEFGHIJKLMNOPQRST', NONCE) as Uint8Array
    expect([short.length, long.length]).toEqual([52, 52])
    expect(Buffer.from(long).toString('latin1')).not.toContain('ABCD')
    for (let i = 0; i < long.length; i++) {
      const bent = long.slice()
      bent[i] = (bent[i] ?? 0) ^ 1
      expect(keys.open(REF, bent)).toBeUndefined()
    }
    expect(keys.open(REF, long.subarray(1))).toBeUndefined()
  })

  it('has these bytes for ever', () => {
    expect(hex(keys.seal(REF, '04A2B3C4', NONCE) as Uint8Array)).toMatchInlineSnapshot(
      `"c122f241030303030303030303030303bc809b6af4c6d5e00e05a59bcf6206238b65e58a1052ee5cb0a77393135b42ad2b4c4065"`,
    )
  })

  it('is refused to ids that no charger could hold', () => {
    expect(keys.seal(REF, '', NONCE)).toBeUndefined()
    expect(keys.seal(REF, 'A'.repeat(21), NONCE)).toBeUndefined()
  })
})

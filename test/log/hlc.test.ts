// The hybrid clock orders one log whatever the wall does, and follows nobody far (PROTOCOL 3.7).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hlcOf, MAX_LEAD_MS, merge, tick, wallOf } from '../../src/log/hlc.ts'

const wall = fc.integer({ min: -(10 ** 12), max: 10 ** 14 })

describe('the hybrid clock', () => {
  it('never stands still and never goes back, whatever the wall clock does', () => {
    fc.assert(
      fc.property(fc.array(wall, { maxLength: 50 }), walls => {
        let last = hlcOf(0)
        for (const at of walls) {
          const next = tick(last, at)
          expect(next > last).toBe(true)
          last = next
        }
      }),
    )
  })

  it('is the wall clock wherever that moves on', () => {
    expect(wallOf(tick(hlcOf(1000), 2000))).toBe(2000)
    expect(tick(hlcOf(1000, 7), 1000)).toBe(hlcOf(1000, 8))
    expect(tick(hlcOf(1000, 65_535), 1000)).toBe(hlcOf(1001))
  })

  it('follows a stamp from elsewhere up to its lead, and no further', () => {
    const at = 10 ** 12
    const last = hlcOf(at)
    expect(merge(last, hlcOf(at + 5), at)).toBe(hlcOf(at + 5))
    expect(merge(last, hlcOf(at + MAX_LEAD_MS), at)).toBe(hlcOf(at + MAX_LEAD_MS))
    expect(merge(last, hlcOf(at + MAX_LEAD_MS + 1), at)).toBe(last)
    expect(merge(last, 2n ** 64n - 1n, at)).toBe(last)
    expect(merge(last, hlcOf(at - 5), at)).toBe(last)
  })

  it('bounds what 48 bits cannot hold', () => {
    expect(wallOf(hlcOf(2 ** 60))).toBe(2 ** 48 - 1)
    expect(wallOf(hlcOf(-5))).toBe(0)
  })
})

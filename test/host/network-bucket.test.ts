import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBucket } from '../../src/host/network-bucket.ts'

describe('token bucket', () => {
  it('holds one second, fills with time, and says how long a debt lasts', () => {
    const bucket = createBucket(1_000, 0)
    expect(bucket.take(1_000, 0)).toBe(0)
    expect(bucket.take(500, 0)).toBe(-500)
    expect(bucket.waitMs(0)).toBe(500)
    expect(bucket.waitMs(250)).toBe(250)
    expect(bucket.take(0, 500)).toBe(0)
    expect(bucket.take(0, 60_000)).toBe(1_000)
  })

  it('goes on full at a wider rate', () => {
    const bucket = createBucket(10, 0)
    bucket.take(1_000, 0)
    bucket.widen(5_000, 1)
    expect(bucket.take(4_999, 1)).toBe(1)
    expect(bucket.waitMs(1)).toBe(0)
  })

  it('lets nobody pass more than one burst and the rate of the time since', () => {
    const step = fc.record({ bytes: fc.nat(3_000), afterMs: fc.nat(2_000) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), steps => {
        const bucket = createBucket(1_000, 0)
        let nowMs = 0
        let passed = 0
        for (const { bytes, afterMs } of steps) {
          nowMs += Math.max(afterMs, bucket.waitMs(nowMs))
          expect(bucket.take(0, nowMs)).toBeGreaterThanOrEqual(-1e-6)
          passed += bytes
          bucket.take(bytes, nowMs)
        }
        // The last piece may overdraw; all before it were paid for.
        expect(passed - (steps.at(-1)?.bytes ?? 0)).toBeLessThanOrEqual(1_000 + nowMs + 1e-6)
      }),
    )
  })
})

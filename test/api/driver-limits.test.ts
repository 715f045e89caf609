import { describe, expect, it } from 'vitest'
import { createLimits, networkOf } from '../../src/api/driver-limits.ts'

describe('limits of the driver’s plane', () => {
  it.each([
    ['10.9.8.7', '10.9.8.7'],
    ['::ffff:10.9.8.7', '10.9.8.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  it('somebody who tries cards may do so five times, then twice a minute, with any card', () => {
    const limits = createLimits()
    const tried = (nowMs: number): boolean => {
      if (limits.nameCard('10.0.0.1', nowMs) > 0) return false
      limits.missed('10.0.0.1', nowMs)
      return true
    }
    expect([1, 2, 3, 4, 5, 6, 7].map(at => tried(at))).toEqual([...Array(5).fill(true), false, false])
    expect(limits.nameCard('10.0.0.1', 10)).toBe(30)
    expect(limits.nameCard('10.0.0.2', 10)).toBe(0)
    let hour = 0
    for (let nowMs = 100; nowMs < 3_600_100; nowMs += 1000) if (tried(nowMs)) hour += 1
    expect(hour).toBeLessThanOrEqual(121)
  })

  it('all addresses together look up no more than 5 cards a second', () => {
    const limits = createLimits()
    let looked = 0
    for (let nowMs = 0; nowMs < 60_000; nowMs += 10)
      if (limits.nameCard(`10.0.${nowMs >> 8}.${nowMs & 255}`, nowMs) === 0) looked += 1
    expect(looked).toBeGreaterThan(300)
    expect(looked).toBeLessThanOrEqual(341)
  })

  it('one card may start a few times a minute from wherever', () => {
    const limits = createLimits()
    const waits = Array.from({ length: 22 }, () => limits.startWith('card', 0))
    expect(waits.filter(waitS => waitS === 0)).toHaveLength(20)
    expect(waits.at(-1)).toBe(2)
    expect(limits.startWith('other', 0)).toBe(0)
    expect(limits.startWith('card', 2000)).toBe(0)
  })

  it('remembers so many only, and forgets who was quiet longest', () => {
    const limits = createLimits()
    for (let tries = 0; tries < 20; tries++) limits.startWith('first', 0)
    expect(limits.startWith('first', 0)).toBeGreaterThan(0)
    for (let at = 0; at < 10_000; at++) limits.startWith(`card ${at}`, 0)
    expect(limits.startWith('first', 0)).toBe(0)
  })
})

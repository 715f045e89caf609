// How long the ends of a simulated link take to lose each other and to find each other again, as real hosts do.
import { describe, expect, it } from 'vitest'
import { virtualMesh } from './virtual-mesh.ts'

describe('finding each other', () => {
  /** How long after the heal of an outage the two are peers again; of many outages. */
  const searches = (outageMs: number): readonly number[] => {
    const mesh = virtualMesh()
    const a = mesh.join(1)
    mesh.join(2)
    mesh.pass(1_000)
    return Array.from({ length: 30 }, () => {
      mesh.net.isolate(mesh.id(1))
      mesh.pass(outageMs)
      expect(a.peers()).toEqual([])
      mesh.net.heal()
      const healedMs = mesh.nowMs()
      while (a.peers().length === 0 && mesh.nowMs() - healedMs < 60_000) mesh.pass(50)
      return mesh.nowMs() - healedMs
    })
  }

  it('takes about as long as the redial wait has grown: seconds after a long outage, never above its longest', () => {
    const searchedMs = searches(600_000)
    expect(Math.max(...searchedMs)).toBeGreaterThan(4_000)
    expect(Math.max(...searchedMs)).toBeLessThan(10_200)
    expect(Math.min(...searchedMs)).toBeLessThan(2_000)
    expect(Math.max(...searches(16_000))).toBeLessThan(6_500)
  })

  it('is done at once by a process that starts, and takes longer over a long way', () => {
    const mesh = virtualMesh()
    mesh.join(1)
    mesh.pass(600_000)
    const b = mesh.join(2)
    mesh.pass(100)
    expect(b.peers()).toEqual([1])
    mesh.net.shape({ minDelayMs: 300, maxDelayMs: 300 })
    const c = mesh.join(3)
    mesh.pass(4_000)
    expect(c.peers()).toEqual([])
    mesh.pass(1_000)
    expect(c.peers()).toEqual([1, 2])
  })

  it('ends 10 to 15 s after a cut, since the last keepalive came up to 5 s before', () => {
    const lostMs = Array.from({ length: 20 }, (_, seed) => {
      const mesh = virtualMesh({ seed })
      const a = mesh.join(1)
      mesh.join(2)
      mesh.pass(1_000)
      mesh.net.cut(mesh.id(1), mesh.id(2))
      const cutMs = mesh.nowMs()
      while (a.peers().length > 0 && mesh.nowMs() - cutMs < 60_000) mesh.pass(50)
      return mesh.nowMs() - cutMs
    })
    expect(Math.min(...lostMs)).toBeGreaterThanOrEqual(10_000)
    expect(Math.max(...lostMs)).toBeLessThanOrEqual(15_000)
    expect(Math.max(...lostMs) - Math.min(...lostMs)).toBeGreaterThan(2_000)
  })
})

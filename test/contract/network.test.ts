import { describe, expect, it } from 'vitest'
import { createSimulatedNetwork, type SimulatedNetwork } from '../../simulations/network/network.ts'
import type { Random } from '../../src/ports.ts'
import type { DeviceId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestSite, testSite } from '../site.ts'
import { type ContractNode, networkContract } from './network.ts'

networkContract('simulated network', async () => {
  const site = testSite('simulated')
  const world = virtualWorld(site)
  return {
    a: world.join(site.device('a')),
    b: world.join(site.device('b')),
    until: async (condition, what) => {
      for (let i = 0; i < 100_000 && !condition(); i++) world.pass(10)
      if (!condition()) throw new Error(`never: ${what}`)
    },
    pass: async ms => world.pass(ms),
    dispose: async () => undefined,
  }
})

type VirtualWorld = {
  readonly net: SimulatedNetwork
  readonly join: (device: TestDevice, of?: TestSite) => ContractNode
  readonly pass: (ms: number) => void
}

/** A heap of tasks and a clock that jumps from one to the next. */
function virtualWorld(site: TestSite, random: Random = { bytes: site.random }): VirtualWorld {
  const tasks: { atMs: number; order: number; run: () => void }[] = []
  let nowMs = 0
  let order = 0
  const net = createSimulatedNetwork({
    random,
    schedule: (delayMs, run) => {
      tasks.push({ atMs: nowMs + delayMs, order: order++, run })
    },
  })
  return {
    net,
    pass: ms => {
      const endMs = nowMs + ms
      for (;;) {
        tasks.sort((x, y) => x.atMs - y.atMs || x.order - y.order)
        const next = tasks[0]
        if (!next || next.atMs > endMs) break
        tasks.shift()
        nowMs = next.atMs
        next.run()
      }
      nowMs = endMs
    },
    join: (device, of = site) => {
      const heard: { from: DeviceId; bytes: Uint8Array }[] = []
      const comings: string[] = []
      const network = net.attach({
        certificates: [of.issuer.certificate.encoded, device.certificate.encoded],
        roster: of.roster([device]),
        wallMs: () => SITE_OPENED_AT + nowMs,
        onPeer: deviceId => comings.push(`+${deviceId}`),
        onPeerGone: deviceId => comings.push(`-${deviceId}`),
        onMessage: (from, bytes) => heard.push({ from, bytes }),
      })
      const { deviceId } = device.certificate
      return { network, deviceId, heard, comings, close: async () => network.close() }
    },
  }
}

describe('simulated links', () => {
  const site = testSite('links')
  const [first, second, third] = [site.device('first'), site.device('second'), site.device('third')]
  const one = Uint8Array.of(1)

  it('lose their peers some time after a cut, and find them again after the mend', () => {
    const world = virtualWorld(site)
    const [a, b] = [world.join(first), world.join(second)]
    world.pass(100)
    world.net.cut(a.deviceId, b.deviceId)
    world.pass(14_000)
    a.network.send(b.deviceId, one)
    expect(a.network.peers()).toEqual([b.deviceId])
    world.pass(2_000)
    expect([a.network.peers(), b.network.peers(), b.heard]).toEqual([[], [], []])
    world.net.mend(a.deviceId, b.deviceId)
    world.pass(100)
    expect(a.comings.map(coming => coming[0])).toEqual(['+', '-', '+'])
  })

  it('cut one way carry the other way only', () => {
    const world = virtualWorld(site)
    const [a, b] = [world.join(first), world.join(second)]
    world.pass(100)
    world.net.cut(a.deviceId, b.deviceId, { oneWay: true })
    a.network.send(b.deviceId, one)
    b.network.send(a.deviceId, one)
    world.pass(60_000)
    expect([a.heard.length, b.heard.length]).toEqual([1, 0])
    expect(a.comings).toHaveLength(1)
  })

  it('split into groups that hear only themselves, until they heal', () => {
    const world = virtualWorld(site)
    const [a, b, c] = [world.join(first), world.join(second), world.join(third)]
    world.pass(100)
    world.net.split([[a.deviceId, b.deviceId], [c.deviceId]])
    world.pass(20_000)
    expect([a.network.peers(), b.network.peers(), c.network.peers()]).toEqual([
      [b.deviceId],
      [a.deviceId],
      [],
    ])
    world.net.heal()
    world.pass(100)
    expect(c.network.peers()).toHaveLength(2)
  })

  it('lose, double and delay as often as they are told', () => {
    const world = virtualWorld(site)
    const [a, b] = [world.join(first), world.join(second)]
    world.pass(100)
    world.net.shape({ lossRate: 0.4, duplicateRate: 0.5, minDelayMs: 10, maxDelayMs: 500 }, [
      a.deviceId,
      b.deviceId,
    ])
    for (let i = 0; i < 1_000; i++) a.network.send(b.deviceId, Uint8Array.of(i >> 8, i & 255))
    world.pass(9)
    expect(b.heard).toEqual([])
    world.pass(500)
    const distinct = new Set(b.heard.map(({ bytes }) => bytes.join()))
    expect(distinct.size).toBeGreaterThan(500)
    expect(distinct.size).toBeLessThan(700)
    expect(b.heard.length / distinct.size).toBeGreaterThan(1.3)
    expect(b.heard.map(({ bytes }) => bytes.join())).not.toEqual([...distinct])
  })

  it('do the same again from the same seed', () => {
    const run = (): string => {
      const again = testSite('seeded')
      const world = virtualWorld(again)
      const [a, b] = [world.join(again.device('a')), world.join(again.device('b'))]
      world.net.shape({ lossRate: 0.3, duplicateRate: 0.3, minDelayMs: 0, maxDelayMs: 100 })
      world.pass(100)
      for (let i = 0; i < 100; i++) a.network.send(b.deviceId, Uint8Array.of(i))
      world.pass(1_000)
      return b.heard.map(({ bytes }) => bytes[0]).join()
    }
    expect(run()).toBe(run())
  })

  it('connect nobody whose certificate is of another site or no node', () => {
    const world = virtualWorld(site)
    const other = testSite('elsewhere')
    const a = world.join(first)
    world.join(other.device('stranger'), other)
    world.join(site.device('revoker', ['revoker']))
    world.pass(1_000)
    expect(a.network.peers()).toEqual([])
  })

  it('forget a member that left, and meet it again when it comes back', async () => {
    const world = virtualWorld(site)
    const [a, b] = [world.join(first), world.join(second)]
    world.pass(100)
    world.net.cut(a.deviceId, b.deviceId)
    await b.close()
    const again = world.join(second)
    world.net.mend(a.deviceId, b.deviceId)
    world.pass(30_000)
    expect(a.network.peers()).toEqual([b.deviceId])
    a.network.send(b.deviceId, one)
    world.pass(100)
    expect([b.heard.length, again.heard.length]).toEqual([0, 1])
  })
})

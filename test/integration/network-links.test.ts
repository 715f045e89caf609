import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openRelay, type Relay } from '../../simulations/real/relay.ts'
import type { NetworkLimits } from '../../src/host/network-limits.ts'
import { until } from '../deadline.ts'
import { testSite } from '../site.ts'
import { closeNodes, type MeshNode, openNode, utf8 } from './network-node.ts'

const site = testSite('links')
const [alice, bob] = [site.device('alice'), site.device('bob')]

let relay: Relay | undefined
afterEach(async () => {
  await closeNodes()
  await relay?.close()
  relay = undefined
})

/** Alice, and Bob who reaches her through a relay. */
async function overRelay(
  limits?: Partial<NetworkLimits>,
): Promise<{ a: MeshNode; b: MeshNode; wire: Relay }> {
  const a = await openNode({ site, device: alice, ...(limits && { limits }) })
  const wire = await openRelay({ targetHost: '127.0.0.1', targetPort: a.port })
  relay = wire
  const b = await openNode({ site, device: bob, peers: [wire.port], ...(limits && { limits }) })
  await met(a, b)
  return { a, b, wire }
}

async function met(a: MeshNode, b: MeshNode): Promise<void> {
  const both = (): boolean => a.network.peers().length === 1 && b.network.peers().length === 1
  await until(both, { withinMs: 10_000, what: 'both are peers' })
}

async function parted(a: MeshNode, b: MeshNode): Promise<void> {
  const both = (): boolean => a.network.peers().length === 0 && b.network.peers().length === 0
  await until(both, { withinMs: 5_000, what: 'both gave up' })
}

async function talk(a: MeshNode, b: MeshNode): Promise<void> {
  a.network.send(b.deviceId, utf8('over'))
  b.network.send(a.deviceId, utf8('and back'))
  const done = (): boolean =>
    b.heard.some(({ text }) => text === 'over') && a.heard.some(({ text }) => text === 'and back')
  await until(done, { withinMs: 5_000, what: 'messages both ways' })
}

describe('a link', () => {
  it('that is pulled is noticed at once, and found again when it is back', async () => {
    const { a, b, wire } = await overRelay()
    await talk(a, b)
    expect(wire.bytes().forward).toBeGreaterThan(500)
    expect(wire.bytes().backward).toBeGreaterThan(500)
    wire.cut()
    await until(() => a.network.peers().length + b.network.peers().length === 0, {
      withinMs: 500,
      what: 'the end',
    })
    await until(() => b.network.stats().failedDials > 1, { withinMs: 5_000, what: 'dials that fail' })
    wire.mend()
    await met(a, b)
    expect([a.comings, b.comings]).toEqual([
      ['+bob', '-bob', '+bob'],
      ['+alice', '-alice', '+alice'],
    ])
  })

  it('that is dead but open is given up after the silence, not before, and found again when it lives', async () => {
    const { a, b, wire } = await overRelay()
    wire.cut('blackhole')
    await new Promise(resolve => setTimeout(resolve, 600))
    expect([a.network.peers().length, b.network.peers().length]).toEqual([1, 1])
    await parted(a, b)
    expect(a.network.stats().closed).toEqual({ silent: 1 })
    wire.mend()
    await met(a, b)
    await talk(a, b)
  })

  it('that nobody uses is silent for long, and still says soon that it lives to whoever spoke', async () => {
    const { a, b, wire } = await overRelay({ answerMs: 1_000, idleMs: 60_000, silenceMs: 60_000 })
    await talk(a, b)
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const before = wire.bytes()
    await new Promise(resolve => setTimeout(resolve, 1_500))
    expect(wire.bytes()).toEqual(before)
    // Bytes that come back say little: yamux sends some of its own. What b itself says is counted above it.
    const sentBefore = b.network.traffic().sentBytes
    a.network.send(b.deviceId, utf8('are you there'))
    await new Promise(resolve => setTimeout(resolve, 1_500))
    expect(b.network.traffic().sentBytes).toBeGreaterThan(sentBefore)
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })

  it('that takes a message and brings nothing back is given up long before one that was idle', async () => {
    const { a, b, wire } = await overRelay({ answerMs: 1_000, idleMs: 60_000, silenceMs: 60_000 })
    await talk(a, b)
    wire.cut('blackhole')
    a.network.send(b.deviceId, utf8('over again'))
    await until(() => a.network.stats().closed.silent === 1, { withinMs: 5_000, what: 'it gave up' })
  })

  it('that is dead for less than the silence loses no peer', async () => {
    const { a, b, wire } = await overRelay()
    wire.cut('blackhole')
    a.network.send(b.deviceId, utf8('over'))
    await new Promise(resolve => setTimeout(resolve, 400))
    expect(b.heard).toEqual([])
    wire.mend()
    await talk(a, b)
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })

  it('brings messages in their order, although there are two connections and one is full', async () => {
    const limits = { doubleMs: 60_000 }
    const a = await openNode({ site, device: alice, limits })
    const wire = await openRelay({ targetHost: '127.0.0.1', targetPort: a.port })
    relay = wire
    const b = await openNode({ site, device: bob, peers: [wire.port, a.port], limits })
    await until(() => a.network.stats().connections === 2, { withinMs: 5_000, what: 'two connections' })
    await met(a, b)
    await talk(a, b)
    const numbers = Array.from({ length: 200 }, (_, i) => `${i}`.padEnd(4096, '.'))
    for (const text of numbers) a.network.send(b.deviceId, utf8(text))
    await until(() => b.heard.length > numbers.length, { withinMs: 5_000, what: 'all of them' })
    expect(b.heard.slice(1).map(({ text }) => Number.parseInt(text, 10))).toEqual([...numbers.keys()])
  })

  it('carries on over its second connection when the first one dies', async () => {
    const a = await openNode({ site, device: alice, limits: { doubleMs: 60_000 } })
    const wire = await openRelay({ targetHost: '127.0.0.1', targetPort: a.port })
    relay = wire
    // Both addresses are dialled in the first tick, before anybody knows that they lead to the same device.
    const b = await openNode({ site, device: bob, peers: [wire.port, a.port], limits: { doubleMs: 60_000 } })
    await until(() => a.network.stats().connections === 2, { withinMs: 5_000, what: 'two connections' })
    await met(a, b)
    wire.cut('blackhole')
    await until(() => a.network.stats().connections === 1, {
      withinMs: 5_000,
      what: 'one connection is left',
    })
    await talk(a, b)
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })
})

describe('the relay', () => {
  it('lets new connections wait in a blackhole and serves them afterwards, but refuses them when pulled', async () => {
    const { wire } = await overRelay()
    wire.cut('blackhole')
    const before = wire.bytes()
    const socket = connect(wire.port, '127.0.0.1')
    let received = 0
    let isClosed = false
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      received += chunk.length
    })
    socket.on('close', () => {
      isClosed = true
    })
    socket.write(Buffer.from([19, ...Buffer.from('/multistream/1.0.0\n')]))
    await new Promise(resolve => setTimeout(resolve, 200))
    expect([wire.bytes(), received, isClosed]).toEqual([before, 0, false])
    wire.mend()
    await until(() => received > 0, { withinMs: 2_000, what: 'an answer through the mended wire' })
    wire.cut('reset')
    await until(() => isClosed, { withinMs: 2_000, what: 'the reset' })
    const refused = connect(wire.port, '127.0.0.1')
    refused.on('error', () => undefined)
    await until(() => refused.destroyed, { withinMs: 2_000, what: 'the refusal' })
  })
})

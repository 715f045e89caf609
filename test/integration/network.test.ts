import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../deadline.ts'
import { testSite } from '../site.ts'
import { closeNodes, type MeshNode, openNode, utf8 } from './network-node.ts'

const site = testSite('network')
const [alice, bob, carol] = [site.device('alice'), site.device('bob'), site.device('carol')]

afterEach(closeNodes)

async function meet(...nodes: MeshNode[]): Promise<void> {
  const all = (): boolean => nodes.every(({ network }) => network.peers().length === nodes.length - 1)
  await until(all, { withinMs: 5_000, what: `${nodes.length} nodes know one another` })
}

/** Two ports that were free a moment ago. */
async function freePorts(): Promise<[number, number]> {
  const [x, y] = [await openNode({ site, device: alice }), await openNode({ site, device: bob })]
  const ports: [number, number] = [x.port, y.port]
  await closeNodes()
  return ports
}

describe('real nodes', () => {
  it('exchange messages after a hello in which each learnt the other certificate', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    expect(a.network.peers()).toEqual([b.deviceId])
    expect(a.roster.byDevice(b.deviceId)?.name).toBe('bob')
    a.network.send(b.deviceId, utf8('from alice'))
    b.network.send(a.deviceId, utf8('from bob'))
    await until(() => a.heard.length > 0 && b.heard.length > 0, { withinMs: 5_000, what: 'both messages' })
    expect(a.heard).toMatchObject([{ from: b.deviceId, text: 'from bob' }])
    expect(b.heard).toMatchObject([{ from: a.deviceId, text: 'from alice' }])
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })

  it('carry many small messages at once without losing one on a good link', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    for (let i = 0; i < 800; i++) b.network.send(a.deviceId, new Uint8Array(1_000).fill(i & 255))
    await until(() => a.heard.length === 800, { withinMs: 5_000, what: '800 messages' })
    expect(b.network.stats().droppedMessages).toBe(0)
    expect(b.network.traffic().sentBytes).toBeGreaterThan(803_000)
  })

  it('stay quiet peers far beyond the silence limit, because keepalives pass', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    await new Promise(resolve => setTimeout(resolve, 2_500))
    expect([a.comings, b.comings, a.heard]).toEqual([['+bob'], ['+alice'], []])
  })

  it('that both dial keep one connection in the end and announce one another once', async () => {
    const [portA, portB] = await freePorts()
    const listen = (port: number) => ({ host: '127.0.0.1', port })
    const [a, b] = await Promise.all([
      openNode({ site, device: alice, listen: listen(portA), peers: [portB] }),
      openNode({ site, device: bob, listen: listen(portB), peers: [portA] }),
    ])
    await meet(a, b)
    await until(() => a.network.stats().connections === 1 && b.network.stats().connections === 1, {
      withinMs: 5_000,
      what: 'one connection each',
    })
    b.network.send(a.deviceId, utf8('still here'))
    await until(() => a.heard.length === 1, { withinMs: 2_000, what: 'a message over what remained' })
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })

  it('forget an address that turns out to be their own', async () => {
    const [port] = await freePorts()
    const listen = { host: '127.0.0.1', port }
    const a = await openNode({ site, device: alice, listen, peers: [port] })
    await new Promise(resolve => setTimeout(resolve, 1_000))
    expect(a.network.stats()).toMatchObject({ refused: {}, connections: 0, failedDials: 0 })
    expect(a.saved).toEqual([])
  })

  it('keep a banned device out before its hello, by every address and on both sides', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    a.network.ban(b.deviceId, 60_000, 'test')
    await until(() => (a.network.stats().refused['banned-peer-id'] ?? 0) > 1, {
      withinMs: 5_000,
      what: 'refusals',
    })
    await b.network.close()
    const second = await openNode({ site, device: bob })
    await a.network.close()
    const dialling = await openNode({ site, device: alice, peers: [second.port], enrolled: [bob] })
    dialling.network.ban(bob.certificate.deviceId, 60_000, 'test')
    await until(() => dialling.network.stats().failedDials > 1, { withinMs: 5_000, what: 'failed dials' })
    expect([a.network.stats().refused.banned, dialling.comings, second.comings]).toEqual([undefined, [], []])
  })

  it('remember the addresses that worked and find one another by them alone, but only members of the roster', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    await until(() => b.saved.length === 1, { withinMs: 2_000, what: 'the address is saved' })
    const known = b.saved[0] ?? []
    expect(known).toMatchObject([{ host: '127.0.0.1', port: a.port, deviceId: a.deviceId }])
    await b.network.close()
    const unknowing = await openNode({ site, device: carol, known })
    const again = await openNode({ site, device: bob, known, enrolled: [alice] })
    await until(() => again.network.peers().length === 1, { withinMs: 5_000, what: 'bob is back' })
    expect(unknowing.network.stats()).toMatchObject({ connections: 0, failedDials: 0 })
  })

  it('reach a peer by name', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [{ host: 'localhost', port: a.port }] })
    await meet(a, b)
  })

  it('refuse an address that none can be', async () => {
    const peers = [{ host: 'not/a host', port: 1 }]
    await expect(openNode({ site, device: alice, peers })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('refuse to open with the certificate of other keys, or on a port that is taken', async () => {
    const a = await openNode({ site, device: alice })
    await expect(openNode({ site, device: bob, keys: alice.keys })).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
    const listen = { host: '127.0.0.1', port: a.port }
    await expect(openNode({ site, device: bob, listen })).rejects.toMatchObject({ code: 'NETWORK_FAILED' })
  })

  it('take no more peers than they may', async () => {
    const a = await openNode({ site, device: alice, maxPeers: 1 })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    const c = await openNode({ site, device: carol, peers: [a.port] })
    await until(() => c.network.stats().failedDials >= 2, { withinMs: 5_000, what: 'carol is refused' })
    expect([a.network.peers(), c.network.peers()]).toEqual([[b.deviceId], []])
  })

  it('drop the peer whose message a handler could not bear, and say so', async () => {
    const a = await openNode({
      site,
      device: alice,
      onMessage: () => {
        throw new Error('unbearable')
      },
    })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await meet(a, b)
    b.network.send(a.deviceId, utf8('x'))
    await until(() => a.comings.includes('-bob'), { withinMs: 2_000, what: 'bob is dropped' })
    expect(a.warnings).toContainEqual({
      event: 'network.handler-threw',
      reason: 'unbearable',
      saidByPeer: undefined,
    })
    expect(a.network.stats().closed).toEqual({ 'handler-threw': 1 })
  })
})

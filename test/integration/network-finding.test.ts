// Nodes that were told little find one another: by multicast and by what peers say. And whoever abuses that costs nothing.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { answer, daysOf } from '../../src/host/mdns.ts'
import { type DeviceId, hex } from '../../src/units.ts'
import { until } from '../deadline.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'
import { at, closeNodes, type MeshNode, type MeshNodeOptions, openNode } from './network-node.ts'

const site = testSite('finding')
const [alice, bob, carol] = [site.device('alice'), site.device('bob'), site.device('carol')]
const enrolled = [alice, bob, carol]
const siteKey = new Uint8Array(32).fill(9)
/** A port of this run's own; real multicast, on the loopback interface. */
const multicast = { host: '224.0.0.251', port: 20_000 + (process.pid % 20_000) }
const found = { finding: { siteKeys: () => [siteKey], multicast } }
const told = { finding: {} }

afterEach(closeNodes)

function open(options: Omit<MeshNodeOptions, 'site' | 'enrolled'>): Promise<MeshNode> {
  return openNode({ site, enrolled, ...options })
}

async function know(count: number, ...nodes: readonly MeshNode[]): Promise<void> {
  const all = (): boolean => nodes.every(({ network }) => network.peers().length === count)
  await until(all, { withinMs: 10_000, what: `${nodes.length} nodes have ${count} peers each` })
}

describe('by what peers tell', () => {
  it('who knows one address finds everybody, and needs that one no more', async () => {
    const b = await open({ device: bob, ...told })
    // Neither knows the other, and bob could not dial either.
    const a = await open({ device: alice, peers: [b.port], ...told })
    const c = await open({ device: carol, peers: [b.port], ...told })
    await know(2, a, b, c)
    await b.network.close()
    await know(1, a, c)
    // Restarted without any address in their settings: what worked before suffices.
    const remembered = [a, c].map(({ saved }) => saved.at(-1) ?? [])
    await closeNodes()
    const listen = { host: '127.0.0.1', port: a.port }
    const again = await open({ device: alice, listen, known: remembered[0] ?? [] })
    const alsoAgain = await open({
      ...{ device: carol, known: remembered[1] ?? [] },
      listen: { host: '127.0.0.1', port: c.port },
    })
    await know(1, again, alsoAgain)
  })

  it('software that does not know how stays connected, and is told nothing', async () => {
    const old = await open({ device: bob })
    const a = await open({ device: alice, peers: [old.port], ...told })
    const c = await open({ device: carol, peers: [old.port], ...told })
    await know(1, a, c)
    await know(2, old)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect([a.comings, c.comings, old.warnings]).toEqual([['+bob'], ['+bob'], []])
  })

  it('does not happen where it is switched off', async () => {
    const b = await open({ device: bob })
    const a = await open({ device: alice, peers: [b.port] })
    await open({ device: carol, peers: [b.port] })
    await know(2, b)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(a.comings).toEqual(['+bob'])
  })
})

describe('by multicast', () => {
  it('nodes without any address find one another', async () => {
    const a = await open({ device: alice, ...found })
    const b = await open({ device: bob, ...found })
    await know(1, a, b)
    const c = await open({ device: carol, ...found })
    await know(2, a, b, c)
    expect(a.network.stats().multicast?.state).toBe('open')
  })

  it('nodes of another site are not even heard', async () => {
    const a = await open({ device: alice, ...found })
    const b = await open({ device: bob, finding: { siteKeys: () => [siteKey.map(x => x + 1)], multicast } })
    await new Promise(resolve => setTimeout(resolve, 1_500))
    expect([a, b].map(({ network }) => network.stats().multicast?.heard)).toEqual([0, 0])
  })

  it.each([
    ['strangers', () => siteKey.map(x => x + 1)],
    ['somebody who has the site key', () => siteKey],
  ])('a flood from %s neither dials nor grows, and nodes still meet', { timeout: 30_000 }, async (_, key) => {
    const a = await open({ device: alice, ...found, limits: { hintDialMs: 1_000, dialMs: 300 } })
    const flood = createSocket({ type: 'udp4', reuseAddr: true })
    flood.bind(0)
    await once(flood, 'listening')
    flood.setMulticastInterface('127.0.0.1')
    const [today] = daysOf([key()], SITE_OPENED_AT)
    if (!today) throw new Error('no day')
    const [before, beganMs] = [process.memoryUsage().heapUsed, performance.now()]
    for (let i = 0; i < 20_000; i++) {
      // Half are devices that nobody knows, half name dead addresses of one that is known.
      const unknown = hex<DeviceId>(Buffer.from(String(i).padStart(32, '0'), 'hex'))
      const deviceId = i % 2 ? unknown : bob.certificate.deviceId
      const nonce = Buffer.alloc(12)
      nonce.writeUInt32BE(i)
      const addresses = [{ host: `127.1.${(i >> 8) & 255}.${i & 255}`, port: 9 }]
      flood.send(answer(today, nonce, { deviceId, addresses }), multicast.port, multicast.host)
      if (i % 200 === 0) await new Promise(resolve => setTimeout(resolve, 5))
    }
    await new Promise(resolve => setTimeout(resolve, 1_500))
    const { failedDials, multicast: heard } = a.network.stats()
    expect(failedDials).toBeLessThanOrEqual(1 + (performance.now() - beganMs) / 1000)
    if (key() !== siteKey) expect([heard?.heard, failedDials]).toEqual([0, 0])
    else expect(heard?.unread).toBeGreaterThan(1_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20)
    flood.close()
    const c = await open({ device: carol, peers: [a.port], ...found })
    await know(1, a, c)
  })

  it('that cannot be is said once, and the node goes on by its addresses', async () => {
    // A port that another program holds for itself alone.
    const taken = createSocket('udp4')
    taken.bind(0)
    await once(taken, 'listening')
    const finding = {
      siteKeys: () => [siteKey],
      multicast: { host: '224.0.0.251', port: taken.address().port },
    }
    const a = await open({ device: alice, finding })
    const b = await open({ device: bob, peers: [at(a.port)], finding })
    await know(1, a, b)
    await until(() => a.network.stats().multicast?.state === 'silent', {
      withinMs: 5_000,
      what: 'it is said',
    })
    taken.close()
    expect(a.warnings.filter(one => one.event === 'network.multicast')).toHaveLength(1)
    await until(() => a.network.stats().multicast?.state === 'open', {
      withinMs: 5_000,
      what: 'it comes back',
    })
  })
})

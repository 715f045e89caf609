import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { ASK_PROTOCOL } from '../../src/host/asking.ts'
import { EXCHANGE_PROTOCOL } from '../../src/host/exchange.ts'
import { HELLO_PROTOCOL } from '../../src/host/hello.ts'
import { SYNC_PROTOCOL } from '../../src/host/network-link.ts'
import { CERTIFICATE_GRACE_MS } from '../../src/identity/certificate.ts'
import { MAX_MESSAGE_BYTES } from '../../src/ports.ts'
import { until } from '../deadline.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'
import { closeNodes, type MeshNode, openNode } from './network-node.ts'
import { dialRaw, greet, startRaw, startWithKey, stopRaw } from './network-raw.ts'

const site = testSite('hostile')
const [alice, bob, mallory] = [site.device('alice'), site.device('bob'), site.device('mallory')]

afterEach(async () => {
  await stopRaw()
  await closeNodes()
})

async function refusedBy(node: MeshNode, reason: string): Promise<void> {
  const what = `${reason}, but it was ${JSON.stringify(node.network.stats())}`
  await until(() => (node.network.stats().refused[reason] ?? 0) > 0, { withinMs: 5_000, what })
  expect(node.network.peers()).toEqual([])
  expect(node.comings).toEqual([])
}

async function closedBy(node: MeshNode, reason: string): Promise<void> {
  const withinMs = 5_000
  await until(() => (node.network.stats().closed[reason] ?? 0) > 0, { withinMs, what: `closed as ${reason}` })
}

describe('the hello refuses', () => {
  it('a node of another site, and tells it why', async () => {
    const elsewhere = testSite('elsewhere')
    const a = await openNode({ site, device: alice })
    const stranger = await openNode({
      site: elsewhere,
      device: elsewhere.device('stranger'),
      peers: [a.port],
    })
    await refusedBy(a, 'foreign-site')
    await refusedBy(stranger, 'refused-by-peer')
    expect(stranger.warnings).toContainEqual({
      event: 'network.hello-refused',
      reason: 'refused-by-peer',
      saidByPeer: 'foreign-site',
    })
    expect(a.warnings).toContainEqual({
      event: 'network.hello-refused',
      reason: 'foreign-site',
      saidByPeer: undefined,
    })
  })

  it('a certificate that ran out, and one that is not yet in force', async () => {
    const hourMs = 3_600_000
    const ended = SITE_OPENED_AT - CERTIFICATE_GRACE_MS - hourMs
    const late = site.device('late', ['node'], { fromAt: 0, toAt: ended })
    const early = site.device('early', ['node'], {
      fromAt: SITE_OPENED_AT + hourMs,
      toAt: SITE_OPENED_AT + 2 * hourMs,
    })
    const a = await openNode({ site, device: alice })
    await openNode({ site, device: late, peers: [a.port] })
    await refusedBy(a, 'out-of-force')
    await openNode({ site, device: early, peers: [a.port] })
    await until(() => (a.network.stats().refused['out-of-force'] ?? 0) > 1, {
      withinMs: 5_000,
      what: 'early is refused',
    })
    expect(a.network.peers()).toEqual([])
  })

  it('a certificate without the role of a node', async () => {
    const a = await openNode({ site, device: alice })
    await openNode({ site, device: site.device('revoker', ['revoker']), peers: [a.port] })
    await refusedBy(a, 'not-a-node')
  })

  it('a replayed certificate, whose peer key is not the connection key', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(mallory.keys.peerKey), a.port)
    const step = await greet(connection, { site, device: bob, logKey: mallory.keys.logKey })
    expect(step).toMatchObject({
      kind: 'refused',
      reason: 'refused-by-peer',
      saidByPeer: 'not-your-certificate',
    })
    await refusedBy(a, 'not-your-certificate')
  })

  it('a stolen peer key without the log key', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    await greet(connection, { site, device: bob, logKey: mallory.keys.logKey })
    await refusedBy(a, 'bad-proof')
  })

  it('to listen to a refused key again at once', async () => {
    const a = await openNode({ site, device: alice, limits: { refusalMs: 60_000 } })
    const raw = await startRaw(bob.keys.peerKey)
    await greet(await dialRaw(raw, a.port), { site, device: bob, certificates: [] })
    await refusedBy(a, 'no-certificate')
    await expect(dialRaw(raw, a.port).then(again => greet(again, { site, device: bob }))).rejects.toThrow()
    await refusedBy(a, 'refused-lately')
  })

  it('a connection that never says hello', async () => {
    const a = await openNode({ site, device: alice, limits: { helloMs: 300 } })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    await closedBy(a, 'hello-timeout')
    await until(() => connection.status !== 'open', { withinMs: 2_000, what: 'the connection is closed' })
  })

  it('a message above 4 KiB, and more bytes than a stranger may send', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    const stream = await connection.newStream(HELLO_PROTOCOL)
    stream.send(Uint8Array.of(0, 0, 16, 1))
    await closedBy(a, 'oversize-frame')
    const narrow = await openNode({ site, device: mallory, limits: { strangerBytesPerS: 200 } })
    await openNode({ site, device: bob, peers: [narrow.port] })
    await closedBy(narrow, 'stranger-too-loud')
  })

  it('a key that is not Ed25519, before any hello', async () => {
    const a = await openNode({ site, device: alice })
    const raw = await startWithKey(await generateKeyPair('secp256k1'))
    await dialRaw(raw, a.port).catch(() => undefined)
    await refusedBy(a, 'not-ed25519')
    expect(a.network.stats().connections).toBe(0)
  })
})

describe('a node', () => {
  it('resets a sync stream that comes before the hello, and takes the hello afterwards', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    const stream = await connection.newStream(SYNC_PROTOCOL)
    await until(() => stream.status === 'reset', { withinMs: 2_000, what: 'the reset' })
    await refusedBy(a, 'sync-before-hello')
    expect(a.heard).toEqual([])
    expect(await greet(connection, { site, device: bob })).toMatchObject({ kind: 'verified' })
    await until(() => a.comings.includes('+bob'), { withinMs: 2_000, what: 'bob is a peer' })
  })

  it('listens to nobody about where others are before the hello', async () => {
    const a = await openNode({ site, device: alice, finding: {} })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    const stream = await connection.newStream(EXCHANGE_PROTOCOL)
    await until(() => stream.status === 'reset', { withinMs: 2_000, what: 'the reset' })
    await refusedBy(a, 'stream-before-hello')
  })

  it('answers no question before the hello', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    const stream = await connection.newStream(ASK_PROTOCOL)
    await until(() => stream.status === 'reset', { withinMs: 2_000, what: 'the reset' })
    await refusedBy(a, 'stream-before-hello')
  })

  it('resets a second hello on one connection', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    await greet(connection, { site, device: bob })
    await expect(greet(connection, { site, device: bob })).rejects.toThrow()
    expect(a.network.stats().refused).toEqual({ 'second-hello': 1 })
    expect(a.comings).toEqual(['+bob'])
  })

  it('takes a message at the bound and drops the peer for one above it', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey), a.port)
    await greet(connection, { site, device: bob })
    const stream = await connection.newStream(SYNC_PROTOCOL)
    stream.send(Uint8Array.of(0, 1, 0, 0))
    stream.send(new Uint8Array(MAX_MESSAGE_BYTES))
    await until(() => a.heard.length === 1, { withinMs: 2_000, what: 'the largest message' })
    stream.send(Uint8Array.of(0, 1, 0, 1))
    await closedBy(a, 'oversize-frame')
    expect(a.comings).toEqual(['+bob', '-bob'])
  })

  it('drops a peer that says nothing after its hello', async () => {
    const a = await openNode({ site, device: alice })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey, stream => stream.pause()), a.port)
    await greet(connection, { site, device: bob })
    await closedBy(a, 'silent')
    expect(a.comings).toEqual(['+bob', '-bob'])
  })

  it('holds no more than its bound for a peer that does not read, and drops that peer', async () => {
    const a = await openNode({
      site,
      device: alice,
      limits: { answerMs: 60_000, silenceMs: 60_000, stallMs: 1_000 },
    })
    const connection = await dialRaw(await startRaw(bob.keys.peerKey, stream => stream.pause()), a.port)
    await greet(connection, { site, device: bob })
    await until(() => a.network.peers().length === 1, { withinMs: 2_000, what: 'the hello' })
    let mostQueued = 0
    const before = process.memoryUsage()
    for (let i = 0; i < 400; i++) {
      for (let j = 0; j < 8; j++) a.network.send(bob.certificate.deviceId, new Uint8Array(60_000))
      mostQueued = Math.max(mostQueued, a.network.stats().queuedBytes)
      await new Promise(resolve => setImmediate(resolve))
    }
    const after = process.memoryUsage()
    expect(mostQueued).toBeGreaterThan(900_000)
    expect(mostQueued).toBeLessThanOrEqual(1 << 20)
    expect(a.network.stats().droppedMessages).toBeGreaterThan(3_000)
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(64 << 20)
    await closedBy(a, 'stalled')
    expect(a.network.stats().queuedBytes).toBe(0)
  })

  it('reads a loud peer later instead of dropping it', async () => {
    const a = await openNode({ site, device: alice, limits: { peerBytesPerS: 200_000 } })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await until(() => b.network.peers().length === 1, { withinMs: 5_000, what: 'the hello' })
    const startedMs = performance.now()
    for (let i = 0; i < 10; i++) b.network.send(a.deviceId, new Uint8Array(60_000))
    await until(() => a.heard.length === 10, { withinMs: 10_000, what: 'all messages' })
    expect(performance.now() - startedMs).toBeGreaterThan(1_500)
    expect(a.comings).toEqual(['+bob'])
  })

  it('lets honest peers in again once sockets that say nothing have had their three seconds', async () => {
    const a = await openNode({ site, device: alice })
    const sockets: Socket[] = []
    for (let i = 0; i < 5; i++) {
      const socket = connect(a.port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      sockets.push(socket)
    }
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await until(() => b.network.peers().length === 1, { withinMs: 8_000, what: 'the honest peer' })
    await until(() => sockets.every(socket => socket.closed), {
      withinMs: 5_000,
      what: 'the others are gone',
    })
  })
})

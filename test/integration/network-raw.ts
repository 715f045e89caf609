// A libp2p node that speaks the mesh's protocols by hand, well or badly: the hostile and the broken peers of the tests.
import { randomBytes } from 'node:crypto'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { frame, frameReader } from '../../src/host/framing.ts'
import {
  createHello,
  HELLO_PROTOCOL,
  type HelloOptions,
  type HelloStep,
  MAX_HELLO_BYTES,
} from '../../src/host/hello.ts'
import { prepareLibp2p } from '../../src/host/network-libp2p.ts'
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import { SYNC_PROTOCOL } from '../../src/host/network-link.ts'
import { publicKeys } from '../../src/identity/keys.ts'
import { SITE_OPENED_AT, type TestDevice, type TestSite } from '../site.ts'

const started: Libp2p[] = []

export async function stopRaw(): Promise<void> {
  await Promise.all(started.splice(0).map(node => node.stop()))
}

/** A started node with this Ed25519 seed; `onSync` gets the streams on which the other side sends. */
export async function startRaw(
  peerKey: Uint8Array,
  onSync: (stream: Stream) => void = () => undefined,
): Promise<Libp2p> {
  const listen = { host: '127.0.0.1', port: 0 }
  const node = await prepareLibp2p({ peerKey, listen, gater: {}, maxPeers: 8, limits: NETWORK_LIMITS })
  await node.handle(SYNC_PROTOCOL, onSync)
  await node.start()
  started.push(node)
  return node
}

/** One that does no more than noise, with any kind of key. */
export async function startWithKey(privateKey: PrivateKey): Promise<Libp2p> {
  const { noise } = await import('@chainsafe/libp2p-noise')
  const { yamux } = await import('@chainsafe/libp2p-yamux')
  const { tcp } = await import('@libp2p/tcp')
  const node = await createLibp2p({
    privateKey,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
  started.push(node)
  return node
}

export function dialRaw(node: Libp2p, port: number): Promise<Connection> {
  return node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`))
}

export type Greeting = { readonly site: TestSite; readonly device: TestDevice } & Partial<HelloOptions>

/** Speaks the hello as the one who dialled, honestly but for what is overridden. Rejects when the stream ends first. */
export async function greet(connection: Connection, { site, device, ...lies }: Greeting): Promise<HelloStep> {
  const remoteKey = connection.remotePeer.publicKey
  const hello = createHello({
    role: 'initiator',
    ownDevice: device.certificate.deviceId,
    ownPeerKey: publicKeys(device.keys).peerKey,
    remotePeerKey: remoteKey?.raw ?? new Uint8Array(32),
    logKey: device.keys.logKey,
    certificates: [site.issuer.certificate.encoded, device.certificate.encoded],
    software: 'by hand',
    nonce: new Uint8Array(randomBytes(32)),
    roster: site.roster(),
    signatures: site.signatures,
    isBanned: () => false,
    ...lies,
  })
  const stream = await connection.newStream(HELLO_PROTOCOL)
  const reader = frameReader(MAX_HELLO_BYTES)
  return new Promise((resolve, reject) => {
    stream.addEventListener('close', () => reject(new Error('the hello stream ended')))
    stream.addEventListener('message', ({ data }) => {
      const read = reader.push(data.subarray())
      for (const message of read.kind === 'frames' ? read.messages : []) {
        const step = hello.receive(message, SITE_OPENED_AT)
        for (const answer of step.send) stream.send(frame(answer))
        if (step.kind !== 'waiting') resolve(step)
      }
    })
    for (const message of hello.begin()) stream.send(frame(message))
  })
}

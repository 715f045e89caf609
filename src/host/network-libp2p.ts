// The libp2p node itself: every setting of PROTOCOL 7.2, and nothing that runs by itself. No identify, no ping, no
// discovery, no dialling that we did not ask for.
import { isIP } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { ConnectionGater } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { NetworkLimits } from './network-limits.ts'
import type { Address } from './peers.ts'

/** What the yamux specification begins with; a smaller window is refused, and a larger one is memory per stream. */
const STREAM_WINDOW_BYTES = 262_144
const MAX_STREAMS = 16
/** Sockets in the middle of an upgrade; each has `inboundUpgradeTimeout` to finish it. */
const MAX_PENDING_CONNECTIONS = 5
const UPGRADE_MS = 3_000
/** The kernel asks a quiet line after so long, and gives it up 10 s later (Node sets 10 probes, one a second). */
const PROBES = { keepAlive: true, keepAliveInitialDelay: 5_000 }

export type Libp2pOptions = {
  /** 32-byte Ed25519 seed. */
  readonly peerKey: Uint8Array
  readonly listen: Address
  readonly gater: ConnectionGater
  readonly maxPeers: number
  readonly limits: NetworkLimits
}

/** A node that is configured and not started. */
export async function prepareLibp2p(options: Libp2pOptions): Promise<Libp2p> {
  const { maxPeers, limits } = options
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.peerKey),
    addresses: { listen: [multiaddrOf(options.listen).toString()] },
    transports: [tcp({ dialOpts: PROBES, listenOpts: PROBES })],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        // The kernel and our own empty frames say who lives (network-link.ts); a third way only costs bytes.
        enableKeepAlive: false,
        maxInboundStreams: MAX_STREAMS,
        maxOutboundStreams: MAX_STREAMS,
        streamOptions: {
          maxStreamWindowSize: STREAM_WINDOW_BYTES,
          maxReadBufferLength: STREAM_WINDOW_BYTES,
          maxWriteBufferLength: limits.queueBytes,
          inactivityTimeout: 30_000,
        },
      }),
    ],
    connectionGater: options.gater,
    connectionManager: {
      maxConnections: maxPeers,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      inboundUpgradeTimeout: UPGRADE_MS,
      // Per second and source address: a whole site may come from one address, behind a gateway or on loopback.
      inboundConnectionThreshold: 2 * maxPeers,
      dialTimeout: limits.dialMs,
      addressDialTimeout: limits.dialMs,
      outboundStreamProtocolNegotiationTimeout: limits.helloMs,
      inboundStreamProtocolNegotiationTimeout: limits.helloMs,
    },
    // It pings with a protocol that no node of ours speaks, and takes the refusal for an answer.
    connectionMonitor: { enabled: false },
    services: {},
  })
}

/** Throws on a host or port that no address can have. */
export function multiaddrOf({ host, port }: Address): Multiaddr {
  const kinds: Readonly<Record<number, string>> = { 0: 'dns', 4: 'ip4', 6: 'ip6' }
  return multiaddr(`/${kinds[isIP(host)]}/${host}/tcp/${port}`)
}

/** Where a started node listens. */
export function listenAddresses(node: Libp2p): readonly Address[] {
  return node.getMultiaddrs().flatMap(addressesIn)
}

/** The host and port in a multiaddress; none where it has none. */
export function addressesIn(address: Multiaddr): readonly Address[] {
  const parts = address.getComponents()
  const host = parts[0]?.value
  const port = parts.find(part => part.name === 'tcp')?.value
  return host === undefined || port === undefined ? [] : [{ host, port: Number(port) }]
}

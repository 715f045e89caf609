// Who may hold a connection at all: asked by libp2p before and after encryption, before a byte of ours is spoken
// (PROTOCOL 7.2). Bans by device and by peer key, a short memory of refused hellos, addresses that we were told to
// dial. It also sees the raw socket, so it counts what arrives there, which no stream could: yamux and noise
// themselves are part of what a hostile peer may abuse.
import type { Connection, ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Roster } from '../identity/roster.ts'
import type { Clock } from '../ports.ts'
import { type DeviceId, hex } from '../units.ts'
import { type Bucket, createBucket } from './network-bucket.ts'
import {
  type Counter,
  type GateRefusal,
  MAX_CONNECTIONS_PER_PEER,
  type NetworkLimits,
} from './network-limits.ts'

/** Bans and refusals remembered; when full, the one that ends first makes room. */
const MAX_REMEMBERED = 1024

/** What one socket has brought. */
export type Wire = {
  lastHeardMs: number
  readonly bucket: Bucket
  /** Called when the bucket is below zero. */
  onTooLoud: () => void
  readonly pause: () => void
  readonly resume: () => void
}

export type Gate = {
  readonly gater: ConnectionGater
  readonly wireOf: (connection: Connection) => Wire | undefined
  readonly ban: (deviceId: DeviceId, banMs: number) => void
  readonly isBanned: (deviceId: DeviceId) => boolean
  /** The hello of this peer key failed: not again before `refusalMs`. */
  readonly refuseForAWhile: (peerKey: Uint8Array) => void
  readonly allowDial: (address: string) => void
  readonly forbidDial: (address: string) => void
}

export type GateOptions = {
  readonly roster: Roster
  readonly clock: Clock
  readonly limits: NetworkLimits
  readonly refusals: Counter<GateRefusal>
  readonly connectionsOf: (peerId: PeerId) => number
  /** False until the owner of the network holds it, so that no handler is called before that. */
  readonly isOpen: () => boolean
}

export function createGate(options: GateOptions): Gate {
  const { roster, clock, limits, refusals } = options
  const bannedDevices = expiring<DeviceId>(clock)
  const bannedKeys = expiring<string>(clock)
  const refusedKeys = expiring<string>(clock)
  const dialable = new Set<string>()
  // libp2p hands the same timeline to the raw connection and to the finished one; nothing else that is public ties them.
  const wires = new WeakMap<object, Wire>()

  function refusalOf(peerId: PeerId): GateRefusal | undefined {
    const peerKey = ed25519KeyOf(peerId)
    if (!peerKey) return 'not-ed25519'
    const name = hex(peerKey)
    if (bannedKeys.has(name)) return 'banned-peer-id'
    // A certificate of which we know only an expired edition is for the hello to judge: it may bring a newer one.
    if (refusedKeys.has(name)) return 'refused-lately'
    return options.connectionsOf(peerId) >= MAX_CONNECTIONS_PER_PEER ? 'too-many-connections' : undefined
  }

  function deny(reason: GateRefusal | undefined): boolean {
    if (reason) refusals.add(reason)
    return reason !== undefined
  }

  function watch(_: PeerId, socket: MultiaddrConnection): boolean {
    wires.set(socket.timeline, watchWire(socket, clock, limits))
    return false
  }

  return {
    gater: {
      denyDialMultiaddr: (address: Multiaddr) =>
        deny(dialable.has(address.toString()) ? undefined : 'address-not-told'),
      denyInboundConnection: () => deny(options.isOpen() ? undefined : 'not-open-yet'),
      denyInboundEncryptedConnection: peerId => deny(refusalOf(peerId)),
      denyOutboundEncryptedConnection: peerId => deny(refusalOf(peerId)),
      denyInboundUpgradedConnection: watch,
      denyOutboundUpgradedConnection: watch,
    },
    wireOf: connection => wires.get(connection.timeline),
    ban: (deviceId, banMs) => {
      bannedDevices.add(deviceId, banMs)
      for (const certificate of roster.all())
        if (certificate.deviceId === deviceId) bannedKeys.add(hex(certificate.peerKey), banMs)
    },
    isBanned: deviceId => bannedDevices.has(deviceId),
    refuseForAWhile: peerKey => refusedKeys.add(hex(peerKey), limits.refusalMs),
    allowDial: address => dialable.add(address),
    forbidDial: address => dialable.delete(address),
  }
}

/** The raw Ed25519 key behind a peer id; undefined for any other kind of key. */
export function ed25519KeyOf(peerId: PeerId): Uint8Array | undefined {
  return peerId.type === 'Ed25519' ? peerId.publicKey.raw : undefined
}

function watchWire(socket: MultiaddrConnection, clock: Clock, limits: NetworkLimits): Wire {
  const nowMs = clock.monotonicMs()
  const wire: Wire = {
    lastHeardMs: nowMs,
    bucket: createBucket(limits.strangerBytesPerS, nowMs),
    onTooLoud: () => socket.abort(new Error('too many bytes before anybody listens')),
    pause: () => {
      if (socket.status === 'open') socket.pause()
    },
    resume: () => {
      if (socket.status === 'open') socket.resume()
    },
  }
  socket.addEventListener('message', ({ data }) => {
    wire.lastHeardMs = clock.monotonicMs()
    if (wire.bucket.take(data.byteLength, wire.lastHeardMs) < 0) wire.onTooLoud()
  })
  return wire
}

type Expiring<Name> = {
  readonly add: (name: Name, forMs: number) => void
  readonly has: (name: Name) => boolean
}

/** Names that are remembered for a time each. Adding one again only ever lengthens its time. */
function expiring<Name>(clock: Clock): Expiring<Name> {
  const untilMs = new Map<Name, number>()

  function makeRoom(nowMs: number): void {
    let first: Name | undefined
    for (const [name, endMs] of untilMs) {
      if (endMs <= nowMs) untilMs.delete(name)
      else if (first === undefined || endMs < (untilMs.get(first) ?? 0)) first = name
    }
    if (untilMs.size >= MAX_REMEMBERED && first !== undefined) untilMs.delete(first)
  }

  return {
    add: (name, forMs) => {
      const nowMs = clock.monotonicMs()
      if (untilMs.size >= MAX_REMEMBERED) makeRoom(nowMs)
      untilMs.set(name, Math.max(untilMs.get(name) ?? 0, nowMs + forMs))
    },
    has: name => {
      const endMs = untilMs.get(name)
      return endMs !== undefined && endMs > clock.monotonicMs()
    },
  }
}

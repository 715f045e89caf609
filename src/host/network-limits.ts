// The numbers of the mesh network, each in one place (PROTOCOL 1.6, 7.2, 7.3). A site has no reason to change them;
// tests shorten the times.

import type { DiscoveryState } from './discovery.ts'

export const DEFAULT_MAX_PEERS = 64

export type NetworkLimits = {
  /** From the open connection to the end of the hello. */
  readonly helloMs: number
  /** TCP, noise and yamux together. */
  readonly dialMs: number
  /** Who heard a message and has said nothing since says so with an empty frame after so long. */
  readonly keepAliveMs: number
  /** A peer of whom not one byte came for so long behind a message of ours is gone, whatever TCP says. */
  readonly answerMs: number
  /** Where neither side has anything to say, an empty frame leaves this often; the kernel's own probes notice a dead line sooner. */
  readonly idleMs: number
  /** A peer of whom not one byte came for so long is gone, asked or not. */
  readonly silenceMs: number
  /** A peer that took nothing of what waits for it for so long is gone. */
  readonly stallMs: number
  /** Two connections to one peer may live side by side for so long; then one of the two sides closes the younger. */
  readonly doubleMs: number
  /** A peer whose hello was refused is not listened to again before. */
  readonly refusalMs: number
  readonly redialFirstMs: number
  readonly redialMaxMs: number
  /** Between two dials of addresses that somebody named (PROTOCOL 7.4). */
  readonly hintDialMs: number
  /** A peer is told no more often of where others are. */
  readonly exchangeMs: number
  /** All of it again after so long, for who had no room. */
  readonly retellMs: number
  /** Networks come and go, and so does what hinders multicast: looked at again after so long. */
  readonly multicastMs: number
  /** Bytes waiting for one peer; what does not fit is dropped, and the layer above repairs. */
  readonly queueBytes: number
  /** Bytes per second, and the burst, of one connection before its hello; above it the connection is dropped. */
  readonly strangerBytesPerS: number
  /** Bytes per second, and the burst, of one connection after its hello; above it we read later. */
  readonly peerBytesPerS: number
}

export const NETWORK_LIMITS: NetworkLimits = {
  helloMs: 3_000,
  dialMs: 5_000,
  keepAliveMs: 5_000,
  answerMs: 15_000,
  idleMs: 40_000,
  silenceMs: 120_000,
  stallMs: 10_000,
  doubleMs: 10_000,
  refusalMs: 10_000,
  redialFirstMs: 500,
  redialMaxMs: 10_000,
  hintDialMs: 1_000,
  exchangeMs: 5_000,
  retellMs: 600_000,
  multicastMs: 60_000,
  queueBytes: 1 << 20,
  strangerBytesPerS: 256 << 10,
  peerBytesPerS: 16 << 20,
}

/** Connections to one peer at a time: both sides dialled, and once more while a dead one is not yet noticed. */
export const MAX_CONNECTIONS_PER_PEER = 4

export type StreamRefusal = 'sync-before-hello' | 'stream-before-hello' | 'second-hello' | 'too-many-streams'
export type CloseReason =
  | 'hello-timeout'
  | 'hello-failed'
  | 'stranger-too-loud'
  | 'oversize-frame'
  | 'silent'
  | 'stalled'
  | 'stream-lost'
  | 'doubled'
  | 'out-of-force'
  | 'banned'
  | 'handler-threw'
  | 'no-room'
  | 'network-closed'
export type GateRefusal =
  | 'not-open-yet'
  | 'not-ed25519'
  | 'banned-peer-id'
  | 'refused-lately'
  | 'too-many-connections'
  | 'address-not-told'

/** Counts since the start, by reason, for the status page. */
export type NetworkStats = {
  readonly connections: number
  readonly peers: number
  /** Hellos, streams and connections refused, by reason. */
  readonly refused: Readonly<Record<string, number>>
  /** Connections that we closed, by reason. */
  readonly closed: Readonly<Record<string, number>>
  readonly failedDials: number
  /** Messages that were never written: no such peer, or its queue was full or lost. */
  readonly droppedMessages: number
  readonly queuedBytes: number
  /** Of multicast; missing where it is not used. */
  readonly multicast?: DiscoveryState
  /** From where the last refused hello came, and what it means. */
  readonly lastRefusal?: string
}

export type Counter<Reason extends string> = {
  readonly add: (reason: Reason) => void
  readonly read: () => Readonly<Record<string, number>>
}

export function counter<Reason extends string>(): Counter<Reason> {
  const counts = new Map<Reason, number>()
  return {
    add: reason => counts.set(reason, (counts.get(reason) ?? 0) + 1),
    read: () => Object.fromEntries(counts),
  }
}

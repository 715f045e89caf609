// What waits to be decided. Chargers, people and timers go before what peers send, so that no peer can make a driver
// wait; peers still get their turn. What one peer may have waiting is bounded; beyond, its messages are dropped, and
// anti-entropy brings what they said.
import type { DeviceId } from './units.ts'

/** Of so many inputs, one is a peer's, however many others wait. */
const PEERS_TURN = 5
/** Bytes of one peer's messages that may wait (I12). */
export const MAX_WAITING_BYTES = 2 * 1024 * 1024
/** An empty message costs memory too. */
const MESSAGE_OVERHEAD_BYTES = 256

export type Origin = { readonly peer: DeviceId; readonly bytes: number }

export type Mailbox<I> = {
  readonly put: (input: I) => void
  /** False when the peer has too much waiting: its message is dropped. */
  readonly putFromPeer: (input: I, origin: Origin) => boolean
  readonly take: () => I | undefined
  readonly size: () => number
}

export function createMailbox<I>(): Mailbox<I> {
  const first = createQueue<I>()
  const peers = createQueue<{ readonly input: I; readonly origin: Origin }>()
  const waitingBytes = new Map<DeviceId, number>()
  let taken = 0

  const takeFromPeers = (): I | undefined => {
    const next = peers.take()
    if (!next) return undefined
    const { peer, bytes } = next.origin
    const left = (waitingBytes.get(peer) ?? 0) - bytes - MESSAGE_OVERHEAD_BYTES
    if (left > 0) waitingBytes.set(peer, left)
    else waitingBytes.delete(peer)
    return next.input
  }

  return {
    put: first.put,
    putFromPeer: (input, origin) => {
      const waiting = (waitingBytes.get(origin.peer) ?? 0) + origin.bytes + MESSAGE_OVERHEAD_BYTES
      if (waiting > MAX_WAITING_BYTES) return false
      waitingBytes.set(origin.peer, waiting)
      peers.put({ input, origin })
      return true
    },
    take: () => {
      taken += 1
      if (taken % PEERS_TURN === 0) return takeFromPeers() ?? first.take()
      return first.take() ?? takeFromPeers()
    },
    size: () => first.size() + peers.size(),
  }
}

type Queue<T> = {
  readonly put: (item: T) => void
  readonly take: () => T | undefined
  readonly size: () => number
}

/** First in, first out, without moving what waits. */
function createQueue<T>(): Queue<T> {
  let items: T[] = []
  let next = 0
  return {
    put: item => {
      items.push(item)
    },
    take: () => {
      const item = items[next]
      if (item === undefined) return undefined
      next += 1
      if (next === items.length || next >= 1024) {
        items = items.slice(next)
        next = 0
      }
      return item
    },
    size: () => items.length - next,
  }
}

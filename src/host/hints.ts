// An address hint: where a device may be found, said by somebody (PROTOCOL 7.4). A hint proves nothing and need not: noise
// and the hello say who answers there. It is only ever an IP address and a port, so that no hint makes a node ask a name
// server, and it is bounded, so that a liar costs a few dials.
import { isIP } from 'node:net'
import { fromBytes, id, listOf, MalformedBytes, record, text, toBytes, uint } from '../cbor.ts'
import type { DeviceId } from '../units.ts'
import type { Address } from './peers.ts'

export type Hint = { readonly deviceId: DeviceId; readonly addresses: readonly Address[] }

/** Of one device in one message. */
export const MAX_HINT_ADDRESSES = 4
/** Devices in one message. */
export const MAX_HINTS_TOLD = 64
/** An IPv6 address, written out. */
const MAX_HOST = 39

const ADDRESS = record({ host: text(MAX_HOST), port: uint })
const HINT = record({ deviceId: id<DeviceId>(16), addresses: listOf(ADDRESS, MAX_HINT_ADDRESSES) })
const HINTS = record({ hints: listOf(HINT, MAX_HINTS_TOLD) })

/** 64 devices with four addresses of the longest kind each. */
export const MAX_HINTS_BYTES = 16_384

export function encodeHint({ deviceId, addresses }: Hint): Uint8Array {
  return toBytes(HINT, { deviceId, addresses: addresses.slice(0, MAX_HINT_ADDRESSES) })
}

export function encodeHints(hints: readonly Hint[]): Uint8Array {
  return toBytes(HINTS, { hints: hints.slice(0, MAX_HINTS_TOLD) })
}

/** What bytes from outside say, without the addresses that nobody could dial; undefined when they are no hint. */
export function decodeHint(encoded: Uint8Array): Hint | undefined {
  const hint = attempt(() => fromBytes(HINT, encoded))
  return hint && dialable(hint)
}

export function decodeHints(encoded: Uint8Array): readonly Hint[] | undefined {
  if (encoded.length > MAX_HINTS_BYTES) return undefined
  return attempt(() => fromBytes(HINTS, encoded))?.hints.map(dialable)
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

function dialable({ deviceId, addresses }: Hint): Hint {
  return { deviceId, addresses: addresses.filter(isDialable).map(({ host, port }) => ({ host, port })) }
}

/** Fit to be told, and to be dialled when somebody else tells it: no name, however it was reached. */
export function isDialable({ host, port }: Address): boolean {
  return isIP(host) !== 0 && host.length <= MAX_HOST && port > 0 && port <= 65_535 && !isUseless(host)
}

/** Nobody, everybody, or an address that means another machine on each of our cables. */
function isUseless(host: string): boolean {
  return /^(0\.|22[4-9]\.|2[3-5]\d\.|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:|::$)/i.test(host)
}

/** Of the addresses at which we listen, those of use to others: loopback only when we listen nowhere else. */
export function usefulAddresses(listening: readonly Address[]): readonly Address[] {
  const told = listening.filter(isDialable)
  const outside = told.filter(({ host }) => !isLoopback(host))
  return outside.length > 0 ? outside : told
}

export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

// Nodes that are connected tell one another where the others are, so that who knows one address finds the site. What is
// told are hints (hints.ts): each device's own addresses, and those at which we reached it. Only certified devices are
// told anything or listened to; software that does not know this protocol refuses the stream, and nothing is lost.
import type { Connection, Stream } from '@libp2p/interface'
import { reasonOf } from '../errors.ts'
import type { Clock, Logger } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { frame, frameReader } from './framing.ts'
import { decodeHints, encodeHints, type Hint, isDialable, MAX_HINTS_BYTES, MAX_HINTS_TOLD } from './hints.ts'
import { type Bucket, createBucket } from './network-bucket.ts'
import type { NetworkLimits } from './network-limits.ts'
import { type Address, addressName } from './peers.ts'

export const EXCHANGE_PROTOCOL = '/chargemesh/peers/1'
/** Of one device, in what we pass on: the best two. */
const MAX_PASSED_ON = 2
/** Messages of one peer that are read a second; it needs a fiftieth of it. */
const MAX_HEARD_PER_S = 10
/** Addresses remembered as told on one connection; above that all is told again. */
const MAX_TOLD = 1024

/** A verified device, the connection to speak to it on, and the addresses at which we reached it. */
export type Acquaintance = {
  readonly deviceId: DeviceId
  readonly connection: Connection
  readonly reached: readonly Address[]
  /** IP addresses from which it dialled us; where it listens, it says. */
  readonly seenAt: readonly string[]
}

export type ExchangeDeps = {
  readonly deviceId: DeviceId
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: NetworkLimits
  /** Our own addresses, fit to be told. */
  readonly own: () => readonly Address[]
  readonly acquaintances: () => readonly Acquaintance[]
  readonly onHints: (hints: readonly Hint[]) => void
}

export type Exchange = {
  readonly tick: (nowMs: number) => void
  /** A stream that a verified device has opened. */
  readonly accept: (from: DeviceId, stream: Stream) => void
}

/** What we have told on one connection. */
type Told = {
  readonly connection: Connection
  readonly addresses: Set<string>
  toldMs: number
  retellMs: number
  /** The software at the other end does not know this protocol. */
  isDeaf: boolean
}
/** What a connected device said of itself. */
type Said = { readonly bucket: Bucket; own: readonly Address[] }

export function createExchange(deps: ExchangeDeps): Exchange {
  const { limits } = deps
  const told = new Map<DeviceId, Told>()
  const said = new Map<DeviceId, Said>()

  function toldTo({ deviceId, connection }: Acquaintance, nowMs: number): Told {
    const held = told.get(deviceId)
    const isDue = held && (nowMs >= held.retellMs || held.addresses.size > MAX_TOLD)
    if (held?.connection === connection && !isDue) return held
    const fresh: Told = {
      ...{ connection, addresses: new Set<string>(), isDeaf: isDue === true && held?.isDeaf === true },
      ...{ toldMs: Number.NEGATIVE_INFINITY, retellMs: nowMs + limits.retellMs },
    }
    told.set(deviceId, fresh)
    return fresh
  }

  /** Where we reached it, then where it seems to be, then what it says: a machine with many networks names those that lead nowhere. */
  function bestOf({ deviceId, reached, seenAt }: Acquaintance): readonly Address[] {
    const own = said.get(deviceId)?.own ?? []
    const seen = own.slice(0, 1).flatMap(({ port }) => seenAt.map(host => ({ host, port })))
    return distinct([...reached, ...seen, ...own]).filter(isDialable)
  }

  /** What this device has not been told on this connection. */
  function newsFor(to: DeviceId, { addresses: before }: Told, all: readonly Acquaintance[]): readonly Hint[] {
    const known: readonly Hint[] = [
      { deviceId: deps.deviceId, addresses: deps.own() },
      ...all.map(one => ({ deviceId: one.deviceId, addresses: bestOf(one).slice(0, MAX_PASSED_ON) })),
    ]
    const news: Hint[] = []
    for (const { deviceId, addresses } of known) {
      const fresh = addresses.filter(address => !before.has(keyOf(deviceId, address)))
      if (deviceId !== to && fresh.length > 0 && news.length < MAX_HINTS_TOLD)
        news.push({ deviceId, addresses: fresh })
    }
    return news
  }

  function tell(to: Told, news: readonly Hint[]): void {
    for (const { deviceId, addresses } of news)
      for (const address of addresses) to.addresses.add(keyOf(deviceId, address))
    send(to.connection, news).catch(error => {
      if (error instanceof Error && error.name === 'UnsupportedProtocolError') to.isDeaf = true
      deps.logger.debug('network.exchange', { reason: reasonOf(error) })
    })
  }

  async function send(connection: Connection, news: readonly Hint[]): Promise<void> {
    const encoded = frame(encodeHints(news))
    const signal = AbortSignal.timeout(limits.helloMs)
    const stream = await connection.newStream(EXCHANGE_PROTOCOL, { signal, maxOutboundStreams: 2 })
    try {
      stream.send(encoded)
      await stream.close({ signal })
    } catch (error) {
      // Left open it would count against the streams that this connection may have.
      stream.abort(new Error('not told'))
      throw error
    }
  }

  function take(from: DeviceId, encoded: Uint8Array): void {
    const nowMs = deps.clock.monotonicMs()
    const held = said.get(from) ?? { bucket: createBucket(MAX_HEARD_PER_S, nowMs), own: [] }
    said.set(from, held)
    if (held.bucket.take(1, nowMs) < 0) return
    const hints = decodeHints(encoded) ?? []
    held.own = hints.find(hint => hint.deviceId === from)?.addresses ?? held.own
    deps.onHints(hints)
  }

  return {
    tick: nowMs => {
      const all = deps.acquaintances()
      const present = new Set(all.map(one => one.deviceId))
      for (const left of [told, said])
        for (const deviceId of left.keys()) if (!present.has(deviceId)) left.delete(deviceId)
      for (const one of all) {
        const before = toldTo(one, nowMs)
        if (before.isDeaf || nowMs - before.toldMs < limits.exchangeMs) continue
        const news = newsFor(one.deviceId, before, all)
        if (news.length === 0) continue
        before.toldMs = nowMs
        tell(before, news)
      }
    },
    accept: (from, stream) => {
      const reader = frameReader(MAX_HINTS_BYTES)
      const giveUp = setTimeout(() => stream.abort(new Error('too slow')), limits.helloMs)
      stream.addEventListener('close', () => clearTimeout(giveUp))
      stream.addEventListener('message', ({ data }) => {
        const read = reader.push(data.subarray())
        if (read.kind === 'oversize') stream.abort(new Error('oversize'))
        else if (read.messages.length > 0) {
          for (const message of read.messages) take(from, message)
          stream.close().catch(error => deps.logger.debug('network.exchange', { reason: reasonOf(error) }))
        }
      })
    },
  }
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  const names = new Map(addresses.map(address => [addressName(address), address]))
  return [...names.values()]
}

function keyOf(deviceId: DeviceId, address: Address): string {
  return `${deviceId} ${addressName(address)}`
}

// Asks and answers by multicast DNS where the nodes of this site are (PROTOCOL 7.4). What comes of it is hints. It holds a
// bounded amount, whatever is sent to it, and where multicast cannot be (no interface, a firewall, another program that
// keeps the port) it says so once and tries again each minute. It keeps no timer; the network's tick drives it.
//
// IPv4 only: whoever is on a network without it is found by static addresses and by what peers say.
import { createSocket, type Socket } from 'node:dgram'
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { reasonOf } from '../errors.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { type Hint, isLoopback, usefulAddresses } from './hints.ts'
import { answer, type Day, daysOf, hear, openAnswer, question } from './mdns.ts'
import { createBucket } from './network-bucket.ts'
import type { NetworkLimits } from './network-limits.ts'
import type { Address } from './peers.ts'

/** Where multicast DNS is spoken (RFC 6762). */
export const MDNS: Address = { host: '224.0.0.251', port: 5353 }
/** Answers opened a second; what a busy site needs is a tenth of it. */
const MAX_OPENED_PER_S = 50
/** An answer reaches everybody, so a second one within so long says nothing new. */
const ANSWER_MS = 5_000
/** So long, and up to twice that, an answer waits, lest all answer at once (RFC 6762 6). */
const ANSWER_WAIT_MS = 100
/** Between two questions: doubling from the first to the last; the longer one when everybody known is there. */
const ASK_FIRST_MS = 1_000
const ASK_MAX_MS = 60_000
const ASK_CONTENT_MS = 300_000

export type DiscoveryDeps = {
  /** Newest first; a new one is heard of while the node runs. */
  readonly siteKeys: () => readonly Uint8Array[]
  readonly deviceId: DeviceId
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: NetworkLimits
  /** Where we listen. */
  readonly listening: () => readonly Address[]
  /** False when everybody we know of is connected, or there is no room for more. */
  readonly isLooking: () => boolean
  readonly onHint: (hint: Hint) => void
  readonly multicast?: Address
}

export type DiscoveryState = {
  /** `silent`: multicast cannot be used; `reason` says why. */
  readonly state: 'starting' | 'open' | 'silent'
  readonly reason?: string
  /** Packets that were not looked at because there were too many. */
  readonly unread: number
  /** Hints of others. */
  readonly heard: number
}

export type Discovery = {
  readonly tick: (nowMs: number) => void
  readonly status: () => DiscoveryState
  readonly close: () => void
}

export function createDiscovery(deps: DiscoveryDeps): Discovery {
  return new Multicast(deps)
}

class Multicast implements Discovery {
  readonly #deps: DiscoveryDeps
  readonly #group: Address
  readonly #bucket
  #socket: Socket | undefined
  #state: DiscoveryState['state'] = 'starting'
  #reason: string | undefined
  #saidWhy = false
  #isClosed = false
  #refreshMs = Number.NEGATIVE_INFINITY
  #joined: readonly string[] = []
  #days: readonly Day[] = []
  #daysOfDate = Number.NaN
  #askMs = Number.NEGATIVE_INFINITY
  #askGapMs = ASK_FIRST_MS
  #answerMs: { readonly day: Day; readonly dueMs: number } | undefined
  #answeredMs = Number.NEGATIVE_INFINITY
  /** Packets leave one after the other: each chooses the interface that the socket speaks on. */
  #sending: Promise<void> = Promise.resolve()
  #unread = 0
  #heard = 0

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps
    this.#group = deps.multicast ?? MDNS
    this.#bucket = createBucket(MAX_OPENED_PER_S, deps.clock.monotonicMs())
  }

  status(): DiscoveryState {
    return {
      ...{ state: this.#state, unread: this.#unread, heard: this.#heard },
      ...(this.#reason !== undefined && { reason: this.#reason }),
    }
  }

  tick(nowMs: number): void {
    if (this.#isClosed) return
    if (nowMs - this.#refreshMs >= this.#deps.limits.multicastMs) this.#refresh(nowMs)
    if (this.#state !== 'open') return
    if (this.#answerMs && this.#answerMs.dueMs <= nowMs) this.#answerNow(this.#answerMs.day, nowMs)
    if (nowMs >= this.#askMs) this.#ask(nowMs)
  }

  close(): void {
    this.#isClosed = true
    this.#socket?.close()
    this.#socket = undefined
  }

  #ask(nowMs: number): void {
    const isFirst = this.#askMs === Number.NEGATIVE_INFINITY
    const [today] = this.#daysNow()
    if (today) this.#send(() => question(today))
    // Whoever has just come is heard by those who look for him without being asked.
    if (isFirst && today) this.#answerNow(today, nowMs)
    this.#askLater(nowMs)
  }

  #askLater(nowMs: number): void {
    this.#askMs = nowMs + (this.#deps.isLooking() ? this.#askGapMs : ASK_CONTENT_MS)
    this.#askGapMs = Math.min(ASK_MAX_MS, 2 * this.#askGapMs)
  }

  #answerNow(day: Day, nowMs: number): void {
    this.#answerMs = undefined
    this.#answeredMs = nowMs
    const { deviceId, random, listening } = this.#deps
    const addresses = usefulAddresses(listening())
    if (addresses.length === 0) return
    this.#send(host => {
      // Whoever hears it on this network is best served by our address in it.
      const sorted = addresses.toSorted((a, b) => Number(b.host === host) - Number(a.host === host))
      return answer(day, random.bytes(12), { deviceId, addresses: sorted })
    })
  }

  #hear(packet: Uint8Array): void {
    if (this.#isClosed) return
    const heard = hear(packet, this.#daysNow())
    if (!heard) return
    const nowMs = this.#deps.clock.monotonicMs()
    if (this.#bucket.take(1, nowMs) < 0) {
      this.#unread++
      return
    }
    if (heard.kind === 'question') {
      const waitMs = ANSWER_WAIT_MS * (1 + (this.#deps.random.bytes(1)[0] ?? 0) / 256)
      const dueMs = Math.max(nowMs + waitMs, this.#answeredMs + ANSWER_MS)
      this.#answerMs ??= { day: heard.day, dueMs }
      return
    }
    const hint = openAnswer(heard)
    if (!hint || hint.deviceId === this.#deps.deviceId) return
    this.#heard++
    this.#deps.onHint(hint)
  }

  /** Names change with the date and with the site's keys; between two looks at most a minute passes. */
  #daysNow(): readonly Day[] {
    const nowAt = this.#deps.clock.wallMs()
    const minute = Math.floor(nowAt / 60_000)
    if (minute !== this.#daysOfDate) {
      this.#daysOfDate = minute
      this.#days = daysOf(this.#deps.siteKeys(), nowAt)
    }
    return this.#days
  }

  /** Opens the socket where there is none, and joins on the interfaces that there are now. */
  #refresh(nowMs: number): void {
    this.#refreshMs = nowMs
    if (this.#socket) {
      if (this.#state !== 'starting') this.#join(this.#socket)
      return
    }
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    this.#socket = socket
    this.#state = 'starting'
    socket.on('message', packet => this.#hear(packet))
    socket.on('error', error => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#joined = []
      this.#fail(error)
      socket.close()
    })
    socket.bind(this.#group.port, () => {
      if (this.#isClosed || this.#socket !== socket) return
      this.#state = 'open'
      this.#join(socket)
      this.tick(this.#deps.clock.monotonicMs())
    })
  }

  #join(socket: Socket): void {
    if (!isMulticast(this.#group.host)) return
    const wanted = interfacesFor(this.#deps.listening())
    const joined: string[] = []
    let trouble: unknown = new Error('this machine has no IPv4 network')
    for (const host of wanted) {
      try {
        socket.addMembership(this.#group.host, host)
        joined.push(host)
      } catch (error) {
        // Joined already, which the kernel calls an address in use.
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') joined.push(host)
        else trouble = error
      }
    }
    this.#joined = joined
    if (joined.length === 0) {
      this.#fail(trouble)
      return
    }
    this.#state = 'open'
    this.#recover()
  }

  #send(packetFor: (host: string | undefined) => Uint8Array): void {
    const hosts = isMulticast(this.#group.host) ? this.#joined : [undefined]
    for (const host of hosts) this.#sending = this.#sending.then(() => this.#sendBy(packetFor(host), host))
  }

  #sendBy(packet: Uint8Array, host: string | undefined): Promise<void> {
    return new Promise(resolve => {
      const socket = this.#socket
      if (!socket) return resolve()
      try {
        if (host !== undefined) {
          socket.setMulticastInterface(host)
          socket.setMulticastTTL(255)
        }
        socket.send(packet, this.#group.port, this.#group.host, error => {
          if (error) this.#fail(error)
          else this.#recover()
          resolve()
        })
      } catch (error) {
        this.#fail(error)
        resolve()
      }
    })
  }

  #recover(): void {
    this.#reason = undefined
  }

  /** Said once; the status page says it for as long as it is so. */
  #fail(error: unknown): void {
    if (this.#isClosed) return
    this.#reason = reasonOf(error)
    if (this.#socket === undefined || this.#joined.length === 0) this.#state = 'silent'
    if (this.#saidWhy) return
    this.#saidWhy = true
    this.#deps.logger.warn('network.multicast', {
      reason: this.#reason,
      says: 'other nodes are found by mesh.peers, by remembered addresses and by what peers say',
    })
  }
}

function isMulticast(host: string): boolean {
  return /^2(2[4-9]|3\d)\./.test(host)
}

/** Own IPv4 addresses whose networks are asked: that at which we listen, or all; loopback only where there is nothing else. */
export function interfacesFor(listening: readonly Address[]): readonly string[] {
  const heard = usefulAddresses(listening).flatMap(({ host }) => (isIPv4(host) ? [host] : []))
  if (heard.length > 0) return [...new Set(heard)]
  const all = Object.values(networkInterfaces()).flatMap(list =>
    (list ?? []).flatMap(one => (isIPv4(one.address) ? [one.address] : [])),
  )
  const outside = all.filter(host => !isLoopback(host))
  return outside.length > 0 ? outside : all
}

// The Network port in one process: links that lose, double, delay and break, on whatever clock `schedule` stands for.
// It promises exactly what the real one does, and draws every chance from `random`, so a seed is a whole world. A link
// is up while either direction works: with one direction cut the other side still hears, as over a bad radio.

import { invariant } from '../src/errors.ts'
import type { NetworkOptions } from '../src/host/network-options.ts'
import { type Certificate, inForce } from '../src/identity/certificate.ts'
import type { Roster } from '../src/identity/roster.ts'
import { MAX_MESSAGE_BYTES, type Network, type Random } from '../src/ports.ts'
import type { DeviceId } from '../src/units.ts'

export type SimulatedNetworkDeps = {
  readonly random: Random
  /** The virtual clock's: runs `task` after so many milliseconds of its time. */
  readonly schedule: (delayMs: number, task: () => void) => void
}

export type Handlers = Pick<NetworkOptions, 'onPeer' | 'onPeerGone' | 'onMessage'>

export type SimulatedMember = Handlers & {
  /** Own chain, issuer first, own certificate last. */
  readonly certificates: readonly Uint8Array[]
  readonly roster: Roster
  readonly wallMs: () => number
}

export type LinkQuality = {
  /** Each message takes a time drawn between the two; those that draw less overtake. */
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** 0 to 1. */
  readonly lossRate: number
  readonly duplicateRate: number
}

export type SimulatedNetwork = {
  /** Joins the mesh. Throws when the member's own certificate is refused, or it is attached already. */
  readonly attach: (member: SimulatedMember) => Network & { readonly close: () => void }
  /** Nothing passes from `a` to `b`, nor back unless `oneWay`. */
  readonly cut: (a: DeviceId, b: DeviceId, options?: { readonly oneWay?: boolean }) => void
  readonly mend: (a: DeviceId, b: DeviceId) => void
  /** Only members of one group reach one another; whoever is in no group is alone. Replaces an earlier split. */
  readonly split: (groups: readonly (readonly DeviceId[])[]) => void
  /** Undoes every cut and split; qualities stay. */
  readonly heal: () => void
  /** For one pair, both ways; without a pair for every link that has no quality of its own. */
  readonly shape: (quality: Partial<LinkQuality>, pair?: readonly [DeviceId, DeviceId]) => void
}

export const GOOD_LINK: LinkQuality = { minDelayMs: 1, maxDelayMs: 5, lossRate: 0, duplicateRate: 0 }
/** From a link that works to the end of its hello. */
const HELLO_MS = 50
/** From the last sign of life to the end of patience, as on the real network. */
const SILENCE_MS = 15_000

type Member = SimulatedMember & {
  readonly certificate: Certificate
  readonly peers: Set<DeviceId>
  readonly banned: Set<DeviceId>
  readonly traffic: { receivedBytes: number; sentBytes: number }
  isAttached: boolean
}

export function createSimulatedNetwork({ random, schedule }: SimulatedNetworkDeps): SimulatedNetwork {
  const members = new Map<DeviceId, Member>()
  const cuts = new Set<string>()
  const qualities = new Map<string, LinkQuality>()
  let common = GOOD_LINK
  let groupOf: Map<DeviceId, number> | undefined

  const way = (from: DeviceId, to: DeviceId): string => `${from}>${to}`
  const passes = (from: DeviceId, to: DeviceId): boolean => {
    if (cuts.has(way(from, to))) return false
    if (!groupOf) return true
    const group = groupOf.get(from)
    return group !== undefined && group === groupOf.get(to)
  }
  const isUp = (a: Member, b: Member): boolean => {
    const [x, y] = [a.certificate.deviceId, b.certificate.deviceId]
    if (!a.isAttached || !b.isAttached || a.banned.has(y) || b.banned.has(x)) return false
    return passes(x, y) || passes(y, x)
  }

  /** After any change: links that work and are not connected say hello, dead ones run out of patience. */
  function review(): void {
    const all = [...members.values()]
    for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) reviewPair(a, b)
  }

  function reviewPair(a: Member, b: Member): void {
    const isConnected = a.peers.has(b.certificate.deviceId)
    if (isUp(a, b) === isConnected) return
    if (isConnected)
      schedule(SILENCE_MS, () => {
        if (!isUp(a, b)) disconnect(a, b)
      })
    else
      schedule(HELLO_MS, () => {
        if (isUp(a, b)) connect(a, b)
      })
  }

  function connect(a: Member, b: Member): void {
    if (a.peers.has(b.certificate.deviceId) || !accepts(a, b) || !accepts(b, a)) return
    a.peers.add(b.certificate.deviceId)
    b.peers.add(a.certificate.deviceId)
    a.onPeer(b.certificate.deviceId, b.certificate)
    b.onPeer(a.certificate.deviceId, a.certificate)
  }

  function disconnect(a: Member, b: Member): void {
    for (const [one, other] of [
      [a, b.certificate.deviceId],
      [b, a.certificate.deviceId],
    ] as const)
      if (one.peers.delete(other) && one.isAttached) one.onPeerGone(other)
  }

  function send(from: Member, to: DeviceId, message: Uint8Array): void {
    invariant(message.length <= MAX_MESSAGE_BYTES, `message of ${message.length} bytes`)
    invariant(message.length > 0, 'empty message')
    if (!from.isAttached || !from.peers.has(to)) return
    const sender = from.certificate.deviceId
    const quality = qualities.get(way(sender, to)) ?? common
    from.traffic.sentBytes += message.length
    if (draw(random) < quality.lossRate) return
    const copies = draw(random) < quality.duplicateRate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = quality.minDelayMs + draw(random) * (quality.maxDelayMs - quality.minDelayMs)
      const arriving = message.slice()
      schedule(delayMs, () => deliver(sender, to, arriving))
    }
  }

  function deliver(from: DeviceId, to: DeviceId, message: Uint8Array): void {
    const receiver = members.get(to)
    if (!receiver?.peers.has(from) || !passes(from, to)) return
    receiver.traffic.receivedBytes += message.length
    receiver.onMessage(from, message)
  }

  function ban(member: Member, peer: DeviceId, banMs: number): void {
    const other = members.get(peer)
    member.banned.add(peer)
    if (other) schedule(0, () => disconnect(member, other))
    schedule(banMs, () => {
      member.banned.delete(peer)
      review()
    })
  }

  function attach(options: SimulatedMember): Network & { readonly close: () => void } {
    const certificate = enrolChain(options.roster, options.certificates)
    invariant(certificate !== undefined, 'a member whose own certificate is refused')
    invariant(!members.get(certificate.deviceId)?.isAttached, 'a member that is attached already')
    const member: Member = {
      ...options,
      certificate,
      peers: new Set(),
      banned: new Set(),
      traffic: { receivedBytes: 0, sentBytes: 0 },
      isAttached: true,
    }
    members.set(certificate.deviceId, member)
    review()
    return {
      send: (to, message) => send(member, to, message),
      peers: () => [...member.peers],
      ban: (peer, banMs) => ban(member, peer, banMs),
      traffic: () => ({ ...member.traffic }),
      close: () => {
        member.isAttached = false
        member.peers.clear()
        members.delete(certificate.deviceId)
        // The sockets of a process that ends are closed by its kernel, so its peers hear of it at once.
        for (const other of members.values()) schedule(0, () => leave(other, member))
      },
    }
  }

  function leave(other: Member, gone: Member): void {
    if (other.peers.delete(gone.certificate.deviceId) && other.isAttached)
      other.onPeerGone(gone.certificate.deviceId)
    review()
  }

  return {
    attach,
    cut: (a, b, options) => {
      cuts.add(way(a, b))
      if (!options?.oneWay) cuts.add(way(b, a))
      review()
    },
    mend: (a, b) => {
      cuts.delete(way(a, b))
      cuts.delete(way(b, a))
      review()
    },
    split: groups => {
      groupOf = new Map(groups.flatMap((group, i) => group.map(member => [member, i] as const)))
      review()
    },
    heal: () => {
      groupOf = undefined
      cuts.clear()
      review()
    },
    shape: (quality, pair) => {
      if (!pair) common = { ...common, ...quality }
      else
        for (const [from, to] of [pair, [pair[1], pair[0]] as const])
          qualities.set(way(from, to), { ...common, ...qualities.get(way(from, to)), ...quality })
    },
  }
}

/** What the real hello asks, without its signatures: the chain, the role, the time. */
function accepts(member: Member, peer: Member): boolean {
  const certificate = enrolChain(member.roster, peer.certificates)
  return (
    certificate !== undefined && certificate.roles.includes('node') && inForce(certificate, member.wallMs())
  )
}

function enrolChain(roster: Roster, chain: readonly Uint8Array[]): Certificate | undefined {
  let own: Certificate | undefined
  for (const encoded of chain) {
    const verdict = roster.enrol(encoded)
    if (verdict.kind === 'refused') return undefined
    own = verdict.certificate
  }
  return own
}

/** 0 to 1, below 1. */
function draw(random: Random): number {
  const [a = 0, b = 0, c = 0] = random.bytes(3)
  return (a * 65_536 + b * 256 + c) / 16_777_216
}

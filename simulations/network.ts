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

type World = SimulatedNetworkDeps & {
  readonly members: Map<DeviceId, Member>
  /** Directions that are cut, as `from>to`. */
  readonly cuts: Set<string>
  readonly qualities: Map<string, LinkQuality>
  common: LinkQuality
  groupOf: ReadonlyMap<DeviceId, number> | undefined
}

export function createSimulatedNetwork(deps: SimulatedNetworkDeps): SimulatedNetwork {
  const world: World = {
    ...deps,
    members: new Map(),
    cuts: new Set(),
    qualities: new Map(),
    common: GOOD_LINK,
    groupOf: undefined,
  }
  return {
    attach: member => attach(world, member),
    cut: (a, b, options) => {
      world.cuts.add(way(a, b))
      if (!options?.oneWay) world.cuts.add(way(b, a))
      review(world)
    },
    mend: (a, b) => {
      world.cuts.delete(way(a, b))
      world.cuts.delete(way(b, a))
      review(world)
    },
    split: groups => {
      world.groupOf = new Map(groups.flatMap((group, i) => group.map(member => [member, i] as const)))
      review(world)
    },
    heal: () => {
      world.groupOf = undefined
      world.cuts.clear()
      review(world)
    },
    shape: (quality, pair) => {
      if (!pair) world.common = { ...world.common, ...quality }
      else
        for (const name of [way(pair[0], pair[1]), way(pair[1], pair[0])])
          world.qualities.set(name, { ...world.common, ...world.qualities.get(name), ...quality })
    },
  }
}

function attach(world: World, options: SimulatedMember): Network & { readonly close: () => void } {
  const certificate = enrolChain(options.roster, options.certificates)
  invariant(certificate !== undefined, 'a member whose own certificate is refused')
  invariant(!world.members.has(certificate.deviceId), 'a member that is attached already')
  const member: Member = {
    ...options,
    certificate,
    peers: new Set(),
    banned: new Set(),
    traffic: { receivedBytes: 0, sentBytes: 0 },
    isAttached: true,
  }
  world.members.set(certificate.deviceId, member)
  review(world)
  return {
    send: (to, message) => send(world, member, { to, message }),
    peers: () => [...member.peers],
    ban: (peer, banMs) => ban(world, member, { peer, banMs }),
    traffic: () => ({ ...member.traffic }),
    close: () => detach(world, member),
  }
}

/** The sockets of a process that ends are closed by its kernel, so its peers hear of it at once. */
function detach(world: World, member: Member): void {
  const { deviceId } = member.certificate
  member.isAttached = false
  member.peers.clear()
  if (world.members.get(deviceId) === member) world.members.delete(deviceId)
  for (const other of world.members.values())
    if (other.peers.delete(deviceId))
      world.schedule(0, () => {
        if (other.isAttached) other.onPeerGone(deviceId)
      })
}

function way(from: DeviceId, to: DeviceId): string {
  return `${from}>${to}`
}

function passes(world: World, from: DeviceId, to: DeviceId): boolean {
  if (world.cuts.has(way(from, to))) return false
  if (!world.groupOf) return true
  const group = world.groupOf.get(from)
  return group !== undefined && group === world.groupOf.get(to)
}

function isUp(world: World, a: Member, b: Member): boolean {
  const [x, y] = [a.certificate.deviceId, b.certificate.deviceId]
  if (a.banned.has(y) || b.banned.has(x)) return false
  return passes(world, x, y) || passes(world, y, x)
}

/** After any change: links that work and are not connected say hello, dead ones run out of patience. */
function review(world: World): void {
  const all = [...world.members.values()]
  for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) reviewPair(world, a, b)
}

function reviewPair(world: World, a: Member, b: Member): void {
  const isConnected = a.peers.has(b.certificate.deviceId)
  if (isUp(world, a, b) === isConnected) return
  world.schedule(isConnected ? SILENCE_MS : HELLO_MS, () => {
    if (!a.isAttached || !b.isAttached || isUp(world, a, b) === isConnected) return
    if (isConnected) disconnect(a, b)
    else connect(a, b)
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
  const [x, y] = [a.certificate.deviceId, b.certificate.deviceId]
  if (a.peers.delete(y)) a.onPeerGone(y)
  if (b.peers.delete(x)) b.onPeerGone(x)
}

type Sending = { readonly to: DeviceId; readonly message: Uint8Array }

function send(world: World, from: Member, { to, message }: Sending): void {
  invariant(message.length <= MAX_MESSAGE_BYTES, `message of ${message.length} bytes`)
  invariant(message.length > 0, 'empty message')
  if (!from.peers.has(to)) return
  const sender = from.certificate.deviceId
  const quality = world.qualities.get(way(sender, to)) ?? world.common
  from.traffic.sentBytes += message.length
  if (draw(world.random) < quality.lossRate) return
  const copies = draw(world.random) < quality.duplicateRate ? 2 : 1
  for (let copy = 0; copy < copies; copy++) {
    const delayMs = quality.minDelayMs + draw(world.random) * (quality.maxDelayMs - quality.minDelayMs)
    const arriving = message.slice()
    world.schedule(delayMs, () => deliver(world, sender, { to, message: arriving }))
  }
}

function deliver(world: World, from: DeviceId, { to, message }: Sending): void {
  const receiver = world.members.get(to)
  if (!receiver?.peers.has(from) || !passes(world, from, to)) return
  receiver.traffic.receivedBytes += message.length
  receiver.onMessage(from, message)
}

type Ban = { readonly peer: DeviceId; readonly banMs: number }

function ban(world: World, member: Member, { peer, banMs }: Ban): void {
  const other = world.members.get(peer)
  member.banned.add(peer)
  if (other)
    world.schedule(0, () => {
      if (member.isAttached && other.isAttached) disconnect(member, other)
    })
  world.schedule(banMs, () => {
    member.banned.delete(peer)
    review(world)
  })
}

/** What the real hello asks, without its signatures: the chain, the role, the time. */
function accepts(member: Member, peer: Member): boolean {
  const certificate = enrolChain(member.roster, peer.certificates)
  if (!certificate?.roles.includes('node')) return false
  return inForce(certificate, member.wallMs())
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

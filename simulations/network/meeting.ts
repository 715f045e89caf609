// How two processes become peers and cease to be, with the times of the real host: dialling, the hello without its
// signatures, the patience with silence, bans, and room for so many peers. After any change `review` compares a link with
// what it should be. A cloned device's copies take a link over from one another, since whoever says hello last has it.
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import type { NetworkOptions } from '../../src/host/network-options.ts'
import { type Certificate, inForce } from '../../src/identity/certificate.ts'
import type { Roster } from '../../src/identity/roster.ts'
import type { DeviceId } from '../../src/units.ts'
import type { LinkQuality } from './link.ts'
import { type Link, type Place, passes, type Reach, type Way } from './reach.ts'

export type Handlers = Pick<NetworkOptions, 'onPeer' | 'onPeerGone' | 'onMessage'>

export type SimulatedMember = Handlers & {
  /** Own chain, issuer first, own certificate last. */
  readonly certificates: readonly Uint8Array[]
  readonly roster: Roster
  readonly wallMs: () => number
}

/** One connection as one of its ends holds it. */
export type Tie = { readonly link: Link; readonly way: Way; readonly session: number }

export type Member = SimulatedMember & {
  readonly place: Place
  readonly certificate: Certificate
  readonly isClone: boolean
  readonly peers: Map<DeviceId, Tie>
  /** How many bans of each are running: the longest counts, as at the real gate. */
  readonly banned: Map<DeviceId, number>
  readonly traffic: { receivedBytes: number; sentBytes: number }
  isAttached: boolean
}

export type Meetings = {
  readonly reach: Reach
  readonly schedule: (delayMs: number, task: () => void) => void
  /** 0 <= n < 1. */
  readonly draw: () => number
  /** Undefined: whoever can be reached again is found again at once. */
  readonly nowMs: (() => number) | undefined
  readonly maxPeers: number
  readonly quality: { common: LinkQuality }
  /** Chains that were checked already, by roster: a signature costs more than all the rest here. */
  readonly checked: WeakMap<Roster, WeakMap<Uint8Array, Certificate>>
  /** `version` grows with every change of who reaches whom, `reviews` with every link that was looked at. */
  readonly counts: { version: number; reviews: number }
}

/** What two processors take for the keys and signatures of noise and hello. */
const HELLO_MS = 50
/** One-way trips until the hello is over: TCP 2, noise and yamux with their negotiation 7, the hello's stream 5. */
const HELLO_TRIPS = 14
const ENDS = [0, 1] as const

/** Compares a link with what it should be: ends that can meet say hello, dead connections run out of patience. */
export function review(world: Meetings, link: Link, isAtOnce = false): void {
  world.counts.reviews++
  for (const way of link.ways) {
    const isOpen = passes(world.reach, way)
    if (isOpen !== way.isOpen && link.holders[0]) world.counts.version++
    way.isOpen = isOpen
  }
  const isConnected = link.holders[0] !== undefined
  if (isUp(link) === isConnected) {
    link.awaits = undefined
    link.turn++
  } else if (isConnected) {
    if (link.awaits !== 'silence') waitFor(world, link, { what: 'silence', forMs: patienceMs(world) })
  } else if (link.awaits !== 'hello' || isAtOnce)
    waitFor(world, link, { what: 'hello', forMs: helloMs(world, link, isAtOnce) })
}

function isUp(link: Link): boolean {
  const [a, b] = [speaker(link, 0), speaker(link, 1)]
  return a !== undefined && b !== undefined && !isBanned(a, b) && (link.ways[0].isOpen || link.ways[1].isOpen)
}

/** The process that holds this end, or would. */
function speaker({ holders, ends }: Link, end: 0 | 1): Member | undefined {
  return holders[end] ?? ends[end].copies.at(-1)
}

function isBanned(a: Member, b: Member): boolean {
  return a.banned.has(b.place.deviceId) || b.banned.has(a.place.deviceId)
}

/** The last sign of life came some time before the link broke. A line that nobody uses is given up as soon, by the kernel's probes. */
function patienceMs({ nowMs, draw }: Meetings): number {
  return NETWORK_LIMITS.answerMs - (nowMs ? draw() * NETWORK_LIMITS.keepAliveMs : 0)
}

/**
 * A process that starts dials at once. Otherwise each side is somewhere in a wait that doubles, so that it is about as long
 * as they have been apart, up to the host's longest; whoever is through first dials. Timeouts of dials count as waits.
 */
function helloMs({ nowMs, draw, quality }: Meetings, link: Link, isAtOnce: boolean): number {
  const tripMs = (link.quality ?? quality.common).minDelayMs
  const meetMs = HELLO_MS + HELLO_TRIPS * tripMs
  if (isAtOnce || !nowMs) return meetMs
  const { redialFirstMs, redialMaxMs } = NETWORK_LIMITS
  const waitMs = Math.min(redialMaxMs, Math.max(redialFirstMs, nowMs() - link.lostAtMs))
  return meetMs + waitMs * Math.min(draw(), draw())
}

type Wait = { readonly what: 'hello' | 'silence'; readonly forMs: number }

function waitFor(world: Meetings, link: Link, { what, forMs }: Wait): void {
  link.awaits = what
  const turn = ++link.turn
  world.schedule(forMs, () => {
    if (link.turn !== turn) return
    link.awaits = undefined
    if (what === 'silence') breakLink(world, link)
    else connect(world, link)
  })
}

function connect(world: Meetings, link: Link): void {
  const [a, b] = [speaker(link, 0), speaker(link, 1)]
  if (!a || !b) return
  if (!hasRoom(world, a) || !hasRoom(world, b) || !accepts(world, a, b) || !accepts(world, b, a)) {
    // The host does not listen to a refused peer before that, and dials again: a clock may be right by then.
    waitFor(world, link, { what: 'hello', forMs: NETWORK_LIMITS.refusalMs })
    return
  }
  const session = ++link.session
  world.counts.version++
  for (const end of ENDS) Object.assign(link.ways[end], { freeAtMs: 0, isStalling: false })
  link.holders[0] = a
  link.holders[1] = b
  a.peers.set(b.place.deviceId, { link, way: link.ways[0], session })
  b.peers.set(a.place.deviceId, { link, way: link.ways[1], session })
  takeTurns(world, link, NETWORK_LIMITS.doubleMs)
  a.onPeer(b.place.deviceId, b.certificate)
  if (link.session === session) b.onPeer(a.place.deviceId, a.certificate)
}

/** Ends the connection in the world's books; says who held it, so that they can be told. */
function sever(world: Meetings, link: Link): readonly [Member, Member] | undefined {
  const [a, b] = link.holders
  if (!a || !b) return undefined
  link.session++
  world.counts.version++
  link.holders[0] = undefined
  link.holders[1] = undefined
  link.lostAtMs = world.nowMs?.() ?? 0
  a.peers.delete(b.place.deviceId)
  b.peers.delete(a.place.deviceId)
  return [a, b]
}

/** Both ends lose it now, and look for each other again. */
export function breakLink(world: Meetings, link: Link): void {
  const [a, b] = sever(world, link) ?? []
  review(world, link)
  if (a?.isAttached && b) a.onPeerGone(b.place.deviceId)
  if (b?.isAttached && a) b.onPeerGone(a.place.deviceId)
}

/** As `breakLink`, told after the present step: its cause is inside a call of one of the two. */
function dropLink(world: Meetings, link: Link): void {
  const [a, b] = sever(world, link) ?? []
  review(world, link)
  if (a && b)
    world.schedule(0, () => {
      if (a.isAttached) a.onPeerGone(b.place.deviceId)
      if (b.isAttached) b.onPeerGone(a.place.deviceId)
    })
}

export function join(world: Meetings, member: Member): void {
  const { place } = member
  place.copies.push(member)
  world.counts.version++
  for (const link of place.links.values()) {
    if (link.holders[0]) {
      takeTurns(world, link, helloMs(world, link, true))
      continue
    }
    link.lostAtMs = world.nowMs?.() ?? 0
    review(world, link, true)
  }
}

/** The sockets of a process that ends are closed by its kernel, so its peers hear of it at once. */
export function leave(world: Meetings, member: Member): void {
  if (!member.isAttached) return
  const { place } = member
  member.isAttached = false
  place.copies.splice(place.copies.indexOf(member), 1)
  world.counts.version++
  for (const link of place.links.values())
    if (link.holders.includes(member)) dropLink(world, link)
    else review(world, link)
}

export type Ban = { readonly peer: DeviceId; readonly banMs: number }

export function ban(world: Meetings, member: Member, { peer, banMs }: Ban): void {
  const link = member.place.links.get(peer)
  if (!link || !member.isAttached) return
  member.banned.set(peer, (member.banned.get(peer) ?? 0) + 1)
  if (link.holders.includes(member)) dropLink(world, link)
  else review(world, link)
  world.schedule(banMs, () => {
    const others = (member.banned.get(peer) ?? 1) - 1
    if (others > 0) member.banned.set(peer, others)
    else member.banned.delete(peer)
    if (member.isAttached) review(world, link)
  })
}

/**
 * While a device has several copies, each takes the link over in its turn, since each redials as soon as it is left out.
 * At the real host both connections live until one is closed as a double; the peer hears of neither change there nor here.
 */
function takeTurns(world: Meetings, link: Link, afterMs: number): void {
  if (link.ends[0].copies.length < 2 && link.ends[1].copies.length < 2) return
  const turn = ++link.swapTurn
  world.schedule(afterMs, () => {
    if (link.swapTurn !== turn || !link.holders[0]) return
    for (const end of ENDS) swap(world, link, end)
    takeTurns(world, link, NETWORK_LIMITS.doubleMs)
  })
}

function swap(world: Meetings, link: Link, end: 0 | 1): void {
  const otherEnd = end === 0 ? 1 : 0
  const [old, other, copies] = [link.holders[end], link.holders[otherEnd], link.ends[end].copies]
  const next = old && copies[(copies.indexOf(old) + 1) % copies.length]
  if (!old || !other || !next || next === old || isBanned(next, other) || !hasRoom(world, next)) return
  if (!(link.ways[0].isOpen || link.ways[1].isOpen)) return
  if (!accepts(world, next, other) || !accepts(world, other, next)) return
  const session = ++link.session
  const [deviceId, otherId] = [link.ends[end].deviceId, other.place.deviceId]
  link.holders[end] = next
  old.peers.delete(otherId)
  next.peers.set(otherId, { link, way: link.ways[end], session })
  other.peers.set(deviceId, { link, way: link.ways[otherEnd], session })
  old.onPeerGone(otherId)
  if (link.session === session) next.onPeer(otherId, other.certificate)
}

function hasRoom({ maxPeers }: Meetings, member: Member): boolean {
  return member.peers.size < maxPeers
}

/** What the real hello asks, without its proof: the chain, the role, the time. */
function accepts(world: Meetings, member: Member, peer: Member): boolean {
  const certificate = enrolChain(world.checked, member.roster, peer.certificates)
  return certificate?.roles.includes('node') === true && inForce(certificate, member.wallMs())
}

/** The last certificate of the chain; undefined when any of it is refused. What a roster holds is not checked again. */
export function enrolChain(
  checked: Meetings['checked'],
  roster: Roster,
  chain: readonly Uint8Array[],
): Certificate | undefined {
  const known = checked.get(roster) ?? new WeakMap<Uint8Array, Certificate>()
  checked.set(roster, known)
  let own: Certificate | undefined
  for (const encoded of chain) {
    own = known.get(encoded)
    if (own) continue
    const verdict = roster.enrol(encoded)
    if (verdict.kind === 'refused') return undefined
    own = verdict.certificate
    known.set(encoded, own)
  }
  return own
}

// The Network port in one process: links that lose, double, delay, starve and break, on whatever clock `schedule` stands
// for. It promises what the real one does (src/host/network.ts) and draws every chance from the dice it is given, so a seed
// is a whole world. A link is up while either direction works: with one direction cut the other side still hears, as over
// a bad radio.
import { invariant } from '../../src/errors.ts'
import { DEFAULT_MAX_PEERS } from '../../src/host/network-limits.ts'
import type { Network, Random } from '../../src/ports.ts'
import type { DeviceId } from '../../src/units.ts'
import { type NetworkObserver, senderOf, type Deliveries as World } from './delivery.ts'
import { type Islands, islandsOf } from './islands.ts'
import { GOOD_LINK, type LinkQuality } from './link.ts'
import { ban, enrolChain, join, leave, type Member, review, type SimulatedMember } from './meeting.ts'
import { createReach, healAll, type Link, linkOf, type Pair, placeOf, setCut, setGroups } from './reach.ts'

export type SimulatedNetworkDeps = {
  /** The virtual clock's: runs `task` after so many milliseconds of its time. */
  readonly schedule: (delayMs: number, task: () => void) => void
  /** Needed for rates and budgets of bytes. Without it, whoever can be reached again is found again at once. */
  readonly nowMs?: () => number
  /** Pairs that know each other's address; absent: everybody knows everybody. */
  readonly links?: readonly Pair[]
  readonly quality?: Partial<LinkQuality>
  readonly maxPeers?: number
  /** Nobody changes a message after it was sent or heard, so that no byte need be copied. */
  readonly sharesBytes?: boolean
  readonly observe?: NetworkObserver
} & (
  | { readonly random: Random }
  /** 0 <= n < 1. */
  | { readonly dice: () => number }
)

/** Messages since the start: sent + doubled = delivered + lost + overBudget + those under way. */
export type SimulatedTraffic = {
  readonly sent: number
  readonly delivered: number
  /** By the dice, a cut, a full queue, or the end of the connection that they were sent over. */
  readonly lost: number
  readonly doubled: number
  readonly overBudget: number
  /** Links looked at after changes. */
  readonly reviews: number
}

export type SimulatedNetwork = {
  /**
   * Joins the mesh. Throws when the member's own certificate is refused, or its device is attached already; unless
   * one of the two is a clone: then each peer talks to the copy that said hello last, and the copies take turns.
   */
  readonly attach: (
    member: SimulatedMember,
    options?: { readonly asClone?: boolean },
  ) => Network & { readonly close: () => void }
  /** Nothing passes from `a` to `b`, nor back unless `oneWay`. */
  readonly cut: (a: DeviceId, b: DeviceId, options?: { readonly oneWay?: boolean }) => void
  readonly mend: (a: DeviceId, b: DeviceId) => void
  /** Two devices hear each other while they share a group; whoever is in none is alone. Replaces an earlier split. */
  readonly split: (groups: readonly (readonly DeviceId[])[]) => void
  /** Undoes the split, and nothing else. */
  readonly unsplit: () => void
  /** Nothing passes to or from this device. */
  readonly isolate: (device: DeviceId) => void
  readonly rejoin: (device: DeviceId) => void
  /** Undoes every cut, split and isolation; qualities stay. */
  readonly heal: () => void
  /** For one pair, both ways; without a pair for every link that has no quality of its own. */
  readonly shape: (quality: Partial<LinkQuality>, pair?: Pair) => void
  /** The pair is as all links again; without a pair all links are as at creation. */
  readonly reshape: (pair?: Pair) => void
  /** Takes so many bytes a second from each peer; undefined: as fast as they come. */
  readonly slowReader: (device: DeviceId, bytesPerS: number | undefined) => void
  readonly stats: () => SimulatedTraffic
  /** As `traffic()` of all processes that the device ever had. */
  readonly bytesOf: (device: DeviceId) => { readonly receivedBytes: number; readonly sentBytes: number }
  /** Components of attached devices, over connections that carry both ways now. */
  readonly islands: () => number
  readonly componentOf: () => ReadonlyMap<DeviceId, number>
  /** Grows with every change of who reaches whom. */
  readonly topologyVersion: () => number
}

export function createSimulatedNetwork(deps: SimulatedNetworkDeps): SimulatedNetwork {
  const atCreation = { ...GOOD_LINK, ...deps.quality }
  const world: World = {
    ...{ schedule: deps.schedule, nowMs: deps.nowMs, observe: deps.observe ?? {} },
    draw: 'dice' in deps ? deps.dice : diceOf(deps.random),
    reach: createReach(deps.links),
    maxPeers: deps.maxPeers ?? DEFAULT_MAX_PEERS,
    sharesBytes: deps.sharesBytes ?? false,
    quality: { common: atCreation },
    checked: new WeakMap(),
    counts: { version: 0, reviews: 0 },
    messages: { sent: 0, delivered: 0, lost: 0, doubled: 0, overBudget: 0 },
  }
  checkRates(world, atCreation)
  return {
    ...partitions(world),
    ...qualities(world, atCreation),
    ...figures(world),
    attach: (member, options) => attach(world, member, options?.asClone ?? false),
  }
}

function attach(
  world: World,
  options: SimulatedMember,
  isClone: boolean,
): ReturnType<SimulatedNetwork['attach']> {
  const certificate = enrolChain(world.checked, options.roster, options.certificates)
  invariant(certificate !== undefined, 'a member whose own certificate is refused')
  const place = placeOf(world.reach, certificate.deviceId)
  invariant(isClone || place.copies.every(copy => copy.isClone), 'a member that is attached already')
  const member: Member = {
    ...options,
    ...{ place, certificate, isClone, peers: new Map(), banned: new Map(), isAttached: true },
    traffic: { receivedBytes: 0, sentBytes: 0 },
  }
  join(world, member)
  return {
    send: senderOf(world, member),
    peers: () => [...member.peers.keys()],
    ban: (peer, banMs) => ban(world, member, { peer, banMs }),
    traffic: () => ({ ...member.traffic }),
    close: () => leave(world, member),
  }
}

type Partitions = 'cut' | 'mend' | 'split' | 'unsplit' | 'isolate' | 'rejoin' | 'heal'

function partitions(world: World): Pick<SimulatedNetwork, Partitions> {
  const { reach } = world
  const reviewAll = (links: Iterable<Link>): void => {
    for (const link of links) review(world, link)
  }
  const setPair = (pair: Pair, there: boolean, back: boolean | undefined): void => {
    const link = setCut(reach, pair, { there, back })
    if (link) review(world, link)
  }
  const setIsolated = (device: DeviceId, isIsolated: boolean): void => {
    const place = placeOf(reach, device)
    place.isIsolated = isIsolated
    reviewAll(place.links.values())
  }
  const setSplit = (groups: readonly (readonly DeviceId[])[] | undefined): void => {
    setGroups(reach, groups)
    reviewAll(reach.links)
  }
  return {
    cut: (a, b, options) => setPair([a, b], true, options?.oneWay ? undefined : true),
    mend: (a, b) => setPair([a, b], false, false),
    split: setSplit,
    unsplit: () => setSplit(undefined),
    isolate: device => setIsolated(device, true),
    rejoin: device => setIsolated(device, false),
    heal: () => {
      healAll(reach)
      reviewAll(reach.links)
    },
  }
}

type Qualities = 'shape' | 'reshape' | 'slowReader'

function qualities(world: World, atCreation: LinkQuality): Pick<SimulatedNetwork, Qualities> {
  const { quality, reach } = world
  return {
    shape: (change, pair) => {
      checkRates(world, change)
      if (!pair) quality.common = { ...quality.common, ...change }
      else {
        const link = linkOf(reach, pair)
        if (link) link.quality = { ...(link.quality ?? quality.common), ...change }
      }
    },
    reshape: pair => {
      const link = pair && linkOf(reach, pair)
      if (link) link.quality = undefined
      if (pair) return
      quality.common = atCreation
      for (const each of reach.links) each.quality = undefined
    },
    slowReader: (device, bytesPerS) => {
      if (bytesPerS !== undefined) checkRates(world, { bytesPerS })
      placeOf(reach, device).readsBytesPerS = bytesPerS
    },
  }
}

function checkRates({ nowMs }: World, { bytesPerS, bytesPerDay }: Partial<LinkQuality>): void {
  if (bytesPerS === undefined && bytesPerDay === undefined) return
  invariant(nowMs !== undefined, 'a rate or a budget of bytes without `nowMs`')
  invariant((bytesPerS ?? 1) > 0, `a rate of ${bytesPerS} bytes a second`)
}

type Figures = 'stats' | 'bytesOf' | 'islands' | 'componentOf' | 'topologyVersion'

function figures({ reach, counts, messages }: World): Pick<SimulatedNetwork, Figures> {
  let seen: { readonly version: number; readonly islands: Islands } | undefined
  const islands = (): Islands => {
    if (seen?.version !== counts.version) seen = { version: counts.version, islands: islandsOf(reach) }
    return seen.islands
  }
  return {
    stats: () => ({ ...messages, reviews: counts.reviews }),
    bytesOf: device => ({ receivedBytes: 0, sentBytes: 0, ...reach.places.get(device)?.traffic }),
    islands: () => islands().count,
    componentOf: () => islands().componentOf,
    topologyVersion: () => counts.version,
  }
}

/** 0 <= n < 1, of three drawn bytes. */
function diceOf(random: Random): () => number {
  return () => {
    const [a = 0, b = 0, c = 0] = random.bytes(3)
    return (a * 65_536 + b * 256 + c) / 16_777_216
  }
}

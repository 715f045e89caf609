// Who may reach whom: the devices of a mesh, the pairs that know each other's address, and what stands between them.
// Cuts, splits and isolations are kept apart, so that undoing one leaves the others. Everything hangs on the pair that it
// concerns, so a change costs the pairs that it touches and never all pairs of nodes.
import type { DeviceId } from '../../src/units.ts'
import { emptyLine, type Line, type LinkQuality } from './link.ts'
import type { Member } from './meeting.ts'

/** A device, whether or not a process runs on it. */
export type Place = {
  readonly deviceId: DeviceId
  readonly index: number
  readonly links: Map<DeviceId, Link>
  /** Processes under this id, oldest first; several only while the device is cloned. */
  readonly copies: Member[]
  /** Groups of the present split, ascending. */
  groups: readonly number[]
  isIsolated: boolean
  readsBytesPerS: number | undefined
  /** Over all its processes. */
  readonly traffic: { receivedBytes: number; sentBytes: number }
}

/** One direction of a link. */
export type Way = Line & {
  readonly from: Place
  readonly to: Place
  /** Which end of the link receives. */
  readonly toEnd: 0 | 1
  isCut: boolean
  /** Messages pass: kept up to date by the review of the link. */
  isOpen: boolean
  /** Its sender's patience runs out. */
  isStalling: boolean
}

/** Two devices that know each other's address. */
export type Link = {
  readonly ends: readonly [Place, Place]
  /** From the first end to the second, and back. */
  readonly ways: readonly [Way, Way]
  /** The processes that are connected over it; both or none. */
  readonly holders: [Member | undefined, Member | undefined]
  /** Undefined: as all links. */
  quality: LinkQuality | undefined
  /** Grows with each connection and its end: what was sent over an earlier one arrives nowhere. */
  session: number
  awaits: 'hello' | 'silence' | undefined
  /** Grows when what is awaited changes, so that a task of before does nothing. */
  turn: number
  /** Likewise for copies of a cloned device that take the link over from one another. */
  swapTurn: number
  /** Since when its ends look for each other. */
  lostAtMs: number
}

export type Reach = {
  readonly places: Map<DeviceId, Place>
  readonly links: Link[]
  /** Nobody said who knows whom: everybody knows everybody. */
  readonly isFullMesh: boolean
  groupsOf: ReadonlyMap<DeviceId, readonly number[]> | undefined
}

export type Pair = readonly [DeviceId, DeviceId]

export function createReach(pairs: readonly Pair[] | undefined): Reach {
  const isFullMesh = pairs === undefined
  const reach: Reach = { places: new Map(), links: [], isFullMesh, groupsOf: undefined }
  for (const [a, b] of pairs ?? []) introduce(reach, placeOf(reach, a), placeOf(reach, b))
  return reach
}

/** The place of a device, made when it is heard of for the first time. */
export function placeOf(reach: Reach, deviceId: DeviceId): Place {
  const held = reach.places.get(deviceId)
  if (held) return held
  const place: Place = {
    ...{ deviceId, index: reach.places.size, links: new Map(), copies: [] },
    ...{ groups: reach.groupsOf?.get(deviceId) ?? [], isIsolated: false, readsBytesPerS: undefined },
    traffic: { receivedBytes: 0, sentBytes: 0 },
  }
  if (reach.isFullMesh) for (const other of reach.places.values()) introduce(reach, other, place)
  reach.places.set(deviceId, place)
  return place
}

function introduce(reach: Reach, a: Place, b: Place): void {
  if (a === b || a.links.has(b.deviceId)) return
  const still = { isCut: false, isOpen: true, isStalling: false }
  const link: Link = {
    ends: [a, b],
    ways: [
      { ...emptyLine(), from: a, to: b, toEnd: 1, ...still },
      { ...emptyLine(), from: b, to: a, toEnd: 0, ...still },
    ],
    holders: [undefined, undefined],
    ...{ quality: undefined, session: 0, awaits: undefined, turn: 0, swapTurn: 0, lostAtMs: 0 },
  }
  a.links.set(b.deviceId, link)
  b.links.set(a.deviceId, link)
  reach.links.push(link)
}

/** Undefined when the two do not know each other. */
export function linkOf(reach: Reach, [a, b]: Pair): Link | undefined {
  return placeOf(reach, a).links.get(placeOf(reach, b).deviceId)
}

/** From the first of the pair to the second, and back; undefined leaves a direction as it is. */
export type Cut = { readonly there: boolean; readonly back: boolean | undefined }

/** Says which link it was about; undefined when the two do not know each other. */
export function setCut(reach: Reach, pair: Pair, cut: Cut): Link | undefined {
  const link = linkOf(reach, pair)
  for (const way of link?.ways ?? [])
    way.isCut = (way.from.deviceId === pair[0] ? cut.there : cut.back) ?? way.isCut
  return link
}

/** Two devices hear each other while they share a group; whoever is in no group is alone. Undefined: all do. */
export function setGroups(reach: Reach, groups: readonly (readonly DeviceId[])[] | undefined): void {
  reach.groupsOf = groups && groupsOf(groups)
  for (const place of reach.places.values()) place.groups = reach.groupsOf?.get(place.deviceId) ?? []
}

function groupsOf(groups: readonly (readonly DeviceId[])[]): ReadonlyMap<DeviceId, readonly number[]> {
  const found = new Map<DeviceId, number[]>()
  for (const [i, group] of groups.entries())
    for (const deviceId of group) {
      const held = found.get(deviceId)
      if (!held) found.set(deviceId, [i])
      else if (held.at(-1) !== i) held.push(i)
    }
  return found
}

export function healAll(reach: Reach): void {
  setGroups(reach, undefined)
  for (const place of reach.places.values()) place.isIsolated = false
  for (const link of reach.links) for (const way of link.ways) way.isCut = false
}

/** Whether messages pass now, by all that stands between the two. */
export function passes(reach: Reach, { isCut, from, to }: Way): boolean {
  if (isCut || from.isIsolated || to.isIsolated) return false
  return reach.groupsOf === undefined || meets(from.groups, to.groups)
}

/** Both ascending. */
function meets(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x, y] = [a[i] as number, b[j] as number]
    if (x === y) return true
    if (x < y) i++
    else j++
  }
  return false
}

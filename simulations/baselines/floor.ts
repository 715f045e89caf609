// Drivers, charge points and sessions, the same under every design: a driver taps on arrival, an accepted one charges until
// leaving, a power cut ends a session at its meter. The charge points are those of our own site (simulations/station): a queue
// in memory that survives power cuts, in order, every message sent again until it is heard. What a design hears, accepts and
// keeps is its rules' affair.
import { energyTakenWh } from '../charger/battery.ts'
import { type Dice, seededRandom } from '../dice.ts'
import type { Service } from '../outcome.ts'
import type { ChargerPlan, Quirk, Visit } from '../plan.ts'
import { createHeap } from '../world/heap.ts'
import type { Ground } from './ground.ts'

/** OCPP.md names no size. As simulations/station/queue.ts: 5,000 messages, of which readings make room for starts and stops. */
export const MAX_QUEUED_SESSIONS = 2500

export type Rules = {
  /** Whoever decides and bills hears this charge point, and answers. */
  readonly hears: (charger: number, atMs: number) => boolean
  /** ... and can write down what it says. */
  readonly records: (charger: number, atMs: number) => boolean
  /** As whoever decides knows it then. */
  readonly accepts: (card: number, atMs: number) => boolean
  /** The charge point alone, when nobody hears it. */
  readonly alone: (point: Point, card: number, atMs: number) => boolean
  /** How often a start that was heard is not answered; undefined where one that comes again is known for what it is. */
  readonly unansweredRate?: (charger: number, atMs: number) => number
  /** Whether a record that was heard whole was destroyed all the same. */
  readonly destroyed: (session: Heard) => boolean
  readonly maxQueuedSessions?: number
}

/** A charge point as far as it decides alone. */
export type Point = {
  readonly number: number
  readonly plan: ChargerPlan
  /** Cards that were accepted here, until one is refused here (OCPP 1.6, authorization cache). */
  readonly cards: Set<number>
  /** When it was heard last. */
  heardAtMs: number
}

export type Heard = { readonly startHeardAtMs: number; readonly stopHeardAtMs: number }

type Session = {
  readonly visit: Visit
  readonly index: number
  readonly startedAtMs: number
  endedAtMs?: number
  energyWh: number
  startHeardAtMs?: number
  stopHeardAtMs?: number
  isForgotten: boolean
  isDoubled: boolean
}
type Guest = { readonly visit: Visit; session: Session | undefined }
type Place = {
  readonly point: Point
  readonly guests: (Guest | undefined)[]
  /** Sessions of which somebody must still hear something. */
  readonly waiting: Session[]
  readonly sessions: Session[]
  isPowered: boolean
  isHeard: boolean
}
type Outcome = 'served' | 'refused' | 'turned-away'
type Floor = {
  readonly ground: Ground
  readonly rules: Rules
  readonly places: readonly Place[]
  readonly outcomes: Map<number, Outcome>
  readonly dice: Dice
  readonly later: (atMs: number, task: () => void) => void
}

/** The whole plan under these rules. The same plan gives the same figures. */
export function serve(ground: Ground, rules: Rules): Service {
  const { plan } = ground
  const heap = createHeap()
  const floor: Floor = {
    ...{ ground, rules, outcomes: new Map(), places: plan.chargers.map(placeOf) },
    ...{ dice: seededRandom(plan.seed).fork('baseline'), later: heap.push },
  }
  for (const atMs of ground.changes) heap.push(atMs, () => review(floor, atMs))
  for (const fault of plan.faults)
    if (fault.kind === 'charger-replays' && fault.times > 0)
      heap.push(fault.atMs, () => replay(floor, fault.charger))
  for (const [index, visit] of plan.visits.entries())
    heap.push(visit.atMs, () => arrive(floor, { visit, index }))
  for (let next = heap.pop(Number.MAX_SAFE_INTEGER); next; next = heap.pop(Number.MAX_SAFE_INTEGER))
    next.task()
  return counted(floor)
}

function placeOf(plan: ChargerPlan, i: number): Place {
  return {
    point: { number: i + 1, plan, cards: new Set(), heardAtMs: 0 },
    guests: Array.from({ length: plan.connectors }, () => undefined),
    ...{ waiting: [], sessions: [], isPowered: true, isHeard: false },
  }
}

function has(place: Place, quirk: Quirk): boolean {
  return place.point.plan.quirks.includes(quirk)
}

/** Something in the world changed: power first, then everybody leaves if this is the end, then what can be heard now. */
function review(floor: Floor, atMs: number): void {
  const { ground, rules } = floor
  for (const place of floor.places) {
    const { number } = place.point
    const isPowered = ground.isPowered(number, atMs)
    if (place.isPowered && !isPowered) cutPower(place, atMs)
    place.isPowered = isPowered
    const isHeard = isPowered && rules.hears(number, atMs)
    // What the operator says is a change too, so nothing is said between this and the end of the contact.
    if (isHeard) place.point.heardAtMs = atMs
    place.isHeard = isHeard
    if (atMs >= ground.plan.durationMs)
      for (const guest of place.guests) if (guest) leave(floor, place, guest, atMs)
    deliver(floor, place, atMs)
  }
}

function cutPower(place: Place, atMs: number): void {
  for (const { session } of place.guests.filter(guest => guest !== undefined))
    if (session && session.endedAtMs === undefined) {
      end(session, atMs)
      session.isForgotten = has(place, 'forgets-session')
    }
}

function end(session: Session, atMs: number): void {
  session.endedAtMs = atMs
  session.energyWh = Math.floor(energyTakenWh(session.visit.battery, (atMs - session.startedAtMs) / 1000))
}

function leave(floor: Floor, place: Place, guest: Guest, atMs: number): void {
  const seat = guest.visit.connector - 1
  if (place.guests[seat] !== guest) return
  place.guests[seat] = undefined
  if (guest.session && guest.session.endedAtMs === undefined) end(guest.session, atMs)
  deliver(floor, place, atMs)
}

/** Says what waits, in order, if somebody hears it and can write it down. */
function deliver(floor: Floor, place: Place, atMs: number): void {
  const { rules } = floor
  const { number } = place.point
  if (!place.isPowered || !place.isHeard || !rules.records(number, atMs)) return
  for (const session of place.waiting) {
    if (session.startHeardAtMs === undefined) hearStart(floor, place, session, atMs)
    if (session.endedAtMs !== undefined && !session.isForgotten) session.stopHeardAtMs ??= atMs
  }
  const open = place.waiting.filter(one => one.stopHeardAtMs === undefined && !one.isForgotten)
  place.waiting.splice(0, place.waiting.length, ...open)
}

/** A start of a card that is not accepted ends the session (OCPP 1.6, StopTransactionOnInvalidId), and the driver drives off. */
function hearStart(floor: Floor, place: Place, session: Session, atMs: number): void {
  const { rules, dice } = floor
  const { card, connector } = session.visit
  session.startHeardAtMs = atMs
  const rate = rules.unansweredRate?.(place.point.number, atMs) ?? 0
  if (dice.fork(`start ${session.index}`).chance(rate)) session.isDoubled = true
  if (rules.accepts(card, atMs)) {
    place.point.cards.add(card)
    return
  }
  place.point.cards.delete(card)
  if (session.endedAtMs !== undefined) return
  end(session, atMs)
  place.guests[connector - 1] = undefined
  if (session.energyWh === 0) floor.outcomes.set(session.index, 'refused')
}

/** What it ever said of a session is said again: a start that comes again is another one to whoever keeps no key. */
function replay({ places, rules }: Floor, charger: number): void {
  for (const session of places[charger - 1]?.sessions ?? [])
    if (rules.unansweredRate && session.startHeardAtMs !== undefined) session.isDoubled = true
}

type Coming = { readonly visit: Visit; readonly index: number }

function arrive(floor: Floor, { visit, index }: Coming): void {
  const { ground, rules } = floor
  const { atMs, card, connector } = visit
  const place = floor.places[visit.charger - 1]
  const seat = connector - 1
  const isFree = place !== undefined && seat < place.guests.length && place.guests[seat] === undefined
  if (!place?.isPowered || !isFree || atMs >= ground.plan.durationMs) {
    floor.outcomes.set(index, 'turned-away')
    return
  }
  const { point } = place
  const accepted = place.isHeard ? rules.accepts(card, atMs) : rules.alone(point, card, atMs)
  if (place.isHeard && accepted) point.cards.add(card)
  if (place.isHeard && !accepted) point.cards.delete(card)
  floor.outcomes.set(index, accepted ? 'served' : 'refused')
  if (!accepted) return
  const session: Session = {
    ...{ visit, index, startedAtMs: atMs, energyWh: 0, isForgotten: false, isDoubled: false },
  }
  const guest: Guest = { visit, session }
  place.guests[seat] = guest
  place.sessions.push(session)
  if (place.waiting.length < (rules.maxQueuedSessions ?? MAX_QUEUED_SESSIONS)) place.waiting.push(session)
  deliver(floor, place, atMs)
  floor.later(atMs + visit.stayMs, () => leave(floor, place, guest, atMs + visit.stayMs))
}

function counted({ ground, rules, places, outcomes }: Floor): Service {
  const { plan } = ground
  const count = { served: 0, refusedWrongly: 0, refusedRightly: 0, servedWrongly: 0, turnedAway: 0 }
  for (const [index, visit] of plan.visits.entries()) {
    const isGood = ground.isGood(visit.card, visit.atMs)
    const outcome = outcomes.get(index)
    if (outcome === 'served') count[isGood ? 'served' : 'servedWrongly'] += 1
    else if (outcome === 'refused') count[isGood ? 'refusedWrongly' : 'refusedRightly'] += 1
    else count.turnedAway += 1
  }
  const sessions = places.flatMap(place => place.sessions)
  // As for our own site: what the charge point itself forgot is nobody's loss, and whoever took nothing owes nothing.
  const owed = sessions.filter(session => session.energyWh > 0 && !session.isForgotten)
  const lost = owed.filter(session => isLost(rules, session))
  return {
    ...{ drivers: plan.visits.length, ...count, sessions: sessions.length, lostSessions: lost.length },
    lostWh: lost.reduce((sum, session) => sum + session.energyWh, 0),
    doubleBills: owed.filter(session => session.isDoubled && !lost.includes(session)).length,
  }
}

function isLost(rules: Rules, { startHeardAtMs, stopHeardAtMs }: Session): boolean {
  if (startHeardAtMs === undefined || stopHeardAtMs === undefined) return true
  return rules.destroyed({ startHeardAtMs, stopHeardAtMs })
}

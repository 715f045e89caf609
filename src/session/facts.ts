// What the logs say of sessions, kept as sets: the order in which logs arrive must not matter, so nothing is
// decided here. `fold.ts` turns one charger's facts into sessions.
import type { AnyBody, BodyOf, EventName, EventRef } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { ChargerId, DeviceId, SessionId } from '../units.ts'
import { clockedAt } from './clock.ts'
import { type Curve, NO_CURVE, withReading } from './curve.ts'
import { type Extremes, NO_EXTREMES, registerOf, withRegister } from './registers.ts'

/** One event about a session, with the place and the device that recorded it. */
export type Fact<N extends EventName> = {
  readonly ref: EventRef
  readonly hlc: Hlc
  readonly deviceId: DeviceId
  readonly body: BodyOf<N>
}

/** Ticks of one session or one wire transaction in one log, summed up: registers, not differences, so doubles cannot inflate. */
export type TickSummary = {
  count: number
  newest: Fact<'meter_tick'>
  /** The newest that holds a register. */
  register: Fact<'meter_tick'> | undefined
  extremes: Extremes
  curve: Curve
  /** The newest that holds a state of charge; chargers send it seldomer than the register, or apart from it. */
  soc: Fact<'meter_tick'> | undefined
}

/** What names a session and no charger. One shelf a session, shared by every charger that claims it, so order does not matter. */
type Shelf = {
  readonly pricings: Fact<'pricing'>[]
  readonly states: Fact<'session_state'>[]
  readonly marks: Fact<'reconciliation_mark'>[]
}

export type SessionFacts = Shelf & {
  readonly sessionId: SessionId
  readonly starts: Fact<'session_start'>[]
  readonly ends: Fact<'session_end'>[]
  readonly adoptions: Fact<'adoption'>[]
  readonly cards: Fact<'session_card'>[]
  readonly ticks: Map<string, TickSummary>
}

export type ChargerFacts = {
  readonly chargerId: ChargerId
  readonly sessions: Map<SessionId, SessionFacts>
  /** Recorded by a node that did not know the start; joined by the fold. */
  readonly orphanEnds: Fact<'session_end'>[]
  readonly orphanTicks: Map<string, TickSummary>
}

export type FactSet = {
  readonly chargers: Map<ChargerId, ChargerFacts>
  readonly shelves: Map<SessionId, Shelf>
  /** Chargers that have a word about a session; more than one only when a node has lied. */
  readonly claims: Map<SessionId, Set<ChargerId>>
}

export function emptyFacts(): FactSet {
  return { chargers: new Map(), shelves: new Map(), claims: new Map() }
}

/** Earlier first: by hybrid clock, then by place, so that every node sorts alike. */
export function byTime(a: Fact<EventName>, b: Fact<EventName>): number {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  if (a.ref.logId !== b.ref.logId) return a.ref.logId < b.ref.logId ? -1 : 1
  return a.ref.seq - b.ref.seq
}

/** Earlier sample first: queued readings may arrive behind live ones. Without a set clock, the time of recording. */
export function bySample(a: Fact<'meter_tick'>, b: Fact<'meter_tick'>): number {
  return sampledAt(a) - sampledAt(b) || byTime(a, b)
}

/** By the charger's clock where that was set, else when it was recorded. */
export function sampledAt(tick: Fact<'meter_tick'>): number {
  return clockedAt(tick.body.sampledAt) ?? wallOf(tick.hlc)
}

/** Adds one event; answers the chargers whose sessions may have changed. Each event is given once. */
export function addFact(
  set: FactSet,
  event: LogEvent,
  said: AnyBody,
  deviceId: DeviceId,
): readonly ChargerId[] {
  const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
  const fact = <N extends EventName>(body: BodyOf<N>): Fact<N> => ({ ref, hlc: event.hlc, deviceId, body })
  switch (said.name) {
    case 'session_start':
      sessionFacts(set, said.body.chargerId, said.body.sessionId).starts.push(
        fact<'session_start'>(said.body),
      )
      return [said.body.chargerId]
    case 'session_end': {
      const { sessionId, chargerId } = said.body
      const home = sessionId
        ? sessionFacts(set, chargerId, sessionId).ends
        : chargerFacts(set, chargerId).orphanEnds
      home.push(fact<'session_end'>(said.body))
      return [chargerId]
    }
    case 'meter_tick':
      addTick(set, fact<'meter_tick'>(said.body))
      return [said.body.chargerId]
    case 'adoption':
      sessionFacts(set, said.body.chargerId, said.body.sessionId).adoptions.push(fact<'adoption'>(said.body))
      return [said.body.chargerId]
    case 'session_card':
      sessionFacts(set, said.body.chargerId, said.body.sessionId).cards.push(fact<'session_card'>(said.body))
      return [said.body.chargerId]
    case 'pricing':
      shelf(set, said.body.sessionId).pricings.push(fact<'pricing'>(said.body))
      return [...(set.claims.get(said.body.sessionId) ?? [])]
    case 'session_state':
      shelf(set, said.body.sessionId).states.push(fact<'session_state'>(said.body))
      return [...(set.claims.get(said.body.sessionId) ?? [])]
    case 'reconciliation_mark':
      shelf(set, said.body.sessionId).marks.push(fact<'reconciliation_mark'>(said.body))
      return [...(set.claims.get(said.body.sessionId) ?? [])]
    default:
      return []
  }
}

function shelf(set: FactSet, sessionId: SessionId): Shelf {
  const held = set.shelves.get(sessionId)
  if (held) return held
  const made: Shelf = { pricings: [], states: [], marks: [] }
  set.shelves.set(sessionId, made)
  return made
}

function chargerFacts(set: FactSet, chargerId: ChargerId): ChargerFacts {
  const held = set.chargers.get(chargerId)
  if (held) return held
  const made: ChargerFacts = { chargerId, sessions: new Map(), orphanEnds: [], orphanTicks: new Map() }
  set.chargers.set(chargerId, made)
  return made
}

function sessionFacts(set: FactSet, chargerId: ChargerId, sessionId: SessionId): SessionFacts {
  const charger = chargerFacts(set, chargerId)
  const held = charger.sessions.get(sessionId)
  if (held) return held
  const made: SessionFacts = {
    ...shelf(set, sessionId),
    sessionId,
    starts: [],
    ends: [],
    adoptions: [],
    cards: [],
    ticks: new Map(),
  }
  charger.sessions.set(sessionId, made)
  set.claims.set(sessionId, (set.claims.get(sessionId) ?? new Set()).add(chargerId))
  return made
}

function addTick(set: FactSet, fact: Fact<'meter_tick'>): void {
  const { sessionId, chargerId, connectorId, transactionId } = fact.body
  const shelf = sessionId
    ? sessionFacts(set, chargerId, sessionId).ticks
    : chargerFacts(set, chargerId).orphanTicks
  const name = sessionId ? fact.ref.logId : `${fact.ref.logId}/${connectorId}/${transactionId}`
  const held = shelf.get(name)
  const read = registerOf(fact)
  const register = read && fact
  const soc = fact.body.socPercent === undefined ? undefined : fact
  if (!held) {
    const extremes = read ? withRegister(NO_EXTREMES, read) : NO_EXTREMES
    const curve = read ? withReading(NO_CURVE, read) : NO_CURVE
    shelf.set(name, { count: 1, newest: fact, register, soc, extremes, curve })
    return
  }
  held.count += 1
  if (bySample(held.newest, fact) < 0) held.newest = fact
  if (register && (!held.register || bySample(held.register, register) < 0)) held.register = register
  if (read) held.extremes = withRegister(held.extremes, read)
  if (read) held.curve = withReading(held.curve, read)
  if (soc && (!held.soc || bySample(held.soc, soc) < 0)) held.soc = soc
}

// What the logs say of sessions, kept as sets: the order in which logs arrive must not matter, so nothing is
// decided here. `fold.ts` turns one charger's facts into sessions.
import type { AnyBody, BodyOf, EventName, EventRef } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { ChargerId, DeviceId, SessionId } from '../units.ts'
import { clockedAt } from './clock.ts'

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
  maxEnergyWh: number | undefined
}

export type SessionFacts = {
  readonly sessionId: SessionId
  readonly starts: Fact<'session_start'>[]
  readonly ends: Fact<'session_end'>[]
  readonly pricings: Fact<'pricing'>[]
  readonly adoptions: Fact<'adoption'>[]
  readonly states: Fact<'session_state'>[]
  readonly marks: Fact<'reconciliation_mark'>[]
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
  /** Events about a session whose start, and so whose charger, is not known yet. */
  readonly homeless: Map<SessionId, (Fact<'pricing'> | Fact<'session_state'> | Fact<'reconciliation_mark'>)[]>
  readonly chargerOf: Map<SessionId, ChargerId>
}

export function emptyFacts(): FactSet {
  return { chargers: new Map(), homeless: new Map(), chargerOf: new Map() }
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

function sampledAt(tick: Fact<'meter_tick'>): number {
  return clockedAt(tick.body.sampledAt) ?? wallOf(tick.hlc)
}

/** Adds one event; answers the charger whose sessions may have changed. Each event is given once. */
export function addFact(
  set: FactSet,
  event: LogEvent,
  said: AnyBody,
  deviceId: DeviceId,
): ChargerId | undefined {
  const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
  const fact = <N extends EventName>(body: BodyOf<N>): Fact<N> => ({ ref, hlc: event.hlc, deviceId, body })
  switch (said.name) {
    case 'session_start': {
      const facts = sessionFacts(set, said.body.chargerId, said.body.sessionId)
      facts.starts.push(fact<'session_start'>(said.body))
      return said.body.chargerId
    }
    case 'session_end': {
      const { sessionId, chargerId } = said.body
      const home = sessionId
        ? sessionFacts(set, chargerId, sessionId).ends
        : chargerFacts(set, chargerId).orphanEnds
      home.push(fact<'session_end'>(said.body))
      return chargerId
    }
    case 'meter_tick':
      addTick(set, fact<'meter_tick'>(said.body))
      return said.body.chargerId
    case 'adoption':
      sessionFacts(set, said.body.chargerId, said.body.sessionId).adoptions.push(fact<'adoption'>(said.body))
      return said.body.chargerId
    case 'pricing':
      return place(set, said.body.sessionId, fact<'pricing'>(said.body), facts => facts.pricings)
    case 'session_state':
      return place(set, said.body.sessionId, fact<'session_state'>(said.body), facts => facts.states)
    case 'reconciliation_mark':
      return place(set, said.body.sessionId, fact<'reconciliation_mark'>(said.body), facts => facts.marks)
    default:
      return undefined
  }
}

/** Pricing, states and marks name no charger: they wait until something about their session does. */
function place<F extends Fact<'pricing'> | Fact<'session_state'> | Fact<'reconciliation_mark'>>(
  set: FactSet,
  sessionId: SessionId,
  fact: F,
  shelf: (facts: SessionFacts) => F[],
): ChargerId | undefined {
  const chargerId = set.chargerOf.get(sessionId)
  if (chargerId === undefined) {
    const waiting = set.homeless.get(sessionId) ?? []
    waiting.push(fact)
    set.homeless.set(sessionId, waiting)
    return undefined
  }
  shelf(sessionFacts(set, chargerId, sessionId)).push(fact)
  return chargerId
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
    sessionId,
    starts: [],
    ends: [],
    pricings: [],
    adoptions: [],
    states: [],
    marks: [],
    ticks: new Map(),
  }
  charger.sessions.set(sessionId, made)
  set.chargerOf.set(sessionId, chargerId)
  for (const fact of set.homeless.get(sessionId) ?? []) {
    if ('tariff' in fact.body) made.pricings.push(fact as Fact<'pricing'>)
    else if ('state' in fact.body) made.states.push(fact as Fact<'session_state'>)
    else made.marks.push(fact as Fact<'reconciliation_mark'>)
  }
  set.homeless.delete(sessionId)
  return made
}

function addTick(set: FactSet, fact: Fact<'meter_tick'>): void {
  const { sessionId, chargerId, connectorId, transactionId } = fact.body
  const shelf = sessionId
    ? sessionFacts(set, chargerId, sessionId).ticks
    : chargerFacts(set, chargerId).orphanTicks
  const name = sessionId ? fact.ref.logId : `${fact.ref.logId}/${connectorId}/${transactionId}`
  const held = shelf.get(name)
  if (!held) {
    shelf.set(name, { count: 1, newest: fact, maxEnergyWh: fact.body.energyWh })
    return
  }
  held.count += 1
  if (bySample(held.newest, fact) < 0) held.newest = fact
  const energyWh = fact.body.energyWh
  if (energyWh !== undefined) held.maxEnergyWh = Math.max(held.maxEnergyWh ?? energyWh, energyWh)
}

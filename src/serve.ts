// One charger's message becomes events to record and an answer to give. Pure: it reads the view and decides, node.ts
// records first and answers then. Nothing that a charger reports is refused here: a start with a blocked card, a
// stop that nobody knows, a reading from last week have happened and are written down (OCPP 1.6 section 3.7.1).
import type { Decision } from './authorization/decide.ts'
import { type CardContext, decideFor, groupOf, refusal } from './card.ts'
import type { AnyBody } from './log/body.ts'
import type { ChargerAnswer, ChargerInput, ChargerMessage, MeterReading } from './ports.ts'
import { recordable } from './recordable.ts'
import { clockedAt, happenedAt } from './session/clock.ts'
import type { Session } from './session/fold.ts'
import { sessionIdOf, transactionIdOf } from './session/id.ts'
import { isDuring } from './session/times.ts'
import type { ChargerId, DeviceId, SessionId, TokenRef } from './units.ts'
import type { View } from './view.ts'

export type ServeContext = {
  readonly view: View
  /** Its `nowAt` is the time here, which a clock in doubt is not asked for. */
  readonly card: CardContext
  readonly self: DeviceId
  /** The last status each connector reported, as `chargerId/connectorId`. */
  readonly statusOf: (chargerId: ChargerId, connectorId: number) => string | undefined
  readonly heartbeatS: number
  /** Seals to the operator what may be read by nobody here; undefined when no operator's key is known. */
  readonly seal: (plain: string) => Uint8Array | undefined
}

export type Served = {
  readonly bodies: readonly AnyBody[]
  readonly answer: ChargerAnswer
  /** What was decided about a card, if this was decided now. */
  readonly decision?: Decision
}

const NOTED: ChargerAnswer = { kind: 'noted' }
const CLOCK = 'rtc' as const

export function serve(context: ServeContext, given: ChargerInput): Served {
  const input = { ...given, message: recordable(given.message) }
  const { message } = input
  switch (message.kind) {
    case 'boot':
    case 'heartbeat':
      return noted({ kind: 'booted', nowAt: context.card.nowAt, heartbeatS: context.heartbeatS })
    case 'connected':
    case 'disconnected':
    case 'dataTransfer':
      return noted(NOTED)
    case 'authorize':
      return authorize(context, input, message.tokenRef)
    case 'status':
      return serveStatus(context, input, message)
    case 'start':
      return serveStart(context, input, message)
    case 'meter':
      return serveMeter(context, input, message)
    case 'stop':
      return serveStop(context, input, message)
  }
}

function noted(answer: ChargerAnswer): Served {
  return { bodies: [], answer }
}

function authorize(context: ServeContext, { chargerId }: ChargerInput, tokenRef: TokenRef): Served {
  const decision = decideFor(context.card, chargerId, tokenRef)
  const answer: ChargerAnswer = {
    kind: 'authorized',
    allowed: decision.allowed,
    ...(decision.expiresAt !== undefined && { expiresAt: decision.expiresAt }),
    ...groupOf(decision),
  }
  const bodies =
    decision.allowed === 'ALLOWED' ? [] : [refusal(context.card, decision, { chargerId, tokenRef })]
  return { bodies, answer, decision }
}

type Status = Extract<ChargerMessage, { kind: 'status' }>
const PAUSES: Readonly<Record<string, 'charging' | 'suspendedEv' | 'suspendedEvse'>> = {
  Charging: 'charging',
  SuspendedEV: 'suspendedEv',
  SuspendedEVSE: 'suspendedEvse',
}

function serveStatus(context: ServeContext, { chargerId }: ChargerInput, message: Status): Served {
  const { connectorId, status, errorCode } = message
  const before = context.statusOf(chargerId, connectorId)
  const bodies: AnyBody[] = []
  if (errorCode !== 'NoError' && before !== `${status}/${errorCode}`) {
    const detail = message.detail ?? ''
    bodies.push({ name: 'charger_error', body: { chargerId, connectorId, errorCode, status, detail } })
  }
  const state = PAUSES[status]
  const session = openAt(context, chargerId, connectorId)
  const wasState = session && (session.state === 'paused' ? 'paused' : 'charging')
  if (state && session && before !== undefined && (state === 'charging') !== (wasState === 'charging')) {
    bodies.push({
      name: 'session_state',
      body: { sessionId: session.start.body.sessionId, state, chargerStatus: status },
    })
  }
  return { bodies, answer: NOTED }
}

function openAt(context: ServeContext, chargerId: ChargerId, connectorId: number): Session | undefined {
  return context.view
    .ofCharger(chargerId)
    .sessions.findLast(session => !session.end && session.connectorId === connectorId)
}

type Start = Extract<ChargerMessage, { kind: 'start' }>

/** A start that any node has recorded is answered as it was then: same id, same verdict, no second event. */
function serveStart(context: ServeContext, input: ChargerInput, message: Start): Served {
  const { chargerId } = input
  const { connectorId, meterStartWh, startedAt, tokenRef } = message
  const sessionId = sessionIdOf({ chargerId, connectorId, meterStartWh, startedAtRaw: startedAt.raw })
  const { sessions } = context.view.ofCharger(chargerId)
  const known = sessions.findLast(session => startUnder(session, sessionId))
  const asThen = known && startUnder(known, sessionId)
  // Without a clock, the same words behind a stop may well be the next car: the fold tells it from a replay.
  if (known && asThen && !(known.end && clockedAt(startedAt) === undefined)) {
    const { transactionId, allowed } = asThen.body
    return { bodies: adoptionOf(context, input, known), answer: { kind: 'started', transactionId, allowed } }
  }
  const open = sessions.filter(session => !session.end)
  const transactionId = transactionIdOf(sessionId, id =>
    open.some(session => session.transactionIds.includes(id)),
  )
  const decision = decideFor(context.card, chargerId, tokenRef)
  const { policyAgeMs } = context.card
  const bodies: AnyBody[] = [
    {
      name: 'session_start',
      body: {
        sessionId,
        chargerId,
        connectorId,
        tokenRef,
        meterStartWh,
        startedAt,
        transactionId,
        allowed: decision.allowed,
        reason: decision.reason,
        ...(decision.grant && { grant: decision.grant }),
        policyHead: context.view.policyHeads(),
        ...(policyAgeMs !== undefined && { policyAgeMs }),
        tier: decision.tier,
        connectionId: input.connectionId,
        clock: CLOCK,
        ...(known?.end && { follows: known.end.ref }),
      },
    },
    ...pricing(context, { sessionId, startedAt: happenedAt(startedAt, context.card.nowAt) }),
  ]
  if (decision.allowed !== 'ALLOWED') bodies.push(refusal(context.card, decision, { chargerId, tokenRef }))
  const { allowed } = decision
  return { bodies, answer: { kind: 'started', transactionId, allowed, ...groupOf(decision) }, decision }
}

function startUnder(session: Session, sessionId: SessionId): Session['start'] | undefined {
  return session.starts.find(start => start.body.sessionId === sessionId)
}

/** The price is fixed at the start. Without a tariff there is no pricing event, and the session stays unpriced: never zero. */
function pricing(
  context: ServeContext,
  session: { sessionId: SessionId; startedAt: number },
): readonly AnyBody[] {
  const tariff = context.view.tariffs.inForce(session.startedAt)
  if (!tariff) return []
  const { ref, currency, pricePerKwh } = tariff
  return [{ name: 'pricing', body: { sessionId: session.sessionId, tariff: ref, currency, pricePerKwh } }]
}

/** The session that a wire id names at this charger; a charger may send ids that other nodes gave it. */
function byTransaction(
  context: ServeContext,
  chargerId: ChargerId,
  transactionId: number,
): Session | undefined {
  if (transactionId <= 0) return undefined
  return context.view
    .ofCharger(chargerId)
    .sessions.findLast(session => session.transactionIds.includes(transactionId))
}

type Meter = Extract<ChargerMessage, { kind: 'meter' }>

function serveMeter(context: ServeContext, input: ChargerInput, message: Meter): Served {
  const session =
    byTransaction(context, input.chargerId, message.transactionId ?? 0) ??
    onlyOpen(context, input.chargerId, message)
  // Outside of a session, readings without a transaction say nothing that anybody asks for.
  if (!session && message.transactionId === undefined) return noted(NOTED)
  const isNamed = message.transactionId !== undefined
  const place = { session, connectorId: message.connectorId, transactionId: message.transactionId ?? 0 }
  const ticks = message.readings.flatMap(reading =>
    session && !isNamed && !isDuring(session, reading)
      ? []
      : tickOf(input, reading, { ...place, seal: context.seal }),
  )
  if (ticks.length === 0) return noted(NOTED)
  return { bodies: [...(session ? adoptionOf(context, input, session) : []), ...ticks], answer: NOTED }
}

/** Ids of -1, 0 or none at all: the reading belongs to the one session that is open on its connector. */
function onlyOpen(context: ServeContext, chargerId: ChargerId, message: Meter): Session | undefined {
  if ((message.transactionId ?? 0) > 0) return undefined
  return openAt(context, chargerId, message.connectorId)
}

type TickPlace = {
  readonly session: Session | undefined
  readonly connectorId: number
  readonly transactionId: number
  readonly seal: ServeContext['seal']
}

function tickOf(input: ChargerInput, reading: MeterReading, place: TickPlace): readonly AnyBody[] {
  const { session, connectorId, transactionId } = place
  const last = session?.lastTick?.body
  const repeated = last?.sampledAt.raw === reading.sampledAt.raw && last.energyWh === reading.energyWh
  const empty =
    reading.energyWh === undefined && reading.powerW === undefined && reading.socPercent === undefined
  if (repeated || (empty && reading.signed === undefined)) return []
  const { sampledAt, energyWh, powerW, socPercent, signed } = reading
  const signedSealed = signed === undefined ? undefined : place.seal(signed)
  return [
    {
      name: 'meter_tick',
      body: {
        ...(session && { sessionId: session.start.body.sessionId }),
        chargerId: input.chargerId,
        connectorId,
        transactionId,
        sampledAt,
        ...(energyWh !== undefined && { energyWh }),
        ...(powerW !== undefined && { powerW }),
        ...(socPercent !== undefined && { socPercent }),
        ...(signedSealed && { signedSealed }),
        connectionId: input.connectionId,
      },
    },
  ]
}

type Stop = Extract<ChargerMessage, { kind: 'stop' }>

function serveStop(context: ServeContext, input: ChargerInput, message: Stop): Served {
  const { chargerId, connectionId } = input
  const answer: ChargerAnswer = { kind: 'stopped' }
  const { transactionId, meterStopWh, stoppedAt, reason, tokenRef } = message
  const session = byTransaction(context, chargerId, transactionId)
  const { sessions, orphanEnds } = context.view.ofCharger(chargerId)
  // An open session wants its stop, even one that was heard before: that shows the fold that its start was a replay.
  const ends = session && !session.end ? session.ends : [...orphanEnds, ...sessions.flatMap(one => one.ends)]
  const repeated = ends.some(
    ({ body }) =>
      body.transactionId === transactionId &&
      body.meterStopWh === meterStopWh &&
      body.stoppedAt.raw === stoppedAt.raw,
  )
  if (repeated) return noted(answer)
  const connectorId = session?.connectorId ?? 0
  const ticks = message.readings.flatMap(reading =>
    tickOf(input, reading, { session, connectorId, transactionId, seal: context.seal }),
  )
  const end: AnyBody = {
    name: 'session_end',
    body: {
      ...(session && { sessionId: session.start.body.sessionId }),
      chargerId,
      transactionId,
      meterStopWh,
      stoppedAt,
      reason,
      ...(tokenRef && { tokenRef }),
      connectionId,
      clock: CLOCK,
    },
  }
  return { bodies: [...(session ? adoptionOf(context, input, session) : []), ...ticks, end], answer }
}

/** The charger came from another node in mid-session (PROTOCOL 5.3): say so once. */
function adoptionOf(context: ServeContext, input: ChargerInput, session: Session): readonly AnyBody[] {
  if (session.end) return []
  const served = session.adoptions.at(-1) ?? session.start
  if (served.deviceId === context.self) return []
  const newest = session.lastTick ?? served
  const { chargerId, connectorId } = session
  const { sessionId } = session.start.body
  const chargerState = context.statusOf(chargerId, connectorId)?.split('/')[0] ?? 'unknown'
  const { connectionId } = input
  return [{ name: 'adoption', body: { sessionId, chargerId, from: newest.ref, chargerState, connectionId } }]
}

// What a charger says of a session that runs or ends: readings, states, stops.
import type { AnyBody, BodyOf } from './log/body.ts'
import type { ChargerAnswer, ChargerInput, ChargerMessage, MeterReading } from './ports.ts'
import {
  adoptionOf,
  CLOCK,
  NOTED,
  named,
  noted,
  openAt,
  type ServeContext,
  type Served,
  stateChange,
  stationSession,
} from './serving.ts'
import type { Session } from './session/fold.ts'
import { transactionIdOf } from './session/id.ts'
import { isDuring } from './session/times.ts'
import type { ChargerId, SessionId, TokenRef } from './units.ts'

type Meter = Extract<ChargerMessage, { kind: 'meter' }>

export function serveMeter(context: ServeContext, input: ChargerInput, message: Meter): Served {
  const { chargerId } = input
  const ofStation = stationSession(chargerId, message)
  const session =
    named(context, chargerId, message) ?? (ofStation ? undefined : onlyOpen(context, chargerId, message))
  const sessionId = session?.start.body.sessionId ?? ofStation
  const isNamed = ofStation !== undefined || message.transactionId !== undefined
  // Outside of a session, readings without a transaction say nothing that anybody asks for.
  if (!sessionId && !isNamed) return noted(NOTED)
  const place: TickPlace = {
    sessionId,
    // OCPP 2.0.1 names the connector in the first event only.
    connectorId: message.connectorId || (session?.connectorId ?? 0),
    transactionId: ofStation ? stationNumber(ofStation) : (message.transactionId ?? 0),
    last: session?.lastTick?.body,
    tokenRef: session?.tokenRef,
    seal: context.seal,
  }
  const ticks = message.readings.flatMap(reading =>
    session && !isNamed && !isDuring(session, reading) ? [] : tickOf(input, reading, place),
  )
  const { state, changedAt } = message
  const change = state && { state, chargerStatus: state, changedAt }
  const states = session && !session.end && change ? stateChange(context, session, change) : []
  const bodies = [...ticks, ...states]
  if (bodies.length === 0) return noted(NOTED)
  return { bodies: [...(session ? adoptionOf(context, input, session) : []), ...bodies], answer: NOTED }
}

/** The number of a transaction that its station has named; the same on every node. */
function stationNumber(sessionId: SessionId): number {
  return transactionIdOf(sessionId, () => false)
}

/** Ids of -1, 0 or none at all: the reading belongs to the one session that is open on its connector. */
function onlyOpen(context: ServeContext, chargerId: ChargerId, message: Meter): Session | undefined {
  if ((message.transactionId ?? 0) > 0) return undefined
  // Of no transaction and no connector: the meter of the whole charger, which counts for all of them.
  if (message.transactionId === undefined && message.connectorId === 0) return undefined
  return openAt(context, chargerId, message.connectorId)
}

export type TickPlace = {
  readonly sessionId: SessionId | undefined
  /** The newest reading of the session, so that a repeated one is not written again. */
  readonly last: BodyOf<'meter_tick'> | undefined
  readonly connectorId: number
  readonly transactionId: number
  /** Whose session it is, if that is known. */
  readonly tokenRef: TokenRef | undefined
  readonly seal: ServeContext['seal']
}

export function tickOf(input: ChargerInput, reading: MeterReading, place: TickPlace): readonly AnyBody[] {
  const { sessionId, last, connectorId, transactionId } = place
  const repeated = last?.sampledAt.raw === reading.sampledAt.raw && last.energyWh === reading.energyWh
  const empty =
    reading.energyWh === undefined && reading.powerW === undefined && reading.socPercent === undefined
  if (repeated || (empty && reading.signed === undefined)) return []
  const { sampledAt, energyWh, powerW, socPercent, signed } = reading
  const signedSealed = signed === undefined ? undefined : place.seal(signed, place.tokenRef)
  return [
    {
      name: 'meter_tick',
      body: {
        ...(sessionId && { sessionId }),
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

export function serveStop(context: ServeContext, input: ChargerInput, message: Stop): Served {
  const { chargerId, connectionId } = input
  const answer: ChargerAnswer = { kind: 'stopped' }
  const { meterStopWh, stoppedAt, reason, tokenRef } = message
  const ofStation = stationSession(chargerId, message)
  const transactionId = ofStation ? stationNumber(ofStation) : message.transactionId
  const session = named(context, chargerId, message)
  const sessionId = session?.start.body.sessionId ?? ofStation
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
  const last = session?.lastTick?.body
  const place = { sessionId, connectorId, transactionId, last, tokenRef: session?.tokenRef ?? tokenRef }
  const ticks = message.readings.flatMap(reading => tickOf(input, reading, { ...place, seal: context.seal }))
  const end: AnyBody = {
    name: 'session_end',
    body: {
      ...(sessionId && { sessionId }),
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

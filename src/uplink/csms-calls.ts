// What an existing central system is told of a charger's sessions: one translator for each version of OCPP, all of them pure.
// The forwarder (forwarder.ts) decides what is said next, writes it down before it leaves, and remembers what was answered.
import { tokenTypeOf } from '../ocpp/token-type.ts'
import type { SessionId } from '../units.ts'
import type { UpstreamCall as Call, UpstreamPayload as Payload } from '../upstream.ts'

export type { Call, Payload }

/** In a call, for the card's own id: it is put in as the call leaves (`withCard`), and stands in no log of ours. */
export const CARD = '%card%'
/** For what kind of card it is (OCPP 2.0.1). */
export const CARD_TYPE = '%card-type%'

/** What a central system knows of a charger before it is told of sessions. */
export type ToldCharger = {
  readonly vendor: string
  readonly model: string
  readonly firmware?: string
  readonly connectors: readonly { readonly connectorId: number; readonly isCharging: boolean }[]
  /** RFC 3339, as all times here. */
  readonly at: string
}

/** Times as the charger said them, put right where its clock was wrong; registers as it said them. */
export type ToldSession = {
  readonly sessionId: SessionId
  readonly connectorId: number
  readonly startedAt: string
  readonly meterStartWh: number
  /** In their order; between start and stop. */
  readonly readings: readonly ToldReading[]
  readonly end?: ToldEnd
  /** OCPP 2.0.1: the station's own id of the transaction. */
  readonly stationTransactionId?: string
}
export type ToldReading = {
  readonly sampledAt: string
  readonly energyWh?: number
  readonly powerW?: number
  readonly socPercent?: number
}
export type ToldEnd = {
  readonly stoppedAt: string
  readonly meterStopWh: number
  /** One of OCPP 1.6's words. */
  readonly reason: string
  /** The session's own card ended it. */
  readonly byCard: boolean
}

/** How much of a running session was said, so that numbers go on where they stopped. */
export type SaidReadings = { readonly readings: number; readonly calls: number }

export type Heard =
  /** `upstreamId`: what the central system calls the transaction. `status`: it does not like the card; noted, no more. */
  | { readonly kind: 'taken'; readonly upstreamId?: string; readonly status?: string }
  /** It answers, and not with what was asked for. `waitS`: it wants to be asked again no sooner. */
  | { readonly kind: 'refused'; readonly reason: string; readonly waitS?: number }

export type Translator = {
  readonly subprotocol: string
  /** What each new connection begins with; nothing else is said before all of it was taken. */
  readonly greets: (charger: ToldCharger) => readonly Call[]
  readonly starts: (session: ToldSession) => Call
  /** Those after the ones that were said. Said again after a restart: they move no money. */
  readonly measures: (session: ToldSession, upstreamId: string, said: SaidReadings) => readonly Call[]
  /** Of a session with an `end`. */
  readonly ends: (session: ToldSession, upstreamId: string) => Call
  /** Of any call above; the call is the one that was sent, so that ids which we chose can be read from it. */
  readonly hears: (call: Call, answer: unknown) => Heard
}

/** The call as it leaves: the same bytes for the same words and card, whoever sends them. */
export function withCard(call: Call, idTag: string): Call {
  return { action: call.action, payload: fill(call.payload, idTag) as Payload }
}

function fill(value: unknown, idTag: string): unknown {
  if (value === CARD) return idTag
  if (value === CARD_TYPE) return tokenTypeOf(idTag)
  if (Array.isArray(value)) return value.map(one => fill(one, idTag))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, idTag)]))
}

/** As an event keeps it; the card is not in it. */
export function wordsOf({ action, payload }: Call): string {
  return JSON.stringify([action, payload])
}

/** Undefined for what no translator of ours wrote. */
export function callOf(words: string): Call | undefined {
  try {
    const [action, payload] = JSON.parse(words) as readonly unknown[]
    const isCall = typeof action === 'string' && typeof payload === 'object' && payload !== null
    return isCall ? { action, payload: payload as Payload } : undefined
  } catch {
    return undefined
  }
}

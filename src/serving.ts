// What a charger's message is served with, what comes of it, and how the session that it is about is found.
import type { Decision } from './authorization/decide.ts'
import type { CardContext } from './card.ts'
import type { AnyBody } from './log/body.ts'
import { wallOf } from './log/hlc.ts'
import type { ChargerAnswer, ChargerInput, ChargerTime, PauseState, StationTransaction } from './ports.ts'
import type { Session } from './session/fold.ts'
import { sessionIdOfStation } from './session/id.ts'
import { withinAt, wrongClockOf } from './session/times.ts'
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
  /** The card's own id, sealed, where the site wants that and this process read the card. */
  readonly sealTag?: (tokenRef: TokenRef) => Uint8Array | undefined
  /** Seals what is personal and may be read by nobody here to the card's account, else to the operator; undefined when neither's key is known. */
  readonly seal: (plain: string, tokenRef: TokenRef | undefined) => Uint8Array | undefined
}

export type Served = {
  readonly bodies: readonly AnyBody[]
  readonly answer: ChargerAnswer
  /** What was decided about a card, if this was decided now. */
  readonly decision?: Decision
}

export const NOTED: ChargerAnswer = { kind: 'noted' }
export const CLOCK = 'rtc' as const

export function noted(answer: ChargerAnswer): Served {
  return { bodies: [], answer }
}

export function openAt(
  context: ServeContext,
  chargerId: ChargerId,
  connectorId: number,
): Session | undefined {
  return context.view
    .ofCharger(chargerId)
    .sessions.findLast(session => !session.end && session.connectorId === connectorId)
}

/** As a wire message names its session: by the station's own id, or by one that a node gave. */
type Naming = StationTransaction & { readonly transactionId?: number }

/** The session that a message names at this charger; a charger may send ids that other nodes gave it. */
export function named(context: ServeContext, chargerId: ChargerId, naming: Naming): Session | undefined {
  const { sessions } = context.view.ofCharger(chargerId)
  const ofStation = stationSession(chargerId, naming)
  if (ofStation) return sessions.findLast(({ sessionId }) => sessionId === ofStation)
  const { transactionId = 0 } = naming
  if (transactionId <= 0) return undefined
  return sessions.findLast(session => session.transactionIds.includes(transactionId))
}

/** The session of the station's own transaction, known here or not. */
export function stationSession(chargerId: ChargerId, naming: StationTransaction): SessionId | undefined {
  const { stationTransactionId } = naming
  return stationTransactionId === undefined ? undefined : sessionIdOfStation(chargerId, stationTransactionId)
}

export type StateChange = {
  readonly state: PauseState
  readonly chargerStatus: string
  readonly changedAt: ChargerTime | undefined
}

/** Of one session. A charger that flaps would fill the log: behind so many only that it charges is written, once. */
export const MAX_STATES = 1000

/** A session that goes on, or pauses, when it did not before, or for another reason. */
export function stateChange(
  { card }: ServeContext,
  session: Session,
  { state, chargerStatus, changedAt }: StateChange,
): readonly AnyBody[] {
  const isKnown = stateBy(session, withinAt(wrongClockOf(session), changedAt, card.nowAt)) === state
  const room = state === 'charging' ? MAX_STATES + 1 : MAX_STATES
  if (isKnown || session.states.length >= room) return []
  const { sessionId } = session.start.body
  const body = { sessionId, state, chargerStatus, ...(changedAt && { changedAt }) }
  return [{ name: 'session_state', body }]
}

/** What was the case by then, as far as was told: what comes late stands before what is newer. */
function stateBy(session: Session, at = Number.POSITIVE_INFINITY): string {
  const wrong = wrongClockOf(session)
  let newest = { at: Number.NEGATIVE_INFINITY, state: 'charging' }
  for (const { body, hlc } of session.states) {
    const changedAt = withinAt(wrong, body.changedAt, wallOf(hlc)) ?? wallOf(hlc)
    if (changedAt <= at && changedAt >= newest.at) newest = { at: changedAt, state: body.state }
  }
  return newest.state
}

/** The charger came from another node in mid-session (PROTOCOL 5.3): say so once. */
export function adoptionOf(context: ServeContext, input: ChargerInput, session: Session): readonly AnyBody[] {
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

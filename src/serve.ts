// One charger's message becomes events to record and an answer to give. Pure: it reads the view and decides, node.ts
// records first and answers then. Nothing that a charger reports is refused here: a start with a blocked card, a
// stop that nobody knows, a reading from last week have happened and are written down (OCPP 1.6 section 3.7.1).
import type { Decision } from './authorization/decide.ts'
import { beganAt, decideFor, groupOf, placeOf, refusal } from './card.ts'
import type { AnyBody } from './log/body.ts'
import type { ChargerAnswer, ChargerInput, ChargerMessage, PauseState } from './ports.ts'
import { recordable } from './recordable.ts'
import { serveMeter, serveStop, tickOf } from './serve-readings.ts'
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
import { clockedAt, happenedAt } from './session/clock.ts'
import type { Session } from './session/fold.ts'
import { sessionIdOf, transactionIdOf } from './session/id.ts'
import type { ChargerId, SessionId, TokenRef } from './units.ts'

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
    case 'progress':
    case 'security':
      return noted(NOTED)
    case 'authorize':
      return authorize(context, input, message.tokenRef)
    case 'status':
      return serveStatus(context, input, message)
    case 'start':
      return serveStart(context, input, message)
    case 'card':
      return serveCard(context, input, message)
    case 'meter':
      return serveMeter(context, input, message)
    case 'stop':
      return serveStop(context, input, message)
  }
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
const PAUSES: ReadonlyMap<string, PauseState> = new Map([
  ['Charging', 'charging'],
  ['SuspendedEV', 'suspendedEv'],
  ['SuspendedEVSE', 'suspendedEvse'],
])

function serveStatus(context: ServeContext, { chargerId }: ChargerInput, message: Status): Served {
  const { connectorId, status, errorCode, changedAt } = message
  const before = context.statusOf(chargerId, connectorId)
  const bodies: AnyBody[] = []
  if (errorCode !== 'NoError' && before !== `${status}/${errorCode}`) {
    const detail = message.detail ?? ''
    bodies.push({ name: 'charger_error', body: { chargerId, connectorId, errorCode, status, detail } })
  }
  const state = PAUSES.get(status)
  const session = openAt(context, chargerId, connectorId)
  if (state && session && before !== undefined)
    bodies.push(...stateChange(context, session, { state, chargerStatus: status, changedAt }))
  return { bodies, answer: NOTED }
}

const NO_CARD_YET = { allowed: 'NOT_ALLOWED', reason: 'no card yet', grant: undefined } as const

type Card = Extract<ChargerMessage, { kind: 'card' }>

/** The first card that is let in makes a session its own; any other card there is only asked about, as at a reader. */
function serveCard(context: ServeContext, input: ChargerInput, message: Card): Served {
  const { chargerId, connectionId } = input
  const { tokenRef } = message
  const session = named(context, chargerId, message)
  const sessionId = session?.start.body.sessionId ?? stationSession(chargerId, message)
  const hasCard = session && (!session.start.body.cardless || session.allowed === 'ALLOWED')
  if (hasCard && !session.end && session.tokenRef === tokenRef) {
    return noted({ kind: 'authorized', allowed: session.allowed })
  }
  const served = authorize(context, input, tokenRef)
  const { decision } = served
  const isSame = session?.tokenRef === tokenRef && session.allowed === decision?.allowed
  if (hasCard || isSame || !sessionId || !decision) return served
  const { allowed, reason, grant, tier } = decision
  const { policyAgeMs } = context.card
  const tagSealed = context.sealTag?.(tokenRef)
  const card: AnyBody = {
    name: 'session_card',
    body: {
      ...{ sessionId, chargerId, tokenRef, allowed, reason, tier, connectionId },
      ...(grant && { grant }),
      policyHead: context.view.policyHeads(),
      ...(policyAgeMs !== undefined && { policyAgeMs }),
      ...(tagSealed && { tagSealed }),
    },
  }
  const isIn = decision.allowed === 'ALLOWED'
  const price = isIn ? pricingByCard(context, { session, sessionId, tokenRef }) : []
  return { ...served, bodies: [card, ...price, ...served.bodies] }
}

type Start = Extract<ChargerMessage, { kind: 'start' }>

/** A start that any node has recorded is answered as it was then: same id, same verdict, no second event. */
function serveStart(context: ServeContext, input: ChargerInput, message: Start): Served {
  const { chargerId } = input
  const { connectorId, meterStartWh, startedAt, tokenRef, stationTransactionId, readings = [] } = message
  const ofStation = stationSession(chargerId, message)
  const sessionId =
    ofStation ?? sessionIdOf({ chargerId, connectorId, meterStartWh, startedAtRaw: startedAt.raw })
  const { sessions } = context.view.ofCharger(chargerId)
  const known = sessions.findLast(session => startUnder(session, sessionId))
  const asThen = known && startUnder(known, sessionId)
  // Without a clock, the same words behind a stop may well be the next car: the fold tells it from a replay.
  if (known && asThen && (ofStation || !known.end || clockedAt(startedAt) !== undefined)) {
    const { transactionId, allowed } = asThen.body
    const isAgain = known.starts.some(({ body }) => body.startedAt.raw === startedAt.raw)
    if (ofStation && known.end && !isAgain) return serveReused(context, input, message, transactionId)
    return { bodies: adoptionOf(context, input, known), answer: { kind: 'started', transactionId, allowed } }
  }
  // A station's own id needs no probing: every node comes to the same number, also one that does not know the start.
  const open = ofStation ? [] : sessions.filter(session => !session.end)
  const transactionId = transactionIdOf(sessionId, id =>
    open.some(session => session.transactionIds.includes(id)),
  )
  const decision = decideFor(context.card, chargerId, tokenRef)
  const verdict = message.cardless ? NO_CARD_YET : decision
  const { policyAgeMs } = context.card
  const tagSealed = message.cardless ? undefined : context.sealTag?.(tokenRef)
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
        allowed: verdict.allowed,
        reason: verdict.reason,
        ...(verdict.grant && { grant: verdict.grant }),
        policyHead: context.view.policyHeads(),
        ...(policyAgeMs !== undefined && { policyAgeMs }),
        tier: decision.tier,
        connectionId: input.connectionId,
        clock: CLOCK,
        ...(tagSealed && { tagSealed }),
        ...(known?.end && { follows: known.end.ref }),
        ...(stationTransactionId !== undefined && { stationTransactionId }),
        ...(message.cardless && { cardless: true }),
      },
    },
    ...pricingAtStart(context, message, { sessionId, chargerId }),
  ]
  const owner = message.cardless ? undefined : tokenRef
  const place = {
    sessionId,
    connectorId,
    transactionId,
    last: undefined,
    tokenRef: owner,
    seal: context.seal,
  }
  bodies.push(...readings.flatMap(reading => tickOf(input, reading, place)))
  return begun(context, input, { message, bodies, transactionId, decision })
}

type Begun = {
  readonly message: Start
  readonly bodies: readonly AnyBody[]
  readonly transactionId: number
  readonly decision: Decision
}

/** What the charger is told of a new session, and a word in the log where its card is refused. */
function begun(
  context: ServeContext,
  { chargerId }: ChargerInput,
  { message, transactionId, decision, ...made }: Begun,
): Served {
  const { tokenRef, cardless } = message
  const { allowed } = cardless ? NO_CARD_YET : decision
  if (cardless) return { bodies: made.bodies, answer: { kind: 'started', transactionId, allowed } }
  const refused = allowed === 'ALLOWED' ? [] : [refusal(context.card, decision, { chargerId, tokenRef })]
  const bodies = [...made.bodies, ...refused]
  return { bodies, answer: { kind: 'started', transactionId, allowed, ...groupOf(decision) }, decision }
}

/**
 * A station that gives a new session the name of one that is over (a counter that begins anew with each boot): what was
 * decided about the card of then says nothing of this one. Its stop will contradict the first one, for a person to settle.
 */
function serveReused(
  context: ServeContext,
  input: ChargerInput,
  message: Start,
  transactionId: number,
): Served {
  const { connectorId, tokenRef, stationTransactionId } = message
  const { chargerId } = input
  const decision = decideFor(context.card, chargerId, tokenRef)
  const detail = `the station calls a second session ${stationTransactionId}: the energy of one of the two is not billed`
  const bodies: readonly AnyBody[] = [
    {
      name: 'diagnostics',
      body: { code: 'transaction-id-reused', detail, chargerId, connectorId, tokenRef },
    },
  ]
  return begun(context, input, { message, bodies, transactionId, decision })
}

function startUnder(session: Session, sessionId: SessionId): Session['start'] | undefined {
  return session.starts.find(start => start.body.sessionId === sessionId)
}

type Begins = { readonly sessionId: SessionId; readonly chargerId: ChargerId }

/** The price is fixed at the start, or with the card where it is the card's and the cable came first. */
function pricingAtStart(
  context: ServeContext,
  { startedAt, tokenRef, cardless }: Start,
  begins: Begins,
): readonly AnyBody[] {
  const at = happenedAt(startedAt, context.card.nowAt)
  if (cardless && context.view.tariffs.dependsOnCard(at)) return []
  return pricing(context, { ...begins, at, tokenRef })
}

type Carded = {
  readonly session: Session | undefined
  readonly sessionId: SessionId
  readonly tokenRef: TokenRef
}

function pricingByCard(context: ServeContext, { session, sessionId, tokenRef }: Carded): readonly AnyBody[] {
  if (!session || session.pricing) return []
  const at = beganAt(session)
  if (!context.view.tariffs.dependsOnCard(at)) return []
  return pricing(context, { sessionId, chargerId: session.chargerId, at, tokenRef })
}

/** Without a tariff there is no pricing event, and the session stays unpriced: never zero. */
function pricing(
  { view, card }: ServeContext,
  { sessionId, chargerId, at, tokenRef }: Begins & { readonly at: number; readonly tokenRef: TokenRef },
): readonly AnyBody[] {
  const choice = view.tariffs.choose(at, placeOf(card, chargerId, tokenRef))
  if (choice.kind === 'missing') return []
  const { ref, currency, pricePerKwh, terms } = choice.tariff
  const body = { sessionId, tariff: ref, currency, pricePerKwh, ...(terms && { byTerms: true }) }
  return [{ name: 'pricing', body }]
}

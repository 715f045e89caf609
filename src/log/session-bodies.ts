// The bodies of what happens in a session: see body.ts, which holds them to the same promises.
import { bool, bytes, int, listOf, oneOf, optional, record, text, uint } from '../cbor.ts'
import { chargerId, chargerTime, decimal, EVENT_REF, sessionId, tokenRef } from './fields.ts'
import { ALLOWED, CLOCK_QUALITIES, PAUSE_STATES, TIERS } from './words.ts'

export const SESSION_BODIES = {
  session_start: record({
    sessionId,
    chargerId,
    connectorId: uint,
    tokenRef,
    meterStartWh: int,
    startedAt: chargerTime,
    transactionId: uint,
    allowed: oneOf(ALLOWED),
    /** In a few words, for people: why it was allowed or not. */
    reason: text(64),
    grant: optional(EVENT_REF),
    policyHead: listOf(EVENT_REF, 16),
    policyAgeMs: optional(uint),
    tier: oneOf(TIERS),
    connectionId: uint,
    clock: oneOf(CLOCK_QUALITIES),
    tagSealed: optional(bytes(160)),
    /** The stop behind which a charger without a clock said these very words again: the next session, not a replay. */
    follows: optional(EVENT_REF),
    /** OCPP 2.0.1: the station's own id of the transaction. */
    stationTransactionId: optional(text(36)),
    /** It began before a card was shown (OCPP 2.0.1, TransactionEvent without idToken): `session_card` names one. */
    cardless: optional(bool),
  }),
  /** The first card that was shown in a session that began without one, and what was decided about it. */
  session_card: record({
    ...{ sessionId, chargerId, tokenRef, allowed: oneOf(ALLOWED), reason: text(64) },
    ...{ grant: optional(EVENT_REF), policyHead: listOf(EVENT_REF, 16), policyAgeMs: optional(uint) },
    ...{ tier: oneOf(TIERS), connectionId: uint },
    tagSealed: optional(bytes(160)),
  }),
  meter_tick: record({
    sessionId: optional(sessionId),
    chargerId,
    connectorId: uint,
    transactionId: int,
    sampledAt: chargerTime,
    energyWh: optional(int),
    powerW: optional(int),
    socPercent: optional(uint),
    /** Signed meter value (OCMF), byte for byte, sealed to the operator: it may carry the card's own id. */
    signedSealed: optional(bytes(6100)),
    connectionId: uint,
  }),
  session_end: record({
    sessionId: optional(sessionId),
    chargerId,
    /** As on the wire; -1, 0 and foreign ids are joined by the fold (PROTOCOL 3.2). */
    transactionId: int,
    meterStopWh: int,
    stoppedAt: chargerTime,
    reason: text(64),
    tokenRef: optional(tokenRef),
    connectionId: uint,
    clock: oneOf(CLOCK_QUALITIES),
  }),
  session_state: record({
    ...{ sessionId, state: oneOf(PAUSE_STATES), chargerStatus: text(64) },
    /** When it changed, as the charger says: what it tells late is priced by when it happened. */
    changedAt: optional(chargerTime),
  }),
  adoption: record({ sessionId, chargerId, from: EVENT_REF, chargerState: text(64), connectionId: uint }),
  pricing: record({
    ...{ sessionId, tariff: EVENT_REF, currency: text(3), pricePerKwh: decimal },
    /** The tariff has terms of its own (tariff/terms.ts): nothing is priced from `pricePerKwh`, its highest price of energy. */
    byTerms: optional(bool),
  }),
}

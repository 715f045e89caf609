// The body of every event type: one table each, in wire order (src/PROTOCOL.md prints the same tables). Bodies
// are signed for ever: a field is only ever added at the end and optional, and test/fixtures/events.json holds golden bytes.
import {
  bytes,
  type Field,
  fromBytes,
  id,
  listOf,
  MalformedBytes,
  oneOf,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { CHARGE_POINT, CHARGER_TLS, CHARGER_TLS_KEY } from './charger-body.ts'
import {
  certHash,
  chargerId,
  decimal,
  deviceId,
  EVENT_REF,
  epochId,
  eventHash,
  keyBoxes,
  logId,
  MAX_BODY_BYTES,
  sessionId,
  siteId,
  superseded,
  tokenRef,
} from './fields.ts'
import { FORWARD_BODIES } from './forward-bodies.ts'
import { SESSION_BODIES } from './session-bodies.ts'
import { BOOT_REASONS, STORE_STATES, WHITELIST } from './words.ts'

export { EVENT_REF, type EventRef } from './fields.ts'

export const BODIES = {
  epoch_open: record({
    epochId,
    certHash,
    siteId,
    prev: optional(EVENT_REF),
    bootReason: oneOf(BOOT_REASONS),
    storeState: oneOf(STORE_STATES),
    swVersion: text(32),
    policyHead: listOf(EVENT_REF, 16),
  }),
  epoch_close: record({ finalSeq: uint, mmrRoot: optional(bytes(32, 32)), successor: optional(epochId) }),
  checkpoint: record({ heads: listOf(EVENT_REF, 128) }),
  loss_declaration: record({ logId, lastKnownSeq: uint }),
  fork_evidence: record({ logId, seq: uint, ours: eventHash, theirs: eventHash }),

  ...SESSION_BODIES,
  charger_error: record({
    chargerId,
    connectorId: uint,
    errorCode: text(64),
    status: text(32),
    detail: text(256),
  }),
  diagnostics: record({
    code: text(48),
    detail: text(256),
    chargerId: optional(chargerId),
    connectorId: optional(uint),
    tokenRef: optional(tokenRef),
  }),
  tamper: record({ kind: text(48), detail: text(256) }),
  /** A charger is about to be given a list of what these heads say; `onto`: blocked cards over a list that its author does not know. */
  local_list: record({
    ...{ chargerId, firstVersion: uint, lastVersion: uint, entries: uint, digest: bytes(8, 8) },
    ...{ onto: optional(uint), policyHead: listOf(EVENT_REF, 64) },
  }),

  payment_attempt: record({
    sessionId,
    attemptId: bytes(16, 16),
    amount: decimal,
    currency: text(3),
    result: text(32),
  }),
  refund: record({
    ...{ sessionId, refundId: bytes(16, 16), amount: decimal, currency: text(3) },
    reason: text(128),
  }),
  /** What a person decided about a session in the inbox (billing/). */
  resolution: record({
    ...{ sessionId, rule: text(48), keep: optional(EVENT_REF), note: text(256) },
    /** Hash of the evidence that the person saw: other evidence brings the session back. */
    about: optional(bytes(32, 32)),
    amount: optional(decimal),
  }),
  /** Written once a session by the node that ended it, when an ack covers the end (PROTOCOL 3.5). */
  reconciliation_mark: record({ sessionId, end: EVENT_REF, cloudEpoch: uint, ackedAt: uint }),
  ...FORWARD_BODIES,

  grant: record({
    tokenRef,
    groupRef: optional(tokenRef),
    accountRef: id<string>(16),
    whitelist: oneOf(WHITELIST),
    /** Hashes of the revocations that this grant undoes; only who has seen one can name it (PROTOCOL 2.2). */
    supersedes: superseded,
    tagSealed: optional(bytes(160)),
    scope: record({
      zones: listOf(text(48), 16),
      connectorTypes: listOf(text(24), 16),
      maxPowerW: optional(uint),
    }),
    notBeforeAt: uint,
    notAfterAt: uint,
    offline: record({
      maxAgeS: uint,
      maxSessionsPerDay: optional(uint),
      maxWhPerDay: optional(uint),
      maxAmountPerDay: optional(decimal),
    }),
    class: text(24),
    /** What is printed on the card (OCPI visual_number); chosen by the operator, readable by every node. */
    visualNumber: optional(text(48)),
    /** X25519: what is personal in this account's sessions is sealed to it, so that destroying its other half destroys all of it. */
    sealKey: optional(bytes(32, 32)),
  }),
  revoke: record({ tokenRef, reason: text(128), effectiveAt: uint }),
  snapshot_begin: record({ snapshotId: bytes(16, 16), replaces: listOf(EVENT_REF, 64) }),
  snapshot_end: record({ snapshotId: bytes(16, 16), entries: uint }),
  device_cert: record({ certificate: bytes(1200) }),
  device_revoke: record({ deviceId, serial: uint, reason: text(128), cutoff: listOf(EVENT_REF, 64) }),
  tariff: record({
    tariffId: text(36),
    currency: text(3),
    pricePerKwh: decimal,
    effectiveAt: uint,
    /** Its terms (tariff/terms.ts) where it is more than a price of energy; `pricePerKwh` is then the highest of these, taxes included. */
    elements: optional(bytes(6000)),
  }),
  policy: record({ name: text(48), value: text(1024) }),
  site_manifest: record({ version: uint, manifest: bytes(4096) }),
  mint: record({
    mintId: bytes(16, 16),
    accountRef: id<string>(16),
    amount: decimal,
    toLog: logId,
    notAfterAt: uint,
  }),
  charge_point: CHARGE_POINT,
  /** Another key for card references, for each device that may hold it: sealed to its sealKey. */
  site_key: record({ keyId: bytes(8, 8), boxes: keyBoxes }),
  charger_tls: CHARGER_TLS,
  charger_tls_key: CHARGER_TLS_KEY,
  /** The key to an account's personal data was destroyed: proof of it, and of when, with nothing personal in it. */
  account_forgotten: record({ accountRef: id<string>(16), sealKey: bytes(32, 32), reason: text(128) }),

  escrow_hold: record({ holdId: bytes(16, 16), accountRef: id<string>(16), sessionId, amount: decimal }),
  escrow_settle: record({ holdId: bytes(16, 16), amount: decimal }),
  loan_grant: record({ nonce: bytes(16, 16), toDevice: deviceId, amps: uint, durationMs: uint }),
  loan_accept: record({ nonce: bytes(16, 16), fromDevice: deviceId, amps: uint }),
} as const

export type EventName = keyof typeof BODIES
export type BodyOf<N extends EventName> = Value<(typeof BODIES)[N]>

/** The number of each type on the wire; never re-used, never changed. */
export const TYPE_NUMBERS: Readonly<Record<EventName, number>> = {
  epoch_open: 0,
  epoch_close: 1,
  checkpoint: 2,
  loss_declaration: 3,
  fork_evidence: 4,
  session_start: 16,
  meter_tick: 17,
  session_end: 18,
  session_state: 19,
  adoption: 20,
  pricing: 21,
  charger_error: 22,
  diagnostics: 23,
  tamper: 24,
  local_list: 26,
  session_card: 27,
  payment_attempt: 32,
  refund: 33,
  resolution: 34,
  reconciliation_mark: 35,
  forwarded: 36,
  hand_over: 37,
  grant: 48,
  revoke: 49,
  snapshot_begin: 50,
  snapshot_end: 51,
  device_cert: 52,
  device_revoke: 53,
  tariff: 54,
  policy: 55,
  site_manifest: 56,
  mint: 57,
  charge_point: 58,
  site_key: 59,
  charger_tls: 60,
  charger_tls_key: 61,
  account_forgotten: 62,
  escrow_hold: 64,
  escrow_settle: 65,
  loan_grant: 66,
  loan_accept: 67,
}

const NAMES = new Map<number, EventName>(
  (Object.keys(TYPE_NUMBERS) as EventName[]).map(name => [TYPE_NUMBERS[name], name]),
)

/** A number that we do not know is no fault: newer software may write it; it is stored, relayed and ignored. */
export function nameOfType(type: number): EventName | undefined {
  return NAMES.get(type)
}

/** Only meter ticks and diagnostics may stand unsigned inside a group (PROTOCOL 1.3). */
export function mustBeSealed(name: EventName): boolean {
  return name !== 'meter_tick' && name !== 'diagnostics'
}

/** The tables seen alike: `AnyBody` ties every name to its own body, which the checker cannot follow through an index. */
const FIELDS = BODIES as unknown as Readonly<Record<EventName, Field<unknown>>>

export type AnyBody = { readonly [N in EventName]: { readonly name: N; readonly body: BodyOf<N> } }[EventName]

export function encodeBody(event: AnyBody): Uint8Array {
  const encoded = toBytes(FIELDS[event.name], event.body)
  if (encoded.length > MAX_BODY_BYTES) throw new MalformedBytes(`body of ${encoded.length} bytes`)
  return encoded
}

/** What a body says, or undefined when the type is unknown or the body is not what its table asks: folds flag that. */
export function decodeBody(type: number, body: Uint8Array): AnyBody | undefined {
  const name = NAMES.get(type)
  if (name === undefined) return undefined
  try {
    // FIELDS[name] reads exactly the body that AnyBody pairs with this name.
    return { name, body: fromBytes(FIELDS[name], body) } as AnyBody
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

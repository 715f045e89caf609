// Two bodies of every event type: one with every field set, and one with every optional field absent. Their bytes are
// in test/fixtures/events.json for ever; a new optional field makes a third sample, it never changes one of these.
import type { BodyOf, EventName, EventRef } from '../../src/log/body.ts'
import type {
  CertHash,
  ChargerId,
  DeviceId,
  EpochId,
  EventHash,
  LogId,
  SessionId,
  SiteId,
  TokenRef,
} from '../../src/units.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const siteId = '51'.repeat(16) as SiteId
const logId = '10'.repeat(16) as LogId
const epochId = 'e0'.repeat(16) as EpochId
const certHash = 'ce'.repeat(32) as CertHash
const eventHash = 'ab'.repeat(32) as EventHash
const sessionId = '5e'.repeat(16) as SessionId
const tokenRef = '7a'.repeat(16) as TokenRef
const deviceId = 'de'.repeat(16) as DeviceId
const accountRef = 'ac'.repeat(16)
const chargerId = 'CP-north_1.2' as ChargerId
const ref: EventRef = { logId, seq: 4095, hash: eventHash }
const at = Date.UTC(2026, 5, 1, 8)
const told = { raw: '2026-06-01T08:00:00Z', at }
const untold = { raw: 'yesterday' }

export const SAMPLES: { readonly [N in EventName]: readonly BodyOf<N>[] } = {
  epoch_open: [
    {
      ...{ epochId, certHash, siteId, prev: ref, bootReason: 'reopen', storeState: 'lossy' },
      ...{ swVersion: '0.1.0', policyHead: [ref] },
    },
    { epochId, certHash, siteId, bootReason: 'start', storeState: 'intact', swVersion: '', policyHead: [] },
  ],
  epoch_close: [{ finalSeq: 4095, mmrRoot: filled(32, 3), successor: epochId }, { finalSeq: 1 }],
  checkpoint: [{ heads: [ref, ref] }, { heads: [] }],
  loss_declaration: [{ logId, lastKnownSeq: 70_000 }],
  fork_evidence: [{ logId, seq: 12, ours: eventHash, theirs: 'ba'.repeat(32) as EventHash }],
  session_start: [
    {
      ...{ sessionId, chargerId, connectorId: 2, tokenRef, meterStartWh: 154_200, startedAt: told },
      ...{ transactionId: 2_147_483_647, allowed: 'BLOCKED', reason: 'revoked', grant: ref },
      ...{ policyHead: [ref], policyAgeMs: 90_000, tier: 'REDUCED', connectionId: 7, clock: 'gnss' },
      tagSealed: filled(48, 9),
      follows: ref,
    },
    {
      ...{ sessionId, chargerId, connectorId: 1, tokenRef, meterStartWh: -1, startedAt: untold },
      ...{ transactionId: 1, allowed: 'ALLOWED', reason: 'ok', policyHead: [], tier: 'FULL' },
      ...{ connectionId: 0, clock: 'none' },
    },
    {
      ...{ sessionId, chargerId, connectorId: 1, tokenRef, meterStartWh: 4, startedAt: told },
      ...{ transactionId: 9, allowed: 'NOT_ALLOWED', reason: 'no card yet', grant: ref, policyHead: [ref] },
      ...{ policyAgeMs: 90_000, tier: 'FULL', connectionId: 3, clock: 'rtc', tagSealed: filled(48, 9) },
      ...{ follows: ref, stationTransactionId: 'a1b2-c3', cardless: true },
    },
  ],
  session_card: [
    {
      ...{ sessionId, chargerId, tokenRef, allowed: 'ALLOWED', reason: 'ok', grant: ref, policyHead: [ref] },
      ...{ policyAgeMs: 90_000, tier: 'NORMAL', connectionId: 3 },
    },
    {
      ...{ sessionId, chargerId, tokenRef, allowed: 'EXPIRED', reason: 'expired', policyHead: [] },
      ...{ tier: 'FULL', connectionId: 3 },
    },
    {
      ...{ sessionId, chargerId, tokenRef, allowed: 'ALLOWED', reason: 'ok', grant: ref, policyHead: [ref] },
      ...{ policyAgeMs: 90_000, tier: 'FULL', connectionId: 3, tagSealed: filled(52, 9) },
    },
  ],
  meter_tick: [
    {
      ...{ sessionId, chargerId, connectorId: 1, transactionId: 77, sampledAt: told, energyWh: 155_000 },
      ...{ powerW: -11_000, socPercent: 64, signedSealed: filled(60, 12), connectionId: 7 },
    },
    { chargerId, connectorId: 0, transactionId: -1, sampledAt: untold, connectionId: 7 },
  ],
  session_end: [
    {
      ...{ sessionId, chargerId, transactionId: 77, meterStopWh: 2 ** 31, stoppedAt: told },
      ...{ reason: 'EVDisconnected', tokenRef, connectionId: 7, clock: 'cloud' },
    },
    {
      ...{ chargerId, transactionId: -1, meterStopWh: 0, stoppedAt: untold, reason: 'Local' },
      ...{ connectionId: 7, clock: 'rtc' },
    },
  ],
  session_state: [
    { sessionId, state: 'suspendedEvse', chargerStatus: 'SuspendedEVSE' },
    { sessionId, state: 'suspendedEv', chargerStatus: 'SuspendedEV', changedAt: told },
  ],
  adoption: [{ sessionId, chargerId, from: ref, chargerState: 'Charging', connectionId: 8 }],
  pricing: [
    { sessionId, tariff: ref, currency: 'EUR', pricePerKwh: '0.25' },
    { sessionId, tariff: ref, currency: 'EUR', pricePerKwh: '0.59', byTerms: true },
  ],
  charger_error: [
    { chargerId, connectorId: 1, errorCode: 'GroundFailure', status: 'Faulted', detail: 'E17 leak' },
  ],
  diagnostics: [
    { code: 'card-refused', detail: 'BLOCKED: revoked', chargerId, connectorId: 2, tokenRef },
    { code: 'peer', detail: '' },
  ],
  tamper: [{ kind: 'lid', detail: 'opened' }],
  local_list: [
    { chargerId, firstVersion: 118, lastVersion: 120, entries: 45, digest: filled(8, 12), policyHead: [ref] },
    {
      ...{ chargerId, firstVersion: 121, lastVersion: 121, entries: 2, digest: filled(8, 13), onto: 120 },
      policyHead: [],
    },
  ],
  payment_attempt: [
    { sessionId, attemptId: filled(16, 1), amount: '12.50', currency: 'EUR', result: 'captured' },
  ],
  refund: [{ sessionId, refundId: filled(16, 2), amount: '0.01', currency: 'EUR', reason: 'goodwill é 中' }],
  resolution: [
    { sessionId, rule: 'smaller-energy', keep: ref, note: 'operator looked' },
    { sessionId, rule: 'void', note: '' },
    { sessionId, rule: 'amount', keep: ref, note: 'by phone', about: filled(32, 22), amount: '4.20' },
  ],
  reconciliation_mark: [{ sessionId, end: ref, cloudEpoch: 3, ackedAt: at }],
  forwarded: [
    {
      ...{ uplink: 'steve', sessionId, chargerId, stage: 'asked', words: '["StartTransaction",{}]' },
      ...{ standIn: 'UNKNOWN', upstreamId: '4711', undoes: [ref, ref], note: 'Invalid' },
    },
    { uplink: 'csms', sessionId, chargerId, stage: 'skipped', undoes: [], note: '' },
  ],
  hand_over: [
    { uplink: 'steve', to: deviceId, after: ref, heads: [ref, ref] },
    { uplink: 'csms', to: deviceId, after: ref, heads: [] },
  ],
  grant: [
    {
      ...{ tokenRef, groupRef: tokenRef, accountRef, whitelist: 'ALLOWED_OFFLINE', supersedes: [eventHash] },
      ...{ tagSealed: filled(48, 9), notBeforeAt: at, notAfterAt: at + 86_400_000, class: 'fleet' },
      scope: { zones: ['north'], connectorTypes: ['IEC_62196_T2'], maxPowerW: 22_000 },
      offline: { maxAgeS: 86_400, maxSessionsPerDay: 4, maxWhPerDay: 40_000, maxAmountPerDay: '20.00' },
      visualNumber: 'No 0017',
    },
    {
      ...{
        tokenRef,
        accountRef,
        whitelist: 'ALWAYS',
        supersedes: [],
        notBeforeAt: 0,
        notAfterAt: at,
        class: '',
      },
      scope: { zones: [], connectorTypes: [] },
      offline: { maxAgeS: 0 },
    },
    {
      ...{ tokenRef, groupRef: tokenRef, accountRef, whitelist: 'ALLOWED_OFFLINE', supersedes: [eventHash] },
      ...{ tagSealed: filled(48, 9), notBeforeAt: at, notAfterAt: at + 86_400_000, class: 'fleet' },
      scope: { zones: ['north'], connectorTypes: ['IEC_62196_T2'], maxPowerW: 22_000 },
      offline: { maxAgeS: 86_400, maxSessionsPerDay: 4, maxWhPerDay: 40_000, maxAmountPerDay: '20.00' },
      ...{ visualNumber: 'No 0017', sealKey: filled(32, 23) },
    },
  ],
  revoke: [{ tokenRef, reason: 'lost', effectiveAt: at }],
  snapshot_begin: [{ snapshotId: filled(16, 4), replaces: [ref] }],
  snapshot_end: [{ snapshotId: filled(16, 4), entries: 100_000 }],
  device_cert: [{ certificate: filled(40, 5) }],
  device_revoke: [{ deviceId, serial: 12, reason: 'stolen', cutoff: [ref] }],
  tariff: [
    { tariffId: 'day', currency: 'EUR', pricePerKwh: '0.3333', effectiveAt: at, elements: filled(8, 6) },
    { tariffId: 'night', currency: 'CHF', pricePerKwh: '0', effectiveAt: 0 },
  ],
  policy: [{ name: 'unknown-cards', value: 'deny' }],
  site_manifest: [{ version: 2, manifest: filled(24, 7) }],
  mint: [{ mintId: filled(16, 8), accountRef, amount: '50', toLog: logId, notAfterAt: at }],
  charge_point: [
    {
      ...{ chargerId, salt: filled(16, 1), hash: filled(64, 2), cost: 4096, connectors: 2, zone: 'north' },
      withdrawn: true,
    },
    { chargerId, salt: filled(32, 1), hash: filled(32, 2), cost: 16, connectors: 1, withdrawn: false },
    {
      ...{ chargerId, salt: filled(16, 1), hash: filled(64, 2), cost: 4096, connectors: 1, zone: 'north' },
      ...{ withdrawn: false, connectorType: 'IEC_62196_T2_COMBO', maxPowerW: 150_000 },
    },
    {
      ...{ chargerId, salt: filled(16, 1), hash: filled(64, 2), cost: 4096, connectors: 1, zone: 'north' },
      ...{ withdrawn: false, connectorType: 'IEC_62196_T2', maxPowerW: 22_000, phases: 3 },
    },
    {
      ...{ chargerId, salt: filled(16, 1), hash: filled(64, 2), cost: 4096, connectors: 1, zone: 'north' },
      ...{ withdrawn: false, connectorType: 'IEC_62196_T2', maxPowerW: 22_000, phases: 3 },
      ...{ profile: 3, certificates: [filled(32, 14)] },
    },
  ],
  site_key: [{ keyId: filled(8, 12), boxes: [{ deviceId, box: filled(97, 13) }] }],
  charger_tls: [
    {
      ...{ keyId: filled(8, 15), authorities: [filled(40, 16)] },
      ...{ certificates: [filled(30, 17), filled(30, 18)], sealed: filled(60, 19) },
    },
    {
      ...{ keyId: filled(8, 15), authorities: [filled(40, 16), filled(40, 20)] },
      ...{ certificates: [filled(30, 17), filled(30, 18)], sealed: filled(60, 19), vouched: filled(40, 21) },
    },
  ],
  charger_tls_key: [{ keyId: filled(8, 15), boxes: [{ deviceId, box: filled(97, 13) }] }],
  account_forgotten: [{ accountRef, sealKey: filled(32, 23), reason: 'asked to' }],
  escrow_hold: [{ holdId: filled(16, 10), accountRef, sessionId, amount: '1.00' }],
  escrow_settle: [{ holdId: filled(16, 10), amount: '0.37' }],
  loan_grant: [{ nonce: filled(16, 11), toDevice: deviceId, amps: 16, durationMs: 300_000 }],
  loan_accept: [{ nonce: filled(16, 11), fromDevice: deviceId, amps: 16 }],
}

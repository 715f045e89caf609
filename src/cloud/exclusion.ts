// What is kept but moves no session and no bill: a log from the point where its key was misused (PROTOCOL 1.8), and
// what a revoked device wrote beyond its cut-off (PROTOCOL 1.7, 2.6).
import { limitsOf } from '../authorization/devices.ts'
import { fromBytes, listOf, toBytes } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import { type BodyOf, EVENT_REF, TYPE_NUMBERS } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import type { Segment } from '../ports.ts'
import type { Admission } from '../replica/admit.ts'
import {
  type ChargerId,
  type DeviceId,
  hex,
  type LogId,
  type SessionId,
  type SiteId,
  unhex,
} from '../units.ts'
import type { Sql } from './database.ts'
import { intIn, optionalTextIn, textIn } from './rows.ts'
import type { Touched } from './sessions.ts'

const CUTOFF = listOf(EVENT_REF, 64)
const NOTHING: Touched = { sessions: new Set(), chargers: new Set() }
/** Branches kept as evidence for one log; one other branch is proof enough. */
const MAX_FORKS_PER_LOG = 8

type Fork = {
  readonly segment: Segment
  readonly fork: Extract<Admission, { kind: 'fork' }>
  readonly nowAt: number
}

/** Keeps the other branch as evidence; answers the sessions that the log's own branch may no longer speak for. */
export async function excludeFork(
  sql: Sql,
  siteId: SiteId,
  { segment, fork, nowAt }: Fork,
): Promise<Touched> {
  const { logId } = segment
  const held = await sql('SELECT count(*) AS n FROM forks WHERE site_id = $1 AND log_id = $2', [
    siteId,
    logId,
  ])
  if (held.rows[0] && intIn(held.rows[0], 'n') < MAX_FORKS_PER_LOG) {
    await sql(
      `INSERT INTO forks (site_id, log_id, seq, ours, theirs, segment, from_seq, found_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
      [siteId, logId, fork.seq, fork.ours, fork.theirs, segment.update, segment.fromSeq, nowAt],
    )
  }
  return exclude(sql, siteId, { logId, fromSeq: fork.seq, reason: 'fork' })
}

type Epoch = {
  readonly logId: LogId
  readonly certificate: Certificate
  readonly body: BodyOf<'epoch_open'>
}

/** Writes the epoch into its device's chain. A revoked device's new logs count for nothing. */
export async function noteEpoch(
  sql: Sql,
  siteId: SiteId,
  { logId, certificate, body }: Epoch,
): Promise<Touched> {
  const { prev } = body
  const { deviceId, serial } = certificate
  await sql(
    `INSERT INTO device_epochs (site_id, device_id, log_id, serial, prev_log, prev_seq, prev_hash, store_state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    [
      siteId,
      deviceId,
      logId,
      serial,
      prev?.logId ?? null,
      prev?.seq ?? null,
      prev?.hash ?? null,
      body.storeState,
    ],
  )
  return applyCutoffs(sql, siteId, deviceId)
}

/** Takes a revocation in; answers the sessions that lose evidence by it. */
export async function noteRevocation(
  sql: Sql,
  siteId: SiteId,
  { event, body }: { readonly event: LogEvent; readonly body: BodyOf<'device_revoke'> },
): Promise<Touched> {
  await sql(
    `INSERT INTO revocations (site_id, device_id, log_id, seq, serial, cutoff) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT DO NOTHING`,
    [siteId, body.deviceId, event.logId, event.seq, body.serial, hex(toBytes(CUTOFF, body.cutoff))],
  )
  return applyCutoffs(sql, siteId, body.deviceId)
}

/** Computed anew at each epoch and revocation, because the epoch that names its predecessor may come last. */
async function applyCutoffs(sql: Sql, siteId: SiteId, deviceId: DeviceId): Promise<Touched> {
  const of = [siteId, deviceId]
  const revoked = await sql(
    'SELECT serial, cutoff FROM revocations WHERE site_id = $1 AND device_id = $2',
    of,
  )
  if (revoked.rows.length === 0) return NOTHING
  const epochs = await sql(
    'SELECT log_id, serial, prev_log FROM device_epochs WHERE site_id = $1 AND device_id = $2',
    of,
  )
  const limits = limitsOf(
    epochs.rows.map(row => ({
      ...{ logId: textIn<LogId>(row, 'log_id'), serial: intIn(row, 'serial') },
      prev: optionalTextIn<LogId>(row, 'prev_log'),
    })),
    revoked.rows.map(row => ({
      serial: intIn(row, 'serial'),
      cutoff: fromBytes(CUTOFF, unhex(textIn(row, 'cutoff'))),
    })),
  )
  const sessions = new Set<SessionId>()
  const chargers = new Set<ChargerId>()
  for (const [logId, fromSeq] of limits) {
    const touched = await exclude(sql, siteId, { logId, fromSeq, reason: 'revoked' })
    for (const sessionId of touched.sessions) sessions.add(sessionId)
    for (const chargerId of touched.chargers) chargers.add(chargerId)
  }
  return { sessions, chargers }
}

type Exclusion = { readonly logId: LogId; readonly fromSeq: number; readonly reason: 'fork' | 'revoked' }

/** Excludes a log's events from `fromSeq` on, or none when that is infinite; answers what they speak of. */
async function exclude(sql: Sql, siteId: SiteId, { logId, fromSeq, reason }: Exclusion): Promise<Touched> {
  const held = await sql(
    'SELECT from_seq FROM exclusions WHERE site_id = $1 AND log_id = $2 AND reason = $3',
    [siteId, logId, reason],
  )
  const before = held.rows[0] ? intIn(held.rows[0], 'from_seq') : Number.POSITIVE_INFINITY
  // A proof of misuse is never taken back; what a cut-off leaves out may turn out to belong before it.
  if (before === fromSeq || (reason === 'fork' && before < fromSeq)) return NOTHING
  if (fromSeq === Number.POSITIVE_INFINITY) {
    await sql('DELETE FROM exclusions WHERE site_id = $1 AND log_id = $2 AND reason = $3', [
      siteId,
      logId,
      reason,
    ])
  } else {
    await sql(
      `INSERT INTO exclusions (site_id, log_id, reason, from_seq) VALUES ($1, $2, $3, $4)
       ON CONFLICT (site_id, log_id, reason) DO UPDATE SET from_seq = excluded.from_seq`,
      [siteId, logId, reason, fromSeq],
    )
  }
  return spokenOf(sql, siteId, { logId, fromSeq: Math.min(before, fromSeq) })
}

async function spokenOf(sql: Sql, siteId: SiteId, from: { logId: LogId; fromSeq: number }): Promise<Touched> {
  const events = await sql(
    `SELECT session_id, charger_id, type FROM events
     WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND (session_id IS NOT NULL OR charger_id IS NOT NULL)`,
    [siteId, from.logId, from.fromSeq],
  )
  const sessions = new Set<SessionId>()
  const chargers = new Set<ChargerId>()
  for (const row of events.rows) {
    const sessionId = optionalTextIn<SessionId>(row, 'session_id')
    if (sessionId) sessions.add(sessionId)
    else if (intIn(row, 'type') === TYPE_NUMBERS.session_end)
      chargers.add(textIn<ChargerId>(row, 'charger_id'))
  }
  return { sessions, chargers }
}

// Ends of sessions, and their starts, that came ahead of their logs: their author's signature is good, what lies before them
// is not known yet. They are shown as provisional sessions and billed by nobody. When the log comes it says the same, and
// counts; or it says something else in that place, which proves that the author signed two histories.
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { encodeElement, type LogEvent } from '../log/event.ts'
import { type LoneLog, readLone } from '../log/lone.ts'
import { chargerId, type LogId, type SiteId } from '../units.ts'
import type { Database, Param } from './database.ts'
import type { IngestDeps } from './ingest.ts'
import type { Listing, Query } from './reading.ts'
import { intIn, optionalIntIn, optionalTextIn, textIn, valuesOf } from './rows.ts'

/** Of one device, with those that contradict its logs: a name for each costs its holder nothing, and none need ever come. */
export const MAX_LONE_OF_DEVICE = 20_000

export async function takeLone(deps: IngestDeps, log: LoneLog): Promise<void> {
  const { database, siteId, certificates, signatures, clock, logger } = deps
  const certificate = await certificates.find(log.certHash)
  const read = certificate ? readLone(signatures, certificate, log) : 'unknown-certificate'
  if (!certificate || typeof read === 'string') {
    logger.warn('lone-events-refused', { logId: log.logId, reason: read })
    return
  }
  const revoked = await database.query(
    'SELECT 1 AS revoked FROM revocations WHERE site_id = $1 AND device_id = $2 LIMIT 1',
    [siteId, certificate.deviceId],
  )
  // What still counts of a revoked device shows in its log.
  if (revoked.rows.length > 0) return
  const rows = read.flatMap(event => rowOf(siteId, certificate.deviceId, { event, nowAt: clock.wallMs() }))
  if (rows.length === 0) return
  const held = await database.query(
    'SELECT count(*) AS n FROM lone_events WHERE site_id = $1 AND device_id = $2',
    [siteId, certificate.deviceId],
  )
  if (held.rows[0] && intIn(held.rows[0], 'n') + rows.length > MAX_LONE_OF_DEVICE) {
    logger.warn('lone-events-refused', { logId: log.logId, reason: 'too-many-of-its-device' })
    return
  }
  const { text, params } = valuesOf(rows)
  await database.query(
    `INSERT INTO lone_events (site_id, log_id, seq, event_hash, device_id, type, element, charger_id, session_id,
       register_wh, said_at, received_at) VALUES ${text} ON CONFLICT DO NOTHING`,
    params,
  )
}

type Came = { readonly event: LogEvent; readonly nowAt: number }

/** None for a body that its table cannot read, or a charger whose name we do not accept: it waits for its log. */
function rowOf(siteId: SiteId, deviceId: string, { event, nowAt }: Came): readonly (readonly Param[])[] {
  const said = decodeBody(event.type, event.body)
  if (said?.name !== 'session_end' && said?.name !== 'session_start') return []
  const [registerWh, saidAt] =
    said.name === 'session_end'
      ? [said.body.meterStopWh, said.body.stoppedAt.at]
      : [said.body.meterStartWh, said.body.startedAt.at]
  const { sessionId = null } = said.body
  const accepted = chargerId(said.body.chargerId)
  if (!accepted) return []
  const place = [siteId, event.logId, event.seq, event.hash, deviceId, event.type]
  return [[...place, encodeElement(event), accepted, sessionId, registerWh, saidAt ?? null, nowAt]]
}

/** What the logs have reached meanwhile. */
export async function settleLone(
  { database, siteId, logger }: IngestDeps,
  logIds: readonly LogId[],
): Promise<void> {
  const names = [siteId, logIds] as const
  await database.query(
    // No further than the log goes: what it has yet to reach is looked for at no push.
    `DELETE FROM lone_events l USING log_head h, events e
     WHERE l.site_id = $1 AND l.log_id = ANY($2::text[])
       AND h.site_id = $1 AND h.log_id = l.log_id AND l.seq <= h.contiguous_seq
       AND e.site_id = $1 AND e.log_id = l.log_id AND e.seq = l.seq AND e.event_hash = l.event_hash`,
    names,
  )
  const other = await database.query(
    `UPDATE lone_events l SET ours = e.event_hash FROM log_head h, events e
     WHERE l.site_id = $1 AND l.log_id = ANY($2::text[]) AND l.ours IS NULL
       AND h.site_id = $1 AND h.log_id = l.log_id AND l.seq <= h.contiguous_seq
       AND e.site_id = $1 AND e.log_id = l.log_id AND e.seq = l.seq RETURNING l.log_id, l.seq`,
    names,
  )
  for (const row of other.rows)
    logger.error('lone-event-contradicts', { logId: textIn(row, 'log_id'), seq: intIn(row, 'seq') })
}

/** Sessions that are known by ends alone; the cursor is `log/seq`. */
export async function provisionalPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit }: Query,
): Promise<Listing> {
  const [logId = '', seq = ''] = cursor.split('/')
  const found = await database.query(
    `SELECT l.*, coalesce(s.register_wh, split_part(e.fold_key, '/', 2)::bigint) AS start_wh,
       coalesce(s.said_at, x.started_at) AS started_at FROM lone_events l
     LEFT JOIN sessions x ON x.site_id = l.site_id AND x.session_id = l.session_id
     LEFT JOIN LATERAL (SELECT register_wh, said_at FROM lone_events o WHERE o.site_id = l.site_id
       AND o.session_id = l.session_id AND o.type = ${TYPE_NUMBERS.session_start} AND o.ours IS NULL LIMIT 1) s ON true
     LEFT JOIN LATERAL (SELECT fold_key FROM events o WHERE o.site_id = l.site_id
       AND o.session_id = l.session_id AND o.type = ${TYPE_NUMBERS.session_start} LIMIT 1) e ON true
     WHERE l.site_id = $1 AND (l.log_id, l.seq) > ($2, $3) AND l.type = ${TYPE_NUMBERS.session_end}
       AND l.ours IS NULL AND x.end_ref IS NULL
     ORDER BY l.log_id, l.seq LIMIT $4`,
    [siteId, logId, /^\d{1,15}$/.test(seq) ? Number(seq) : -1, limit],
  )
  const items = found.rows.map(row => {
    const [stopWh, startWh] = [intIn(row, 'register_wh'), optionalIntIn(row, 'start_wh')]
    return {
      sessionId: optionalTextIn(row, 'session_id') ?? null,
      chargerId: textIn(row, 'charger_id'),
      state: 'provisional',
      energyWh: startWh === undefined || stopWh < startWh ? null : stopWh - startWh,
      meterStopWh: stopWh,
      startedAt: optionalIntIn(row, 'started_at') ?? null,
      endedAt: optionalIntIn(row, 'said_at') ?? null,
      receivedAt: intIn(row, 'received_at'),
      deviceId: textIn(row, 'device_id'),
      endRef: `${textIn(row, 'log_id')}/${intIn(row, 'seq')}`,
    }
  })
  const last = items.at(-1)
  return last && items.length >= limit ? { items, next: last.endRef } : { items }
}

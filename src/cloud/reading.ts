// What people may read of a site: sessions, bills, gaps, forks and a summary, in pages with a cursor. Ids are hex and
// everything is JSON, so nothing that a charger or a card said is ever text of ours.
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { gapsOf } from './gaps.ts'
import { intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'

export const MAX_PAGE = 1_000
export const DEFAULT_PAGE = 100

export type Query = { readonly cursor: string; readonly limit: number }
export type BillQuery = Query & {
  /** The first digits of a session's id. */
  readonly session?: string
  /** When it was issued (ms): from, and before. */
  readonly fromAt?: number
  readonly toAt?: number
  /** As its session stands now. */
  readonly state?: string
}
export type Listing = { readonly items: readonly unknown[]; readonly next?: string }

/** A page is the last one when it has no `next`. */
function listing(
  rows: readonly Row[],
  limit: number,
  read: { item: (row: Row) => unknown; key: (row: Row) => string },
): Listing {
  const last = rows.at(-1)
  const items = rows.map(read.item)
  return last && rows.length >= limit ? { items, next: read.key(last) } : { items }
}

export async function sessionsPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit, session, state }: Pick<BillQuery, 'cursor' | 'limit' | 'session' | 'state'>,
): Promise<Listing> {
  const found = await database.query(
    `SELECT * FROM sessions WHERE site_id = $1 AND session_id > $2
       AND ($4::text IS NULL OR state = $4) AND ($5::text IS NULL OR session_id LIKE $5 || '%')
     ORDER BY session_id LIMIT $3`,
    [siteId, cursor, limit, state ?? null, session ?? null],
  )
  return listing(found.rows, limit, { item: sessionItem, key: row => textIn(row, 'session_id') })
}

export function sessionItem(row: Row): unknown {
  return {
    sessionId: textIn(row, 'session_id'),
    chargerId: textIn(row, 'charger_id'),
    connectorId: intIn(row, 'connector_id'),
    tokenRef: textIn(row, 'token_ref'),
    state: textIn(row, 'state'),
    energyWh: optionalIntIn(row, 'energy_wh') ?? null,
    startedAt: optionalIntIn(row, 'started_at') ?? null,
    endedAt: optionalIntIn(row, 'ended_at') ?? null,
    startRef: textIn(row, 'start_ref'),
    endRef: optionalTextIn(row, 'end_ref') ?? null,
    flags: textIn(row, 'flags')
      .split(',')
      .filter(flag => flag !== ''),
    reviewAmount: optionalTextIn(row, 'review_amount') ?? null,
  }
}

/** The cursor is `session/revision`. */
export async function billsPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit, ...only }: BillQuery,
): Promise<Listing> {
  const [session = '', revision = '-1'] = cursor.split('/')
  const found = await database.query(
    `SELECT b.*, o.idempotency_key, o.sent_at, o.reference, o.refusal FROM bills b
     LEFT JOIN outbox o ON o.site_id = b.site_id AND o.session_id = b.session_id AND o.revision = b.revision
     WHERE b.site_id = $1 AND (b.session_id > $2 OR (b.session_id = $2 AND b.revision > $3))
       AND ($5::text IS NULL OR b.session_id LIKE $5 || '%') AND b.issued_at >= $6 AND b.issued_at < $7
       AND ($8::text IS NULL OR EXISTS (SELECT 1 FROM sessions s
         WHERE s.site_id = b.site_id AND s.session_id = b.session_id AND s.state = $8))
     ORDER BY b.session_id, b.revision LIMIT $4`,
    [
      ...[siteId, session, /^\d{1,6}$/.test(revision) ? Number(revision) : -1, limit],
      ...[only.session ?? null, only.fromAt ?? 0, only.toAt ?? Number.MAX_SAFE_INTEGER, only.state ?? null],
    ],
  )
  const key = (row: Row): string => `${textIn(row, 'session_id')}/${intIn(row, 'revision')}`
  return listing(found.rows, limit, { item: billItem, key })
}

export function billItem(row: Row): unknown {
  return {
    sessionId: textIn(row, 'session_id'),
    revision: intIn(row, 'revision'),
    kind: textIn(row, 'kind'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    energyWh: intIn(row, 'energy_wh'),
    reason: textIn(row, 'reason'),
    inputHash: textIn(row, 'input_hash'),
    decidedBy: optionalTextIn(row, 'decided_by') ?? null,
    issuedAt: intIn(row, 'issued_at'),
    idempotencyKey: optionalTextIn(row, 'idempotency_key') ?? null,
    sentAt: optionalIntIn(row, 'sent_at') ?? null,
    /** What the payment provider calls it, or why it did not take it. */
    paymentReference: optionalTextIn(row, 'reference') ?? null,
    paymentRefusal: optionalTextIn(row, 'refusal') ?? null,
  }
}

export async function gapsPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit }: Query,
): Promise<Listing> {
  const items = await gapsOf(database, siteId, { after: cursor, limit })
  const last = items.at(-1)
  if (!last || items.length < limit) return { items }
  return { items, next: last.kind === 'lossy' ? last.logId : last.namedBy }
}

/** The cursor is `log/seq/theirs`. */
export async function forksPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit }: Query,
): Promise<Listing> {
  const [log = '', seq = '', theirs = ''] = cursor.split('/')
  const found = await database.query(
    `SELECT f.log_id, f.seq, f.ours, f.theirs, f.found_at, f.evidence, h.device_id FROM (
       SELECT log_id, seq, ours, theirs, found_at, 'segment' AS evidence FROM forks WHERE site_id = $1
       UNION ALL SELECT log_id, seq, ours, event_hash, received_at, 'lone-event' FROM lone_events
         WHERE site_id = $1 AND ours IS NOT NULL
       UNION ALL SELECT log_id, seq, ours, theirs, received_at, 'digest' FROM digests
         WHERE site_id = $1 AND state = 'contradicts') f
     JOIN log_head h ON h.site_id = $1 AND h.log_id = f.log_id
     WHERE (f.log_id, f.seq, f.theirs) > ($2, $3, $4)
     ORDER BY f.log_id, f.seq, f.theirs LIMIT $5`,
    [siteId, log, /^\d{1,15}$/.test(seq) ? Number(seq) : -1, theirs, limit],
  )
  return listing(found.rows, limit, {
    item: row => ({
      logId: textIn(row, 'log_id'),
      deviceId: textIn(row, 'device_id'),
      seq: intIn(row, 'seq'),
      ours: textIn(row, 'ours'),
      theirs: textIn(row, 'theirs'),
      /** What shows it: another branch of the log, an event that came ahead of it, or the list of a signed digest. */
      evidence: textIn(row, 'evidence'),
      foundAt: intIn(row, 'found_at'),
    }),
    key: row => `${textIn(row, 'log_id')}/${intIn(row, 'seq')}/${textIn(row, 'theirs')}`,
  })
}

export type Summary = {
  readonly siteId: SiteId
  readonly name: string
  readonly cloudEpoch: number
  readonly ackVersion: number
  readonly devices: number
  readonly logs: number
  readonly events: number
  readonly sessions: Readonly<Record<string, number>>
  /** Sum of all revisions, by currency. */
  readonly billed: Readonly<Record<string, string>>
  readonly bills: number
  readonly forkedLogs: number
}

export async function summaryOf(database: Database, siteId: SiteId): Promise<Summary> {
  const [site] = (await database.query('SELECT * FROM sites WHERE site_id = $1', [siteId])).rows
  const [logs] = (
    await database.query(
      `SELECT count(*) AS logs, count(DISTINCT device_id) AS devices,
         coalesce(sum(contiguous_seq + 1), 0)::bigint AS events FROM log_head WHERE site_id = $1`,
      [siteId],
    )
  ).rows
  const states = await database.query(
    'SELECT state, count(*) AS n FROM sessions WHERE site_id = $1 GROUP BY state',
    [siteId],
  )
  const sums = await database.query(
    'SELECT currency, sum(amount) AS total, count(*) AS n FROM bills WHERE site_id = $1 GROUP BY currency',
    [siteId],
  )
  const [forks] = (
    await database.query('SELECT count(DISTINCT log_id) AS n FROM forks WHERE site_id = $1', [siteId])
  ).rows
  return {
    siteId,
    name: site ? textIn(site, 'name') : '',
    cloudEpoch: site ? intIn(site, 'cloud_epoch') : 0,
    ackVersion: site ? intIn(site, 'ack_version') : 0,
    devices: logs ? intIn(logs, 'devices') : 0,
    logs: logs ? intIn(logs, 'logs') : 0,
    events: logs ? intIn(logs, 'events') : 0,
    sessions: Object.fromEntries(states.rows.map(row => [textIn(row, 'state'), intIn(row, 'n')])),
    billed: Object.fromEntries(sums.rows.map(row => [textIn(row, 'currency'), textIn(row, 'total')])),
    bills: sums.rows.reduce((sum, row) => sum + intIn(row, 'n'), 0),
    forkedLogs: forks ? intIn(forks, 'n') : 0,
  }
}

// Bills as a settlement needs them: revisions in the order in which they were issued, each with its session, its card's grant
// and its tariff, and with what stood before it. Read in pages by (issued at, session, revision); rows are only ever added,
// so what was read stays right while new ones are written. An interval is from (inclusive) until (exclusive).

import type { FastifyInstance } from 'fastify'
import { type Revision, type Settled, type SettledTariff, statementsOf } from '../billing/settled.ts'
import type { Clock } from '../ports.ts'
import type { Cost } from '../tariff/cost.ts'
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import type { ReaderGate } from './gate.ts'
import { intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'
import { sessionsTold } from './settled-sessions.ts'

export type SettlementQuery = {
  readonly fromAt: number
  readonly toAt: number
  /** `issued at/session/revision` of the last row of the page before. */
  readonly cursor: string
  readonly limit: number
}

export type SettlementPage = {
  readonly items: readonly Settled[]
  /** Those that the items name. */
  readonly tariffs: readonly SettledTariff[]
  readonly next?: string
  /** How many revisions the interval holds; on its first page. */
  readonly total?: number
}

/**
 * A bill is stamped when its push came in, and a push that waited for others is committed later: until then a page up to now
 * may lack it. Longer ago than this nothing is added any more.
 */
export const SETTLED_AFTER_MS = 10 * 60 * 1000
/** A row is some kilobytes with the parts of its price. */
const MAX_ROWS = 500
const CURSOR = /^(\d{1,15}\/[0-9a-f]{32}\/\d{1,9})?$/

export type SettlementDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly clock: Clock
  readonly mayRead: ReaderGate
}

/** `GET /cdrs?date_from&date_to&cursor&limit`; the instants are those of `issuedAt`, OCPI's last_updated. */
export function addSettlementRoute(app: FastifyInstance, deps: SettlementDeps): void {
  app.get('/cdrs', async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    const nowAt = deps.clock.wallMs()
    const query = readQuery(request.query, nowAt)
    if (typeof query === 'string') return reply.code(400).send({ code: 'bad-query', message: query })
    const page = await settlementPage(deps.database, deps.siteId, query)
    return reply.send({ ...page, toAt: query.toAt, settledAt: nowAt - SETTLED_AFTER_MS })
  })
}

/** What is asked for, or what is wrong with it. Without an end it is now. */
function readQuery(asked: unknown, nowAt: number): SettlementQuery | string {
  const { cursor = '', limit = '100', ...rest } = (asked ?? {}) as Readonly<Record<string, unknown>>
  const { date_from: from = '1970-01-01T00:00:00Z', date_to: to } = rest
  if (typeof cursor !== 'string' || !CURSOR.test(cursor)) return 'cursor is the `next` of the page before'
  if (typeof limit !== 'string' || !/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_ROWS)
    return `limit is 1 to ${MAX_ROWS}`
  const [fromAt, toAt] = [instantIn(from), to === undefined ? nowAt + 1 : instantIn(to)]
  if (fromAt === undefined || toAt === undefined)
    return 'date_from and date_to are instants in UTC such as 2026-07-04T08:00:00Z'
  if (fromAt > toAt) return 'date_from is after date_to'
  return { fromAt, toAt, cursor, limit: Number(limit) }
}

/** RFC 3339 in UTC, as OCPI writes it; the zone may be left out. */
function instantIn(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z?$/.test(text))
    return undefined
  const at = Date.parse(text.endsWith('Z') ? text : `${text}Z`)
  return Number.isNaN(at) ? undefined : at
}

export async function settlementPage(
  database: Database,
  siteId: SiteId,
  query: SettlementQuery,
): Promise<SettlementPage> {
  const { fromAt, toAt, cursor, limit } = query
  const [issuedAt = '', session = '', revision = ''] = cursor.split('/')
  const after = [/^\d{1,15}$/.test(issuedAt) ? Number(issuedAt) : -1, session, Number(revision) || 0]
  const found = await database.query(
    `SELECT b.issued_at, b.session_id, b.revision, o.idempotency_key, o.sent_at FROM bills b
     LEFT JOIN outbox o ON o.site_id = b.site_id AND o.session_id = b.session_id AND o.revision = b.revision
     WHERE b.site_id = $1 AND b.issued_at >= $2 AND b.issued_at < $3
       AND (b.issued_at, b.session_id, b.revision) > ($4::bigint, $5::text, $6::int)
     ORDER BY b.issued_at, b.session_id, b.revision LIMIT $7`,
    [siteId, fromAt, toAt, ...after, limit],
  )
  const total = cursor === '' ? await countOf(database, siteId, query) : undefined
  const ids = [...new Set(found.rows.map(row => textIn(row, 'session_id')))]
  const statements = await statementsIn(database, siteId, ids)
  const pricedBy = [...statements.values()].flatMap(({ cost }) => cost?.tariff ?? [])
  const { told, tariffs, tariffBy } = await sessionsTold(database, siteId, ids, pricedBy)
  const items = found.rows.flatMap(row => {
    const sessionId = textIn(row, 'session_id')
    const statement = statements.get(`${sessionId}/${intIn(row, 'revision')}`)
    const about = told.get(sessionId)
    // Of several prices that were shown, the one that counted; or one that a person named.
    const tariff = statement?.cost?.tariff === undefined ? undefined : tariffBy(statement.cost.tariff)
    return statement && about
      ? [{ ...statement, sessionId, ...paidOf(row), ...about, ...(tariff && { tariff }) }]
      : []
  })
  const last = found.rows.at(-1)
  const next = last && found.rows.length >= limit && keyOf(last)
  return { items, tariffs, ...(next && { next }), ...(total !== undefined && { total }) }
}

function keyOf(row: Row): string {
  return `${intIn(row, 'issued_at')}/${textIn(row, 'session_id')}/${intIn(row, 'revision')}`
}

function paidOf(row: Row): Pick<Settled, 'idempotencyKey' | 'sentAt'> {
  const idempotencyKey = optionalTextIn(row, 'idempotency_key')
  const sentAt = optionalIntIn(row, 'sent_at')
  return {
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(sentAt !== undefined && { sentAt }),
  }
}

async function countOf(
  database: Database,
  siteId: SiteId,
  { fromAt, toAt }: SettlementQuery,
): Promise<number> {
  const counted = await database.query(
    'SELECT count(*) AS n FROM bills WHERE site_id = $1 AND issued_at >= $2 AND issued_at < $3',
    [siteId, fromAt, toAt],
  )
  return counted.rows[0] ? intIn(counted.rows[0], 'n') : 0
}

/** By `session/revision`, from all revisions of these sessions: a correction says what it corrects. */
async function statementsIn(
  database: Database,
  siteId: SiteId,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReturnType<typeof statementsOf>[number]>> {
  const found = await database.query(
    'SELECT * FROM bills WHERE site_id = $1 AND session_id = ANY($2::text[]) ORDER BY session_id, revision',
    [siteId, ids],
  )
  const revisions = new Map<string, Revision[]>()
  for (const row of found.rows) {
    const sessionId = textIn(row, 'session_id')
    revisions.set(sessionId, [...(revisions.get(sessionId) ?? []), revisionOf(row)])
  }
  return new Map(
    [...revisions].flatMap(([sessionId, all]) =>
      statementsOf(sessionId, all).map(one => [`${sessionId}/${one.revision}`, one] as const),
    ),
  )
}

function revisionOf(row: Row): Revision {
  const cost = optionalTextIn(row, 'cost')
  return {
    revision: intIn(row, 'revision'),
    kind: textIn(row, 'kind'),
    reason: textIn(row, 'reason'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    energyWh: intIn(row, 'energy_wh'),
    issuedAt: intIn(row, 'issued_at'),
    inputHash: textIn(row, 'input_hash'),
    // Our own words, written beside the bill in one transaction.
    ...(cost !== undefined && { cost: JSON.parse(cost) as Cost }),
  }
}

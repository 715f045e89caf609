// The inbox of a site: sessions whose money a person should look at, oldest first, and stops that fit no session. Each is
// folded anew for the page, so that what a person decides is bound to what stands there now.
import type { FastifyInstance } from 'fastify'
import { REASONS, type Reason } from '../billing/attention.ts'
import { type Conflict, conflictOf, goneConflict, type OrphanStop } from '../billing/conflict.ts'
import type { TariffAt } from '../billing/due.ts'
import type { Bill } from '../billing/revisions.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId, SessionId, SiteId } from '../units.ts'
import { eventIn, foldsOf } from './charger.ts'
import type { Database, Row } from './database.ts'
import type { ReaderGate } from './gate.ts'
import { knowingOf } from './knowing.ts'
import { optionalIntIn, optionalTextIn, textIn } from './rows.ts'
import { heldBills } from './session-rows.ts'
import { byCharger } from './sessions.ts'
import { COLUMNS } from './ticks.ts'

export type InboxQuery = {
  /** `0/since/session`, then `1/since/stop`. */
  readonly cursor: string
  readonly limit: number
  readonly reason?: Reason | 'orphan-stop'
  /** Only what has waited since then, or longer. */
  readonly untilAt?: number
  /** The first digits of a session's id. */
  readonly session?: string
}
export type InboxPage = { readonly items: readonly (Conflict | OrphanStop)[]; readonly next?: string }

/** Each is folded. */
export const MAX_INBOX_PAGE = 100
const NO_DATE = Number.MAX_SAFE_INTEGER

export type InboxDeps = { readonly database: Database; readonly siteId: SiteId; readonly mayRead: ReaderGate }

/** `GET /conflicts?reason&until&session&cursor&limit`. */
export function addInboxRoute(app: FastifyInstance, { database, siteId, mayRead }: InboxDeps): void {
  app.get('/conflicts', async (request, reply) => {
    const refused = mayRead(request, reply)
    if (refused) return refused
    const query = readQuery(request.query)
    if (typeof query === 'string') return reply.code(400).send({ code: 'bad-query', message: query })
    return reply.send(await inboxPage(database, siteId, query))
  })
}

function readQuery(asked: unknown): InboxQuery | string {
  const { cursor = '', limit = String(MAX_INBOX_PAGE), ...rest } = (asked ?? {}) as Record<string, unknown>
  const { reason, until, session } = rest
  if (typeof cursor !== 'string' || !/^([01]\/\d{1,16}\/[0-9a-f]{32})?$/.test(cursor))
    return 'cursor is the `next` of the page before'
  if (typeof limit !== 'string' || !/^\d{1,3}$/.test(limit) || !isWithin(Number(limit)))
    return `limit is 1 to ${MAX_INBOX_PAGE}`
  if (reason !== undefined && !isReason(reason)) return `reason is one of ${[...CODES].join(', ')}`
  if (until !== undefined && (typeof until !== 'string' || !/^\d{1,15}$/.test(until)))
    return 'until is in ms since 1970'
  if (session !== undefined && (typeof session !== 'string' || !/^[0-9a-f]{4,32}$/.test(session)))
    return 'session is the first digits of its id, at least 4'
  return {
    ...{ cursor, limit: Number(limit) },
    ...(reason !== undefined && { reason }),
    ...(until !== undefined && { untilAt: Number(until) }),
    ...(session !== undefined && { session }),
  }
}

const CODES: ReadonlySet<string> = new Set([...Object.keys(REASONS), 'orphan-stop'])

function isReason(text: unknown): text is Reason | 'orphan-stop' {
  return typeof text === 'string' && CODES.has(text)
}

function isWithin(limit: number): boolean {
  return limit >= 1 && limit <= MAX_INBOX_PAGE
}

export async function inboxPage(database: Database, siteId: SiteId, query: InboxQuery): Promise<InboxPage> {
  const isStops = query.cursor.startsWith('1/') || query.reason === 'orphan-stop'
  if (isStops) return stopsPage(database, siteId, query)
  const page = await sessionsPage(database, siteId, query)
  if (page.next !== undefined || query.reason !== undefined || query.session !== undefined) return page
  const stops = await stopsPage(database, siteId, { ...query, cursor: '', limit: 1 })
  return stops.items.length === 0 ? page : { ...page, next: `1/0/${'0'.repeat(32)}` }
}

async function sessionsPage(database: Database, siteId: SiteId, query: InboxQuery): Promise<InboxPage> {
  const { limit, reason, untilAt = NO_DATE, session } = query
  const [, sinceAt = '-1', after = ''] = query.cursor.split('/')
  const found = await database.query(
    `SELECT * FROM sessions
     WHERE site_id = $1 AND attention IS NOT NULL AND (attention_at, session_id) > ($2::bigint, $3::text)
       AND attention_at <= $4 AND ($5::text IS NULL OR ',' || attention || ',' LIKE '%,' || $5 || ',%')
       AND ($6::text IS NULL OR session_id LIKE $6 || '%')
     ORDER BY attention_at, session_id LIMIT $7`,
    [siteId, Number(sinceAt), after, untilAt, reason ?? null, session ?? null, limit],
  )
  const items = await conflictsOf(database, siteId, found.rows)
  const last = found.rows.at(-1)
  const next = last && `0/${optionalIntIn(last, 'attention_at')}/${textIn(last, 'session_id')}`
  return { items, ...(next && found.rows.length >= limit && { next }) }
}

async function conflictsOf(
  database: Database,
  siteId: SiteId,
  rows: readonly Row[],
): Promise<readonly Conflict[]> {
  const ids = rows.map(row => textIn<SessionId>(row, 'session_id'))
  if (ids.length === 0) return []
  const sql = database.query
  const bills = await heldBills(sql, siteId, ids)
  const touched = { sessions: new Set(ids), chargers: new Set<ChargerId>() }
  const shown = new Map<SessionId, { session: Session; tariffAt: TariffAt }>()
  const sessions = await byCharger(sql, siteId, touched)
  const folds = [...(await foldsOf(sql, { siteId, sessions, finalise: touched.sessions })).values()]
  const { tariffAt } = await knowingOf(sql, siteId, folds)
  for (const fold of folds)
    for (const session of fold.sessions) shown.set(session.sessionId, { session, tariffAt })
  return rows.map(row => conflictIn(row, bills.get(textIn<SessionId>(row, 'session_id')) ?? [], shown))
}

type Folded = ReadonlyMap<
  SessionId,
  { readonly session: Session } & Pick<Parameters<typeof conflictOf>[1], 'tariffAt'>
>

function conflictIn(row: Row, billed: readonly Bill[], folded: Folded): Conflict {
  const sessionId = textIn<SessionId>(row, 'session_id')
  const reasons = textIn(row, 'attention')
    .split(',')
    .filter((code): code is Reason => code in REASONS)
  const reviewAmount = optionalTextIn(row, 'review_amount')
  const seen = {
    state: textIn(row, 'state'),
    reasons,
    billed,
    ...(reviewAmount !== undefined && { reviewAmount }),
  }
  const one = folded.get(sessionId)
  const conflict = one
    ? conflictOf(one.session, { ...seen, tariffAt: one.tariffAt })
    : goneConflict(
        { sessionId, chargerId: textIn(row, 'charger_id') },
        reasons.includes('merged') ? 'merged' : 'evidence-withdrawn',
        seen,
      )
  const [startedAt, sinceAt] = [optionalIntIn(row, 'started_at'), optionalIntIn(row, 'attention_at')]
  return {
    ...conflict,
    ...(startedAt !== undefined && { startedAt }),
    ...(sinceAt !== undefined && { sinceAt }),
  }
}

async function stopsPage(database: Database, siteId: SiteId, query: InboxQuery): Promise<InboxPage> {
  const [, sinceAt = '-1', after = ''] = query.cursor.split('/')
  const found = await database.query(
    `SELECT ${COLUMNS}, o.stop_id, o.found_at FROM orphan_stops o
     JOIN events e ON e.site_id = o.site_id AND e.log_id = o.log_id AND e.seq = o.seq
     JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id
     WHERE o.site_id = $1 AND (o.found_at, o.stop_id) > ($2::bigint, $3::text) AND o.found_at <= $4
     ORDER BY o.found_at, o.stop_id LIMIT $5`,
    [siteId, Number(sinceAt), after, query.untilAt ?? NO_DATE, query.limit],
  )
  const items = found.rows.flatMap(row => stopIn(row) ?? [])
  const last = found.rows.at(-1)
  const next = last && `1/${optionalIntIn(last, 'found_at')}/${textIn(last, 'stop_id')}`
  return { items, ...(next && found.rows.length >= query.limit && { next }) }
}

function stopIn(row: Row): OrphanStop | undefined {
  const read = eventIn(row)
  if (!read) return undefined
  const [{ logId, seq, hash }, said] = read
  if (said.name !== 'session_end') return undefined
  const { chargerId, sessionId, transactionId, meterStopWh, stoppedAt } = said.body
  const sinceAt = optionalIntIn(row, 'found_at')
  return {
    ...{ kind: 'stop', stopId: textIn(row, 'stop_id'), chargerId, transactionId, meterStopWh },
    ...(sessionId && { sessionId }),
    ...{ stoppedAt: stoppedAt.raw, ref: `${logId}/${seq}/${hash}` },
    ...(sinceAt !== undefined && { sinceAt }),
  }
}

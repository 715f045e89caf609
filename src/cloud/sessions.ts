// Turns folds into rows: the sessions table says how every session stands, and what the verdict bills is written
// beside it, with its outbox row, in the transaction of the push that made it so (PROTOCOL 3.6).

import { judge, judgeGone } from '../billing/judge.ts'
import type { Bill } from '../billing/revisions.ts'
import { TYPE_NUMBERS } from '../log/body.ts'
import type { Clock } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId, SessionId } from '../units.ts'
import { type ChargerFold, foldsOf } from './charger.ts'
import type { Database, Row, Sql } from './database.ts'
import { type KnownMoney, knowingOf } from './knowing.ts'
import { billNews, goneNews, type News, sessionNews, tell } from './news.ts'
import { noteOrphanStops } from './orphan-stops.ts'
import { optionalTextIn, textIn } from './rows.ts'
import {
  changed,
  heldBills,
  heldRows,
  noteBills,
  noteGone,
  noteSession,
  openWritten,
  type Written,
  writeAll,
} from './session-rows.ts'

export type Settlement = {
  readonly siteId: string
  readonly nowAt: number
  /** Sessions that have been silent for so long that their last tick stands in for the stop. */
  readonly finalise: ReadonlySet<SessionId>
}

/** Folds the sessions again, of every charger that has a word about them, and writes what changed. */
export async function refold(sql: Sql, settlement: Settlement, touched: Touched): Promise<void> {
  const { siteId, finalise, nowAt } = settlement
  const folds = await foldsOf(sql, { siteId, sessions: await byCharger(sql, siteId, touched), finalise })
  if (folds.size === 0) return
  const loaded = [...new Set([...folds.values()].flatMap(fold => fold.loaded))]
  const held = await heldRows(sql, siteId, loaded)
  const bills = await heldBills(sql, siteId, loaded)
  const money = await knowingOf(sql, siteId, [...folds.values()])
  const written = openWritten()
  const books: Books = { siteId, held, bills, money, written, nowAt, finalise, news: [] }
  for (const [chargerId, fold] of folds) settle(books, { chargerId, fold, touched: touched.sessions })
  await writeAll(sql, siteId, written)
  await tell(sql, settlement, books.news)
  await noteOrphanStops(sql, settlement, folds)
}

export type Touched = { readonly sessions: ReadonlySet<SessionId>; readonly chargers: ReadonlySet<ChargerId> }

/** Without one of these there is no session: ticks name the charger as well, and are many. */
const NAMING = (['session_start', 'session_end', 'session_card', 'adoption'] as const).map(
  name => TYPE_NUMBERS[name],
)

/**
 * Pricing, states and marks name no charger: whoever recorded the session's start or stop does. A session that was split
 * off another one is named by no event: its row says under which id it is told.
 */
export async function byCharger(
  sql: Sql,
  siteId: string,
  touched: Touched,
): Promise<Map<ChargerId, Set<SessionId>>> {
  const result = new Map<ChargerId, Set<SessionId>>()
  for (const chargerId of [...touched.chargers].sort()) result.set(chargerId, new Set())
  if (touched.sessions.size === 0) return result
  const found = await sql(
    `SELECT e.session_id, e.charger_id FROM unnest($2::text[]) AS w (session_id)
     CROSS JOIN unnest($3::int[]) AS t (type)
     CROSS JOIN LATERAL (
       SELECT session_id, charger_id FROM events e
       WHERE e.site_id = $1 AND e.session_id = w.session_id AND e.type = t.type AND e.charger_id IS NOT NULL OFFSET 0) e
     UNION
     SELECT e.session_id, e.charger_id FROM unnest($2::text[]) AS w (session_id)
     CROSS JOIN LATERAL (
       SELECT start_ref FROM sessions s WHERE s.site_id = $1 AND s.session_id = w.session_id OFFSET 0) s
     CROSS JOIN LATERAL (
       SELECT session_id, charger_id FROM events e
       WHERE e.site_id = $1 AND e.log_id = split_part(s.start_ref, '/', 1)
         AND e.seq = split_part(s.start_ref, '/', 2)::bigint AND e.charger_id IS NOT NULL OFFSET 0) e
     ORDER BY charger_id`,
    [siteId, [...touched.sessions], NAMING],
  )
  for (const row of found.rows) {
    const chargerId = textIn<ChargerId>(row, 'charger_id')
    const sessions = result.get(chargerId) ?? new Set()
    sessions.add(textIn<SessionId>(row, 'session_id'))
    result.set(chargerId, sessions)
  }
  return result
}

type Charged = {
  readonly chargerId: ChargerId
  readonly fold: ChargerFold
  readonly touched: ReadonlySet<SessionId>
}

type Books = {
  readonly siteId: string
  /** Rows of sessions; of one that is written now, whose it is. */
  readonly held: Map<SessionId, Row>
  readonly bills: ReadonlyMap<SessionId, readonly Bill[]>
  readonly money: KnownMoney
  readonly written: Written
  /** What comes of it, for webhooks, is added. */
  readonly news: News[]
  readonly nowAt: number
  readonly finalise: ReadonlySet<SessionId>
}

function settle(books: Books, { chargerId, fold, touched }: Charged): void {
  const { siteId, held, bills, written, news, nowAt } = books
  const { tariffAt, correctionsOf } = books.money
  for (const session of fold.sessions) {
    const { sessionId } = session
    const row = held.get(sessionId)
    // The id is a hash over the charger's own words, so a second charger under it is a forgery: the first one stays.
    if (row && textIn(row, 'charger_id') !== chargerId) continue
    const billed = bills.get(sessionId) ?? []
    const verdict = judge(session, {
      ...{ billed, tariffAt, corrections: correctionsOf(sessionId) },
      finalise: books.finalise.has(sessionId),
    })
    if (isTouched(session, touched) || !row || changed(row, session, verdict)) {
      noteSession(written, { session, verdict, billed }, nowAt)
      news.push(...sessionNews({ session, verdict, row }))
      held.set(sessionId, { ...row, charger_id: chargerId })
    }
    news.push(...billNews({ siteId, nowAt }, sessionId, verdict.bills))
    noteBills(written, { sessionId, verdict }, { siteId, nowAt })
  }
  const standing = new Set(fold.sessions.map(session => session.sessionId))
  for (const sessionId of fold.loaded) {
    const row = held.get(sessionId)
    if (standing.has(sessionId) || !row || textIn(row, 'charger_id') !== chargerId) continue
    const refs = { startRef: textIn(row, 'start_ref'), endRef: optionalTextIn(row, 'end_ref') }
    const gone = fold.isTold(sessionId, refs) ? 'merged' : 'evidence-withdrawn'
    const billed = bills.get(sessionId) ?? []
    const verdict = judgeGone(sessionId, { gone, billed, corrections: correctionsOf(sessionId) })
    noteGone(written, { sessionId, verdict, billed }, nowAt)
    news.push(...goneNews(row, verdict), ...billNews({ siteId, nowAt }, sessionId, verdict.bills))
    noteBills(written, { sessionId, verdict }, { siteId, nowAt })
  }
}

/** Whether something was said of it: under its own id, or, while it is open, under the one that it is told under. */
export function isTouched({ sessionId, start, end }: Session, touched: ReadonlySet<SessionId>): boolean {
  return touched.has(sessionId) || (!end && touched.has(start.body.sessionId))
}

/** Sessions in one transaction. */
export const MAX_REFOLDS = 100

/**
 * Folds what waits for it because something that it cites has come, or counts no longer; answers how many. No more than
 * `most`, and a few: whoever pushed the last word of a tariff does not wait for a hundred thousand sessions.
 */
export async function refoldWaiting(
  database: Database,
  siteId: string,
  {
    clock,
    most = Number.POSITIVE_INFINITY,
  }: { readonly clock: Pick<Clock, 'wallMs'>; readonly most?: number },
): Promise<number> {
  for (let looked = 0; ; ) {
    if (looked >= most) return looked
    const waiting = await database.query(
      `SELECT session_id FROM refolds WHERE site_id = $1 ORDER BY session_id LIMIT ${MAX_REFOLDS}`,
      [siteId],
    )
    const ids = waiting.rows.map(row => textIn<SessionId>(row, 'session_id'))
    if (ids.length === 0) return looked
    await database.transaction(async sql => {
      // Each by its own time: a settlement takes what was issued minutes ago for complete (settlement.ts).
      const settlement = { siteId, nowAt: clock.wallMs(), finalise: new Set<SessionId>() }
      await sql('DELETE FROM refolds WHERE site_id = $1 AND session_id = ANY($2::text[])', [siteId, ids])
      await refold(sql, settlement, { sessions: new Set(ids), chargers: new Set() })
    }, siteId)
    looked += ids.length
  }
}

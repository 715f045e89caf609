// Which ticks of a charger the database has to give for a fold: few of all that there are, and in the fold's own order
// (by sampled_at, as session/registers.ts takes it), so that a fold from these is the one from all.
import { TYPE_NUMBERS } from '../log/body.ts'
import { GRIDS_MS } from '../session/curve.ts'
import type { ChargerId, SessionId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { countsIn } from './exclusion.ts'

const { meter_tick } = TYPE_NUMBERS

export const COLUMNS = 'e.log_id, e.seq, e.event_hash, e.prev, e.element, h.device_id'
export const EVENTS = `FROM events e
  JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id
  WHERE e.site_id = $1`
export const COUNTS = countsIn('e')
export const COUNTING = `${EVENTS} AND ${COUNTS}`

/** Ticks of several chargers, and, for want of a session's name, of which of their connectors and transactions. */
type Of = { readonly siteId: string; readonly chargerIds: readonly ChargerId[] }
/** What ticks are summed up by, in each log (facts.ts): the session, or for want of one the connector and transaction. */
type Heap = 'session_id' | 'fold_key'

const TOLD = `${COLUMNS}, e.charger_id, e.session_id, e.fold_key`

/** Of other pairs of a charger and a session among these as well. */
export async function tickRows(sql: Sql, of: Of, ids: readonly SessionId[]): Promise<readonly Row[]> {
  const where = 'e.session_id = ANY($3::text[])'
  const result = await sql(ticksBy('session_id', where), [of.siteId, of.chargerIds, ids])
  return result.rows
}

/** Those of a charger that name no session, newest first. */
export async function orphanTickRows(
  sql: Sql,
  { siteId, chargerId }: { readonly siteId: string; readonly chargerId: ChargerId },
  limit: number,
): Promise<readonly Row[]> {
  const newest = `ORDER BY e.hlc DESC, e.log_id, e.seq LIMIT ${limit}`
  const result = await sql(`${ticksBy('fold_key', 'e.session_id IS NULL')} ${newest}`, [siteId, [chargerId]])
  return result.rows
}

/**
 * Ticks that a fold reads from, in its own order: of each heap in each log (facts.ts) the register that was sampled last,
 * and where its two highest and two lowest values came first (session/registers.ts). No bill needs others.
 */
function ticksBy(heap: Heap, where: string): string {
  const each = 'charger_id, log_id, heap'
  return `WITH ticks AS (
      SELECT e.charger_id, e.log_id, e.seq, e.hlc, e.sampled_at, e.register_wh, e.${heap} AS heap ${COUNTING}
        AND ${where} AND e.charger_id = ANY($2::text[]) AND e.type = ${meter_tick}
    ), firsts AS (
      SELECT DISTINCT ON (${each}, register_wh) ${each}, seq, register_wh FROM ticks
      WHERE register_wh IS NOT NULL ORDER BY ${each}, register_wh, sampled_at, hlc, seq
    ), ranked AS (
      SELECT log_id, seq, row_number() OVER (PARTITION BY ${each} ORDER BY register_wh) AS low,
        row_number() OVER (PARTITION BY ${each} ORDER BY register_wh DESC) AS high FROM firsts
    ), wanted AS (
      SELECT log_id, seq FROM ranked WHERE low <= 2 OR high <= 2
      UNION
      (SELECT log_id, seq FROM (SELECT DISTINCT ON (${each}) log_id, seq FROM ticks
       ORDER BY ${each}, sampled_at DESC, hlc DESC, seq DESC) newest)
    )
    SELECT ${TOLD}, e.hlc FROM wanted w
    JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq
    JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id`
}

/** The ticks that the curves of sessions are made of; those of other pairs of a charger and a session among these as well. */
export async function curveRows(sql: Sql, of: Of, ids: readonly SessionId[]): Promise<readonly Row[]> {
  const named = curveBy('session_id', 'e.session_id = ANY($3::text[])')
  return (await sql(named, [of.siteId, of.chargerIds, ids])).rows
}

/** The same of ticks that name no session: by their transactions. */
export async function orphanCurveRows(
  sql: Sql,
  of: Of,
  transactionIds: readonly number[],
): Promise<readonly Row[]> {
  const orphan = curveBy(
    'fold_key',
    `e.session_id IS NULL AND split_part(e.fold_key, '/', 2) = ANY($3::text[])`,
  )
  return (await sql(orphan, [of.siteId, of.chargerIds, transactionIds.map(String)])).rows
}

/** Of each heap in each log the first and the last register of every interval of the finest grid (session/curve.ts). */
function curveBy(heap: Heap, where: string): string {
  const each = `charger_id, log_id, heap, sampled_at / ${GRIDS_MS[0]}`
  const pick = (way: 'ASC' | 'DESC'): string =>
    `(SELECT log_id, seq FROM (SELECT DISTINCT ON (${each}) log_id, seq FROM ticks
      ORDER BY ${each}, ${['sampled_at', 'register_wh', 'hlc', 'seq'].map(by => `${by} ${way}`).join(', ')}) picked)`
  return `WITH ticks AS (
      SELECT e.charger_id, e.log_id, e.seq, e.hlc, e.sampled_at, e.register_wh, e.${heap} AS heap ${COUNTING}
        AND ${where} AND e.charger_id = ANY($2::text[]) AND e.type = ${meter_tick} AND e.register_wh IS NOT NULL
    ), wanted AS (${pick('ASC')} UNION ${pick('DESC')})
    SELECT ${TOLD} FROM wanted w
    JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq
    JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id`
}

// Which ticks of a charger the database has to give for a fold: few of all that there are, and in the fold's own order
// (by sampled_at, as session/registers.ts takes it), so that a fold from these is the one from all.
import { TYPE_NUMBERS } from '../log/body.ts'
import { GRIDS_MS } from '../session/curve.ts'
import type { Session } from '../session/fold.ts'
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

type Of = { readonly siteId: string; readonly chargerId: ChargerId }
/** What ticks are summed up by, in each log (facts.ts): the session, or for want of one the connector and transaction. */
type Heap = 'session_id' | 'fold_key'

export async function tickRows(sql: Sql, of: Of, ids: readonly SessionId[]): Promise<readonly Row[]> {
  const where = 'e.session_id = ANY($3::text[])'
  const result = await sql(ticksBy('session_id', where), [of.siteId, of.chargerId, ids])
  return result.rows
}

/** Those that name no session, newest first. */
export async function orphanTickRows(sql: Sql, of: Of, limit: number): Promise<readonly Row[]> {
  const newest = `ORDER BY e.hlc DESC, e.log_id, e.seq LIMIT ${limit}`
  const result = await sql(`${ticksBy('fold_key', 'e.session_id IS NULL')} ${newest}`, [
    of.siteId,
    of.chargerId,
  ])
  return result.rows
}

/**
 * Ticks that a fold reads from, in its own order: of each heap in each log (facts.ts) the register that was sampled last,
 * and where its two highest and two lowest values came first (session/registers.ts). No bill needs others.
 */
function ticksBy(heap: Heap, where: string): string {
  return `WITH ticks AS (
      SELECT e.log_id, e.seq, e.hlc, e.sampled_at, e.register_wh, e.${heap} AS heap ${COUNTING}
        AND ${where} AND e.charger_id = $2 AND e.type = ${meter_tick}
    ), firsts AS (
      SELECT DISTINCT ON (log_id, heap, register_wh) log_id, seq, heap, register_wh FROM ticks
      WHERE register_wh IS NOT NULL ORDER BY log_id, heap, register_wh, sampled_at, hlc, seq
    ), ranked AS (
      SELECT log_id, seq, row_number() OVER (PARTITION BY log_id, heap ORDER BY register_wh) AS low,
        row_number() OVER (PARTITION BY log_id, heap ORDER BY register_wh DESC) AS high FROM firsts
    ), wanted AS (
      SELECT log_id, seq FROM ranked WHERE low <= 2 OR high <= 2
      UNION
      (SELECT DISTINCT ON (log_id, heap) log_id, seq FROM ticks
       ORDER BY log_id, heap, sampled_at DESC, hlc DESC, seq DESC)
    )
    SELECT ${COLUMNS}, e.hlc FROM wanted w
    JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq
    JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id`
}

/** The ticks that the curves of these sessions are made of. */
export async function curveRows(
  sql: Sql,
  { siteId, chargerId }: Of,
  sessions: readonly Session[],
): Promise<readonly Row[]> {
  if (sessions.length === 0) return []
  const ids = sessions.flatMap(({ starts }) => starts.map(({ body }) => body.sessionId))
  const numbers = sessions.flatMap(({ transactionIds }) => transactionIds.map(String))
  const named = 'e.session_id = ANY($3::text[])'
  const orphan = `e.session_id IS NULL AND split_part(e.fold_key, '/', 2) = ANY($3::text[])`
  const own = await sql(curveBy('session_id', named), [siteId, chargerId, ids])
  const joined = await sql(curveBy('fold_key', orphan), [siteId, chargerId, numbers])
  return [...own.rows, ...joined.rows]
}

/** Of each heap in each log the first and the last register of every interval of the finest grid (session/curve.ts). */
function curveBy(heap: Heap, where: string): string {
  const each = `log_id, heap, sampled_at / ${GRIDS_MS[0]}`
  const pick = (way: 'ASC' | 'DESC'): string =>
    `(SELECT DISTINCT ON (${each}) log_id, seq FROM ticks
      ORDER BY ${each}, ${['sampled_at', 'register_wh', 'hlc', 'seq'].map(by => `${by} ${way}`).join(', ')})`
  return `WITH ticks AS (
      SELECT e.log_id, e.seq, e.hlc, e.sampled_at, e.register_wh, e.${heap} AS heap ${COUNTING}
        AND ${where} AND e.charger_id = $2 AND e.type = ${meter_tick} AND e.register_wh IS NOT NULL
    ), wanted AS (${pick('ASC')} UNION ${pick('DESC')})
    SELECT ${COLUMNS} FROM wanted w
    JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq
    JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id`
}

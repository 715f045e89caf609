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

/** Pairs of a charger and a session that it has a word about. */
export type Pairs = readonly (readonly [ChargerId, SessionId])[]
type Of = { readonly siteId: string; readonly chargerId: ChargerId }
/** What ticks are summed up by, in each log (facts.ts): the session, or for want of one the connector and transaction. */
type Heap = 'session_id' | 'fold_key'

const TOLD = `${COLUMNS}, e.charger_id, e.session_id, e.fold_key`

export async function tickRows(sql: Sql, siteId: string, pairs: Pairs): Promise<readonly Row[]> {
  return await byPairs(sql, siteId, { pairs, text: `${ticksBy('session_id', NAMED)} ${pickTicks}` })
}

/** Those that name no session, newest first. */
export async function orphanTickRows(sql: Sql, of: Of, limit: number): Promise<readonly Row[]> {
  const newest = `ORDER BY e.hlc DESC, e.log_id, e.seq LIMIT ${limit}`
  const result = await sql(`${ticksBy('fold_key', NAMELESS)} ${pickTicks} ${newest}`, [
    of.siteId,
    [of.chargerId],
  ])
  return result.rows
}

/** The ticks that the curves of sessions are made of. */
export async function curveRows(sql: Sql, siteId: string, pairs: Pairs): Promise<readonly Row[]> {
  return await byPairs(sql, siteId, { pairs, text: `${ticksBy('session_id', NAMED)} ${pickCurve}` })
}

/** The same of ticks that name no session: by their transactions. */
export async function orphanCurveRows(
  sql: Sql,
  { siteId, chargerId }: Of,
  transactionIds: readonly number[],
): Promise<readonly Row[]> {
  const among = `${NAMELESS} AND split_part(e.fold_key, '/', 2) = ANY($3::text[])`
  const result = await sql(`${ticksBy('fold_key', among)} ${pickCurve}`, [
    siteId,
    [chargerId],
    transactionIds.map(String),
  ])
  return result.rows
}

type Asked = { readonly pairs: Pairs; readonly text: string }

async function byPairs(sql: Sql, siteId: string, { pairs, text }: Asked): Promise<readonly Row[]> {
  if (pairs.length === 0) return []
  const chargerIds = pairs.map(([chargerId]) => chargerId)
  return (await sql(text, [siteId, chargerIds, pairs.map(([, sessionId]) => sessionId)])).rows
}

const NAMED = 'e.session_id = w.session_id'
const NAMELESS = 'e.session_id IS NULL'

/**
 * `ticks` that count, of chargers or of their sessions. OFFSET 0 holds the planner to the order that is written here, from few
 * rows to those that they name, each by a whole key: without statistics (a new table; PGlite, which never makes any) it takes
 * every step for one row, and would as soon go through all ticks of a site.
 */
function ticksBy(heap: Heap, where: string): string {
  const asked = where === NAMED ? 'unnest($2::text[], $3::text[]) AS w (charger_id, session_id)' : CHARGERS
  return `WITH told AS MATERIALIZED (
      SELECT e.* FROM ${asked} CROSS JOIN LATERAL (
        SELECT e.charger_id, e.log_id, e.seq, e.hlc, e.sampled_at, e.register_wh, e.${heap} AS heap FROM events e
        WHERE e.site_id = $1 AND ${where} AND e.charger_id = w.charger_id AND e.type = ${meter_tick} OFFSET 0) e
    ), logs AS MATERIALIZED (
      SELECT l.log_id, h.device_id, x.from_seq FROM (SELECT DISTINCT log_id FROM told) l
      CROSS JOIN LATERAL (
        SELECT device_id FROM log_head h WHERE h.site_id = $1 AND h.log_id = l.log_id OFFSET 0) h
      CROSS JOIN LATERAL (
        SELECT min(x.from_seq) AS from_seq FROM exclusions x WHERE x.site_id = $1 AND x.log_id = l.log_id) x
    ), ticks AS MATERIALIZED (
      SELECT t.*, l.device_id FROM told t JOIN logs l ON l.log_id = t.log_id
      WHERE l.from_seq IS NULL OR t.seq < l.from_seq
    )`
}

const CHARGERS = 'unnest($2::text[]) AS w (charger_id)'

const WANTED = `SELECT ${TOLD.replace('h.device_id', 'w.device_id')}, e.hlc FROM wanted w CROSS JOIN LATERAL (
      SELECT * FROM events e WHERE e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq OFFSET 0) e`

const EACH = 'heap, log_id, charger_id'

/**
 * Ticks that a fold reads from, in its own order: of each heap in each log (facts.ts) the register that was sampled last,
 * and where its two highest and two lowest values came first (session/registers.ts). No bill needs others.
 */
const pickTicks = `, firsts AS (
      SELECT DISTINCT ON (${EACH}, register_wh) ${EACH}, seq, register_wh, device_id FROM ticks
      WHERE register_wh IS NOT NULL ORDER BY ${EACH}, register_wh, sampled_at, hlc, seq
    ), ranked AS (
      SELECT log_id, seq, device_id, row_number() OVER (PARTITION BY ${EACH} ORDER BY register_wh) AS low,
        count(*) OVER (PARTITION BY ${EACH}) AS values FROM firsts
    ), wanted AS (
      SELECT log_id, seq, device_id FROM ranked WHERE low <= 2 OR low > values - 2
      UNION
      (SELECT log_id, seq, device_id FROM (SELECT DISTINCT ON (${EACH}) log_id, seq, device_id FROM ticks
       ORDER BY ${EACH}, sampled_at DESC, hlc DESC, seq DESC) newest)
    ) ${WANTED}`

/** Of each heap in each log the first and the last register of every interval of the finest grid (session/curve.ts). */
function pickOf(way: 'ASC' | 'DESC'): string {
  const each = `${EACH}, sampled_at / ${GRIDS_MS[0]}`
  const order = ['sampled_at', 'register_wh', 'hlc', 'seq'].map(by => `${by} ${way}`).join(', ')
  return `(SELECT log_id, seq, device_id FROM (SELECT DISTINCT ON (${each}) log_id, seq, device_id FROM ticks
      WHERE register_wh IS NOT NULL ORDER BY ${each}, ${order}) picked)`
}

const pickCurve = `, wanted AS (${pickOf('ASC')} UNION ${pickOf('DESC')}) ${WANTED}`

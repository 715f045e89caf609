// The rows from which sessions of several chargers are folded, each kind in one statement for all of them: a push speaks of
// many chargers, and a statement costs more than the rows that it finds.
import { TYPE_NUMBERS } from '../log/body.ts'
import type { ChargerId, SessionId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { flagIn, textIn } from './rows.ts'
import { COLUMNS, COUNTING, COUNTS, type Pairs } from './ticks.ts'

/** A stop without a session joins one of a charger's newest so many sessions. */
export const MAX_FOLD_SESSIONS = 5_000
/** Stops without a session and ticks without a session that are looked at, newest first. */
export const MAX_ORPHANS = 2_000

const { session_start, session_card, session_end, meter_tick } = TYPE_NUMBERS
const { session_state, adoption, pricing, reconciliation_mark } = TYPE_NUMBERS

/** Sessions by charger. */
export type Named = ReadonlyMap<ChargerId, ReadonlySet<SessionId>>
/** The chargers of which there are stops, or ticks, that name no session. */
export type Nameless = { readonly stops: ReadonlySet<ChargerId>; readonly ticks: ReadonlySet<ChargerId> }

export async function namelessOf(
  sql: Sql,
  siteId: string,
  chargerIds: readonly ChargerId[],
): Promise<Nameless> {
  const isThere = (type: number): string =>
    `EXISTS (SELECT 1 FROM events e WHERE e.site_id = $1 AND e.charger_id = w.charger_id AND e.type = ${type}
       AND e.session_id IS NULL)`
  const found = await sql(
    `SELECT w.charger_id, ${isThere(session_end)} AS stops, ${isThere(meter_tick)} AS ticks
     FROM unnest($2::text[]) AS w (charger_id)`,
    [siteId, chargerIds],
  )
  const those = (kind: 'stops' | 'ticks'): ReadonlySet<ChargerId> =>
    new Set(found.rows.filter(row => flagIn(row, kind)).map(row => textIn<ChargerId>(row, 'charger_id')))
  return { stops: those('stops'), ticks: those('ticks') }
}

/** The ids of all sessions whose fold may depend on the wanted ones, and these. */
export async function reach(
  sql: Sql,
  siteId: string,
  { wanted, stops }: { readonly wanted: Named; readonly stops: ReadonlySet<ChargerId> },
): Promise<Named> {
  const reached = new Map([...wanted].map(([chargerId, ids]) => [chargerId, new Set(ids)]))
  const pairs = [...wanted].flatMap(([chargerId, ids]) =>
    stops.has(chargerId) ? [] : [...ids].map(sessionId => [chargerId, sessionId] as const),
  )
  if (pairs.length > 0) {
    const found = await sql(
      `SELECT DISTINCT b.charger_id, b.session_id FROM unnest($2::text[], $3::text[]) AS w (charger_id, session_id)
       CROSS JOIN LATERAL (
         SELECT e.charger_id, e.fold_key FROM events e WHERE e.site_id = $1 AND e.session_id = w.session_id
           AND e.type = ${session_start} AND e.charger_id = w.charger_id OFFSET 0) a
       CROSS JOIN LATERAL (
         SELECT e.charger_id, e.session_id FROM events e WHERE e.site_id = $1 AND e.charger_id = a.charger_id
           AND e.type = ${session_start} AND e.fold_key = a.fold_key OFFSET 0) b`,
      [siteId, pairs.map(([chargerId]) => chargerId), pairs.map(([, sessionId]) => sessionId)],
    )
    for (const row of found.rows)
      reached.get(textIn<ChargerId>(row, 'charger_id'))?.add(textIn<SessionId>(row, 'session_id'))
  }
  for (const [chargerId, ids] of reached)
    if (stops.has(chargerId)) for (const id of await newestOf(sql, siteId, chargerId)) ids.add(id)
  return reached
}

async function newestOf(sql: Sql, siteId: string, chargerId: ChargerId): Promise<readonly SessionId[]> {
  const found = await sql(
    `SELECT session_id, max(hlc) AS newest FROM events
     WHERE site_id = $1 AND charger_id = $2 AND type = ${session_start} AND session_id IS NOT NULL
     GROUP BY session_id ORDER BY newest DESC LIMIT ${MAX_FOLD_SESSIONS}`,
    [siteId, chargerId],
  )
  return found.rows.map(row => textIn<SessionId>(row, 'session_id'))
}

/** All that was ever told, with a word on whether it counts. */
export async function sessionRows(sql: Sql, siteId: string, named: Named): Promise<readonly Row[]> {
  const said = [session_start, session_card, session_end, session_state, adoption]
  const types = [...said, pricing, reconciliation_mark]
  const result = await sql(
    `SELECT ${COLUMNS}, e.charger_id, e.session_id, ${COUNTS} AS counts
     FROM unnest($2::text[]) AS w (session_id) CROSS JOIN unnest($3::int[]) AS t (type)
     CROSS JOIN LATERAL (
       SELECT * FROM events e WHERE e.site_id = $1 AND e.session_id = w.session_id AND e.type = t.type OFFSET 0) e
     CROSS JOIN LATERAL (
       SELECT device_id FROM log_head h WHERE h.site_id = $1 AND h.log_id = e.log_id OFFSET 0) h`,
    [siteId, idsIn(named), types],
  )
  return result.rows
}

/** Stops of a charger that name no session. */
export async function orphanRows(sql: Sql, siteId: string, chargerId: ChargerId): Promise<readonly Row[]> {
  const ends = await sql(
    `SELECT ${COLUMNS} ${COUNTING} AND e.charger_id = $2 AND e.type = ${session_end} AND e.session_id IS NULL
     ORDER BY e.hlc DESC, e.log_id, e.seq LIMIT ${MAX_ORPHANS}`,
    [siteId, chargerId],
  )
  return ends.rows
}

export function idsIn(named: Named): readonly SessionId[] {
  return [...new Set([...named.values()].flatMap(ids => [...ids]))]
}

export function pairsIn(named: Named): Pairs {
  return [...named].flatMap(([chargerId, ids]) => [...ids].map(sessionId => [chargerId, sessionId] as const))
}

// Stops that fit no session, kept as a list for people: energy that flowed, and that nobody is billed for.
import { sha256, utf8Bytes } from '../identity/hash.ts'
import { contentOf } from '../session/split.ts'
import { type ChargerId, hex, type SessionId } from '../units.ts'
import { type ChargerFold, MAX_ORPHANS } from './charger.ts'
import type { Sql } from './database.ts'
import { optionalTextIn, textIn } from './rows.ts'
import type { Settlement } from './sessions.ts'

type Folded = { readonly chargerId: ChargerId; readonly fold: ChargerFold }
type Stop = ChargerFold['orphanEnds'][number]

/** Under this name a stop is one, however many nodes recorded it. */
export function stopIdOf({ body }: Stop): string {
  const words = `${body.chargerId}/${body.sessionId ?? ''}/${body.transactionId}/`
  return hex(sha256(utf8Bytes(words + contentOf({ body } as Stop)))).slice(0, 32)
}

/** Writes down those that are new, and takes away those that have found their session. */
export async function noteOrphanStops(
  sql: Sql,
  { siteId, nowAt }: Pick<Settlement, 'siteId' | 'nowAt'>,
  { chargerId, fold }: Folded,
): Promise<void> {
  const held = await sql(
    'SELECT stop_id, session_id FROM orphan_stops WHERE site_id = $1 AND charger_id = $2',
    [siteId, chargerId],
  )
  const stops = new Map(fold.orphanEnds.map(end => [stopIdOf(end), end]))
  const known = new Set(held.rows.map(row => textIn(row, 'stop_id')))
  // Of others nothing was read.
  const looked = new Set<SessionId | undefined>(fold.loaded)
  if (stops.size < MAX_ORPHANS) looked.add(undefined)
  const gone = held.rows
    .filter(
      row => looked.has(optionalTextIn<SessionId>(row, 'session_id')) && !stops.has(textIn(row, 'stop_id')),
    )
    .map(row => textIn(row, 'stop_id'))
  if (gone.length > 0)
    await sql('DELETE FROM orphan_stops WHERE site_id = $1 AND stop_id = ANY($2::text[])', [siteId, gone])
  for (const [stopId, { ref, body }] of stops) {
    if (known.has(stopId)) continue
    await sql(
      `INSERT INTO orphan_stops (site_id, stop_id, charger_id, session_id, log_id, seq, found_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [siteId, stopId, chargerId, body.sessionId ?? null, ref.logId, ref.seq, nowAt],
    )
  }
}

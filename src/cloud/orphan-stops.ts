// Stops that fit no session, kept as a list for people: energy that flowed, and that nobody is billed for.
import { sha256, utf8Bytes } from '../identity/hash.ts'
import { contentOf } from '../session/split.ts'
import { type ChargerId, hex, type SessionId } from '../units.ts'
import type { ChargerFold } from './charger.ts'
import { MAX_ORPHANS } from './charger-rows.ts'
import type { Row, Sql } from './database.ts'
import { type Cell, insertRows, type Table } from './inserting.ts'
import { optionalTextIn, textIn } from './rows.ts'
import type { Settlement } from './sessions.ts'

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
  folds: ReadonlyMap<ChargerId, ChargerFold>,
): Promise<void> {
  const found = await sql(
    'SELECT stop_id, charger_id, session_id FROM orphan_stops WHERE site_id = $1 AND charger_id = ANY($2::text[])',
    [siteId, [...folds.keys()]],
  )
  const held = new Map<ChargerId, Row[]>([...folds.keys()].map(chargerId => [chargerId, []]))
  for (const row of found.rows) held.get(textIn<ChargerId>(row, 'charger_id'))?.push(row)
  const changes = [...folds].map(([chargerId, fold]) =>
    changesOf(held.get(chargerId) ?? [], { chargerId, fold, nowAt }),
  )
  const gone = changes.flatMap(one => one.gone)
  if (gone.length > 0)
    await sql('DELETE FROM orphan_stops WHERE site_id = $1 AND stop_id = ANY($2::text[])', [siteId, gone])
  await insertRows(
    sql,
    siteId,
    STOPS,
    changes.flatMap(one => one.fresh),
  )
}

const STOPS: Table = {
  name: 'orphan_stops',
  columns: [
    ['stop_id', 'text'],
    ['charger_id', 'text'],
    ['session_id', 'text'],
    ['log_id', 'text'],
    ['seq', 'bigint'],
    ['found_at', 'bigint'],
  ],
}

type Changes = { readonly gone: readonly string[]; readonly fresh: readonly (readonly Cell[])[] }
type Folded = { readonly chargerId: ChargerId; readonly fold: ChargerFold; readonly nowAt: number }

function changesOf(held: readonly Row[], { chargerId, fold, nowAt }: Folded): Changes {
  const stops = new Map(fold.orphanEnds.map(end => [stopIdOf(end), end]))
  const known = new Set(held.map(row => textIn(row, 'stop_id')))
  // Of others nothing was read.
  const looked = new Set<SessionId | undefined>(fold.loaded)
  if (stops.size < MAX_ORPHANS) looked.add(undefined)
  return {
    gone: held
      .filter(
        row => looked.has(optionalTextIn<SessionId>(row, 'session_id')) && !stops.has(textIn(row, 'stop_id')),
      )
      .map(row => textIn(row, 'stop_id')),
    fresh: [...stops]
      .filter(([stopId]) => !known.has(stopId))
      .map(([stopId, { ref, body }]) => [
        ...[stopId, chargerId, body.sessionId ?? null, ref.logId, ref.seq, nowAt],
      ]),
  }
}

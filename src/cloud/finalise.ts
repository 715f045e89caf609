// Sessions that nobody ends: 72 h after the last word about one, its last tick stands in for the stop and it is billed
// provisionally; the stop, when it comes after all, makes a revision with the difference (PROTOCOL 3.7).
import type { Clock } from '../ports.ts'
import type { SessionId, SiteId } from '../units.ts'
import type { Database, Sql } from './database.ts'
import { textIn } from './rows.ts'
import { refold, refoldWaiting } from './sessions.ts'

/** Counted from the arrival of the last word by the cloud's own clock: a node's may stand in 1970. */
export const FINALISE_AFTER_MS = 72 * 3600 * 1000
/** Sessions in one transaction. */
const MAX_SESSIONS = 100

/** Bills what has been silent for too long; answers how many sessions were looked at. */
export async function finalise(
  database: Database,
  siteId: SiteId,
  clock: Pick<Clock, 'wallMs'>,
): Promise<number> {
  // What a receiver that died had still to do.
  let looked = await refoldWaiting(database, siteId, { clock })
  let after = ''
  for (;;) {
    const ids = await database.transaction(sql => finaliseSome(sql, siteId, { clock, after }), siteId)
    const last = ids.at(-1)
    if (last === undefined) return looked
    looked += ids.length
    after = last
  }
}

type Looking = { readonly clock: Pick<Clock, 'wallMs'>; readonly after: string }

/** Under the site's turn, who is silent too: a word that comes meanwhile makes a session speak again. */
async function finaliseSome(
  sql: Sql,
  siteId: SiteId,
  { clock, after }: Looking,
): Promise<readonly SessionId[]> {
  const nowAt = clock.wallMs()
  const silent = await sql(
    `SELECT session_id FROM sessions
     WHERE site_id = $1 AND state = 'open' AND touched_at <= $2 AND session_id > $3
     ORDER BY session_id LIMIT ${MAX_SESSIONS}`,
    [siteId, nowAt - FINALISE_AFTER_MS, after],
  )
  const ids = silent.rows.map(row => textIn<SessionId>(row, 'session_id'))
  const sessions = new Set(ids)
  if (ids.length > 0)
    await refold(sql, { siteId, nowAt, finalise: sessions }, { sessions, chargers: new Set() })
  return ids
}

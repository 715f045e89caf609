// Which sessions ticks are of that name none: they were recorded by a node that did not know the start. Where they come behind
// the stop, which another node recorded, the session is folded again.
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import type { ChargerId, SessionId } from '../units.ts'
import type { Sql } from './database.ts'
import { bytesIn } from './rows.ts'

/** A charger's transactions of which ticks were told that name no session. */
export type Nameless = ReadonlyMap<ChargerId, ReadonlySet<number>>

/** Of one charger, the newest: a tick that names no session is of one of these. */
const MAX_NEWEST = 64

/** The sessions that such ticks are of, as far as their starts are here. */
export async function bearersOf(sql: Sql, siteId: string, nameless: Nameless): Promise<readonly SessionId[]> {
  const found: SessionId[] = []
  for (const [chargerId, transactionIds] of nameless) {
    const starts = await sql(
      `SELECT element FROM events WHERE site_id = $1 AND charger_id = $2 AND type = ${TYPE_NUMBERS.session_start}
       ORDER BY hlc DESC, log_id, seq LIMIT ${MAX_NEWEST}`,
      [siteId, chargerId],
    )
    for (const row of starts.rows) {
      const element = decodeElement(bytesIn(row, 'element'))
      const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
      if (said?.name === 'session_start' && transactionIds.has(said.body.transactionId))
        found.push(said.body.sessionId)
    }
  }
  return found
}

// Sessions that wait to be folded again: a tariff may be cited by any number of them, and no transaction is to grow by that.
import { TYPE_NUMBERS } from '../log/body.ts'
import type { Sql } from './database.ts'

/** The sessions that cite a tariff of this log, from there on, are folded again soon. */
export async function awaitRefold(
  sql: Sql,
  siteId: string,
  { logId, fromSeq }: { readonly logId: string; readonly fromSeq: number },
): Promise<void> {
  await sql(
    `INSERT INTO refolds (site_id, session_id)
     SELECT DISTINCT e.site_id, e.session_id FROM events t
     JOIN events e ON e.site_id = t.site_id AND e.cites = t.log_id || '/' || t.seq::text
     WHERE t.site_id = $1 AND t.log_id = $2 AND t.seq >= $3 AND t.type = ${TYPE_NUMBERS.tariff}
       AND e.session_id IS NOT NULL
     ON CONFLICT DO NOTHING`,
    [siteId, logId, fromSeq],
  )
}

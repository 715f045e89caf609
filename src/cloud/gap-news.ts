// Gaps as news. They are not written anywhere, they follow from what is there (gaps.ts), and while a push goes in there are
// many for a moment: so one is told when it has stood for a while, and closed when it is not there any more.
import type { Clock } from '../ports.ts'
import type { SiteId } from '../units.ts'
import type { Database } from './database.ts'
import { type Gap, gapsOf } from './gaps.ts'
import { type News, tell, wants } from './news.ts'
import { flagIn, intIn, textIn } from './rows.ts'

/** A node that comes back pushes what it holds within this, even by a narrow way. */
export const STANDS_AFTER_MS = 5 * 60_000
/** More are told when these are closed. */
const MAX_GAPS = 1_000

type Watching = { readonly database: Database; readonly siteId: SiteId; readonly clock: Clock }

/** Compares what is missing now with what was missing the last time; answers how much was told. */
export async function tellGaps({ database, siteId, clock }: Watching): Promise<number> {
  const listening = await database.query(
    `SELECT 1 AS there FROM webhooks w, (VALUES ('gap.found'), ('gap.closed')) AS g (type)
     WHERE w.site_id = $1 AND ${wants('w', 'g')} LIMIT 1`,
    [siteId],
  )
  if (listening.rows.length === 0) return 0
  const gaps = await gapsOf(database, siteId, { after: '', limit: MAX_GAPS })
  const nowAt = clock.wallMs()
  return await database.transaction(async sql => {
    const found = await sql('SELECT * FROM webhook_gaps WHERE site_id = $1', [siteId])
    const known = new Map(found.rows.map(row => [textIn(row, 'gap'), row]))
    const news: News[] = []
    for (const gap of gaps) {
      const row = known.get(keyOf(gap))
      known.delete(keyOf(gap))
      const isTold = row !== undefined && flagIn(row, 'told')
      const stands = row !== undefined && nowAt - intIn(row, 'seen_at') >= STANDS_AFTER_MS
      if (stands && !isTold) news.push({ type: 'gap.found', subject: subjectOf(gap), data: gap })
      if (row && isTold === (isTold || stands)) continue
      await sql(
        `INSERT INTO webhook_gaps (site_id, gap, seen_at, told, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (site_id, gap) DO UPDATE SET told = excluded.told`,
        [siteId, keyOf(gap), nowAt, stands, JSON.stringify(gap)],
      )
    }
    for (const [key, row] of known) {
      const gap = JSON.parse(textIn(row, 'body')) as Gap
      if (flagIn(row, 'told')) news.push({ type: 'gap.closed', subject: subjectOf(gap), data: gap })
      await sql('DELETE FROM webhook_gaps WHERE site_id = $1 AND gap = $2', [siteId, key])
    }
    await tell(sql, { siteId, nowAt }, news)
    return news.length
  }, siteId)
}

/** Of a gap that is half filled the key stays: what is left of it is the same gap. */
function keyOf(gap: Gap): string {
  return `${gap.kind}/${gap.logId}/${subjectOf(gap)}`
}

function subjectOf(gap: Gap): string {
  return gap.kind === 'lossy' ? gap.logId : gap.namedBy
}

// What a push holds beside logs: digests of what its sender holds, and events that go ahead of theirs (PROTOCOL 3.4). Nothing
// of it is billed, acknowledged or folded; whatever is wrong with it costs the rest of the push nothing.
import type { Push } from '../ports.ts'
import { judgeDigests, takeDigest, takeFrontier } from './digests.ts'
import type { IngestDeps } from './ingest.ts'
import { settleLone, takeLone } from './lone-events.ts'
import { flagIn } from './rows.ts'

/** Behind the push's logs, so that certificates are known and what has come already needs no second look. */
export async function takeAhead(deps: IngestDeps, push: Push): Promise<void> {
  const { digest, frontier = [], lone = [], segments } = push
  if (digest) await takeDigest(deps, digest)
  if (frontier.length > 0) await takeFrontier(deps, frontier)
  for (const log of lone) await takeLone(deps, log)
  const logIds = [...new Set([...segments, ...lone].map(({ logId }) => logId))]
  // One look, since most pushes find nothing that waits.
  const found = await deps.database.query(
    `SELECT EXISTS (SELECT 1 FROM digests WHERE site_id = $1 AND state = 'held' AND frontier IS NOT NULL) AS digests,
       EXISTS (SELECT 1 FROM lone_events WHERE site_id = $1 AND log_id = ANY($2::text[])) AS events`,
    [deps.siteId, logIds],
  )
  const [waiting] = found.rows
  if (waiting && flagIn(waiting, 'digests')) await judgeDigests(deps)
  if (waiting && flagIn(waiting, 'events')) await settleLone(deps, logIds)
}

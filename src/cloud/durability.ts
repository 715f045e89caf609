// How safe a commit is (PROTOCOL 3.5), which acks say and by which nodes let go of old logs: 1, on the disk of one database;
// 2, on a second one as well, in the moment of the commit, and in an archive from which both can be restored. A PostgreSQL
// server is asked; where a provider hides its replicas, whoever runs it may promise it. What cannot be seen is not believed.
import type { Clock } from '../ports.ts'
import type { Database } from './database.ts'
import { flagIn, intIn, textIn } from './rows.ts'

export type Durability = 1 | 2

/** Asked again after so long: a replica may be taken away while we run. */
const ASK_EVERY_MS = 30_000
/** A commit waits for the replica's disk; `remote_write` waits for its memory alone. */
const WAITING: readonly string[] = ['on', 'remote_apply']

/** `promised`: said by whoever runs the database. */
export function createDurability(
  database: Database,
  clock: Clock,
  promised?: Durability,
): () => Promise<Durability> {
  let known: { readonly durability: Durability; readonly askedMs: number } | undefined
  return async () => {
    if (promised) return promised
    const nowMs = clock.monotonicMs()
    if (known && nowMs - known.askedMs < ASK_EVERY_MS) return known.durability
    known = { durability: await durabilityOf(database), askedMs: nowMs }
    return known.durability
  }
}

async function durabilityOf(database: Database): Promise<Durability> {
  const found = await database.query(
    `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS waits,
       current_setting('synchronous_standby_names') AS standbys, current_setting('archive_mode') AS archive,
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS replicas,
       (SELECT coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL)
        FROM pg_stat_archiver) AS archiving_fails`,
  )
  const [row] = found.rows
  if (!row || textIn(row, 'fsync') !== 'on' || !WAITING.includes(textIn(row, 'waits'))) return 1
  const isReplicated = textIn(row, 'standbys') !== '' && intIn(row, 'replicas') > 0
  const isArchived = textIn(row, 'archive') !== 'off' && !flagIn(row, 'archiving_fails')
  return isReplicated && isArchived ? 2 : 1
}

/** Acks that promise less than is so by now are due again. */
export async function raiseAcks(database: Database, siteId: string, durability: Durability): Promise<void> {
  if (durability === 1) return
  // In the site's turn, or an ack that is being signed would clear what this sets.
  await database.transaction(
    sql =>
      sql(
        `UPDATE log_head h SET ack_due = true FROM acks a
         WHERE h.site_id = $1 AND a.site_id = h.site_id AND a.log_id = h.log_id AND a.durability < $2`,
        [siteId, durability],
      ),
    siteId,
  )
}

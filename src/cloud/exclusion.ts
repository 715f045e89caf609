// What is kept but moves no session and no bill: a log from the point where its key was misused (PROTOCOL 1.8), and what
// standing.ts finds to count no more.
import { TYPE_NUMBERS } from '../log/body.ts'
import type { Segment } from '../ports.ts'
import type { Admission } from '../replica/admit.ts'
import type { ChargerId, DeviceId, LogId, SessionId, SiteId } from '../units.ts'
import { bearersOf } from './bearers.ts'
import type { Sql } from './database.ts'
import { forkNews, tell } from './news.ts'
import { awaitRefold } from './refolds.ts'
import { intIn, optionalTextIn, textIn } from './rows.ts'
import type { Touched } from './sessions.ts'

/** Branches kept as evidence for one log; one other branch is proof enough. */
const MAX_FORKS_PER_LOG = 8

/** From `fromSeq` on, what counts of this log is not what counted before. */
export type Excluded = { readonly logId: LogId; readonly fromSeq: number }

/** Whether an event counts that a row names by log_id and seq: it lies before every exclusion of its log. */
export function countsIn(row: string): string {
  return `NOT EXISTS (SELECT 1 FROM exclusions x
    WHERE x.site_id = ${row}.site_id AND x.log_id = ${row}.log_id AND x.from_seq <= ${row}.seq)`
}

export type Fork = {
  readonly segment: Segment
  readonly fork: Extract<Admission, { kind: 'fork' }>
  readonly deviceId: DeviceId
  readonly nowAt: number
}

/** Keeps the other branch as evidence; answers from where on the log's own branch may no longer speak. */
export async function excludeFork(
  sql: Sql,
  siteId: SiteId,
  { segment, fork, deviceId, nowAt }: Fork,
): Promise<Excluded | undefined> {
  const { logId } = segment
  const held = await sql('SELECT count(*) AS n FROM forks WHERE site_id = $1 AND log_id = $2', [
    siteId,
    logId,
  ])
  if (held.rows[0] && intIn(held.rows[0], 'n') < MAX_FORKS_PER_LOG) {
    const added = await sql(
      `INSERT INTO forks (site_id, log_id, seq, ours, theirs, segment, from_seq, found_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING seq`,
      [siteId, logId, fork.seq, fork.ours, fork.theirs, segment.update, segment.fromSeq, nowAt],
    )
    const { seq, ours, theirs } = fork
    if (added.rows.length > 0)
      await tell(sql, { siteId, nowAt }, [forkNews({ logId, deviceId, seq, ours, theirs })])
  }
  const known = await sql(
    `SELECT from_seq FROM exclusions WHERE site_id = $1 AND log_id = $2 AND reason = 'fork'`,
    [siteId, logId],
  )
  const before = known.rows[0] ? intIn(known.rows[0], 'from_seq') : Number.POSITIVE_INFINITY
  // A proof of misuse is never taken back.
  return before <= fork.seq
    ? undefined
    : exclude(sql, siteId, { logId, reason: 'fork', before, fromSeq: fork.seq })
}

type Exclusion = {
  readonly logId: LogId
  readonly reason: 'fork' | 'revoked' | 'orphan'
  /** What is written down now, and what shall be; infinite where all counts. */
  readonly before: number
  readonly fromSeq: number
}

/** Excludes a log's events from `fromSeq` on, or none when that is infinite. */
export async function exclude(
  sql: Sql,
  siteId: SiteId,
  { logId, reason, before, fromSeq }: Exclusion,
): Promise<Excluded> {
  if (fromSeq === Number.POSITIVE_INFINITY) {
    await sql('DELETE FROM exclusions WHERE site_id = $1 AND log_id = $2 AND reason = $3', [
      siteId,
      logId,
      reason,
    ])
  } else {
    await sql(
      `INSERT INTO exclusions (site_id, log_id, reason, from_seq) VALUES ($1, $2, $3, $4)
       ON CONFLICT (site_id, log_id, reason) DO UPDATE SET from_seq = excluded.from_seq`,
      [siteId, logId, reason, fromSeq],
    )
  }
  return { logId, fromSeq: Math.min(before, fromSeq) }
}

/** The sessions of which these speak: they gain or lose evidence. Those priced by a tariff there are folded again soon. */
export async function spokenOf(sql: Sql, siteId: SiteId, excluded: readonly Excluded[]): Promise<Touched> {
  const sessions = new Set<SessionId>()
  const chargers = new Set<ChargerId>()
  const nameless = new Map<ChargerId, Set<number>>()
  for (const { logId, fromSeq } of excluded) {
    const events = await sql(
      `SELECT session_id, charger_id, type, fold_key FROM events
       WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND (session_id IS NOT NULL OR charger_id IS NOT NULL)`,
      [siteId, logId, fromSeq],
    )
    for (const row of events.rows) {
      const sessionId = optionalTextIn<SessionId>(row, 'session_id')
      if (sessionId) {
        sessions.add(sessionId)
        continue
      }
      const [type, chargerId] = [intIn(row, 'type'), textIn<ChargerId>(row, 'charger_id')]
      if (type === TYPE_NUMBERS.session_end) chargers.add(chargerId)
      if (type !== TYPE_NUMBERS.meter_tick) continue
      const transactionId = Number(textIn(row, 'fold_key').split('/')[1])
      nameless.set(chargerId, (nameless.get(chargerId) ?? new Set()).add(transactionId))
    }
    await awaitRefold(sql, siteId, { logId, fromSeq })
  }
  for (const sessionId of await bearersOf(sql, siteId, nameless)) sessions.add(sessionId)
  return { sessions, chargers }
}

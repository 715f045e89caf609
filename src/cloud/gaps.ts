// What the cloud should hold and does not, device by device (PROTOCOL 3.6): epochs form a chain by the epoch before
// that each one names, and a predecessor that does not reach the named event is a gap. An epoch that was opened on a
// lossy store is listed until its device has declared what it lost.
import { TYPE_NUMBERS } from '../log/body.ts'
import type { DeviceId, LogId, SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { intIn, optionalIntIn, textIn } from './rows.ts'

export type Gap =
  /** Events `fromSeq` to `toSeq` of a log exist and are not here; `namedBy` is the epoch that says so. */
  | {
      readonly kind: 'missing'
      readonly deviceId: DeviceId
      readonly logId: LogId
      readonly fromSeq: number
      readonly toSeq: number
      readonly namedBy: LogId
    }
  /** The epoch names another event than the one that is here. */
  | { readonly kind: 'mismatch'; readonly deviceId: DeviceId; readonly logId: LogId; readonly namedBy: LogId }
  /** The device's store was damaged before this epoch, and nobody has said what was lost. */
  | { readonly kind: 'lossy'; readonly deviceId: DeviceId; readonly logId: LogId }

export type Page = { readonly after: string; readonly limit: number }

/** Gaps of the site, ordered by the epoch that shows them. */
export async function gapsOf(database: Database, siteId: SiteId, page: Page): Promise<readonly Gap[]> {
  const found = await database.query(
    `SELECT * FROM (
       SELECT d.device_id, d.log_id, d.prev_log, d.prev_seq, d.prev_hash, p.contiguous_seq, e.event_hash,
         d.store_state = 'lossy' AND NOT EXISTS (
           SELECT 1 FROM log_head l
           JOIN events declared ON declared.site_id = l.site_id AND declared.log_id = l.log_id
             AND declared.type = ${TYPE_NUMBERS.loss_declaration}
           JOIN events opened ON opened.site_id = d.site_id AND opened.log_id = d.log_id AND opened.seq = 0
           WHERE l.site_id = d.site_id AND l.device_id = d.device_id AND declared.hlc >= opened.hlc
         ) AS lossy
       FROM device_epochs d
       LEFT JOIN log_head p ON p.site_id = d.site_id AND p.log_id = d.prev_log
       LEFT JOIN events e ON e.site_id = d.site_id AND e.log_id = d.prev_log AND e.seq = d.prev_seq
       WHERE d.site_id = $1 AND d.log_id > $2
     ) epochs
     WHERE lossy OR (prev_log IS NOT NULL AND (event_hash IS NULL OR event_hash <> prev_hash))
     ORDER BY log_id LIMIT $3`,
    [siteId, page.after, page.limit],
  )
  return found.rows.flatMap(gapsIn)
}

function gapsIn(row: Row): readonly Gap[] {
  const deviceId = textIn<DeviceId>(row, 'device_id')
  const namedBy = textIn<LogId>(row, 'log_id')
  const gaps: Gap[] = []
  if (row.lossy === true) gaps.push({ kind: 'lossy', deviceId, logId: namedBy })
  if (row.prev_log === null || row.event_hash === row.prev_hash) return gaps
  const logId = textIn<LogId>(row, 'prev_log')
  const toSeq = intIn(row, 'prev_seq')
  const fromSeq = (optionalIntIn(row, 'contiguous_seq') ?? -1) + 1
  if (fromSeq <= toSeq) gaps.push({ kind: 'missing', deviceId, logId, fromSeq, toSeq, namedBy })
  else gaps.push({ kind: 'mismatch', deviceId, logId, namedBy })
  return gaps
}

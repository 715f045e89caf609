// Appends any number of records in parts that the journal takes at once.

import { type Journal, MAX_QUEUED_BYTES } from './store/journal.ts'
import type { LedgerRecord } from './store/records.ts'

/** Frames add a few bytes to each record. */
const PART_BYTES = MAX_QUEUED_BYTES / 2

/** Resolves when all are durable; rejects with the journal's MeshError. */
export async function persistAll(journal: Journal, records: readonly LedgerRecord[]): Promise<void> {
  let part: LedgerRecord[] = []
  let partBytes = 0
  for (const record of records) {
    part.push(record)
    partBytes += record.payload.length
    if (partBytes >= PART_BYTES) {
      await journal.append(part)
      part = []
      partBytes = 0
    }
  }
  if (part.length > 0) await journal.append(part)
}

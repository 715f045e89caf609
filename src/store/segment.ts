// One journal file: "CMJ1", then frames. Reading it is total: every byte ends up in a record, in a named hole or in
// the tail behind the last whole frame. Pure; which tail is normal and which is damage is the journal's decision.
import { findFrame, type JournalRecord, readFrame } from './frame.ts'

export const SEGMENT_HEADER: Uint8Array = new TextEncoder().encode('CMJ1')
/** Checksum work allowed per file to find frames behind garbage: eight times a whole file. */
const RESYNC_BUDGET_BYTES = 67_108_864

export type Hole = {
  readonly offset: number
  readonly lostBytes: number
  /** `unknown-key` is a whole frame that the right key would open; `garbage` is gone. */
  readonly cause: 'garbage' | 'unknown-key'
}
export type SegmentScan = {
  /** In the order of the file; views into it. */
  readonly records: readonly JournalRecord[]
  readonly holes: readonly Hole[]
  /** Behind the last whole frame; 0 when there is not even a header. */
  readonly goodEnd: number
}

export function scanSegment(bytes: Uint8Array): SegmentScan {
  const records: JournalRecord[] = []
  const holes: Hole[] = []
  let at = hasHeader(bytes) ? SEGMENT_HEADER.length : 0
  while (at < bytes.length) {
    const read = readFrame(bytes, at)
    if (read.kind === 'garbage') {
      const next = findFrame(bytes, at + 1, RESYNC_BUDGET_BYTES)
      if (next === undefined) break
      holes.push({ offset: at, lostBytes: next - at, cause: 'garbage' })
      at = next
      continue
    }
    if (read.kind === 'record') records.push(read.record)
    else holes.push({ offset: at, lostBytes: read.end - at, cause: 'unknown-key' })
    at = read.end
  }
  return { records, holes, goodEnd: at }
}

function hasHeader(bytes: Uint8Array): boolean {
  return SEGMENT_HEADER.every((byte, i) => bytes[i] === byte)
}

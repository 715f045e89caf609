// One journal file: "CMJ1", then frames. Reading it is total: every byte ends up in a record, in a named hole or in
// the tail behind the last whole frame. Pure; which tail is normal and which is damage is the journal's decision.
import { concatBytes } from '../units.ts'
import { encodeFrame, findFrame, type JournalRecord, keyIdAt, PLAIN_KEY_ID, readFrame } from './frame.ts'
import type { Sealer } from './sealing.ts'

export const SEGMENT_HEADER: Uint8Array = new TextEncoder().encode('CMJ1')
/** Checksum work allowed per file to find frames behind garbage: eight times a whole file. */
const RESYNC_BUDGET_BYTES = 67_108_864

export type Hole = {
  readonly offset: number
  readonly lostBytes: number
  /**
   * `unknown-key` is a whole frame that the right key would open; `forged` one whose key is here and does not: somebody
   * changed or moved it, or it is of another store. `garbage` is gone.
   */
  readonly cause: 'garbage' | 'unknown-key' | 'forged'
}
export type SegmentScan = {
  /** In the order of the file; views into it. */
  readonly records: readonly JournalRecord[]
  readonly holes: readonly Hole[]
  /** Behind the last whole frame; 0 when there is not even a header. */
  readonly goodEnd: number
}

export function scanSegment(bytes: Uint8Array, sealer?: Sealer): SegmentScan {
  const records: JournalRecord[] = []
  const holes: Hole[] = []
  const goodEnd = walk(bytes, sealer, part => {
    if (part.kind === 'record') records.push(part.record)
    else holes.push({ offset: part.at, lostBytes: part.end - part.at, cause: part.cause })
  })
  return { records, holes, goodEnd }
}

/**
 * The file with every record in it sealed by `to`, or plain without it; no bytes when it is so already. What cannot be read
 * stays, byte for byte: so many.
 */
export function rewriteSegment(
  bytes: Uint8Array,
  from?: Sealer,
  to?: Sealer,
): { readonly bytes?: Uint8Array; readonly keptBytes: number } {
  const parts: Uint8Array[] = []
  let changed = false
  let holeBytes = 0
  const keyId = to?.keyId ?? PLAIN_KEY_ID
  const goodEnd = walk(bytes, from, part => {
    const isDue = part.kind === 'record' && keyIdAt(bytes, part.at) !== keyId
    parts.push(isDue ? encodeFrame(part.record, to) : bytes.subarray(part.at, part.end))
    changed ||= isDue
    if (part.kind === 'hole') holeBytes += part.end - part.at
  })
  const head = hasHeader(bytes) ? [SEGMENT_HEADER] : []
  const tail = bytes.subarray(goodEnd)
  const keptBytes = holeBytes + tail.length
  return changed ? { bytes: concatBytes([...head, ...parts, tail]), keptBytes } : { keptBytes }
}

/** The file without some of its records; undefined when there is none of them. What cannot be read stays. */
export function withoutRecords(
  bytes: Uint8Array,
  isDropped: (record: JournalRecord) => boolean,
  sealer?: Sealer,
): { readonly bytes: Uint8Array; readonly isEmpty: boolean } | undefined {
  const parts: Uint8Array[] = []
  let dropped = 0
  const goodEnd = walk(bytes, sealer, part => {
    if (part.kind === 'record' && isDropped(part.record)) dropped += 1
    else parts.push(bytes.subarray(part.at, part.end))
  })
  if (dropped === 0) return undefined
  const tail = bytes.subarray(goodEnd)
  const isEmpty = parts.length === 0 && tail.length === 0
  return { bytes: concatBytes([SEGMENT_HEADER, ...parts, tail]), isEmpty }
}

type Part = { readonly at: number; readonly end: number } & (
  | { readonly kind: 'record'; readonly record: JournalRecord }
  | { readonly kind: 'hole'; readonly cause: Hole['cause'] }
)

/** Visits records and holes in the order of the file; gives back `goodEnd`. */
function walk(bytes: Uint8Array, sealer: Sealer | undefined, visit: (part: Part) => void): number {
  let at = hasHeader(bytes) ? SEGMENT_HEADER.length : 0
  while (at < bytes.length) {
    const read = readFrame(bytes, at, sealer)
    if (read.kind === 'garbage') {
      const next = findFrame(bytes, at + 1, RESYNC_BUDGET_BYTES)
      if (next === undefined) break
      visit({ kind: 'hole', at, end: next, cause: 'garbage' })
      at = next
      continue
    }
    const { end } = read
    if (read.kind === 'record') visit({ kind: 'record', at, end, record: read.record })
    else visit({ kind: 'hole', at, end, cause: read.kind === 'locked' ? 'unknown-key' : 'forged' })
    at = end
  }
  return at
}

function hasHeader(bytes: Uint8Array): boolean {
  return SEGMENT_HEADER.every((byte, i) => bytes[i] === byte)
}

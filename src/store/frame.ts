// One record on disk: magic u16 || len u32 || crc32c u32 || keyId u8 || [nonce 12] || payload [|| tag 16], big-endian
// (PROTOCOL 1.10). `len` counts, and the checksum covers, all that stands behind the checksum. keyId 0 is plain and has
// neither nonce nor tag. A checksum finds accidents, not attackers: whoever reads a record still verifies it.
import CRC32C from 'crc-32/crc32c.js'
import { invariant } from '../errors.ts'

/** Kinds belong to the writer of the record; the journal only carries them. */
export type JournalRecord = { readonly kind: number; readonly payload: Uint8Array }

export type FrameRead =
  | { readonly kind: 'record'; readonly record: JournalRecord; readonly end: number }
  /** Whole, but encrypted with a key that this node does not have. */
  | { readonly kind: 'locked'; readonly keyId: number; readonly end: number }
  | { readonly kind: 'garbage' }

/** Kind and payload together; far above an event (PROTOCOL 1.3), far below a file. */
export const MAX_RECORD_BYTES = 1_048_576
export const FRAME_MAGIC = 0x434d
export const PLAIN_KEY_ID = 0
const HEAD_BYTES = 10
const KEY_ID_BYTES = 1
const SEALING_BYTES = 12 + 16
const MIN_BODY_BYTES = KEY_ID_BYTES + 1
const MAX_BODY_BYTES = KEY_ID_BYTES + SEALING_BYTES + MAX_RECORD_BYTES

export function crc32c(bytes: Uint8Array): number {
  return CRC32C.buf(bytes) >>> 0
}

/** The frame of one plain record. Throws InvariantBroken on a kind that is no byte or a record over the limit. */
export function encodeFrame(record: JournalRecord): Uint8Array {
  const { kind, payload } = record
  invariant(Number.isInteger(kind) && kind >= 0 && kind <= 255, 'a record kind is one byte')
  invariant(payload.length < MAX_RECORD_BYTES, `a record has at most ${MAX_RECORD_BYTES} bytes`)
  const frame = new Uint8Array(HEAD_BYTES + MIN_BODY_BYTES + payload.length)
  frame[HEAD_BYTES] = PLAIN_KEY_ID
  frame[HEAD_BYTES + KEY_ID_BYTES] = kind
  frame.set(payload, HEAD_BYTES + MIN_BODY_BYTES)
  const body = frame.subarray(HEAD_BYTES)
  const view = viewOf(frame)
  view.setUint16(0, FRAME_MAGIC)
  view.setUint32(2, body.length)
  view.setUint32(6, crc32c(body))
  return frame
}

/** What stands at `at`. The record's payload is a view into `bytes`. */
export function readFrame(bytes: Uint8Array, at: number): FrameRead {
  const bodyBytes = claimedBodyBytes(bytes, at)
  if (bodyBytes === undefined) return { kind: 'garbage' }
  const end = at + HEAD_BYTES + bodyBytes
  const body = bytes.subarray(at + HEAD_BYTES, end)
  if (crc32c(body) !== viewOf(bytes).getUint32(at + 6)) return { kind: 'garbage' }
  const [keyId, kind] = body
  if (keyId !== PLAIN_KEY_ID) return { kind: 'locked', keyId: keyId ?? PLAIN_KEY_ID, end }
  return { kind: 'record', record: { kind: kind ?? 0, payload: body.subarray(MIN_BODY_BYTES) }, end }
}

/**
 * The next offset from `from` on at which a whole frame checks out, or undefined. Bytes that look like many frame heads
 * would each cost a checksum over up to a megabyte, so at most `budgetBytes` are summed; what lies behind counts as lost.
 */
export function findFrame(bytes: Uint8Array, from: number, budgetBytes: number): number | undefined {
  let leftBytes = budgetBytes
  for (let at = from; at + HEAD_BYTES + MIN_BODY_BYTES <= bytes.length; at++) {
    const bodyBytes = claimedBodyBytes(bytes, at)
    if (bodyBytes === undefined) continue
    leftBytes -= bodyBytes
    if (leftBytes < 0) return undefined
    if (readFrame(bytes, at).kind !== 'garbage') return at
  }
  return undefined
}

/** The length that a frame head at `at` states, when there is one and all of it could be in `bytes`. */
function claimedBodyBytes(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== FRAME_MAGIC >> 8 || bytes[at + 1] !== (FRAME_MAGIC & 255)) return undefined
  if (at + HEAD_BYTES + MIN_BODY_BYTES > bytes.length) return undefined
  const bodyBytes = viewOf(bytes).getUint32(at + 2)
  const fits = bodyBytes >= MIN_BODY_BYTES && bodyBytes <= MAX_BODY_BYTES
  return fits && at + HEAD_BYTES + bodyBytes <= bytes.length ? bodyBytes : undefined
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

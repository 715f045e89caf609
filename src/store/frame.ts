// One record on disk: magic u16 || len u32 || crc32c u32 || keyId u8 || [nonce 12] || payload [|| tag 16], big-endian
// (PROTOCOL 1.10). `len` counts, and the checksum covers, all that stands behind the checksum. keyId 0 is plain and has
// neither nonce nor tag; with another one the payload, its kind included, is sealed (sealing.ts). A checksum finds
// accidents, not attackers: whoever reads a record still verifies it.
import CRC32C from 'crc-32/crc32c.js'
import { invariant } from '../errors.ts'
import { SEALING_BYTES, type Sealer } from './sealing.ts'

/** Kinds belong to the writer of the record; the journal only carries them. */
export type JournalRecord = { readonly kind: number; readonly payload: Uint8Array }

export type FrameRead =
  | { readonly kind: 'record'; readonly record: JournalRecord; readonly end: number }
  /** Whole, but encrypted with a key that this node does not have. */
  | { readonly kind: 'locked'; readonly keyId: number; readonly end: number }
  /** Whole, of a key that is here, and yet not what that key has sealed for this place. */
  | { readonly kind: 'forged'; readonly end: number }
  | { readonly kind: 'garbage' }

/** Kind and payload together; far above an event (PROTOCOL 1.3), far below a file. */
export const MAX_RECORD_BYTES = 1_048_576
export const FRAME_MAGIC = 0x434d
export const PLAIN_KEY_ID = 0
const HEAD_BYTES = 10
const KEY_ID_BYTES = 1
const MIN_BODY_BYTES = KEY_ID_BYTES + 1
const MAX_BODY_BYTES = KEY_ID_BYTES + SEALING_BYTES + MAX_RECORD_BYTES

export function crc32c(bytes: Uint8Array): number {
  return CRC32C.buf(bytes) >>> 0
}

/** Kind and payload of a record, copied. Throws InvariantBroken on a kind that is no byte or a record over the limit. */
export function plainOf({ kind, payload }: JournalRecord): Uint8Array {
  invariant(Number.isInteger(kind) && kind >= 0 && kind <= 255, 'a record kind is one byte')
  invariant(payload.length < MAX_RECORD_BYTES, `a record has at most ${MAX_RECORD_BYTES} bytes`)
  const plain = new Uint8Array(1 + payload.length)
  plain[0] = kind
  plain.set(payload, 1)
  return plain
}

/** Bytes of the frame that `plain` will have. */
export function frameBytes(plain: Uint8Array, isSealed: boolean): number {
  return HEAD_BYTES + KEY_ID_BYTES + plain.length + (isSealed ? SEALING_BYTES : 0)
}

/** The frame of one record as `plainOf` gives it: sealed when there is a sealer. */
export function frameOf(plain: Uint8Array, sealer?: Sealer): Uint8Array {
  const inner = sealer ? sealer.seal(plain) : plain
  const frame = new Uint8Array(HEAD_BYTES + KEY_ID_BYTES + inner.length)
  frame[HEAD_BYTES] = sealer?.keyId ?? PLAIN_KEY_ID
  frame.set(inner, HEAD_BYTES + KEY_ID_BYTES)
  const body = frame.subarray(HEAD_BYTES)
  const view = viewOf(frame)
  view.setUint16(0, FRAME_MAGIC)
  view.setUint32(2, body.length)
  view.setUint32(6, crc32c(body))
  return frame
}

export function encodeFrame(record: JournalRecord, sealer?: Sealer): Uint8Array {
  return frameOf(plainOf(record), sealer)
}

/** What stands at `at`. A plain record's payload is a view into `bytes`. */
export function readFrame(bytes: Uint8Array, at: number, sealer?: Sealer): FrameRead {
  const bodyBytes = claimedBodyBytes(bytes, at)
  if (bodyBytes === undefined) return { kind: 'garbage' }
  const end = at + HEAD_BYTES + bodyBytes
  const body = bytes.subarray(at + HEAD_BYTES, end)
  if (crc32c(body) !== viewOf(bytes).getUint32(at + 6)) return { kind: 'garbage' }
  const keyId = body[0] ?? PLAIN_KEY_ID
  const inner = body.subarray(KEY_ID_BYTES)
  const plain = keyId === PLAIN_KEY_ID ? inner : (sealer?.open(keyId, inner) ?? 'unknown')
  if (plain === 'unknown') return { kind: 'locked', keyId, end }
  const [kind] = plain
  if (plain === 'forged' || typeof kind !== 'number') return { kind: 'forged', end }
  return { kind: 'record', record: { kind, payload: plain.subarray(1) }, end }
}

/** With which key the whole frame at `at` is written. */
export function keyIdAt(bytes: Uint8Array, at: number): number {
  return bytes[at + HEAD_BYTES] ?? PLAIN_KEY_ID
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

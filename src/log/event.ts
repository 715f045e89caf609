// An event as signed bytes: the element that is stored and sent, the header that is signed and never sent because
// it can be recomputed, and the hash that links the next event to this one (PROTOCOL 1.3).
import { invariant } from '../errors.ts'
import { hashOf, hexHashOf, sha256 } from '../identity/hash.ts'
import { concatBytes, type EventHash, type LogId, setUint48 } from '../units.ts'
import { MAX_BODY_BYTES } from './fields.ts'
import type { Hlc } from './hlc.ts'

export const EVENT_VERSION = 1
export const FLAG_SEAL = 1
export const SIGNATURE_BYTES = 64
/** v, type, flags, hlc, mono_ms, bodyLen. */
const FIXED_BYTES = 19
export const MAX_ELEMENT_BYTES = FIXED_BYTES + MAX_BODY_BYTES + SIGNATURE_BYTES
export const GENESIS = '00'.repeat(32) as EventHash

/** What an element says of itself. */
export type Element = {
  readonly type: number
  readonly hlc: Hlc
  /** Milliseconds since the log's epoch was opened, by the node's monotonic clock. */
  readonly monoMs: number
  readonly body: Uint8Array
  /** Present exactly when the event is a seal. */
  readonly signature?: Uint8Array
}

/** An event in its place. */
export type LogEvent = Element & {
  readonly logId: LogId
  readonly seq: number
  readonly prev: EventHash
  readonly hash: EventHash
}

/** A log's newest event: all that is needed to append to it, or to check what claims to follow. */
export type LogHead = {
  readonly logId: LogId
  readonly seq: number
  readonly hash: EventHash
  readonly hlc: Hlc
  readonly monoMs: number
  readonly closed: boolean
}

export type ElementFault = 'element-length' | 'element-version' | 'element-flags'

export function encodeElement(element: Element): Uint8Array {
  const { signature } = element
  return concatBytes(
    signature ? [fixedFields(element), element.body, signature] : [fixedFields(element), element.body],
  )
}

function fixedFields(element: Element): Uint8Array {
  const fixed = new Uint8Array(FIXED_BYTES)
  writeFixed(new DataView(fixed.buffer), element)
  return fixed
}

function writeFixed(view: DataView, element: Element): void {
  view.setUint8(0, EVENT_VERSION)
  view.setUint8(1, element.type)
  view.setUint8(2, element.signature ? FLAG_SEAL : 0)
  view.setBigUint64(3, element.hlc)
  setUint48(view, 11, element.monoMs)
  view.setUint16(17, element.body.length)
}

/** Reads one element; its length must be exact. */
export function decodeElement(bytes: Uint8Array): Element | ElementFault {
  if (bytes.length < FIXED_BYTES || bytes.length > MAX_ELEMENT_BYTES) return 'element-length'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint8(0) !== EVENT_VERSION) return 'element-version'
  const flags = view.getUint8(2)
  if (flags !== 0 && flags !== FLAG_SEAL) return 'element-flags'
  const bodyEnd = FIXED_BYTES + view.getUint16(17)
  const wanted = flags === FLAG_SEAL ? bodyEnd + SIGNATURE_BYTES : bodyEnd
  if (bytes.length !== wanted || bodyEnd - FIXED_BYTES > MAX_BODY_BYTES) return 'element-length'
  const element = {
    type: view.getUint8(1),
    hlc: view.getBigUint64(3),
    monoMs: getUint48(view, 11),
    body: bytes.slice(FIXED_BYTES, bodyEnd),
  }
  return flags === FLAG_SEAL ? { ...element, signature: bytes.slice(bodyEnd) } : element
}

export type Place = { readonly logId: LogId; readonly seq: number; readonly prev: EventHash }

/** The bytes that a seal signs, before hashing. The SEAL flag is given apart, because it is signed before there is a signature. */
function header(element: Element, place: Place, sealed: boolean): Uint8Array {
  // One run of bytes: each event is hashed by everybody who takes it, some of them twice.
  const bytes = Buffer.from(new ArrayBuffer(HEADER_BYTES))
  const view = new DataView(bytes.buffer)
  writeFixed(view, element)
  bytes[2] = sealed ? FLAG_SEAL : 0
  writeHex(bytes, FIXED_BYTES, place.logId)
  setUint48(view, FIXED_BYTES + 16, place.seq)
  writeHex(bytes, FIXED_BYTES + 22, place.prev)
  bytes.set(sha256(element.body), FIXED_BYTES + 54)
  return bytes
}

/** The fixed fields, logId, seq, prev, hash of the body. */
const HEADER_BYTES = FIXED_BYTES + 16 + 6 + 32 + 32

function writeHex(bytes: Buffer, at: number, id: string): void {
  invariant(bytes.write(id, at, 'hex') * 2 === id.length, 'an id is hex digits')
}

/** What Ed25519 signs for a sealed event. */
export function digestToSign(element: Element, place: Place): Uint8Array {
  return hashOf('chargemesh/ev/v1', header(element, place, true))
}

export function eventHash(element: Element, place: Place): EventHash {
  const { signature } = element
  const parts = [header(element, place, signature !== undefined), ...(signature ? [signature] : [])]
  return hexHashOf('chargemesh/evh/v1', ...parts) as EventHash
}

export function place(element: Element, at: Place): LogEvent {
  return { ...element, ...at, hash: eventHash(element, at) }
}

function getUint48(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2)
}

/** The events of a log whose elements are known to be good, from its first on, or from where it is said. */
export function eventsOf(
  logId: LogId,
  elements: readonly Uint8Array[],
  from: Pick<Place, 'seq' | 'prev'> = { seq: 0, prev: GENESIS },
): readonly LogEvent[] {
  let { prev } = from
  return elements.map((bytes, i) => {
    const element = decodeElement(bytes)
    invariant(typeof element !== 'string', 'an element that passed the gate can be read again')
    const event = place(element, { logId, seq: from.seq + i, prev })
    prev = event.hash
    return event
  })
}

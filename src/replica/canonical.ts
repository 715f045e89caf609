// The one Yjs update (format v1) of a log's document: client 1, root array "e", one ContentBinary an event, each
// behind the one before, no deletes (PROTOCOL 1.5). An encoder and a strict reader of our own, because bytes
// from the network are never given to Yjs, and because no Yjs upgrade may split the mesh.

const CLIENT = 1
const CONTENT_BINARY = 3
const HAS_ORIGIN = 0x80
const ROOT = new TextEncoder().encode('e')
/** A segment holds at most so many events (PROTOCOL 1.6). */
export const MAX_SEGMENT_EVENTS = 256
/** A segment on the wire is at most this long (PROTOCOL 1.6). */
export const MAX_SEGMENT_BYTES = 48 * 1024

/** The canonical update of `elements`, the first of which stands at `fromSeq`. */
export function encodeUpdate(fromSeq: number, elements: readonly Uint8Array[]): Uint8Array {
  let size = 64
  for (const element of elements) size += element.length + 16
  const writer = { bytes: new Uint8Array(size), at: 0 }
  if (elements.length === 0) {
    putVarUint(writer, 0)
    putVarUint(writer, 0)
    return writer.bytes.subarray(0, writer.at)
  }
  for (const value of [1, elements.length, CLIENT, fromSeq]) putVarUint(writer, value)
  elements.forEach((element, i) => {
    const clock = fromSeq + i
    if (clock === 0) {
      writer.bytes[writer.at++] = CONTENT_BINARY
      putVarUint(writer, 1)
      putBytes(writer, ROOT)
    } else {
      writer.bytes[writer.at++] = CONTENT_BINARY | HAS_ORIGIN
      putVarUint(writer, CLIENT)
      putVarUint(writer, clock - 1)
    }
    putBytes(writer, element)
  })
  putVarUint(writer, 0)
  return writer.bytes.slice(0, writer.at)
}

/**
 * The elements of an update, or undefined when it is anything but a run of our events from `fromSeq` on. The
 * caller still compares the canonical encoding: this reader only has to be bounded and never wrong about a length.
 */
export function decodeUpdate(fromSeq: number, update: Uint8Array): readonly Uint8Array[] | undefined {
  const reader = { bytes: update, at: 0 }
  if (takeVarUint(reader) !== 1) return undefined
  const count = takeVarUint(reader)
  if (count === undefined || count < 1 || count > MAX_SEGMENT_EVENTS) return undefined
  if (takeVarUint(reader) !== CLIENT || takeVarUint(reader) !== fromSeq) return undefined
  const elements: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const element = takeElement(reader, fromSeq + i)
    if (!element) return undefined
    elements.push(element)
  }
  if (takeVarUint(reader) !== 0 || reader.at !== update.length) return undefined
  return elements
}

/** How many events an update says that it holds; unchecked. */
export function countOf(update: Uint8Array): number {
  const reader = { bytes: update, at: 0 }
  takeVarUint(reader)
  return takeVarUint(reader) ?? 0
}

function takeElement(reader: Reader, clock: number): Uint8Array | undefined {
  const info = reader.bytes[reader.at++]
  if (clock === 0) {
    if (info !== CONTENT_BINARY || takeVarUint(reader) !== 1 || takeVarUint(reader) !== ROOT.length)
      return undefined
    if (reader.bytes[reader.at++] !== ROOT[0]) return undefined
  } else {
    if (info !== (CONTENT_BINARY | HAS_ORIGIN)) return undefined
    if (takeVarUint(reader) !== CLIENT || takeVarUint(reader) !== clock - 1) return undefined
  }
  const length = takeVarUint(reader)
  if (length === undefined || reader.at + length > reader.bytes.length) return undefined
  const element = reader.bytes.slice(reader.at, reader.at + length)
  reader.at += length
  return element
}

type Cursor = { bytes: Uint8Array; at: number }
type Reader = Cursor

function putVarUint(writer: Cursor, value: number): void {
  let rest = value
  while (rest > 127) {
    writer.bytes[writer.at++] = 128 | (rest % 128)
    rest = Math.floor(rest / 128)
  }
  writer.bytes[writer.at++] = rest
}

function putBytes(writer: Cursor, bytes: Uint8Array): void {
  putVarUint(writer, bytes.length)
  writer.bytes.set(bytes, writer.at)
  writer.at += bytes.length
}

/** At most 7 bytes: no number of ours needs more, and a longer run is an attack. */
function takeVarUint(reader: Reader): number | undefined {
  let value = 0
  for (let i = 0, scale = 1; i < 7; i++, scale *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) return undefined
    value += (byte & 127) * scale
    if (byte < 128) return value
  }
  return undefined
}

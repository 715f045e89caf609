// Messages on a byte stream: a length (u32, big-endian) and so many bytes. A frame of no bytes carries nothing and
// says that its sender lives. The reader holds one frame at most and refuses a length above its bound before it
// reserves memory for it.
import { concatBytes } from '../units.ts'

export const FRAME_HEADER_BYTES = 4

/** Small writes through noise cost nine times what large ones do, so frames leave together up to so many bytes. */
export const MAX_WRITE_BYTES = 65_536

export const KEEPALIVE_FRAME: Uint8Array = new Uint8Array(FRAME_HEADER_BYTES)

export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(FRAME_HEADER_BYTES + message.length)
  new DataView(framed.buffer).setUint32(0, message.length)
  framed.set(message, FRAME_HEADER_BYTES)
  return framed
}

/** Whole frames from the front of a queue, at least one, as one write of at most MAX_WRITE_BYTES; and how many they were. */
export function coalesce(queue: readonly Uint8Array[]): {
  readonly bytes: Uint8Array
  readonly count: number
} {
  let length = 0
  let count = 0
  for (const framed of queue) {
    if (count > 0 && length + framed.length > MAX_WRITE_BYTES) break
    length += framed.length
    count++
  }
  return { bytes: concatBytes(queue.slice(0, count)), count }
}

export type FrameRead =
  | { readonly kind: 'frames'; readonly messages: readonly Uint8Array[] }
  | { readonly kind: 'oversize'; readonly declaredBytes: number }

export type FrameReader = {
  /** The messages that this piece completes, each in memory of its own; keepalives are left out. After `oversize` the stream is lost. */
  readonly push: (piece: Uint8Array) => FrameRead
}

export function frameReader(maxMessageBytes: number): FrameReader {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  const view = new DataView(header.buffer)
  let headerFilled = 0
  let body: Uint8Array | undefined
  let bodyFilled = 0

  function push(piece: Uint8Array): FrameRead {
    const messages: Uint8Array[] = []
    let at = 0
    while (at < piece.length) {
      if (!body) {
        const part = piece.subarray(at, at + FRAME_HEADER_BYTES - headerFilled)
        header.set(part, headerFilled)
        headerFilled += part.length
        at += part.length
        if (headerFilled < FRAME_HEADER_BYTES) break
        const declaredBytes = view.getUint32(0)
        if (declaredBytes > maxMessageBytes) return { kind: 'oversize', declaredBytes }
        headerFilled = 0
        if (declaredBytes === 0) continue
        body = new Uint8Array(declaredBytes)
        bodyFilled = 0
      }
      const part = piece.subarray(at, at + body.length - bodyFilled)
      body.set(part, bodyFilled)
      bodyFilled += part.length
      at += part.length
      if (bodyFilled === body.length) {
        messages.push(body)
        body = undefined
      }
    }
    return { kind: 'frames', messages }
  }

  return { push }
}

// How a value of the document store lies on disk: keyId u8 || crc32c u32 || bytes, big-endian (PROTOCOL 1.10). keyId 0 is
// plain; another key will put nonce and tag beside the bytes. LevelDB does not verify its own checksums when it reads,
// so ours tells a flipped bit from an update.
import { MeshError } from '../errors.ts'
import { crc32c, PLAIN_KEY_ID } from './frame.ts'

const HEAD_BYTES = 5

export function wrapValue(bytes: Uint8Array): Buffer {
  const wrapped = Buffer.alloc(HEAD_BYTES + bytes.length)
  wrapped.writeUInt8(PLAIN_KEY_ID, 0)
  wrapped.writeUInt32BE(crc32c(bytes), 1)
  wrapped.set(bytes, HEAD_BYTES)
  return wrapped
}

/** The value inside. Throws MeshError STORE_CORRUPT when it was wrapped with another key or is not what was written. */
export function unwrapValue(wrapped: Uint8Array): Buffer {
  const buffer = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength)
  if (buffer.length < HEAD_BYTES) throw new MeshError('STORE_CORRUPT', 'a stored value is cut short')
  const keyId = buffer.readUInt8(0)
  if (keyId !== PLAIN_KEY_ID)
    throw new MeshError('STORE_CORRUPT', `a stored value needs key ${keyId}, which is not here`)
  const bytes = buffer.subarray(HEAD_BYTES)
  if (crc32c(bytes) !== buffer.readUInt32BE(1))
    throw new MeshError('STORE_CORRUPT', 'a stored value fails its checksum')
  return bytes
}

/** For the valueEncoding of an abstract-level database. */
export const wrappedEncoding = {
  name: 'chargemesh-value',
  format: 'buffer' as const,
  encode: wrapValue,
  decode: unwrapValue,
}

// How a value of the document store lies on disk: keyId u8 || crc32c u32 || bytes, big-endian (PROTOCOL 1.10). keyId 0 is
// plain; with another one the bytes are salt:16 || nonce:12 || sealed || tag:16, and the salt is drawn at each opening of the
// store (sealing.ts). LevelDB does not verify its own checksums when it reads, so ours tells a flipped bit from an update.
import { randomBytes } from 'node:crypto'
import { MeshError } from '../errors.ts'
import { crc32c, PLAIN_KEY_ID } from './frame.ts'
import { type Sealer, type StoreKeys, sealerOf } from './sealing.ts'

const HEAD_BYTES = 5
const SALT_BYTES = 16
/** Openings whose derived keys are remembered; the oldest goes. */
const MAX_SALTS = 64
const PURPOSE = 'documents'

/** Seals and opens the values of one opening of the store, and of those before. */
export type ValueSealer = {
  readonly keyId: number
  readonly seal: (bytes: Uint8Array) => Uint8Array
  readonly open: Sealer['open']
}

/** Undefined without keys. */
export function valueSealerOf(keys: StoreKeys): ValueSealer | undefined {
  const ownSalt = randomBytes(SALT_BYTES)
  const own = sealerOf(keys, PURPOSE, ownSalt)
  if (!own) return undefined
  const known = new Map<string, Sealer>([[ownSalt.toString('latin1'), own]])
  const ofSalt = (salt: Buffer): Sealer | undefined => {
    const name = salt.toString('latin1')
    const held = known.get(name) ?? sealerOf(keys, PURPOSE, salt)
    const oldest = known.keys().next()
    if (known.size >= MAX_SALTS && !known.has(name) && !oldest.done) known.delete(oldest.value)
    if (held) known.set(name, held)
    return held
  }
  return {
    keyId: own.keyId,
    seal: bytes => Buffer.concat([ownSalt, own.seal(bytes)]),
    open: (keyId, sealed) => {
      const salt = Buffer.from(sealed.subarray(0, SALT_BYTES))
      return ofSalt(salt)?.open(keyId, sealed.subarray(SALT_BYTES)) ?? 'unknown'
    },
  }
}

export function wrapValue(bytes: Uint8Array, sealer?: ValueSealer): Buffer {
  const inner = sealer ? sealer.seal(bytes) : bytes
  const wrapped = Buffer.alloc(HEAD_BYTES + inner.length)
  wrapped.writeUInt8(sealer?.keyId ?? PLAIN_KEY_ID, 0)
  wrapped.writeUInt32BE(crc32c(inner), 1)
  wrapped.set(inner, HEAD_BYTES)
  return wrapped
}

/**
 * The value inside. Throws MeshError STORE_CORRUPT when it is not what was written, and KEY_REFUSED when it is whole and its
 * key is not here.
 */
export function unwrapValue(wrapped: Uint8Array, sealer?: ValueSealer): Buffer {
  const buffer = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength)
  if (buffer.length < HEAD_BYTES) throw new MeshError('STORE_CORRUPT', 'a stored value is cut short')
  const keyId = buffer.readUInt8(0)
  const bytes = buffer.subarray(HEAD_BYTES)
  if (crc32c(bytes) !== buffer.readUInt32BE(1))
    throw new MeshError('STORE_CORRUPT', 'a stored value fails its checksum')
  if (keyId === PLAIN_KEY_ID) return bytes
  const plain = sealer?.open(keyId, bytes) ?? 'unknown'
  if (plain === 'unknown')
    throw new MeshError('KEY_REFUSED', `a stored value is sealed with key ${keyId}, which is not here`)
  if (plain === 'forged')
    throw new MeshError('STORE_CORRUPT', 'a stored value is not what its key has sealed')
  return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength)
}

/** For the valueEncoding of an abstract-level database. */
export function wrappedEncoding(keys: StoreKeys) {
  const sealer = valueSealerOf(keys)
  return {
    name: 'chargemesh-value',
    format: 'buffer' as const,
    encode: (bytes: Uint8Array) => wrapValue(bytes, sealer),
    decode: (wrapped: Uint8Array) => unwrapValue(wrapped, sealer),
  }
}

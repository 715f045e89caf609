// The private keys that all nodes of a site show to chargers, in one box that a 32-byte key opens; that key is sealed to each
// device like a key of the site (site-key.ts), so that what is replicated says nothing to anybody else.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { bytes, fromBytes, listOf, MalformedBytes, toBytes } from '../cbor.ts'
import { concatBytes } from '../units.ts'

/** PKCS #8, DER, in the order of their certificates. */
const KEYS = listOf(bytes(1400, 1), 2)
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `nonce`: 12 random bytes; `key` seals once. */
export function sealTlsKeys(key: Uint8Array, nonce: Uint8Array, keys: readonly Uint8Array[]): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return concatBytes([nonce, cipher.update(toBytes(KEYS, keys)), cipher.final(), cipher.getAuthTag()])
}

/** Undefined when the box is damaged, or of another key. */
export function openTlsKeys(key: Uint8Array, box: Uint8Array): readonly Uint8Array[] | undefined {
  if (box.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(box.subarray(-TAG_BYTES))
  let plain: Uint8Array
  try {
    plain = concatBytes([decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
  try {
    return fromBytes(KEYS, plain)
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

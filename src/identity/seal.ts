// A sealed box to one X25519 key: whoever writes it cannot read it again. For what must reach the operator whole and
// may be read by nobody on the way: signed meter values (an OCMF payload can carry the card's own id) and card ids
// (PROTOCOL 2.5). Ephemeral X25519, HKDF-SHA-256, AES-256-GCM (RFC 7748, 5869, 5116).
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from 'node:crypto'
import { concatBytes } from '../units.ts'

const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')
const KEY_BYTES = 32
const TAG_BYTES = 16
const VERSION = 1
/** Version, ephemeral key and tag: what sealing adds. */
export const SEAL_OVERHEAD_BYTES = 1 + KEY_BYTES + TAG_BYTES

/** 32-byte public key of a 32-byte X25519 secret. */
export function sealPublicKey(secretKey: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateObject(secretKey)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(-KEY_BYTES))
}

/** `ephemeral`: 32 random bytes, never used twice. */
export function sealTo(publicKey: Uint8Array, ephemeral: Uint8Array, plain: Uint8Array): Uint8Array {
  const own = sealPublicKey(ephemeral)
  const { key, nonce } = derive(ephemeral, publicKey, concatBytes([own, publicKey]))
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return concatBytes([Uint8Array.of(VERSION), own, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The plain bytes, or undefined when the box is damaged or for somebody else. */
export function openSealed(secretKey: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  if (box.length < SEAL_OVERHEAD_BYTES || box[0] !== VERSION) return undefined
  const ephemeral = box.subarray(1, 1 + KEY_BYTES)
  try {
    const { key, nonce } = derive(secretKey, ephemeral, concatBytes([ephemeral, sealPublicKey(secretKey)]))
    const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    decipher.setAuthTag(box.subarray(-TAG_BYTES))
    return concatBytes([decipher.update(box.subarray(1 + KEY_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

function derive(secret: Uint8Array, publicKey: Uint8Array, salt: Uint8Array): { key: Buffer; nonce: Buffer } {
  const shared = diffieHellman({ privateKey: privateObject(secret), publicKey: publicObject(publicKey) })
  const okm = Buffer.from(hkdfSync('sha256', shared, salt, 'chargemesh/seal/v1', 32 + 12))
  return { key: okm.subarray(0, 32), nonce: okm.subarray(32) }
}

function privateObject(raw: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' })
}

function publicObject(raw: Uint8Array) {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
}

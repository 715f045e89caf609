// Encryption of the store: AES-256-GCM under keys that are derived from the store's own (RFC 5869, 5116), each for one
// purpose. Nonces are 96 random bits, so no clock, counter or file has to be right for them: a disk that was cloned or put
// back to an older day goes on drawing its own. That is safe for 2^32 records of one key (NIST SP 800-38D, 8.3), and no
// derived key sees so many: one file of the journal holds fewer than 2^19, and the documents take a new salt at each opening.
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

/** `id` is written beside what the key has sealed: 1 to 255; 0 means plain. */
export type StoreKey = { readonly id: number; readonly key: Uint8Array }
/** The last one seals; all of them open. None: what is written is plain. */
export type StoreKeys = readonly StoreKey[]

/** Seals and opens for one purpose. Sealed: `nonce:12 || AES-256-GCM || tag:16`. */
export type Sealer = {
  readonly keyId: number
  readonly seal: (plain: Uint8Array) => Uint8Array
  /** `unknown`: sealed with a key that is not here. `forged`: not what was sealed, or sealed for another purpose. */
  readonly open: (keyId: number, sealed: Uint8Array) => Uint8Array | 'unknown' | 'forged'
}

export const STORE_KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** What sealing adds. */
export const SEALING_BYTES = NONCE_BYTES + TAG_BYTES
/** Nonces are drawn so many at once: a call for each costs as much as the cipher. */
const NONCES_DRAWN = 256

/** Undefined without keys. `salt` makes the derived keys new ones. */
export function sealerOf(
  keys: StoreKeys,
  purpose: string,
  salt: Uint8Array = new Uint8Array(),
): Sealer | undefined {
  const newest = keys.at(-1)
  if (!newest) return undefined
  const derived = new Map<number, KeyObject>()
  const keyOf = (id: number): KeyObject | undefined => {
    const held = derived.get(id)
    if (held) return held
    const root = keys.find(one => one.id === id)
    if (!root) return undefined
    const info = `chargemesh/store/v1/${id}/${purpose}`
    const made = createSecretKey(new Uint8Array(hkdfSync('sha256', root.key, salt, info, STORE_KEY_BYTES)))
    derived.set(id, made)
    return made
  }
  const sealingKey = keyOf(newest.id) as KeyObject
  const draw = nonces()
  return {
    keyId: newest.id,
    seal: plain => {
      const nonce = draw()
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce)
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    open: (keyId, sealed) => {
      const key = keyOf(keyId)
      if (!key) return 'unknown'
      return sealed.length < SEALING_BYTES ? 'forged' : opened(key, sealed)
    },
  }
}

function opened(key: KeyObject, sealed: Uint8Array): Uint8Array | 'forged' {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    // A stream cipher keeps nothing back: this gives no bytes, it only checks the tag.
    decipher.final()
  } catch {
    return 'forged'
  }
  // No Buffer: whose `slice` would be a view.
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength)
}

function nonces(): () => Uint8Array {
  let drawn: Uint8Array = new Uint8Array()
  let at = 0
  return () => {
    if (at === drawn.length) {
      drawn = randomBytes(NONCES_DRAWN * NONCE_BYTES)
      at = 0
    }
    at += NONCE_BYTES
    return drawn.subarray(at - NONCE_BYTES, at)
  }
}

// A card's own id, sealed to whoever holds the site key: only for sites whose chargers hold lists of cards, since a charger
// knows no references (PROTOCOL 2.5). Bound to the card's reference, so that no grant can be given another card's id.
// HKDF-SHA-256, AES-256-GCM (RFC 5869, 5116).
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { concatBytes, sameBytes, type TokenRef, unhex } from '../units.ts'

const KEY_BYTES = 32
const KEY_ID_BYTES = 4
export const TAG_NONCE_BYTES = 12
const AUTH_BYTES = 16
/** OCPP 1.6 IdToken. Every id is filled up to it, so that the length of a box tells nothing. */
const MAX_TAG_BYTES = 20
const BOX_BYTES = KEY_ID_BYTES + TAG_NONCE_BYTES + MAX_TAG_BYTES + AUTH_BYTES

export type TagKeys = {
  /** With the first key. `nonce`: 12 random bytes. Undefined for an id that no charger could hold. */
  readonly seal: (tokenRef: TokenRef, idTag: string, nonce: Uint8Array) => Uint8Array | undefined
  /** The card's own id, or undefined when the box is damaged, for another card or under a key that is not ours. */
  readonly open: (tokenRef: TokenRef, box: Uint8Array) => string | undefined
}

type TagKey = { readonly id: Uint8Array; readonly key: Uint8Array }

/** `siteKeys`: the one in force first, then those before it, while grants sealed under them are about. */
export function createTagKeys(siteKeys: readonly Uint8Array[]): TagKeys {
  const keys = siteKeys.map(tagKey)
  return {
    seal: (tokenRef, idTag, nonce) => {
      const plain = Buffer.from(idTag, 'utf8')
      const [first] = keys
      if (!first || plain.length === 0 || plain.length > MAX_TAG_BYTES) return undefined
      const cipher = createCipheriv('aes-256-gcm', first.key, nonce).setAAD(unhex(tokenRef))
      const filled = concatBytes([plain, new Uint8Array(MAX_TAG_BYTES - plain.length)])
      return concatBytes([first.id, nonce, cipher.update(filled), cipher.final(), cipher.getAuthTag()])
    },
    open: (tokenRef, box) => {
      if (box.length !== BOX_BYTES) return undefined
      // Four bytes may be shared by two keys; the seal itself says which it is.
      const fitting = keys.filter(({ id }) => sameBytes(id, box.subarray(0, KEY_ID_BYTES)))
      for (const { key } of fitting) {
        const plain = decipher(key, tokenRef, box)
        if (plain !== undefined) return plain
      }
      return undefined
    },
  }
}

function tagKey(siteKey: Uint8Array): TagKey {
  const okm = new Uint8Array(
    hkdfSync('sha256', siteKey, new Uint8Array(), 'chargemesh/tags/v1', KEY_BYTES + KEY_ID_BYTES),
  )
  return { key: okm.subarray(0, KEY_BYTES), id: okm.subarray(KEY_BYTES) }
}

function decipher(key: Uint8Array, tokenRef: TokenRef, box: Uint8Array): string | undefined {
  const nonce = box.subarray(KEY_ID_BYTES, KEY_ID_BYTES + TAG_NONCE_BYTES)
  const sealed = createDecipheriv('aes-256-gcm', key, nonce).setAAD(unhex(tokenRef))
  sealed.setAuthTag(box.subarray(-AUTH_BYTES))
  try {
    const plain = Buffer.concat([
      sealed.update(box.subarray(KEY_ID_BYTES + TAG_NONCE_BYTES, -AUTH_BYTES)),
      sealed.final(),
    ])
    const end = plain.indexOf(0)
    return plain.subarray(0, end < 0 ? plain.length : end).toString('utf8')
  } catch {
    return undefined
  }
}

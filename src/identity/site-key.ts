// A site's keys for card references. The first one comes with the certificate; each later one is sealed, in the operator's
// log, to every device that may hold it (PROTOCOL 2.5, 2.6).
import { concatBytes, type DeviceId, hex, unhex } from '../units.ts'
import { hashOf } from './hash.ts'
import { openSealed, sealTo } from './seal.ts'

const KEY_BYTES = 32

/** 8 bytes; it says which key is meant, and nothing of the key. */
export function siteKeyIdOf(key: Uint8Array): Uint8Array {
  return hashOf('chargemesh/site-key/v1', key).subarray(0, 8)
}

/** `ephemeral`: 32 random bytes, never used twice. */
export function boxSiteKey(
  { deviceId, sealKey }: { readonly deviceId: DeviceId; readonly sealKey: Uint8Array },
  ephemeral: Uint8Array,
  key: Uint8Array,
): { readonly deviceId: DeviceId; readonly box: Uint8Array } {
  return { deviceId, box: sealTo(sealKey, ephemeral, concatBytes([key, unhex(deviceId)])) }
}

/** The key, or undefined when no box holds the one that is meant, for this device. */
export function openSiteKey(
  { deviceId, sealKey }: { readonly deviceId: DeviceId; readonly sealKey: Uint8Array },
  keyId: string,
  boxes: readonly Uint8Array[],
): Uint8Array | undefined {
  for (const box of boxes) {
    const plain = openSealed(sealKey, box)
    const key = plain?.subarray(0, KEY_BYTES)
    if (!plain || !key || hex(plain.subarray(KEY_BYTES)) !== deviceId) continue
    if (hex(siteKeyIdOf(key)) === keyId) return key
  }
  return undefined
}

// The three keys of a device, drawn on the device itself. Different keys, so that a bug in the network stack
// never signs an event (PROTOCOL 1.2).
import { bytes, record, type Value } from '../cbor.ts'
import { sealPublicKey } from './seal.ts'
import { publicKeyOf } from './signature.ts'

/** Secret seeds of 32 bytes each. */
export const DEVICE_KEYS = record({ peerKey: bytes(32, 32), logKey: bytes(32, 32), sealKey: bytes(32, 32) })
export type DeviceKeys = Value<typeof DEVICE_KEYS>
export type PublicKeys = DeviceKeys

export function drawKeys(random: (length: number) => Uint8Array): DeviceKeys {
  return { peerKey: random(32), logKey: random(32), sealKey: random(32) }
}

export function publicKeys(keys: DeviceKeys): PublicKeys {
  return {
    peerKey: publicKeyOf(keys.peerKey),
    logKey: publicKeyOf(keys.logKey),
    sealKey: sealPublicKey(keys.sealKey),
  }
}

// The three keys of a device, drawn on the device itself. Different keys, so that a bug in the network stack
// never signs an event (PROTOCOL 1.2).
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { bytes, record, type Value } from '../cbor.ts'
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
    sealKey: x25519PublicKey(keys.sealKey),
  }
}

const X25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

function x25519PublicKey(secretKey: Uint8Array): Uint8Array {
  const der = Buffer.concat([X25519_PKCS8_PREFIX, secretKey])
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return new Uint8Array(spki.export({ format: 'der', type: 'spki' }).subarray(-32))
}

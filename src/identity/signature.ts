// Ed25519: the one predicate by which the whole mesh calls a signature valid, and the check that a public key
// must pass before it is ever enrolled (PROTOCOL 1.6). Two libraries disagree on crafted signatures, so
// @noble/ed25519 decides; node:crypto may only say yes, faster. The only home of @noble/ed25519.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { getPublicKey, hashes, verify as nobleVerify, Point } from '@noble/ed25519'

hashes.sha512 = message => new Uint8Array(createHash('sha512').update(message).digest())

/** How the mesh signs and checks. The simulator may pass a keyed hash instead; nothing else may. */
export type Signatures = {
  /** 64 bytes. `secretKey` is the 32-byte seed of RFC 8032. */
  readonly sign: (secretKey: Uint8Array, message: Uint8Array) => Uint8Array
  readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean
  /** Whether the quick half of the predicate says yes, worked out on another thread; after a no, `verify` decides. */
  readonly verifyAside?: (
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ) => Promise<boolean>
  /** Why a public key may not be enrolled, or undefined when it may. */
  readonly refuseKey: (publicKey: Uint8Array) => KeyRefusal | undefined
}

/** With a callback node:crypto works on the threads of libuv's pool. */
const inPool = promisify(verify)
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const MAX_CACHED_KEYS = 4096

/** Key objects cost more to make than a signature to check; a site has some hundred keys. */
function cached(make: (raw: Uint8Array) => KeyObject): (raw: Uint8Array) => KeyObject {
  const objects = new Map<string, KeyObject>()
  return raw => {
    const name = Buffer.from(raw).toString('base64')
    const held = objects.get(name)
    if (held) return held
    if (objects.size >= MAX_CACHED_KEYS) objects.clear()
    const made = make(raw)
    objects.set(name, made)
    return made
  }
}

/** Real Ed25519 under the normative predicate. */
export function ed25519(): Signatures {
  const publicObject = cached(raw =>
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' }),
  )
  const secretObject = cached(raw =>
    createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' }),
  )
  return {
    sign: (secretKey, message) => new Uint8Array(sign(null, message, secretObject(secretKey))),
    verify: (signature, message, publicKey) => {
      if (signature.length !== 64 || publicKey.length !== 32) return false
      if (verify(null, message, publicObject(publicKey), signature)) return true
      return slowVerify(signature, message, publicKey)
    },
    verifyAside: async (signature, message, publicKey) => {
      if (signature.length !== 64 || publicKey.length !== 32) return false
      return await inPool(null, message, publicObject(publicKey), signature)
    },
    refuseKey,
  }
}

/** The rule itself. About a millisecond: charge it to whoever sent the bytes. */
export function slowVerify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  return nobleVerify(signature, message, publicKey, { zip215: false })
}

export type KeyRefusal = 'wrong-length' | 'not-canonical' | 'small-order' | 'mixed-order'

/** Why a public key may not be enrolled, or undefined when it may. */
export function refuseKey(publicKey: Uint8Array): KeyRefusal | undefined {
  if (publicKey.length !== 32) return 'wrong-length'
  let point: Point
  try {
    point = Point.fromBytes(publicKey, false)
  } catch {
    return 'not-canonical'
  }
  if (point.isSmallOrder()) return 'small-order'
  return point.isTorsionFree() ? undefined : 'mixed-order'
}

/** 32-byte public key of a 32-byte seed. */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  return getPublicKey(secretKey)
}

// The two ways in which a simulated site signs. Real Ed25519, each signature checked once and its verdict remembered, since
// all nodes of a world live in one process; and a keyed hash that anybody could forge, for speed: hostile nodes of a
// world do not, so for the nodes it is as good. A seed chooses.
import { createHash } from 'node:crypto'
import { ed25519, publicKeyOf, type Signatures } from '../../src/identity/signature.ts'

export type Signer = Signatures & { readonly publicKeyOf: (secretKey: Uint8Array) => Uint8Array }

const MAX_REMEMBERED = 200_000

export function signerOf(kind: 'ed25519' | 'keyed-hash'): Signer {
  return kind === 'ed25519' ? rememberingEd25519() : keyedHash()
}

function rememberingEd25519(): Signer {
  const real = ed25519()
  const verdicts = new Map<string, boolean>()
  const keys = new Map<string, ReturnType<Signatures['refuseKey']>>()
  return {
    sign: real.sign,
    publicKeyOf,
    verify: (signature, message, publicKey) => {
      const name = latin1(signature) + latin1(publicKey) + latin1(message)
      const known = verdicts.get(name)
      if (known !== undefined) return known
      if (verdicts.size >= MAX_REMEMBERED) verdicts.clear()
      const verdict = real.verify(signature, message, publicKey)
      verdicts.set(name, verdict)
      return verdict
    },
    refuseKey: publicKey => {
      const name = latin1(publicKey)
      if (!keys.has(name)) keys.set(name, real.refuseKey(publicKey))
      return keys.get(name)
    },
  }
}

/** The "signature" is a hash of the public key and the message, twice, to fill 64 bytes. */
function keyedHash(): Signer {
  const publicKey = (secretKey: Uint8Array): Uint8Array => digest([secretKey])
  const half = (key: Uint8Array, message: Uint8Array): Uint8Array => digest([key, message])
  return {
    publicKeyOf: publicKey,
    sign: (secretKey, message) => {
      const once = half(publicKey(secretKey), message)
      const signature = new Uint8Array(64)
      signature.set(once)
      signature.set(once, 32)
      return signature
    },
    verify: (signature, message, key) => {
      if (signature.length !== 64 || key.length !== 32) return false
      const once = half(key, message)
      for (let i = 0; i < 32; i++) if (signature[i] !== once[i] || signature[i + 32] !== once[i]) return false
      return true
    },
    refuseKey: key => (key.length === 32 ? undefined : 'wrong-length'),
  }
}

function digest(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

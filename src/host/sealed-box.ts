// A box that a secret opens: what is in it lies on the disk encrypted (scrypt, RFC 7914; AES-256-GCM, RFC 5116). The secret
// may be a passphrase that a person remembers, so it is stretched: each guess costs a thief 128 MiB and some tenths of a
// second of a fast processor. Cost and salt stand beside the box, are bound into it, and are bounded before they are used.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import { concatBytes, hex, unhex } from '../units.ts'
import type { Unlock } from './unlock.ts'

/** scrypt takes 128 * n * r bytes: 128 MiB. */
export const SCRYPT_N = 131_072
/** A box that says less was made by nobody of us; one that says more could take all memory of a small machine. */
const LEAST_N = 16_384
const MOST_N = 262_144
const SCRYPT_R = 8
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
const MAX_BOX_CHARS = 131_072

const hexOf = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `${length} bytes`)
export const SEALED_BOX = z.object({
  version: z.literal(1),
  kdf: z.literal('scrypt'),
  n: z
    .int()
    .min(LEAST_N)
    .max(MOST_N)
    .refine(n => Number.isInteger(Math.log2(n)), 'a power of two'),
  r: z.literal(SCRYPT_R),
  p: z.literal(1),
  salt: hexOf(SALT_BYTES),
  cipher: z.literal('aes-256-gcm'),
  nonce: hexOf(NONCE_BYTES),
  box: z
    .string()
    .regex(/^([0-9a-f]{2})+$/, 'hex digits')
    .min(2 * TAG_BYTES)
    .max(MAX_BOX_CHARS),
})
export type SealedBox = z.infer<typeof SEALED_BOX>

/** What is sealed for one purpose opens for no other. */
export type Sealing = { readonly unlock: Unlock; readonly purpose: string; readonly n?: number }

export async function sealBox(
  { unlock, purpose, n = SCRYPT_N }: Sealing,
  plain: Uint8Array,
): Promise<SealedBox> {
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)]
  const head: Head = {
    version: 1,
    kdf: 'scrypt',
    n,
    r: SCRYPT_R,
    p: 1,
    salt: hex(salt),
    cipher: 'aes-256-gcm',
    nonce: hex(nonce),
  }
  const cipher = createCipheriv('aes-256-gcm', await stretch(await unlock.secret(), head), nonce)
  cipher.setAAD(boundTo(purpose, head))
  return { ...head, box: hex(concatBytes([cipher.update(plain), cipher.final(), cipher.getAuthTag()])) }
}

/** Rejects with KEY_REFUSED, in words for who typed the passphrase; `where` is the file. */
export async function openSealedBox(
  { unlock, purpose }: Sealing,
  { box, ...head }: SealedBox,
  where: string,
): Promise<Uint8Array> {
  let secret: Uint8Array
  try {
    secret = await unlock.secret()
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    throw new MeshError('KEY_REFUSED', `${where}: ${error.message}`, error)
  }
  const sealed = unhex(box)
  const key = await stretch(secret, head)
  const decipher = createDecipheriv('aes-256-gcm', key, unhex(head.nonce))
  decipher.setAAD(boundTo(purpose, head))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return concatBytes([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()])
  } catch (error) {
    throw new MeshError(
      'KEY_REFUSED',
      `${where} does not open with ${unlock.what}: it is the wrong one, or somebody changed the file`,
      error,
    )
  }
}

type Head = Omit<SealedBox, 'box'>

function boundTo(purpose: string, head: Head): Uint8Array {
  const { version, kdf, n, r, p, salt, cipher, nonce } = head
  return utf8Bytes(
    JSON.stringify(['chargemesh/sealed/v1', purpose, version, kdf, n, r, p, salt, cipher, nonce]),
  )
}

function stretch(
  secret: Uint8Array,
  { n, r, p, salt }: Pick<Head, 'n' | 'r' | 'p' | 'salt'>,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: n, r, p, maxmem: 128 * (n + p + 2) * r }
    scrypt(secret, unhex(salt), KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

// The password of a charger as the site keeps it: salted and stretched with scrypt, never in clear. Chargers'
// passwords are random keys of 16 bytes and more (PROTOCOL 7.5), so a small cost suffices and a reconnect storm
// does not stop the node.
import { scrypt, timingSafeEqual } from 'node:crypto'
import type { Random } from '../ports.ts'

export type ChargerCredential = {
  readonly salt: Uint8Array
  readonly hash: Uint8Array
  /** scrypt's N, a power of two. */
  readonly cost: number
}

export const CREDENTIAL_COST = 2 ** 12
export const MIN_PASSWORD_BYTES = 8
/** AuthorizationKey is at most 40 bytes (OCPP 1.6 security whitepaper, 4.1). */
export const MAX_PASSWORD_BYTES = 40
/** A replicated credential must not be able to stop a node: 32 MiB of memory and some 100 ms. */
const MAX_COST = 2 ** 15
/** scrypt needs 128 * N * r bytes and some more; node's own limit is just below what MAX_COST takes. */
const MAX_MEMORY_BYTES = 48 * 1024 * 1024
const SALT_BYTES = 16
const HASH_BYTES = 32
const BLOCK_SIZE = 8

/** Throws RangeError when the password has not 8 to 40 bytes. */
export async function makeCredential(
  password: string | Uint8Array,
  random: Random,
): Promise<ChargerCredential> {
  const secret = typeof password === 'string' ? Buffer.from(password, 'utf8') : password
  if (!fitsPassword(secret)) throw new RangeError('a charger password has 8 to 40 bytes')
  const salt = random.bytes(SALT_BYTES)
  return { salt, hash: await stretch(secret, salt, CREDENTIAL_COST), cost: CREDENTIAL_COST }
}

/** Compares in constant time. A credential that this program would not have made is never matched. */
export async function checkCredential(password: Uint8Array, credential: ChargerCredential): Promise<boolean> {
  const usable =
    credential.hash.length === HASH_BYTES &&
    Number.isInteger(credential.cost) &&
    credential.cost >= 2 &&
    credential.cost <= MAX_COST &&
    (credential.cost & (credential.cost - 1)) === 0
  const cost = usable ? credential.cost : CREDENTIAL_COST
  const hash = await stretch(password, credential.salt, cost)
  return usable && fitsPassword(password) && timingSafeEqual(hash, credential.hash)
}

export function fitsPassword(password: Uint8Array): boolean {
  return password.length >= MIN_PASSWORD_BYTES && password.length <= MAX_PASSWORD_BYTES
}

function stretch(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Uint8Array> {
  const options = { N: cost, r: BLOCK_SIZE, p: 1, maxmem: MAX_MEMORY_BYTES }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, options, (error, key) => {
      if (error) reject(error)
      else resolve(new Uint8Array(key))
    })
  })
}

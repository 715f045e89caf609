// A card's reference: keyed, so that a list alone tells nothing, and stretched, so that a stolen site key does not
// give the cards away in an hour (PROTOCOL 2.5). The card's own id stays in the process that read it.
import { createHmac, scrypt } from 'node:crypto'
import { hex, type TokenRef } from '../units.ts'

export type Stretching = {
  readonly salt: Uint8Array
  /** scrypt's N; 2^12 is about 10 ms on a PC. r = 8, p = 1. */
  readonly cost: number
}

/** scrypt needs 128 * r bytes for each N, and Node refuses above 32 MiB unless told. */
const SCRYPT_BYTES_PER_N = 2 * 128 * 8
const SCRYPT_BYTES_BESIDE = 1024 * 1024

/** Readers disagree about case and padding (OCPP.md quirk 14); OCPP 1.6 idTags are case-insensitive. */
export function normalTag(idTag: string): string {
  return idTag.trim().toUpperCase()
}

/** The slow half, without any key; `tag` as `normalTag` gives it. */
export function stretchTag({ salt, cost }: Stretching, tag: string): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  scrypt(
    tag,
    salt,
    32,
    { N: cost, r: 8, p: 1, maxmem: cost * SCRYPT_BYTES_PER_N + SCRYPT_BYTES_BESIDE },
    (error, stretched) => {
      if (error) reject(error)
      else resolve(stretched)
    },
  )
  return promise
}

/** The quick half. `siteKey`: K_site, 32 bytes. */
export function keyedReference(siteKey: Uint8Array, stretched: Uint8Array): TokenRef {
  return hex<TokenRef>(createHmac('sha256', siteKey).update(stretched).digest().subarray(0, 16))
}

// What the operator puts into a receipt's file beside what the node signed: the meter's own signed values, byte for byte.
// Nodes cannot read them, so they cannot sign for them; the operator signs that these were sealed for this session. Whether
// the meter's signature holds is another question, which the values answer themselves.
import { bytes, fromBytes, listOf, MalformedBytes, record, text, toBytes, uint, type Value } from '../cbor.ts'
import { type Certificate, inForce, MAX_CERTIFICATE_BYTES } from '../identity/certificate.ts'
import { hashOf, lengthPrefixed } from '../identity/hash.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'

/** Begin, end, and some between; who has more writes them out with `session signed`. */
export const MOST_VALUES = 64
const VALUES = record({
  enclosedAt: uint,
  /** As the charger sent it: 6000 bytes at the most (ocpp/signed.ts). */
  values: listOf(record({ sampledAt: text(64), said: bytes(6100) }), MOST_VALUES),
})
export type Enclosed = Value<typeof VALUES>

const MAX_VALUES_BYTES = MOST_VALUES * 6400
const SIGNED = record({
  body: bytes(MAX_VALUES_BYTES),
  signature: bytes(64, 64),
  /** The issuer's. */
  certificate: bytes(MAX_CERTIFICATE_BYTES),
})
export const MAX_ENCLOSED_BYTES = MAX_VALUES_BYTES + MAX_CERTIFICATE_BYTES + 128

export type Encloser = {
  readonly signatures: Signatures
  readonly logKey: Uint8Array
  readonly certificate: Certificate
}

/** `receiptBody`: what the node signed. */
export function signEnclosed(
  { signatures, logKey, certificate }: Encloser,
  receiptBody: Uint8Array,
  enclosed: Enclosed,
): Uint8Array {
  const body = toBytes(VALUES, enclosed)
  const signature = signatures.sign(logKey, digestOf(receiptBody, body))
  return toBytes(SIGNED, { body, signature, certificate: certificate.encoded })
}

/** Undefined when it is not an issuer of this site that enclosed just these in just this receipt. */
export function readEnclosed(
  { signatures, roster }: { readonly signatures: Signatures; readonly roster: Roster },
  receiptBody: Uint8Array,
  encoded: Uint8Array,
): (Enclosed & { readonly by: Certificate }) | undefined {
  try {
    const { body, signature, certificate } = fromBytes(SIGNED, encoded)
    const enclosed = fromBytes(VALUES, body)
    const verdict = roster.enrol(certificate)
    if (verdict.kind === 'refused') return undefined
    const by = verdict.certificate
    if (!by.roles.includes('issuer') || !inForce(by, enclosed.enclosedAt)) return undefined
    return signatures.verify(signature, digestOf(receiptBody, body), by.logKey)
      ? { ...enclosed, by }
      : undefined
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

function digestOf(receiptBody: Uint8Array, body: Uint8Array): Uint8Array {
  return hashOf('chargemesh/receipt-enclosed/v1', lengthPrefixed(receiptBody), body)
}

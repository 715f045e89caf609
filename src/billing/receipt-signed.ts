// A receipt as a node of the site signs it, with the certificates below the root: whoever has the site's root public key
// can tell, with no network and no installation of the site, that this node said so, and that not one bit was changed since.
// It proves no more than that: what the node was told by its charger stands in the site's logs, which the receipt names.
import { bytes, fromBytes, listOf, MalformedBytes, optional, record, toBytes } from '../cbor.ts'
import {
  type Certificate,
  ISSUED_BY_ROOT,
  inForce,
  MAX_CERTIFICATE_BYTES,
  siteIdOf,
} from '../identity/certificate.ts'
import { hashOf } from '../identity/hash.ts'
import { createRoster, type Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { faultOf, isLeft } from '../tariff/arithmetic.ts'
import type { SiteId } from '../units.ts'
import { RECEIPT, RECEIPT_VERSION, type Receipt } from './receipt.ts'
import {
  type Enclosed,
  type Encloser,
  MAX_ENCLOSED_BYTES,
  readEnclosed,
  signEnclosed,
} from './receipt-enclosed.ts'

/** A bill of 512 parts; one of two parts is 500. */
const MAX_BODY_BYTES = 96 * 1024
/** An issuer's and a node's. */
const MAX_CERTIFICATES = 4
export const MAX_RECEIPT_BYTES = MAX_BODY_BYTES + MAX_CERTIFICATES * MAX_CERTIFICATE_BYTES + 128
/** With what the operator enclosed. */
export const MAX_FILE_BYTES = MAX_RECEIPT_BYTES + MAX_ENCLOSED_BYTES

const SIGNED = record({
  body: bytes(MAX_BODY_BYTES),
  signature: bytes(64, 64),
  /** Issuer first. Empty in a short one, for readers who have them from another receipt. */
  certificates: listOf(bytes(MAX_CERTIFICATE_BYTES), MAX_CERTIFICATES),
  /** Signed by the operator (receipt-enclosed.ts); in files only. */
  enclosed: optional(bytes(MAX_ENCLOSED_BYTES)),
})

export type ReceiptSigner = {
  readonly signatures: Signatures
  readonly logKey: Uint8Array
  /** Own chain, issuer first. */
  readonly certificates: readonly Uint8Array[]
}

export function signReceipt(
  { signatures, logKey, certificates }: ReceiptSigner,
  receipt: Receipt,
): Uint8Array {
  const body = toBytes(RECEIPT, receipt)
  const signature = signatures.sign(logKey, hashOf('chargemesh/receipt/v1', body))
  return toBytes(SIGNED, { body, signature, certificates })
}

export type ReceiptRefusal =
  | 'malformed'
  | 'unknown-version'
  /** Of a site with another root. */
  | 'foreign-site'
  /** It brings no certificate, and none of that node is known. */
  | 'no-certificate'
  /** The root's word does not reach to whoever signed it. */
  | 'not-certified'
  | 'not-a-node'
  | 'bad-signature'
  /** When it was issued, the signer's certificate was not valid, not yet or no more. */
  | 'not-in-force'
  | 'does-not-add-up'
  /** What is enclosed was changed, or comes from somebody else. */
  | 'not-enclosed-by-operator'

export type ReceiptVerdict =
  | {
      readonly kind: 'valid'
      readonly receipt: Receipt
      readonly signer: Certificate
      readonly enclosed?: Enclosed & { readonly by: Certificate }
    }
  | {
      readonly kind: 'invalid'
      readonly reason: ReceiptRefusal
      readonly detail?: string
      /** What it says all the same: true words of a node of this site. */
      readonly receipt?: Receipt
      readonly siteId?: SiteId
    }

export type ReceiptReader = {
  readonly signatures: Signatures
  readonly rootKey: Uint8Array
  /** From elsewhere, for a receipt that brings none; they prove themselves too. */
  readonly certificates?: readonly Uint8Array[]
}

/** Judges bytes from anywhere, the cheapest question first. */
export function verifyReceipt(reader: ReceiptReader, encoded: Uint8Array): ReceiptVerdict {
  const read = parseReceipt(encoded)
  if (read === 'malformed' || read === 'unknown-version') return { kind: 'invalid', reason: read }
  const { receipt, body, signature } = read
  const siteId = siteIdOf(reader.rootKey)
  if (receipt.siteId !== siteId) return { kind: 'invalid', reason: 'foreign-site', siteId: receipt.siteId }
  const certificates = [...read.certificates, ...(reader.certificates ?? [])]
  if (certificates.length === 0) return { kind: 'invalid', reason: 'no-certificate' }
  const roster = createRoster(reader, siteId, reader.rootKey)
  for (const encoded of certificates) {
    const { kind } = roster.enrol(encoded)
    // A changed byte in what it brings itself is a changed receipt, whoever else vouches.
    if (kind === 'refused' && read.certificates.includes(encoded))
      return { kind: 'invalid', reason: 'not-certified' }
  }
  const held = roster.ofDevice(receipt.signer)
  const [newest] = held
  if (!newest)
    return { kind: 'invalid', reason: read.certificates.length === 0 ? 'no-certificate' : 'not-certified' }
  if (!newest.roles.includes('node')) return { kind: 'invalid', reason: 'not-a-node' }
  if (!reader.signatures.verify(signature, hashOf('chargemesh/receipt/v1', body), newest.logKey))
    return { kind: 'invalid', reason: 'bad-signature' }
  const signer = held.find(one => isInForce(roster, one, receipt.issuedAt))
  if (!signer) return { kind: 'invalid', reason: 'not-in-force', detail: newest.name, receipt }
  const fault = faultIn(receipt)
  if (fault !== undefined) return { kind: 'invalid', reason: 'does-not-add-up', detail: fault, receipt }
  if (!read.enclosed) return { kind: 'valid', receipt, signer }
  const enclosed = readEnclosed({ ...reader, roster }, body, read.enclosed)
  return enclosed
    ? { kind: 'valid', receipt, signer, enclosed }
    : { kind: 'invalid', reason: 'not-enclosed-by-operator', receipt }
}

function faultIn({ cost, settled }: Receipt): string | undefined {
  if (settled && !isLeft(settled.owed, settled.refunded, settled.toPay))
    return 'what is to pay is not what is owed less what was given back'
  return cost && faultOf(cost)
}

/** Its own days, and given to it while its issuer's lasted. */
function isInForce(roster: Roster, one: Certificate, at: number): boolean {
  if (!inForce(one, at)) return false
  if (one.issuedBy === ISSUED_BY_ROOT) return true
  const issuer = roster.certificate(one.issuedBy)
  return issuer !== undefined && inForce(issuer, Math.max(one.notBeforeAt, issuer.notBeforeAt))
}

export type ParsedReceipt = {
  readonly receipt: Receipt
  readonly body: Uint8Array
  readonly signature: Uint8Array
  readonly certificates: readonly Uint8Array[]
  readonly enclosed?: Uint8Array
}

/** What the bytes say, with nothing proven. */
export function parseReceipt(encoded: Uint8Array): ParsedReceipt | 'malformed' | 'unknown-version' {
  if (encoded.length > MAX_FILE_BYTES) return 'malformed'
  try {
    const signed = fromBytes(SIGNED, encoded)
    const receipt = fromBytes(RECEIPT, signed.body)
    return receipt.version === RECEIPT_VERSION ? { ...signed, receipt } : 'unknown-version'
  } catch (error) {
    if (error instanceof MalformedBytes) return 'malformed'
    throw error
  }
}

/** The same receipt without its certificates: for readers who have them. */
export function shortened(encoded: Uint8Array): Uint8Array {
  const { body, signature } = fromBytes(SIGNED, encoded)
  return toBytes(SIGNED, { body, signature, certificates: [] })
}

/** The same receipt with the meter's values in it. */
export function withEnclosed(encoder: Encloser, encoded: Uint8Array, enclosed: Enclosed): Uint8Array {
  const signed = fromBytes(SIGNED, encoded)
  return toBytes(SIGNED, { ...signed, enclosed: signEnclosed(encoder, signed.body, enclosed) })
}

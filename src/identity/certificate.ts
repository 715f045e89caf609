// Certificates: who may speak at a site. The root signs issuers, issuers sign devices; a certificate binds the
// three keys of a device (PROTOCOL 1.2, 2.6) and stays valid evidence for its logs for ever: expiry and
// revocation act on connections and folds, never on what is stored (PROTOCOL 1.7).
import {
  bytes,
  fromBytes,
  id,
  listOf,
  MalformedBytes,
  oneOf,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { type Remember, readAnew } from '../remember.ts'
import { type CertHash, type DeviceId, hex, type SiteId, sameBytes } from '../units.ts'
import { hashOf } from './hash.ts'
import type { Signatures } from './signature.ts'

/** issuer: grants, certificates, tariffs. revoker: revocations only. node: sessions. cloud: receipts. */
export const ROLES = ['issuer', 'revoker', 'node', 'cloud'] as const
export type Role = (typeof ROLES)[number]

const CERTIFICATE = record({
  version: uint,
  siteId: id<SiteId>(16),
  /** Hash of the certificate whose logKey signed this one; 32 zero bytes when the root did. */
  issuedBy: id<CertHash>(32),
  serial: uint,
  name: text(48),
  roles: listOf(oneOf(ROLES), 4),
  /** libp2p identity (Ed25519). */
  peerKey: bytes(32, 32),
  /** Signs events and requests (Ed25519). */
  logKey: bytes(32, 32),
  /** Receives sealed secrets (X25519). */
  sealKey: bytes(32, 32),
  notBeforeAt: uint,
  notAfterAt: uint,
})
export type CertificateBody = Value<typeof CERTIFICATE>

const SIGNED = record({ body: bytes(1024), signature: bytes(64, 64) })

export const CERTIFICATE_VERSION = 1
export const MAX_CERTIFICATE_BYTES = 1200
export const ISSUED_BY_ROOT = '00'.repeat(32) as CertHash

/** A certificate that was checked against a site's root; only `verifyCertificate` makes one. */
export type Certificate = CertificateBody & {
  readonly hash: CertHash
  readonly deviceId: DeviceId
  /** As signed and sent. */
  readonly encoded: Uint8Array
}

export type CertificateRefusal =
  | 'malformed'
  | 'unknown-version'
  | 'foreign-site'
  | 'unknown-issuer'
  | 'not-an-issuer'
  | 'bad-signature'
  | 'bad-key'
export type CertificateVerdict =
  | { readonly kind: 'valid'; readonly certificate: Certificate }
  | { readonly kind: 'refused'; readonly reason: CertificateRefusal }

export type CertificateReader = { readonly signatures: Signatures; readonly remember?: Remember }

/** What a certificate is checked against: the site's root key, and the issuers already known. */
export type Trust = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly certificate: (hash: CertHash) => Certificate | undefined
}

export function siteIdOf(rootKey: Uint8Array): SiteId {
  return hex<SiteId>(hashOf('chargemesh/site/v1', rootKey).subarray(0, 16))
}

export function deviceIdOf(logKey: Uint8Array): DeviceId {
  return hex<DeviceId>(hashOf('chargemesh/device/v1', logKey).subarray(0, 16))
}

/** Signs a certificate. `signerKey` is the root's seed, or the logKey's seed of the issuer named in `issuedBy`. */
export function issueCertificate(
  signatures: Signatures,
  signerKey: Uint8Array,
  body: CertificateBody,
): Uint8Array {
  const encodedBody = toBytes(CERTIFICATE, body)
  const signature = signatures.sign(signerKey, hashOf('chargemesh/cert/v1', encodedBody))
  return toBytes(SIGNED, { body: encodedBody, signature })
}

/** Checks bytes from anywhere: shape, site, issuer, signature and keys. Validity in time is the caller's question. */
export function verifyCertificate(
  { signatures, remember = readAnew }: CertificateReader,
  trust: Trust,
  encoded: Uint8Array,
): CertificateVerdict {
  const read = remember('certificate', encoded, () => parseCertificate(encoded))
  if (!read) return refused('malformed')
  const { body, signature, digest, hash } = read
  if (body.version !== CERTIFICATE_VERSION) return refused('unknown-version')
  if (body.siteId !== trust.siteId) return refused('foreign-site')
  const signerKey = signerKeyOf(trust, body)
  if (typeof signerKey === 'string') return refused(signerKey)
  const held = trust.certificate(hash)
  if (held && sameBytes(held.encoded, encoded)) return { kind: 'valid', certificate: held }
  // The hash of the issuer's certificate stands in the bytes, so they alone decide whose key it is.
  return remember('seal', read, () => {
    if (!signatures.verify(signature, digest, signerKey)) return refused('bad-signature')
    if (signatures.refuseKey(body.logKey) || signatures.refuseKey(body.peerKey)) return refused('bad-key')
    return { kind: 'valid', certificate: { ...body, hash, deviceId: deviceIdOf(body.logKey), encoded } }
  })
}

type Parsed = {
  readonly body: CertificateBody
  readonly signature: Uint8Array
  readonly digest: Uint8Array
  readonly hash: CertHash
}

/** What the bytes say, unchecked, or undefined when they are no certificate. */
function parseCertificate(encoded: Uint8Array): Parsed | undefined {
  if (encoded.length > MAX_CERTIFICATE_BYTES) return undefined
  try {
    const signed = fromBytes(SIGNED, encoded)
    const digest = hashOf('chargemesh/cert/v1', signed.body)
    return {
      ...{ body: fromBytes(CERTIFICATE, signed.body), signature: signed.signature },
      ...{ digest, hash: hex<CertHash>(digest) },
    }
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

/** The name that stands in the bytes, with nothing proven. */
export function certificateName(encoded: Uint8Array): string | undefined {
  return parseCertificate(encoded)?.body.name
}

/** The roles likewise; none where the bytes are no certificate. */
export function certificateRoles(encoded: Uint8Array): readonly Role[] {
  return parseCertificate(encoded)?.body.roles ?? []
}

function signerKeyOf(trust: Trust, body: CertificateBody): Uint8Array | CertificateRefusal {
  if (body.issuedBy === ISSUED_BY_ROOT) return trust.rootKey
  const issuer = trust.certificate(body.issuedBy)
  if (!issuer) return 'unknown-issuer'
  return issuer.roles.includes('issuer') && issuer.issuedBy === ISSUED_BY_ROOT
    ? issuer.logKey
    : 'not-an-issuer'
}

function refused(reason: CertificateRefusal): CertificateVerdict {
  return { kind: 'refused', reason }
}

/** Device certificates keep a grace in which they may sync and upload (PROTOCOL 2.6). */
export const CERTIFICATE_GRACE_MS = 30 * 24 * 3600 * 1000

export function inForce(certificate: CertificateBody, nowAt: number): boolean {
  return certificate.notBeforeAt <= nowAt && nowAt <= certificate.notAfterAt + CERTIFICATE_GRACE_MS
}

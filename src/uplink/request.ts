// The one request between a node and the cloud, for both ends: what a push and its answer look like as CBOR, and the
// headers that say which device asks. The device signs method, path, time and body (as sent, so compressed) with its
// log key, and the certificate comes along, so a receiver needs nothing but the site's root to judge a request.
import { bool, bytes, fromBytes, id, listOf, optional, record, text, toBytes, uint } from '../cbor.ts'
import { type Certificate, inForce, MAX_CERTIFICATE_BYTES } from '../identity/certificate.ts'
import { hashOf, lengthPrefixed, sha256, utf8Bytes } from '../identity/hash.ts'
import type { Signatures } from '../identity/signature.ts'
import { LONE_LOG, MAX_LONE_LOGS } from '../log/lone.ts'
import { MAX_OBJECT_BYTES } from '../log/object.ts'
import { LOG_PLACE, MAX_FRONTIER, MAX_SITE_DIGEST_BYTES } from '../log/site-digest.ts'
import type { Push, PushAnswer } from '../ports.ts'
import { MAX_SEGMENT_BYTES } from '../replica/canonical.ts'
import type { EventHash, LogId, SiteId } from '../units.ts'

export const PUSH_PATH = '/v1/push'
export const CBOR_TYPE = 'application/cbor'
/** Of a request's body, before and after unpacking. */
export const MAX_REQUEST_BYTES = 2 * 1024 * 1024
export const MAX_ANSWER_BYTES = 2 * 1024 * 1024
export const MAX_PUSH_SEGMENTS = 256
export const MAX_PUSH_CERTIFICATES = 256
const MAX_ANSWER_ACKS = 1_200
const MAX_REASON = 128
/** Operators' logs that a push may name. */
export const MAX_HELD_LOGS = 512
export const MAX_PUSH_OBJECTS = 64
/**
 * How far a request's time may be from the cloud's clock. Wide, because nodes without internet have bad clocks, and
 * because a replay is harmless: whatever was pushed once may be pushed again, and an answer holds no secret.
 */
export const MAX_CLOCK_ERROR_MS = 24 * 3600 * 1000

const SEGMENT = record({ logId: id<LogId>(16), fromSeq: uint, update: bytes(MAX_SEGMENT_BYTES) })
const PUSH = record({
  segments: listOf(SEGMENT, MAX_PUSH_SEGMENTS),
  certificates: listOf(bytes(MAX_CERTIFICATE_BYTES), MAX_PUSH_CERTIFICATES),
  sinceVersion: uint,
  holds: optional(listOf(record({ logId: id<LogId>(16), nextSeq: uint }), MAX_HELD_LOGS)),
  objects: optional(listOf(bytes(MAX_OBJECT_BYTES), MAX_PUSH_OBJECTS)),
  digest: optional(bytes(MAX_SITE_DIGEST_BYTES)),
  frontier: optional(listOf(LOG_PLACE, MAX_FRONTIER)),
  lone: optional(listOf(LONE_LOG, MAX_LONE_LOGS)),
})
const HEAD = record({ logId: id<LogId>(16), seq: uint, hash: id<EventHash>(32), forkedAt: optional(uint) })
const ANSWER = record({
  version: uint,
  acks: listOf(bytes(MAX_OBJECT_BYTES), MAX_ANSWER_ACKS),
  refused: listOf(record({ logId: id<LogId>(16), reason: text(MAX_REASON) }), MAX_PUSH_SEGMENTS),
  segments: optional(listOf(SEGMENT, MAX_PUSH_SEGMENTS)),
  certificates: optional(listOf(bytes(MAX_CERTIFICATE_BYTES), MAX_PUSH_CERTIFICATES)),
  more: optional(bool),
  heads: optional(listOf(HEAD, MAX_HELD_LOGS)),
})

/** Throws MalformedBytes when the push holds more than one request may. */
export function encodePush(push: Push): Uint8Array {
  return toBytes(PUSH, push)
}

/** Throws MalformedBytes. */
export function decodePush(encoded: Uint8Array): Push {
  return fromBytes(PUSH, encoded)
}

export type Answer = Omit<PushAnswer, 'wireBytes'>

export function encodeAnswer(answer: Answer): Uint8Array {
  const refused = answer.refused.map(({ logId, reason }) => ({ logId, reason: reason.slice(0, MAX_REASON) }))
  return toBytes(ANSWER, { ...answer, refused })
}

/** Throws MalformedBytes. */
export function decodeAnswer(encoded: Uint8Array): Answer {
  return fromBytes(ANSWER, encoded)
}

export type RequestParts = {
  readonly method: string
  readonly path: string
  readonly issuedAt: number
  /** As on the wire, compressed if it is. */
  readonly body: Uint8Array
}

export type RequestSigner = {
  readonly siteId: SiteId
  /** Encoded, of the device that asks; it is renewed now and then. */
  readonly certificate: () => Uint8Array
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

/** Names a request among others: no two are signed alike. */
export const SIGNATURE_HEADER = 'x-chargemesh-signature'
const HEADERS = {
  site: 'x-chargemesh-site',
  certificate: 'x-chargemesh-certificate',
  issuedAt: 'x-chargemesh-issued-at',
  signature: SIGNATURE_HEADER,
} as const

function requestDigest({ method, path, issuedAt, body }: RequestParts): Uint8Array {
  const parts = [utf8Bytes(method), utf8Bytes(path), utf8Bytes(String(issuedAt)), sha256(body)]
  return hashOf('chargemesh/request/v1', ...parts.map(lengthPrefixed))
}

export function signedHeaders(signer: RequestSigner, parts: RequestParts): Readonly<Record<string, string>> {
  const signature = signer.signatures.sign(signer.logKey, requestDigest(parts))
  return {
    [HEADERS.site]: signer.siteId,
    [HEADERS.certificate]: Buffer.from(signer.certificate()).toString('base64'),
    [HEADERS.issuedAt]: String(parts.issuedAt),
    [HEADERS.signature]: Buffer.from(signature).toString('base64'),
  }
}

/** What the headers claim, read and bounded, not yet believed. */
export type RequestClaim = {
  readonly siteId: string
  readonly certificate: Uint8Array
  readonly issuedAt: number
  readonly signature: Uint8Array
}

/** Undefined when a header is missing or is not of its form. */
export function readClaim(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): RequestClaim | undefined {
  const siteId = headers[HEADERS.site]
  const certificate = base64(headers[HEADERS.certificate], MAX_CERTIFICATE_BYTES)
  const signature = base64(headers[HEADERS.signature], 64)
  const issuedAt = headers[HEADERS.issuedAt]
  if (typeof siteId !== 'string' || !certificate || signature?.length !== 64) return undefined
  if (typeof issuedAt !== 'string' || !/^\d{1,15}$/.test(issuedAt)) return undefined
  return { siteId, certificate, issuedAt: Number(issuedAt), signature }
}

function base64(value: string | readonly string[] | undefined, maxBytes: number): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length > Math.ceil(maxBytes / 3) * 4) return undefined
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined
  return new Uint8Array(Buffer.from(value, 'base64'))
}

export type RequestRefusal =
  | 'unsigned'
  | 'foreign-site'
  | 'clock-too-far-off'
  | 'certificate-refused'
  | 'certificate-expired'
  | 'not-its-role'
  | 'bad-signature'

/** Judges all but the certificate's chain, which the caller has checked; undefined when the request is genuine. */
export function refuseRequest(
  signatures: Signatures,
  certificate: Certificate,
  request: { readonly parts: RequestParts; readonly signature: Uint8Array; readonly nowAt: number },
): RequestRefusal | undefined {
  const { parts, signature, nowAt } = request
  if (!(Math.abs(nowAt - parts.issuedAt) <= MAX_CLOCK_ERROR_MS)) return 'clock-too-far-off'
  if (!certificate.roles.some(role => role !== 'cloud')) return 'not-its-role'
  if (!inForce(certificate, nowAt)) return 'certificate-expired'
  return signatures.verify(signature, requestDigest(parts), certificate.logKey) ? undefined : 'bad-signature'
}

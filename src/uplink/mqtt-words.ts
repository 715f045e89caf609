// How the signed request (request.ts) goes over MQTT 5, for both ends. The request is a publish to the site's topic with the
// headers of HTTPS as user properties, a response topic and correlation data; the answer comes to that topic. A broker, and
// whoever may publish there, is trusted with nothing: what HTTPS has from TLS, that it is the cloud who answers, is a
// signature here, over the answer and the request that it answers.
import type { Certificate } from '../identity/certificate.ts'
import { hashOf, lengthPrefixed, sha256, utf8Bytes } from '../identity/hash.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import type { SiteId } from '../units.ts'
import { SIGNATURE_HEADER } from './request.ts'

export function requestTopic(siteId: string): string {
  return `chargemesh/${siteId}/request`
}

/** `asker`: of one connection, so that no other hears its answers unless it means to. */
export function answerTopic(siteId: string, asker: string): string {
  return `chargemesh/${siteId}/answer/${asker}`
}

/** Workers share the requests of a site: each comes to one of them. */
export function sharedTopic(siteId: string): string {
  return `$share/chargemesh/${requestTopic(siteId)}`
}

/** A request may ask for its answer here, and nowhere else. */
export function isAnswerTopic(siteId: SiteId, topic: string): boolean {
  return topic.startsWith(answerTopic(siteId, '')) && /\/[A-Za-z0-9]{1,64}$/.test(topic)
}

export const MAX_CORRELATION_BYTES = 64

/** User properties; a property that was given twice is a list. */
export type Properties = Readonly<Record<string, string | readonly string[]>>

export const PATH_PROPERTY = 'path'
/** The certificate (hash) of the cloud that the asker knows already: it need not come along. */
export const KNOWS_PROPERTY = 'knows'

export type Answer = {
  readonly status: number
  readonly retryAfter?: string
  readonly body: Uint8Array
}

const MAX_CHAIN = 4
const MAX_CHAIN_TEXT = 8_192

function answerDigest(request: string, { status, retryAfter = '', body }: Answer): Uint8Array {
  const parts = [utf8Bytes(request), utf8Bytes(`${status} ${retryAfter}`), sha256(body)]
  return hashOf('chargemesh/answer/v1', ...parts.map(lengthPrefixed))
}

export type AnswerSigner = {
  readonly certificate: Certificate
  /** Encoded, issuers first, its own last. */
  readonly chain: readonly Uint8Array[]
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

/** User properties of an answer to the request that had these. */
export function signedAnswer(
  signer: AnswerSigner,
  request: Properties,
  answer: Answer,
): Readonly<Record<string, string>> {
  const { certificate, chain, logKey, signatures } = signer
  const signature = signatures.sign(logKey, answerDigest(String(request[SIGNATURE_HEADER]), answer))
  const isKnown = request[KNOWS_PROPERTY] === certificate.hash
  return {
    status: String(answer.status),
    ...(answer.retryAfter !== undefined && { 'retry-after': answer.retryAfter }),
    by: certificate.hash,
    signature: base64(signature),
    ...(!isKnown && { chain: chain.map(base64).join(' ') }),
  }
}

type Reading = {
  /** Of the site; certificates that come along are kept in it. */
  readonly roster: Roster
  readonly signatures: Signatures
  /** The signature of the request that was asked. */
  readonly request: string
}

/** The answer, when it is the cloud's and to this request; else what is wrong with it. */
export function readAnswer(
  { roster, signatures, request }: Reading,
  properties: Properties,
  body: Uint8Array,
): { readonly answer: Answer; readonly by: string } | string {
  const { status, by, signature, chain = '', 'retry-after': retryAfter } = properties
  if (typeof status !== 'string' || !/^\d{3}$/.test(status)) return 'no status'
  if (typeof by !== 'string' || typeof signature !== 'string' || typeof chain !== 'string') return 'unsigned'
  if (signature.length > 128 || chain.length > MAX_CHAIN_TEXT) return 'unsigned'
  const isText = typeof retryAfter === 'string'
  if (retryAfter !== undefined && !isText) return 'malformed'
  for (const one of chain.split(' ').slice(0, MAX_CHAIN)) if (one !== '') roster.enrol(bytesOf(one))
  const certificate = roster.all().find(({ hash }) => hash === by)
  if (!certificate?.roles.includes('cloud')) return 'not of the site’s cloud'
  const answer = { status: Number(status), body, ...(isText && { retryAfter }) }
  const isIts = signatures.verify(bytesOf(signature), answerDigest(request, answer), certificate.logKey)
  return isIts ? { answer, by } : 'bad signature'
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

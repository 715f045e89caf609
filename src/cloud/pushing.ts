// POST /v1/push: which site and who asks, then unpack, then ingest, then sign what is due and answer. A request is judged by its
// signature before its body is unpacked or read, except that a device whose issuer is not known yet brings the
// issuer's certificate in the body.
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MalformedBytes } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import type { Clock, Logger, Push } from '../ports.ts'
import type { LogId } from '../units.ts'
import {
  CBOR_TYPE,
  decodePush,
  encodeAnswer,
  MAX_REQUEST_BYTES,
  PUSH_PATH,
  type RequestClaim,
  type RequestRefusal,
  readClaim,
  refuseRequest,
} from '../uplink/request.ts'
import { type AckDeps, acksSince, signDueAcks } from './acks.ts'
import { takeAhead } from './ahead.ts'
import { createAttempts } from './attempts.ts'
import { wordsFor } from './downwards.ts'
import { type IngestDeps, ingest } from './ingest.ts'
import type { PushMeter } from './metrics.ts'
import { heedClaims, type RegressionDeps } from './regression.ts'

export type PushDeps = IngestDeps & AckDeps & Pick<RegressionDeps, 'raises'>

export type PushRouteDeps = {
  /** A site that is served here, by what a request says of itself. */
  readonly siteOf: (siteId: string) => PushDeps | undefined
  readonly meter: PushMeter
  readonly clock: Clock
  readonly logger: Logger
}

/** Pushes worked on at once; more are sent away for a moment, which costs less than a pile of waiting bodies. */
const MAX_PUSHES_AT_ONCE = 16
const BUSY_RETRY_S = 2
/** Issuers that an unknown device may bring along. */
const MAX_INTRODUCED = 4

const unpack = promisify(gunzip)

export function addPushRoute(app: FastifyInstance, deps: PushRouteDeps): void {
  const attempts = createAttempts(deps.clock)
  let working = 0
  app.post(PUSH_PATH, async (request, reply) => {
    const wait = attempts.waitS(request.ip)
    if (wait > 0)
      return turnedAway(deps, reply, { status: 429, code: 'too-many-failures', retryAfterS: wait })
    if (working >= MAX_PUSHES_AT_ONCE)
      return turnedAway(deps, reply, { status: 503, code: 'busy', retryAfterS: BUSY_RETRY_S })
    working += 1
    try {
      return await answerPush(deps, { request, reply }, () => attempts.fail(request.ip))
    } catch (error) {
      deps.meter.refused('failed')
      throw error
    } finally {
      working -= 1
    }
  })
}

export function logsIn({ segments }: Push): readonly LogId[] {
  return [...new Set(segments.map(({ logId }) => logId))]
}

type Claimed = { readonly claim: RequestClaim; readonly body: Uint8Array }
type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply }

async function answerPush(
  route: PushRouteDeps,
  { request, reply }: Exchange,
  failed: () => void,
): Promise<FastifyReply> {
  const body = request.body instanceof Uint8Array ? new Uint8Array(request.body) : new Uint8Array(0)
  const { siteOf, meter, clock, logger } = route
  const claim = readClaim(request.headers)
  const deps = claim && siteOf(claim.siteId)
  const refuseAs = (reason: RequestRefusal): FastifyReply => {
    failed()
    logger.warn('request-refused', { reason, address: request.ip })
    return turnedAway(route, reply, { status: 401, code: reason })
  }
  if (!deps) return refuseAs(claim ? 'foreign-site' : 'unsigned')
  const asker = await authenticate(deps, request, { claim, body })
  if (typeof asker === 'string') return refuseAs(asker)
  const push = await readPush(request, body)
  if (typeof push === 'number')
    return turnedAway(route, reply, { status: push, code: push === 413 ? 'too-large' : 'malformed' })
  const fromMs = clock.monotonicMs()
  await heedClaims(deps, push.objects)
  const refused = await ingest(deps, push)
  await takeAhead(deps, push)
  await signDueAcks(deps)
  const page = await acksSince(deps, push.sinceVersion, logsIn(push))
  const words = await wordsFor(deps, { push, asker, page })
  meter.accepted({ segments: push.segments, refused, tookMs: clock.monotonicMs() - fromMs })
  return reply.type(CBOR_TYPE).send(Buffer.from(encodeAnswer({ ...words, refused })))
}

/** The push in a body, or the status that refuses it. */
async function readPush(request: FastifyRequest, body: Uint8Array): Promise<Push | 400 | 413 | 415> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip') return 415
  try {
    const plain = encoding === 'gzip' ? await unpack(body, { maxOutputLength: MAX_REQUEST_BYTES }) : body
    return decodePush(new Uint8Array(plain))
  } catch (error) {
    if (error instanceof MalformedBytes) return 400
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ERR_BUFFER_TOO_LARGE') return 413
    if (code.startsWith('Z_')) return 400
    throw error
  }
}

async function authenticate(
  deps: PushDeps,
  request: FastifyRequest,
  { claim, body }: Claimed,
): Promise<Certificate | RequestRefusal> {
  const certificate = await certificateOf(deps, request, { claim, body })
  if (!certificate) return 'certificate-refused'
  const parts = { method: request.method, path: request.url, issuedAt: claim.issuedAt, body }
  const asked = { parts, signature: claim.signature, nowAt: deps.clock.wallMs() }
  return refuseRequest(deps.signatures, certificate, asked) ?? certificate
}

async function certificateOf(
  deps: PushDeps,
  request: FastifyRequest,
  { claim, body }: Claimed,
): Promise<Certificate | undefined> {
  const { certificates, database } = deps
  const verdict = await certificates.enrol(database.query, claim.certificate)
  if (verdict.kind === 'valid') return verdict.certificate
  if (verdict.reason !== 'unknown-issuer') return undefined
  // Its issuer is in nobody's memory here: in the database, written by another receiver, or in the push itself.
  await certificates.reload()
  const push = await readPush(request, body)
  const introduced = typeof push === 'number' ? [] : push.certificates.slice(0, MAX_INTRODUCED)
  for (const encoded of introduced) await certificates.enrol(database.query, encoded)
  const again = await certificates.enrol(database.query, claim.certificate)
  return again.kind === 'valid' ? again.certificate : undefined
}

type Refusal = { readonly code: string; readonly retryAfterS?: number }

function turnedAway(
  { meter }: PushRouteDeps,
  reply: FastifyReply,
  { status, ...refusal }: Refusal & { readonly status: number },
): FastifyReply {
  meter.refused(refusal.code)
  return refuse(reply, status, refusal)
}

export function refuse(reply: FastifyReply, status: number, refusal: Refusal): FastifyReply {
  if (refusal.retryAfterS !== undefined) reply.header('retry-after', String(refusal.retryAfterS))
  return reply.code(status).send({ code: refusal.code, message: MESSAGES[refusal.code] ?? refusal.code })
}

const MESSAGES: Readonly<Record<string, string>> = {
  busy: 'too many pushes at once; come back',
  'too-many-failures': 'too many refused requests from this address',
  'too-large': 'the body is too long',
  malformed: 'the body is not a push',
  unsigned: 'the request is not signed',
  'foreign-site': 'this receiver does not serve this site',
  'certificate-refused': "the certificate was not issued under this site's root",
  'certificate-expired': 'the certificate has expired',
  'not-its-role': 'the certificate does not let its holder do this',
  'clock-too-far-off': "the request's time is more than a day from ours",
  'bad-signature': 'the signature does not fit the request',
  'bad-token': 'the token is missing or wrong',
}

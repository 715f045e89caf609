// The HTTPS way to the cloud: one signed POST a push, over connections that stay open. The cloud is recognised by a
// pinned certificate authority where one is given. Answers are bounded in bytes and time; every failure is one
// UPLINK_FAILED that says, where the cloud did, when to come back. It never retries: when is the outbox's question.
import http from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { MalformedBytes } from '../cbor.ts'
import { MeshError, reasonOf } from '../errors.ts'
import type { Clock, Push, PushAnswer, Uplink } from '../ports.ts'
import {
  CBOR_TYPE,
  decodeAnswer,
  encodePush,
  MAX_ANSWER_BYTES,
  PUSH_PATH,
  type RequestSigner,
  signedHeaders,
} from './request.ts'

/** From the request's first byte to the answer's last. */
const TIMEOUT_MS = 15_000
/** Bodies above this are sent compressed. */
export const GZIP_ABOVE_BYTES = 1024
const MAX_SOCKETS = 4
/** No cloud may silence a node for longer by its Retry-After. */
const MAX_RETRY_AFTER_MS = 15 * 60 * 1000
const MAX_ERROR_TEXT = 300

/** The cloud could not be reached or refused the request. */
export class UplinkFailed extends MeshError {
  /** Not to be tried again before so long, when the cloud said so. */
  readonly retryAfterMs: number | undefined
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined
  /** What the failure has cost, both ways, where that is known. */
  wireBytes: number | undefined

  constructor(message: string, detail: { cause?: unknown; retryAfterMs?: number; status?: number }) {
    super('UPLINK_FAILED', message, detail.cause)
    this.retryAfterMs = detail.retryAfterMs
    this.status = detail.status
  }
}

export type HttpUplinkOptions = RequestSigner & {
  readonly name: string
  /** Base address of the receiver, such as https://cloud.example:8443 */
  readonly url: string
  /** The only authority (PEM) that may vouch for the cloud; without it, those of the system. */
  readonly caPem?: string
  readonly clock: Clock
  /** Lets plain http leave this machine, for a link that is private by other means. */
  readonly allowPlain?: boolean
}

/** One signed question to our receiver and its answer, beside pushes; rejects as they do. */
export type AskReceiver = (path: string, body: Uint8Array) => Promise<Uint8Array>

/** Throws CONFIG_INVALID on an address that is no http(s) URL, or plain http to elsewhere without `allowPlain`. */
export function openHttpUplink(
  options: HttpUplinkOptions,
): Uplink & { readonly ask: AskReceiver; readonly close: () => void } {
  const target = targetOf(options)
  const sockets = new Set<Duplex>()
  const wire = wireOf(target, options, sockets)
  return {
    name: options.name,
    push: push => send(options, wire, push),
    ask: (path, body) => ask(options, wire, { path, body }),
    close: () => {
      wire.agent.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function targetOf({ url, allowPlain }: HttpUplinkOptions): URL {
  if (!URL.canParse(url))
    throw new MeshError('CONFIG_INVALID', "the uplink's address is no URL: wanted https://host:port")
  const target = new URL(url)
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(target.hostname)
  if (target.protocol === 'https:' || (target.protocol === 'http:' && (allowPlain || local))) return target
  throw new MeshError('CONFIG_INVALID', `the uplink needs https, got ${target.protocol}//${target.host}`)
}

type Wire = {
  readonly target: URL
  readonly agent: http.Agent
  readonly request: typeof http.request
  /** Bytes so far on all sockets, TLS and all. */
  readonly traffic: () => number
}

/** An agent whose sockets are counted below TLS, because a metered link is paid by what is really sent. */
function wireOf(target: URL, options: HttpUplinkOptions, sockets: Set<Duplex>): Wire {
  const secure = target.protocol === 'https:'
  const agent = secure
    ? new https.Agent({
        keepAlive: true,
        maxSockets: MAX_SOCKETS,
        ...(options.caPem && { ca: options.caPem }),
      })
    : new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  let closedBytes = 0
  const counted = new Set<ReturnType<typeof connect>>()
  const bytesOf = (socket: ReturnType<typeof connect>): number => socket.bytesRead + socket.bytesWritten
  const createConnection = agent.createConnection.bind(agent)
  agent.createConnection = (connection, callback) => {
    const raw = connect({
      host: connection.host ?? target.hostname,
      port: Number(connection.port),
      noDelay: true,
    })
    counted.add(raw)
    sockets.add(raw)
    raw.on('close', () => {
      closedBytes += bytesOf(raw)
      counted.delete(raw)
      sockets.delete(raw)
    })
    if (!secure) return raw
    const wrapped: object = { ...connection, socket: raw }
    return createConnection(wrapped as typeof connection, callback)
  }
  return {
    target,
    agent,
    request: secure ? https.request : http.request,
    traffic: () => [...counted].reduce((sum, socket) => sum + bytesOf(socket), closedBytes),
  }
}

async function send(options: HttpUplinkOptions, wire: Wire, push: Push): Promise<PushAnswer> {
  const plain = encodePush(push)
  const packed = plain.length > GZIP_ABOVE_BYTES
  const body = packed ? new Uint8Array(gzipSync(plain)) : plain
  const path = new URL(PUSH_PATH, wire.target).pathname
  const parts = { method: 'POST', path, issuedAt: Math.floor(options.clock.wallMs()), body }
  const headers = {
    'content-type': CBOR_TYPE,
    'content-length': String(body.length),
    ...(packed && { 'content-encoding': 'gzip' }),
    ...signedHeaders(options, parts),
  }
  const before = wire.traffic()
  try {
    const answer = readPushAnswer(await exchange(wire, { path, headers, body }))
    return { ...answer, wireBytes: wire.traffic() - before }
  } catch (error) {
    if (error instanceof UplinkFailed) error.wireBytes = wire.traffic() - before
    throw error
  }
}

export function readPushAnswer(answered: Answered): Omit<PushAnswer, 'wireBytes'> {
  if (answered.status !== 200) throw refusedBy(answered)
  try {
    return decodeAnswer(answered.body)
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    throw new UplinkFailed('the cloud answered something that is no answer', { cause: error, status: 200 })
  }
}

type Question = { readonly path: string; readonly body: Uint8Array }

async function ask(options: HttpUplinkOptions, wire: Wire, { path, body }: Question): Promise<Uint8Array> {
  const parts = { method: 'POST', path, issuedAt: Math.floor(options.clock.wallMs()), body }
  const size = { 'content-type': CBOR_TYPE, 'content-length': String(body.length) }
  const answer = await exchange(wire, { path, headers: { ...size, ...signedHeaders(options, parts) }, body })
  if (answer.status !== 200) throw refusedBy(answer)
  return answer.body
}

type Outgoing = {
  readonly path: string
  readonly headers: http.OutgoingHttpHeaders
  readonly body: Uint8Array
}
export type Answered = {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: Uint8Array
}

function exchange(wire: Wire, { path, headers, body }: Outgoing): Promise<Answered> {
  const failed = (cause: unknown): UplinkFailed =>
    cause instanceof UplinkFailed
      ? cause
      : new UplinkFailed(`the cloud was not reached: ${reasonOf(cause)}`, { cause })
  return new Promise((resolve, reject) => {
    const { protocol, hostname, port } = wire.target
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const host = hostname.replace(/^\[|\]$/g, '')
    const where = { protocol, host, port: port || (protocol === 'https:' ? 443 : 80), path }
    const request = wire.request(
      { ...where, method: 'POST', headers, agent: wire.agent, signal },
      response => {
        readBounded(response).then(
          bytes =>
            resolve({
              status: response.statusCode ?? 0,
              retryAfter: response.headers['retry-after'],
              body: bytes,
            }),
          error => reject(failed(error)),
        )
      },
    )
    request.on('error', error =>
      reject(failed(signal.aborted ? new Error(`no answer in ${TIMEOUT_MS} ms`) : error)),
    )
    request.end(body)
  })
}

async function readBounded(response: http.IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response) {
    const bytes: unknown = chunk
    if (!(bytes instanceof Uint8Array)) continue
    length += bytes.length
    if (length > MAX_ANSWER_BYTES) {
      response.destroy()
      throw new UplinkFailed('the answer is too long', {})
    }
    chunks.push(bytes)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

export function refusedBy({ status, retryAfter, body }: Answered): UplinkFailed {
  // The text is for a log line only: printable, and not more of it than a line holds.
  const said = new TextDecoder().decode(body.subarray(0, MAX_ERROR_TEXT)).replace(/[^\x20-\x7e]/g, ' ')
  const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
  return new UplinkFailed(`the cloud answered ${status}: ${said}`, {
    status,
    ...(seconds !== undefined && { retryAfterMs: Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) }),
  })
}

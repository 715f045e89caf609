// One request to a webhook (standardwebhooks.com): the body as it was told, its id, the time of this attempt, and a signature
// over the three by every secret that is in force. Bounded in time and in what is read of the answer; redirects are not
// followed, for they could lead where the address may not.
import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { reasonOf } from '../errors.ts'
import { SW_VERSION } from '../version.ts'
import { guardedLookup, refuseUrl, type WebhookNetwork } from './webhook-network.ts'

export type Letter = {
  readonly url: string
  readonly network: WebhookNetwork
  readonly eventId: string
  /** As JSON. */
  readonly body: string
  /** Newest first, each `whsec_` and base64. */
  readonly secrets: readonly string[]
  readonly nowAt: number
}

export type Posted =
  | { readonly kind: 'taken' }
  /** 410: whoever is there wants no more. */
  | { readonly kind: 'gone' }
  /** `answered`: a server is there, and did not take this one. */
  | {
      readonly kind: 'failed'
      readonly reason: string
      readonly answered: boolean
      readonly retryAfterMs?: number
    }

export type Post = (letter: Letter) => Promise<Posted>

export const SECRET_PREFIX = 'whsec_'
const TIMEOUT_MS = 15_000
/** Of an answer nothing is used; what is longer is cut off with its connection. */
const MAX_ANSWER_BYTES = 16_384
const MAX_SOCKETS = 8
const MAX_REASON = 200
/** Answers of servers that have no time for anybody. */
const BUSY: readonly number[] = [408, 429, 502, 503, 504]

/** `webhook-signature` of a letter. */
export function signatureOf({ eventId, body, secrets, nowAt }: Letter): string {
  const signed = `${eventId}.${Math.floor(nowAt / 1000)}.${body}`
  return secrets
    .map(secret => {
      const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
      return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
    })
    .join(' ')
}

export type Poster = { readonly post: Post; readonly close: () => void }

export function createPoster(timeoutMs = TIMEOUT_MS): Poster {
  // Connections of one network are not lent to another, which may go elsewhere by the same name.
  const agents = new Map<string, http.Agent>()
  const agentFor = (url: URL, network: WebhookNetwork): http.Agent => {
    const key = `${url.protocol} ${network}`
    const options = { keepAlive: true, maxSockets: MAX_SOCKETS }
    const agent =
      agents.get(key) ?? (url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options))
    agents.set(key, agent)
    return agent
  }
  return {
    post: async letter => {
      const refused = refuseUrl(letter.url, letter.network)
      if (refused !== undefined) return { kind: 'failed', reason: refused, answered: false }
      const url = new URL(letter.url)
      try {
        const { status, retryAfter } = await exchange(url, letter, {
          agent: agentFor(url, letter.network),
          timeoutMs,
        })
        return outcomeOf(status, retryAfter)
      } catch (error) {
        return { kind: 'failed', reason: reasonOf(error).slice(0, MAX_REASON), answered: false }
      }
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}

type Answered = { readonly status: number; readonly retryAfter: string | undefined }

function exchange(
  url: URL,
  letter: Letter,
  { agent, timeoutMs }: { readonly agent: http.Agent; readonly timeoutMs: number },
): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const signal = AbortSignal.timeout(timeoutMs)
  const failed = (error: unknown): void =>
    reject(signal.aborted ? new Error(`no answer in ${timeoutMs} ms`) : error)
  const { request } = url.protocol === 'https:' ? https : http
  const lookup = guardedLookup(url, letter.network)
  const headers = headersOf(letter)
  const sending = request(url, { method: 'POST', headers, agent, lookup, signal }, response => {
    resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
    // The rest is heard out, so that the connection can be used again, as far as it is short and in time.
    let bytes = 0
    response.on('data', (part: Uint8Array) => {
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) response.destroy()
    })
    response.on('error', failed)
  })
  sending.on('error', failed)
  sending.end(letter.body)
  return promise
}

function headersOf(letter: Letter): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(letter.body)),
    'user-agent': `chargemesh/${SW_VERSION}`,
    'webhook-id': letter.eventId,
    'webhook-timestamp': String(Math.floor(letter.nowAt / 1000)),
    'webhook-signature': signatureOf(letter),
  }
}

function outcomeOf(status: number, retryAfter: string | undefined): Posted {
  if (status >= 200 && status < 300) return { kind: 'taken' }
  if (status === 410) return { kind: 'gone' }
  const isRedirect = status >= 300 && status < 400
  const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
  return {
    kind: 'failed',
    reason: isRedirect ? `answered ${status}; redirects are not followed` : `answered ${status}`,
    answered: !BUSY.includes(status),
    ...(seconds !== undefined && { retryAfterMs: seconds * 1000 }),
  }
}

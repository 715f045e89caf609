// A payment provider behind HTTPS, or a small program before one that speaks its language. `POST` of one order as JSON with
// the header Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header); `GET ?idempotency_key=` tells what it has
// under one. 2xx: taken, `{reference, amount}`; 402, 409 and 422: refused, `{reason}`; anything else: nobody knows, and it
// comes again.
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { PaymentOrder, PaymentOutcome, PaymentProvider } from './payments.ts'

const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 16_384
const REFUSALS: readonly number[] = [402, 409, 422]

const TAKEN = z.object({
  reference: z.string().min(1).max(128),
  amount: z.string().regex(/^-?\d{1,12}(\.\d{1,6})?$/),
})
const REFUSED = z.object({ reason: z.string().max(256) })

export type HttpProviderOptions = {
  /** https, or http on this machine. */
  readonly url: string
  readonly token: string
  readonly keyWindowMs: number
}

export function httpProvider({ url, token, keyWindowMs }: HttpProviderOptions): PaymentProvider {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return {
    keyWindowMs,
    take: async order => {
      const response = await asked(url, {
        method: 'POST',
        headers: { ...headers, 'idempotency-key': order.idempotencyKey },
        body: JSON.stringify(wordsOf(order)),
      })
      return outcomeOf(response.status, await textOf(response))
    },
    find: async ({ idempotencyKey }) => {
      const at = new URL(url)
      at.searchParams.set('idempotency_key', idempotencyKey)
      const response = await asked(at.href, { headers })
      const text = await textOf(response)
      return response.status === 404 ? undefined : outcomeOf(response.status, text)
    },
  }
}

function wordsOf({ sessionId, revision, amount, currency }: PaymentOrder): object {
  return { session_id: sessionId, revision, amount, currency }
}

async function asked(url: string, init: RequestInit): Promise<Response> {
  // A redirect might carry the token elsewhere.
  return await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > MAX_ANSWER_BYTES) throw new MeshError('UPLINK_FAILED', 'the provider’s answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function outcomeOf(status: number, text: string): PaymentOutcome {
  if (status >= 200 && status < 300) return { kind: 'taken', ...TAKEN.parse(jsonOf(text)) }
  if (!REFUSALS.includes(status)) throw new MeshError('UPLINK_FAILED', `the provider answered ${status}`)
  const said = REFUSED.safeParse(jsonOf(text))
  return { kind: 'refused', reason: said.success ? said.data.reason : `refused with ${status}` }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MeshError('UPLINK_FAILED', 'the provider’s answer is no JSON', error)
  }
}

// A payment provider over HTTP, as its own words are answered by a real server.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PaymentOrder } from '../../src/cloud/payments.ts'
import { httpProvider } from '../../src/cloud/payments-http.ts'
import type { SessionId } from '../../src/units.ts'

type Reply = { readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
let server: Server
let reply: Reply
let heard: { method?: string; url?: string; headers: IncomingMessage['headers']; body: string }[]

beforeEach(async () => {
  heard = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', part => {
      body += part
    })
    request.on('end', () => {
      heard.push({ method: request.method, url: request.url, headers: request.headers, body } as never)
      response.writeHead(reply.status, reply.headers).end(reply.body)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => new Promise(resolve => server.close(resolve)))

const order: PaymentOrder = {
  ...{ idempotencyKey: 'ab'.repeat(32), sessionId: '5e'.repeat(16) as SessionId, revision: 1 },
  ...{ amount: '-0.50', currency: 'EUR' },
}

function provider() {
  const { port } = server.address() as AddressInfo
  return httpProvider({ url: `http://127.0.0.1:${port}/take`, token: 'secret-1', keyWindowMs: 1000 })
}

describe('a payment provider over HTTP', () => {
  it('is given an order under its key, and says what it took', async () => {
    reply = { status: 201, body: '{"reference":"p1","amount":"-0.50"}' }
    expect(await provider().take(order)).toEqual({ kind: 'taken', reference: 'p1', amount: '-0.50' })
    expect(heard[0]).toMatchObject({
      ...{ method: 'POST', url: '/take' },
      headers: { 'idempotency-key': order.idempotencyKey, authorization: 'Bearer secret-1' },
    })
    expect(JSON.parse(heard[0]?.body ?? '')).toEqual({
      ...{ session_id: order.sessionId, revision: 1, amount: '-0.50', currency: 'EUR' },
    })
  })

  it('may refuse, with its reason or without one', async () => {
    reply = { status: 402, body: '{"reason":"card declined"}' }
    expect(await provider().take(order)).toEqual({ kind: 'refused', reason: 'card declined' })
    reply = { status: 422, body: '{}' }
    expect(await provider().take(order)).toEqual({ kind: 'refused', reason: 'refused with 422' })
  })

  it.each([
    ['an error', { status: 500, body: '' }],
    ['no JSON', { status: 200, body: 'ok' }],
    ['no amount', { status: 200, body: '{"reference":"p1"}' }],
    ['an amount that is a number', { status: 200, body: '{"reference":"p1","amount":0.5}' }],
    ['an endless answer', { status: 200, body: ' '.repeat(20_000) }],
    ['a redirect', { status: 307, body: '', headers: { location: 'http://127.0.0.1:1/' } }],
  ])('leaves open what became of it behind %s', async (_name, said) => {
    reply = said
    await expect(provider().take(order)).rejects.toThrow()
  })

  it('tells what it has under a key, or that it has nothing', async () => {
    reply = { status: 404, body: '' }
    expect(await provider().find(order)).toBeUndefined()
    reply = { status: 200, body: '{"reference":"p1","amount":"-0.50"}' }
    expect(await provider().find(order)).toMatchObject({ reference: 'p1' })
    expect(heard.at(-1)).toMatchObject({
      method: 'GET',
      url: `/take?idempotency_key=${order.idempotencyKey}`,
    })
  })
})

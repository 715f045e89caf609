// The whole way over real HTTPS: the uplink driver on one side, the receiver and its database on the other.
import http from 'node:http'
import https from 'node:https'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import type { ReceiverSite } from '../../src/cloud/site.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { MeshError } from '../../src/errors.ts'
import { readObject } from '../../src/log/object.ts'
import { openHttpUplink, UplinkFailed } from '../../src/uplink/http.ts'
import { encodePush, MAX_REQUEST_BYTES, PUSH_PATH, signedHeaders } from '../../src/uplink/request.ts'
import { sessionBodies, type TestDevice, testSite } from '../site.ts'
import { openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'

const site = testSite(`receiver-${process.pid}-${process.hrtime.bigint()}`)
const clock = testClock()
const TOKEN = 'a-token-for-the-operator'
let database: Database
let receiver: Receiver
const node = site.device('north')

type Overrides = {
  readonly database?: Database
  readonly port?: number
  readonly sites?: readonly ReceiverSite[]
}

async function open(overrides: Overrides = {}): Promise<Receiver> {
  return openReceiver({
    listen: { host: '127.0.0.1', port: overrides.port ?? 0 },
    database: overrides.database ?? database,
    sites: overrides.sites ?? [served(site, 'Stadium')],
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    operatorToken: TOKEN,
    signatures: site.signatures,
    clock,
    random: { bytes: site.random },
    logger: quiet,
  })
}

beforeAll(async () => {
  database = await openTestDatabase()
  receiver = await open()
})
afterAll(async () => {
  await receiver.close()
  await database.close()
})

function uplinkTo(to: { url: string; caPem?: string }, device: TestDevice = node) {
  const { siteId, signatures } = site
  const certificate = () => device.certificate.encoded
  return openHttpUplink({
    ...{ name: 'fibre', siteId, signatures, certificate, clock, logKey: device.keys.logKey },
    ...to,
  })
}

type Reply = { readonly status: number; readonly headers: http.IncomingHttpHeaders; readonly body: string }

function call(
  path: string,
  options: { method?: string; headers?: http.OutgoingHttpHeaders; body?: Uint8Array } = {},
) {
  return new Promise<Reply>((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const agent = new https.Agent({ ca: receiver.caPem })
    const request = https.request(`${receiver.url}${path}`, { method, headers, agent }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += String(chunk)
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

function signedCall(body: Uint8Array, change: http.OutgoingHttpHeaders = {}, device = node): Promise<Reply> {
  const { siteId, signatures } = site
  const signer = {
    siteId,
    signatures,
    certificate: () => device.certificate.encoded,
    logKey: device.keys.logKey,
  }
  const signed = signedHeaders(signer, { method: 'POST', path: PUSH_PATH, issuedAt: clock.wallMs(), body })
  return call(PUSH_PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/cbor', ...signed, ...change },
    body,
  })
}

const EMPTY = encodePush({ segments: [], certificates: [], sinceVersion: 0 })

describe('a push over HTTPS', () => {
  it('brings back a signed ack, and what it costs on the wire', async () => {
    const uplink = uplinkTo(receiver)
    const log = site.openLog(node)
    const words = sessionBodies()
    const ticks = Array.from({ length: 100 }, (_, i) => words.tick(154_200 + 25 * i))
    log.append([words.start, words.pricing, ...ticks, words.end])
    const answer = await uplink.push({ segments: log.segments(), certificates: [], sinceVersion: 0 })
    const again = await uplink.push({
      segments: log.segments(),
      certificates: [],
      sinceVersion: answer.version,
    })
    uplink.close()

    const [ack] = answer.acks
    const verdict = readObject(
      { roster: site.roster(), signatures: site.signatures },
      ack ?? new Uint8Array(0),
    )
    expect(verdict).toMatchObject({ kind: 'valid', object: { body: log.ref() } })
    // Whoever pushes what is here already has lost its ack.
    expect(again).toMatchObject({ acks: answer.acks, refused: [], version: answer.version })
    const sentBytes = log.segments().reduce((sum, segment) => sum + segment.update.length, 0)
    // The first push pays for the TLS handshake, the second does not; both are compressed.
    expect(answer.wireBytes).toBeGreaterThan(again.wireBytes)
    expect(again.wireBytes).toBeGreaterThan(500)
    expect(again.wireBytes).toBeLessThan(sentBytes)
  })

  it('lets a device in whose issuer the receiver learns from the push itself', async () => {
    const issuer = site.device('second issuer', ['issuer'])
    const body = encodePush({ segments: [], certificates: [issuer.certificate.encoded], sinceVersion: 0 })
    expect((await signedCall(body, {}, issuer)).status).toBe(200)
  })

  it('does not trust a cloud under another authority', async () => {
    const { caPem } = await makeServerCertificate(['127.0.0.1'])
    const uplink = uplinkTo({ url: receiver.url, caPem })
    const failure = uplink.push({ segments: [], certificates: [], sinceVersion: 0 })
    await expect(failure).rejects.toMatchObject({ code: 'UPLINK_FAILED', status: undefined })
    uplink.close()
    const unpinned = uplinkTo({ url: receiver.url })
    const alsoRefused = unpinned.push({ segments: [], certificates: [], sinceVersion: 0 })
    await expect(alsoRefused).rejects.toMatchObject({ code: 'UPLINK_FAILED' })
    unpinned.close()
  })

  it('does not trust a cloud under another name', async () => {
    const uplink = uplinkTo({ url: receiver.url.replace('127.0.0.1', '127.0.0.2'), caPem: receiver.caPem })
    await expect(uplink.push({ segments: [], certificates: [], sinceVersion: 0 })).rejects.toThrow(
      UplinkFailed,
    )
    uplink.close()
  })
})

describe('a request', () => {
  it.each([
    ['no signature', { 'x-chargemesh-signature': '' }, 'unsigned'],
    ['another signature', { 'x-chargemesh-signature': Buffer.alloc(64).toString('base64') }, 'bad-signature'],
    ['another site', { 'x-chargemesh-site': '00'.repeat(16) }, 'foreign-site'],
    ['another time', { 'x-chargemesh-issued-at': '1' }, 'clock-too-far-off'],
  ])('with %s is refused', async (_what, headers, code) => {
    const reply = await signedCall(EMPTY, headers)
    expect(reply.status).toBe(401)
    expect(JSON.parse(reply.body)).toMatchObject({ code })
  })

  it('of a foreign site or a role that may not push is refused', async () => {
    const stranger = await signedCall(EMPTY, {}, testSite('elsewhere').device('stranger'))
    expect(JSON.parse(stranger.body)).toMatchObject({ code: 'certificate-refused' })
    const cloud = await signedCall(EMPTY, {}, site.cloud)
    expect(JSON.parse(cloud.body)).toMatchObject({ code: 'not-its-role' })
  })

  it('that is too long is refused with 413, packed or not', async () => {
    const plain = await signedCall(new Uint8Array(MAX_REQUEST_BYTES + 1))
    expect(plain.status).toBe(413)
    const bomb = new Uint8Array(gzipSync(new Uint8Array(MAX_REQUEST_BYTES + 1)))
    expect(bomb.length).toBeLessThan(10_000)
    expect((await signedCall(bomb, { 'content-encoding': 'gzip' })).status).toBe(413)
  })

  it.each([
    ['no push', new Uint8Array([1, 2, 3]), {}, 400],
    ['no gzip', new Uint8Array([1, 2, 3]), { 'content-encoding': 'gzip' }, 400],
    ['another packing', EMPTY, { 'content-encoding': 'br' }, 415],
    ['another type', EMPTY, { 'content-type': 'application/json' }, 415],
  ])('that is %s is refused', async (_what, body, headers, status) => {
    expect((await signedCall(body, headers)).status).toBe(status)
  })

  it('finds a database that is away answered with 503 and a time to come back', async () => {
    const away = await openAway()
    const uplink = uplinkTo(away)
    const failure = uplink.push({
      segments: site.openLog(node).segments(),
      certificates: [],
      sinceVersion: 0,
    })
    await expect(failure).rejects.toMatchObject({ code: 'UPLINK_FAILED', status: 503 })
    const error: unknown = await failure.catch((reason: unknown) => reason)
    if (!(error instanceof UplinkFailed)) throw new Error('no UplinkFailed')
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(5_000)
    expect(error.retryAfterMs).toBeLessThan(15_000)

    uplink.close()
    await away.close()
  })
})

/** A receiver whose database fails from now on. */
async function openAway(): Promise<Receiver> {
  let isAway = false
  const gone = (): Promise<never> => Promise.reject(new MeshError('STORE_FAILED', 'the database is away'))
  const opened = await open({
    database: {
      query: (text, params) => (isAway ? gone() : database.query(text, params)),
      transaction: (run, turn) => (isAway ? gone() : database.transaction(run, turn)),
      close: () => Promise.resolve(),
    },
  })
  isAway = true
  return opened
}

describe('the operator', () => {
  const bearer = { authorization: `Bearer ${TOKEN}` }

  it('reads nothing without the token', async () => {
    for (const path of ['/v1/sessions', '/v1/bills', '/v1/gaps', '/v1/forks', '/v1/summary']) {
      expect((await call(path)).status).toBe(401)
      expect((await call(path, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
    }
    expect((await call('/healthz')).status).toBe(200)
    expect((await call('/readyz')).status).toBe(200)
    expect((await call('/v1/unknown')).status).toBe(404)
  })

  it('reads sessions and bills page by page', async () => {
    const uplink = uplinkTo(receiver)
    const log = site.openLog(node)
    for (let i = 1; i <= 5; i++) {
      const words = sessionBodies({ chargerId: 'CP-pages', connectorId: i })
      log.append([words.start, words.pricing, words.end])
    }
    await uplink.push({ segments: log.segments(), certificates: [], sinceVersion: 0 })
    uplink.close()
    for (const path of ['/v1/sessions', '/v1/bills']) {
      const all = JSON.parse((await call(path, { headers: bearer })).body) as { items: unknown[] }
      const paged: unknown[] = []
      let cursor = ''
      do {
        const page = JSON.parse(
          (await call(`${path}?limit=2&cursor=${cursor}`, { headers: bearer })).body,
        ) as {
          items: unknown[]
          next?: string
        }
        expect(page.items.length).toBeLessThanOrEqual(2)
        paged.push(...page.items)
        cursor = page.next ?? ''
      } while (cursor !== '')
      expect(paged).toEqual(all.items)
      expect(paged.length).toBeGreaterThanOrEqual(5)
    }
    const summary = JSON.parse((await call('/v1/summary', { headers: bearer })).body)
    expect(summary).toMatchObject({ name: 'Stadium', siteId: site.siteId, forkedLogs: 0 })
  })

  it.each(['limit=0', 'limit=1001', 'limit=x', "cursor=';--", 'cursor=a&cursor=b'])(
    'may not ask %s',
    async query => {
      expect((await call(`/v1/bills?${query}`, { headers: bearer })).status).toBe(400)
    },
  )
})

describe('the uplink', () => {
  it('refuses plain http to anywhere but this machine, unless that was allowed', () => {
    expect(() => uplinkTo({ url: 'http://cloud.example' })).toThrow(MeshError)
    expect(() => uplinkTo({ url: 'ftp://127.0.0.1' })).toThrow(MeshError)
    expect(() => uplinkTo({ url: 'nonsense' })).toThrow(MeshError)
    uplinkTo({ url: 'http://127.0.0.1:1' }).close()
  })

  it('fails with what the answer said, bounded, and heeds Retry-After', async () => {
    const answers: [number, http.OutgoingHttpHeaders, Buffer][] = [
      [429, { 'retry-after': '7' }, Buffer.from('slow down\u001b[2J')],
      [503, { 'retry-after': '999999' }, Buffer.from('')],
      [500, {}, Buffer.from('<html>')],
      [200, {}, Buffer.from('no answer')],
      [200, {}, Buffer.alloc(3 * 1024 * 1024)],
    ]
    const server = http.createServer((request, response) => {
      request.resume()
      const [status, headers, body] = answers.shift() ?? [404, {}, Buffer.from('')]
      response.writeHead(status, headers).end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const uplink = uplinkTo({ url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` })
    const fail = () => uplink.push({ segments: [], certificates: [], sinceVersion: 0 })
    const code = 'UPLINK_FAILED'
    await expect(fail()).rejects.toMatchObject({ code, status: 429, retryAfterMs: 7_000 })
    await expect(fail()).rejects.toMatchObject({ code, status: 503, retryAfterMs: 900_000 })
    await expect(fail()).rejects.toMatchObject({ code, status: 500, retryAfterMs: undefined })
    await expect(fail()).rejects.toThrow('no answer')
    await expect(fail()).rejects.toThrow('too long')
    uplink.close()
    await new Promise(resolve => server.close(resolve))
    await expect(fail()).rejects.toMatchObject({ code, status: undefined })
  })
})

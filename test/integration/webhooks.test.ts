// Webhooks against real servers: what a push makes known arrives signed, whatever the server does with it. The signature is
// verified from the standard's text (standardwebhooks.com), with WebCrypto, by nothing of ours, and by the README's own receiver.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { STANDS_AFTER_MS, tellGaps } from '../../src/cloud/gap-news.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { deliverNews } from '../../src/cloud/webhook-delivery.ts'
import { guardedLookup } from '../../src/cloud/webhook-network.ts'
import { createPoster, type Letter } from '../../src/cloud/webhook-post.ts'
import { addWebhook, listWebhooks, replayNews } from '../../src/cloud/webhooks.ts'
import { until } from '../deadline.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase, quiet, served } from './cloud-bench.ts'

type Heard = { readonly id: string; readonly at: number; readonly signatures: string; readonly body: string }
type Behaviour = (response: ServerResponse, heard: Heard) => void

const TIMEOUT_MS = 400
const takes: Behaviour = response => response.writeHead(204).end()
let server: Server
let url: string
let heard: Heard[]
let behaves: Behaviour
let database: Database
const { post, close } = createPoster(TIMEOUT_MS)

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(async () => {
  close()
  await database.close()
})
beforeEach(async () => {
  heard = []
  behaves = takes
  server = createServer((request, response) => {
    read(request).then(one => {
      heard.push(one)
      behaves(response, one)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?tenant=7`
})
afterEach(() => {
  server.closeAllConnections()
  return new Promise(resolve => server.close(resolve))
})

async function read(request: IncomingMessage): Promise<Heard> {
  const body = Buffer.concat(await request.toArray()).toString('utf8')
  const said = (name: string): string => String(request.headers[name])
  return {
    ...{ id: said('webhook-id'), at: Number(said('webhook-timestamp')), body },
    signatures: said('webhook-signature'),
  }
}

/** "The content to sign is id, timestamp and payload, joined by full stops; base64 of HMAC-SHA256; v1; space delimited." */
async function isSigned({ id, at, signatures, body }: Heard, secret: string): Promise<boolean> {
  const raw = Uint8Array.from(atob(secret.replace('whsec_', '')), sign => sign.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
  for (const one of signatures.split(' ')) {
    const [version, text = ''] = one.split(',')
    const signature = Uint8Array.from(atob(text), sign => sign.charCodeAt(0))
    const signed = new TextEncoder().encode(`${id}.${at}.${body}`)
    if (version === 'v1' && (await crypto.subtle.verify('HMAC', key, signature, signed))) return true
  }
  return false
}

const told = (): readonly { type: string; data: Record<string, unknown> }[] =>
  heard.map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> })
const types = (): readonly string[] => told().map(({ type }) => type)

const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }

type Hooked = CloudBench & { readonly secret: string; readonly deliver: () => Promise<number> }

async function hooked(): Promise<Hooked> {
  const bench = await cloudBench(database)
  const { siteId } = bench.site
  const book = { database, siteId, clock: bench.clock, random }
  const secret = await addWebhook(book, { name: 'shop', url, events: [], network: 'public' })
  const deliver = (): Promise<number> => deliverNews({ ...book, post, logger: quiet, isClosing: () => false })
  return { ...bench, secret, deliver }
}

describe('a push', () => {
  it('tells a session and its bill in order, signed; once though it comes twice', async () => {
    const { site, push, deliver, secret } = await hooked()
    const node = site.device('north')
    const log = site.openLog(node)
    const words = sessionBodies()
    log.append([words.start, words.pricing, words.tick(155_000), words.end])
    const certificates = [node.certificate.encoded]
    await push({ segments: log.segments(), certificates })
    await push({ segments: log.segments(), certificates })
    expect(await deliver()).toBe(3)

    expect(types()).toEqual(['session.started', 'session.completed', 'bill.issued'])
    const { sessionId } = words
    expect(told().map(({ data }) => data)).toMatchObject([
      { sessionId, chargerId: 'CP-1', state: 'open', energyWh: null },
      { sessionId, state: 'complete', energyWh: 2500, flags: [] },
      { sessionId, revision: 0, kind: 'invoice', amount: '0.63', currency: 'EUR' },
    ])
    expect(JSON.parse(heard[0]?.body ?? '')).toMatchObject({ version: 1, siteId: site.siteId })
    for (const one of heard) expect(await isSigned(one, secret)).toBe(true)
    const [first] = heard
    expect(first && (await isSigned({ ...first, body: `${first.body} ` }, secret))).toBe(false)
    expect(first && (await isSigned({ ...first, at: first.at + 1 }, secret))).toBe(false)
  })

  it('tells a start, then the end, each when it came', async () => {
    const { site, push, deliver } = await hooked()
    const node = site.device('north')
    const log = site.openLog(node)
    const words = sessionBodies()
    log.append([words.start, words.pricing])
    await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
    await deliver()
    expect(types()).toEqual(['session.started'])
    const seq = log.events().length
    log.append([words.end])
    await push({ segments: log.segments(seq) })
    await deliver()
    expect(types()).toEqual(['session.started', 'session.completed', 'bill.issued'])
  })

  it('tells a fork, what is disputed by it, and a revoked device', async () => {
    const { site, push, deliver } = await hooked()
    const node = site.device('clone')
    const words = sessionBodies()
    const log = site.openLog(node)
    log.append([words.start, words.pricing, words.end])
    const branch = site.openLog(node, { epochId: log.epochId })
    branch.append([words.start], SITE_OPENED_AT + 9_000)
    await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
    await push({ segments: branch.segments() })
    await push({ segments: branch.segments() })
    const { deviceId, serial } = node.certificate
    const issuerLog = site.openLog(site.issuer)
    const cutoff = [{ logId: log.logId, seq: 0, hash: log.ref(0).hash }]
    issuerLog.append([{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff } }])
    await push({ segments: issuerLog.segments() })
    while ((await deliver()) > 0);
    const rest = told().filter(
      ({ type }) => !['session.started', 'session.completed', 'bill.issued'].includes(type),
    )
    expect(rest.map(({ type }) => type).sort()).toEqual(['device.revoked', 'fork.found', 'session.disputed'])
    expect(rest.find(({ type }) => type === 'fork.found')?.data).toMatchObject({
      ...{ logId: log.logId, deviceId, seq: 1, theirs: branch.ref(1).hash },
    })
  })

  it('tells a gap when it has stood for a while, and that it closed', async () => {
    const { site, push, deliver, clock, deps } = await hooked()
    const node = site.device('north')
    const first = site.openLog(node)
    first.append([sessionBodies().start])
    const second = site.openLog(node, { prev: first.ref() })
    await push({ segments: second.segments(), certificates: [node.certificate.encoded] })
    expect(await tellGaps(deps)).toBe(0)
    clock.set(clock.wallMs() + STANDS_AFTER_MS)
    expect(await tellGaps(deps)).toBe(1)
    expect(await tellGaps(deps)).toBe(0)
    await push({ segments: first.segments() })
    expect(await tellGaps(deps)).toBe(1)
    while ((await deliver()) > 0);
    const gaps = told().filter(({ type }) => type.startsWith('gap.'))
    expect(gaps.map(({ type }) => type)).toEqual(['gap.found', 'gap.closed'])
    expect(gaps[0]?.data).toMatchObject({ kind: 'missing', logId: first.logId, namedBy: second.logId })
  })
})

describe('a server', () => {
  /** One session with three events, against a server that behaves so at first; answers what it heard in the end. */
  async function worsen(
    badly: Behaviour,
  ): Promise<{ failed: string | undefined; ids: readonly string[]; secret: string }> {
    const { site, push, deliver, clock, secret } = await hooked()
    const node = site.device('north')
    const log = site.openLog(node)
    const words = sessionBodies()
    log.append([words.start, words.pricing, words.end])
    await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
    behaves = badly
    expect(await deliver()).toBe(0)
    const [report] = await listWebhooks({ database, siteId: site.siteId, clock, random })
    expect(report).toMatchObject({ waiting: 3 })
    behaves = takes
    clock.set(clock.wallMs() + 60_000)
    expect(await deliver()).toBe(3)
    return { failed: report?.lastError, ids: heard.map(({ id }) => id), secret }
  }

  it('that answers 500 after having processed is sent the same id again', async () => {
    const { failed, ids, secret } = await worsen(response => response.writeHead(500).end())
    expect(failed).toBe('answered 500')
    expect(ids).toHaveLength(4)
    expect(new Set(ids).size).toBe(3)
    expect(ids[0]).toBe(ids[1])
    for (const one of heard) expect(await isSigned(one, secret)).toBe(true)
    // The time is that of the attempt, so that a receiver may refuse what is old.
    expect(heard[1]?.at).toBe((heard[0]?.at ?? 0) + 60)
  })

  it('that answers late, or never, is waited for no longer than the timeout', async () => {
    const { failed } = await worsen(() => undefined)
    expect(failed).toBe(`no answer in ${TIMEOUT_MS} ms`)
  })

  it('that hangs up is asked again', async () => {
    const { failed } = await worsen(response => response.destroy())
    expect(failed).toMatch(/hang up|ECONNRESET/)
  })

  it('that sends elsewhere is not followed', async () => {
    const target = createServer((_request, response) => response.writeHead(204).end())
    await new Promise<void>(resolve => target.listen(0, '127.0.0.1', resolve))
    let asked = 0
    target.on('request', () => {
      asked += 1
    })
    const location = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`
    const { failed } = await worsen(response => response.writeHead(307, { location }).end())
    target.close()
    expect(failed).toBe('answered 307; redirects are not followed')
    expect(asked).toBe(0)
  })

  it('that never ends its answer has taken it by its first line, and is read no further', async () => {
    const { push, site, deliver } = await hooked()
    const node = site.device('north')
    let isCut = false
    behaves = response => {
      response.writeHead(200)
      const pour = setInterval(() => response.write('x'.repeat(8_192)), 1)
      response.on('close', () => {
        isCut = true
        clearInterval(pour)
      })
    }
    const log = site.openLog(node)
    log.append([sessionBodies().start])
    await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
    expect(await deliver()).toBe(1)
    await until(() => isCut, { withinMs: 5_000, what: 'the connection is cut' })
  })

  it('whose name means a private address is not connected to', async () => {
    const looked = (network: 'public' | 'private') =>
      new Promise((resolve, reject) => {
        const lookup: LookupFunction = guardedLookup(new URL('https://shop.example/'), network)
        lookup('localhost', {}, (error, address) => (error ? reject(error) : resolve(address)))
      })
    await expect(looked('public')).rejects.toThrow('private network')
    await expect(looked('private')).resolves.toMatch(/127\.0\.0\.1|::1/)
    const letter: Letter = {
      ...{ url: 'https://169.254.169.254/latest/meta-data', network: 'public', eventId: 'msg_1', body: '{}' },
      ...{ secrets: ['whsec_AAAA'], nowAt: 0 },
    }
    expect(await post(letter)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('metadata') })
  })
})

describe('a receiver with webhooks', () => {
  const TOKEN = 'a-token-for-the-operator'
  const ADMIN = 'a-token-for-who-may-write'
  let bench: CloudBench
  let receiver: Receiver
  beforeAll(async () => {
    bench = await cloudBench(database)
    receiver = await openReceiver({
      ...{ listen: { host: '127.0.0.1', port: 0 }, database, sites: [served(bench.site, 'Stadium')] },
      tls: await makeServerCertificate(['127.0.0.1']),
      ...{
        operatorToken: TOKEN,
        adminToken: ADMIN,
        signatures: bench.site.signatures,
        random,
        logger: quiet,
      },
      clock: { wallMs: Date.now, monotonicMs: () => performance.now() },
    })
  })
  afterAll(() => receiver?.close())

  function call(
    method: string,
    path: string,
    { token = ADMIN, body }: { token?: string; body?: string } = {},
  ) {
    return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      }
      const request = https.request(
        `${receiver.url}/v1${path}`,
        { method, headers, ca: receiver.caPem },
        response => {
          response
            .toArray()
            .then(parts => Buffer.concat(parts).toString('utf8'))
            .then(text => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }), reject)
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }

  it('is set by whoever may write, and read by whoever may read; no secret is shown again', async () => {
    const body = JSON.stringify({ name: 'erp', url, events: ['fork.found'] })
    expect(await call('POST', '/webhooks', { body, token: TOKEN })).toMatchObject({ status: 401 })
    expect(await call('POST', '/webhooks', { body, token: '' })).toMatchObject({ status: 401 })
    const added = await call('POST', '/webhooks', { body })
    expect(added).toMatchObject({ status: 200, body: { secret: expect.stringMatching(/^whsec_/) } })
    expect(await call('POST', '/webhooks', { body })).toMatchObject({
      ...{ status: 400, body: { message: expect.stringContaining('already') } },
    })
    expect(await call('GET', '/webhooks')).toMatchObject({ status: 401 })
    const listed = await call('GET', '/webhooks', { token: TOKEN })
    expect(listed.body).toMatchObject({ items: [{ name: 'erp', url, state: 'on', waiting: 0 }] })
    expect(JSON.stringify(listed.body)).not.toContain('whsec_')
    expect(await call('DELETE', '/webhooks/erp', { token: TOKEN })).toMatchObject({ status: 401 })
    expect(await call('DELETE', '/webhooks/erp')).toMatchObject({ status: 200 })
    expect(await call('DELETE', '/webhooks/erp')).toMatchObject({ status: 400 })
  })

  it.each([
    ['no JSON', '{'],
    ['no address', '{"name":"x"}'],
    ['an event that there is not', '{"name":"x","url":"http://127.0.0.1/","events":["car.stolen"]}'],
    ['a field that there is not', '{"name":"x","url":"http://127.0.0.1/","secret":"mine"}'],
    ['a metadata address', '{"name":"x","url":"https://169.254.169.254/"}'],
    ['plain http to elsewhere', '{"name":"x","url":"http://shop.example/"}'],
  ])('refuses %s with what is wrong', async (_name, body) => {
    const answer = await call('POST', '/webhooks', { body })
    expect(answer).toMatchObject({ status: 400, body: { message: expect.any(String) } })
  })

  it('tells the README’s own receiver, which verifies it; a forgery does not pass there', async () => {
    const readme = readFileSync('README.md', 'utf8')
    const source = /cat > hook\.mjs <<'EOF'\n([\s\S]*?)\nEOF\n/.exec(readme)?.[1]?.replace('3000', '0') ?? ''
    const added = await call('POST', '/webhooks', { body: JSON.stringify({ name: 'shop', url }) })
    const hook: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', source], {
      env: { ...process.env, WEBHOOK_SECRET: String(added.body.secret) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    hook.stdout?.on('data', part => {
      said += String(part)
    })
    try {
      await until(() => /listens at \S+/.test(said), {
        withinMs: 20_000,
        what: 'the README’s receiver listens',
      })
      const its = /listens at (\S+)/.exec(said)?.[1] ?? ''
      // What comes for ours is passed on to it as it stands.
      const passed: number[] = []
      behaves = async (response, one) => {
        const headers = headersOf(one)
        const [ok, forged] = await Promise.all([
          fetch(its, { method: 'POST', headers, body: one.body }),
          fetch(its, { method: 'POST', headers, body: `${one.body} ` }),
        ])
        passed.push(ok.status, forged.status)
        response.writeHead(ok.status).end()
      }
      await call('POST', '/webhooks/shop/test', { body: '{}' })
      await until(() => said.includes('webhook.tested'), { withinMs: 20_000, what: 'the test arrives' })
      await until(() => passed.length === 2, { withinMs: 5_000, what: 'the forgery is answered' })
      expect(passed).toEqual([204, 401])
    } finally {
      hook.kill()
    }
  })

  it('tells again what it told, under the same ids', async () => {
    await call('POST', '/webhooks', { body: JSON.stringify({ name: 'again', url }) })
    const fromAt = Date.now() - 1000
    await call('POST', '/webhooks/again/test', { body: '{}' })
    await until(() => heard.length > 0, { withinMs: 20_000, what: 'the test arrives' })
    const before = heard.map(({ id }) => id)
    const listed = async () =>
      (await call('GET', '/webhooks', { token: TOKEN })).body.items as { waiting: number }[]
    await until(async () => (await listed()).every(({ waiting }) => waiting === 0), {
      ...{ withinMs: 10_000, what: 'it was taken' },
    })
    const replayed = await call('POST', '/webhooks/again/replay', { body: JSON.stringify({ fromAt }) })
    expect(replayed.body).toEqual({ events: before.length })
    await until(() => heard.length === 2 * before.length, { withinMs: 20_000, what: 'they come again' })
    expect(heard.slice(before.length).map(({ id }) => id)).toEqual(before)
    await expect(replayNews({ ...bench.deps, random }, 'nobody', { fromAt })).rejects.toThrow(
      'no webhook nobody',
    )
  })
})

function headersOf({ id, at, signatures }: Heard): Record<string, string> {
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signatures }
}

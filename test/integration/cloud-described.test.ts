// What the receiver says of itself: its description, its health and its metrics, beside what it really answers.
import https from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { openApiDocument, RECEIVER_ROUTES, SITE_ROUTES } from '../../src/cloud/openapi.ts'
import { SCHEMAS } from '../../src/cloud/openapi-words.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { systemRandom } from '../../src/host/system.ts'
import { encodeElement, GENESIS } from '../../src/log/event.ts'
import { signDigest } from '../../src/log/site-digest.ts'
import { openHttpUplink } from '../../src/uplink/http.ts'
import { sessionBodies, type TestSite, testSite } from '../site.ts'
import { quiet, served, testClock } from './cloud-bench.ts'

const TOKENS = {
  operatorToken: 'a-token-for-the-operator',
  metricsToken: 'a-token-for-metrics',
  adminToken: 'a-token-that-may-write',
}
const clock = testClock()
const site = testSite('described')
const words = sessionBodies({ tokenRef: 'cd'.repeat(16) })
let database: Database
let receiver: Receiver

beforeAll(async () => {
  database = await openDatabase({ dir: 'memory' })
  receiver = await open([site])
  const node = site.device('north')
  const uplink = openHttpUplink({
    ...{ name: 'fibre', url: receiver.url, caPem: receiver.caPem, clock, siteId: site.siteId },
    ...{ signatures: site.signatures, logKey: node.keys.logKey, certificate: () => node.certificate.encoded },
  })
  const log = site.openLog(node, { storeState: 'lossy' })
  log.append([words.start, words.pricing, words.end])
  const other = sessionBodies({ chargerId: 'CP-2' })
  log.append([other.start, sessionBodies({ chargerId: 'CP-3' }).orphanEnd])
  const push = { segments: log.segments(), certificates: [], sinceVersion: 0 }
  await uplink.push(push)
  await uplink.push(push)
  // The same log, written again.
  const twin = site.openLog(node, { storeState: 'lossy', epochId: log.epochId })
  twin.append([sessionBodies({ chargerId: 'CP-4' }).start])
  // What goes ahead of another log.
  const next = site.openLog(node)
  const [, end] = next.append([other.start, other.end])
  const certHash = node.certificate.hash
  const { seq = 0, prev = GENESIS } = end ?? {}
  const events = end ? [{ seq, prev, element: encodeElement(end) }] : []
  const lone = [{ logId: next.logId, epochId: next.epochId, certHash, events }]
  const signer = { certHash, logKey: node.keys.logKey, signatures: site.signatures }
  const ahead = { lone, digest: signDigest(signer, [], clock.wallMs()) }
  expect((await uplink.push({ ...push, segments: twin.segments(), ...ahead })).refused).toHaveLength(1)
  uplink.close()
  const hook = { name: 'shop', url: 'http://127.0.0.1:9/', events: ['gap.found'] }
  const added = await ask('/v1/webhooks', { method: 'POST', token: TOKENS.adminToken, body: hook })
  expect(SCHEMAS.WebhookAdded.parse(JSON.parse(added.body))).toMatchObject(hook)
})
afterAll(async () => {
  await receiver.close()
  await database.close()
})

async function open(sites: readonly TestSite[]): Promise<Receiver> {
  return openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, ...TOKENS },
    sites: sites.map((one, i) => served(one, `Site ${i}`)),
    tls: await makeServerCertificate(['127.0.0.1']),
    ...{ signatures: site.signatures, clock, random: systemRandom(), logger: quiet },
  })
}

type Reply = { readonly status: number; readonly type: string; readonly body: string }

type Ask = { readonly method?: string; readonly token?: string | undefined; readonly body?: object }

function ask(path: string, { method = 'GET', token, body }: Ask = {}): Promise<Reply> {
  const type = method === 'POST' && { 'content-type': body ? 'application/json' : 'application/cbor' }
  const headers = { ...type, ...(token !== undefined && { authorization: `Bearer ${token}` }) }
  const options = { method, ca: receiver.caPem, agent: false, headers }
  return new Promise((resolve, reject) => {
    const request = https.request(`${receiver.url}${path}`, options, response => {
      let said = ''
      response.setEncoding('latin1').on('data', text => {
        said += String(text)
      })
      const contentType = String(response.headers['content-type'])
      response.on('end', () => resolve({ status: response.statusCode ?? 0, type: contentType, body: said }))
    })
    request.on('error', reject)
    request.end(body && JSON.stringify(body))
  })
}

const get = (path: string, token?: string): Promise<Reply> => ask(path, { token })

/** As OpenAPI writes them. */
function routesOf({ routes }: Receiver): readonly string[] {
  const said = routes.map(route => route.replace(/\/sites\/[0-9a-f]{32}/, '/sites/{siteId}'))
  const wanted = said
    .map(route => route.replace(/:(\w+)/g, '{$1}'))
    .filter(route => !route.startsWith('HEAD '))
  return [...new Set(wanted)].sort()
}

function described(isSingle: boolean): readonly string[] {
  const { paths } = openApiDocument(isSingle) as { paths: Record<string, Record<string, unknown>> }
  return Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`))
    .sort()
}

describe('the description', () => {
  it('names every route that there is, and no other', async () => {
    expect(routesOf(receiver)).toEqual(described(true))
    const several = await open([site, testSite('another')])
    expect(routesOf(several)).toEqual(described(false))
    await several.close()
  })

  it('is there for everybody, and names only schemas that it has', async () => {
    const { status, body } = await get('/v1/openapi.json')
    expect(status).toBe(200)
    const { openapi, components } = JSON.parse(body)
    expect(openapi).toBe('3.1.0')
    for (const [, name] of body.matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(Object.keys(components.schemas)).toContain(name)
    for (const [, name] of body.matchAll(/"security":\[\{"(\w+)"/g))
      expect(Object.keys(components.securitySchemes)).toContain(name)
  })

  const routes = [
    ...RECEIVER_ROUTES,
    ...SITE_ROUTES.map(route => ({ ...route, path: `/v1/sites/${site.siteId}${route.path}` })),
  ].filter(({ method }) => method === 'get')

  it.each(routes.map(route => [route.path.replace(site.siteId, '{siteId}'), route] as const))(
    'says what %s answers, and to whom',
    async (_path, { path, auth, answer, problems }) => {
      const at = path.replace('{id}', words.sessionId)
      const reply = await get(at, auth === 'none' ? undefined : TOKENS.operatorToken)
      expect(reply.status).toBe(200)
      if (typeof answer === 'object') expect(reply.type).toContain(answer.type)
      else {
        const value = SCHEMAS[answer].parse(JSON.parse(reply.body))
        // An empty list says nothing of its items.
        if ('items' in value && !path.endsWith('/gaps')) expect(value.items).not.toEqual([])
      }
      if (auth === 'none') return
      const refused = await get(at, 'another-token-than-that')
      expect(problems).toContain(refused.status)
      expect(SCHEMAS.Problem.parse(JSON.parse(refused.body))).toMatchObject({ code: 'bad-token' })
      expect((await get(at, TOKENS.metricsToken)).status).toBe(auth === 'metrics' ? 200 : 401)
    },
  )
})

describe('the metrics', () => {
  it('count pushes, events and what waits, by site and reason alone', async () => {
    expect((await ask('/v1/push', { method: 'POST' })).status).toBe(401)
    const { body } = await get('/metrics', TOKENS.metricsToken)
    const numberOf = (name: string): number =>
      Number(
        body
          .split('\n')
          .find(line => line.startsWith(`chargemesh_cloud_${name} `))
          ?.split(' ')[1],
      )
    const bySite = (name: string): number => numberOf(`${name}{site="${site.siteId}"}`)
    expect(numberOf('pushes_total')).toBe(3)
    expect(numberOf('segments_refused_total{reason="fork"}')).toBe(1)
    expect(numberOf('ingest_seconds_count')).toBe(3)
    expect([numberOf('events_received_total'), bySite('events_stored')]).toEqual([14, 6])
    expect([bySite('acks_signed'), bySite('unacked_logs'), bySite('forked_logs')]).toEqual([1, 0, 1])
    expect([bySite('gaps'), bySite('payments_refused'), bySite('refolds_waiting')]).toEqual([1, 0, 0])
    // What was billed and open lies behind the fork.
    expect([bySite('payments_waiting'), bySite('sessions_waiting')]).toEqual([1, 2])
    expect(numberOf('pushes_refused_total{reason="unsigned"}')).toBe(1)
    const labels = new Set([...body.matchAll(/[{,](\w+)="/g)].map(([, label]) => label))
    expect([...labels].sort()).toEqual(['le', 'reason', 'site'])
    for (const secret of ['cd'.repeat(16), words.sessionId, 'CP-1']) expect(body).not.toContain(secret)
  })
})

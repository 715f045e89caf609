// The description of the receiver, OpenAPI 3.1, at GET /v1/openapi.json. A test asks the server for each route that is described
// here, and for the description of each that it has.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { AGREEMENT_PATH } from '../uplink/agreement.ts'
import { CBOR_TYPE } from '../uplink/request.ts'
import { SW_VERSION } from '../version.ts'
import { SCHEMAS, type SchemaName } from './openapi-words.ts'

export type Route = {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** Of a site's route: what stands behind /v1/sites/{siteId}. */
  readonly path: string
  readonly summary: string
  readonly query?: Readonly<Record<string, string>>
  /** JSON by one of our schemas, or another type. */
  readonly body?: SchemaName | { readonly type: string }
  readonly answer: SchemaName | { readonly type: string }
  readonly auth: 'none' | 'operator' | 'admin' | 'metrics' | 'signed'
  readonly problems: readonly number[]
}

const PAGED = { cursor: 'the `next` of the page before', limit: 'rows of a page' }
const READ = { method: 'get', auth: 'operator', problems: [400, 401, 429, 503] } as const
const WRITE = { method: 'post', auth: 'admin', problems: [400, 401, 413, 415, 429, 503] } as const

export const RECEIVER_ROUTES: readonly Route[] = [
  {
    ...{ method: 'get', path: '/healthz', answer: 'Health', auth: 'none', problems: [] },
    summary: 'The process runs; restart it where this does not answer',
  },
  {
    ...{ method: 'get', path: '/readyz', answer: 'Health', auth: 'none', problems: [503] },
    summary: 'The database answers too; send no pushes here where it does not',
  },
  {
    ...{ method: 'get', path: '/metrics', answer: { type: 'text/plain' }, auth: 'metrics' },
    summary: 'For Prometheus. Gauges of sites are the same at every receiver on one database',
    problems: [401, 429, 503],
  },
  {
    ...{ method: 'get', path: '/v1/openapi.json', answer: 'OpenApi', auth: 'none', problems: [] },
    summary: 'This description',
  },
  {
    ...{ method: 'post', path: '/v1/push', auth: 'signed' },
    ...{ body: { type: CBOR_TYPE }, answer: { type: CBOR_TYPE } },
    summary:
      'What a node has, as CBOR (PROTOCOL.md), gzip allowed: committed before it is answered with signed acks. Any number of times',
    problems: [400, 401, 413, 415, 429, 503],
  },
  {
    ...{ method: 'post', path: AGREEMENT_PATH, auth: 'signed' },
    ...{ body: { type: CBOR_TYPE }, answer: { type: CBOR_TYPE } },
    summary: 'Nodes agree here whose turn it is to forward to an existing central system; CBOR',
    problems: [400, 401, 413, 415, 429, 503],
  },
  { ...READ, path: '/v1/sites', query: PAGED, answer: 'Sites', summary: 'The sites that are served here' },
]

export const SITE_ROUTES: readonly Route[] = [
  {
    ...{ ...READ, path: '/summary', answer: 'Summary' },
    summary: 'How much of the site is here, and what was billed',
  },
  {
    ...{ ...READ, path: '/sessions', answer: 'Sessions' },
    summary: 'Sessions, in the order of their ids',
    query: { ...PAGED, state: 'as it stands now', session: 'the first digits of the id' },
  },
  {
    ...{ ...READ, path: '/bills', answer: 'Bills' },
    summary: 'Every revision of every bill; rows are only added',
    query: {
      ...PAGED,
      session: 'the first digits of the id',
      state: 'of the session',
      from: 'issued from then on, in ms',
      to: 'issued before then, in ms',
    },
  },
  {
    ...READ,
    path: '/gaps',
    query: PAGED,
    answer: 'Gaps',
    summary: 'What nodes said of themselves and is not here',
  },
  { ...READ, path: '/forks', query: PAGED, answer: 'Forks', summary: 'Logs that were written twice' },
  {
    ...{ ...READ, path: '/provisional', query: PAGED, answer: 'Provisional' },
    summary: 'Sessions that are known by their ends alone, which came ahead of their logs; never billed',
  },
  {
    ...{ ...READ, path: '/digests', query: PAGED, answer: 'Digests' },
    summary: 'What nodes signed of all that they held, and whether the logs agree; the newest first',
  },
  {
    ...{ ...READ, path: '/conflicts', answer: 'Conflicts' },
    summary: 'Sessions whose money needs a person, and stops that fit no session; the oldest first',
    query: {
      ...PAGED,
      reason: 'only for this one',
      until: 'waiting since then or longer, in ms',
      session: 'id',
    },
  },
  {
    ...{ ...READ, path: '/cdrs', answer: 'Cdrs' },
    summary: 'Bills with all that a settlement needs, in the order in which they were issued',
    query: { ...PAGED, date_from: 'issued from then on (RFC 3339)', date_to: 'issued before then' },
  },
  {
    ...{ ...READ, path: '/sessions/{id}/trace', answer: 'Trace', problems: [401, 404, 429, 503] },
    summary: 'One session: when its events came, which ack covers them, what was billed',
  },
  {
    ...{ ...READ, path: '/sessions/{id}/signed', answer: 'Signed', problems: [401, 404, 429, 503] },
    summary: 'What meters signed of one session, sealed to the operator',
  },
  {
    ...{ ...READ, path: '/audit', answer: { type: 'application/octet-stream' } },
    summary: 'Everything of the site in one file that proves itself (`chargemesh verify`)',
    query: { from: 'sessions that began from then on, in ms', to: 'and before then' },
  },
  {
    ...{ ...READ, path: '/webhooks', answer: 'Webhooks' },
    summary: 'Who is told what happens, and how that goes',
  },
  {
    ...{ ...WRITE, path: '/webhooks', body: 'NewWebhook', answer: 'WebhookAdded' },
    summary: 'From now on a server is told what happens; its secret is shown only now',
  },
  {
    ...{ ...WRITE, method: 'delete', path: '/webhooks/{name}', answer: 'WebhookRemoved' },
    summary: 'It is told nothing more, not what waits either',
  },
  {
    ...{ ...WRITE, path: '/webhooks/{name}/replay', body: 'Replay', answer: 'Replayed' },
    summary: 'What was told then is sent once more, under the same ids',
  },
  {
    ...{ ...WRITE, path: '/webhooks/{name}/rotate', body: 'Nothing', answer: 'Secret' },
    summary: 'Another secret; the one before signs as well for a day',
  },
  {
    ...{ ...WRITE, path: '/webhooks/{name}/enable', body: 'Nothing', answer: 'WebhookEnabled' },
    summary: 'It is tried again at once, also behind a 410',
  },
  {
    ...{ ...WRITE, path: '/webhooks/{name}/test', body: 'Nothing', answer: 'WebhookTested' },
    summary: 'Sends it a `webhook.tested`',
  },
]

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'the request cannot be read; `message` says why',
  401: 'the token is missing or wrong, or the signature of a push is not good',
  404: 'the site has no such thing',
  409: 'not now, or not any more',
  413: 'the body is too long',
  415: 'a body of another type',
  429: 'too often; wait for Retry-After seconds',
  503: 'the database is away or there is too much to do; wait for Retry-After seconds',
}

export function addOpenApiRoute(app: FastifyInstance, isSingle: boolean): void {
  const document = openApiDocument(isSingle)
  app.get('/v1/openapi.json', async () => document)
}

/** `isSingle`: a receiver of one site answers its routes without the site's name, too. */
export function openApiDocument(isSingle: boolean): Readonly<Record<string, unknown>> {
  const prefixes = ['/v1/sites/{siteId}', ...(isSingle ? ['/v1'] : [])]
  const routes = [
    ...RECEIVER_ROUTES,
    ...prefixes.flatMap(prefix => SITE_ROUTES.map(route => ({ ...route, path: `${prefix}${route.path}` }))),
  ]
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  const schemas = Object.entries(SCHEMAS).map(([name, schema]) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema)
    return [name, rest]
  })
  return {
    openapi: '3.1.0',
    info: {
      title: 'chargemesh, the cloud receiver',
      version: SW_VERSION,
      description: 'Nodes push signed events; people and programs read. Card ids stand nowhere.',
    },
    paths,
    components: { schemas: Object.fromEntries(schemas), securitySchemes: SECURITY },
  }
}

const SECURITY = {
  operator: { type: 'http', scheme: 'bearer', description: 'in receiver.json of the data folder' },
  admin: { type: 'http', scheme: 'bearer', description: 'in a file of its own beside receiver.json' },
  metrics: { type: 'http', scheme: 'bearer', description: 'of --metrics-token-file, or the operator’s' },
  signed: {
    ...{ type: 'apiKey', in: 'header', name: 'x-chargemesh-signature' },
    description:
      'a node’s signature over method, path, time and body, beside x-chargemesh-site, -certificate and -issued-at',
  },
}

function operation(route: Route): Readonly<Record<string, unknown>> {
  const named = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const text = { type: 'string' }
  const parameters = [
    ...named.map(name => ({ name, in: 'path', required: true, schema: text })),
    ...Object.entries(route.query ?? {}).map(([name, description]) => ({
      ...{ name, in: 'query', required: false, description, schema: text },
    })),
  ]
  const problems = route.problems.map(status => [
    status,
    { description: MEANINGS[status] ?? '', content: contentOf('Problem') },
  ])
  return {
    operationId: `${route.method}${route.path.replace(/[^a-z]+/gi, '_').replace(/_$/, '')}`,
    summary: route.summary,
    ...(route.auth !== 'none' && { security: [{ [route.auth]: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: true, content: contentOf(route.body) } }),
    responses: {
      200: { description: 'done, or as it is now', content: contentOf(route.answer) },
      ...Object.fromEntries(problems),
    },
  }
}

function contentOf(of: SchemaName | { readonly type: string }): Readonly<Record<string, unknown>> {
  if (typeof of === 'object') return { [of.type]: { schema: { type: 'string', format: 'binary' } } }
  return { 'application/json': { schema: { $ref: `#/components/schemas/${of}` } } }
}

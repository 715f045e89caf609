// The cloud's door: an HTTPS server for one site or several. Nodes push with signed requests; people read with a token. It holds
// no state that another receiver on the same database would miss. Everything is bounded: bodies, time, connections,
// pushes at once and failed attempts per address.
import { isIPv6 } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { MeshError, reasonOf } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import { hex, type SiteId } from '../units.ts'
import { type BrokerAccess, brokerLine } from '../uplink/broker.ts'
import { CBOR_TYPE, MAX_REQUEST_BYTES } from '../uplink/request.ts'
import { MAX_CLOUD_EPOCH } from './acks.ts'
import { atBroker } from './at-broker.ts'
import { addAuditRoute } from './audit.ts'
import { openCourier } from './courier.ts'
import type { Database } from './database.ts'
import { createDurability, type Durability } from './durability.ts'
import { finalise } from './finalise.ts'
import { addForwarderRoute } from './forwarders.ts'
import { createReaderGate } from './gate.ts'
import { addHealthRoutes } from './health.ts'
import { addInboxRoute } from './inbox.ts'
import { addMetricsRoute, createMetrics } from './metrics.ts'
import { addOpenApiRoute } from './openapi.ts'
import { deliver, type PaymentProvider } from './payments.ts'
import { addPushRoute } from './pushing.ts'
import { migrate } from './schema.ts'
import { addReadRoutes } from './serving.ts'
import { refoldWaiting } from './sessions.ts'
import { addSettlementRoute } from './settlement.ts'
import { addSignedRoute } from './signed.ts'
import { openSite, type ReceiverSite, type SiteDeps } from './site.ts'
import { addSitesRoute, SITES_PATH } from './sites.ts'
import { addTraceRoute } from './trace.ts'
import { addWebhookRoutes } from './webhook-routes.ts'

export type ReceiverOptions = {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly database: Database
  /** At least one. */
  readonly sites: readonly ReceiverSite[]
  readonly tls: { readonly key: string; readonly cert: string }
  /** Who holds it may read all sites; nothing can be written with it. At least MIN_TOKEN_LENGTH characters. */
  readonly operatorToken: string
  /** Who holds it may set webhooks, and read nothing; without it nobody may. As long, at least. */
  readonly adminToken?: string
  /** Who holds it may read /metrics; so may who holds the operator's. */
  readonly metricsToken?: string
  /** To be raised by one after every fail-over or restore that may have lost commits (PROTOCOL 3.5). */
  readonly cloudEpoch?: number
  /** What whoever runs the database promises of it; else it is asked (durability.ts). */
  readonly durability?: Durability
  /** Bills are handed to it; without one they wait in the outbox. */
  readonly payments?: PaymentProvider
  /** Nodes may also ask by way of this broker. */
  readonly broker?: BrokerAccess
  readonly signatures: Signatures
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export type Receiver = {
  readonly port: number
  readonly url: string
  /** What nodes pin. */
  readonly caPem: string
  /** What it answers, such as `GET /v1/sites`. */
  readonly routes: readonly string[]
  readonly close: () => Promise<void>
}

export const MIN_TOKEN_LENGTH = 16
const REQUEST_TIMEOUT_MS = 30_000
const IDLE_TIMEOUT_MS = 60_000
const MAX_CONNECTIONS = 1_024
/** Sessions that nobody ends are looked for so often; the first time a while after the start. */
const FINALISE_EVERY_MS = 15 * 60 * 1000
const PAY_EVERY_MS = 2_000
/** Sessions that wait for it are folded again so often. */
const REFOLD_EVERY_MS = 2_000
/** When the database is away, every uplink of every site hears it at once; they are asked to come back one by one. */
const RETRY_AFTER_S = 5
const RETRY_SPREAD_S = 10

/** Refuses with CONFIG_INVALID or CERTIFICATE_INVALID, and with STORE_FAILED when the database is not there. */
export async function openReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { database, clock, logger } = options
  const cloudEpoch = options.cloudEpoch ?? 1
  checkOptions(options, cloudEpoch)
  await migrate(database)
  // A token that nobody knows keeps everybody out.
  const mayWrite = createReaderGate([options.adminToken ?? hex(options.random.bytes(32))], clock)
  const { operatorToken, metricsToken } = options
  const mayRead = createReaderGate([operatorToken], clock)
  const mayMeasure = metricsToken ? createReaderGate([operatorToken, metricsToken], clock) : mayRead
  const durability = createDurability(database, clock, options.durability)
  const shared = { ...options, cloudEpoch, mayRead, mayWrite, durability }
  const sites = new Map<string, SiteDeps>()
  for (const site of options.sites) sites.set(site.siteId, await openSite(shared, site))
  const app = serverOf(options)
  const routes: string[] = []
  app.addHook('onRoute', ({ method, url }) => {
    routes.push(...[method].flat().map(one => `${one} ${url}`))
  })
  addHealthRoutes(app, database)
  const siteIds = [...sites.values()].map(site => site.siteId)
  const { registry, meter } = createMetrics()
  const signed = { siteOf: (siteId: string) => sites.get(siteId), meter, clock, logger }
  addPushRoute(app, signed)
  addForwarderRoute(app, signed)
  addSitesRoute(app, { database, mayRead, siteIds })
  addOpenApiRoute(app, sites.size === 1)
  addMetricsRoute(app, { database, siteIds, clock, registry, mayRead: mayMeasure })
  for (const site of sites.values()) {
    app.register(async scope => addSiteRoutes(scope, site), { prefix: `${SITES_PATH}/${site.siteId}` })
    // Whoever has one site need not name it.
    if (sites.size === 1) app.register(async scope => addSiteRoutes(scope, site), { prefix: '/v1' })
  }
  await app.listen({ host: options.listen.host, port: options.listen.port })
  const stops = [...chores(options, [...sites.values()]), await atBroker(options, app, sites)]
  const stop = (): Promise<unknown> => Promise.all(stops.map(one => one()))
  return { ...receiverOf(options, app, stop), routes }
}

/** Paths are those behind `/v1/sites/<site>`. */
function addSiteRoutes(scope: FastifyInstance, deps: SiteDeps): void {
  addReadRoutes(scope, deps)
  addAuditRoute(scope, deps)
  addInboxRoute(scope, deps)
  addSettlementRoute(scope, deps)
  addSignedRoute(scope, deps)
  addTraceRoute(scope, deps)
  addWebhookRoutes(scope, deps)
}

function checkOptions(
  { sites, operatorToken, adminToken, broker }: ReceiverOptions,
  cloudEpoch: number,
): void {
  if (sites.length === 0) throw new MeshError('CONFIG_INVALID', 'the receiver needs a site')
  for (const [at, { siteId, name }] of sites.entries()) {
    const first = sites.findIndex(other => other.siteId === siteId)
    if (first !== at) throw new MeshError('CONFIG_INVALID', `${name}: this site is named twice`)
  }
  for (const token of [operatorToken, adminToken ?? operatorToken])
    if (token.length < MIN_TOKEN_LENGTH)
      throw new MeshError('CONFIG_INVALID', `the operator's token needs ${MIN_TOKEN_LENGTH} characters`)
  if (!Number.isInteger(cloudEpoch) || cloudEpoch < 1 || cloudEpoch > MAX_CLOUD_EPOCH)
    throw new MeshError('CONFIG_INVALID', `the cloud's epoch is 1 to ${MAX_CLOUD_EPOCH}`)
  if (broker) brokerLine(broker)
}

type Stop = () => Promise<void>

/** What is done for every site in turn, whether or not anybody asks. */
function chores(options: ReceiverOptions, sites: readonly SiteDeps[]): readonly Stop[] {
  const { database, clock, logger, payments: provider } = options
  const forAll = (everyMs: number, failure: string, run: (siteId: SiteId) => Promise<unknown>): Stop =>
    repeat(everyMs, async () => {
      for (const { siteId } of sites) {
        try {
          await run(siteId)
        } catch (error) {
          logger.error(failure, { siteId, reason: reasonOf(error) })
          // A database that is away is so for all of them.
          if (error instanceof MeshError && error.code === 'STORE_FAILED') return
        }
      }
    })
  const siteIds = sites.map(({ siteId }) => siteId)
  const stops = [
    openCourier(options, siteIds),
    forAll(FINALISE_EVERY_MS, 'finalise-failed', siteId => finalise(database, siteId, clock)),
    forAll(REFOLD_EVERY_MS, 'refold-failed', siteId => refoldWaiting(database, siteId, { clock })),
  ]
  if (!provider) return stops
  const pay = (siteId: SiteId): Promise<unknown> => deliver({ database, siteId, provider, clock, logger })
  return [...stops, forAll(PAY_EVERY_MS, 'payments-failed', pay)]
}

/** Again and again, never twice at once; what it answers ends that, and resolves when the last run is over. */
function repeat(everyMs: number, run: () => Promise<void>): Stop {
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    running ??= run().then(() => {
      running = undefined
    })
  }, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

function receiverOf(
  options: ReceiverOptions,
  app: FastifyInstance,
  stop: () => Promise<unknown>,
): Omit<Receiver, 'routes'> {
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : options.listen.port
  const { host } = options.listen
  const named = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return {
    port,
    url: `https://${isIPv6(named) ? `[${named}]` : named}:${port}`,
    caPem: options.tls.cert,
    close: async () => {
      await app.close()
      await stop()
    },
  }
}

function serverOf({ tls, logger, random }: ReceiverOptions): FastifyInstance {
  const app = Fastify({
    https: { key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' },
    bodyLimit: MAX_REQUEST_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    trustProxy: false,
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(CBOR_TYPE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setNotFoundHandler((_request, reply) => {
    reply.code(404).send({ code: 'not-found', message: 'there is nothing here' })
  })
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error)
    if (status === 503) reply.header('retry-after', String(retryAfterS(random)))
    // Our own faults are told to the log, not to the caller.
    if (status >= 500)
      logger.error('request-failed', { path: request.routeOptions.url, reason: reasonOf(error) })
    reply
      .code(status)
      .send({ code: codeOf(status), message: status >= 500 ? 'try again later' : reasonOf(error) })
  })
  return app
}

function retryAfterS(random: Random): number {
  return RETRY_AFTER_S + ((random.bytes(1)[0] ?? 0) % RETRY_SPREAD_S)
}

/** The database being away is no fault of the request: it may come again. */
function statusOf(error: unknown): number {
  if (error instanceof MeshError && error.code === 'STORE_FAILED') return 503
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500
}

function codeOf(status: number): string {
  const codes: Readonly<Record<number, string>> = { 413: 'too-large', 415: 'unsupported-type', 503: 'busy' }
  return codes[status] ?? (status >= 500 ? 'failed' : 'bad-request')
}

// The cloud's door: an HTTPS server for one site. Nodes push with signed requests; people read with a token. It holds
// no state that another receiver on the same database would miss. Everything is bounded: bodies, time, connections,
// pushes at once and failed attempts per address.
import { isIPv6 } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { MeshError, reasonOf } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import { hex, type SiteId } from '../units.ts'
import { CBOR_TYPE, MAX_REQUEST_BYTES } from '../uplink/request.ts'
import { MAX_CLOUD_EPOCH } from './acks.ts'
import { addAuditRoute } from './audit.ts'
import { openCertificates } from './certificates.ts'
import { openCourier } from './courier.ts'
import type { Database } from './database.ts'
import { createDurability, type Durability, raiseAcks } from './durability.ts'
import { finalise } from './finalise.ts'
import { createReaderGate } from './gate.ts'
import { addInboxRoute } from './inbox.ts'
import { deliver, type PaymentProvider } from './payments.ts'
import { addPushRoute } from './pushing.ts'
import { enterSite, migrate } from './schema.ts'
import { addReadRoutes } from './serving.ts'
import { refoldWaiting } from './sessions.ts'
import { addSettlementRoute } from './settlement.ts'
import { addSignedRoute } from './signed.ts'
import { addTraceRoute } from './trace.ts'
import { addWebhookRoutes } from './webhook-routes.ts'

export type ReceiverOptions = {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly database: Database
  readonly site: {
    readonly siteId: SiteId
    readonly rootKey: Uint8Array
    readonly name: string
    /** Encoded, issuers before devices. */
    readonly certificates: readonly Uint8Array[]
  }
  /** Encoded certificate of role `cloud`, and the seed of its log key: they sign acks. */
  readonly cloud: { readonly certificate: Uint8Array; readonly logKey: Uint8Array }
  readonly tls: { readonly key: string; readonly cert: string }
  /** Who holds it may read; nothing can be written with it. At least MIN_TOKEN_LENGTH characters. */
  readonly operatorToken: string
  /** Who holds it may set webhooks, and read nothing; without it nobody may. Of the same length at least. */
  readonly adminToken?: string
  /** To be raised by one after every fail-over or restore that may have lost commits (PROTOCOL 3.5). */
  readonly cloudEpoch?: number
  /** What whoever runs the database promises of it; else it is asked (durability.ts). */
  readonly durability?: Durability
  /** Bills are handed to it; without one they wait in the outbox. */
  readonly payments?: PaymentProvider
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
  const { database, site, logger } = options
  const cloudEpoch = options.cloudEpoch ?? 1
  if (
    Math.min(...[options.operatorToken, options.adminToken ?? options.operatorToken].map(one => one.length)) <
    MIN_TOKEN_LENGTH
  )
    throw new MeshError('CONFIG_INVALID', `the operator's token needs ${MIN_TOKEN_LENGTH} characters`)
  if (!Number.isInteger(cloudEpoch) || cloudEpoch < 1 || cloudEpoch > MAX_CLOUD_EPOCH)
    throw new MeshError('CONFIG_INVALID', `the cloud's epoch is 1 to ${MAX_CLOUD_EPOCH}`)
  await migrate(database)
  await enterSite(database, site, cloudEpoch)
  const certificates = await openCertificates({ ...site, database, signatures: options.signatures })
  const own = await certificates.enrol(database.query, options.cloud.certificate)
  if (own.kind === 'refused' || !own.certificate.roles.includes('cloud'))
    throw new MeshError('CERTIFICATE_INVALID', "the cloud's own certificate does not let it sign receipts")
  const signer = {
    certHash: own.certificate.hash,
    logKey: options.cloud.logKey,
    signatures: options.signatures,
  }
  const app = serverOf(options)
  const mayRead = createReaderGate(options.operatorToken, options.clock)
  // A token that nobody knows keeps everybody out.
  const mayWrite = createReaderGate(options.adminToken ?? hex(options.random.bytes(32)), options.clock)
  const durability = createDurability(database, options.clock, options.durability)
  await raiseAcks(database, site.siteId, await durability())
  const deps = { ...options, siteId: site.siteId, certificates, signer, mayRead, mayWrite, durability }
  addPushRoute(app, deps)
  addReadRoutes(app, deps)
  addAuditRoute(app, { ...deps, siteName: site.name, name: own.certificate.name })
  addInboxRoute(app, deps)
  addSettlementRoute(app, deps)
  addSignedRoute(app, deps)
  addTraceRoute(app, deps)
  addWebhookRoutes(app, deps)
  await app.listen({ host: options.listen.host, port: options.listen.port })
  const stops = [
    repeat(FINALISE_EVERY_MS, 'finalise-failed', logger, () =>
      finalise(database, site.siteId, options.clock.wallMs()),
    ),
    repeat(REFOLD_EVERY_MS, 'refold-failed', logger, () =>
      refoldWaiting(database, site.siteId, { nowAt: options.clock.wallMs() }),
    ),
  ]
  stops.push(openCourier(options, [site.siteId]))
  const { payments: provider, clock } = options
  if (provider) {
    const payments = { database, siteId: site.siteId, provider, clock, logger }
    stops.push(repeat(PAY_EVERY_MS, 'payments-failed', logger, () => deliver(payments)))
  }
  return receiverOf(options, app, () => Promise.all(stops.map(stop => stop())))
}

/** Again and again, never twice at once; what it answers ends that, and resolves when the last run is over. */
function repeat(
  everyMs: number,
  failure: string,
  logger: Logger,
  run: () => Promise<unknown>,
): () => Promise<void> {
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    running ??= run()
      .catch((error: unknown) => logger.error(failure, { reason: reasonOf(error) }))
      .then(() => {
        running = undefined
      })
  }, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

function receiverOf(options: ReceiverOptions, app: FastifyInstance, stop: () => Promise<unknown>): Receiver {
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

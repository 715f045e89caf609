// The driver's plane of a node: a server of its own, apart from the operator's, whose token is worth nothing here. Whoever
// names a card is slowed by address, by card and altogether; what is wrong with a request is said without repeating it,
// and nothing of a body is logged. No page of another origin may read the answers.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { HostPort } from '../config.ts'
import { reasonOf } from '../errors.ts'
import type { Session } from '../session/fold.ts'
import { SW_VERSION } from '../version.ts'
import { type Asked, createErrands, type ErrandDeps, type Settled } from './driver-errands.ts'
import { createLimits, type Limits, networkOf } from './driver-limits.ts'
import { openApiDocument } from './driver-openapi.ts'
import { formOf, receiptReply } from './driver-receipt.ts'
import { assertNotElsewhere, REFUSALS } from './driver-sending.ts'
import { answerFor, stationOf, stationsAnswer } from './driver-site.ts'
import { createSocSwitch, socAnswer } from './driver-soc.ts'
import { ENABLE_SOC, Problem, type ProblemAnswer, START, STOP } from './driver-words.ts'
import type { ApiDeps } from './server.ts'

const MAX_BODY_BYTES = 4096
const MAX_SOCKETS = 512
/** From one network, where no proxy stands in front: nobody takes all of them. */
const MAX_SOCKETS_OF_ONE = 48
/** A phone on bad radio sends a body of a few hundred bytes in this time. */
const REQUEST_TIMEOUT_MS = 15_000
const TICK_MS = 250
const WAIT_MS = 5000
/** Every station is looked at for the list: once a second is enough for all apps together. */
const LIST_FRESH_MS = 1000

export type DriverDeps = ErrandDeps &
  Pick<ApiDeps, 'tokenReference' | 'receiptPen'> & {
    readonly listen: HostPort
    readonly tls?: { readonly key: string; readonly cert: string } | undefined
    /** Addresses of proxies whose X-Forwarded-For is believed. */
    readonly trustedProxies: readonly string[]
  }

export type DriverPlane = {
  readonly url: string
  /** Wishes that wait, and what was refused since the start, by reason. */
  readonly status: () => { readonly pending: number; readonly refused: Readonly<Record<string, number>> }
  readonly close: () => Promise<void>
}

type Plane = DriverDeps & {
  readonly limits: Limits
  readonly counts: Map<string, number>
}

export async function openDriverPlane(deps: DriverDeps): Promise<DriverPlane> {
  const server = createServer(deps)
  const plane: Plane = { ...deps, limits: createLimits(), counts: new Map() }
  const errands = await createErrands(deps)
  answerErrors(server, plane)
  server.addHook('onRequest', async request => {
    const waitS = plane.limits.ask(request.ip, deps.clock.monotonicMs())
    if (waitS > 0) throw tooOften(waitS)
  })
  server.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
  addReads(server, plane, errands)
  addWrites(server, plane, errands)
  let url: string
  try {
    url = await server.listen({ host: deps.listen.host, port: deps.listen.port })
  } catch (error) {
    await server.close()
    throw error
  }
  const ticking = setInterval(errands.tick, TICK_MS)
  return {
    url,
    status: () => ({ pending: errands.pending(), refused: Object.fromEntries(plane.counts) }),
    close: async () => {
      clearInterval(ticking)
      server.server.closeAllConnections()
      await server.close()
    },
  }
}

function createServer({ tls, trustedProxies }: DriverDeps): FastifyInstance {
  const settings = {
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 10_000,
    routerOptions: { maxParamLength: 64 },
    logger: false,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
  } as const
  const server: FastifyInstance = tls
    ? (Fastify({ ...settings, https: { ...tls, minVersion: 'TLSv1.2' } }) as unknown as FastifyInstance)
    : Fastify(settings)
  server.server.maxConnections = MAX_SOCKETS
  if (trustedProxies.length === 0) boundSockets(server)
  return server
}

function boundSockets({ server }: FastifyInstance): void {
  const open = new Map<string, number>()
  server.on('connection', socket => {
    const network = networkOf(socket.remoteAddress ?? '')
    const count = (open.get(network) ?? 0) + 1
    open.set(network, count)
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1
      if (left > 0) open.set(network, left)
      else open.delete(network)
    })
    if (count > MAX_SOCKETS_OF_ONE) socket.destroy()
  })
}

/** Texts of our own only: a parser's message repeats a piece of the body, and that may be a card. */
function answerErrors(server: FastifyInstance, { counts, logger }: Plane): void {
  const answer = (status: number, problem: ProblemAnswer) => {
    counts.set(problem.error, (counts.get(problem.error) ?? 0) + 1)
    return { status, problem }
  }
  server.setErrorHandler(async (error, _request, reply) => {
    const status = (error as { statusCode?: unknown }).statusCode
    const { status: code, problem } =
      error instanceof Problem
        ? answer(error.status, error.answer)
        : typeof status === 'number' && status < 500
          ? answer(status, new Problem(status, 'BAD_REQUEST', UNREADABLE).answer)
          : answer(500, new Problem(500, 'FAILED', 'This node failed; use the card at the charger.').answer)
    if (code === 500) logger.error('a driver’s request failed', { reason: reasonOf(error) })
    if (error instanceof TooOften) reply.header('retry-after', String(error.waitS))
    return await reply.code(code).send(problem)
  })
  server.setNotFoundHandler(async (_request, reply) => {
    const { problem } = answer(
      404,
      new Problem(404, 'NOT_FOUND', 'No such address; see /openapi.json.').answer,
    )
    return await reply.code(404).send(problem)
  })
}

const UNREADABLE =
  'The request cannot be read: a JSON object of at most 4096 bytes is expected; see /openapi.json.'

class TooOften extends Problem {
  readonly waitS: number
  constructor(waitS: number) {
    super(429, 'TOO_MANY', `Too many requests: try again in ${waitS} s.`)
    this.waitS = waitS
  }
}

function tooOften(waitS: number): TooOften {
  return new TooOften(waitS)
}

type Errands = Awaited<ReturnType<typeof createErrands>>
type Formed = { readonly Querystring: { readonly form?: unknown } }
type ById = { readonly Params: { readonly id: string } }

function addReads(server: FastifyInstance, plane: Plane, errands: Errands): void {
  const description = openApiDocument(SW_VERSION)
  let list: { readonly atMs: number; readonly text: string } | undefined
  server.get('/openapi.json', async (_request, reply) => {
    reply.header('cache-control', 'max-age=3600')
    return description
  })
  server.get('/stations', async (_request, reply) => {
    const atMs = plane.clock.monotonicMs()
    if (!list || atMs - list.atMs > LIST_FRESH_MS)
      list = { atMs, text: JSON.stringify(stationsAnswer(plane)) }
    reply.header('cache-control', 'max-age=5, stale-if-error=86400').type('application/json')
    return list.text
  })
  const sessionOf = (id: string): Session => {
    const session = errands.session(id)
    if (!session) throw new Problem(404, 'SESSION_UNKNOWN', 'This node knows no such session yet.')
    return session
  }
  server.get<ById>('/session/:id', async request => answerFor(plane, sessionOf(request.params.id)))
  server.get<ById & Formed>('/session/:id/receipt', async (request, reply) => {
    const form = formOf(request.query.form, request.headers.accept)
    const { type, body } = receiptReply(plane, sessionOf(request.params.id), form)
    if (form === 'file')
      reply.header('content-disposition', `attachment; filename="${request.params.id}.receipt"`)
    return await reply.type(type).send(body)
  })
  server.get<ById>('/request/:id', async request => {
    const answer = errands.request(request.params.id)
    if (!answer)
      throw new Problem(404, 'NOT_FOUND', 'This node has no such request; ask the node that took it.')
    return answer
  })
  server.get<ById>('/station/:id/check-soc', async request =>
    socAnswer(stationOf(plane, request.params.id), plane.clock.wallMs()),
  )
}

function addWrites(server: FastifyInstance, plane: Plane, errands: Errands): void {
  const soc = createSocSwitch(plane.chargePoints)
  const askedBy = async (request: FastifyRequest, idTag: string): Promise<Asked> => {
    const key = keyOf(request)
    const tokenRef = await identify(plane, request, idTag)
    const missed = (): void => plane.limits.missed(request.ip, plane.clock.monotonicMs())
    return { tokenRef, idTag, key, waitMs: waitOf(request), missed }
  }
  const settled = async (
    reply: FastifyReply,
    { status, answer, isRepeat }: Settled,
  ): Promise<FastifyReply> => {
    if (isRepeat) reply.header('idempotency-replayed', 'true')
    return await reply.code(status).send(answer)
  }
  server.post('/start_session', async (request, reply) => {
    const words = parsed(START, request.body)
    const asked = await askedBy(request, words.card)
    const waitS = plane.limits.startWith(asked.tokenRef, plane.clock.monotonicMs())
    if (waitS > 0) throw tooOften(waitS)
    return await settled(reply, await errands.start(words, asked))
  })
  server.post('/stop_session', async (request, reply) => {
    const words = parsed(STOP, request.body)
    return await settled(reply, await errands.stop(words, await askedBy(request, words.card)))
  })
  server.post<ById>('/station/:id/enable-soc', async request => {
    const { card } = parsed(ENABLE_SOC, request.body)
    const tokenRef = await identify(plane, request, card)
    const station = stationOf(plane, request.params.id)
    const { chargerId, reach } = station
    const { allowed } = plane.mayCharge(chargerId, tokenRef)
    if (allowed !== 'ALLOWED') {
      plane.limits.missed(request.ip, plane.clock.monotonicMs())
      throw new Problem(403, allowed, REFUSALS[allowed])
    }
    await assertNotElsewhere(plane, station)
    if (reach.kind === 'away')
      throw new Problem(503, 'STATION_AWAY', 'The charger is not connected now; try again later.')
    return await soc.enable(chargerId)
  })
}

function parsed<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const faults = result.error.issues.slice(0, 5).map(({ path, code }) => {
    const field = path.filter(step => typeof step === 'string').join('.')
    return `${field === '' ? 'the body' : field} ${FAULTS[code] ?? 'is not as it should be'}`
  })
  throw new Problem(400, 'BAD_REQUEST', `${faults.join('; ')}. See /openapi.json.`)
}

const FAULTS: Readonly<Record<string, string>> = {
  invalid_type: 'is missing or of another type',
  too_big: 'is too long or too large',
  too_small: 'is too short or too small',
  unrecognized_keys: 'has a field that is not known',
  custom: 'has to name either session_id or station_id',
}

/** The card's reference, once nothing speaks against looking it up. */
async function identify(
  plane: Plane,
  request: FastifyRequest,
  card: string,
): ReturnType<Plane['tokenReference']> {
  const nowMs = plane.clock.monotonicMs()
  const waitS = plane.limits.nameCard(request.ip, nowMs)
  if (waitS > 0) throw tooOften(waitS)
  try {
    return await plane.tokenReference(card)
  } catch {
    // What was thrown is not passed on: it may hold the card's id.
    throw new Problem(503, 'TRY_LATER', 'This node cannot look up cards now; use the card at the charger.')
  }
}

function keyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && /^[!-~]{1,64}$/.test(key)) return key
  throw new Problem(400, 'BAD_REQUEST', 'Idempotency-Key has 1 to 64 printable characters without spaces.')
}

function waitOf({ headers }: FastifyRequest): number {
  const prefer = headers.prefer
  const match = typeof prefer === 'string' ? /\bwait=(\d{1,2})\b/.exec(prefer) : null
  return match ? Math.min(30, Number(match[1])) * 1000 : WAIT_MS
}

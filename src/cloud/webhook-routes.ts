// `/webhooks` of a site. Reading needs the operator's token, which never shows a secret; setting needs the token that may
// write, and it is asked for before a body is read.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { ReaderGate } from './gate.ts'
import { NEWS, type NewsType } from './news.ts'
import { NETWORKS } from './webhook-network.ts'
import {
  addWebhook,
  enableWebhook,
  listWebhooks,
  type Replay,
  removeWebhook,
  replayNews,
  rotateSecret,
  testWebhook,
  type WebhookBook,
} from './webhooks.ts'

export type WebhookRouteDeps = WebhookBook & { readonly mayRead: ReaderGate; readonly mayWrite: ReaderGate }

const MAX_BODY_BYTES = 16_384

const TYPES = Object.keys(NEWS) as NewsType[]
const instant = z.int().min(0).max(1e15)
const NEW = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'at most 32 letters, digits, dots and dashes'),
  url: z.string().max(1_000),
  events: z.array(z.enum(TYPES)).max(TYPES.length).default([]),
  network: z.enum(NETWORKS).default('public'),
})
const REPLAY = z.strictObject({
  fromAt: instant,
  toAt: instant.optional(),
  session: z
    .string()
    .regex(/^[0-9a-f]{4,32}$/, "the first digits of a session's id")
    .optional(),
})
const NOTHING = z.strictObject({})

/** Paths are those behind `/v1/sites/<site>`. */
export function addWebhookRoutes(app: FastifyInstance, deps: WebhookRouteDeps): void {
  app.get(
    '/webhooks',
    async (request, reply) => deps.mayRead(request, reply) ?? reply.send({ items: await listWebhooks(deps) }),
  )
  app.register(async scope => {
    scope.addHook('onRequest', async (request, reply) => deps.mayWrite(request, reply))
    const options = { parseAs: 'string', bodyLimit: MAX_BODY_BYTES } as const
    scope.addContentTypeParser('application/json', options, (_request, body, done) => done(null, body))
    addWritingRoutes(scope, deps)
  })
}

function addWritingRoutes(app: FastifyInstance, deps: WebhookRouteDeps): void {
  type Named = { Params: { name: string } }
  app.post('/webhooks', (request, reply) =>
    answered(reply, async () => {
      const hook = bodyOf(NEW, request.body)
      return { ...hook, secret: await addWebhook(deps, hook) }
    }),
  )
  app.delete<Named>('/webhooks/:name', (request, reply) =>
    answered(reply, async () => {
      await removeWebhook(deps, request.params.name)
      return { removed: request.params.name }
    }),
  )
  app.post<Named>('/webhooks/:name/replay', (request, reply) =>
    answered(reply, async () => ({
      events: await replayNews(deps, request.params.name, present(bodyOf(REPLAY, request.body))),
    })),
  )
  app.post<Named>('/webhooks/:name/rotate', (request, reply) =>
    answered(reply, async () => {
      bodyOf(NOTHING, request.body)
      return { secret: await rotateSecret(deps, request.params.name) }
    }),
  )
  app.post<Named>('/webhooks/:name/enable', (request, reply) =>
    answered(reply, async () => {
      bodyOf(NOTHING, request.body)
      await enableWebhook(deps, request.params.name)
      return { enabled: request.params.name }
    }),
  )
  app.post<Named>('/webhooks/:name/test', (request, reply) =>
    answered(reply, async () => {
      bodyOf(NOTHING, request.body)
      await testWebhook(deps, request.params.name)
      return { queued: 'webhook.tested' }
    }),
  )
}

function present({ fromAt, toAt, session }: z.output<typeof REPLAY>): Replay {
  return { fromAt, ...(toAt !== undefined && { toAt }), ...(session !== undefined && { session }) }
}

/** What is wrong with the question is told to whoever asks; anything else is a fault of ours. */
async function answered(reply: FastifyReply, run: () => Promise<object>): Promise<FastifyReply> {
  try {
    return reply.send(await run())
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'CONFIG_INVALID') throw error
    return reply.code(400).send({ code: 'bad-request', message: error.message })
  }
}

function bodyOf<T>(form: z.ZodType<T>, body: unknown): T {
  const read = form.safeParse(jsonOf(body))
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new MeshError('CONFIG_INVALID', `${issue?.path.join('.') || 'the body'}: ${issue?.message}`)
}

function jsonOf(body: unknown): unknown {
  try {
    return JSON.parse(typeof body === 'string' && body !== '' ? body : '{}')
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', 'the body is no JSON', error)
  }
}

// The operator's plane of a node: JSON over HTTP, on loopback by default, with a bearer token that lies beside the
// node's store. The driver's plane will be another server.
import { timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { z } from 'zod'
import { check, type HostPort } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import type { Roster } from '../identity/roster.ts'
import type { Submission } from '../input.ts'
import type { Node } from '../node.ts'
import type { Allowed, ChargePoints, Clock, Logger, Network } from '../ports.ts'
import type { ChargerId, DeviceId, LogId, TokenRef } from '../units.ts'
import { type AuditDeps, addAudit } from './audit.ts'
import { addBundles, type BundleDeps } from './bundle.ts'
import { addCards } from './cards.ts'
import { addCertificateRequests, type CertificateRequests } from './certificates.ts'
import { addCommands, type Commanding } from './commands.ts'
import { reportConflicts } from './conflicts.ts'
import { reportDevices, UNTIL } from './devices.ts'
import { addForward } from './forward.ts'
import { addLocalLists } from './local-list.ts'
import { addOnboarding } from './onboarding.ts'
import { addReceipts, type ReceiptPen } from './receipt.ts'
import {
  type ReportDeps,
  reportChargers,
  reportLogs,
  reportRefusals,
  reportSessions,
  reportTokens,
} from './report.ts'
import { reportRetention } from './retention.ts'
import { addSignedValues } from './signed.ts'
import { reportStatus } from './status.ts'
import { addTariffs } from './tariffs.ts'
import { addTrace } from './trace.ts'
import { addUplinks, type UplinksPlane } from './uplinks.ts'

export const MAX_REQUEST_BYTES = 8 * 1024 * 1024
const MAX_SUBMITTED = 4096

export type ApiDeps = Pick<AuditDeps & BundleDeps, 'siteName' | 'signer' | 'sealKey'> & {
  readonly commanding: Commanding
  readonly node: Node
  readonly roster: Roster
  readonly self: DeviceId
  readonly name: string
  readonly network: Network
  readonly chargePoints: ChargePoints
  readonly certificateRequests: CertificateRequests
  readonly receiptPen: ReceiptPen
  readonly clock: Clock
  readonly tokenReference: (idTag: string) => Promise<TokenRef>
  /** Every reference of a card, where the site has had several keys. */
  readonly aliases: (tokenRef: TokenRef) => readonly TokenRef[]
  readonly mayCharge: (
    chargerId: ChargerId,
    tokenRef: TokenRef,
  ) => { readonly allowed: Allowed; readonly reason: string }
  readonly uplinks: UplinksPlane
  readonly listen: HostPort
  readonly token: string
  readonly logger: Logger
  readonly extraStatus: () => Readonly<Record<string, unknown>>
}

export type Api = { readonly url: string; readonly close: () => Promise<void> }

const base64 = z
  .string()
  .max(100_000)
  .transform(text => new Uint8Array(Buffer.from(text, 'base64')))
const SUBMISSION = z.strictObject({
  certificates: z.array(base64).max(MAX_SUBMITTED),
  segments: z
    .array(
      z.strictObject({ logId: z.string().regex(/^[0-9a-f]{32}$/), fromSeq: z.int().min(0), update: base64 }),
    )
    .max(MAX_SUBMITTED),
  objects: z.array(base64).max(MAX_SUBMITTED),
})
export async function openApi(deps: ApiDeps): Promise<Api> {
  const server = Fastify({ bodyLimit: MAX_REQUEST_BYTES, logger: false })
  const wanted = Buffer.from(`Bearer ${deps.token}`)
  server.addHook('onRequest', async (request, reply) => {
    const given = Buffer.from(request.headers.authorization ?? '')
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return
    await refuse(reply, 401, 'a bearer token is needed; it lies in api.json in the folder of the node')
  })
  server.setErrorHandler(async (error, _request, reply) => {
    if (error instanceof MeshError) return await refuse(reply, 400, error.message)
    const status = (error as { statusCode?: unknown }).statusCode
    if (typeof status === 'number' && status < 500) return await refuse(reply, status, reasonOf(error))
    deps.logger.error('request failed', { reason: reasonOf(error) })
    return await refuse(reply, 500, 'the node failed to answer; its log says why')
  })
  addReads(server, deps)
  addWrites(server, deps)
  addCards(server, deps)
  addCommands(server, deps)
  let url: string
  try {
    url = await server.listen({ host: deps.listen.host, port: deps.listen.port })
  } catch (error) {
    await server.close()
    throw error
  }
  return { url, close: async () => await server.close() }
}

function addReads(server: FastifyInstance, deps: ApiDeps): void {
  const report: ReportDeps = {
    node: deps.node,
    roster: deps.roster,
    connected: () => deps.chargePoints.connected(),
  }
  server.get('/v1/status', async () => ({ ...reportStatus(deps), ...deps.extraStatus() }))
  server.get('/v1/sessions', async () => reportSessions(report))
  // Whoever follows asks this often, and for all of them only when it has changed.
  server.get('/v1/sessions/changes', async () => ({ changes: deps.node.ledger().view().changes() }))
  addSignedValues(server, report)
  addAudit(server, deps)
  addTrace(server, { ...deps, report })
  addReceipts(server, deps, report)
  server.get('/v1/logs', async () => reportLogs(report))
  server.get<{ Querystring: { until?: string } }>('/v1/devices', async request =>
    reportDevices(report, check('query', UNTIL, request.query).until),
  )
  server.get('/v1/chargers', async () => reportChargers(report))
  addLocalLists(server, report)
  addCertificateRequests(server, deps)
  addOnboarding(server, report)
  addTariffs(server, deps)
  server.get('/v1/conflicts', async () => reportConflicts(deps.node))
  server.get('/v1/refusals', async () => reportRefusals(report))
  server.get('/v1/tokens', async () => reportTokens(report))
  server.get('/v1/retention', async () => reportRetention(deps.node))
}

function addWrites(server: FastifyInstance, deps: ApiDeps): void {
  server.post('/v1/submissions', async request => {
    const parsed = check('submission', SUBMISSION, request.body)
    const segments = parsed.segments.map(segment => ({ ...segment, logId: segment.logId as LogId }))
    const submission: Submission = { ...parsed, segments }
    const report = await deps.node.submit(submission)
    return { ...report, refused: [...report.refused, ...frozenIn(deps.node, segments)] }
  })
  addUplinks(server, deps)
  addForward(server, deps)
  addBundles(server, deps)
}

/** A frozen log takes nothing more, and what lies behind its fork counts nowhere: nobody may take that for done. */
function frozenIn(node: Node, segments: readonly { readonly logId: LogId }[]): readonly string[] {
  const { logs } = node.ledger()
  return [...new Set(segments.map(segment => segment.logId))].flatMap(logId => {
    const fork = logs.get(logId)?.fork
    return fork ? [`log ${logId} is frozen: it has two branches from ${fork.seq} on`] : []
  })
}

async function refuse(reply: FastifyReply, status: number, message: string): Promise<FastifyReply> {
  return await reply.code(status).send({ error: message })
}

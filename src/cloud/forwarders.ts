// POST /v1/forwarders: nodes that could forward to an existing central system agree here whose turn it is (uplink/agreement.ts,
// terms.ts). Signed like a push; one serialisable transaction for what one node claims. A device that anybody revoked gets no
// turn, and may give its own up.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fromBytes, listOf, MalformedBytes, toBytes } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import { EVENT_REF } from '../log/fields.ts'
import { MAX_HANDED_HEADS } from '../log/forward-bodies.ts'
import type { DeviceId, SiteId } from '../units.ts'
import { hex } from '../units.ts'
import {
  AGREEMENT_PATH,
  type AgreementAnswer,
  type AgreementRequest,
  decodeAgreementRequest,
  encodeAgreementAnswer,
} from '../uplink/agreement.ts'
import { CBOR_TYPE, type RequestClaim, readClaim, refuseRequest } from '../uplink/request.ts'
import { askerAt, createAttempts } from './attempts.ts'
import type { Database, Row, Sql } from './database.ts'
import { type PushDeps, type PushRouteDeps, refuse } from './pushing.ts'
import { bytesIn, flagIn, intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'
import { type Asker, answerOf, judge, type TermRow } from './terms.ts'

/** Central systems of one site; names are free, and a certified node must not fill a table with them. */
const MAX_ROWS_PER_SITE = 64
const HEADS = listOf(EVENT_REF, MAX_HANDED_HEADS)

export function addForwarderRoute(app: FastifyInstance, deps: PushRouteDeps): void {
  const attempts = createAttempts(deps.clock)
  app.post(AGREEMENT_PATH, async (request, reply) => {
    const claim = readClaim(request.headers)
    const site = claim && deps.siteOf(claim.siteId)
    const from = askerAt(request.ip, site?.siteId)
    const wait = attempts.waitS(from)
    if (wait > 0) return refuse(reply, 429, { code: 'too-many-failures', retryAfterS: wait })
    const body = request.body instanceof Uint8Array ? new Uint8Array(request.body) : new Uint8Array(0)
    const asker = await askerOf(deps, request, { claim, site, body })
    if (typeof asker === 'string') {
      attempts.fail(from)
      deps.logger.warn('request-refused', { reason: asker, address: request.ip })
      return refuse(reply, 401, { code: asker })
    }
    return await answerClaims(asker, body, reply)
  })
}

type Known = { readonly site: PushDeps; readonly certificate: Certificate }

type Asking = {
  readonly claim: RequestClaim | undefined
  readonly site: PushDeps | undefined
  readonly body: Uint8Array
}

async function askerOf(
  { clock }: PushRouteDeps,
  request: FastifyRequest,
  { claim, site, body }: Asking,
): Promise<Known | string> {
  if (!claim) return 'unsigned'
  if (!site) return 'foreign-site'
  const certificate = await certificateOf(site, claim)
  if (!certificate) return 'certificate-refused'
  const parts = { method: request.method, path: request.url, issuedAt: claim.issuedAt, body }
  const asked = { parts, signature: claim.signature, nowAt: clock.wallMs() }
  return refuseRequest(site.signatures, certificate, asked) ?? { site, certificate }
}

async function certificateOf(
  { certificates, database }: PushDeps,
  claim: RequestClaim,
): Promise<Certificate | undefined> {
  const verdict = await certificates.enrol(database.query, claim.certificate)
  if (verdict.kind === 'valid') return verdict.certificate
  if (verdict.reason !== 'unknown-issuer') return undefined
  // Another receiver may have learnt of its issuer.
  await certificates.reload()
  const again = await certificates.enrol(database.query, claim.certificate)
  return again.kind === 'valid' ? again.certificate : undefined
}

async function answerClaims(
  { site, certificate }: Known,
  body: Uint8Array,
  reply: FastifyReply,
): Promise<FastifyReply> {
  let request: AgreementRequest
  try {
    request = decodeAgreementRequest(body)
  } catch (error) {
    if (error instanceof MalformedBytes) return refuse(reply, 400, { code: 'malformed' })
    throw error
  }
  const answer = await agree(site.database, { siteId: site.siteId, deviceId: certificate.deviceId, request })
  return reply.type(CBOR_TYPE).send(Buffer.from(encodeAgreementAnswer(answer)))
}

export type Agreeing = {
  readonly siteId: SiteId
  readonly deviceId: DeviceId
  readonly request: AgreementRequest
}

/** What is answered is committed. A claim that is not heard (revoked, or a name too many) has no row in the answer. */
export async function agree(
  database: Database,
  { siteId, deviceId, request }: Agreeing,
): Promise<AgreementAnswer> {
  return await database.transaction(async sql => {
    const epoch = await sql('SELECT cloud_epoch FROM sites WHERE site_id = $1', [siteId])
    const cloudEpoch = epoch.rows[0] ? intIn(epoch.rows[0], 'cloud_epoch') : 1
    const asker: Asker = { life: hex(request.life), deviceId, leaseMs: request.leaseMs, cloudEpoch }
    const isOut = await isRevoked(sql, siteId, deviceId)
    const rows = await rowsOf(sql, siteId)
    const answers: AgreementAnswer['rows'][number][] = []
    for (const claim of request.claims) {
      const before = rows.get(claim.uplink)
      if ((isOut && !claim.release) || (!before && rows.size >= MAX_ROWS_PER_SITE)) continue
      const after = judge(before, claim, asker)
      if (!after) continue
      if (after !== before) await write(sql, siteId, { uplink: claim.uplink, row: after })
      rows.set(claim.uplink, after)
      answers.push(answerOf(claim.uplink, after, asker))
    }
    return { rows: answers }
  }, siteId)
}

async function isRevoked(sql: Sql, siteId: SiteId, deviceId: DeviceId): Promise<boolean> {
  const found = await sql(
    'SELECT 1 AS there FROM revocations WHERE site_id = $1 AND device_id = $2 LIMIT 1',
    [siteId, deviceId],
  )
  return found.rows.length > 0
}

async function rowsOf(sql: Sql, siteId: SiteId): Promise<Map<string, TermRow>> {
  const found = await sql(
    `SELECT uplink, term, renewals, life, device_id, is_free, taken_at, lease_ms, cloud_epoch, heads, next_device
     FROM forwarders WHERE site_id = $1`,
    [siteId],
  )
  return new Map(found.rows.map(row => [textIn(row, 'uplink'), rowIn(row)]))
}

function rowIn(row: Row): TermRow {
  const life = optionalTextIn(row, 'life')
  const deviceId = optionalTextIn<DeviceId>(row, 'device_id')
  const takenAt = optionalIntIn(row, 'taken_at')
  const next = optionalTextIn<DeviceId>(row, 'next_device')
  return {
    mark: { term: intIn(row, 'term'), renewals: intIn(row, 'renewals') },
    ...(life !== undefined && deviceId !== undefined && { holder: { life, deviceId } }),
    isFree: flagIn(row, 'is_free'),
    leaseMs: intIn(row, 'lease_ms'),
    cloudEpoch: intIn(row, 'cloud_epoch'),
    ...(takenAt !== undefined && { takenAt }),
    ...(next !== undefined && { next }),
    ...(row.heads !== null && { heads: fromBytes(HEADS, bytesIn(row, 'heads')) }),
  }
}

type Written = { readonly uplink: string; readonly row: TermRow }

async function write(sql: Sql, siteId: SiteId, { uplink, row }: Written): Promise<void> {
  const { mark, holder, isFree, takenAt, leaseMs, cloudEpoch, heads, next } = row
  await sql(
    `INSERT INTO forwarders
      (site_id, uplink, term, renewals, life, device_id, is_free, taken_at, lease_ms, cloud_epoch, heads,
       next_device)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (site_id, uplink) DO UPDATE SET term = excluded.term, renewals = excluded.renewals,
      life = excluded.life, device_id = excluded.device_id, is_free = excluded.is_free,
      taken_at = excluded.taken_at, lease_ms = excluded.lease_ms, cloud_epoch = excluded.cloud_epoch,
      heads = excluded.heads, next_device = excluded.next_device`,
    [
      ...[siteId, uplink, mark.term, mark.renewals, holder?.life ?? null, holder?.deviceId ?? null],
      ...[isFree, takenAt ?? null, leaseMs, cloudEpoch, heads ? toBytes(HEADS, heads) : null, next ?? null],
    ],
  )
}

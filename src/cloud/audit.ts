// The audit file of the cloud: every log that was pushed, whole, acks, proofs of forks, and the bills. What is in it is settled in one
// short transaction: heads, and for each session the newest revision. Events and bills are only ever added, so the rest is read
// afterwards, page by page, as fast as it is taken, and nobody who pushes has to wait for it.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { BillSaid } from '../audit/format.ts'
import { type AuditContents, auditBytes, cutElements } from '../audit/stream.ts'
import { ISSUED_BY_ROOT } from '../identity/certificate.ts'
import type { ObjectSigner } from '../log/object.ts'
import type { Clock, Segment } from '../ports.ts'
import { countOf } from '../replica/canonical.ts'
import type { LogId, SessionId, SiteId } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import type { CertificateStore } from './certificates.ts'
import type { Database, Row, Sql } from './database.ts'
import type { ReaderGate } from './gate.ts'
import { refuse } from './pushing.ts'
import { bytesIn, intIn, optionalTextIn, textIn } from './rows.ts'

export type AuditDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly siteName: string
  readonly name: string
  readonly certificates: CertificateStore
  readonly signer: ObjectSigner
  readonly clock: Clock
  readonly mayRead: ReaderGate
}

const EVENTS_OF_PAGE = 1_024
const BILLS_OF_PAGE = 1_000

/** Of sessions that began in [fromAt, toAt). */
export type Range = { readonly fromAt: number | undefined; readonly toAt: number | undefined }

export function addAuditRoute(app: FastifyInstance, deps: AuditDeps): void {
  let isRunning = false
  app.get('/audit', async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    const range = rangeIn(request.query)
    if (!range) return refuse(reply, 400, { code: 'bad-query' })
    if (isRunning) return refuse(reply, 429, { code: 'another-audit-runs' })
    isRunning = true
    try {
      const stream = Readable.from(auditBytes(await contentsOf(deps, range), deps.signer))
      stream.once('close', () => {
        isRunning = false
      })
      return await reply.type('application/octet-stream').send(stream)
    } catch (error) {
      isRunning = false
      throw error
    }
  })
}

function rangeIn(query: unknown): Range | undefined {
  const { from, to, ...others } = (query ?? {}) as Readonly<Record<string, unknown>>
  const at = (text: unknown): number | undefined =>
    typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  const isBad = (text: unknown): boolean => text !== undefined && at(text) === undefined
  return isBad(from) || isBad(to) || Object.keys(others).length > 0
    ? undefined
    : { fromAt: at(from), toAt: at(to) }
}

type Head = { readonly logId: LogId; readonly seq: number }
type Snapshot = {
  readonly heads: readonly Head[]
  readonly acks: readonly Uint8Array[]
  readonly forks: readonly Segment[]
  /** The newest revision of each session's bill. */
  readonly newest: ReadonlyMap<SessionId, number>
}

async function contentsOf(deps: AuditDeps, range: Range): Promise<AuditContents> {
  const { database, siteId, siteName, name, certificates, clock } = deps
  const snapshot = await database.transaction(sql => snapshotOf(sql, siteId, range), siteId)
  // What another receiver has learned.
  await certificates.reload()
  const all = certificates.roster.all()
  const { fromAt, toAt } = range
  return {
    header: {
      ...{ siteId, rootKey: certificates.roster.rootKey, siteName, source: 'cloud', madeBy: name },
      ...{ madeAt: clock.wallMs(), swVersion: SW_VERSION },
      events: snapshot.heads.reduce((sum, head) => sum + head.seq + 1, 0),
      ...(fromAt !== undefined && { fromAt }),
      ...(toAt !== undefined && { toAt }),
    },
    certificates: all
      .toSorted((a, b) => Number(b.issuedBy === ISSUED_BY_ROOT) - Number(a.issuedBy === ISSUED_BY_ROOT))
      .map(one => one.encoded),
    segments: segmentsOf(database, siteId, snapshot.heads),
    forks: snapshot.forks,
    objects: snapshot.acks,
    sessions: [],
    bills: billsOf(database, siteId, snapshot.newest),
  }
}

async function snapshotOf(sql: Sql, siteId: SiteId, range: Range): Promise<Snapshot> {
  const heads = await sql('SELECT log_id, contiguous_seq FROM log_head WHERE site_id = $1 ORDER BY log_id', [
    siteId,
  ])
  const acks = await sql('SELECT encoded FROM acks WHERE site_id = $1 ORDER BY log_id', [siteId])
  const forks = await sql(
    'SELECT log_id, from_seq, segment FROM forks WHERE site_id = $1 ORDER BY log_id, seq, theirs',
    [siteId],
  )
  const bills = await sql(
    `SELECT b.session_id, max(b.revision) AS newest FROM bills b
     JOIN sessions s ON s.site_id = b.site_id AND s.session_id = b.session_id
     WHERE b.site_id = $1 AND coalesce(s.started_at, 0) >= $2 AND coalesce(s.started_at, 0) < $3
     GROUP BY b.session_id`,
    [siteId, range.fromAt ?? 0, range.toAt ?? Number.MAX_SAFE_INTEGER],
  )
  return {
    heads: heads.rows.map(row => ({
      logId: textIn<LogId>(row, 'log_id'),
      seq: intIn(row, 'contiguous_seq'),
    })),
    acks: acks.rows.map(row => bytesIn(row, 'encoded')),
    forks: forks.rows.map(row => ({
      logId: textIn<LogId>(row, 'log_id'),
      fromSeq: intIn(row, 'from_seq'),
      update: bytesIn(row, 'segment'),
    })),
    newest: new Map(bills.rows.map(row => [textIn<SessionId>(row, 'session_id'), intIn(row, 'newest')])),
  }
}

async function* segmentsOf(
  database: Database,
  siteId: SiteId,
  heads: readonly Head[],
): AsyncGenerator<Segment, void, void> {
  for (const { logId, seq } of heads) {
    for (let from = 0; from <= seq; ) {
      const page = await database.query(
        `SELECT element FROM events WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND seq <= $4
         ORDER BY seq LIMIT ${EVENTS_OF_PAGE}`,
        [siteId, logId, from, seq],
      )
      const before = from
      const elements = page.rows.map(row => bytesIn(row, 'element'))
      for (const segment of cutElements(logId, from, elements)) {
        yield segment
        from = segment.fromSeq + countOf(segment.update)
      }
      // Nothing that is sealed is left: the file will say what is missing.
      if (from === before) break
    }
  }
}

async function* billsOf(
  database: Database,
  siteId: SiteId,
  newest: ReadonlyMap<SessionId, number>,
): AsyncGenerator<BillSaid, void, void> {
  let after: { readonly session: string; readonly revision: number } | undefined = {
    session: '',
    revision: -1,
  }
  while (after) {
    const page: { readonly rows: readonly Row[] } = await database.query(
      `SELECT * FROM bills WHERE site_id = $1 AND (session_id > $2 OR (session_id = $2 AND revision > $3))
       ORDER BY session_id, revision LIMIT ${BILLS_OF_PAGE}`,
      [siteId, after.session, after.revision],
    )
    for (const row of page.rows) {
      const bill = billIn(row)
      if (bill.revision <= (newest.get(bill.sessionId) ?? -1)) yield bill
    }
    const last = page.rows.at(-1)
    after = last && { session: textIn(last, 'session_id'), revision: intIn(last, 'revision') }
  }
}

function billIn(row: Row): BillSaid {
  const decidedBy = optionalTextIn(row, 'decided_by')
  return {
    sessionId: textIn<SessionId>(row, 'session_id'),
    revision: intIn(row, 'revision'),
    kind: textIn(row, 'kind'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    energyWh: intIn(row, 'energy_wh'),
    reason: textIn(row, 'reason'),
    inputHash: textIn(row, 'input_hash'),
    issuedAt: intIn(row, 'issued_at'),
    ...(decidedBy !== undefined && { decidedBy }),
  }
}

// One session as the cloud has it: when its events arrived, which receipt covers them, how it stands, and what was billed.
import type { FastifyInstance } from 'fastify'
import type { Roster } from '../identity/roster.ts'
import { nameOfType, TYPE_NUMBERS } from '../log/body.ts'
import type { DeviceId, SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { countsIn } from './exclusion.ts'
import type { ReaderGate } from './gate.ts'
import { billItem, sessionItem } from './reading.ts'
import { flagIn, intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'

export type TraceDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly certificates: { readonly roster: Roster }
  readonly mayRead: ReaderGate
}

export type CloudTraceEvent = {
  readonly event: string
  readonly hash: string
  readonly what: string
  readonly node: string
  /** By the cloud's clock; committed then, before any receipt. */
  readonly receivedAt: number
  readonly acked: boolean
  /** It lies behind a fork or a revocation: kept, and moves no bill. */
  readonly counts: boolean
}

export type CloudTrace = {
  readonly session: unknown
  readonly events: readonly CloudTraceEvent[]
  readonly ticks: {
    readonly count: number
    readonly firstReceivedAt?: number
    readonly lastReceivedAt?: number
  }
  readonly bills: readonly unknown[]
  readonly cloudEpoch: number
}

/** Events that are told one by one. */
const MAX_EVENTS = 1000
const { meter_tick } = TYPE_NUMBERS

type Route = { readonly Params: { readonly id: string } }

export function addTraceRoute(app: FastifyInstance, deps: TraceDeps): void {
  app.get<Route>('/sessions/:id/trace', async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    const trace = /^[0-9a-f]{32}$/.test(request.params.id)
      ? await traceOf(deps, request.params.id)
      : undefined
    if (!trace) return reply.code(404).send({ code: 'not-found', message: 'the cloud has no such session' })
    return reply.send(trace)
  })
}

async function traceOf(deps: TraceDeps, sessionId: string): Promise<CloudTrace | undefined> {
  const { database, siteId } = deps
  const found = await database.query('SELECT * FROM sessions WHERE site_id = $1 AND session_id = $2', [
    siteId,
    sessionId,
  ])
  const [row] = found.rows
  if (!row) return undefined
  const refs = [textIn(row, 'start_ref'), optionalTextIn(row, 'end_ref') ?? []]
    .flat()
    .map(ref => ref.split('/'))
  const [logs, seqs] = [refs.map(([log = '']) => log), refs.map(([, seq = '0']) => seq)]
  // A session that was split off another is told under that one's id.
  const under = await database.query(
    `SELECT DISTINCT e.session_id FROM unnest($2::text[], $3::text[]) AS w(log_id, seq)
     JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq::bigint WHERE e.session_id IS NOT NULL`,
    [siteId, logs, seqs],
  )
  const ids = [sessionId, ...under.rows.map(one => textIn(one, 'session_id'))]
  const events = await database.query(
    `SELECT e.log_id, e.seq, e.event_hash, e.type, e.received_at, e.hlc, h.device_id, a.seq AS acked, ${countsIn('e')} AS counts
     FROM events e JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id
     LEFT JOIN acks a ON a.site_id = e.site_id AND a.log_id = e.log_id
     WHERE e.site_id = $1 AND e.type <> ${meter_tick} AND (e.session_id = ANY($2::text[])
       OR (e.log_id, e.seq) IN (SELECT w.log_id, w.seq::bigint FROM unnest($3::text[], $4::text[]) AS w(log_id, seq)))
     ORDER BY e.hlc, e.log_id, e.seq LIMIT ${MAX_EVENTS}`,
    [siteId, ids, logs, seqs],
  )
  const ticks = await database.query(
    `SELECT count(*) AS n, min(received_at) AS first, max(received_at) AS last FROM events
     WHERE site_id = $1 AND session_id = ANY($2::text[]) AND type = ${meter_tick}`,
    [siteId, ids],
  )
  const bills = await database.query(
    `SELECT b.*, o.idempotency_key, o.sent_at FROM bills b
     LEFT JOIN outbox o ON o.site_id = b.site_id AND o.session_id = b.session_id AND o.revision = b.revision
     WHERE b.site_id = $1 AND b.session_id = $2 ORDER BY b.revision`,
    [siteId, sessionId],
  )
  const site = await database.query('SELECT cloud_epoch FROM sites WHERE site_id = $1', [siteId])
  return {
    session: sessionItem(row),
    events: events.rows.map(one => eventItem(one, deps)),
    ticks: ticksItem(ticks.rows[0]),
    bills: bills.rows.map(billItem),
    cloudEpoch: site.rows[0] ? intIn(site.rows[0], 'cloud_epoch') : 0,
  }
}

function eventItem(row: Row, { certificates }: TraceDeps): CloudTraceEvent {
  const deviceId = textIn<DeviceId>(row, 'device_id')
  const [seq, type] = [intIn(row, 'seq'), intIn(row, 'type')]
  return {
    event: `${textIn(row, 'log_id')}/${seq}`,
    hash: textIn(row, 'event_hash'),
    what: nameOfType(type) ?? `type ${type}`,
    node: certificates.roster.byDevice(deviceId)?.name ?? deviceId.slice(0, 8),
    receivedAt: intIn(row, 'received_at'),
    acked: (optionalIntIn(row, 'acked') ?? -1) >= seq,
    counts: flagIn(row, 'counts'),
  }
}

function ticksItem(row: Row | undefined): CloudTrace['ticks'] {
  if (!row) return { count: 0 }
  const [first, last] = [optionalIntIn(row, 'first'), optionalIntIn(row, 'last')]
  return {
    count: intIn(row, 'n'),
    ...(first !== undefined && { firstReceivedAt: first }),
    ...(last !== undefined && { lastReceivedAt: last }),
  }
}

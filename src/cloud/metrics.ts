// GET /metrics, for Prometheus. What this process did is counted here; how the sites stand is asked of the database at each
// scrape, so every receiver on one database says the same of them (take `max`, not `sum`). Labels are sites and reasons from
// fixed lists: nothing of a session, a charger or a card. Readable with the operator's token or one that opens nothing else.
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { VERSIONS_PER_EPOCH } from '../log/object.ts'
import type { Clock, Segment } from '../ports.ts'
import { countOf, MAX_SEGMENT_EVENTS } from '../replica/canonical.ts'
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { gapsOf } from './gaps.ts'
import type { ReaderGate } from './gate.ts'
import { MAX_PAGE } from './reading.ts'
import { intIn, optionalIntIn } from './rows.ts'

/** What a push came to; counted in this process. */
export type PushMeter = {
  readonly accepted: (push: {
    readonly segments: readonly Segment[]
    readonly refused: readonly { readonly reason: string }[]
    readonly tookMs: number
  }) => void
  readonly refused: (code: string) => void
}

export type Metrics = { readonly registry: Registry; readonly meter: PushMeter }

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const PREFIX = 'chargemesh_cloud_'

export function createMetrics(): Metrics {
  const registry = new Registry()
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: PREFIX + name, help, labelNames: [...labelNames], registers: [registry] })
  const pushes = counter('pushes_total', 'Pushes that were taken in by this process')
  const refused = counter('pushes_refused_total', 'Pushes that were turned away, by reason', ['reason'])
  const received = counter(
    'events_received_total',
    'Events in pushes, new and known; beside the growth of events_stored: how many came twice',
  )
  const segments = counter('segments_refused_total', 'Segments that the gate refused, by reason', ['reason'])
  const seconds = new Histogram({
    name: `${PREFIX}ingest_seconds`,
    help: 'From a push that is believed to its answer, which follows the commit',
    buckets: SECONDS,
    registers: [registry],
  })
  const meter: PushMeter = {
    accepted: push => {
      pushes.inc()
      // What a segment says of itself has not been judged yet.
      const counts = push.segments.map(({ update }) => Math.min(countOf(update), MAX_SEGMENT_EVENTS))
      received.inc(counts.reduce((sum, count) => sum + count, 0))
      // What follows the first word names a log or a place, which are without number.
      for (const { reason } of push.refused) segments.inc({ reason: reason.split(' ')[0] ?? '' })
      seconds.observe(push.tookMs / 1000)
    },
    refused: reason => refused.inc({ reason }),
  }
  return { registry, meter }
}

export type MetricsDeps = {
  readonly database: Database
  readonly siteIds: readonly SiteId[]
  readonly clock: Clock
  readonly registry: Registry
  readonly mayRead: ReaderGate
}

export function addMetricsRoute(app: FastifyInstance, deps: MetricsDeps): void {
  const gauges = siteGauges(deps.registry)
  let scraping: Promise<string> | undefined
  app.get('/metrics', async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    // Two scrapes at once read once.
    scraping ??= scrape(deps, gauges).finally(() => {
      scraping = undefined
    })
    return reply.type(deps.registry.contentType).send(await scraping)
  })
}

type Gauges = Readonly<Record<keyof typeof GAUGES, Gauge<'site'>>>

const GAUGES = {
  events_stored: 'Events of the site in the database',
  acks_signed: 'Acks signed since the cloud epoch began',
  unacked_logs: 'Logs of which something is committed and not yet acknowledged',
  gaps: `Gaps in the logs of the site, ${MAX_PAGE} at most`,
  forked_logs: 'Logs that were written twice',
  refolds_waiting: 'Sessions that wait to be folded again',
  sessions_waiting: 'Sessions whose money needs a person',
  oldest_session_waiting_seconds: 'How long the oldest of them waits; 0: none',
  payments_waiting: 'Bills that the payment provider has not answered yet',
  oldest_payment_waiting_seconds: 'How long the oldest of them waits; 0: none',
  payments_refused: 'Bills that the payment provider refused',
} as const

function siteGauges(registry: Registry): Gauges {
  const gauges = Object.entries(GAUGES).map(([name, help]) => [
    name,
    new Gauge({ name: PREFIX + name, help, labelNames: ['site'], registers: [registry] }),
  ])
  return Object.fromEntries(gauges) as Gauges
}

async function scrape({ database, siteIds, clock, registry }: MetricsDeps, gauges: Gauges): Promise<string> {
  for (const site of siteIds) {
    const standing = await standingOf(database, site, clock.wallMs())
    for (const [name, value] of Object.entries(standing)) gauges[name as keyof Gauges].set({ site }, value)
  }
  return await registry.metrics()
}

type Standing = Readonly<Record<keyof typeof GAUGES, number>>

async function standingOf(database: Database, siteId: SiteId, nowAt: number): Promise<Standing> {
  const asked = async (text: string): Promise<Row> => (await database.query(text, [siteId])).rows[0] ?? {}
  const site = await asked(
    `SELECT ack_version % ${VERSIONS_PER_EPOCH} AS signed FROM sites WHERE site_id = $1`,
  )
  const logs = await asked(
    `SELECT coalesce(sum(contiguous_seq + 1), 0)::bigint AS events, count(*) FILTER (WHERE ack_due) AS unacked
     FROM log_head WHERE site_id = $1`,
  )
  const forks = await asked('SELECT count(DISTINCT log_id) AS n FROM forks WHERE site_id = $1')
  const refolds = await asked('SELECT count(*) AS n FROM refolds WHERE site_id = $1')
  const people = await asked(
    `SELECT count(*) AS n, min(attention_at) AS oldest FROM sessions WHERE site_id = $1 AND attention IS NOT NULL`,
  )
  const paying = await asked(
    `SELECT count(*) FILTER (WHERE refusal IS NULL) AS n, count(refusal) AS refused,
       min(created_at) FILTER (WHERE refusal IS NULL) AS oldest
     FROM outbox WHERE site_id = $1 AND sent_at IS NULL`,
  )
  const gaps = await gapsOf(database, siteId, { after: '', limit: MAX_PAGE })
  const waited = (row: Row): number => Math.max(0, nowAt - (optionalIntIn(row, 'oldest') ?? nowAt)) / 1000
  return {
    events_stored: intIn(logs, 'events'),
    acks_signed: intIn(site, 'signed'),
    unacked_logs: intIn(logs, 'unacked'),
    gaps: gaps.length,
    forked_logs: intIn(forks, 'n'),
    refolds_waiting: intIn(refolds, 'n'),
    sessions_waiting: intIn(people, 'n'),
    oldest_session_waiting_seconds: waited(people),
    payments_waiting: intIn(paying, 'n'),
    oldest_payment_waiting_seconds: waited(paying),
    payments_refused: intIn(paying, 'refused'),
  }
}

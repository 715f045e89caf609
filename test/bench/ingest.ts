// ingest: the days of several sites into the cloud's database by what a receiver does with a push — seals, gate, events, heads,
// fold, bills, acks — beside COPY of the very rows of `events` that this made, into the same tables with the same indices, as
// many commits. On a PostgreSQL server each round has a database of its own.
import { acksSince, signDueAcks } from '../../src/cloud/acks.ts'
import { openCertificates } from '../../src/cloud/certificates.ts'
import type { Database } from '../../src/cloud/database.ts'
import { ingest as ingestPush } from '../../src/cloud/ingest.ts'
import { enterSite } from '../../src/cloud/schema.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { digestToSign } from '../../src/log/event.ts'
import type { Logger } from '../../src/ports.ts'
import type { Kind } from './drive.ts'
import type { Figures } from './figures.ts'
import { dayOf, type SiteDay } from './pushes.ts'
import { type Tables, tablesOf } from './tables.ts'

export type Ingest = {
  readonly sites: number
  readonly sessions: number
  readonly ticks: number
  readonly perSeal: number
  readonly atOnce: number
  readonly batchKb: number
  readonly pglite: number
}
type Measure = (kind: Kind, round: number) => Promise<Figures>

const SEALS_CHECKED = 4_000

export async function withPushes(options: Ingest, use: (measure: Measure) => Promise<void>): Promise<void> {
  const { sessions, ticks, perSeal, batchKb } = options
  const days = Array.from({ length: options.sites }, (_, i) =>
    dayOf(`${i}`, { sessions, ticks, perSeal, batchBytes: batchKb * 1024 }),
  )
  const tables = await tablesOf(options.pglite)
  try {
    // What COPY is to bring in; and nobody's code is cold.
    const rows = await tables.within(async ({ database }) => {
      await pushAll(database, days, options.atOnce)
      return await rowsOf(database, days)
    })
    await use(kind => (kind === 'ours' ? ours(tables, days, options) : floor(tables, days, rows)))
  } finally {
    await tables.close()
  }
}

async function ours(tables: Tables, days: readonly SiteDay[], { atOnce }: Ingest): Promise<Figures> {
  const events = sum(days, day => day.events)
  return await tables.within(async ({ database, serverCpuS }) => {
    const waits = { store: 0, fold: 0, commit: 0 }
    const before = { server: await serverCpuS(), own: process.cpuUsage() }
    const startedMs = performance.now()
    await pushAll(timed(database, waits), days, atOnce)
    const ms = performance.now() - startedMs
    const own = process.cpuUsage(before.own)
    const serverS = (await serverCpuS()) - before.server
    const us = (total: number): number => (total * 1000) / events
    return {
      ...{ ms, eventsPerS: (events * 1000) / ms },
      ...{ nodeCpuUs: (own.user + own.system) / events, serverCpuUs: (serverS * 1e6) / events },
      ...{ storeWaitUs: us(waits.store), restWaitUs: us(waits.fold), commitWaitUs: us(waits.commit) },
    }
  })
}

async function floor(
  tables: Tables,
  days: readonly SiteDay[],
  rows: readonly (readonly Row[])[],
): Promise<Figures> {
  const events = sum(days, day => day.events)
  const timedBy = async (way: 'copy' | 'insert'): Promise<{ ms: number; node: number; server: number }> =>
    await tables.within(async bench => {
      const before = { server: await bench.serverCpuS(), own: process.cpuUsage() }
      const startedMs = performance.now()
      for (const some of rows) await bench[way](some)
      const ms = performance.now() - startedMs
      const { user, system } = process.cpuUsage(before.own)
      const server = ((await bench.serverCpuS()) - before.server) * 1e6
      return { ms, node: (user + system) / events, server: server / events }
    })
  const copied = await timedBy('copy')
  const inserted = await timedBy('insert')
  return {
    ...{ ms: copied.ms, eventsPerS: (events * 1000) / copied.ms },
    ...{ nodeCpuUs: copied.node, serverCpuUs: copied.server },
    ...{ insertPerS: (events * 1000) / inserted.ms, insertServerCpuUs: inserted.server },
    ...{ sealsPerS: sealsPerS(days), events, seals: sum(days, day => day.seals) },
  }
}

/** One after another on one thread: as many signatures as it can check are as many sealed events as anything can verify. */
function sealsPerS(days: readonly SiteDay[]): number {
  const [{ site, node, log }] = days as readonly [SiteDay]
  const sealed = log.filter((one): one is LogEvent & { signature: Uint8Array } => one.signature !== undefined)
  const some = sealed.slice(0, SEALS_CHECKED).map(one => [one.signature, digestToSign(one, one)] as const)
  const startedMs = performance.now()
  for (const [signature, digest] of some)
    if (!site.signatures.verify(signature, digest, node.certificate.logKey)) throw new Error('a bad seal')
  return (some.length * 1000) / (performance.now() - startedMs)
}

const loud = (event: string, words?: object): void => console.error(event, words)
const silent = (): undefined => undefined
const logger: Logger = { debug: silent, info: silent, warn: loud, error: loud }

async function pushAll(database: Database, days: readonly SiteDay[], atOnce: number): Promise<void> {
  const queue = [...days]
  const work = async (): Promise<void> => {
    for (let day = queue.shift(); day; day = queue.shift()) await pushDay(database, day)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/** As src/cloud/pushing.ts answers a request that it has authenticated and read. */
async function pushDay(database: Database, { site, pushes }: SiteDay): Promise<void> {
  const { siteId, rootKey, signatures } = site
  await enterSite(database, { siteId, rootKey, name: 'bench' }, 1)
  const certificates = await openCertificates({
    ...{ database, siteId, rootKey, signatures },
    certificates: [site.issuer, site.cloud].map(one => one.certificate.encoded),
  })
  const clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }
  const signer = { certHash: site.cloud.certificate.hash, logKey: site.cloud.keys.logKey, signatures }
  const durability = async () => 1 as const
  const deps = { database, siteId, certificates, signatures, clock, logger, signer, durability }
  let sinceVersion = 0
  for (const push of pushes) {
    const refused = await ingestPush(deps, push)
    if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`)
    await signDueAcks(deps)
    sinceVersion = (await acksSince(deps, sinceVersion)).version
  }
}

type Waits = { store: number; fold: number; commit: number }

/** Sums up how long was waited for COPY of events, for the other statements of transactions, and for their ends. */
function timed(database: Database, waits: Waits): Database {
  return {
    ...database,
    transaction: async (run, turn) => {
      let endedMs = 0
      const answer = await database.transaction(async (sql, copy) => {
        const done = await run(
          async (text, params) => {
            const sentMs = performance.now()
            const result = await sql(text, params)
            waits.fold += performance.now() - sentMs
            return result
          },
          async (...words) => {
            const sentMs = performance.now()
            await copy(...words)
            waits.store += performance.now() - sentMs
          },
        )
        endedMs = performance.now()
        return done
      }, turn)
      waits.commit += performance.now() - endedMs
      return answer
    },
  }
}

export type Row = Readonly<Record<string, unknown>>

/** The rows of each push. */
async function rowsOf(database: Database, days: readonly SiteDay[]): Promise<readonly (readonly Row[])[]> {
  const parts: (readonly Row[])[] = []
  for (const { site, pushes } of days)
    for (const { segments } of pushes) {
      const found = await database.query(
        `SELECT e.* FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (log_id, low, high)
         JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq >= w.low AND e.seq < w.high`,
        [
          site.siteId,
          segments.map(one => one.logId),
          segments.map(one => one.fromSeq),
          segments.map(one => one.fromSeq + one.count),
        ],
      )
      parts.push(found.rows)
    }
  const held = sum(parts, part => part.length)
  if (held !== sum(days, day => day.events)) throw new Error(`the database holds ${held} events`)
  return parts
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0)
}

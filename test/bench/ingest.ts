// ingest: the days of several sites into the cloud's database by what a receiver does with a push — gate, events, heads, fold,
// bills, acks — beside COPY of the same rows of `events`, as many flushes, into tables with the same indices.
import { openCertificates } from '../../src/cloud/certificates.ts'
import { acksSince, signDueAcks } from '../../src/cloud/acks.ts'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { ingest as ingestPush } from '../../src/cloud/ingest.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import type { Figures } from './figures.ts'
import { dayOf, type SiteDay } from './pushes.ts'

export type Ingest = {
  readonly sites: number
  readonly sessions: number
  readonly ticks: number
  readonly atOnce: number
  readonly batchKb: number
}

async function pushDay(database: Database, { site, pushes }: SiteDay): Promise<void> {
  const { siteId, rootKey, signatures } = site
  await enterSite(database, { siteId, rootKey, name: 'bench' }, 1)
  const certificates = await openCertificates({
    ...{ database, siteId, rootKey, signatures },
    certificates: [site.issuer.certificate.encoded, site.cloud.certificate.encoded],
  })
  const clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }
  const silent = (): undefined => undefined
  const logger = { debug: silent, info: silent, warn: console.error, error: console.error }
  const signer = { certHash: site.cloud.certificate.hash, logKey: site.cloud.keys.logKey, signatures }
  const deps = { database, siteId, certificates, signatures, clock, logger, signer, durability: async () => 1 as const }
  let version = 0
  for (const push of pushes) {
    const refused = await ingestPush(deps, push)
    if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`)
    await signDueAcks(deps)
    version = (await acksSince(deps, version)).version
  }
}

export async function quick(options: Ingest, url?: string): Promise<Figures> {
  const days = Array.from({ length: options.sites }, (_, i) =>
    dayOf(`${i}`, { sessions: options.sessions, ticks: options.ticks, batchBytes: options.batchKb * 1024 }),
  )
  const events = days.reduce((sum, day) => sum + day.events, 0)
  const seals = days.reduce((sum, day) => sum + day.seals, 0)
  console.log({ events, seals, pushes: days.reduce((sum, day) => sum + day.pushes.length, 0) })
  const database = await openDatabase({ dir: 'memory', ...(url && { url }) })
  await migrate(database)
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const queue = [...days]
  await Promise.all(
    Array.from({ length: options.atOnce }, async () => {
      for (let day = queue.shift(); day; day = queue.shift()) await pushDay(database, day)
    }),
  )
  const ms = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpu)
  const bills = await database.query('SELECT count(*) AS n FROM bills')
  console.log(bills.rows[0])
  await database.close()
  return { ms, eventsPerS: (events / ms) * 1000, nodeUs: (user + system) / events }
}

const [, , sites = '4', sessions = '100', ticks = '30', atOnce = '1', batchKb = '256', url] = process.argv
console.log(await quick({ sites: +sites, sessions: +sessions, ticks: +ticks, atOnce: +atOnce, batchKb: +batchKb }, url))

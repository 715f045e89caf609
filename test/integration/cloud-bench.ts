// Shared by the cloud's integration tests: one database a test file (PGlite in memory, or the PostgreSQL of
// TEST_DATABASE_URL), and a fresh site for every test, so that tests share tables and nothing in them.
import { type AckDeps, acksSince, signDueAcks } from '../../src/cloud/acks.ts'
import { openCertificates } from '../../src/cloud/certificates.ts'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { type IngestDeps, ingest } from '../../src/cloud/ingest.ts'
import { billsPage, sessionsPage } from '../../src/cloud/reading.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import type { ReceiverSite } from '../../src/cloud/site.ts'
import type { Clock, Logger, Push, PushAnswer } from '../../src/ports.ts'
import { SITE_OPENED_AT, type TestSite, testSite } from '../site.ts'

const silent = (): undefined => undefined
export const quiet: Logger = { debug: silent, info: silent, warn: silent, error: silent }

export type TestClock = Clock & { readonly set: (wallMs: number) => void }

export function testClock(wallMs = SITE_OPENED_AT + 3600_000): TestClock {
  let now = wallMs
  return {
    wallMs: () => now,
    monotonicMs: () => now,
    set: at => {
      now = at
    },
  }
}

export async function openTestDatabase(): Promise<Database> {
  const url = process.env.TEST_DATABASE_URL
  const database = await openDatabase({ dir: 'memory', ...(url && { url }) })
  await migrate(database)
  return database
}

/** A site as a receiver is told of it. */
export function served(site: TestSite, name: string): ReceiverSite {
  return {
    ...{ siteId: site.siteId, rootKey: site.rootKey, name },
    certificates: [site.issuer.certificate.encoded],
    cloud: { certificate: site.cloud.certificate.encoded, logKey: site.cloud.keys.logKey },
  }
}

export type CloudBench = {
  readonly site: TestSite
  readonly deps: IngestDeps & AckDeps
  readonly clock: TestClock
  /** What a receiver does with a push, without HTTP. */
  readonly push: (push: Partial<Push>) => Promise<Omit<PushAnswer, 'wireBytes'>>
  readonly sessions: () => Promise<readonly Readonly<Record<string, unknown>>[]>
  readonly bills: () => Promise<readonly Readonly<Record<string, unknown>>[]>
}

let sites = 0

/** One receiver's view of a new site, or, given a bench, a second receiver of the same site. */
export async function cloudBench(database: Database, beside?: CloudBench): Promise<CloudBench> {
  // A PostgreSQL server keeps the sites of earlier runs, so the seed must not repeat.
  const site = beside?.site ?? testSite(`cloud-${process.pid}-${process.hrtime.bigint()}-${sites++}`)
  const { siteId, rootKey, signatures } = site
  await enterSite(database, { siteId, rootKey, name: 'test' }, 1)
  const certificates = await openCertificates({
    ...{ database, siteId, rootKey, signatures },
    certificates: [site.issuer.certificate.encoded, site.cloud.certificate.encoded],
  })
  const clock = beside?.clock ?? testClock()
  const signer = { certHash: site.cloud.certificate.hash, logKey: site.cloud.keys.logKey, signatures }
  const deps = {
    database,
    siteId,
    certificates,
    signatures,
    clock,
    logger: quiet,
    signer,
    durability: async () => 1 as const,
  }
  const all = { cursor: '', limit: 1000 }
  return {
    site,
    deps,
    clock,
    push: async ({ segments = [], certificates: introduced = [], sinceVersion = 0 }) => {
      const refused = await ingest(deps, { segments, certificates: introduced })
      await signDueAcks(deps)
      return { ...(await acksSince(deps, sinceVersion)), refused }
    },
    sessions: async () => items(await sessionsPage(database, siteId, all)),
    bills: async () => items(await billsPage(database, siteId, all)),
  }
}

function items(listing: {
  readonly items: readonly unknown[]
}): readonly Readonly<Record<string, unknown>>[] {
  return listing.items.map(item => item as Readonly<Record<string, unknown>>)
}

// A database of the version before tariffs by terms, decisions and payments: its tables are brought up to date with what is
// in them, and what was written under them is billed, shown and paid as if it had come today.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase, type Param } from '../../src/cloud/database.ts'
import { inboxPage } from '../../src/cloud/inbox.ts'
import { deliver, type PaymentOrder } from '../../src/cloud/payments.ts'
import { migrate } from '../../src/cloud/schema.ts'
import { settlementPage } from '../../src/cloud/settlement.ts'
import { TYPE_NUMBERS } from '../../src/log/body.ts'
import { decided, wordOf } from '../billing/told.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { cloudBench, openTestDatabase, quiet } from './cloud-bench.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chargemesh-cloud-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** As the version with three migrations made it, holding what `from` holds. */
async function oldDatabase(dir: string, from: Database): Promise<void> {
  const statements = JSON.parse(await readFile('test/fixtures/cloud-tables-3.json', 'utf8')) as string[]
  const old = await openDatabase({ dir })
  await old.query('CREATE TABLE migrations (number int PRIMARY KEY)')
  await old.query('INSERT INTO migrations (number) VALUES (1), (2), (3)')
  for (const statement of statements) await old.query(statement)
  const columns = await old.query(
    `SELECT table_name, column_name FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name <> 'migrations' ORDER BY table_name, ordinal_position`,
  )
  for (const table of new Set(columns.rows.map(row => String(row.table_name)))) {
    const names = columns.rows.filter(row => row.table_name === table).map(row => String(row.column_name))
    const { rows } = await from.query(`SELECT ${names.join(', ')} FROM ${table}`)
    for (const row of rows) {
      const values = names.map((_, i) => `$${i + 1}`).join(', ')
      await old.query(
        `INSERT INTO ${table} VALUES (${values})`,
        names.map(name => row[name] as Param),
      )
    }
  }
  // Tariffs had no key then.
  await old.query(`UPDATE events SET fold_key = NULL WHERE type = ${TYPE_NUMBERS.tariff}`)
  await old.close()
}

it('is brought up to date with all that is in it', async () => {
  const memory = await openTestDatabase()
  const bench = await cloudBench(memory)
  const { site } = bench
  const [node, issued] = [site.device('north'), site.openLog(site.issuer)]
  const body = { tariffId: 'T', currency: 'EUR', pricePerKwh: '0.25', effectiveAt: SITE_OPENED_AT - 1000 }
  issued.append([{ name: 'tariff', body }])
  const tariff = issued.ref()
  const [priced, unpriced] = [sessionBodies(), sessionBodies({ connectorId: 2 })]
  if (priced.pricing.name !== 'pricing') throw new Error('a price')
  const log = site.openLog(node)
  log.append([priced.start, { name: 'pricing', body: { ...priced.pricing.body, tariff } }, priced.end])
  log.append([unpriced.start, unpriced.end])
  const certificates = [node.certificate.encoded]
  await bench.push({ segments: [...issued.segments(), ...log.segments()], certificates })
  const before = { bills: await bench.bills(), sessions: await bench.sessions() }
  const dir = join(folder, 'old')
  await oldDatabase(dir, memory)
  await memory.close()

  const database = await openDatabase({ dir })
  await migrate(database)
  await migrate(database)
  const after = await cloudBench(database, bench)
  expect(await after.bills()).toMatchObject(
    before.bills.map(({ sessionId, amount }) => ({ sessionId, amount })),
  )
  expect(await after.sessions()).toHaveLength(before.sessions.length)
  const waiting = await inboxPage(database, site.siteId, { cursor: '', limit: 100 })
  expect(waiting.items).toMatchObject([{ sessionId: unpriced.sessionId, state: 'unpriced' }])
  const page = await settlementPage(database, site.siteId, { fromAt: 0, toAt: 1e15, cursor: '', limit: 100 })
  expect(page.items).toMatchObject([
    { sessionId: priced.sessionId, tariff: { id: 'T' }, whole: { amount: '0.63' } },
  ])

  const paid: PaymentOrder[] = []
  const provider = {
    take: async (order: PaymentOrder) => {
      paid.push(order)
      return { kind: 'taken' as const, reference: 'r', amount: order.amount }
    },
    find: async () => undefined,
    keyWindowMs: 1e9,
  }
  const { clock } = after
  expect(await deliver({ database, siteId: site.siteId, provider, clock, logger: quiet })).toBe(1)
  expect(paid).toMatchObject([{ sessionId: priced.sessionId, amount: '0.63' }])

  // By a tariff that was published under the old tables.
  const seen = [wordOf(unpriced.start), wordOf(unpriced.end)]
  issued.append([decided('tariff', seen, { keep: tariff }).said])
  await after.push({ segments: issued.segments() })
  expect((await after.bills()).map(({ amount }) => amount)).toEqual(['0.63', '0.63'])
  // Evidence that comes now finds what came then: the same, once more.
  const other = site.openLog(site.device('south'))
  other.append([priced.end])
  await after.push({ segments: other.segments(), certificates: [site.device('south').certificate.encoded] })
  expect((await after.bills()).map(({ amount }) => amount)).toEqual(['0.63', '0.63'])
  await database.close()
})

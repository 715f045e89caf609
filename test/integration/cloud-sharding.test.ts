// The cloud's tables may be sharded by site: every key and index begins with site_id, and no statement needs rows of two sites.
// Proven on tables that are partitioned by site, with the same chargers saying the same words at both sites: PostgreSQL's own
// planner must come out at one site's partitions for each statement, and a partition of the other site refuses every write.
// Statements that no story here needs are read as text alone, which proves less: that each names as many sites as tables.
import { readdirSync, readFileSync } from 'node:fs'
import https from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase, type Param, type Sql } from '../../src/cloud/database.ts'
import { raiseAcks } from '../../src/cloud/durability.ts'
import { FINALISE_AFTER_MS, finalise } from '../../src/cloud/finalise.ts'
import { SITE_ROUTES } from '../../src/cloud/openapi.ts'
import { deliver, retryRefused } from '../../src/cloud/payments.ts'
import { openReceiver } from '../../src/cloud/receiver.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { deliverNews } from '../../src/cloud/webhook-delivery.ts'
import type { Post } from '../../src/cloud/webhook-post.ts'
import {
  addWebhook,
  enableWebhook,
  removeWebhook,
  replayNews,
  rotateSecret,
  testWebhook,
} from '../../src/cloud/webhooks.ts'
import { systemRandom } from '../../src/host/system.ts'
import type { Segment } from '../../src/ports.ts'
import { openHttpUplink } from '../../src/uplink/http.ts'
import { auditSite } from '../audit/site.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { quiet, served, testClock } from './cloud-bench.ts'

const [NORTH, SOUTH] = [auditSite('north'), auditSite('south')]
const SITES = [
  { ...NORTH, suffix: '__north' },
  { ...SOUTH, suffix: '__south' },
] as const
const TOKEN = 'a-token-for-the-operator'
/** What PostgreSQL says of itself, and how far the tables are. */
const OF_NO_SITE = /^(pg_\w+|migrations)$/
/** With other values a plan is hardly another one. */
const EXPLAINED_AT_MOST = 5
const said = new Set<string>()
/** Statements that read another site. */
const strays: string[] = []
let database: Database
let tables: readonly string[]

beforeAll(async () => {
  database = await openDatabase({ dir: 'memory' })
  await migrate(database)
  const found = await database.query(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1`,
  )
  tables = found.rows.map(row => String(row.name)).filter(name => name !== 'migrations')
})
afterAll(() => database.close())

describe('the tables', () => {
  it('have site_id first in every key and index, and nothing that counts for all sites', async () => {
    const indexes = await database.query(
      `SELECT t.relname AS table, i.relname AS index, a.attname AS first FROM pg_index x
       JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
       JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
       LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]`,
    )
    const of = (name: string): readonly unknown[] =>
      indexes.rows.filter(row => row.table === name).map(row => row.first)
    for (const table of tables) {
      expect(of(table), table).not.toEqual([])
      expect(new Set(of(table)), table).toEqual(new Set(['site_id']))
    }
    const shared = await database.query(
      `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
       WHERE relkind = 'S' UNION SELECT conname FROM pg_constraint WHERE contype IN ('f', 'x')`,
    )
    // Compared within a site only; a site that moves takes its place in it along.
    expect(shared.rows.map(row => row.relname)).toEqual(['webhook_events_number_seq'])
  })
})

/** Partitions by site: PostgreSQL refuses a key without site_id here. */
async function partition(): Promise<void> {
  for (const table of tables) {
    await database.query(`CREATE TABLE parted (LIKE ${table} INCLUDING ALL) PARTITION BY LIST (site_id)`)
    await database.query(`DROP TABLE ${table}`)
    await database.query(`ALTER TABLE parted RENAME TO ${table}`)
    for (const { site, suffix } of SITES)
      await database.query(
        `CREATE TABLE ${table}${suffix} PARTITION OF ${table} FOR VALUES IN ('${site.siteId}')`,
      )
  }
  await database.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'a write into the other site: %', TG_TABLE_NAME; END $$`,
  )
}

async function freeze(suffix: string, isFrozen: boolean): Promise<void> {
  for (const table of tables)
    await database.query(
      isFrozen
        ? `CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON ${table}${suffix} FOR EACH ROW EXECUTE FUNCTION refuse()`
        : `DROP TRIGGER IF EXISTS frozen ON ${table}${suffix}`,
    )
}

type Plan = {
  readonly 'Node Type'?: string
  readonly 'Relation Name'?: string
  readonly 'Actual Loops'?: number
  readonly Plans?: readonly Plan[]
}

/** The relations that a plan reads. What an INSERT writes into, its partitions guard by themselves. */
function readIn(plan: Plan): readonly string[] {
  const name = plan['Relation Name']
  const isRead = name !== undefined && plan['Node Type'] !== 'ModifyTable' && plan['Actual Loops'] !== 0
  return [...(isRead ? [name] : []), ...(plan.Plans ?? []).flatMap(readIn)]
}

/** Says of each statement what it would read before it is run. */
function watched(suffix: string): Database {
  const times = new Map<string, number>()
  const watch =
    (sql: Sql): Sql =>
    async (text, params = []) => {
      if (/^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)/.test(text)) {
        said.add(text)
        times.set(text, (times.get(text) ?? 0) + 1)
        const isKnown = (times.get(text) ?? 0) > EXPLAINED_AT_MOST
        const read = isKnown ? [] : await readBy(sql, text, params)
        const others = read.filter(name => !name.endsWith(suffix) && !OF_NO_SITE.test(name))
        // Told at the end: the receiver itself would only answer that something failed.
        if (others.length > 0) strays.push(`${others.join(', ')}: ${text}`)
      }
      return sql(text, params)
    }
  return {
    query: watch(database.query),
    transaction: (run, turn) => database.transaction((sql, copy) => run(watch(sql), copy), turn),
    close: () => Promise.resolve(),
  }
}

async function readBy(sql: Sql, text: string, params: readonly Param[]): Promise<readonly string[]> {
  // Where the other side of a join names the site, partitions are passed over as the statement runs.
  const isRead = /^\s*SELECT/.test(text)
  const explained = await sql(`EXPLAIN (FORMAT JSON${isRead ? ', ANALYZE' : ''}) ${text}`, params)
  const plans = explained.rows[0]?.['QUERY PLAN'] as readonly { readonly Plan: Plan }[]
  return plans.flatMap(({ Plan: plan }) => readIn(plan))
}

/** What a site lives through: everything that a receiver is asked to do. */
async function live({ site, contents, devices, suffix }: (typeof SITES)[number]): Promise<void> {
  const own = watched(suffix)
  const clock = testClock()
  const receiver = await openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database: own, operatorToken: TOKEN },
    sites: [served(site, 'Stadium')],
    tls: await makeServerCertificate(['127.0.0.1']),
    ...{ signatures: site.signatures, clock, random: systemRandom(), logger: quiet },
  })
  const uplink = openHttpUplink({
    ...{ name: 'fibre', url: receiver.url, caPem: receiver.caPem, clock, siteId: site.siteId },
    ...{ signatures: site.signatures, logKey: devices.north.keys.logKey },
    certificate: () => devices.north.certificate.encoded,
  })
  const book = { database: own, siteId: site.siteId, clock, random: systemRandom() }
  const hook = { name: 'shop', url: 'http://127.0.0.1:9/', events: [], network: 'public' } as const
  await addWebhook(book, hook)
  await testWebhook(book, 'shop')
  const segments = [...(contents.segments as Iterable<Segment>)]
  const certificates = [...contents.certificates]
  await uplink.push({ segments, certificates, sinceVersion: 0 })
  await uplink.push({ segments, certificates, sinceVersion: 0 })
  await uplink.push({ segments: [...contents.forks], certificates, sinceVersion: 1 })
  const log = site.openLog(devices.south, { storeState: 'lossy', openedAt: SITE_OPENED_AT + 9e6 })
  const [again, lone] = [sessionBodies({ chargerId: 'CP-6' }), sessionBodies({ chargerId: 'CP-7' })]
  log.append([again.start, again.pricing, again.tick(155_000), again.orphanEnd])
  log.append([sessionBodies({ chargerId: 'CP-6', startedAt: SITE_OPENED_AT + 5000 }).start, lone.orphanEnd])
  await uplink.push({ segments: log.segments(), certificates, sinceVersion: 1 })
  uplink.close()

  await finalise(own, site.siteId, { wallMs: () => clock.wallMs() + FINALISE_AFTER_MS })
  const payments = { database: own, siteId: site.siteId, clock, logger: quiet }
  const outcomes = [{ kind: 'refused', reason: 'no' }, undefined] as const
  let asked = 0
  const provider = {
    take: async (order: { amount: string }) => {
      const outcome = outcomes[asked++ % 3]
      if (asked % 3 === 0) throw new Error('nobody knows')
      return outcome ?? { kind: 'taken' as const, reference: 'r', amount: order.amount }
    },
    find: async () => undefined,
    keyWindowMs: 1e9,
  }
  await deliver({ ...payments, provider })
  await retryRefused(payments)
  const sessionId = sessionBodies({ chargerId: 'CP-1' }).sessionId
  const paths = SITE_ROUTES.filter(({ method }) => method === 'get').map(({ path }) =>
    path.replace('{id}', sessionId),
  )
  for (const path of [...paths.map(one => `/v1${one}`), '/v1/sites', '/metrics', '/readyz'])
    expect(await statusOf(`${receiver.url}${path}`, receiver.caPem), path).toBe(200)
  let letters = 0
  const post: Post = async () =>
    letters++ % 2 === 0 ? { kind: 'failed', reason: 'busy', answered: true } : { kind: 'taken' }
  await deliverNews({ ...book, post, logger: quiet, isClosing: () => false })
  await replayNews(book, 'shop', { fromAt: 0 })
  await enableWebhook(book, 'shop')
  await rotateSecret(book, 'shop')
  await removeWebhook(book, 'shop')
  await enterSite(own, { siteId: site.siteId, rootKey: site.rootKey, name: 'Stadium' }, 2)
  await raiseAcks(own, site.siteId, 2)
  await receiver.close()
}

function statusOf(url: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const request = https.request(url, { ca, headers, agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', reject)
    request.end()
  })
}

async function contentsOf(suffix: string): Promise<readonly unknown[]> {
  const all: unknown[] = []
  for (const table of tables) {
    const { rows } = await database.query(`SELECT * FROM ${table}${suffix}`)
    all.push([table, rows.map(row => JSON.stringify(row)).sort()])
  }
  return all
}

describe('the statements', () => {
  it('read and write one site each, whoever else is there', { timeout: 90_000 }, async () => {
    await partition()
    const [north, south] = SITES
    await freeze(south.suffix, true)
    await live(north)
    await freeze(south.suffix, false)
    await freeze(north.suffix, true)
    const before = await contentsOf(north.suffix)
    await live(south)
    expect(await contentsOf(north.suffix)).toEqual(before)
    expect(strays).toEqual([])
  })

  it('that no story above needs name the site of each of their tables', () => {
    const all = literals()
    const unsaid = all.filter(({ pattern }) => ![...said].some(text => pattern.test(text)))
    expect(unsaid.length).toBeLessThan(all.length / 3)
    const named = new RegExp(`\\b(FROM|JOIN|UPDATE|INTO)\\s+(${tables.join('|')})\\b`, 'g')
    const isMissing = ({ text }: Literal): boolean =>
      (text.match(named) ?? []).length > (text.match(/\bsite_id = |INTO \w+\s*\(site_id\b/g) ?? []).length
    expect(unsaid.filter(isMissing).map(({ file, text }) => `${file}: ${text}`)).toEqual([])
  })
})

type Literal = { readonly file: string; readonly text: string; readonly pattern: RegExp }

/** The statements in the receiver's source; what is put into them is left open. */
function literals(): readonly Literal[] {
  const dir = new URL('../../src/cloud/', import.meta.url)
  // A migration is made on the tables as they stand, before anybody pushes.
  const files = readdirSync(dir).filter(file => file.endsWith('.ts') && file !== 'schema.ts')
  return files.flatMap(file => {
    const source = readFileSync(new URL(file, dir), 'utf8')
    const found = [
      ...source.matchAll(/(['`])(\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\s(?:(?!\1)[\s\S])*)\1/g),
    ]
    return found.map(([, , text = '']) => {
      const parts = text.split(/\$\{[^}]*\}/).map(part => part.replace(/[.*+?^$()|[\]{}\\]/g, '\\$&'))
      return { file, text, pattern: new RegExp(`^${parts.join('[\\s\\S]*')}$`) }
    })
  })
}

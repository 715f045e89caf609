// Pushes against a real database: what is admitted becomes sessions, bills and acks exactly once, whatever is doubled,
// reordered, forged or cut short.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAX_ORPHANS } from '../../src/cloud/charger-rows.ts'
import type { Database } from '../../src/cloud/database.ts'
import { ingest } from '../../src/cloud/ingest.ts'
import { enterSite } from '../../src/cloud/schema.ts'
import type { Signatures } from '../../src/identity/signature.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { type Ack, readObject } from '../../src/log/object.ts'
import { SITE_OPENED_AT, sessionBodies, type TestSite } from '../site.ts'
import { cloudBench, openTestDatabase } from './cloud-bench.ts'

const DAY_MS = 24 * 3600 * 1000

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

describe('a push', () => {
  it('makes one session, one bill and one ack that a node can read', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const node = site.device('north')
    const log = site.openLog(node)
    const words = sessionBodies()
    log.append([words.start, words.pricing, words.tick(155_000), words.end])
    const answer = await push({ segments: log.segments(), certificates: [node.certificate.encoded] })

    expect(answer.refused).toEqual([])
    expect(await sessions()).toMatchObject([
      { sessionId: words.sessionId, chargerId: 'CP-1', state: 'complete', energyWh: 2500, flags: [] },
    ])
    expect(await bills()).toMatchObject([
      { sessionId: words.sessionId, revision: 0, kind: 'invoice', amount: '0.63', currency: 'EUR' },
    ])
    expect(answer.acks).toHaveLength(1)
    const verdict = readObject(
      { roster: site.roster(), signatures: site.signatures },
      answer.acks[0] as Uint8Array,
    )
    expect(verdict).toMatchObject({
      kind: 'valid',
      object: { kind: 'ack', body: { ...log.ref(), durability: 1, cloudEpoch: 1 } },
    })
  })

  it('changes nothing when it comes again, whole or cut elsewhere', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const node = site.device('north')
    const log = site.openLog(node)
    const words = sessionBodies()
    log.append([words.start, words.pricing, words.tick(155_000), words.end])
    const certificates = [node.certificate.encoded]
    const first = await push({ segments: log.segments(), certificates })
    const before = [await sessions(), await bills()]
    const again = await push({ segments: log.segments(), certificates, sinceVersion: first.version })
    const recut = await push({ segments: log.segments(0, 2), certificates, sinceVersion: first.version })

    expect([await sessions(), await bills()]).toEqual(before)
    expect(again).toEqual({ version: first.version, acks: [], refused: [] })
    expect(recut).toEqual({ version: first.version, acks: [], refused: [] })
  })

  it('bills once when two receivers on one database take the same data at the same time', async () => {
    // On a server, two pools that do not take turns: what keeps them apart is the isolation of transactions alone.
    const other = process.env.TEST_DATABASE_URL ? await openTestDatabase() : database
    const one = await cloudBench(withoutTurns(database))
    const two = await cloudBench(withoutTurns(other), one)
    const node = one.site.device('north')
    const log = one.site.openLog(node)
    for (let i = 0; i < 12; i++) {
      const words = sessionBodies({ connectorId: 1 + (i % 2), meterStartWh: 1000 * i })
      log.append([words.start, words.pricing, words.end])
    }
    const push = { segments: log.segments(0, 4), certificates: [node.certificate.encoded] }
    const answers = await Promise.all([one.push(push), two.push(push), one.push(push), two.push(push)])
    if (other !== database) await other.close()

    expect(answers.map(answer => answer.refused)).toEqual([[], [], [], []])
    const bills = await one.bills()
    expect(bills).toHaveLength(12)
    expect(new Set(bills.map(bill => bill.revision))).toEqual(new Set([0]))
    expect(new Set(bills.map(bill => bill.idempotencyKey)).size).toBe(12)
    expect(await acksOf(one.site, answers.at(-1)?.acks ?? [])).toMatchObject([log.ref()])
  })

  it.each([
    ['start first', [0, 1, 2]],
    ['stop first', [1, 0, 2]],
    ['price last, stop first', [1, 2, 0]],
    ['backwards', [2, 1, 0]],
  ] as const)('makes one bill of a start in one log and its stop in another: %s', async (_name, order) => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const nodes = [site.device('north'), site.device('south'), site.device('west')] as const
    const words = sessionBodies()
    const logs = nodes.map(node => site.openLog(node))
    logs[0]?.append([words.start, words.pricing])
    logs[1]?.append([words.orphanEnd])
    logs[2]?.append([words.start, words.end])
    for (const i of order) {
      await push({
        segments: logs[i]?.segments() ?? [],
        certificates: nodes.map(node => node.certificate.encoded),
      })
    }
    expect(await sessions()).toMatchObject([{ state: 'complete', energyWh: 2500 }])
    expect(await bills()).toMatchObject([{ revision: 0, amount: '0.63' }])
  })

  it.each(['start', 'stop'])('joins a stop that names no session, when the %s comes last', async last => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const [north, south] = [site.device('north'), site.device('south')]
    const certificates = [north, south].map(device => device.certificate.encoded)
    const words = sessionBodies()
    const [started, stopped] = [site.openLog(north), site.openLog(south)]
    started.append([words.start, words.pricing])
    stopped.append([words.orphanEnd])
    const logs = last === 'stop' ? [started, stopped] : [stopped, started]
    for (const log of logs) await push({ segments: log.segments(), certificates })
    expect(await sessions()).toMatchObject([{ state: 'complete', energyWh: 2500, flags: [] }])
    expect(await bills()).toMatchObject([{ revision: 0, amount: '0.63' }])
  })

  it('keeps what a stop without a session ended, though more such stops came since than are looked at', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const node = site.device('north')
    const log = site.openLog(node)
    const certificates = [node.certificate.encoded]
    const words = sessionBodies()
    const nameless = (meterStopWh: number): AnyBody => {
      const { orphanEnd } = sessionBodies({ meterStopWh })
      if (orphanEnd.name !== 'session_end') throw new Error('a stop')
      return { name: 'session_end', body: { ...orphanEnd.body, transactionId: -1 } }
    }
    log.append([words.start, words.pricing, nameless(156_700)])
    await push({ segments: log.segments(), certificates })
    const before = [await sessions(), await bills()]
    expect(before).toMatchObject([[{ state: 'complete', energyWh: 2500 }], [{ amount: '0.63' }]])
    for (let n = 0; n <= MAX_ORPHANS; n += 100)
      log.append(
        Array.from({ length: 100 }, (_, i) => nameless(n + i)),
        SITE_OPENED_AT + DAY_MS + n,
      )
    await push({ segments: log.segments(4), certificates })
    expect([await sessions(), await bills()]).toEqual(before)
  })

  it('keeps text that tries to be SQL or HTML as what it is', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const node = site.device("x'); DROP TABLE bills; --")
    const log = site.openLog(node)
    const evil = `'); DELETE FROM sessions; --<script>alert(1)</script>`
    const fine = sessionBodies({ reason: evil.slice(0, 31) })
    const nasty = sessionBodies({ chargerId: `CP'; DROP TABLE bills;--\u0000`, reason: '\u0000<b>' })
    const slash = sessionBodies({ chargerId: '..', reason: '%2e%2e' })
    for (const words of [fine, nasty, slash]) log.append([words.start, words.pricing, words.end])
    log.append([{ name: 'diagnostics', body: { code: evil.slice(0, 48), detail: `${evil}\u0000` } }])
    const answer = await push({ segments: log.segments(), certificates: [node.certificate.encoded] })

    expect(answer.refused).toEqual([])
    expect(await acksOf(site, answer.acks)).toMatchObject([log.ref()])
    expect(await sessions()).toMatchObject([{ sessionId: fine.sessionId, chargerId: 'CP-1' }])
    expect(await bills()).toHaveLength(1)
  })

  it('answers acks page by page from the version that a node has seen', async () => {
    const { site, push, deps } = await cloudBench(database)
    const node = site.device('north')
    const first = site.openLog(node)
    const certificates = [node.certificate.encoded]
    const one = await push({ segments: first.segments(), certificates })
    const second = site.openLog(node, { prev: first.ref() })
    const two = await push({ segments: second.segments(), certificates, sinceVersion: one.version })
    expect(await acksOf(site, two.acks)).toMatchObject([second.ref()])
    expect(two.version).toBeGreaterThan(one.version)
    // A node that has seen more than there is talked to a database that was lost.
    const lost = await push({ certificates, sinceVersion: two.version + 100 })
    expect(await acksOf(site, lost.acks)).toMatchObject([first.ref(), second.ref()])
    // A new epoch of the cloud makes every ack due again, above every version of the old one.
    await enterSite(deps.database, { siteId: site.siteId, rootKey: site.rootKey, name: '' }, 2)
    const renewed = await push({ certificates, sinceVersion: two.version + 100 })
    expect(await acksOf(site, renewed.acks)).toMatchObject([{ cloudEpoch: 2 }, { cloudEpoch: 2 }])
    expect(renewed.version).toBeGreaterThan(two.version + 100)
  })

  it('makes the ack at the next push when it died between commit and ack', async () => {
    const { site, push, deps } = await cloudBench(database)
    const [north, south] = [site.device('north'), site.device('south')]
    const log = site.openLog(north)
    const died = await ingest(deps, { segments: log.segments(), certificates: [north.certificate.encoded] })
    expect(died).toEqual([])
    const other = site.openLog(south)
    const answer = await push({ segments: other.segments(), certificates: [south.certificate.encoded] })
    const acked = await acksOf(site, answer.acks)
    expect(acked.map(ack => ack.logId).sort()).toEqual([log.logId, other.logId].sort())
  })

  it('is one transaction, and takes what is good by parts where one log breaks it', async () => {
    const { site, push, deps, bills } = await cloudBench(database)
    const nodes = ['north', 'south', 'west'].map(name => site.device(name))
    const logs = nodes.map(node => site.openLog(node))
    logs.forEach((log, i) => {
      const words = sessionBodies({ chargerId: `CP-${i}` })
      log.append([words.start, words.pricing, words.end])
    })
    let transactions = 0
    const broken: Database = {
      ...database,
      transaction: (run, turn) => {
        transactions += 1
        return database.transaction(
          (sql, copy) =>
            run(sql, async (table, columns, rows) => {
              if (rows.some(row => row.includes(logs[1]?.logId ?? ''))) throw new Error('a bad row')
              await copy(table, columns, rows)
            }),
          turn,
        )
      },
    }
    const certificates = nodes.map(node => node.certificate.encoded)
    const segments = logs.flatMap(log => log.segments(0, 2))
    expect(segments.length).toBeGreaterThan(3)
    await expect(ingest({ ...deps, database: broken }, { segments, certificates })).rejects.toThrow(
      'a bad row',
    )
    expect((await bills()).length).toBe(2)
    transactions = 0
    const whole: Database = {
      ...database,
      transaction: (run, turn) => {
        transactions += 1
        return database.transaction(run, turn)
      },
    }
    expect(await ingest({ ...deps, database: whole }, { segments, certificates })).toEqual([])
    expect(transactions).toBe(1)
    expect((await push({})).acks).toHaveLength(3)
    expect((await bills()).length).toBe(3)
  })

  it('believes a yes about a seal from another thread, and decides itself behind a no', async () => {
    const { site, deps, bills } = await cloudBench(database)
    const node = site.device('north')
    const words = sessionBodies()
    const log = site.openLog(node)
    log.append([words.start, words.pricing])
    log.append([words.end])
    const push = { segments: log.segments(), certificates: [node.certificate.encoded] }
    const heard = { aside: 0, here: 0 }
    const counting = (aside: (isGood: boolean) => boolean): Signatures => ({
      ...deps.signatures,
      verify: (...asked) => {
        heard.here += 1
        return deps.signatures.verify(...asked)
      },
      verifyAside: async (...asked) => {
        heard.aside += 1
        return aside((await deps.signatures.verifyAside?.(...asked)) ?? false)
      },
    })
    const seals = log.events().filter(event => event.signature).length
    // Nothing is committed of what no transaction did: all of it is read again.
    const away: Database = { ...database, transaction: async () => Promise.reject(new Error('away')) }
    const none = ingest({ ...deps, database: away, signatures: counting(is => is) }, push)
    await expect(none).rejects.toThrow('away')
    expect(heard.here).toBe(0)
    expect(heard.aside).toBeGreaterThanOrEqual(seals)
    Object.assign(heard, { aside: 0, here: 0 })
    expect(await ingest({ ...deps, signatures: counting(() => false) }, push)).toEqual([])
    expect(heard).toEqual({ aside: seals, here: seals })
    expect(await bills()).toHaveLength(1)
  })

  it('copies any text as it is', async () => {
    const words = ['\\N', 'a\tb', 'c\nd\re', '\\', '', "'; --", 'é\u{1f50c}', '\\x00']
    const bytes = new Uint8Array([0, 9, 10, 13, 92, 255])
    const read = await database.transaction(async (sql, copy) => {
      await sql('CREATE TEMPORARY TABLE copied (n int, said text, bytes bytea)')
      const rows = [...words, null].map((word, n) => [n, word, word === null ? null : bytes] as const)
      await copy('copied', ['n', 'said', 'bytes'], rows)
      const found = await sql('SELECT * FROM copied ORDER BY n')
      await sql('DROP TABLE copied')
      return found.rows
    })
    expect(read.map(row => row.said)).toEqual([...words, null])
    expect(new Uint8Array(read[0]?.bytes as Uint8Array)).toEqual(bytes)
    expect(read.at(-1)?.bytes).toBeNull()
  })

  it('signs no ack for what was not committed', async () => {
    const { site, push, deps } = await cloudBench(database)
    const node = site.device('north')
    const log = site.openLog(node)
    const broken: Database = {
      ...database,
      transaction: run =>
        database.transaction(async (...on) => {
          await run(...on)
          throw new Error('power cut')
        }),
    }
    const push1 = { segments: log.segments(), certificates: [node.certificate.encoded] }
    await expect(ingest({ ...deps, database: broken }, push1)).rejects.toThrow('power cut')
    expect((await push({})).acks).toEqual([])
    expect((await push(push1)).acks).toHaveLength(1)
  })
})

function withoutTurns(of: Database): Database {
  return { ...of, transaction: run => of.transaction(run) }
}

async function acksOf(site: TestSite, acks: readonly Uint8Array[]): Promise<readonly Ack[]> {
  return acks.map(encoded => {
    const verdict = readObject({ roster: site.roster(), signatures: site.signatures }, encoded)
    if (verdict.kind !== 'valid' || verdict.object.kind !== 'ack') throw new Error('no valid ack')
    return verdict.object.body
  })
}

// Receivers beside one another over one PostgreSQL server, which is all the state they have: four at once, one that is killed in
// the middle of a push, and the server away for a while.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import https from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { createDurability } from '../../src/cloud/durability.ts'
import { billsPage, sessionsPage } from '../../src/cloud/reading.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { migrate } from '../../src/cloud/schema.ts'
import type { ReceiverSite } from '../../src/cloud/site.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { readIdentity, siteIdIn } from '../../src/host/identity-files.ts'
import { systemClock, systemRandom } from '../../src/host/system.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { type Ack, readObject } from '../../src/log/object.ts'
import type { Clock, Push, Segment } from '../../src/ports.ts'
import type { SiteId } from '../../src/units.ts'
import { unhex } from '../../src/units.ts'
import { openHttpUplink } from '../../src/uplink/http.ts'
import { until } from '../deadline.ts'
import { openLog, sessionBodies, type TestDevice, type TestLog, testSite } from '../site.ts'
import { quiet, served, testClock } from './cloud-bench.ts'
import { mustRun, tempFolder } from './operator-site.ts'
import { type OwnPostgresServer, ownPostgres } from './postgres-server.ts'

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url))
const TOKEN = 'a-token-for-the-operator'
const clock = testClock()
const ALL = { cursor: '', limit: 1000 }
let server: OwnPostgresServer
let tls: Awaited<ReturnType<typeof makeServerCertificate>>

beforeAll(async () => {
  ;[server, tls] = await Promise.all([ownPostgres(), makeServerCertificate(['127.0.0.1'])])
})
afterAll(() => server.close())

function opened(database: Database, sites: readonly ReceiverSite[], at: Clock = clock): Promise<Receiver> {
  return openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, sites, tls, operatorToken: TOKEN },
    ...{ signatures: ed25519(), clock: at, random: systemRandom(), logger: quiet },
  })
}

/** Sessions of one node, three events each. */
function charged(log: TestLog, sessions: number, chargerId: string): TestLog {
  for (let i = 0; i < sessions; i++) {
    const words = sessionBodies({ chargerId, connectorId: 1 + (i % 2), meterStartWh: 5000 * i })
    log.append([words.start, words.pricing, words.end])
  }
  return log
}

function uplinkTo(
  { url, caPem }: Pick<Receiver, 'url' | 'caPem'>,
  siteId: SiteId,
  device: TestDevice,
  at: Clock = clock,
) {
  return openHttpUplink({
    ...{ name: 'fibre', url, caPem, siteId, clock: at, signatures: ed25519() },
    ...{ certificate: () => device.certificate.encoded, logKey: device.keys.logKey },
  })
}

const pushOf = (segments: readonly Segment[], sinceVersion = 0): Push => ({
  segments,
  certificates: [],
  sinceVersion,
})

describe('four receivers over one server', () => {
  it('apply overlapping pushes once and acknowledge them alike, without a deadlock', async () => {
    const url = await server.database()
    const site = testSite('workers')
    const pools = await Promise.all([1, 2, 3, 4].map(() => openDatabase({ url, dir: 'memory' })))
    const [first] = pools as [Database]
    // Tables are made by four at once.
    const receivers = await Promise.all(pools.map(database => opened(database, [served(site, 'Stadium')])))
    const nodes = ['n', 'e', 's', 'w'].map(name => site.device(name))
    const logs = nodes.map(node => charged(site.openLog(node), 6, `CP-${node.name}`))
    const uplinks = receivers.map((receiver, i) => uplinkTo(receiver, site.siteId, nodes[i] as TestDevice))
    const certificates = nodes.map(node => node.certificate.encoded)
    // Each brings everything, begins with another log and cuts it elsewhere.
    const answers = await Promise.all(
      uplinks.map(async (uplink, i) => {
        const mine = [...logs.slice(i), ...logs.slice(0, i)].flatMap(log => log.segments(0, 3 + 3 * i))
        const half = mine.length >> 1
        const one = await uplink.push({ ...pushOf(mine.slice(0, half)), certificates })
        return [one, await uplink.push(pushOf(mine, one.version))]
      }),
    )
    // What each has heard of, asking from the version that it was told last: none may be missing.
    const last = await Promise.all(
      uplinks.map((uplink, i) => uplink.push(pushOf([], answers[i]?.at(-1)?.version ?? 0))),
    )

    expect(answers.flat().flatMap(answer => answer.refused)).toEqual([])
    const read = (encoded: Uint8Array): Ack => {
      const verdict = readObject({ roster: site.roster(), signatures: site.signatures }, encoded)
      if (verdict.kind !== 'valid' || verdict.object.kind !== 'ack') throw new Error('no ack')
      return verdict.object.body
    }
    const hashAt = (ack: Ack): unknown => logs.find(log => log.logId === ack.logId)?.ref(ack.seq).hash
    for (const ack of answers.flat().flatMap(answer => answer.acks.map(read)))
      expect(ack.hash).toBe(hashAt(ack))
    const heads = logs.map(log => log.ref()).sort((a, b) => (a.logId < b.logId ? -1 : 1))
    for (const [i, answer] of last.entries()) {
      const heard = [...(answers[i] ?? []), answer].flatMap(one => one.acks.map(read))
      const newest = new Map(heard.map(ack => [ack.logId, ack]))
      expect([...newest.values()].sort((a, b) => (a.logId < b.logId ? -1 : 1))).toMatchObject(heads)
    }
    const stored = await first.query('SELECT count(*) AS n FROM events')
    expect(Number(stored.rows[0]?.n)).toBe(logs.reduce((sum, log) => sum + log.events().length, 0))
    const sessions = (await sessionsPage(first, site.siteId, ALL)).items as { state: string }[]
    expect(sessions.map(({ state }) => state)).toEqual(Array(24).fill('complete'))
    const bills = (await billsPage(first, site.siteId, ALL)).items as { sessionId: string; amount: string }[]
    expect(new Set(bills.map(({ sessionId }) => sessionId)).size).toBe(24)
    expect(bills.map(({ amount }) => amount)).toEqual(Array(24).fill('0.63'))
    const locked = await first.query(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    )
    expect(Number(locked.rows[0]?.deadlocks)).toBe(0)

    for (const uplink of uplinks) uplink.close()
    await Promise.all(receivers.map(receiver => receiver.close()))
    await Promise.all(pools.map(pool => pool.close()))
  })
})

type Worker = { readonly process: ChildProcess; readonly url: string; readonly caPem: string }

/** `chargemesh cloud run` as a process. */
async function startWorker(credentials: string, dir: string, url: string): Promise<Worker> {
  const words = [
    'cloud',
    'run',
    '--credentials',
    credentials,
    '--dir',
    dir,
    '--listen',
    '127.0.0.1:0',
    '--json',
  ]
  const process = spawn(globalThis.process.execPath, [MAIN, ...words, '--database-url', url])
  let said = ''
  process.stdout.setEncoding('utf8').on('data', text => {
    said += String(text)
  })
  await until(() => said.includes('"ready"'), { withinMs: 25_000, what: 'a receiver that runs' })
  const line = said.split('\n').find(one => one.includes('"ready"')) ?? ''
  const { url: at, caFile } = JSON.parse(line) as { url: string; caFile: string }
  return { process, url: at, caPem: await readFile(caFile, 'utf8') }
}

describe('a receiver that is killed in the middle of a push', () => {
  it('leaves nothing half done: another one takes the same push, once', async () => {
    const folder = await tempFolder()
    const [site, node] = [join(folder.dir, 'site'), join(folder.dir, 'node')]
    const url = await server.database()
    await mustRun('site', 'init', site, '--name', 'North Stand')
    await mustRun('node', 'join', '--site', site, '--dir', node, '--name', 'pole-1')
    const one = await startWorker(join(site, 'cloud'), join(folder.dir, 'worker'), url)
    const database = await openDatabase({ url, dir: 'memory' })
    const identity = await readIdentity(node)
    const [siteId, signatures] = [siteIdIn(identity.site), ed25519()]
    const roster = createRoster({ signatures }, siteId, unhex(identity.site.rootKey))
    for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
    const certificate = roster.all().at(-1)
    if (!certificate) throw new Error('a node')
    const keys = { logKey: unhex(identity.keys.logKey), peerKey: new Uint8Array(), sealKey: new Uint8Array() }
    const device = { name: 'pole-1', keys, certificate }
    const now = systemClock()
    const log = charged(
      openLog({ siteId, signatures, random: systemRandom().bytes }, device, { openedAt: now.wallMs() - 1e6 }),
      ...([20, 'CP-1'] as const),
    )
    const push = { ...pushOf(log.segments(0, 6)), certificates: identity.certificates.map(unhex) }

    // Whoever writes a bill waits, until it is killed while it does.
    const uplink = uplinkTo(one, siteId, device, now)
    let cut: Promise<unknown> = Promise.resolve()
    await database.transaction(async sql => {
      await sql('LOCK TABLE bills IN SHARE ROW EXCLUSIVE MODE')
      cut = uplink.push(push).catch((error: unknown) => error)
      const waits = async (): Promise<boolean> =>
        (await database.query('SELECT 1 FROM pg_locks WHERE NOT granted')).rows.length > 0
      await until(waits, { withinMs: 10_000, what: 'a push that writes' })
      one.process.kill('SIGKILL')
      await cut
    })
    expect(await cut).toMatchObject({ code: 'UPLINK_FAILED' })
    uplink.close()
    expect((await database.query('SELECT 1 FROM bills')).rows).toEqual([])

    const own = await readIdentity(join(site, 'cloud'))
    const certificates = own.certificates.map(unhex)
    const cloud = { certificate: certificates.at(-1) ?? new Uint8Array(), logKey: unhex(own.keys.logKey) }
    const rootKey = unhex(own.site.rootKey)
    const two = await opened(database, [{ siteId, rootKey, name: own.site.name, certificates, cloud }], now)
    const other = uplinkTo(two, siteId, device, now)
    const answer = await other.push(push)
    other.close()
    expect(answer.refused).toEqual([])
    const bills = (await billsPage(database, siteId, ALL)).items as { sessionId: string }[]
    expect(new Set(bills.map(({ sessionId }) => sessionId)).size).toBe(20)
    expect(bills).toHaveLength(20)
    const [head] = (await database.query('SELECT contiguous_seq, ack_due FROM log_head')).rows
    expect([Number(head?.contiguous_seq), head?.ack_due]).toEqual([log.ref().seq, false])
    await two.close()
    await database.close()
    await folder.remove()
  })
})

describe('a server that is away for a while', () => {
  it('is told by /readyz and 503, not by /healthz, and nothing is lost', async () => {
    const url = await server.database()
    const database = await openDatabase({ url, dir: 'memory' })
    const site = testSite('away')
    const receiver = await opened(database, [served(site, 'Stadium')])
    const node = site.device('north')
    const uplink = uplinkTo(receiver, site.siteId, node)
    const log = charged(site.openLog(node), 1, 'CP-1')
    await uplink.push(pushOf(log.segments()))
    expect([await statusOf(receiver, '/healthz'), await statusOf(receiver, '/readyz')]).toEqual([200, 200])
    await server.stop()
    expect([await statusOf(receiver, '/healthz'), await statusOf(receiver, '/readyz')]).toEqual([200, 503])
    charged(log, 1, 'CP-2')
    await expect(uplink.push(pushOf(log.segments()))).rejects.toMatchObject({ status: 503 })
    await server.start()
    await until(async () => (await statusOf(receiver, '/readyz')) === 200, {
      withinMs: 5000,
      what: 'readiness',
    })
    const answer = await uplink.push(pushOf(log.segments()))
    expect([answer.refused, answer.acks.length]).toEqual([[], 1])
    expect((await billsPage(database, site.siteId, ALL)).items).toHaveLength(2)
    uplink.close()
    await receiver.close()
    await database.close()
  })
})

function statusOf({ url, caPem }: Receiver, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = https.request(`${url}${path}`, { ca: caPem, agent: false }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    request.end()
  })
}

describe('the durability of a real server', () => {
  it('is 1 without a replica', async () => {
    const database = await openDatabase({ url: await server.database(), dir: 'memory' })
    await migrate(database)
    expect(await createDurability(database, clock)()).toBe(1)
    await database.close()
  })
})

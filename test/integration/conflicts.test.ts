// The inbox as an operator meets it: a real site folder, a real receiver, and the command line. What is decided is written
// into the operator's log, and bills change when that log reaches the cloud.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCertificates } from '../../src/cloud/certificates.ts'
import type { Database } from '../../src/cloud/database.ts'
import { FINALISE_AFTER_MS, finalise } from '../../src/cloud/finalise.ts'
import { ingest } from '../../src/cloud/ingest.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { readIdentity, siteIdIn } from '../../src/host/identity-files.ts'
import { openOperator } from '../../src/host/operator.ts'
import { systemRandom } from '../../src/host/system.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { unhex } from '../../src/units.ts'
import { openLog, type SessionWords, SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { openTestDatabase, quiet, testClock } from './cloud-bench.ts'
import { mustRun, run } from './operator-site.ts'

const TOKEN = 'a-token-for-the-operator'
const [signatures, clock] = [ed25519(), testClock()]
let database: Database
let receiver: Receiver
let dir: string
let site: string
let cloud: string
/** Gives the cloud what a node says. */
let say: (bodies: readonly AnyBody[]) => Promise<void>
/** Gives the cloud what the operator's folder holds. */
let handOver: () => Promise<void>

beforeAll(async () => {
  database = await openTestDatabase()
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-conflicts-'))
  ;[site, cloud] = [join(dir, 'site'), join(dir, 'cloud')]
  await mustRun('site', 'init', site, '--name', 'North Stand', '--currency', 'EUR')
  await mustRun('node', 'join', '--site', site, '--dir', join(dir, 'node'), '--name', 'pole-1')
  const own = await readIdentity(join(site, 'cloud'))
  const [siteId, rootKey] = [siteIdIn(own.site), unhex(own.site.rootKey)]
  const certificates = own.certificates.map(unhex)
  await mkdir(cloud)
  receiver = await openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, operatorToken: TOKEN },
    sites: [
      {
        ...{ siteId, rootKey, name: own.site.name, certificates },
        cloud: { certificate: certificates.at(-1) ?? new Uint8Array(), logKey: unhex(own.keys.logKey) },
      },
    ],
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    ...{ signatures, clock, random: systemRandom(), logger: quiet },
  })
  await writeFile(join(cloud, 'ca.pem'), receiver.caPem)
  await writeFile(join(cloud, 'receiver.json'), JSON.stringify({ url: receiver.url, token: TOKEN }))

  const node = await readIdentity(join(dir, 'node'))
  const roster = createRoster({ signatures }, siteId, rootKey)
  for (const encoded of node.certificates) roster.enrol(unhex(encoded))
  const certificate = roster.all().at(-1)
  if (!certificate) throw new Error('a node')
  const keys = { logKey: unhex(node.keys.logKey), peerKey: new Uint8Array(), sealKey: new Uint8Array() }
  const store = await openCertificates({ ...{ database, siteId, rootKey, signatures }, certificates })
  const deps = { ...{ database, siteId, certificates: store, signatures, clock, logger: quiet } }
  say = async bodies => {
    const random = (length: number) => systemRandom().bytes(length)
    const log = openLog({ siteId, signatures, random }, { name: 'pole-1', keys, certificate }, {})
    for (const body of bodies) log.append([body])
    const push = { segments: log.segments(), certificates: node.certificates.map(unhex) }
    expect(await ingest(deps, push)).toEqual([])
  }
  handOver = async () => {
    const operator = await openOperator(site)
    const { segments, certificates: issuers } = operator.submission()
    await operator.close()
    expect(await ingest(deps, { segments, certificates: issuers })).toEqual([])
  }
  await handOver()
})
afterAll(async () => {
  await receiver.close()
  await database.close()
  await rm(dir, { recursive: true })
})

type Listed = Readonly<Record<string, unknown>>

async function listed(...words: readonly string[]): Promise<readonly Listed[]> {
  return JSON.parse((await mustRun(...words, '--cloud', cloud, '--json')).out) as readonly Listed[]
}

const conflicts = (...words: readonly string[]) => listed('conflicts', 'list', ...words)
const bills = (...words: readonly string[]) => listed('bills', 'list', ...words)
const resolve = (...words: readonly string[]) =>
  run('conflicts', 'resolve', ...words, '--site', site, '--cloud', cloud, '--yes')

/** Two stops: 2.5 kWh at 0.25, or 22.5 more. */
async function conflict(words: SessionWords): Promise<string> {
  const one = sessionBodies(words)
  await say([one.start, one.pricing, one.end, sessionBodies({ ...words, meterStopWh: 179_200 }).end])
  return one.sessionId
}

describe('conflicts', () => {
  it('are listed with what they may be, resolved by a rule, and gone when the cloud has heard', async () => {
    const [first, second] = [await conflict({ connectorId: 1 }), await conflict({ connectorId: 2 })]
    const unpriced = sessionBodies({ connectorId: 3 })
    await say([unpriced.start, unpriced.end])
    expect((await conflicts('--reason', 'conflicting-ends')).map(one => one.sessionId).toSorted()).toEqual(
      [first, second].toSorted(),
    )
    const table = await mustRun('conflicts', 'list', '--cloud', cloud)
    expect(table.out).toContain('0.63 EUR or 6.25 EUR')
    expect(table.out).toContain('3 wait: 2 conflicting-ends, 1 unpriced')
    const shown = (await mustRun('conflicts', 'show', first.slice(0, 8), '--cloud', cloud)).out
    expect(shown).toContain('may be       25.000 kWh by this stop, 6.25 EUR')
    expect(shown).toMatch(/rule {9}bill-end --keep [0-9a-f]{32}\/4: 6.25/)

    const all = await resolve('--all', '--rule', 'bill-smaller')
    expect(all.code).toBe(1)
    expect(all.error).toContain('nothing was written: bill-smaller does not fit 1 of 3')
    expect(all.error).toContain(`${unpriced.sessionId.slice(0, 12)} (unpriced): waive, tariff would`)
    const dry = await resolve('--all', '--reason', 'conflicting-ends', '--rule', 'bill-smaller', '--dry-run')
    expect(dry.out).toContain('2 sessions, billed 1.26 EUR so far, would be 1.26 EUR')
    await handOver()
    expect(await conflicts()).toHaveLength(3)

    const keep = /--keep (\S+): 6.25/.exec(shown)?.[1] ?? ''
    expect(await resolve(first.slice(0, 8), '--rule', 'bill-end', '--keep', keep)).toMatchObject({ code: 0 })
    const rest = await resolve('--all', '--reason', 'unpriced', '--rule', 'waive', '--note', 'our fault')
    expect(rest).toMatchObject({ code: 0 })
    // Written in the folder, and not yet heard of.
    expect(await conflicts()).toHaveLength(3)
    await handOver()
    expect((await conflicts()).map(one => one.sessionId)).toEqual([second])
    expect(await bills('--session', first)).toMatchObject([
      { revision: 0, kind: 'invoice', amount: '0.63' },
      { revision: 1, kind: 'debit', amount: '5.62', reason: 'resolved' },
    ])
    expect((await mustRun('bills', 'list', '--state', 'complete', '--cloud', cloud)).out).toContain(
      '2 revisions of 1 sessions: 6.25 EUR',
    )
    expect(await bills('--to', '2020-01-01')).toEqual([])
  })

  it('are refused what cannot be', async () => {
    const id = await conflict({ connectorId: 4 })
    for (const [words, why] of [
      [[id, '--rule', 'amount', '--amount', '6.26'], 'more than anything speaks for, at most 6.25 EUR'],
      [[id, '--rule', 'amount', '--amount', '0.005'], 'cannot be paid in EUR'],
      [[id, '--rule', 'amount', '--amount', '-1'], 'needs --amount, a plain decimal'],
      [[id, '--rule', 'accept-debit'], 'bill-smaller, bill-end, waive, amount, tariff would'],
      [[id, '--rule', 'bill-end', '--keep', 'abc/1'], 'no such stop'],
      [[id, '--rule', 'tariff', '--tariff', 'GOLD'], '--tariff GOLD: this folder knows none'],
      [['ffffffff', '--rule', 'waive'], 'nothing waits to be decided about it'],
      [['xyz', '--rule', 'waive'], 'at least 4 hex digits'],
      [[id, '--all', '--rule', 'waive'], 'not both'],
      [['--rule', 'waive'], 'not both'],
      [[id, '--rule', 'gift'], 'wanted one of bill-smaller'],
    ] as const) {
      const said = await resolve(...words)
      expect([said.code, said.error]).toEqual([1, expect.stringContaining(why)])
    }
    const unasked = await run('conflicts', 'resolve', id, '--rule', 'waive', '--site', site, '--cloud', cloud)
    expect(unasked).toMatchObject({ code: 1, error: expect.stringContaining('add --yes') })
    await handOver()
    expect((await conflicts()).map(one => one.sessionId)).toContain(id)
  })

  it('name stops that fit no session, until their session comes', async () => {
    const lost = sessionBodies({ chargerId: 'CP-9' })
    await say([lost.end])
    expect(await conflicts('--reason', 'orphan-stop')).toMatchObject([
      { kind: 'stop', chargerId: 'CP-9', meterStopWh: 156_700, sessionId: lost.sessionId },
    ])
    expect((await mustRun('conflicts', 'list', '--cloud', cloud)).out).toContain('1 orphan-stop')
    // The same stop from another node is no second one.
    await say([lost.end])
    expect(await conflicts('--reason', 'orphan-stop')).toHaveLength(1)
    await say([lost.start, lost.pricing])
    expect(await conflicts('--reason', 'orphan-stop')).toEqual([])
  })

  it('come in pages, and by age', async () => {
    for (let n = 0; n < 105; n++) {
      const one = sessionBodies({ chargerId: 'CP-20', meterStartWh: 1000 * n })
      await say([one.start, one.end])
    }
    const all = await conflicts()
    expect(all.filter(one => one.chargerId === 'CP-20')).toHaveLength(105)
    expect(new Set(all.map(one => one.sessionId)).size).toBe(all.length)
    expect(await conflicts('--older-than', '3d')).toHaveLength(all.length)
    expect((await run('conflicts', 'list', '--older-than', 'long', '--cloud', cloud)).error).toContain(
      'such as',
    )
    const said = await resolve('--all', '--reason', 'unpriced', '--rule', 'waive', '--json')
    expect(JSON.parse(said.out)).toMatchObject({ resolved: 105 })
    await handOver()
    expect((await conflicts()).filter(one => one.chargerId === 'CP-20')).toEqual([])
  })
})

describe('a refund', () => {
  const refund = (session: string, amount: string, ...more: readonly string[]) =>
    run('refund', session, '--amount', amount, '--reason', 'slow', '--site', site, '--cloud', cloud, ...more)

  it('becomes a credit, and never more than was billed', async () => {
    const one = sessionBodies({ chargerId: 'CP-5' })
    await say([one.start, one.pricing, one.end])
    expect((await refund(one.sessionId, '0.64')).error).toContain('only 0.63 EUR of the bill are left')
    expect((await refund(one.sessionId, '0')).error).toContain('above zero')
    expect((await refund(one.sessionId, '0.001')).error).toContain('cannot be paid')
    expect((await refund(one.sessionId, '0.10', '--currency', 'USD')).error).toContain('the bill is in EUR')
    expect((await refund('ffffffff', '0.10')).error).toContain('nothing was billed')
    expect((await refund(one.sessionId.slice(0, 8), '0.40')).out).toContain('0.40 EUR of 0.63')
    await handOver()
    await handOver()
    expect(await bills('--session', one.sessionId)).toMatchObject([
      { kind: 'invoice', amount: '0.63' },
      { kind: 'credit', amount: '-0.40', reason: 'refunded' },
    ])
    expect((await refund(one.sessionId, '0.24')).error).toContain('only 0.23 EUR')
    expect((await refund(one.sessionId, '0.03')).out).toContain('0.03 EUR of 0.23 EUR')
    await handOver()
    await handOver()
    expect((await refund(one.sessionId, '0.21')).error).toContain('only 0.20 EUR')
  })

  it('is in the digits of its currency', async () => {
    const one = sessionBodies({ chargerId: 'CP-17', currency: 'JPY', pricePerKwh: '40' })
    await say([one.start, one.pricing, one.end])
    await handOver()
    expect((await refund(one.sessionId, '20.50')).error).toContain('cannot be paid in JPY')
  })
})

describe('a session without a stop', () => {
  it('waits as provisional, is accepted, and is shown again when its stop comes', async () => {
    const one = sessionBodies({ chargerId: 'CP-6', meterStopWh: 200_000 })
    await say([one.start, one.pricing, one.tick(155_200, SITE_OPENED_AT + 600_000)])
    clock.set(clock.wallMs() + FINALISE_AFTER_MS)
    await finalise(database, siteIdIn((await readIdentity(join(site, 'cloud'))).site), clock)
    expect(await conflicts('--reason', 'provisional')).toMatchObject([{ sessionId: one.sessionId }])
    expect(await resolve(one.sessionId, '--rule', 'bill-smaller')).toMatchObject({ code: 0 })
    await handOver()
    expect(await conflicts('--reason', 'provisional')).toEqual([])
    await say([one.end])
    expect(await conflicts('--reason', 'resolved-on-other-evidence')).toMatchObject([
      { sessionId: one.sessionId, billed: '0.25', state: 'disputed' },
    ])
    expect(await resolve(one.sessionId, '--rule', 'amount', '--amount', '11.45')).toMatchObject({ code: 0 })
    await handOver()
    const own = await bills('--session', one.sessionId)
    expect(own.map(bill => bill.amount)).toEqual(['0.25', '11.20'])
    expect(await conflicts('--reason', 'resolved-on-other-evidence')).toEqual([])
  })
})

describe('a session without a price', () => {
  it('is billed by the tariff that is named as it was when the session began, not as it will be', async () => {
    for (const [price, from] of [
      ['0.30', '2026-05-01T00:00Z'],
      ['0.90', '2026-06-02T00:00Z'],
    ] as const)
      await mustRun('tariff', 'set', price, '--from', from, '--site', site)
    const one = sessionBodies({ chargerId: 'CP-7' })
    await say([one.start, one.end])
    expect(await resolve(one.sessionId, '--rule', 'tariff', '--tariff', 'STANDARD')).toMatchObject({
      code: 0,
    })
    await handOver()
    expect(await bills('--session', one.sessionId)).toMatchObject([{ amount: '0.75', reason: 'resolved' }])
  })
})

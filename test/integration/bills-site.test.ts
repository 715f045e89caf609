// A site of two nodes and a cloud that is a process of its own: one session is traced from the charger's words to its bill,
// and leaves as a charge detail record with the card's own id.
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type Running, start } from '../../simulations/real/processes.ts'
import type { TraceReport } from '../../src/api/trace.ts'
import type { CloudTrace } from '../../src/cloud/trace.ts'
import { openOperator } from '../../src/host/operator.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { systemRandom } from '../../src/host/system.ts'
import { cdrFaults } from '../billing/ocpi-tables.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'
import { openToldCharger } from './told-charger.ts'

const CARD = '04D7C0FFEE5E9A'
const PASSWORD = 'sixteen-or-more-chars'

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir, otherDir, cloudDir] = ['', '', '', '']
let node: RunningNode
let other: RunningNode
let cloud: Running
let charger: VirtualCharger
let sessionId = ''

type Told = { readonly node?: TraceReport; readonly cloud?: CloudTrace | 'unknown' }

async function traced(...words: readonly string[]): Promise<Told> {
  return JSON.parse((await mustRun('trace', sessionId.slice(0, 8), '--json', ...words)).out) as Told
}

beforeAll(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir, node } = await startSite(folder.dir))
  ;[otherDir, cloudDir] = [join(folder.dir, 'other'), join(folder.dir, 'cloud')]
  const to = ['--site', site, '--via', nodeDir]
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--peer', node.meshAddresses[0] ?? '']
  await mustRun('node', 'join', ...to, '--dir', otherDir, '--name', 'pole-2', ...ports)
  other = await runNode(otherDir)
  const operator = await openOperator(site)
  await operator.record([{ name: 'policy', body: { name: 'local-lists', value: 'on' } }])
  await operator.close()
  await mustRun('charger', 'add', 'CP01', 'CP02', '--password', PASSWORD, '--type', 'IEC_62196_T2', ...to)
  await mustRun('token', 'add', CARD, '--label', 'baker', ...to)
  await mustRun('tariff', 'set', '0.25', ...to)
  const credentials = ['--credentials', join(site, 'cloud'), '--dir', cloudDir, '--listen', '127.0.0.1:0']
  cloud = await start(['cloud', 'run', ...credentials], join(folder.dir, 'cloud.log'))
  charger = openVirtualCharger({
    ...{ identity: 'CP01', password: PASSWORD, urls: [node.ocppUrl], connectors: 1, random: systemRandom() },
    ...{ meterIntervalMs: 100, retryIntervalMs: 50, timeScale: 600 },
  })
  charger.plugIn(1)
  await until(async () => (await charger.tap(1, CARD)).accepted, {
    withinMs: 20_000,
    what: 'the card is known',
  })
  const charged = async () =>
    (await asked<readonly { energySoFarWh?: number }[]>(nodeDir, '/v1/sessions')).some(
      ({ energySoFarWh = 0 }) => energySoFarWh > 0,
    )
  await until(charged, { withinMs: 20_000, what: 'energy' })
  await charger.stop(1)
  const ended = async () =>
    (await asked<readonly { sessionId: string; stoppedAt?: string }[]>(nodeDir, '/v1/sessions')).find(
      ({ stoppedAt }) => stoppedAt !== undefined,
    )
  await until(async () => (await ended()) !== undefined, { withinMs: 20_000, what: 'the end' })
  sessionId = (await ended())?.sessionId ?? ''
}, 90_000)

afterAll(async () => {
  charger.close()
  await Promise.all([node.close(), other.close()])
  await cloud.stop()
  await folder.remove()
})

describe('a session before any uplink', () => {
  it('is safe here, held by both nodes, and waits', async () => {
    const held = async () =>
      (await traced('--via', nodeDir)).node?.logs[0]?.holders.includes('pole-2') === true
    await until(held, { withinMs: 20_000, what: 'the other node holds it' })
    const { node: told } = await traced('--via', nodeDir)
    expect(told).toMatchObject({
      sessionId,
      chargerId: 'CP01',
      state: 'completed',
      toldBy: 'pole-1',
      durable: true,
    })
    expect(told?.events.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['session_start', 'pricing', 'session_end']),
    )
    expect(told?.events.every(({ acked, node: by }) => !acked && by === 'pole-1')).toBe(true)
    expect(told?.ticks[0]?.count).toBeGreaterThan(0)
    expect(told?.logs).toMatchObject([{ node: 'pole-1' }])
    expect(told?.logs[0]?.unsent).toBeGreaterThan(2)
    expect(told?.logs[0]).not.toHaveProperty('ack')
    const said = await mustRun('trace', sessionId, '--via', otherDir)
    expect(said.out).toMatch(/as pole-2 knows it, all of it on its disk/)
    expect(said.out).toMatch(/session_start +[0-9a-f]{8}\/\d+ +[0-9a-f]{8} +waits/)
    expect(said.out).toContain('this node has no uplink')
  })

  it('is nothing that the cloud has heard of', async () => {
    expect((await traced('--via', nodeDir, '--cloud', cloudDir)).cloud).toBe('unknown')
    const said = await run('trace', sessionId, '--cloud', cloudDir)
    expect(said).toMatchObject({ code: 1 })
    expect(said.error).toMatch(/the cloud has none; it may not have been handed in yet/)
  })

  it.each([
    [['ffffffff', '--via', 'NODE'], /this node knows none/],
    [['abc', '--cloud', 'CLOUD'], /at least 4 hex digits/],
    [['abcd"\n,', '--cloud', 'CLOUD'], /at least 4 hex digits/],
    [['abcd1234'], /name --via <node folder>, --cloud <dir>, or both/],
  ])('asked for as %j is refused', async (words, message) => {
    const given = words.map(word => ({ NODE: nodeDir, CLOUD: cloudDir })[word] ?? word)
    const said = await run('trace', ...given)
    expect(said).toMatchObject({ code: 1 })
    expect(said.error).toMatch(message)
  })
})

describe('the same session with an uplink', () => {
  beforeAll(async () => {
    await mustRun(
      'uplink',
      'add',
      String(cloud.ready.url),
      '--ca',
      join(cloudDir, 'ca.pem'),
      '--via',
      otherDir,
    )
    const marked = async () =>
      (await traced('--via', nodeDir)).node?.events.some(({ what }) => what === 'reconciliation_mark') ===
      true
    await until(marked, { withinMs: 30_000, what: 'the mark' })
    await mustRun('uplink', 'hurry', '--via', otherDir)
    const acked = async () =>
      (await traced('--via', nodeDir)).node?.events.every(event => event.acked) === true
    await until(acked, { withinMs: 30_000, what: 'the receipt for the mark' })
  }, 90_000)

  it('has a receipt, and is billed at the cloud', async () => {
    const { node: told, cloud: held } = await traced('--via', nodeDir, '--cloud', cloudDir)
    expect(told).toMatchObject({
      state: 'reconciled',
      logs: [{ unsent: 0, ack: { durability: 1, cloudEpoch: 1 } }],
    })
    if (!held || held === 'unknown') throw new Error('the cloud knows it')
    expect(held).toMatchObject({ session: { sessionId, state: 'complete' }, cloudEpoch: 1 })
    expect(held.events.map(({ event, hash, what }) => ({ event, hash, what }))).toEqual(
      told?.events.map(({ event, hash, what }) => ({ event, hash, what })),
    )
    expect(held.events.every(({ acked, counts, receivedAt }) => acked && counts && receivedAt > 0)).toBe(true)
    expect(held.bills).toMatchObject([{ revision: 0, kind: 'invoice', currency: 'EUR', sentAt: null }])
    const said = await mustRun('trace', sessionId.slice(0, 6), '--cloud', cloudDir)
    expect(said.out).toMatch(/cloud, epoch 1: complete[\s\S]*session_end[\s\S]*invoice +ended +\d+\.\d\d EUR/)
  })

  it('is told by the cloud where the node that is asked knows it no more', async () => {
    const elsewhere = await startSite(join(folder.dir, 'elsewhere'))
    try {
      const words = ['trace', sessionId, '--via', elsewhere.nodeDir, '--cloud', cloudDir]
      const said = JSON.parse((await mustRun(...words, '--json')).out)
      expect(said).toMatchObject({ sessionId, node: 'unknown', cloud: { session: { sessionId } } })
      expect((await mustRun(...words)).out).toContain(
        'node: it knows nothing of this session, or let go of it',
      )
    } finally {
      await elsewhere.node.close()
    }
  })

  it("leaves with its card's own id, from a file of locations that was filled in", async () => {
    const template = (await mustRun('bills', 'locations', '--site', site)).out
    expect(template).toContain('connector_standard: "IEC_62196_T2"')
    const file = join(folder.dir, 'location.yaml')
    await writeFile(file, template)
    const words = ['--cloud', cloudDir, '--format', 'ocpi', '--locations', file]
    const empty = await run('bills', 'export', ...words)
    expect(empty.error).toMatch(/\n {2}country_code\n[\s\S]*\n {2}charger CP01, connector 1: evse_id\n/)
    const filled = {
      ...{ country_code: 'BE', party_id: 'BEC', id: 'stadium', address: 'F.Rooseveltlaan 3A', city: 'Gent' },
      ...{ country: 'BEL', latitude: '51.047599', longitude: '3.729944', evse_id: 'BE*BEC*E041503003' },
      ...{ connector_format: 'SOCKET', connector_power_type: 'AC_3_PHASE' },
    }
    const text = Object.entries(filled).reduce(
      (held, [field, value]) => held.replace(new RegExp(`^( *)${field}: ""`, 'gm'), `$1${field}: "${value}"`),
      template,
    )
    await writeFile(file, text)
    for (const version of ['2.2.1', '2.3.0'] as const) {
      const out = join(folder.dir, `cdrs-${version}.json`)
      const said = await mustRun(
        ...[
          'bills',
          'export',
          ...words,
          '--ocpi-version',
          version,
          '--out',
          out,
          '--with-card-ids',
          '--site',
          site,
        ],
      )
      expect(said.error).toContain('1 revision of bills, together')
      const [cdr, ...others] = JSON.parse(await readFile(out, 'utf8'))
      expect(others).toEqual([])
      expect(cdrFaults(version, cdr)).toEqual([])
      expect(cdr).toMatchObject({ cdr_token: { uid: CARD, type: 'RFID' }, session_id: sessionId })
      expect(cdr.charging_periods[0].tariff_id).toBeTruthy()
    }
    const without = await mustRun('bills', 'export', ...words)
    expect(without.out).not.toContain(CARD)
    expect(JSON.parse(without.out)[0].cdr_token).toMatchObject({ type: 'OTHER' })
    const told = (await mustRun('bills', 'export', '--cloud', cloudDir, '--format', 'jsonl')).out
    expect(told).not.toContain(CARD)
    expect(told).toContain('"visualNumber":"baker"')
  })
})

describe('what a meter signed', () => {
  it('goes along byte for byte where it is asked for, and only then', { timeout: 60_000 }, async () => {
    const meter = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const content = (reason: string, kWh: string): string => {
      const payload = `{"FV":"1.0","MS":"M1","RD":[{"TM":"","TX":"${reason}","RV":${kWh},"RI":"1-b:1.8.0","RU":"kWh","ST":"G"}]}`
      const made = sign('sha256', Buffer.from(payload), meter.privateKey).toString('hex')
      return `OCMF|${payload}|{"SD":"${made}"}`
    }
    const contents = [content('B', '5.000'), content('E', '12.500')]
    const told = await openToldCharger({
      ...{ url: node.ocppUrl, identity: 'CP02', password: PASSWORD, answers: () => ({}) },
    })
    const timestamp = (s: number): string => new Date(Date.now() + s * 1000).toISOString()
    const start = { connectorId: 1, idTag: CARD, meterStart: 5000, timestamp: timestamp(0) }
    const { transactionId } = (await told.call('StartTransaction', start)) as { transactionId: number }
    const transactionData = [
      {
        timestamp: timestamp(2),
        sampledValue: contents.map(text => ({
          value: `{"signedMeterData":"${Buffer.from(text).toString('base64')}","encodingMethod":"OCMF"}`,
          ...{ format: 'SignedData', context: 'Transaction.End' },
        })),
      },
    ]
    const stop = { transactionId, meterStop: 12_500, timestamp: timestamp(2), transactionData }
    await told.call('StopTransaction', stop)
    await told.close()
    const billed = async () => {
      await mustRun('uplink', 'hurry', '--via', otherDir)
      return (
        (JSON.parse((await mustRun('bills', '--cloud', cloudDir, '--json')).out) as readonly unknown[])
          .length === 2
      )
    }
    await until(billed, { withinMs: 30_000, what: 'the second bill' })

    const words = ['bills', 'export', '--cloud', cloudDir, '--format', 'ocpi']
    const wanted = [...words, '--locations', join(folder.dir, 'location.yaml'), '--with-signed-data']
    expect((await run(...wanted)).error).toMatch(/--with-signed-data needs --site/)
    const cdrs = JSON.parse((await mustRun(...wanted, '--site', site)).out)
    expect(cdrs.map((cdr: object) => cdrFaults('2.2.1', cdr))).toEqual([[], []])
    expect(cdrs[0]).not.toHaveProperty('signed_data')
    expect(cdrs[1].signed_data).toEqual({
      encoding_method: 'OCMF',
      signed_values: contents.map((text, i) => ({
        ...{ nature: ['Start', 'End'][i], plain_data: text },
        signed_data: Buffer.from(text).toString('base64'),
      })),
    })
    expect((await mustRun('bills', 'export', '--cloud', cloudDir, '--format', 'jsonl')).out).not.toContain(
      'OCMF',
    )
  })
})

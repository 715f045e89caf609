// Several sites at one receiver: what each pushes is its own, and whoever reads says of which.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cloudReader, cloudRows } from '../../src/cli/receiver.ts'
import type { Database } from '../../src/cloud/database.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { systemRandom } from '../../src/host/system.ts'
import type { PushAnswer } from '../../src/ports.ts'
import { openHttpUplink } from '../../src/uplink/http.ts'
import { sessionBodies, type TestDevice, type TestSite, testSite } from '../site.ts'
import { openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'
import { mustRun, run } from './operator-site.ts'

const TOKEN = 'a-token-for-the-operator'
const clock = testClock()
const named = (name: string): TestSite => testSite(`${name}-${process.pid}-${process.hrtime.bigint()}`)
const [north, south] = [named('north'), named('south')]
let database: Database
let receiver: Receiver
let dir: string

beforeAll(async () => {
  database = await openTestDatabase()
  receiver = await open([served(north, 'North'), served(south, 'South')])
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-sites-'))
  await writeFile(join(dir, 'ca.pem'), receiver.caPem)
  const sites = [
    { siteId: north.siteId, name: 'North' },
    { siteId: south.siteId, name: 'South' },
  ]
  await writeFile(join(dir, 'receiver.json'), JSON.stringify({ url: receiver.url, token: TOKEN, sites }))
})
afterAll(async () => {
  await receiver.close()
  await database.close()
  await rm(dir, { recursive: true })
})

async function open(sites: Parameters<typeof openReceiver>[0]['sites']): Promise<Receiver> {
  return openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, sites, operatorToken: TOKEN },
    tls: await makeServerCertificate(['127.0.0.1']),
    ...{ signatures: north.signatures, clock, random: systemRandom(), logger: quiet },
  })
}

/** The same words at both sites, from a charger of the same name. */
function chargeAt(site: TestSite, device: TestDevice, claimed: TestSite = site): Promise<PushAnswer> {
  const log = site.openLog(device)
  const words = sessionBodies({ chargerId: 'CP01' })
  log.append([words.start, words.pricing, words.tick(155_000), words.end])
  const uplink = openHttpUplink({
    ...{ name: 'fibre', url: receiver.url, caPem: receiver.caPem, clock },
    ...{ siteId: claimed.siteId, signatures: site.signatures, logKey: device.keys.logKey },
    certificate: () => device.certificate.encoded,
  })
  return uplink
    .push({ segments: log.segments(), certificates: [], sinceVersion: 0 })
    .finally(() => uplink.close())
}

describe('several sites at one receiver', () => {
  it('have sessions, bills and acks of their own, though chargers say the same words', async () => {
    const first = await chargeAt(north, north.device('pole'))
    const second = await chargeAt(south, south.device('pole'))
    expect([first.acks.length, second.acks.length]).toEqual([1, 1])
    const sessions = await Promise.all(
      ['North', 'South'].map(name => cloudRows(join(dir, name), '/v1/sessions')),
    )
    expect(sessions.map(rows => rows.length)).toEqual([1, 1])
    expect(sessions[0]?.[0]?.sessionId).toBe(sessions[1]?.[0]?.sessionId)
    const bills = await Promise.all(['North', 'South'].map(name => cloudRows(join(dir, name), '/v1/bills')))
    expect(bills.map(rows => rows.length)).toEqual([1, 1])
    const keys = bills.map(rows => rows[0]?.idempotencyKey)
    expect(keys.every(key => typeof key === 'string')).toBe(true)
    expect(keys[0], 'one payment provider takes both').not.toBe(keys[1])
  })

  it('refuse a device of the other, and a site that is not served', async () => {
    const stranger = chargeAt(north, north.device('pole'), south)
    await expect(stranger).rejects.toMatchObject({ code: 'UPLINK_FAILED', status: 401 })
    await expect(stranger).rejects.toThrow('certificate-refused')
    const elsewhere = named('elsewhere')
    await expect(chargeAt(elsewhere, elsewhere.device('pole'))).rejects.toThrow('foreign-site')
  })

  it('are listed page by page, and read by name or id', async () => {
    const all = await cloudRows(join(dir, 'North'), '/v1/summary').catch((error: unknown) => error)
    expect(all).toBeInstanceOf(Error)
    const read = await cloudReader(join(dir, south.siteId))
    expect(await read('/v1/summary')).toMatchObject({ name: 'South', siteId: south.siteId })
    const response = await cloudRows(dir, '/v1/bills').catch((error: unknown) => error)
    expect(response).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('name one') })
    await expect(cloudRows(join(dir, 'West'), '/v1/bills')).rejects.toThrow('name one')
  })

  it('are shown by the command line, in pages where that is asked for', async () => {
    const sites = JSON.parse((await mustRun('cloud', 'sites', '--cloud', dir, '--json')).out) as unknown[]
    expect(sites).toHaveLength(2)
    expect(sites).toContainEqual(
      expect.objectContaining({
        ...{ name: 'North', siteId: north.siteId, devices: 1, sessions: 1, events: 5 },
        ...{ unacked: 0, gaps: 0, forks: 0, lastEventAt: clock.wallMs() },
      }),
    )
    expect((await mustRun('cloud', 'sites', '--cloud', dir)).out).toMatch(/South.*1 +5 +1/)
    const first = JSON.parse((await mustRun('cloud', 'sites', '--cloud', dir, '--limit', '1', '--json')).out)
    expect(first).toEqual({ items: [expect.anything()], next: expect.any(String) })
    const rest = ['--limit', '1', '--after', first.next as string, '--json']
    const second = JSON.parse((await mustRun('cloud', 'sites', '--cloud', dir, ...rest)).out)
    expect([...first.items, ...second.items]).toEqual(sites)
    expect(second.next).toBeUndefined()
    const at = ['--cloud', join(dir, 'South')]
    expect((await mustRun('cloud', 'sessions', ...at, '--state', 'complete')).out).toContain('CP01')
    expect(JSON.parse((await mustRun('cloud', 'sessions', ...at, '--state', 'open', '--json')).out)).toEqual(
      [],
    )
    expect((await mustRun('cloud', 'gaps', ...at)).out).toContain('no gaps')
    expect((await mustRun('cloud', 'forks', ...at)).out).toContain('no forks')
    expect(await run('cloud', 'sessions', ...at, '--state', 'gone')).toMatchObject({ code: 1 })
    expect(await run('cloud', 'gaps', '--cloud', dir)).toMatchObject({ code: 1 })
  })

  it('do not keep one another out: whoever asks in vain too often is sent away from that site alone', async () => {
    const stranger = () => chargeAt(north, north.device('pole'), south).catch((error: unknown) => error)
    const refusals = Array.from({ length: 60 }, () => stranger)
    for (const ask of refusals) await ask()
    expect(await stranger()).toMatchObject({ status: 429 })
    await expect(chargeAt(south, south.device('pole'))).rejects.toMatchObject({ status: 429 })
    expect((await chargeAt(north, north.device('other pole'))).refused).toEqual([])
  })

  it('cannot be one site twice, or none', async () => {
    await expect(open([served(north, 'North'), served(north, 'Again')])).rejects.toThrow('named twice')
    await expect(open([])).rejects.toThrow('needs a site')
  })
})

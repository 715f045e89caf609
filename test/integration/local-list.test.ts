// Lists in chargers, from the command line to a charge point on a real socket: a whole list first, a difference after a
// revocation, offline by the list alone, and the card's own id nowhere but in the charger.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { openOperator } from '../../src/host/operator.ts'
import type { RunningNode } from '../../src/host/runner.ts'
import type * as System from '../../src/host/system.ts'
import { random, until } from './ocpp-site.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const logged = vi.hoisted(() => [] as string[])
vi.mock('../../src/host/system.ts', async original => {
  const system = await original<typeof System>()
  const write = (word: string) => (event: string, fields?: object) =>
    void logged.push(`${word} ${event} ${JSON.stringify(fields ?? {})}`)
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  return { ...system, systemLogger: () => logger }
})

const PASSWORD = 'sixteen characters'.replace(' ', '-')
const GOOD = 'CARDNUMBER0001'
const LOST = 'CARDNUMBER0002'
const EARLY = 'CARDNUMBER0003'

type Report = {
  readonly state: string
  readonly version?: number
  readonly entries?: number
  readonly unsealed?: number
}

let folder: Awaited<ReturnType<typeof tempFolder>>
let running: { readonly site: string; readonly nodeDir: string; readonly node: RunningNode }
const open: VirtualCharger[] = []

beforeAll(async () => {
  folder = await tempFolder()
  running = await startSite(folder.dir)
  const { site, nodeDir } = running
  const to = ['--site', site, '--via', nodeDir]
  await mustRun('charger', 'add', 'CP1', 'CP2', '--password', PASSWORD, ...to)
  await mustRun('token', 'add', EARLY, '--label', 'early', ...to)
  const operator = await openOperator(site)
  await operator.record([{ name: 'policy', body: { name: 'local-lists', value: 'on' } }])
  await operator.close()
  for (const card of [GOOD, LOST]) await mustRun('token', 'add', card, ...to)
}, 60_000)

afterAll(async () => {
  for (const charger of open) charger.close()
  await running.node.close()
  await folder.remove()
})

function charger(identity: string, list?: VirtualChargerList): VirtualCharger {
  const made = openVirtualCharger({
    ...{ identity, password: PASSWORD, urls: [running.node.ocppUrl], connectors: 1, random, timeScale: 60 },
    ...(list && { list }),
  })
  open.push(made)
  return made
}
type VirtualChargerList = NonNullable<Parameters<typeof openVirtualCharger>[0]['list']>

const reportOf = async (identity: string): Promise<Report> =>
  await asked<Report>(running.nodeDir, `/v1/chargers/${identity}/local-list`)

describe('a charger with a list of its own', () => {
  it('is given it whole, then the difference, decides by it alone, and the session is told later', async () => {
    const { site, nodeDir } = running
    const one = charger('CP1', { maxLength: 20, perMessage: 1, forgets: false })
    await until('both cards are listed', () => one.list.verdict(LOST, Date.now()) === 'Accepted')
    expect(one.list.verdict(GOOD, Date.now())).toBe('Accepted')
    expect(one.list.updates().map(update => update.replace(/\d+/, 'n'))).toEqual([
      'Full n Accepted',
      'Differential n Accepted',
    ])
    const before = one.list.version()
    await until('known', () => one.booted())
    expect(await reportOf('CP1')).toMatchObject({
      state: 'holds what it should',
      version: before,
      unsealed: 1,
    })

    await mustRun('token', 'revoke', LOST, '--site', site, '--via', nodeDir)
    await until('blocked', () => one.list.verdict(LOST, Date.now()) === 'Blocked')
    expect(one.list.version()).toBeGreaterThan(before)
    expect(one.list.updates().at(-1)).toContain('Differential')
    const said = await mustRun('charger', 'local-list', 'CP1', '--via', nodeDir)
    expect(said.out).toMatch(/CP1: holds what it should\n.*on\n +version \d+, 2 cards\n/)
    expect(said.out).toContain('1 cards were granted before')
    expect(said.out).toMatch(/sent last \S+ by pole-1/)

    one.disconnect()
    await until('offline', () => !one.connected())
    one.plugIn(1)
    expect(await one.tap(1, LOST)).toEqual({ accepted: false, status: 'Blocked' })
    expect((await one.tap(1, GOOD)).accepted).toBe(true)
    await one.stop(1)
    one.connect()
    await one.settled()
    const sessions = await asked<readonly { chargerId: string; allowed: string }[]>(nodeDir, '/v1/sessions')
    expect(sessions).toMatchObject([{ chargerId: 'CP1', allowed: 'ALLOWED' }])
  }, 60_000)

  it('is left alone when it has none, and the command says so', async () => {
    const { nodeDir } = running
    const two = charger('CP2')
    await until('booted', two.booted)
    const deadline = performance.now() + 20_000
    let report = await reportOf('CP2')
    while (report.state !== 'the charger has no local list' && performance.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 100))
      report = await reportOf('CP2')
    }
    expect(report.state).toBe('the charger has no local list')
    expect((await run('charger', 'local-list', 'NOBODY', '--via', nodeDir)).error).toContain('charger list')
  }, 60_000)

  it('is the only place outside the operator where a card stands: no file, log line, status or report has it', async () => {
    const files = await readdir(running.nodeDir, { recursive: true, withFileTypes: true })
    const texts = await Promise.all(
      files
        .filter(file => file.isFile())
        .map(async file => await readFile(join(file.parentPath, file.name), 'latin1')),
    )
    const plane = await Promise.all(
      ['/v1/status', '/v1/sessions', '/v1/tokens', '/v1/chargers', '/v1/chargers/CP1/local-list'].map(
        async path => JSON.stringify(await asked(running.nodeDir, path)),
      ),
    )
    const all = [...texts, ...plane, ...logged].join('\n').toUpperCase()
    expect(logged.length).toBeGreaterThan(0)
    expect(all.length).toBeGreaterThan(10_000)
    expect(all).not.toContain('CARDNUMBER')
    expect(all).not.toContain(Buffer.from('CARDNUMBER').toString('hex').toUpperCase())
    expect(all).not.toContain(Buffer.from(GOOD).toString('base64').slice(0, 16).toUpperCase())
  })
})

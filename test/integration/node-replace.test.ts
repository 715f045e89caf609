// `chargemesh node replace` with real processes' parts: a box dies with a session that only it knew; its disk is read, a new
// box takes its place, and nothing is lost.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, keptDir, oldDir] = ['', '', '']
const running = new Set<RunningNode>()
let charger: VirtualCharger | undefined

beforeEach(async () => {
  folder = await tempFolder()
  const started = await startSite(folder.dir)
  site = started.site
  keptDir = started.nodeDir
  running.add(started.node)
  oldDir = join(folder.dir, 'pole-7')
})

afterEach(async () => {
  charger?.close()
  for (const node of running) await node.close()
  running.clear()
  await folder.remove()
})

const sessions = async (dir: string) =>
  await asked<readonly { energyWh?: number; state: string }[]>(dir, '/v1/sessions')
const operator = (...words: readonly string[]) => mustRun(...words, '--site', site, '--via', keptDir)

async function start(dir: string): Promise<RunningNode> {
  const node = await runNode(dir)
  running.add(node)
  return node
}

/** An island of one: nobody else hears of what is charged there. */
async function chargeAlone(): Promise<void> {
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
  const added = JSON.parse((await operator('charger', 'add', 'CP01', '--json')).out) as { password: string }[]
  await operator('token', 'add', 'CARD1')
  await operator('node', 'join', '--dir', oldDir, '--name', 'pole-7', '--no-discovery', ...ports)
  const node = await start(oldDir)
  charger = openVirtualCharger({
    ...{ identity: 'CP01', password: added[0]?.password ?? '', urls: [node.ocppUrl], connectors: 1 },
    ...{ random: { bytes: length => new Uint8Array(randomBytes(length)) } },
    ...{ meterIntervalMs: 100, retryIntervalMs: 50, timeScale: 600 },
  })
  const { booted } = charger
  await until(booted, { withinMs: 10_000, what: 'the charger boots' })
  charger.plugIn(1)
  expect((await charger.tap(1, 'CARD1')).accepted).toBe(true)
  const { registerWh } = charger
  const fromWh = registerWh(1)
  await until(async () => registerWh(1) >= fromWh + 10, { withinMs: 10_000, what: 'ten watt-hours' })
  await charger.stop(1)
  await charger.settled()
  charger.close()
  running.delete(node)
  await node.close()
  expect(await sessions(keptDir)).toEqual([])
}

it('saves what only the old disk knew, then lets it in no more', async () => {
  await chargeAlone()
  const newDir = join(folder.dir, 'pole-7b')
  const peer = [...running][0]?.meshAddresses[0] ?? ''
  const words = ['node', 'replace', 'pole-7', '--with', 'pole-7b', '--from', oldDir, '--dir', newDir]
  const { out } = await operator(...words, '--peer', peer)
  expect(out).toMatch(/pole-7b stands in for pole-7; what pole-7 knew \(\d+ events\) is with the mesh/)
  const [saved, ...more] = await sessions(keptDir)
  expect(more).toEqual([])
  expect(saved?.energyWh).toBeGreaterThan(0)
  await start(newDir)
  const devices = await asked<readonly { name: string; revoked: boolean }[]>(keptDir, '/v1/devices')
  expect(devices.find(({ name }) => name === 'pole-7')).toMatchObject({ revoked: true })
  await until(async () => (await sessions(newDir)).length === 1, {
    withinMs: 10_000,
    what: 'the new node knows it',
  })
  expect(await sessions(newDir)).toEqual(await sessions(keptDir))
})

it('revokes nothing while the old disk has not been read, and says so', async () => {
  await chargeAlone()
  const refused = await run(
    'node',
    'replace',
    'pole-7',
    '--with',
    'b',
    '--dir',
    join(folder.dir, 'b'),
    '--site',
    site,
    '--via',
    keptDir,
  )
  expect(refused).toMatchObject({ code: 1, error: expect.stringContaining('--from') })
  const running = await start(oldDir)
  const locked = await run(
    'node',
    'replace',
    'pole-7',
    '--with',
    'b',
    '--from',
    oldDir,
    '--dir',
    join(folder.dir, 'b'),
    '--site',
    site,
    '--via',
    keptDir,
  )
  expect(locked).toMatchObject({ code: 1, error: expect.stringContaining('STORE_LOCKED') })
  const devices = await asked<readonly { revoked: boolean }[]>(keptDir, '/v1/devices')
  expect(devices.some(({ revoked }) => revoked)).toBe(false)
  expect(running.name).toBe('pole-7')
})

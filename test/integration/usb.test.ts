// A stick in the place of an uplink: out at a node, into the cloud at the office, and back, with real nodes and files.
import { appendFile, chmod, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { openTestDatabase } from './cloud-bench.ts'
import { joinAlone, openSiteCloud, type SiteCloud } from './cloud-site.ts'
import { asked, mustRun, run, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let database: Database
let cloud: SiteCloud
let [site, stick] = ['', '']
const nodes: { readonly dir: string; readonly node: RunningNode }[] = []

beforeAll(async () => {
  folder = await tempFolder()
  site = join(folder.dir, 'site')
  stick = join(folder.dir, 'stick')
  await mkdir(stick)
  database = await openTestDatabase()
  await mustRun('site', 'init', site, '--name', 'North Stand')
  cloud = await openSiteCloud(site, { dir: join(folder.dir, 'cloud-data'), database })
  for (const name of ['north', 'south']) {
    const dir = await joinAlone(site, join(folder.dir, name), name)
    nodes.push({ dir, node: await runNode(dir) })
  }
}, 60_000)
afterAll(async () => {
  for (const { node } of nodes) await node.close()
  await cloud.receiver.close()
  await database.close()
  await folder.remove()
})

const north = (): string => nodes[0]?.dir ?? ''
const south = (): string => nodes[1]?.dir ?? ''

async function unsent(dir: string): Promise<number> {
  return (await asked<{ unsentEvents: number }>(dir, '/v1/status')).unsentEvents
}

async function cards(dir: string): Promise<Readonly<Record<string, string>>> {
  const rows = await asked<readonly { card: string; state: string }[]>(dir, '/v1/tokens')
  return Object.fromEntries(rows.map(row => [row.card, row.state]))
}

async function eventsAtCloud(): Promise<number> {
  return Number((await database.query('SELECT count(*) AS n FROM events')).rows[0]?.n)
}

async function files(of = stick): Promise<readonly string[]> {
  const [folderOfSite = ''] = await readdir(join(of, 'CHGMESH'))
  return (await readdir(join(of, 'CHGMESH', folderOfSite)))
    .map(name => join(of, 'CHGMESH', folderOfSite, name))
    .sort()
}

async function said<T>(...words: readonly string[]): Promise<T> {
  return JSON.parse((await mustRun(...words, '--json')).out) as T
}

const office = (): readonly string[] => ['usb', 'import', stick, '--site', site, '--cloud', cloud.dir]

type Exported = { events: number; parts: number; partsOnStick: number; removed: string[]; damaged: string[] }
type Imported = {
  pushed: { parts: number; known: number; events: number }
  back: { parts: number; entries: number; acks: number }
}

describe('a stick', () => {
  it('carries all that a node holds to the cloud, and acks and news back', async () => {
    await mustRun('token', 'add', 'AAAA', '--label', 'a', '--site', site, '--via', north())
    const held = await unsent(north())
    expect(held).toBeGreaterThan(3)
    const out = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(out).toMatchObject({ events: held, parts: 1, partsOnStick: 1 })
    // Said in the office, after the stick left the site, and given to nobody.
    await mustRun('token', 'add', 'BBBB', '--label', 'b', '--site', site)
    const into = await said<Imported>(...office())
    expect(into.pushed).toEqual({ parts: 1, known: 0, events: held })
    expect(await eventsAtCloud()).toBe(held + 1)
    await mustRun('usb', 'import', stick, '--via', north())
    expect(await unsent(north())).toBe(0)
    expect(await cards(north())).toEqual({ a: 'granted', b: 'granted' })
    const again = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(again.removed).toHaveLength(1)
    expect(again).toMatchObject({ parts: 0, partsOnStick: 0 })
  })

  it('serves two islands: each takes what the office wrote, and what the other carried out', async () => {
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', site, '--via', south())
    for (const dir of [north(), south()]) await mustRun('usb', 'export', stick, '--via', dir)
    await mustRun(...office())
    for (const dir of [north(), south()]) await mustRun('usb', 'import', stick, '--via', dir)
    expect(await cards(north())).toEqual({ a: 'granted', b: 'granted', c: 'granted' })
    expect(await cards(south())).toEqual(await cards(north()))
    expect(await unsent(south())).toBe(0)
  })

  it('goes on where it stopped, and the cloud applies everything once', async () => {
    await mustRun('token', 'add', 'DDDD', '--label', 'd', '--site', site, '--via', north())
    const first = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(first.parts).toBe(1)
    expect(await said<Exported>('usb', 'export', stick, '--via', north())).toMatchObject({
      events: 0,
      partsOnStick: 1,
    })
    await mustRun('token', 'add', 'EEEE', '--label', 'e', '--site', site, '--via', north())
    const more = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(more).toMatchObject({ parts: 1, partsOnStick: 2 })
    expect(more.events, 'only what came since').toBe(1)
    const before = await eventsAtCloud()
    expect((await said<Imported>(...office())).pushed).toMatchObject({ parts: 2, known: 0 })
    const after = await eventsAtCloud()
    expect(after - before).toBe(first.events + more.events)
    expect((await said<Imported>(...office())).pushed).toMatchObject({ parts: 0, known: 2 })
    expect(await eventsAtCloud()).toBe(after)
  })
})

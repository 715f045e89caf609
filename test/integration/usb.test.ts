// A stick in the place of an uplink: out at a node, into the cloud at the office, and back, with real nodes and files.
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { openTestDatabase } from './cloud-bench.ts'
import { charge, equip, joinAlone, openSiteCloud, type SiteCloud } from './cloud-site.ts'
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
  await equip(site)
  cloud = await openSiteCloud(site, { dir: join(folder.dir, 'cloud-data'), database })
  for (const name of ['north', 'south']) {
    const dir = await joinAlone(site, join(folder.dir, name), name)
    nodes.push({ dir, node: await runNode(dir) })
  }
}, 240_000)
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

/** Amounts of all bills. */
async function bills(): Promise<readonly string[]> {
  const found = await database.query('SELECT amount::text AS amount FROM bills')
  return found.rows.map(row => String(row.amount))
}

function running(): RunningNode {
  const [first] = nodes
  if (!first) throw new Error('no node runs')
  return first.node
}

let other: Promise<{ dir: string; node: RunningNode }> | undefined
/** A node of a site of its own. */
function otherSite(): Promise<{ dir: string; node: RunningNode }> {
  other ??= (async () => {
    const elsewhere = join(folder.dir, 'elsewhere')
    await mustRun('site', 'init', elsewhere, '--name', 'South Stand')
    const dir = await joinAlone(elsewhere, join(folder.dir, 'east'), 'east')
    return { dir, node: await runNode(dir) }
  })()
  return other
}

async function foreignPart(): Promise<Buffer> {
  const { dir } = await otherSite()
  const apart = join(folder.dir, 'apart')
  await mkdir(apart)
  await mustRun('usb', 'export', apart, '--via', dir)
  return await readFile((await files(apart)).find(file => basename(file).startsWith('UP')) ?? '')
}

const office = (): readonly string[] => ['usb', 'import', stick, '--site', site, '--cloud', cloud.dir]

type Exported = { events: number; parts: number; partsOnStick: number; removed: string[]; damaged: string[] }
type Imported = {
  pushed: { parts: number; known: number; events: number }
  back: { parts: number; entries: number; acks: number }
}

describe('a stick', () => {
  it('carries all that a node holds to the cloud, and acks and news back', async () => {
    await charge(running(), 10_000)
    const held = await unsent(north())
    const out = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(out).toMatchObject({ events: held, parts: 1, partsOnStick: 1 })
    // Said in the office, after the stick left the site, and given to nobody.
    await mustRun('token', 'add', 'BBBB', '--label', 'b', '--site', site)
    const into = await said<Imported>(...office())
    expect(into.pushed).toMatchObject({ parts: 1, known: 0 })
    expect(into.pushed.events, 'what this folder has said went up before').toBeLessThan(held)
    expect(await bills()).toEqual(['0.63'])
    await mustRun('usb', 'import', stick, '--via', north())
    // The mark of reconciliation is new, as soon as it is written.
    expect(await unsent(north())).toBeLessThanOrEqual(1)
    expect(await cards(north())).toEqual({ card: 'granted', b: 'granted' })
    const again = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(again.removed).toHaveLength(1)
    expect(again.events).toBeLessThanOrEqual(1)
  })

  it('serves two islands: each takes what the office wrote, and what the other carried out', async () => {
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', site, '--via', south())
    for (const dir of [north(), south()]) await mustRun('usb', 'export', stick, '--via', dir)
    await mustRun(...office())
    for (const dir of [north(), south()]) await mustRun('usb', 'import', stick, '--via', dir)
    expect(await cards(north())).toEqual({ card: 'granted', b: 'granted', c: 'granted' })
    expect(await cards(south())).toEqual(await cards(north()))
    expect(await unsent(south())).toBeLessThanOrEqual(1)
  })

  it('goes on where it stopped, and the cloud applies everything once', async () => {
    await charge(running(), 20_000)
    const first = await said<Exported>('usb', 'export', stick, '--via', north())
    const same = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(same.events).toBeLessThanOrEqual(1)
    await charge(running(), 30_000)
    const more = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(more).toMatchObject({ parts: 1, partsOnStick: same.partsOnStick + 1 })
    expect(more.events, 'only what came since').toBeLessThan(first.events + 4)
    expect((await said<Imported>(...office())).pushed.parts).toBeGreaterThanOrEqual(2)
    const after = await eventsAtCloud()
    expect((await said<Imported>(...office())).pushed).toMatchObject({ parts: 0, events: 0 })
    expect(await eventsAtCloud()).toBe(after)
    expect(await bills()).toEqual(['0.63', '0.63', '0.63'])
  })

  it('holds short names, and nothing in the clear that only the operator may read', async () => {
    const all = await files()
    expect(all.length).toBeGreaterThan(2)
    for (const file of all) {
      expect(basename(file)).toMatch(/^[A-Z0-9]{1,8}\.[A-Z]{3}$/)
      const bytes = await readFile(file)
      for (const word of ['CP01', 'card', 'epoch', 'EUR'])
        expect(bytes.includes(word), `${word} in ${file}`).toBe(false)
    }
  })
})

describe('a stick that fails', () => {
  it('is not there, or is no folder: nothing is made in its place', async () => {
    const gone = join(folder.dir, 'unplugged')
    const out = await run('usb', 'export', gone, '--via', north())
    expect(out).toMatchObject({ code: 1, error: expect.stringContaining('is the stick mounted?') })
    expect(existsSync(gone)).toBe(false)
  })

  it('was half written when it was pulled out: the half counts for nothing', async () => {
    await charge(running(), 40_000)
    await mustRun('usb', 'export', stick, '--via', north())
    const newest = (await files()).findLast(file => basename(file).startsWith('UP')) ?? ''
    // As a FAT leaves it behind: the length is there, the bytes are not; and a name that is ours no more.
    const whole = await readFile(newest)
    await writeFile(
      newest,
      Buffer.concat([whole.subarray(0, whole.length >> 1), Buffer.alloc(whole.length >> 1)]),
    )
    await writeFile(`${newest}.tmp`, whole.subarray(0, 100))
    const at = await run(...office())
    expect(at).toMatchObject({ code: 1, error: expect.stringContaining(basename(newest)) })
    expect(at.error).toContain('damaged')
    const again = await said<Exported>('usb', 'export', stick, '--via', north())
    expect(again).toMatchObject({ damaged: [basename(newest)], parts: 1 })
    expect(again.events).toBeGreaterThanOrEqual(3)
    await rm(newest)
    expect((await said<Imported>(...office())).pushed.parts).toBeGreaterThan(0)
    expect(await bills()).toHaveLength(4)
  })
})

describe('parts on a stick', () => {
  it('that are forged, foreign, of the future or doubled are refused by name, or known; the rest is taken', async () => {
    await charge(running(), 50_000)
    await mustRun('usb', 'export', stick, '--via', north())
    const part = (await files()).findLast(file => basename(file).startsWith('UP')) ?? ''
    const bytes = await readFile(part)
    const named = async (name: string, change: (copy: Buffer) => void): Promise<void> => {
      const copy = Buffer.from(bytes)
      change(copy)
      await writeFile(join(dirname(part), name), copy)
    }
    await named('UP900001.CMB', copy => copy.writeUInt8((copy.at(-5) ?? 0) ^ 1, copy.length - 5))
    await named('UP900002.CMB', copy => copy.writeUInt8(9, 3))
    await named('UP900003.CMB', () => undefined)
    await writeFile(join(dirname(part), 'UP900004.CMB'), await foreignPart())
    // A name that is no part's is nobody's business.
    await writeFile(join(dirname(part), 'HOLIDAY.JPG'), 'x')
    const at = await run(...office(), '--json')
    for (const number of [1, 2, 3, 4]) await rm(join(dirname(part), `UP90000${number}.CMB`))
    expect(at.code).toBe(1)
    for (const [name, why] of [
      ['UP900001.CMB', 'damaged'],
      ['UP900002.CMB', 'newer software'],
      ['UP900004.CMB', 'another site'],
    ] as const)
      expect(at.error).toMatch(new RegExp(`${name}: [^;]*${why}`))
    expect(at.error).not.toContain('UP900003.CMB')
    const { pushed } = JSON.parse(at.out) as Imported
    expect(pushed.parts).toBeGreaterThan(0)
    expect(pushed.known, 'the doubled one').toBeGreaterThan(0)
    expect(await bills()).toHaveLength(5)
  })

  it('of the way back are refused by a node when they are damaged, or not for it; twice is once', async () => {
    const down = (await files()).find(file => basename(file).startsWith('DN')) ?? ''
    const whole = await readFile(down)
    await mustRun('usb', 'import', stick, '--via', north())
    expect(await said('usb', 'import', stick, '--via', north())).toMatchObject({ entries: 0 })
    const newcomer = await joinAlone(site, join(folder.dir, 'west'), 'west')
    const west = await runNode(newcomer)
    try {
      const out = await run('usb', 'import', stick, '--via', newcomer)
      expect(out).toMatchObject({ code: 1, error: expect.stringContaining('sealed to others') })
      await writeFile(down, Buffer.concat([whole.subarray(0, -9), Buffer.alloc(9)]))
      const damaged = await run('usb', 'import', stick, '--via', north())
      expect(damaged).toMatchObject({ code: 1, error: expect.stringContaining('damaged') })
      // Up instead of down: what is inside counts, not the name.
      await writeFile(
        down,
        await readFile((await files()).find(file => basename(file).startsWith('N')) ?? ''),
      )
      const swapped = await run('usb', 'import', stick, '--via', north())
      expect(swapped).toMatchObject({ code: 1, error: expect.stringContaining('sealed to others') })
    } finally {
      await west.close()
      await writeFile(down, whole)
    }
  })

  it('of two sites lie beside one another', async () => {
    const other = await otherSite()
    try {
      await mustRun('usb', 'export', stick, '--via', other.dir)
      expect(await readdir(join(stick, 'CHGMESH'))).toHaveLength(2)
      expect((await said<Imported>(...office())).pushed).toMatchObject({ events: 0 })
    } finally {
      await other.node.close()
    }
  })
})

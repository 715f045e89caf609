// What the operator says reaches islands that share nothing but a cloud, through whichever uplink is alive.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { rememberPlace } from '../../src/host/place.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { openTestDatabase } from './cloud-bench.ts'
import { giveUplink, joinAlone, openSiteCloud, type SiteCloud } from './cloud-site.ts'
import { asked, mustRun, run, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let database: Database
let cloud: SiteCloud
let site = ''
const islands: { readonly dir: string; readonly node: RunningNode }[] = []

beforeAll(async () => {
  folder = await tempFolder()
  site = join(folder.dir, 'site')
  database = await openTestDatabase()
  await mustRun('site', 'init', site, '--name', 'North Stand')
  cloud = await openSiteCloud(site, { dir: join(folder.dir, 'cloud-data'), database })
  for (const name of ['north', 'south']) {
    const dir = await joinAlone(site, join(folder.dir, name), name)
    islands.push({ dir, node: await runNode(dir) })
    await giveUplink(dir, cloud)
  }
}, 240_000)
afterAll(async () => {
  for (const { node } of islands) await node.close()
  await cloud.receiver.close()
  await database.close()
  await folder.remove()
})

/** Cards as a node knows them: label and state. */
async function cards(dir: string): Promise<Readonly<Record<string, string>>> {
  const rows = await asked<readonly { card: string; state: string }[]>(dir, '/v1/tokens')
  return Object.fromEntries(rows.map(row => [row.card, row.state]))
}

async function prices(dir: string): Promise<unknown> {
  return (await mustRun('tariff', 'show', '--via', dir, '--json')).out
}

/** A node asks within 15 s of its last push; `hurry` asks at once. */
async function reaches(dir: string, what: string, holds: () => Promise<boolean>): Promise<void> {
  await mustRun('uplink', 'hurry', '--via', dir)
  await until(holds, { withinMs: 20_000, what })
}

const via = (): readonly string[] => ['--site', site, '--via', cloud.dir]

describe('two islands without a link, each with its own uplink', () => {
  it('have no link', async () => {
    for (const { dir } of islands)
      expect((await asked<{ peers: readonly string[] }>(dir, '/v1/status')).peers).toEqual([])
  })

  it('both hear of a grant, and of its revocation, by the cloud alone', async () => {
    const said = await mustRun('token', 'add', 'AAAA', '--label', 'a', ...via())
    expect(said.out).toContain(`given to the cloud at ${cloud.receiver.url}`)
    for (const { dir } of islands)
      await reaches(dir, 'the card', async () => (await cards(dir)).a === 'granted')
    await mustRun('token', 'revoke', 'AAAA', ...via())
    for (const { dir } of islands)
      await reaches(dir, 'the revocation', async () => (await cards(dir)).a === 'revoked')
  })

  it('hear of tariffs, policies and chargers likewise, by its address too', async () => {
    const at = ['--site', site, '--via', cloud.receiver.url, '--ca', cloud.caFile]
    await mustRun('tariff', 'set', '0.25', '--from', '2026-01-01', ...at)
    await mustRun('policy', 'set', 'unknown-cards', 'accept', ...at)
    await mustRun('charger', 'add', 'CP01', '--password', 'sixteen-or-more-chars', ...at)
    for (const { dir } of islands)
      await reaches(dir, 'the tariff', async () => {
        const chargers = await asked<readonly { chargerId: string }[]>(dir, '/v1/chargers')
        return String(await prices(dir)).includes('0.25') && chargers.some(one => one.chargerId === 'CP01')
      })
  })

  it('go on with one uplink alive: the other hears as soon as it has one', async () => {
    const [north, south] = islands as [(typeof islands)[0], (typeof islands)[0]]
    await mustRun('uplink', 'remove', 'cloud', '--via', south.dir)
    await mustRun('token', 'add', 'BBBB', '--label', 'b', ...via())
    await reaches(north.dir, 'the card', async () => (await cards(north.dir)).b === 'granted')
    expect((await cards(south.dir)).b).toBeUndefined()
    await giveUplink(south.dir, cloud)
    await reaches(south.dir, 'the card', async () => (await cards(south.dir)).b === 'granted')
  })

  it('get what was said at one of them by way of the cloud', async () => {
    const [north, south] = islands as [(typeof islands)[0], (typeof islands)[0]]
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', site, '--via', north.dir)
    await reaches(north.dir, 'its own', async () => (await cards(north.dir)).c === 'granted')
    await reaches(south.dir, 'the card', async () => (await cards(south.dir)).c === 'granted')
  })
})

describe('a command with a cloud in --via', () => {
  it('writes nothing when the cloud does not answer', async () => {
    const said = await run('token', 'add', 'XXXX', '--site', site, '--via', 'https://127.0.0.1:1')
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('nothing was written') })
    const listed = await mustRun('token', 'list', '--site', site, '--json')
    expect(listed.out).not.toContain('XXXX')
  })

  it('names a node where a cloud cannot say what it needs', async () => {
    for (const words of [
      ['uplink', 'list', '--via', cloud.dir],
      ['keys', 'renew', ...via()],
    ]) {
      const said = await run(...words)
      expect(said.code).toBe(1)
      expect(said.error).toMatch(/a cloud.* name a/)
    }
  })

  it('takes a revoker: it can say what it may, and reach the cloud', async () => {
    await mustRun('token', 'add', 'DDDD', '--label', 'd', ...via())
    await mustRun('token', 'revoke', 'DDDD', '--site', join(site, 'revoker'), '--via', cloud.dir)
    for (const { dir } of islands)
      await reaches(dir, 'the revocation', async () => (await cards(dir)).d === 'revoked')
  })

  it('meets the cloud: a backup laid over the folder opens a new log, and the revocation stays', async () => {
    const backup = join(folder.dir, 'backup')
    await mustRun('token', 'add', 'EEEE', '--label', 'e', ...via())
    await cp(site, backup, { recursive: true })
    await mustRun('token', 'revoke', 'EEEE', ...via())
    await rm(join(site, 'issuer', 'journal'), { recursive: true })
    await cp(backup, site, { recursive: true, force: true })
    await rememberPlace(join(site, 'issuer'))
    const said = await mustRun('token', 'add', 'FFFF', '--label', 'f', ...via())
    expect(said.error).toContain('this folder is older than what the site knows')
    for (const { dir } of islands)
      await reaches(dir, 'the card', async () => (await cards(dir)).f === 'granted')
    expect(await cards(islands[0]?.dir ?? '')).toMatchObject({ e: 'revoked' })
    const forks = await database.query('SELECT count(*) AS n FROM forks')
    expect(Number(forks.rows[0]?.n)).toBe(0)
  })
})

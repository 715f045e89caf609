// A laptop that runs a node beside a site for a few minutes carries everything out: it joins, replicates, leaves, and pushes
// all of it where it has an uplink. When it comes back it brings the cloud's acks.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { openTestDatabase } from './cloud-bench.ts'
import { charge, equip, giveUplink, joinAlone, openSiteCloud, type SiteCloud } from './cloud-site.ts'
import { asked, mustRun, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let database: Database
let cloud: SiteCloud
let [site, pole, laptop] = ['', '', '']
const open: RunningNode[] = []

beforeAll(async () => {
  folder = await tempFolder()
  site = join(folder.dir, 'site')
  database = await openTestDatabase()
  await mustRun('site', 'init', site, '--name', 'North Stand')
  await equip(site)
  cloud = await openSiteCloud(site, { dir: join(folder.dir, 'cloud-data'), database })
}, 240_000)
afterAll(async () => {
  for (const node of open) await node.close()
  await cloud.receiver.close()
  await database.close()
  await folder.remove()
})

async function start(dir: string): Promise<RunningNode> {
  const node = await runNode(dir)
  open.push(node)
  return node
}

async function stop(node: RunningNode): Promise<void> {
  open.splice(open.indexOf(node), 1)
  await node.close()
}

async function status(dir: string): Promise<{ unsentEvents: number; peers: readonly string[] }> {
  return await asked(dir, '/v1/status')
}

async function heads(dir: string): Promise<unknown> {
  const logs = await asked<readonly { logId: string; seq: number; author: string }[]>(dir, '/v1/logs')
  return logs
    .filter(log => log.author !== 'laptop')
    .map(({ logId, seq }) => `${logId}/${seq}`)
    .sort()
}

it('takes out what a pole without an uplink recorded, and brings back that the cloud has it', async () => {
  pole = await joinAlone(site, join(folder.dir, 'pole'), 'pole')
  const standing = await start(pole)
  const address = standing.meshAddresses[0]?.split(':').at(-1) ?? ''
  const config = join(pole, 'node.yaml')
  // The same port when it starts again: the laptop finds it where it was.
  const yaml = await readFile(config, 'utf8')
  await writeFile(config, yaml.replace(/(mesh:\s+listen: "?127\.0\.0\.1:)0/, `$1${address}`))
  await charge(standing, 10_000, 3)
  laptop = join(folder.dir, 'laptop')
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--no-discovery']
  await mustRun(
    ...['node', 'join', '--site', site, '--dir', laptop, '--name', 'laptop', ...ports],
    ...['--peer', `127.0.0.1:${address}`],
  )
  const visiting = await start(laptop)
  await until(async () => String(await heads(laptop)) === String(await heads(pole)), {
    ...{ withinMs: 20_000, what: 'everything on the laptop' },
  })
  await stop(visiting)
  await stop(standing)

  const elsewhere = await start(laptop)
  expect((await status(laptop)).peers).toEqual([])
  await giveUplink(laptop, cloud)
  await until(async () => (await status(laptop)).unsentEvents === 0, { withinMs: 30_000, what: 'the push' })
  const bills = await database.query('SELECT amount::text AS amount FROM bills')
  expect(bills.rows.map(row => row.amount)).toEqual(['0.63', '0.63', '0.63'])
  await mustRun('uplink', 'remove', 'cloud', '--via', laptop)
  await stop(elsewhere)

  await start(pole)
  expect((await status(pole)).unsentEvents).toBeGreaterThan(5)
  await start(laptop)
  await until(async () => (await status(pole)).unsentEvents < 5, { withinMs: 30_000, what: 'the acks' })
})

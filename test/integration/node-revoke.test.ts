// `chargemesh node revoke` on a real mesh: the others leave the node at once, and refuse it after a restart.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { NODE_FILE } from '../../src/host/node-files.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, keptDir, lostDir] = ['', '', '']
const running = new Set<RunningNode>()

async function start(dir: string): Promise<RunningNode> {
  const node = await runNode(dir)
  running.add(node)
  return node
}

async function stop(node: RunningNode): Promise<void> {
  running.delete(node)
  await node.close()
}

/** The system chose the port of the first run; the other node dials that one. */
async function atSamePort(dir: string, address: string): Promise<void> {
  const file = join(dir, NODE_FILE)
  const settings = parse(await readFile(file, 'utf8')) as { mesh: { listen: string } }
  await writeFile(file, stringify({ ...settings, mesh: { ...settings.mesh, listen: address } }))
}

const peers = async (dir: string): Promise<number> =>
  (await asked<{ peers: readonly unknown[] }>(dir, '/v1/status')).peers.length

let [kept, lost] = [] as unknown as [RunningNode, RunningNode]
beforeEach(async () => {
  folder = await tempFolder()
  const started = await startSite(folder.dir)
  site = started.site
  keptDir = started.nodeDir
  kept = started.node
  running.add(kept)
  lostDir = join(folder.dir, 'lost')
  const peer = kept.meshAddresses[0] ?? ''
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--peer', peer]
  await mustRun(
    'node',
    'join',
    '--site',
    site,
    '--dir',
    lostDir,
    '--name',
    'pole-2',
    '--via',
    keptDir,
    ...ports,
  )
  lost = await start(lostDir)
  await until(async () => (await peers(keptDir)) === 1, { withinMs: 10_000, what: 'two nodes meet' })
})

afterEach(async () => {
  for (const node of running) await node.close()
  running.clear()
  await folder.remove()
})

it('shuts the node out at once, and for good', async () => {
  const said = await mustRun('node', 'revoke', 'pole-2', '--stolen', '--site', site, '--via', keptDir)
  expect(said.out).toContain('pole-2 is revoked (stolen)')
  await until(async () => (await peers(keptDir)) === 0, { withinMs: 1_000, what: 'it is left' })
  await stop(kept)
  await atSamePort(keptDir, kept.meshAddresses[0] ?? '')
  kept = await start(keptDir)
  await stop(lost)
  lost = await start(lostDir)
  const refusals = async (): Promise<unknown> =>
    (await asked<{ network: { refused: Record<string, number> } }>(keptDir, '/v1/status')).network.refused
  await until(async () => JSON.stringify(await refusals()).includes('revoked'), {
    ...{ withinMs: 15_000, what: 'the hello says why' },
  })
  expect(await peers(keptDir)).toBe(0)
  const devices = await asked<readonly { name: string; revoked: boolean }[]>(keptDir, '/v1/devices')
  expect(devices.map(({ name, revoked }) => [name, revoked]).sort()).toEqual([
    ['pole-1', false],
    ['pole-2', true],
  ])
})

it.each([
  ['a node that nobody knows', ['pole-9'], 'no node is called pole-9; there are pole-1, pole-2'],
  ['a time that is none', ['pole-2', '--since', 'yesterday'], '--since yesterday: wanted a time'],
  ['a reason that fits nowhere', ['pole-2', '--reason', 'x'.repeat(129)], '129 characters, at most 128'],
])('refuses %s and writes nothing', async (_, words, complaint) => {
  const said = await run('node', 'revoke', ...words, '--site', site, '--via', keptDir)
  expect([said.code, said.error]).toEqual([1, expect.stringContaining(complaint)])
  expect(await peers(keptDir)).toBe(1)
})

it('needs a node that knows how much of the other’s words counts', async () => {
  const said = await run('node', 'revoke', 'pole-2', '--site', site)
  expect([said.code, said.error]).toEqual([1, expect.stringContaining('--via')])
})

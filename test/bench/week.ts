// week: a site that was a week without a way to the cloud, and then has a line of 5 Mbit/s. Real nodes on the stores that a
// week left behind, the real receiver with its embedded database (or that of TEST_DATABASE_URL), and between them a line that
// all nodes share. Timed from the moment in which the line opens. The floor is what it carried at its speed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Running, run, start } from '../../simulations/real/processes.ts'
import { apiFileIn, type Client, clientOf } from '../../src/api/client.ts'
import { cloudReader } from '../../src/cli/receiver.ts'
import { readText } from '../../src/host/identity-files.ts'
import { costOf } from './drive.ts'
import type { Figures } from './figures.ts'
import { type Link, openLink } from './link.ts'
import { recordWeek, type Week } from './week-record.ts'

export type DrainedWeek = Week & { readonly nodes: number; readonly kbit: number; readonly patienceS: number }

const LOOK_MS = 1_000
const SAY_MS = 15_000

type Site = { readonly dir: string; readonly siteDir: string; readonly dirs: readonly string[] }

export async function week(options: DrainedWeek): Promise<Figures> {
  const dir = mkdtempSync(join(tmpdir(), 'chargemesh-week-'))
  const running: Running[] = []
  let link: Link | undefined
  try {
    const site = await foundSite(dir, options.nodes)
    const recorded = await recordWeek(site.siteDir, site.dirs, options)
    const cloudDir = join(dir, 'cloud')
    const url = process.env.TEST_DATABASE_URL
    const cloud = await start(
      [
        ...['cloud', 'run', '--credentials', join(site.siteDir, 'cloud'), '--dir', cloudDir],
        ...['--listen', '127.0.0.1:0', ...(url === undefined ? [] : ['--database-url', url])],
      ],
      join(dir, 'cloud.log'),
    )
    running.push(cloud)
    link = await openLink(Number(new URL(String(cloud.ready.url)).port), options.kbit * 1000)
    const nodes: { readonly process: Running; readonly client: Client }[] = []
    for (const node of site.dirs) {
      const process = await start(['node', 'run', '--dir', node], join(node, 'node.log'))
      running.push(process)
      const file = apiFileIn(node)
      nodes.push({ process, client: clientOf(file, await readText(file, 'the node has just started')) })
      const way = [`https://127.0.0.1:${link.port}`, '--ca', join(cloudDir, 'ca.pem')]
      await run(['uplink', 'add', ...way, '--via', node])
    }
    const before = { nodes: nodes.map(one => costOf(one.process.pid).cpuS), cloud: costOf(cloud.pid).cpuS }
    link.open()
    for (const node of site.dirs) await run(['uplink', 'hurry', '--via', node])
    const drained = await drain({
      ...options,
      cloudDir,
      link,
      clients: nodes.map(one => one.client),
      recorded,
    })
    const bytes = link.bytes()
    const cost = nodes.map(one => costOf(one.process.pid))
    const cpu = costOf(cloud.pid)
    return {
      ...{ events: recorded.events, sessions: recorded.sessions, ...drained },
      ...{ upMb: bytes.up / 1e6, downMb: bytes.down / 1e6, bytesASession: bytes.up / recorded.sessions },
      floorS: (bytes.up * 8) / (options.kbit * 1000),
      nodeCpuS: cost.reduce((sum, one, i) => sum + one.cpuS - (before.nodes[i] ?? 0), 0),
      ...{
        nodeMb: Math.max(...cost.map(one => one.rssMb)),
        cloudCpuS: cpu.cpuS - before.cloud,
        cloudMb: cpu.rssMb,
      },
    }
  } finally {
    link?.close()
    for (const one of running.reverse()) await one.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function foundSite(dir: string, count: number): Promise<Site> {
  const siteDir = join(dir, 'site')
  await run(['site', 'init', siteDir, '--name', 'Week'])
  const dirs = Array.from({ length: count }, (_, i) => join(dir, `node-${i + 1}`))
  for (const [i, node] of dirs.entries()) {
    const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--no-discovery']
    await run(['node', 'join', '--site', siteDir, '--dir', node, '--name', `node-${i + 1}`, ...ports])
  }
  return { dir, siteDir, dirs }
}

type Draining = DrainedWeek & {
  readonly cloudDir: string
  readonly link: Link
  readonly clients: readonly Client[]
  readonly recorded: { readonly events: number; readonly sessions: number }
}

type Drained = { readonly endsS: number; readonly allS: number }

/** Until the cloud knows the end of every session, and until no node has anything left that is not acknowledged. */
async function drain({ cloudDir, clients, recorded, link, patienceS }: Draining): Promise<Drained> {
  const startedMs = performance.now()
  const cloud = await cloudReader(cloudDir)
  const passedS = (): number => (performance.now() - startedMs) / 1000
  let endsS: number | undefined
  let saidMs = 0
  for (;;) {
    const { sessions, events } = (await cloud('/v1/summary')) as Summary
    const ended = Object.entries(sessions).reduce((sum, [state, n]) => sum + (state === 'open' ? 0 : n), 0)
    if (ended >= recorded.sessions) endsS ??= passedS()
    const unsent = await Promise.all(
      clients.map(async one => ((await one.get('/v1/status')) as Status).unsentEvents),
    )
    if (endsS !== undefined && events >= recorded.events && unsent.every(count => count === 0))
      return { endsS, allS: passedS() }
    if (passedS() > patienceS)
      throw new RangeError(
        `after ${patienceS} s ${ended} of ${recorded.sessions} ends, ${events} events are there`,
      )
    if (performance.now() - saidMs > SAY_MS) {
      saidMs = performance.now()
      const mb = (link.bytes().up / 1e6).toFixed(1)
      process.stderr.write(
        `${passedS().toFixed(0)} s: ${ended} ends, ${events} events, ${mb} MB, unsent ${unsent}\n`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}

type Summary = { readonly sessions: Readonly<Record<string, number>>; readonly events: number }
type Status = { readonly unsentEvents: number }

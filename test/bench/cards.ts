// cards: how fast a decision is taken, what the cards of a site weigh in memory, and how long a node of it takes to start.
// The site is a real one, in folders of its own; the node that is started is the product's own process.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { start } from '../../simulations/real/processes.ts'
import { writeNodeConfig } from '../../src/config.ts'
import { openOperator } from '../../src/host/operator.ts'
import { createNode, createSite } from '../../src/host/site-birth.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { CHARGER, refOf } from './card-numbers.ts'
import { costOf, type Kind } from './drive.ts'
import type { Figures } from './figures.ts'

export type Cards = { readonly most: number }

const COUNTS = [1000, 10_000, 100_000]
const RECORDED_TOGETHER = 10_000
/** One card in so many is revoked. */
const REVOKED_EVERY = 50

export async function cards({ most }: Cards, _kind: Kind): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const count of COUNTS.filter(one => one <= most)) {
    const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
    try {
      const nodeDir = await siteWith(count, folder)
      const measured = { ...(await decisions(nodeDir, count)), ...(await startOf(nodeDir, folder)) }
      for (const [name, value] of Object.entries(measured)) figures[`${name}, ${count} cards`] = value
      process.stderr.write(`${JSON.stringify({ cards: count, ...measured })}\n`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return figures
}

/** A node's folder as `node join` makes it, of a site that has so many cards. */
async function siteWith(count: number, folder: string): Promise<string> {
  const [siteDir, nodeDir, nowAt] = [join(folder, 'site'), join(folder, 'node'), Date.now()]
  await createSite(siteDir, { name: 'bench', currency: 'EUR', nowAt })
  const operator = await openOperator(siteDir)
  const charger = { chargerId: CHARGER, salt: new Uint8Array(16), hash: new Uint8Array(32), cost: 1024 }
  await operator.record([{ name: 'charge_point', body: { ...charger, connectors: 1, withdrawn: false } }])
  for (let from = 0; from < count; from += RECORDED_TOGETHER) {
    const numbers = Array.from({ length: Math.min(RECORDED_TOGETHER, count - from) }, (_, i) => from + i)
    await operator.record(numbers.map(number => grantOf(number, nowAt)))
    const lost = numbers.filter(number => number % REVOKED_EVERY === 0)
    await operator.record(
      lost.map(number => ({
        name: 'revoke',
        body: { tokenRef: refOf(number), reason: 'lost', effectiveAt: nowAt },
      })),
    )
  }
  const here = { listen: '127.0.0.1:0' }
  const settings = writeNodeConfig({ name: 'bench', mesh: here, ocpp: here, api: here })
  await createNode(operator, nodeDir, { name: 'bench', nowAt, settings })
  await operator.close()
  return nodeDir
}

/** As `token import` writes it. */
function grantOf(number: number, nowAt: number): AnyBody {
  const tokenRef = refOf(number)
  return {
    name: 'grant',
    body: {
      ...{ tokenRef, accountRef: tokenRef, whitelist: 'ALLOWED', class: 'driver', supersedes: [] },
      ...{ notBeforeAt: nowAt - 1000, notAfterAt: nowAt + 365 * 24 * 3600 * 1000 },
      scope: { zones: [], connectorTypes: [] },
      offline: { maxAgeS: 30 * 24 * 3600, maxWhPerDay: 20_000 },
      visualNumber: `guest ${number}`,
    },
  }
}

/** In a process of its own, where nothing else is in memory. */
async function decisions(nodeDir: string, count: number): Promise<Figures> {
  const program = fileURLToPath(new URL('./decisions.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    program,
    nodeDir,
    `${count}`,
  ])
  return JSON.parse(stdout) as Figures
}

/** From the start of the process until it says that it is ready, and its memory then and at most, with all that it does behind it. */
async function startOf(nodeDir: string, folder: string): Promise<Figures> {
  const run = (): ReturnType<typeof start> => start(['node', 'run', '--dir', nodeDir], join(folder, 'log'))
  // The first start of all writes the documents; every later one compares them.
  const first = await run()
  await settle(first.pid)
  await first.stop()
  const from = performance.now()
  const node = await run()
  const [startMs, ready] = [performance.now() - from, costOf(node.pid)]
  await settle(node.pid)
  const settled = costOf(node.pid)
  await node.stop()
  return { startMs, startCpuS: ready.cpuS, readyMb: ready.rssMb, mostMb: settled.rssMb }
}

const QUIET_MS = 1000

/** Until it has had nothing to do for a while: its documents are compared with the journal behind the start. */
async function settle(pid: number): Promise<void> {
  for (let before = -1; costOf(pid).cpuS - before > 0.05; ) {
    before = costOf(pid).cpuS
    await new Promise(resolve => setTimeout(resolve, QUIET_MS))
  }
}

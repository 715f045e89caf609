// Builds the demo's site with the product's own commands, and wires its nodes through relays: one for each direction
// of each pair, so that the mesh can be cut anywhere while the nodes know nothing of it.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiFileIn, type Client, clientOf } from '../../src/api/client.ts'
import { readText } from '../../src/host/identity-files.ts'
import { freePorts, logIn, type Running, run, start } from './processes.ts'
import { openRelay, type Relay } from './relay.ts'

export type Card = { readonly tag: string; readonly label: string }

export type DemoNode = {
  readonly name: string
  readonly dir: string
  readonly meshPort: number
  readonly ocppPort: number
  running: Running | undefined
  client: Client | undefined
}

export type DemoSite = {
  readonly dir: string
  readonly siteDir: string
  readonly nodes: readonly DemoNode[]
  readonly cards: readonly Card[]
  readonly chargers: readonly { readonly identity: string; readonly password: string }[]
  /** Relay by which node i reaches node j, at `${i}>${j}`. */
  readonly relays: ReadonlyMap<string, Relay>
}

export const REVOKED = [17, 18]
export const EXPIRED = 19
const NODE_NAMES = ['north', 'east', 'south', 'west', 'field']
const CARD_COUNT = 20
const CHARGER_COUNT = 10

export async function bornSite(dir: string, price: string): Promise<DemoSite> {
  const siteDir = join(dir, 'site')
  await mkdir(dir, { recursive: true })
  await run(['site', 'init', siteDir, '--name', 'Demo ground', '--currency', 'EUR'])
  await run(['tariff', 'set', price, '--site', siteDir, '--from', '2026-01-01'])
  const cards = Array.from({ length: CARD_COUNT }, (_, i) => ({
    tag: `04C0FFEE${String(i).padStart(2, '0')}`,
    label: `card ${String(i + 1).padStart(2, '0')}`,
  }))
  const csv = join(dir, 'cards.csv')
  const rows = cards.map((card, i) =>
    i === EXPIRED
      ? `${card.tag},${card.label},2025-01-01,2025-12-31`
      : `${card.tag},${card.label},2026-01-01,2099-12-31`,
  )
  await writeFile(csv, `card,label,from,until\n${rows.join('\n')}\n`)
  await run(['token', 'import', csv, '--site', siteDir])
  for (const i of REVOKED)
    await run(['token', 'revoke', cards[i]?.tag ?? '', '--reason', 'reported lost', '--site', siteDir])
  const identities = Array.from({ length: CHARGER_COUNT }, (_, i) => `CP${String(i + 1).padStart(2, '0')}`)
  const chargers = JSON.parse(await run(['charger', 'add', ...identities, '--site', siteDir, '--json']))
  const { nodes, relays } = await wireNodes(dir, siteDir)
  return { dir, siteDir, nodes, cards, chargers, relays }
}

async function wireNodes(dir: string, siteDir: string): Promise<Pick<DemoSite, 'nodes' | 'relays'>> {
  const ports = await freePorts(2 * NODE_NAMES.length)
  const nodes = NODE_NAMES.map(
    (name, i): DemoNode => ({
      name,
      dir: join(dir, name),
      meshPort: ports[2 * i] ?? 0,
      ocppPort: ports[2 * i + 1] ?? 0,
      running: undefined,
      client: undefined,
    }),
  )
  const relays = new Map<string, Relay>()
  for (const [i] of nodes.entries()) {
    for (const [j, to] of nodes.entries()) {
      if (i !== j)
        relays.set(`${i}>${j}`, await openRelay({ targetHost: '127.0.0.1', targetPort: to.meshPort }))
    }
  }
  for (const [i, node] of nodes.entries()) {
    const peers = nodes.flatMap((_, j) => {
      const relay = relays.get(`${i}>${j}`)
      return relay ? ['--peer', `127.0.0.1:${relay.port}`] : []
    })
    const addresses = ['--mesh', `127.0.0.1:${node.meshPort}`, '--ocpp', `127.0.0.1:${node.ocppPort}`]
    await run([
      'node',
      'join',
      '--site',
      siteDir,
      '--dir',
      node.dir,
      '--name',
      node.name,
      ...addresses,
      ...peers,
    ])
  }
  return { nodes, relays }
}

export async function startDemoNode(node: DemoNode): Promise<void> {
  node.running = await start(['node', 'run', '--dir', node.dir], logIn(node.dir))
  const file = apiFileIn(node.dir)
  node.client = clientOf(file, await readText(file, 'the node has just started'))
}

/** Cuts every relay between the two groups, one direction as a dead radio, the other as a pulled cable. */
export function split(site: DemoSite, island: readonly number[]): void {
  for (const [name, relay] of site.relays) {
    const [from, to] = name.split('>').map(Number)
    if (from === undefined || to === undefined || island.includes(from) === island.includes(to)) continue
    relay.cut(from < to ? 'blackhole' : 'reset')
  }
}

export function heal(site: DemoSite): void {
  for (const relay of site.relays.values()) relay.mend()
}

export function meshBytes(site: DemoSite): number {
  return [...site.relays.values()].reduce(
    (sum, relay) => sum + relay.bytes().forward + relay.bytes().backward,
    0,
  )
}

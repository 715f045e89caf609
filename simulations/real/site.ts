// Builds the demo's site with the product's own commands: five nodes of which each can reach each.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RealNode, wiredNodes } from './nodes.ts'
import { run } from './processes.ts'
import type { Relay } from './relay.ts'

export type Card = { readonly tag: string; readonly label: string }

export type DemoSite = {
  readonly dir: string
  readonly siteDir: string
  readonly nodes: readonly RealNode[]
  readonly cards: readonly Card[]
  readonly chargers: readonly { readonly identity: string; readonly password: string }[]
  /** Relay by which node i reaches node j, at `${i}>${j}`. */
  readonly relays: ReadonlyMap<string, Relay>
}

export const REVOKED = [17, 18]
export const EXPIRED = 19
const NODE_NAMES = ['north', 'east', 'south', 'west', 'field']
const ALL = NODE_NAMES.flatMap((_, i) => NODE_NAMES.flatMap((_, j) => (i < j ? [[i, j] as const] : [])))
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
  const { nodes, relays } = await wiredNodes({ dir, siteDir, names: NODE_NAMES, links: ALL })
  return { dir, siteDir, nodes, cards, chargers, relays }
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

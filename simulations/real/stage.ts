// The site of a plan, born with the product's own commands as an operator would type them: trust root, tariff, cards,
// chargers, nodes that know their neighbours' relays, and a cloud with its embedded database. Everything lies below one
// folder; nothing of the plan's timeline has happened yet.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invariant } from '../../src/errors.ts'
import type { Closers } from '../../src/host/closers.ts'
import type { CardPlan, Plan } from '../plan.ts'
import { type Wired, wiredNodes } from './nodes.ts'
import { run, start } from './processes.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

export type Stage = Wired & {
  readonly plan: Plan
  readonly dir: string
  readonly siteDir: string
  readonly cloudDir: string
  readonly cloudPort: number
  /** By OCPP identity. */
  readonly passwords: ReadonlyMap<string, string>
}

export type StageOptions = { readonly dir: string; readonly closers: Closers }

export async function setStage(plan: Plan, { dir, closers }: StageOptions): Promise<Stage> {
  const [siteDir, cloudDir] = [join(dir, 'site'), join(dir, 'cloud')]
  await mkdir(dir, { recursive: true })
  await run(['site', 'init', siteDir, '--name', plan.scenario.slice(-40), '--currency', 'EUR'])
  // The database takes longest to start, and needs nothing of the rest.
  const [cloudPort, born] = await Promise.all([
    openCloud({ dir, siteDir, cloudDir, closers }),
    furnish(plan, { dir, siteDir }),
  ])
  closers.push('relays', async () => {
    for (const relay of born.relays.values()) await relay.close()
  })
  return { plan, dir, siteDir, cloudDir, cloudPort, ...born }
}

type Place = { readonly dir: string; readonly siteDir: string }

async function openCloud({
  dir,
  siteDir,
  cloudDir,
  closers,
}: Place & { readonly cloudDir: string; readonly closers: Closers }): Promise<number> {
  const where = ['--credentials', join(siteDir, 'cloud'), '--dir', cloudDir, '--listen', '127.0.0.1:0']
  const cloud = await start(['cloud', 'run', ...where], join(dir, 'cloud.log'))
  closers.push('cloud', cloud.stop)
  return Number(new URL(String(cloud.ready.url)).port)
}

async function furnish(plan: Plan, { dir, siteDir }: Place): Promise<Wired & Pick<Stage, 'passwords'>> {
  const yesterday = new Date(Date.now() - DAY_MS).toISOString()
  await run(['tariff', 'set', plan.pricePerKwh, '--site', siteDir, '--from', yesterday])
  await handOutCards(plan.cards, { dir, siteDir })
  const passwords = await addChargers(plan, siteDir)
  const names = Array.from({ length: plan.nodes }, (_, i) => nodeName(i + 1))
  const links = plan.links.map(([a, b]) => [a - 1, b - 1] as const)
  return { passwords, ...(await wiredNodes({ dir, siteDir, names, links })) }
}

export function nodeName(number: number): string {
  return `node-${number}`
}

/** An unknown card is one that nobody ever hears of. */
async function handOutCards(cards: readonly CardPlan[], { dir, siteDir }: Place): Promise<void> {
  const known = cards.filter(card => card.kind !== 'unknown')
  if (known.length === 0) return
  const nowAt = Date.now()
  const iso = (at: number): string => new Date(at).toISOString()
  const rows = known.map(({ idTag, kind }) => {
    const until = kind === 'expired' ? nowAt - MINUTE_MS : nowAt + 365 * DAY_MS
    return `${idTag},${iso(nowAt - 60 * MINUTE_MS)},${iso(until)}`
  })
  const csv = join(dir, 'cards.csv')
  await writeFile(csv, `card,from,until\n${rows.join('\n')}\n`)
  await run(['token', 'import', csv, '--site', siteDir])
  for (const { idTag, kind } of known)
    if (kind === 'revoked') await run(['token', 'revoke', idTag, '--reason', 'lost', '--site', siteDir])
}

async function addChargers({ chargers }: Plan, siteDir: string): Promise<ReadonlyMap<string, string>> {
  const passwords = new Map<string, string>()
  for (const connectors of new Set(chargers.map(charger => charger.connectors))) {
    const ids = chargers.filter(charger => charger.connectors === connectors).map(charger => charger.id)
    const options = ['--connectors', String(connectors), '--site', siteDir, '--json']
    const added: unknown = JSON.parse(await run(['charger', 'add', ...ids, ...options]))
    invariant(Array.isArray(added), '`charger add --json` prints a list')
    for (const { identity, password } of added) passwords.set(String(identity), String(password))
  }
  return passwords
}

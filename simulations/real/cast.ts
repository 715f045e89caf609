// Who is in the demo's story: the site with its node processes, the cloud, and ten virtual chargers whose own meters are
// the truth that everything is counted against.
import { join } from 'node:path'
import { openVirtualCharger, type VirtualCharger } from '../charger/virtual.ts'
import type { Dice } from '../dice.ts'
import type { Narrator } from './narrator.ts'
import { type RealNode, startRealNode } from './nodes.ts'
import { type Running, start, waitFor } from './processes.ts'
import { bornSite, type Card, type DemoSite, REVOKED } from './site.ts'

/** Charging time runs so much faster than the story, or a demo would take hours. */
const TIME_SCALE = 240
const METER_INTERVAL_MS = 1000
const PRICE = '0.25'

export type Story = {
  readonly site: DemoSite
  readonly cloudDir: string
  readonly chargers: readonly VirtualCharger[]
  readonly dice: Dice
  readonly narrator: Narrator
}

export async function birth(dir: string, dice: Dice, narrator: Narrator): Promise<Story> {
  narrator.chapter(
    'A site is born: trust root, issuer, cloud credentials, 5 nodes, 20 cards, 10 chargers, a tariff',
  )
  narrator.watch(() => 'making keys and certificates')
  const site = await bornSite(dir, PRICE)
  narrator.tell(
    `20 cards: ${REVOKED.length} revoked, 1 expired; energy costs ${PRICE} EUR/kWh; no uplink exists`,
  )
  narrator.watch(() => 'five nodes start')
  for (const node of site.nodes) await startRealNode(node)
  await waitFor('all nodes see each other', async () => {
    const peers = await Promise.all(site.nodes.map(async node => (await statusOf(node)).peers.length))
    return peers.every(count => count === site.nodes.length - 1)
  })
  narrator.tell(
    `five node processes run and see each other (pids ${site.nodes.map(node => node.running?.pid).join(' ')})`,
  )
  const chargers = site.chargers.map(({ identity, password }, i) =>
    openDemoCharger(site, { identity, password, i, dice }),
  )
  return { site, cloudDir: join(dir, 'cloud'), chargers, dice, narrator }
}

type ChargerSpec = {
  readonly identity: string
  readonly password: string
  readonly i: number
  readonly dice: Dice
}

/** Two chargers a node; each knows the other nodes' addresses for when its own is gone. */
function openDemoCharger(site: DemoSite, { identity, password, i, dice }: ChargerSpec): VirtualCharger {
  const home = Math.floor(i / 2)
  const order = [home, ...(ISLAND_NEIGHBOURS[home] ?? [])]
  return openVirtualCharger({
    identity,
    password,
    urls: order.map(n => `ws://127.0.0.1:${site.nodes[n]?.ocppPort}/ocpp`),
    connectors: 1,
    timeScale: TIME_SCALE,
    meterIntervalMs: METER_INTERVAL_MS,
    registerWh: dice.below(90_000_000),
    retryIntervalMs: 1000,
    battery: () => ({
      capacityWh: 40_000 + dice.below(50_000),
      startSoc: 0.1 + 0.4 * dice.share(),
      maxPowerW: [7400, 11_000, 22_000][dice.below(3)] ?? 11_000,
      taperFromSoc: 0.8,
    }),
    random: dice.random,
  })
}

/** Where a charger turns when its node is gone: nodes of the same island. */
const ISLAND_NEIGHBOURS: readonly (readonly number[])[] = [[1], [0], [4], [4], [2]]
export async function startCloud(story: Story): Promise<Running> {
  const { site, cloudDir, narrator } = story
  narrator.watch(() => 'the cloud starts its embedded PostgreSQL')
  const args = [
    'cloud',
    'run',
    '--credentials',
    join(site.siteDir, 'cloud'),
    '--dir',
    cloudDir,
    '--listen',
    '127.0.0.1:0',
  ]
  const cloud = await start(args, join(site.dir, 'cloud.log'))
  narrator.tell('a cloud waits somewhere; nobody at the site can reach it yet')
  cloudUrls.set(story.cloudDir, String(cloud.ready.url))
  return cloud
}

export const cloudUrls = new Map<string, string>()

export async function bootsSeenAt(node: RealNode | undefined): Promise<number> {
  return node ? ((await statusOf(node)).counters['charger.boot'] ?? 0) : 0
}

type Status = {
  readonly counters: Readonly<Record<string, number>>
  readonly peers: readonly string[]
  readonly uplinks: readonly { readonly wireBytes: number }[]
}

export async function statusOf(node: RealNode): Promise<Status> {
  return (await node.client?.get('/v1/status')) as Status
}

export async function tokenStateAt(node: RealNode | undefined, card: Card): Promise<string | undefined> {
  const tokens = (await node?.client?.get('/v1/tokens')) as { card: string; state: string }[]
  return tokens.find(token => token.card === card.label)?.state
}

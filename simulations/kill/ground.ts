// The site on which nodes are killed: a cloud, and pairs of nodes, each with a way to the cloud at its first node. A pair
// knows only itself, so that pairs may be killed beside one another. The links of some pairs are cut from the first minute
// to the last.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invariant } from '../../src/errors.ts'
import type { Closers } from '../../src/host/closers.ts'
import { type RealNode, startRealNode, wiredNodes } from '../real/nodes.ts'
import { run, start, waitFor } from '../real/processes.ts'
import { type Direction, openRelay, type Relay } from '../real/relay.ts'
import type { KillCase, Link } from './cases.ts'
import { type Gate, openGate } from './gate.ts'

export type Post = { readonly node: RealNode; readonly gate: Gate }
/** A way to the cloud. */
export type Way = {
  readonly relay: Relay
  /** Told of the bytes that go out, before they do. */
  watch: (bytes: number) => void
}
export type Pair = {
  readonly link: Link
  readonly posts: readonly [Post, Post]
  readonly wires: readonly Relay[]
  readonly way: Way
}
export type Ground = {
  readonly cloudDir: string
  readonly pairs: readonly Pair[]
  /** In the order of the cases. */
  readonly chargers: readonly { readonly identity: string; readonly password: string }[]
}

export type GroundOptions = {
  readonly dir: string
  readonly cases: readonly KillCase[]
  /** Of each pair, how its nodes are linked. */
  readonly links: readonly Link[]
  readonly closers: Closers
}

export const CARD = '04C0FFEE'
const PRICE = '0.30'
const DAY_MS = 24 * 3600 * 1000

export async function birth({ dir, cases, links, closers }: GroundOptions): Promise<Ground> {
  const [siteDir, cloudDir] = [join(dir, 'site'), join(dir, 'cloud')]
  await mkdir(dir, { recursive: true })
  await run(['site', 'init', siteDir, '--name', 'Kill matrix', '--currency', 'EUR'])
  const credentials = join(siteDir, 'cloud')
  const cloud = start(
    ['cloud', 'run', '--credentials', credentials, '--dir', cloudDir, '--listen', '127.0.0.1:0'],
    join(dir, 'cloud.log'),
  )
  // Awaited below; until then it is no unhandled one.
  cloud.catch(() => undefined)
  const chargers = await furnish(dir, siteDir, cases.length)
  const names = links.flatMap((_, i) => [`near-${i + 1}`, `far-${i + 1}`])
  const pairs = links.map((_, i) => [2 * i, 2 * i + 1] as const)
  const { nodes, relays } = await wiredNodes({ dir, siteDir, names, links: pairs })
  closers.push('links', async () => {
    for (const relay of relays.values()) await relay.close()
  })
  const { ready, stop } = await cloud
  closers.push('cloud', stop)
  const cloudPort = Number(new URL(String(ready.url)).port)
  const built = await Promise.all(
    links.map((link, i) => {
      const [near, far] = [nodes[2 * i], nodes[2 * i + 1]]
      invariant(near !== undefined && far !== undefined, 'two nodes a pair')
      const wires = [`${2 * i}>${2 * i + 1}`, `${2 * i + 1}>${2 * i}`].flatMap(name => relays.get(name) ?? [])
      for (const wire of wires) if (link === 'cut') wire.cut()
      return manned({ link, wires, nodes: [near, far], cloudDir, cloudPort, closers })
    }),
  )
  return { cloudDir, pairs: built, chargers }
}

/** Tariff, card and chargers; one charger a case, so that its register tells of this case alone. */
async function furnish(dir: string, siteDir: string, count: number): Promise<Ground['chargers']> {
  const yesterday = new Date(Date.now() - DAY_MS).toISOString()
  await run(['tariff', 'set', PRICE, '--site', siteDir, '--from', yesterday])
  const csv = join(dir, 'cards.csv')
  await writeFile(csv, `card,from,until\n${CARD},${yesterday},2099-12-31\n`)
  await run(['token', 'import', csv, '--site', siteDir])
  const identities = Array.from({ length: count }, (_, i) => `CP-${String(i + 1).padStart(3, '0')}`)
  return JSON.parse(await run(['charger', 'add', ...identities, '--site', siteDir, '--json']))
}

type Manning = Omit<Pair, 'posts' | 'way'> & {
  readonly nodes: readonly [RealNode, RealNode]
  readonly cloudDir: string
  readonly cloudPort: number
  readonly closers: Closers
}

async function manned({ link, wires, nodes, cloudDir, cloudPort, closers }: Manning): Promise<Pair> {
  const post = async (node: RealNode): Promise<Post> => {
    closers.push(node.name, async () => await node.running?.stop())
    await startRealNode(node)
    const gate = await openGate(node.ocppPort)
    closers.push(`gate of ${node.name}`, gate.close)
    return { node, gate }
  }
  const posts = [await post(nodes[0]), await post(nodes[1])] as const
  const onPassing = (direction: Direction, bytes: number): void => {
    if (direction === 'forward') way.watch(bytes)
  }
  const relay = await openRelay({ targetHost: '127.0.0.1', targetPort: cloudPort, onPassing })
  closers.push('way', relay.close)
  const way: Way = { relay, watch: () => undefined }
  const url = `https://127.0.0.1:${relay.port}`
  await run(['uplink', 'add', url, '--ca', join(cloudDir, 'ca.pem'), '--via', nodes[0].dir])
  return { link, wires, posts, way }
}

/** Both run, and see each other where their link is whole. */
export async function whole({ link, posts }: Pair): Promise<void> {
  for (const { node } of posts) if (!node.running?.isAlive()) await startRealNode(node)
  if (link === 'cut') return
  await waitFor('both nodes of a pair see each other', async () => {
    const statuses = await Promise.all(posts.map(({ node }) => node.client?.get('/v1/status')))
    return (statuses as { readonly peers: readonly string[] }[]).every(({ peers }) => peers.length === 1)
  })
}

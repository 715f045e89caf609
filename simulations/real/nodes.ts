// Nodes as processes on this machine, wired through relays: one for each direction of each pair that knows each other, so
// that the mesh can be cut anywhere while the nodes know nothing of it.
import { join } from 'node:path'
import { apiFileIn, type Client, clientOf } from '../../src/api/client.ts'
import { readText } from '../../src/host/identity-files.ts'
import { freePorts, logIn, type Running, run, start } from './processes.ts'
import { openRelay, type Relay } from './relay.ts'

export type RealNode = {
  readonly name: string
  readonly dir: string
  readonly meshPort: number
  readonly ocppPort: number
  running: Running | undefined
  client: Client | undefined
}

export type Wired = {
  readonly nodes: readonly RealNode[]
  /** Relay by which node i reaches node j, at `${i}>${j}`, counted from 0. */
  readonly relays: ReadonlyMap<string, Relay>
}

export type Wiring = {
  readonly dir: string
  readonly siteDir: string
  readonly names: readonly string[]
  /** Pairs that know each other's address, counted from 0. */
  readonly links: readonly (readonly [number, number])[]
}

/** Makes the nodes with the product's own commands; none is started. */
export async function wiredNodes({ dir, siteDir, names, links }: Wiring): Promise<Wired> {
  const ports = await freePorts(2 * names.length)
  const nodes = names.map(
    (name, i): RealNode => ({
      name,
      dir: join(dir, name),
      meshPort: ports[2 * i] ?? 0,
      ocppPort: ports[2 * i + 1] ?? 0,
      running: undefined,
      client: undefined,
    }),
  )
  const relays = new Map<string, Relay>()
  for (const [from, to] of links.flatMap(([a, b]) => [[a, b] as const, [b, a] as const])) {
    const targetPort = nodes[to]?.meshPort ?? 0
    relays.set(`${from}>${to}`, await openRelay({ targetHost: '127.0.0.1', targetPort }))
  }
  for (const [i, node] of nodes.entries()) {
    const peers = nodes.flatMap((_, j) => {
      const relay = relays.get(`${i}>${j}`)
      return relay ? ['--peer', `127.0.0.1:${relay.port}`] : []
    })
    const addresses = ['--mesh', `127.0.0.1:${node.meshPort}`, '--ocpp', `127.0.0.1:${node.ocppPort}`]
    // Nodes that find one another by themselves would not care about our splits.
    const own = ['--dir', node.dir, '--name', node.name, '--no-discovery']
    await run(['node', 'join', '--site', siteDir, ...own, ...addresses, ...peers])
  }
  return { nodes, relays }
}

export async function startRealNode(node: RealNode): Promise<void> {
  node.running = await start(['node', 'run', '--dir', node.dir], logIn(node.dir))
  const file = apiFileIn(node.dir)
  node.client = clientOf(file, await readText(file, 'the node has just started'))
}

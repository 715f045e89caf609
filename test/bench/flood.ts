// flood: every node authors; until all hold all, durable.
import { type Kind, startFleet, sumOf } from './drive.ts'
import type { Figures } from './figures.ts'

export type Flood = {
  readonly nodes: number
  readonly events: number
  readonly size: number
  readonly chunk: number
}

/** Of an Ed25519 signature, and the events that share one. */
const [SIGNATURE_BYTES, GROUP] = [64, 64]

type Stats = { readonly in: number; readonly out: number; readonly loopMs?: number }

export async function flood(options: Flood, kind: Kind, seed: number): Promise<Figures> {
  const { nodes, events, size } = options
  const fleet = await startFleet(kind, nodes)
  try {
    const each = Math.ceil(events / nodes)
    const chunk = options.chunk || each
    const total = each * nodes
    const before = sumOf(fleet.nodes.map(node => node.cost()))
    const statsBefore = await Promise.all(fleet.nodes.map(node => node.call<Stats>('stats')))
    const waits = fleet.nodes.map(node => node.call<{ t: number }>('wait', { total }))
    const floods = fleet.nodes.map(node =>
      node.call<{ t: number; done: number }>('flood', { count: each, size, seed, chunk, round: 1 }),
    )
    const [begun, ended] = [await Promise.all(floods), await Promise.all(waits)]
    const ms = Math.max(...ended.map(one => one.t)) - Math.min(...begun.map(one => one.t))
    const stats = await Promise.all(fleet.nodes.map(node => node.call<Stats>('stats')))
    const received = stats.reduce((sum, one, i) => sum + one.in - (statsBefore[i]?.in ?? 0), 0)
    const cost = sumOf(fleet.nodes.map(node => node.cost()))
    return {
      ms,
      eventsPerS: (total / ms) * 1000,
      deliveredPerS: ((total * nodes) / ms) * 1000,
      bytes: received,
      /** Received by a node for each event of others, over its body and its share of a signature. */
      wireRatio: received / nodes / (total - each) / (size + SIGNATURE_BYTES / Math.min(chunk, GROUP)),
      loopMs: Math.max(...stats.map(one => one.loopMs ?? 0)),
      cpuS: cost.cpuS - before.cpuS,
      rssMb: cost.rssMb,
    }
  } finally {
    await fleet.close()
  }
}

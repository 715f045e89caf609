// idle: nothing happens; processor time and bytes of a node all the same.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kind, startFleet } from './drive.ts'
import type { Figures } from './figures.ts'

export type Idle = { readonly nodes: number; readonly minutes: number }

/** Connections are made, and each has found that nobody lacks anything. */
const SETTLE_MS = 30_000

export async function idle({ nodes, minutes }: Idle, kind: Kind): Promise<Figures> {
  const fleet = await startFleet(kind, nodes)
  try {
    await sleep(SETTLE_MS)
    const look = async (): Promise<{ readonly cpuS: number; readonly bytes: number }> => {
      const stats = await Promise.all(
        fleet.nodes.map(node => node.call<{ in: number; out: number }>('stats')),
      )
      return {
        cpuS: fleet.nodes.reduce((sum, node) => sum + node.cost().cpuS, 0),
        bytes: stats.reduce((sum, one) => sum + one.out, 0),
      }
    }
    const before = await look()
    await sleep(minutes * 60_000)
    const after = await look()
    const seconds = minutes * 60
    return {
      cpuPercent: ((after.cpuS - before.cpuS) / nodes / seconds) * 100,
      /** Sent by a node; it receives as much. */
      bytesPerS: (after.bytes - before.bytes) / nodes / seconds,
      rssMb: Math.max(...fleet.nodes.map(node => node.cost().rssMb)),
    }
  } finally {
    await fleet.close()
  }
}

// catchup: a node that was away fetches all from those that hold it, verified and durable.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Driven, type Kind, startProgram } from './drive.ts'
import type { Figures } from './figures.ts'

export type Catchup = { readonly events: number; readonly size: number; readonly authors: number }

export async function catchup(
  { events, size, authors }: Catchup,
  kind: Kind,
  seed: number,
): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
  const nodes: Driven[] = []
  try {
    for (let i = 0; i < 2; i++) nodes.push(await startProgram(kind))
    const [holder, behind] = nodes as [Driven, Driven]
    const open = (node: Driven, self: number) =>
      node.call<{ info: unknown }>('open', { self, nodes: authors, dir: join(folder, `${self}`) })
    const held = await open(holder, 0)
    await holder.call('fill', { authors, count: Math.ceil(events / authors), size, seed, batch: 64 })
    const total = Math.ceil(events / authors) * authors
    await holder.call('wait', { total })
    const empty = await open(behind, 1)
    const roster = [held.info, empty.info]
    const before = behind.cost().cpuS
    const done = behind.call<{ t: number }>('wait', { total })
    const from = performance.timeOrigin + performance.now()
    await Promise.all([holder.call('connect', { roster }), behind.call('connect', { roster, behind: true })])
    const { t } = await done
    const { in: bytes } = await behind.call<{ in: number }>('stats')
    const ms = t - from
    return {
      ms,
      eventsPerS: (total / ms) * 1000,
      mbPerS: bytes / 1e6 / (ms / 1000),
      cpuS: behind.cost().cpuS - before,
      rssMb: behind.cost().rssMb,
    }
  } finally {
    await Promise.all(nodes.map(node => node.close()))
    rmSync(folder, { recursive: true, force: true })
  }
}

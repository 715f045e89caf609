// coldstart: from a full disk to a node that has read and checked all of it, and may answer a charger.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Measure, Options } from './benches.ts'
import { type Kind, startProgram } from './drive.ts'

/** Both stores are written once, and each round opens a copy. */
export async function coldstart(options: Options, use: (measure: Measure) => Promise<void>): Promise<void> {
  const { events = 1, authors = 1, size = 1 } = options
  const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
  const open = { self: 0, nodes: authors }
  const fill = async (kind: Kind): Promise<void> => {
    const node = await startProgram(kind)
    await node.call('open', { ...open, dir: join(folder, kind) })
    await node.call('fill', { authors, count: Math.ceil(events / authors), size, seed: 1, batch: 64 })
    await node.close()
  }
  try {
    await fill('floor')
    await fill('ours')
    await use(async (kind, round) => {
      const dir = join(folder, `${kind}-${round}`)
      cpSync(join(folder, kind), dir, { recursive: true })
      const node = await startProgram(kind)
      const { ms } = await node.call<{ ms: number }>('open', { ...open, dir })
      const { rssMb, cpuS } = node.cost()
      const { kept } = await node.call<{ kept: number }>('stats')
      await node.close()
      rmSync(dir, { recursive: true, force: true })
      if (kept < events)
        throw new RangeError(`${kind}: ${kept} of ${events} events were there after the start`)
      return { ms, rssMb, cpuS }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

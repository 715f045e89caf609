// uplinks: how often each event is carried to the cloud by an island with many uplinks, and how much later than by one, beside
// what PROTOCOL 3.3 foresaw. The outbox's own decisions under virtual time; floor: every uplink pushes everything.
import { carry } from '../uplink/island.ts'
import type { Kind } from './drive.ts'
import { type Figures, quantile } from './figures.ts'

export type UplinksOptions = { readonly most: number; readonly logs: number; readonly seeds: number }

const UPLINKS = [2, 5, 10, 30]
const SECONDS = 300
const ALIVE_SHARE = 0.8
const VIEWS = { ranked: 1, 'ranked, view 70 % right': 0.7, 'push-all': undefined }

export async function uplinks({ most, logs, seeds }: UplinksOptions, _kind: Kind): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const count of UPLINKS.filter(one => one <= most)) {
    for (const [name, viewShare] of Object.entries(VIEWS)) {
      const island = { uplinks: count, logs, seconds: SECONDS, aliveShare: ALIVE_SHARE, viewShare }
      const runs = Array.from({ length: seeds }, (_, i) => carry({ ...island, seed: i + 1 }))
      const delays = runs.flatMap(run => run.delaysS)
      const measured = {
        copies: runs.reduce((sum, run) => sum + run.copies, 0) / seeds,
        p99S: quantile(delays, 0.99),
        worstS: delays.reduce((worst, delay) => Math.max(worst, delay), 0),
      }
      for (const [figure, value] of Object.entries(measured))
        figures[`${figure}, ${count} uplinks, ${name}`] = value
      process.stderr.write(`${JSON.stringify({ uplinks: count, by: name, ...measured })}\n`)
    }
  }
  return figures
}

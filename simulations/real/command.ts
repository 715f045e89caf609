// `simulate --real`: a scenario's plan in fast motion, first simulated, then played by real processes, judged by the same
// checkers, and the two side by side. Nothing is left behind: no process, and no folder unless `keep`.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeshError } from '../../src/errors.ts'
import { createClosers } from '../../src/host/closers.ts'
import { systemLogger } from '../../src/host/system.ts'
import type { Plan } from '../plan.ts'
import { runPlan } from '../run.ts'
import { drawPlan } from '../scenario/draw.ts'
import { findScenario } from '../scenario/scenario.ts'
import { type Comparison, compare, comparisonText } from './comparison.ts'
import { compressed } from './compress.ts'
import { play } from './drive.ts'
import { simulatedHealMs } from './heal.ts'
import { judge } from './judge.ts'
import { createNarrator } from './narrator.ts'
import { playable, refusalOf } from './playable.ts'

export type RealOptions = {
  readonly scenario: string
  readonly seed: number
  readonly speed: number
  readonly json?: boolean
  /** Leaves the folder with stores and logs. */
  readonly keep?: boolean
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** As a shell says it of a process that a signal ended. */
const INTERRUPTED = 130

/** 0 when both worlds kept every promise, 1 when one did not. Throws CONFIG_INVALID on what cannot be played. */
export async function realCommand(options: RealOptions): Promise<number> {
  const drawn = drawPlan(findScenario(options.scenario), options.seed)
  const comparison = await playBoth(drawn, options)
  process.stdout.write(`${options.json ? JSON.stringify(comparison) : comparisonText(comparison)}\n`)
  return comparison.real.ok && comparison.simulated.ok ? 0 : 1
}

export async function playBoth(drawn: Plan, { speed, keep }: RealOptions): Promise<Comparison> {
  const refusal = refusalOf(drawn)
  if (refusal !== undefined) throw new MeshError('CONFIG_INVALID', refusal)
  const plan = compressed(playable(drawn), speed)
  const narrator = createNarrator(process.stderr)
  const closers = createClosers(systemLogger('error', 'real'))
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-real-'))
  const end = async (): Promise<void> => {
    narrator.end()
    await closers.unwind()
    if (keep) process.stderr.write(`the folder stays: ${dir}\n`)
    else await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  let isLeaving = false
  // The second signal finds us leaving already: by `exit`, which takes every process of ours along.
  const abort = (): void => {
    isLeaving = true
    for (const signal of SIGNALS) process.on(signal, () => process.exit(INTERRUPTED))
    void end().finally(() => process.exit(INTERRUPTED))
  }
  for (const signal of SIGNALS) process.once(signal, abort)
  try {
    narrator.chapter('The simulator runs the plan')
    const [outcome, simulatedHeal] = [await runPlan(plan), await simulatedHealMs(plan)]
    const played = await play(plan, { dir, closers, narrator })
    narrator.chapter('The checkers look at what is left')
    const judgement = await judge(played, closers)
    return compare({ drawn, plan, speed, outcome, simulatedHealMs: simulatedHeal, played, judgement })
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort)
    // What fails because its processes are being ended is no news; `abort` has the last word.
    if (isLeaving) await new Promise(() => undefined)
    await end()
  }
}

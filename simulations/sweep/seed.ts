// One seed of one scenario: drawn, run, timed, and set beside what other designs would have done under the same seed.

import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { type Baseline, baselineOf } from '../baselines/baseline.ts'
import { postgresCloud } from '../cloud/postgres.ts'
import type { Service, Timed } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import { type RunOptions, runPlan } from '../run.ts'
import { drawPlan } from '../scenario/draw.ts'
import { findScenario } from '../scenario/scenario.ts'

/** One for all worlds of a process: every table is keyed by its site. */
let opened: Promise<Database> | undefined
function database(): Promise<Database> {
  opened ??= openDatabase({ dir: 'memory' })
  return opened
}

/** Progress is worth a word after so many virtual seconds. */
const SAID_EVERY_MS = 60_000

export type SeedTask = {
  readonly scenario: string
  readonly seed: number
  readonly compare: readonly Baseline[]
}

export async function runSeed(
  task: SeedTask,
  onProgress: (virtualMs: number) => void = () => undefined,
  options: RunOptions = {},
): Promise<Timed> {
  // By the name that it was asked for, a path perhaps: so that what is printed can be run again.
  const plan = { ...drawPlan(findScenario(task.scenario), task.seed), scenario: task.scenario }
  const onSecond = (nowMs: number): void => {
    if (nowMs % SAID_EVERY_MS < 1000) onProgress(nowMs)
  }
  return await timed(plan, task.compare, { ...options, onSecond })
}

export async function timed(plan: Plan, compare: readonly Baseline[], options: RunOptions): Promise<Timed> {
  const [startedMs, before] = [performance.now(), process.cpuUsage()]
  const outcome = await runPlan(plan, {
    ...options,
    postgres: async deps => postgresCloud({ ...deps, database: await database() }),
  })
  const { user, system } = process.cpuUsage(before)
  const baselines: Record<string, Service> = {}
  for (const kind of compare) baselines[kind] = baselineOf(kind, plan)
  return {
    outcome: compare.length > 0 ? { ...outcome, baselines } : outcome,
    wallMs: performance.now() - startedMs,
    cpuMs: (user + system) / 1000,
  }
}

// `--shrink SCENARIO:SEED`: runs the seed, takes pieces out for as long as the same promise is broken, and prints what is left
// as a scenario file.
import { basename } from 'node:path'
import { MeshError } from '../../src/errors.ts'
import type { Plan } from '../plan.ts'
import { runPlan } from '../run.ts'
import { drawPlan } from '../scenario/draw.ts'
import { findScenario, planToScenario } from '../scenario/scenario.ts'
import { shrink } from './shrink.ts'

export type Shrinking = {
  readonly scenario: string
  readonly seed: number
  readonly minutes: number
  readonly onStep: (text: string) => void
}

/** The YAML of the smallest plan that was found. Refuses a seed that breaks nothing. */
export async function shrinkSeed({ scenario, seed, minutes, onStep }: Shrinking): Promise<string> {
  const startedMs = performance.now()
  const whole = drawPlan(findScenario(scenario), seed)
  const [first] = (await runPlan(whole)).violations
  if (!first)
    throw new MeshError('CONFIG_INVALID', `${scenario}:${seed} breaks no promise; there is nothing to shrink`)
  onStep(`${first.invariant} at ${(first.atMs / 1000).toFixed(1)} s: ${first.detail}`)
  const smallest = await shrink(whole, first.atMs, {
    breaks: async plan => {
      const { violations } = await runPlan(plan, { stopAtFirst: true })
      return violations.some(one => one.invariant === first.invariant && one.checker === first.checker)
    },
    enough: () => performance.now() - startedMs > minutes * 60_000,
    onStep: (what, plan) => onStep(`${what}: ${partsOf(plan)}`),
  })
  const shows = `${first.invariant} (${first.checker}): ${first.detail.split('\n')[0]}`
  // Of a path the file's own name, as far as a name may say it.
  const name = `${basename(scenario).replace(/\.ya?ml$/, '')}-${seed}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
  return planToScenario(smallest, { name, shows })
}

function partsOf(plan: Plan): string {
  const { nodes, chargers, visits, faults } = plan
  return `${nodes} nodes, ${chargers.length} chargers, ${visits.length} visits, ${faults.length} faults, ${Math.round(plan.durationMs / 1000)} s`
}

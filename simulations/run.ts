// One plan, run and judged: the world, every checker, the tally, and the verdict.

import type { Remember } from '../src/remember.ts'
import { billingChecker } from './checkers/billing.ts'
import { cardsChecker } from './checkers/cards.ts'
import { convergenceChecker } from './checkers/convergence.ts'
import { driversChecker } from './checkers/drivers.ts'
import { durabilityChecker } from './checkers/durability.ts'
import { exclusionChecker } from './checkers/exclusion.ts'
import { livenessChecker } from './checkers/liveness.ts'
import { listsChecker } from './checkers/local-lists.ts'
import { logsChecker } from './checkers/logs.ts'
import { watchLosses } from './checkers/losses.ts'
import { policyChecker } from './checkers/policy.ts'
import { pruningChecker } from './checkers/pruning.ts'
import { stopsChecker } from './checkers/stops.ts'
import { termsChecker } from './checkers/terms.ts'
import { uplinksChecker } from './checkers/uplinks.ts'
import { windowChecker } from './checkers/window.ts'
import type { CloudDeps, SimulatedCloud } from './cloud/cloud.ts'
import { seededRandom } from './dice.ts'
import type { Outcome, Violation } from './outcome.ts'
import type { Plan } from './plan.ts'
import { createTally, type Tally } from './tally/tally.ts'
import type { Shown } from './world/observer.ts'
import { runWorld } from './world/world.ts'

export type RunOptions = {
  /** Every line of the trace, as it is made. */
  readonly onLine?: (line: string) => void
  /** What nodes share of what they read; a memory of its own where none is said. */
  readonly remember?: Remember
  /** Each virtual second; `events` counts what the site has written by then. */
  readonly onSecond?: (nowMs: number, events: () => number) => void
  /** End at the first violation. */
  readonly stopAtFirst?: boolean
  /** For plans whose cloud is a database. */
  readonly postgres?: (deps: CloudDeps) => Promise<SimulatedCloud>
}

const UNKNOWN = 'L'

function written(shown: Shown | undefined): number {
  const ledger = shown?.members()[0]?.node()?.ledger()
  let events = 0
  for (const log of ledger?.logs.all() ?? []) events += log.head.seq + 1
  return events
}

export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<Outcome> {
  const violations: Violation[] = []
  let tally: Tally | undefined
  const dice = seededRandom(plan.seed).fork('checkers')
  let site: Shown | undefined
  const ran = await runWorld(plan, {
    observers: (shown, ways) => {
      site = shown
      const losses = watchLosses(shown)
      const pruning = pruningChecker(shown)
      const billing = billingChecker(shown, losses)
      const policy = policyChecker(shown)
      const convergence = convergenceChecker(shown, dice)
      tally = createTally({ shown, ways, losses, pruning, billing, policy, convergence })
      return [
        logsChecker(shown),
        durabilityChecker(shown),
        pruning,
        losses,
        cardsChecker(shown),
        driversChecker(shown, losses),
        stopsChecker(shown),
        policy,
        listsChecker(shown, policy),
        exclusionChecker(shown),
        windowChecker(shown),
        convergence,
        livenessChecker(shown, losses),
        billing,
        uplinksChecker(shown),
        termsChecker(shown, ways),
        tally,
      ]
    },
    object: (invariant, checker, atMs, detail) => {
      // What was awaited in vain names its invariant itself.
      const named = invariant === 'liveness' ? (/^[IL]\d+/.exec(detail)?.[0] ?? UNKNOWN) : invariant
      violations.push({ invariant: named, checker, atMs, detail })
    },
    enough: () => options.stopAtFirst === true && violations.length > 0,
    ...(plan.cloud === 'postgres' && options.postgres && { cloud: options.postgres }),
    ...(options.onLine && { onLine: options.onLine }),
    ...(options.remember && { remember: options.remember }),
    onSecond: nowMs => options.onSecond?.(nowMs, () => written(site)),
  })
  if (!tally) throw new RangeError('a world without observers')
  return { ...tally.outcome(ran), ok: violations.length === 0, violations }
}

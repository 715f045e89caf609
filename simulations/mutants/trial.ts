// Runs the simulator of a built tree over some seeds and says what came of it. The simulator prints one line of JSON an
// outcome (simulations/outcome.ts) and stops at the first that is not ok, with exit code 1.
import { z } from 'zod'
import type { Violation } from '../outcome.ts'
import { type Ended, runChild } from './tree.ts'

export type Trial = {
  readonly scenario: string
  readonly firstSeed: number
  readonly lastSeed: number
}

export type TrialEnd =
  | { readonly kind: 'clean' }
  | { readonly kind: 'violated'; readonly seed: number; readonly violations: readonly Violation[] }
  /** The simulator itself ended without a verdict on this seed. */
  | { readonly kind: 'crashed'; readonly seed: number; readonly reason: string }
  | { readonly kind: 'stuck'; readonly seed: number }

const OUTCOME = z.object({
  seed: z.int(),
  ok: z.boolean(),
  violations: z.array(
    z.object({ invariant: z.string(), checker: z.string(), atMs: z.number(), detail: z.string() }),
  ),
})

type TrialOptions = { readonly folder: string; readonly signal: AbortSignal; readonly limitMs: number }

export async function tryTree(trial: Trial, options: TrialOptions): Promise<TrialEnd> {
  const { scenario, firstSeed, lastSeed } = trial
  const which = ['--scenario', scenario, '--seeds', `${firstSeed}..${lastSeed}`, '--jobs', '1']
  const words = ['dist/simulations/simulate.js', ...which, '--json', '--stop-at-first']
  const ended = await runChild(words, options)
  return judgeTrial(trial, ended)
}

/** What a simulator's output and exit code mean. */
export function judgeTrial({ firstSeed, lastSeed }: Trial, { code, out, err }: Ended): TrialEnd {
  const lines = out.split('\n').filter(line => line.startsWith('{'))
  // A line that was cut off when its writer died is no verdict.
  const outcomes = lines.flatMap(line => readOutcome(line) ?? [])
  const bad = outcomes.find(outcome => !outcome.ok || outcome.violations.length > 0)
  if (bad) return { kind: 'violated', seed: bad.seed, violations: bad.violations }
  const seed = Math.min(firstSeed + outcomes.length, lastSeed)
  if (code === undefined) return { kind: 'stuck', seed }
  if (code === 0 && outcomes.length === lastSeed - firstSeed + 1) return { kind: 'clean' }
  return { kind: 'crashed', seed, reason: reasonIn(err) ?? `exit code ${code} and no verdict` }
}

function readOutcome(line: string): z.infer<typeof OUTCOME> | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const read = OUTCOME.safeParse(value)
  return read.success ? read.data : undefined
}

/** The line that names the error; a stack trace shows the source before it. */
function reasonIn(err: string): string | undefined {
  const lines = err.split('\n').map(line => line.trim())
  return lines.find(line => /^\w*(Error|InvariantBroken)\b/.test(line)) ?? lines.findLast(line => line !== '')
}

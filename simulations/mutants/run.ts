// Puts the seeded bugs into copies of the project, one at a time, and says which of them the checkers see. The unpatched
// copy must come through the same seeds first: a checker that cries anyway proves nothing. Copies are removed at the end,
// also when a person interrupts.

import { existsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Mutant, readMutants } from './mutant.ts'
import { copyTree, type Tree } from './tree.ts'
import { type Trial, type TrialEnd, tryTree } from './trial.ts'

const TRIAL_LIMIT_MS = 30 * 60 * 1000

export type Glimpse = { readonly seed: number; readonly invariant: string; readonly checker: string }

export type MutantResult = { readonly mutant: Mutant } & (
  | ({ readonly kind: 'caught'; readonly atMs: number; readonly detail: string } & Glimpse)
  /** Only invariants that it does not name were violated. */
  | { readonly kind: 'caught-by-others'; readonly seen: readonly Glimpse[] }
  | { readonly kind: 'survived'; readonly seeds: number }
  /** It does not compile, so that it says nothing about the checkers. */
  | { readonly kind: 'not-built'; readonly reason: string }
  | { readonly kind: 'stuck'; readonly seed: number }
)

export type MutantProgress =
  | { readonly kind: 'unpatched'; readonly scenario: string; readonly seeds: number }
  | { readonly kind: 'trying'; readonly name: string }
  | { readonly kind: 'result'; readonly result: MutantResult; readonly done: number; readonly of: number }

export type MutantOptions = {
  /** Names; all when missing. */
  readonly only?: readonly string[]
  /** Instead of what each mutant says. */
  readonly seeds?: number
  readonly onProgress: (progress: MutantProgress) => void
  /** The project; the one that this file belongs to when missing. */
  readonly root?: string
  /** Where the copies are made. */
  readonly scratch?: string
  readonly trialLimitMs?: number
  /** Copies that are worked on at once, each on one core. */
  readonly jobs?: number
  readonly signal?: AbortSignal
}

type Running = { readonly signal: AbortSignal; readonly limitMs: number }

/** Rejects when the unpatched project fails under the same seeds, when a patch does not fit, or when it is interrupted. */
export async function runMutants(options: MutantOptions): Promise<readonly MutantResult[]> {
  const { root = projectRoot(), scratch = tmpdir(), onProgress } = options
  const mutants = select(await readMutants(root), options)
  const stop = new AbortController()
  const interrupt = (): void => stop.abort(new Error('interrupted'))
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt)
  options.signal?.addEventListener('abort', interrupt)
  const running = { signal: stop.signal, limitMs: options.trialLimitMs ?? TRIAL_LIMIT_MS }
  const trees: Tree[] = []
  try {
    const lanes = options.jobs ?? availableParallelism()
    for (let lane = 0; lane < Math.min(lanes, mutants.length); lane++)
      trees.push(await copyTree(root, scratch))
    const share = <I, O>(items: readonly I[], work: (tree: Tree, item: I) => Promise<O>) =>
      inLanes({ trees, stop, items, work })
    await share(trees, requireBuilt(running))
    await share(sweeps(mutants), async (tree, sweep) => {
      onProgress({ kind: 'unpatched', scenario: sweep.scenario, seeds: sweep.lastSeed })
      requireClean(sweep, await tryTree(sweep, { folder: tree.folder, ...running }))
    })
    let done = 0
    return await share(mutants, async (tree, mutant) => {
      onProgress({ kind: 'trying', name: mutant.name })
      const result = await tree.withBug(mutant, () => tryMutant(tree, mutant, running))
      done += 1
      onProgress({ kind: 'result', result, done, of: mutants.length })
      return result
    })
  } finally {
    for (const tree of trees) await tree.remove()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt)
    options.signal?.removeEventListener('abort', interrupt)
  }
}

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  if (!existsSync(join(folder, 'src')))
    throw new Error('mutants are patches of the sources, and these are not installed here')
  return folder
}

function select(mutants: readonly Mutant[], { only, seeds }: MutantOptions): readonly Mutant[] {
  for (const name of only ?? [])
    if (!mutants.some(mutant => mutant.name === name)) throw new Error(`there is no mutant ${name}`)
  return mutants
    .filter(mutant => !only || only.includes(mutant.name))
    .map(mutant => ({ ...mutant, seeds: seeds ?? mutant.seeds }))
}

/** Each scenario once, over as many seeds as any mutant asks of it. */
function sweeps(mutants: readonly Mutant[]): readonly Trial[] {
  const seeds = new Map<string, number>()
  for (const mutant of mutants)
    seeds.set(mutant.scenario, Math.max(seeds.get(mutant.scenario) ?? 0, mutant.seeds))
  return [...seeds].map(([scenario, lastSeed]) => ({ scenario, firstSeed: 1, lastSeed }))
}

function requireBuilt({ signal }: Running): (tree: Tree, other: Tree) => Promise<void> {
  return async (_, tree) => {
    const refusal = await tree.build(signal)
    if (refusal !== undefined) throw new Error(`the unpatched project is not built: ${refusal}`)
  }
}

function requireClean({ scenario }: Trial, end: TrialEnd): void {
  if (end.kind === 'clean') return
  const [first] = end.kind === 'violated' ? end.violations : []
  const words =
    end.kind === 'crashed'
      ? `crashed: ${end.reason}`
      : first
        ? `${first.invariant}: ${first.detail}`
        : end.kind
  throw new Error(`without any mutant, ${scenario}:${end.seed} fails already (${words})`)
}

type Lanes<I, O> = {
  readonly trees: readonly Tree[]
  readonly stop: AbortController
  readonly items: readonly I[]
  readonly work: (tree: Tree, item: I) => Promise<O>
}

/** Each tree takes the next item when it is free. The first failure stops all, and nothing runs any more when it is thrown. */
async function inLanes<I, O>({ trees, stop, items, work }: Lanes<I, O>): Promise<readonly O[]> {
  const results: O[] = []
  let next = 0
  const lane = async (tree: Tree): Promise<void> => {
    while (next < items.length) {
      stop.signal.throwIfAborted()
      const place = next
      next += 1
      results[place] = await work(tree, items[place] as I)
    }
  }
  const failures: unknown[] = []
  await Promise.all(
    trees.map(tree =>
      lane(tree).catch((error: unknown) => {
        failures.push(error)
        stop.abort(error)
      }),
    ),
  )
  if (failures.length > 0) throw stop.signal.reason
  return results
}

/** A violation that the mutant does not name may hide the one that it does: the seeds behind it are tried as well. */
async function tryMutant(tree: Tree, mutant: Mutant, running: Running): Promise<MutantResult> {
  const refusal = await tree.build(running.signal)
  if (refusal !== undefined) return { mutant, kind: 'not-built', reason: refusal }
  const seen: Glimpse[] = []
  const { scenario, seeds: lastSeed } = mutant
  for (let firstSeed = 1; firstSeed <= lastSeed; ) {
    const end = await tryTree({ scenario, firstSeed, lastSeed }, { folder: tree.folder, ...running })
    if (end.kind === 'clean') break
    if (end.kind === 'stuck') return { mutant, kind: 'stuck', seed: end.seed }
    const violations =
      end.kind === 'violated'
        ? end.violations
        : [{ invariant: 'crash', checker: 'simulate', atMs: 0, detail: end.reason }]
    const named = violations.find(violation => mutant.caught.includes(violation.invariant))
    if (named) return { mutant, kind: 'caught', seed: end.seed, ...named }
    for (const { invariant, checker } of violations) seen.push({ seed: end.seed, invariant, checker })
    firstSeed = end.seed + 1
  }
  if (seen.length > 0) return { mutant, kind: 'caught-by-others', seen }
  return { mutant, kind: 'survived', seeds: lastSeed }
}

// Many seeds, on as many lanes as there are cores. A lane is a thread with one world at a time; results come in the order of
// the seeds, whatever the order in which they end.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Baseline } from '../baselines/baseline.ts'
import type { Timed } from '../outcome.ts'

export type SweepOptions = {
  readonly scenario: string
  readonly fromSeed: number
  readonly toSeed: number
  readonly jobs?: number
  readonly compare: readonly Baseline[]
  /** No seed is begun after so long. */
  readonly limitMs?: number
  readonly stopAtFirst?: boolean
  /** In the order of the seeds. */
  readonly onTimed: (timed: Timed) => void
  /** As often as a lane has something to say: virtual milliseconds of the seed that it runs. */
  readonly onProgress?: (seed: number, virtualMs: number) => void
}

export type LaneTask = {
  readonly scenario: string
  readonly seed: number
  readonly compare: readonly Baseline[]
}
export type LaneWord =
  | { readonly kind: 'progress'; readonly seed: number; readonly virtualMs: number }
  | { readonly kind: 'timed'; readonly timed: Timed }
  | { readonly kind: 'failed'; readonly reason: string }

/** Answers how many seeds were run. Rejects when a lane dies, naming its seed. */
export async function sweep(options: SweepOptions): Promise<number> {
  const startedMs = performance.now()
  const waiting = new Map<number, Timed>()
  let [next, given, hasFailed] = [options.fromSeed, options.fromSeed, false]
  const isOver = (): boolean =>
    next > options.toSeed ||
    (options.stopAtFirst === true && hasFailed) ||
    (options.limitMs !== undefined && performance.now() - startedMs > options.limitMs)
  const hand = (timed: Timed): void => {
    waiting.set(timed.outcome.seed, timed)
    hasFailed ||= !timed.outcome.ok
    for (let ready = waiting.get(given); ready; ready = waiting.get(given)) {
      waiting.delete(given)
      given += 1
      options.onTimed(ready)
    }
  }
  const lane = async (): Promise<void> => {
    // What a step makes it mostly throws away at once: a large nursery halves the cost of clearing up.
    const worker = new Worker(new URL('./lane.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 192, maxOldGenerationSizeMb: 6144 },
    })
    try {
      while (!isOver()) {
        const seed = next
        next += 1
        hand(await runIn(worker, { scenario: options.scenario, seed, compare: options.compare }, options))
      }
    } finally {
      await worker.terminate()
    }
  }
  const seeds = options.toSeed - options.fromSeed + 1
  const lanes = Math.max(1, Math.min(options.jobs ?? availableParallelism(), seeds))
  await Promise.all(Array.from({ length: lanes }, lane))
  return next - options.fromSeed
}

function runIn(worker: Worker, task: LaneTask, options: SweepOptions): Promise<Timed> {
  const { promise, resolve, reject } = Promise.withResolvers<Timed>()
  const onWord = (word: LaneWord): void => {
    if (word.kind === 'progress') options.onProgress?.(word.seed, word.virtualMs)
    else {
      worker.off('message', onWord)
      worker.off('error', onError)
      if (word.kind === 'timed') resolve(word.timed)
      else reject(new Error(`${task.scenario}:${task.seed}: ${word.reason}`))
    }
  }
  const onError = (error: Error): void => reject(new Error(`${task.scenario}:${task.seed}: ${error.stack}`))
  worker.on('message', onWord)
  worker.on('error', onError)
  worker.postMessage(task)
  return promise
}

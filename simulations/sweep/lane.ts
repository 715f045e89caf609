// A thread that runs one world after the other, for whoever sweeps.
import '../../src/runtime.ts'
import { parentPort } from 'node:worker_threads'
import { runSeed } from './seed.ts'
import type { LaneTask, LaneWord } from './sweep.ts'

const say = (word: LaneWord): void => parentPort?.postMessage(word)

parentPort?.on('message', (task: LaneTask) => {
  runSeed(task, virtualMs => say({ kind: 'progress', seed: task.seed, virtualMs })).then(
    timed => say({ kind: 'timed', timed }),
    (error: unknown) =>
      say({
        kind: 'failed',
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  )
})

// A progress bar on standard error, only where a person watches: how far, how fast, how long still.
import { Presets, SingleBar } from 'cli-progress'

export type Progress = {
  readonly step: (by?: number) => void
  /** More is known by now of how much there is. */
  readonly total: (total: number) => void
  readonly end: () => void
}

/** For whoever reads a log instead of a terminal: a line for each of so many parts. */
const LINES = 10

export function startProgress(what: string, total: number, wanted: boolean): Progress {
  if (!wanted || !process.stderr.isTTY)
    return { step: () => undefined, total: () => undefined, end: () => undefined }
  const format = `${what} {bar} {value}/{total}, {rate}/s, {eta_formatted} left`
  const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true }, Presets.shades_classic)
  const startedMs = performance.now()
  let done = 0
  bar.start(total, 0, { rate: 0 })
  return {
    step: (by = 1) => {
      done += by
      const seconds = Math.max(0.001, (performance.now() - startedMs) / 1000)
      bar.increment(by, { rate: Math.round(done / seconds) })
    },
    total: now => bar.setTotal(now),
    end: () => bar.stop(),
  }
}

/** The same as lines on standard error, where nobody watches a bar. */
export function startLines(what: string, wanted: boolean): Progress {
  if (!wanted || process.stderr.isTTY) return startProgress(what, 1, wanted)
  let [done, whole, said] = [0, 0, 0]
  return {
    step: (by = 1) => {
      done += by
      const part = whole === 0 ? 0 : Math.floor((done * LINES) / whole)
      if (part <= said) return
      said = part
      process.stderr.write(`${what} ${done}/${whole}\n`)
    },
    total: now => {
      whole = now
    },
    end: () => undefined,
  }
}

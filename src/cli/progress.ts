// A progress bar on standard error, only where a person watches: how far, how fast, how long still.
import { Presets, SingleBar } from 'cli-progress'

export type Progress = { readonly step: (by?: number) => void; readonly end: () => void }

export function startProgress(what: string, total: number, wanted: boolean): Progress {
  if (!wanted || !process.stderr.isTTY) return { step: () => undefined, end: () => undefined }
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
    end: () => bar.stop(),
  }
}

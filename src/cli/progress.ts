// A progress bar on standard error, only where a person watches.
import { Presets, SingleBar } from 'cli-progress'

export type Progress = { readonly step: () => void; readonly end: () => void }

export function startProgress(what: string, total: number, wanted: boolean): Progress {
  if (!wanted || !process.stderr.isTTY) return { step: () => undefined, end: () => undefined }
  const bar = new SingleBar(
    { format: `${what} {bar} {value}/{total} {eta_formatted}`, stream: process.stderr, hideCursor: true },
    Presets.shades_classic,
  )
  bar.start(total, 0)
  return { step: () => bar.increment(), end: () => bar.stop() }
}

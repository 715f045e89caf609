// One live line on a terminal while something long runs; a line now and then where standard error is a file.
const LIVE_EVERY_MS = 200
const QUIET_EVERY_MS = 15_000

export type Progress = { readonly reached: (value: number) => void; readonly end: () => void }

export function createProgress(stream: NodeJS.WriteStream, what: string, total: number): Progress {
  const startedMs = performance.now()
  let saidMs = startedMs
  return {
    reached: value => {
      const nowMs = performance.now()
      if (nowMs - saidMs < (stream.isTTY ? LIVE_EVERY_MS : QUIET_EVERY_MS)) return
      saidMs = nowMs
      const done = Math.min(1, value / total)
      const leftS = done > 0 ? ((nowMs - startedMs) / 1000) * (1 / done - 1) : 0
      const text = `${what}  ${(done * 100).toFixed(0)} %, ${Math.ceil(leftS)} s to go`
      stream.write(stream.isTTY ? `\r\x1b[2K${text}` : `${text}\n`)
    },
    end: () => {
      if (stream.isTTY) stream.write('\r\x1b[2K')
    },
  }
}

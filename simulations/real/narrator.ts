// Tells the demo's story: headings and lines, and on a terminal one live line that shows that things move.
const LIVE_EVERY_MS = 500
const QUIET_EVERY_MS = 10_000

export type Narrator = {
  readonly chapter: (text: string) => void
  readonly tell: (text: string) => void
  /** What the live line shows; undefined for none. */
  readonly watch: (line: (() => string) | undefined) => void
  readonly end: () => void
}

export function createNarrator(stream: NodeJS.WriteStream): Narrator {
  const startedMs = performance.now()
  let chapters = 0
  let live: (() => string) | undefined
  let shownMs = performance.now()
  const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s`
  const clear = (): void => {
    if (stream.isTTY) stream.write('\r\x1b[2K')
  }
  const timer = setInterval(() => {
    if (!live) return
    if (stream.isTTY) {
      clear()
      stream.write(`${seconds()}  ${live()}`.slice(0, (stream.columns ?? 100) - 1))
    } else if (performance.now() - shownMs >= QUIET_EVERY_MS) {
      shownMs = performance.now()
      stream.write(`${seconds()}    … ${live()}\n`)
    }
  }, LIVE_EVERY_MS)
  return {
    chapter: text => {
      clear()
      chapters += 1
      stream.write(`\n${seconds()}  ${chapters}. ${text}\n`)
    },
    tell: text => {
      clear()
      shownMs = performance.now()
      stream.write(`${seconds()}     ${text}\n`)
    },
    watch: line => {
      live = line
    },
    end: () => {
      clearInterval(timer)
      clear()
    },
  }
}

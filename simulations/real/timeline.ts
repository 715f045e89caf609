// Real time as a plan counts it: milliseconds since the start, and what is to happen when. An act that fails breaks the run,
// since whatever came after it would be measured on another site than the plan's.
export type Timeline = {
  /** UTC of its zero. */
  readonly originAt: number
  readonly nowMs: () => number
  readonly at: (atMs: number, act: () => unknown) => void
  readonly after: (delayMs: number, act: () => unknown) => void
  /** Rejects with the first failure; never resolves. */
  readonly broken: Promise<never>
  readonly pause: (ms: number) => Promise<void>
  readonly end: () => void
}

export function createTimeline(): Timeline {
  const [originAt, startedMs] = [Date.now(), performance.now()]
  const timers = new Set<NodeJS.Timeout>()
  const { promise: broken, reject } = Promise.withResolvers<never>()
  // Whoever waits for it hears of it; until somebody does, it is no unhandled one.
  broken.catch(() => undefined)
  const nowMs = (): number => Math.round(performance.now() - startedMs)
  const after = (delayMs: number, act: () => unknown): void => {
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        Promise.resolve().then(act).catch(reject)
      },
      Math.max(0, delayMs),
    )
    timers.add(timer)
  }
  return {
    ...{ originAt, nowMs, after, broken },
    at: (atMs, act) => after(atMs - nowMs(), act),
    pause: async ms => await Promise.race([broken, new Promise<void>(resolve => after(ms, resolve))]),
    end: () => {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}

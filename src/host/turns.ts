// Work that takes a thread for some milliseconds, a little of it at once. Node has four such threads, and the journal's writes
// and flushes need them too: five hundred stretches at once after a restart would stand before every answer to a charger.
export type Turns = {
  /** Done in the order in which it was asked for; what fails keeps nobody's turn. */
  readonly take: <T>(work: () => Promise<T>) => Promise<T>
  /** Asked for and not begun. */
  readonly waiting: () => number
}

export function createTurns(atOnce: number): Turns {
  let running = 0
  const queue: (() => void)[] = []
  return {
    waiting: () => queue.length,
    take: async work => {
      if (running < atOnce) running++
      else await new Promise<void>(resolve => queue.push(resolve))
      try {
        return await work()
      } finally {
        // The place passes to the next one directly, so that nobody slips in between.
        const next = queue.shift()
        if (next) next()
        else running--
      }
    },
  }
}

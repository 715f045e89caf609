// One charger's messages, one after another, in the order they arrived, also across its reconnects. Bounded.

export const MAX_WAITING = 64

export type Lane = {
  /** Runs the task after all earlier ones; false when too many wait. A task must not reject. */
  readonly push: (task: () => Promise<void>) => boolean
  /** Like push, without the bound: for the two messages that a connection itself makes. */
  readonly insist: (task: () => Promise<void>) => void
  readonly full: () => boolean
  /** Resolves when everything pushed so far has run. */
  readonly drained: () => Promise<void>
}

export function createLane(): Lane {
  let tail: Promise<void> = Promise.resolve()
  let waiting = 0
  const insist = (task: () => Promise<void>): void => {
    waiting++
    tail = tail.then(task).finally(() => {
      waiting--
    })
  }
  const full = () => waiting >= MAX_WAITING
  return {
    insist,
    full,
    drained: () => tail,
    push: task => {
      if (full()) return false
      insist(task)
      return true
    },
  }
}

// The transaction messages of a charge point, in its non-volatile memory: delivered in order, each until it is
// confirmed, re-sent with a new message id and the same payload (OCPP 1.6, 3.7). Survives lost connections and
// power cycles; gives a message up only after `attempts` failed tries.
import type { CallResult } from './line.ts'

export type QueuedMessage = {
  readonly action: string
  /** Of those the oldest make room. */
  readonly isReading: boolean
  /** Called once, when it is sent for the first time: by then the transaction id may have become known. */
  readonly payload: () => Readonly<Record<string, unknown>>
  readonly onConfirmed: (payload: unknown) => void
}
export type QueueOptions = {
  readonly call: (action: string, payload: unknown) => Promise<CallResult>
  /** Whether messages may be sent now: connected, and the boot was accepted. */
  readonly ready: () => boolean
  readonly attempts: () => number
  readonly retryIntervalMs: () => number
}
export type Queue = {
  readonly push: (message: QueuedMessage) => void
  /** Goes on delivering; called when `ready` may have become true. */
  readonly kick: () => void
  readonly size: () => number
  /** Messages given up, in order. */
  readonly discarded: () => readonly string[]
  /** Resolves when nothing waits any more. */
  readonly settled: () => Promise<void>
  readonly close: () => void
}

/** Days of meter values; the oldest ones make room, starts and stops never do. */
const MAX_QUEUED = 5000

type Entry = {
  readonly message: QueuedMessage
  payload: Readonly<Record<string, unknown>> | undefined
  transmissions: number
}

type State = { running: boolean; closed: boolean; wake: (() => void) | undefined }

export function createQueue(options: QueueOptions): Queue {
  const entries: Entry[] = []
  const discarded: string[] = []
  const waiters: (() => void)[] = []
  const state: State = { running: false, closed: false, wake: undefined }
  const remove = (entry: Entry): void => void entries.splice(entries.indexOf(entry), 1)
  const giveUp = (entry: Entry): void => {
    remove(entry)
    discarded.push(entry.message.action)
  }
  const kick = (): void => {
    if (state.running || state.closed) return
    state.running = true
    void deliver({ entries, options, state, remove, giveUp }).finally(() => {
      state.running = false
      if (entries.length === 0) for (const resolve of waiters.splice(0)) resolve()
      // Pushed after the last look at the list, before `running` was false.
      else if (options.ready()) kick()
    })
  }
  return {
    kick,
    push: message => {
      if (entries.length >= MAX_QUEUED) dropOldestMeter(entries)
      entries.push({ message, payload: undefined, transmissions: 0 })
      kick()
    },
    size: () => entries.length,
    discarded: () => discarded,
    settled: async () => {
      if (entries.length > 0 || state.running) await new Promise<void>(resolve => waiters.push(resolve))
    },
    close: () => {
      state.closed = true
      state.wake?.()
    },
  }
}

type Delivery = {
  readonly entries: readonly Entry[]
  readonly options: QueueOptions
  readonly state: State
  readonly remove: (entry: Entry) => void
  readonly giveUp: (entry: Entry) => void
}

/** Sends the oldest message again and again until it is confirmed, then the next; returns when the line is lost. */
async function deliver({ entries, options, state, remove, giveUp }: Delivery): Promise<void> {
  for (let head = entries[0]; head && !state.closed && options.ready(); head = entries[0]) {
    head.payload ??= head.message.payload()
    const result = await options.call(head.message.action, head.payload)
    switch (result.kind) {
      case 'result':
        remove(head)
        head.message.onConfirmed(result.payload)
        break
      case 'offline':
        break
      case 'timeout':
      case 'error':
        head.transmissions++
        if (head.transmissions >= options.attempts()) giveUp(head)
        else await pause(state, options.retryIntervalMs() * head.transmissions)
    }
  }
}

function dropOldestMeter(entries: Entry[]): void {
  // The head may be on its way already.
  const oldest = entries.findIndex((entry, i) => i > 0 && entry.message.isReading)
  if (oldest > 0) entries.splice(oldest, 1)
}

function pause(state: State, durationMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, durationMs)
    state.wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

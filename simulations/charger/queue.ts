// The transaction messages of a charge point, in its non-volatile memory: delivered in order, each until it is
// confirmed, re-sent with a new message id and the same payload (OCPP 1.6, 3.7). Survives lost connections and
// power cycles; gives a message up only after `attempts` failed tries.
import type { CallResult } from './line.ts'

export type QueuedMessage = {
  readonly action: 'StartTransaction' | 'MeterValues' | 'StopTransaction'
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

export function createQueue(options: QueueOptions): Queue {
  const entries: Entry[] = []
  const discarded: string[] = []
  const waiters: (() => void)[] = []
  const state: { running: boolean; closed: boolean; wake: (() => void) | undefined } = {
    running: false,
    closed: false,
    wake: undefined,
  }
  const kick = (): void => {
    if (state.running || state.closed) return
    state.running = true
    void deliver().finally(() => {
      state.running = false
      if (entries.length === 0) for (const resolve of waiters.splice(0)) resolve()
    })
  }
  const deliver = async (): Promise<void> => {
    for (let head = entries[0]; head && !state.closed && options.ready(); head = entries[0]) {
      head.payload ??= head.message.payload()
      const result = await options.call(head.message.action, head.payload)
      if (result.kind === 'offline') {
        if (!options.ready()) return
        continue
      }
      if (result.kind === 'result') {
        entries.splice(entries.indexOf(head), 1)
        head.message.onConfirmed(result.payload)
        continue
      }
      head.transmissions++
      if (head.transmissions >= options.attempts()) {
        entries.splice(entries.indexOf(head), 1)
        discarded.push(head.message.action)
      } else {
        await pause(state, options.retryIntervalMs() * head.transmissions)
      }
    }
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
    settled: () =>
      entries.length === 0 && !state.running
        ? Promise.resolve()
        : new Promise(resolve => waiters.push(resolve)),
    close: () => {
      state.closed = true
      state.wake?.()
    },
  }
}

function dropOldestMeter(entries: Entry[]): void {
  // The head may be on its way already.
  const oldest = entries.findIndex((entry, i) => i > 0 && entry.message.action === 'MeterValues')
  if (oldest > 0) entries.splice(oldest, 1)
}

function pause(state: { wake: (() => void) | undefined }, durationMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, durationMs)
    state.wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

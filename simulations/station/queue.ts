// The transaction messages of a charge point, in its non-volatile memory: delivered in order, each until it is confirmed,
// sent again with the same payload (OCPP 1.6, 3.7). Survives lost connections and power cuts. An impatient firmware gives
// a message up after so many tries without an answer, and with a start the whole session (OCPP.md, 1.4).
import type { Payload, SessionRecord, TransactionAction } from './session.ts'

/** Days of meter values; the oldest ones make room, starts and stops never do. */
const MAX_QUEUED = 5000

export type Entry = {
  readonly action: TransactionAction
  /** Undefined for what is sent again long after its confirmation: nobody waits for that. */
  readonly session: SessionRecord | undefined
  /** Called once, when it is sent for the first time: by then the transaction id has become known. */
  readonly make: () => Payload
  payload?: Payload
  failures: number
}

export type Queue = {
  readonly push: (message: Pick<Entry, 'action' | 'session' | 'make'>) => void
  readonly head: () => Entry | undefined
  readonly confirmed: (entry: Entry) => void
  /** No answer came in time. */
  readonly failed: (entry: Entry) => void
  readonly size: () => number
}

export function createQueue(maxAttempts: number): Queue {
  const entries: Entry[] = []
  const remove = (entry: Entry): void => {
    const index = entries.indexOf(entry)
    if (index >= 0) entries.splice(index, 1)
  }
  return {
    head: () => entries[0],
    size: () => entries.length,
    push: message => {
      // Of a session that it gave up it says no more.
      if (message.session?.lostByItself !== undefined) return
      if (entries.length >= MAX_QUEUED) dropOldestReading(entries)
      entries.push({ ...message, failures: 0 })
    },
    confirmed: remove,
    failed: entry => {
      entry.failures++
      if (entry.failures < maxAttempts) return
      remove(entry)
      const { session, action } = entry
      if (!session || action === 'MeterValues' || action === 'CardShown') return
      session.lostByItself ??= action === 'StartTransaction' ? 'start-given-up' : 'stop-given-up'
      if (action === 'StartTransaction')
        for (const other of entries.filter(one => one.session === session)) remove(other)
    },
  }
}

function dropOldestReading(entries: Entry[]): void {
  // The head may be on its way already.
  const oldest = entries.findIndex((entry, i) => i > 0 && entry.action === 'MeterValues')
  if (oldest > 0) entries.splice(oldest, 1)
}

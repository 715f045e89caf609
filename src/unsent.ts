// What the cloud has not acknowledged, kept up with what changes: a node asks each second, and few of its logs have grown.
import type { Ledger } from './ledger.ts'
import { TYPE_NUMBERS } from './log/body.ts'
import type { Log } from './replica/logs.ts'
import type { LogId } from './units.ts'
import type { Priority, Unsent } from './uplink/outbox.ts'

export type UnsentWatch = {
  /** Logs that hold more than the cloud has acked. A forked log goes out as well: the cloud is where money is reviewed. */
  readonly logs: (ledger: Ledger) => readonly Unsent[]
  readonly events: (ledger: Ledger) => number
}

type Seen = {
  readonly ledger: Ledger
  readonly logs: number
  readonly objects: number
  readonly cloudEpoch: number
}

export function watchUnsent(): UnsentWatch {
  const unsent = new Map<LogId, Unsent>()
  let listed: readonly Unsent[] = []
  let seen: Seen | undefined

  const review = (ledger: Ledger, log: Log): void => {
    // What was pruned is beyond anybody's asking; acks of then bind the cloud, whatever epoch it is in now.
    const fromSeq = Math.max(ledger.ackedSeq(log.logId) + 1, log.base)
    if (log.head.seq < fromSeq) unsent.delete(log.logId)
    else unsent.set(log.logId, { logId: log.logId, fromSeq, priority: priorityOf(log, fromSeq) })
  }

  const keepUp = (ledger: Ledger): void => {
    const { logs, objects } = ledger
    const now: Seen = {
      ...{ ledger, logs: logs.changes(), objects: objects.changes(), cloudEpoch: objects.cloudEpoch() },
    }
    if (seen?.ledger === ledger && seen.logs === now.logs && seen.objects === now.objects) return
    // A store that was read again, and a cloud that forgot: everything is looked at.
    const isOther = seen?.ledger !== ledger || seen.cloudEpoch !== now.cloudEpoch
    const since = isOther ? { logs: 0, objects: Number.MAX_SAFE_INTEGER } : (seen ?? now)
    if (isOther) unsent.clear()
    for (const log of logs.changedSince(since.logs)) review(ledger, log)
    for (const object of objects.changedSince(since.objects)) {
      const log = object.kind === 'ack' ? logs.get(object.body.logId) : undefined
      if (log) review(ledger, log)
    }
    seen = now
    listed = [...unsent.values()]
  }

  return {
    logs: ledger => {
      keepUp(ledger)
      return listed
    },
    events: ledger => {
      keepUp(ledger)
      let count = 0
      for (const { logId, fromSeq } of listed) count += (ledger.logs.get(logId)?.head.seq ?? -1) - fromSeq + 1
      return count
    },
  }
}

const ENDS: readonly number[] = [
  TYPE_NUMBERS.session_end,
  TYPE_NUMBERS.payment_attempt,
  TYPE_NUMBERS.checkpoint,
]
const STARTS: readonly number[] = [TYPE_NUMBERS.session_start, TYPE_NUMBERS.escrow_hold]

/** The most urgent type among what is unsent (PROTOCOL 3.3); an element's second byte is its type. */
function priorityOf(log: Log, fromSeq: number): Priority {
  if (!log.certificate.roles.includes('node')) return 0
  let priority: Priority = 4
  for (let seq = fromSeq; seq < log.elements.length && priority > 1; seq++) {
    const type = log.elements[seq]?.[1] ?? 0
    if (ENDS.includes(type)) priority = 1
    else if (STARTS.includes(type)) priority = 2
    else if (type === TYPE_NUMBERS.meter_tick && priority > 3) priority = 3
  }
  return priority
}

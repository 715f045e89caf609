// Events that other events name: whoever wrote these had held them, so a file without them is not whole.
import type { AnyBody, EventRef } from '../log/body.ts'
import type { LogId } from '../units.ts'
import type { BookedLog } from './book.ts'

/** `by` names `ref` in its event `seq`. */
export type Named = { readonly ref: EventRef; readonly by: BookedLog; readonly seq: number }

/** Pairs of logs, one of which names the other. */
const MAX_NAMED = 100_000

export type NamedEvents = {
  readonly hear: (by: BookedLog, seq: number, body: AnyBody) => void
  /** For each pair of logs the furthest event that is named. */
  readonly all: () => readonly Named[]
}

export function createNamed(): NamedEvents {
  const held = new Map<LogId, Map<LogId, Named>>()
  let count = 0
  return {
    hear: (by, seq, body) => {
      for (const ref of refsIn(body)) {
        const inLog = held.get(ref.logId) ?? new Map<LogId, Named>()
        held.set(ref.logId, inLog)
        const known = inLog.get(by.logId)
        if (known ? known.ref.seq >= ref.seq : count >= MAX_NAMED) continue
        if (!known) count += 1
        inLog.set(by.logId, { ref, by, seq })
      }
    },
    all: () => [...held.values()].flatMap(inLog => [...inLog.values()]),
  }
}

function refsIn(body: AnyBody): readonly EventRef[] {
  switch (body.name) {
    case 'epoch_open':
    case 'session_start':
    case 'session_card':
      return body.body.policyHead
    case 'checkpoint':
      return body.body.heads
    case 'pricing':
      return [body.body.tariff]
    default:
      return []
  }
}

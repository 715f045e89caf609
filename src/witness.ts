// A node says that it holds a revocation, in its own log, which every carrier of logs carries (PROTOCOL 2.4): a checkpoint of
// the newest one of each of the operator's logs. Whoever reads it knows that this node refuses the card.
import type { Ledger } from './ledger.ts'
import type { AnyBody } from './log/body.ts'
import type { DeviceId } from './units.ts'

/** Many revocations, one after the other, are said together. */
const EVERY_MS = 10_000
/** A checkpoint names no more; the rest follows with the next. */
const MAX_HEADS = 128

export type Witness = {
  /** What is to be said now; to be asked with each tick. */
  readonly due: (ledger: Ledger, nowMs: number) => readonly AnyBody[]
}

export function createWitness(self: DeviceId): Witness {
  let saidAtMs = Number.NEGATIVE_INFINITY
  let seen: { readonly ledger: Ledger; readonly changes: number } | undefined
  return {
    due: (ledger, nowMs) => {
      // What a revoked node says counts for nobody, itself included: it would owe the same for ever.
      if (ledger.isRevoked(self)) return []
      const view = ledger.view()
      const changes = view.changes()
      // A store that was read again may have lost what was said.
      if ((seen?.ledger === ledger && seen.changes === changes) || nowMs - saidAtMs < EVERY_MS) return []
      seen = { ledger, changes }
      const heads = view.knowledge.owedBy(self).slice(0, MAX_HEADS)
      if (heads.length === 0) return []
      saidAtMs = nowMs
      return [{ name: 'checkpoint', body: { heads } }]
    },
  }
}

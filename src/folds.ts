// The view of one ledger: kept up with every event, and built anew, when somebody looks, where something that counted no
// longer does. Folds cannot forget: behind a fork, and beyond a revoked device's cut-off, nothing may have been counted.
import type { Certificate } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { LogEvent } from './log/event.ts'
import { type Remember, readAnew } from './remember.ts'
import type { Log, Logs } from './replica/logs.ts'
import { createView, type View, viewOf } from './view.ts'

/** The first fork of a log is out of the folds at once; lower ones of the same log may wait so long. */
const REFOLD_EVERY_MS = 30_000

export type Folds = {
  readonly current: () => View
  /** Answered from what is folded already: it is asked with every message of a peer. */
  readonly isRevoked: (certificate: Certificate) => boolean
  readonly take: (log: Log, events: readonly LogEvent[]) => void
  /** A log has two branches; `wasKnown`: a lower fork than the one known. */
  readonly forked: (wasKnown: boolean) => void
  /** What was let go of leaves with the next look: it was billed, and nobody waits for it to go. */
  readonly pruned: () => void
  /** What could wait, when it has waited long enough. */
  readonly refold: (nowMs: number) => void
  /** Everything was read again: nothing waits any more. */
  readonly settle: () => void
}

type Stale = 'no' | 'now' | 'soon'

export function createFolds(roster: Roster, logs: Logs, remember: Remember = readAnew): Folds {
  let view = createView(roster, remember)
  let forks: Stale = 'no'
  let refoldedAtMs = Number.NEGATIVE_INFINITY
  const stale = (): Stale => {
    const outdated = view.outdated()
    if (forks === 'now' || outdated === 'now') return 'now'
    return forks === 'soon' ? 'soon' : outdated
  }
  const build = (): View => {
    forks = 'no'
    view = viewOf(roster, logs, remember)
    return view
  }
  return {
    current: () => (stale() === 'now' ? build() : view),
    isRevoked: certificate => view.standing.isVoid(certificate),
    take: (log, events) => {
      for (const event of events)
        if (!log.fork || event.seq < log.fork.seq) view.apply(event, log.certificate)
    },
    forked: wasKnown => {
      forks = wasKnown && forks !== 'now' ? 'soon' : 'now'
    },
    pruned: () => {
      if (forks === 'no') forks = 'soon'
    },
    refold: nowMs => {
      if (stale() !== 'soon' || nowMs - refoldedAtMs < REFOLD_EVERY_MS) return
      refoldedAtMs = nowMs
      build()
    },
    settle: () => {
      if (stale() !== 'no') build()
    },
  }
}

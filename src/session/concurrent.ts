// One card at two chargers at the same time: cannot be prevented while nodes do not hear one another, and shows a copied or
// a lent card when they do.
import type { ChargerId, SessionId } from '../units.ts'
import type { Session } from './fold.ts'
import { timesOf } from './times.ts'

/** Clocks of two chargers may differ by so much. */
const AGREE_MS = 2 * 60_000

/** Of one card; sessions that nobody stopped would pile up. */
const MAX_RUNNING = 64

type Span = { readonly session: Session; readonly fromAt: number; readonly toAt: number }

/** Of each session whose card charged elsewhere meanwhile, where that was. Refused ones that took nothing do not count. */
export function concurrentSessions(
  sessions: readonly Session[],
): ReadonlyMap<SessionId, readonly ChargerId[]> {
  const found = new Map<SessionId, Set<ChargerId>>()
  const note = (one: Session, other: Session): void => {
    found.set(one.sessionId, (found.get(one.sessionId) ?? new Set()).add(other.chargerId))
  }
  const running = new Map<string, Span[]>()
  for (const span of sessions.filter(counts).map(spanOf).toSorted(byStart)) {
    const { session, fromAt } = span
    const still = (running.get(session.tokenRef) ?? []).filter(({ toAt }) => toAt > fromAt + AGREE_MS)
    for (const { session: other, toAt } of still) {
      const isLong = Math.min(toAt, span.toAt) - fromAt > AGREE_MS
      if (!isLong || other.chargerId === session.chargerId) continue
      note(session, other)
      note(other, session)
    }
    running.set(session.tokenRef, [...still, span].slice(-MAX_RUNNING))
  }
  return new Map([...found].map(([sessionId, at]) => [sessionId, [...at].sort()]))
}

function counts({ allowed, energyWh = 0 }: Session): boolean {
  return allowed === 'ALLOWED' || energyWh > 0
}

function spanOf(session: Session): Span {
  const { startedAt, stoppedAt } = timesOf(session)
  return { session, fromAt: startedAt.at, toAt: stoppedAt?.at ?? Number.POSITIVE_INFINITY }
}

function byStart(a: Span, b: Span): number {
  return a.fromAt - b.fromAt
}

// What people are told of forwarding: how far each charger is, which sessions wait for what, and what would be said.

import type { Way } from './forwarder.ts'
import type { Speaking } from './forwarder-call.ts'
import type { Line } from './forwarder-line.ts'
import { planOf, toldOf } from './forwarder-line.ts'
import type { ToldSessions } from './forwarder-session.ts'
import { lacks } from './forwarder-talk.ts'
import type { Ledger, Times } from './ledger.ts'
import type { Session } from './session/fold.ts'
import { timesOf } from './session/times.ts'
import type { ChargerId, SessionId } from './units.ts'
import type { Call } from './uplink/csms-calls.ts'

/** Sessions that are listed one by one; the others are counted. */
const MAX_LISTED = 500

export type ForwardedSession = {
  readonly sessionId: SessionId
  readonly chargerId: ChargerId
  readonly startedAt: string
  /** As the log says: unsaid, asked, started, stopping. */
  readonly stage: string
  readonly upstreamId?: string
  /** Nothing happens before a person, or something else, has said more. */
  readonly isHeld: boolean
  readonly reason?: string
}
export type ForwardedCharger = {
  readonly chargerId: ChargerId
  readonly state: 'idle' | 'waiting' | 'talking' | 'failing'
  readonly queue: number
  readonly nextTryInMs?: number
  readonly reason?: string
}
export type ForwardReport = {
  readonly name: string
  readonly state: 'forwarding' | 'waiting' | 'failing' | 'shadow'
  readonly waiting: {
    readonly sessions: number
    readonly held: number
    /** Of the one that began first. */
    readonly oldestAgeMs?: number
  }
  readonly why?: string
  readonly nextTryInMs?: number
  readonly chargers: readonly ForwardedCharger[]
  readonly sessions: readonly ForwardedSession[]
}

type Looking = {
  readonly deps: Speaking
  readonly told: ToldSessions
  readonly ledger: Ledger
  readonly times: Times
}

export function reportWay(way: Way, looking: Looking): ForwardReport {
  const { system, standing } = way
  const lines = [...way.lines.values()]
  const queued = lines.flatMap(line => line.queue.map(session => ({ line, session })))
  const sessions = queued
    .slice(0, MAX_LISTED)
    .map(({ line, session }) => reportSession(way, line, session, looking))
  const failing = lines.filter(line => line.failures > 0 && line.queue.length > 0)
  const held = sessions.filter(({ isHeld }) => isHeld)
  const waits = !standing.mayForward
  const state = system.terms.shadow
    ? 'shadow'
    : waits
      ? 'waiting'
      : failing.length > 0
        ? 'failing'
        : 'forwarding'
  const reason = waits ? standing.reason : (failing[0]?.reason ?? held[0]?.reason)
  const nextTryInMs = Math.min(
    ...failing.map(line => Math.max(0, line.readyAtMs - looking.times.monotonicMs)),
  )
  const oldest = queued.map(({ session }) => timesOf(session).startedAt.at).sort((a, b) => a - b)[0]
  return {
    ...{ name: system.name, state },
    waiting: {
      ...{ sessions: queued.length, held: held.length },
      ...(oldest !== undefined && { oldestAgeMs: Math.max(0, looking.times.wallMs - oldest) }),
    },
    ...(reason !== undefined && { why: reason }),
    ...(Number.isFinite(nextTryInMs) && !waits && { nextTryInMs }),
    chargers: lines.map(line => reportLine(line, looking)),
    sessions,
  }
}

function reportLine(line: Line, { times }: Looking): ForwardedCharger {
  const isFailing = line.failures > 0 && line.queue.length > 0
  const state = line.isBusy ? 'talking' : isFailing ? 'failing' : line.queue.length > 0 ? 'waiting' : 'idle'
  return {
    ...{ chargerId: line.chargerId, state, queue: line.queue.length },
    ...(isFailing && { nextTryInMs: Math.max(0, line.readyAtMs - times.monotonicMs) }),
    ...(line.reason !== undefined && { reason: line.reason }),
  }
}

function reportSession(
  { system, standing }: Way,
  line: Line,
  session: Session,
  { deps, told: sessions, ledger, times }: Looking,
): ForwardedSession {
  const { told, sessionId } = toldOf(ledger, system.name, session)
  const isDoubtful = standing.isDoubtful(session)
  const plan = planOf(line, { told, session, terms: system.terms, nowMs: times.monotonicMs, isDoubtful })
  const isWaiting = plan.kind === 'wait' || plan.kind === 'held'
  const lacking =
    isWaiting || plan.kind === 'note'
      ? undefined
      : lacks({ deps, sessions, system, line }, { session, sessionId, plan }, { ledger })
  const reason = isWaiting ? plan.reason : lacking
  return {
    ...{ sessionId, chargerId: session.chargerId, stage: told.stage },
    startedAt: new Date(timesOf(session).startedAt.at).toISOString(),
    ...('upstreamId' in told && { upstreamId: told.upstreamId }),
    isHeld: !line.isBusy && (plan.kind === 'held' || (lacking !== undefined && session.end !== undefined)),
    ...(reason !== undefined && { reason }),
  }
}

/** What would be said of a session from its beginning, the card left out. */
export function callsOf(way: Way, session: Session, { told, ledger }: Looking): readonly Call[] {
  const one = told.told(ledger.logs, session)
  if (!one) return []
  const { translator, system } = way
  const { told: said } = toldOf(ledger, system.name, session)
  const upstreamId = 'upstreamId' in said ? said.upstreamId : String(session.transactionIds[0] ?? 0)
  return [
    translator.starts(one),
    ...translator.measures(one, upstreamId, { readings: 0, calls: 0 }),
    ...(one.end ? [translator.ends(one, upstreamId)] : []),
  ]
}

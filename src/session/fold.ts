// Many logs, one session: the facts about a charger, from however many nodes and in whatever order they came, fold
// into the same sessions everywhere (PROTOCOL 3.2, 5.3; I26). The bill is the difference of two registers, so
// doubled messages cannot inflate it; what contradicts itself is disputed, and the smaller energy counts.
import type { EventRef } from '../log/body.ts'
import type { Allowed } from '../ports.ts'
import type { ChargerId, DeviceId, LogId, SessionId, TokenRef } from '../units.ts'
import type { Curve } from './curve.ts'
import { type Draft, draftsOf, sessionOf } from './draft.ts'
import type { Measured, MeterFlag } from './energy.ts'
import { byTime, type ChargerFacts, type Fact } from './facts.ts'
import { joinOrphanEnds, joinOrphanTicks, mergeRestarted } from './join.ts'
import type { SessionState } from './machine.ts'

export type SessionFlag =
  /** Stops of different content name this session. */
  | 'conflicting-ends'
  | MeterFlag
  /** The card was refused, yet energy flowed. */
  | 'refused-card'
  /** A stop without a usable transaction id was joined to it. */
  | 'joined-by-fit'
  /** No price was fixed at the start. */
  | 'unpriced'
  /** The same start came twice, with a corrected clock. */
  | 'restarted-clock'
  /** Its charger's clock was not set, and another session began with the very same words. */
  | 'shared-words'

/** One session as all logs together tell it. */
export type Session = {
  /** Its own; events about it are written under `start.body.sessionId`, which it may share. */
  readonly sessionId: SessionId
  readonly chargerId: ChargerId
  readonly connectorId: number
  readonly tokenRef: TokenRef
  /** What was decided about that card, and why. */
  readonly allowed: Allowed
  readonly reason: string
  /** That card's own id, sealed to whoever holds the site's key. */
  readonly tagSealed?: Uint8Array
  readonly start: Fact<'session_start'>
  /** Every record of its start, those under an earlier id included. */
  readonly starts: readonly Fact<'session_start'>[]
  /** The stop that counts: of several, the one with the smaller energy. */
  readonly end?: Fact<'session_end'>
  /** Every stop that names this session, joined ones included. */
  readonly ends: readonly Fact<'session_end'>[]
  /** Every event that records the chosen end. */
  readonly endRefs: readonly EventRef[]
  readonly transactionIds: readonly number[]
  readonly pricing?: Fact<'pricing'>
  /** Every record of a price that was shown, the earliest first; they differ only where islands or operators disagree. */
  readonly pricings: readonly Fact<'pricing'>[]
  readonly adoptions: readonly Fact<'adoption'>[]
  readonly mark?: Fact<'reconciliation_mark'>
  readonly state: SessionState
  /** Stop register minus start register, in Wh; missing while open, and when the meter went back unexplained. */
  readonly energyWh?: number
  /** The same up to the newest register that was heard. */
  readonly soFar?: Measured
  /** The newest sample, by the charger's clock where that was set. */
  readonly lastTick?: Fact<'meter_tick'>
  /** The newest sample that holds a state of charge. */
  readonly lastSoc?: Fact<'meter_tick'>
  /** The highest register heard, in Wh; a sample need not hold one. */
  readonly registerWh?: number
  /** Empty where all prices are plain: those do not ask when energy flowed, and the cloud does not load it. */
  readonly curve: Curve
  /** What the charger said of pauses, as recorded. */
  readonly states: readonly Fact<'session_state'>[]
  readonly recordedBy: readonly DeviceId[]
  /** Every log with a word of it but its mark's: they may be let go of together, or not at all (PROTOCOL 1.11). */
  readonly logIds: readonly LogId[]
  readonly flags: readonly SessionFlag[]
}

export type ChargerSessions = {
  readonly sessions: readonly Session[]
  /** Stops that fit no session, or more than one, and stops of sessions whose start is missing. */
  readonly orphanEnds: readonly Fact<'session_end'>[]
}

/** Folds one charger's facts. Pure: equal sets of events give equal sessions. */
export function foldCharger(facts: ChargerFacts): ChargerSessions {
  return foldDrafts(facts, [...facts.sessions.values()].flatMap(draftsOf))
}

/** The same from drafts of all its sessions, as `draftsOf` gives them: those that touch one another are marked so. */
export function foldDrafts(facts: ChargerFacts, drafts: readonly Draft[]): ChargerSessions {
  const inOrder = drafts.toSorted((a, b) => byTime(a.start, b.start))
  const kept = mergeRestarted(inOrder, facts.orphanEnds)
  const orphanEnds = joinOrphanEnds(kept, facts.orphanEnds)
  joinOrphanTicks(kept, facts.orphanTicks)
  // Their start has not come yet, and may never: whoever looks for lost sessions has to see them.
  for (const session of facts.sessions.values())
    if (session.starts.length === 0) for (const end of session.ends) orphanEnds.push(end)
  return { sessions: kept.map(sessionOf), orphanEnds: orphanEnds.sort(byTime) }
}

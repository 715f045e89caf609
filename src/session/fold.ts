// Many logs, one session: the facts about a charger, from however many nodes and in whatever order they came, fold
// into the same sessions everywhere (PROTOCOL 3.2, 5.3; I26). The bill is the difference of two registers, so
// doubled messages cannot inflate it; what contradicts itself is disputed, and the smaller energy counts.
import type { EventRef } from '../log/body.ts'
import type { ChargerId, DeviceId, SessionId, TokenRef } from '../units.ts'
import { clockedAt } from './clock.ts'
import {
  bySample,
  byTime,
  type ChargerFacts,
  type Fact,
  type SessionFacts,
  type TickSummary,
} from './facts.ts'
import { type SessionInput, type SessionState, step } from './machine.ts'
import { contentOf, splitByStops } from './split.ts'

export type SessionFlag =
  /** Stops of different content name this session. */
  | 'conflicting-ends'
  /** The stop's register is below the start's. */
  | 'meter-went-back'
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
  readonly adoptions: readonly Fact<'adoption'>[]
  readonly mark?: Fact<'reconciliation_mark'>
  readonly state: SessionState
  /** Stop register minus start register, in Wh; missing while open, and when the meter went back. */
  readonly energyWh?: number
  /** The newest sample, by the charger's clock where that was set. */
  readonly lastTick?: Fact<'meter_tick'>
  /** The highest register heard, in Wh; a sample need not hold one. */
  readonly registerWh?: number
  readonly recordedBy: readonly DeviceId[]
  readonly flags: readonly SessionFlag[]
}

export type ChargerSessions = {
  readonly sessions: readonly Session[]
  /** Stops that fit no session, or more than one, and stops of sessions whose start is missing. */
  readonly orphanEnds: readonly Fact<'session_end'>[]
}

/** Folds one charger's facts. Pure: equal sets of events give equal sessions. */
export function foldCharger(facts: ChargerFacts): ChargerSessions {
  const all = [...facts.sessions.values()]
  const drafts = all.filter(session => session.starts.length > 0).flatMap(draftsOf)
  // Their start has not come yet, and may never: whoever looks for lost sessions has to see them.
  const startless = all.flatMap(session => (session.starts.length > 0 ? [] : session.ends))
  drafts.sort((a, b) => byTime(a.start, b.start))
  const kept = mergeRestarted(drafts, facts.orphanEnds)
  const orphanEnds = joinOrphanEnds(kept, facts.orphanEnds)
  joinOrphanTicks(kept, facts.orphanTicks)
  return { sessions: kept.map(finish), orphanEnds: [...orphanEnds, ...startless].toSorted(byTime) }
}

type Draft = {
  readonly facts: SessionFacts
  readonly start: Fact<'session_start'>
  readonly starts: Fact<'session_start'>[]
  readonly transactionIds: Set<number>
  readonly ends: Fact<'session_end'>[]
  readonly ticks: TickSummary[]
  readonly flags: Set<SessionFlag>
}

function draftsOf(facts: SessionFacts): readonly Draft[] {
  const drafts = splitByStops(facts).map(draftOf)
  if (drafts.length > 1) for (const draft of drafts) draft.flags.add('shared-words')
  return drafts
}

function draftOf(facts: SessionFacts): Draft {
  const starts = facts.starts.toSorted(byTime)
  return {
    facts,
    start: starts[0] as Fact<'session_start'>,
    starts,
    transactionIds: new Set(starts.map(start => start.body.transactionId)),
    ends: [...facts.ends],
    ticks: [...facts.ticks.values()],
    flags: new Set(),
  }
}

/**
 * Two starts of one connector with equal meterStart and card, the earlier never stopped: a charger that re-sent its
 * start with a corrected clock. They are one session, known under the later id (PROTOCOL 3.2).
 */
function mergeRestarted(drafts: readonly Draft[], orphans: readonly Fact<'session_end'>[]): Draft[] {
  const kept: Draft[] = []
  for (const draft of drafts) {
    const { connectorId, meterStartWh, tokenRef } = draft.start.body
    const earlier = kept.findIndex(
      other =>
        other.ends.length === 0 &&
        !orphans.some(end => other.transactionIds.has(end.body.transactionId)) &&
        other.start.body.connectorId === connectorId &&
        other.start.body.meterStartWh === meterStartWh &&
        other.start.body.tokenRef === tokenRef,
    )
    const replaced = kept[earlier]
    if (replaced) {
      for (const transactionId of replaced.transactionIds) draft.transactionIds.add(transactionId)
      draft.starts.push(...replaced.starts)
      draft.ticks.push(...replaced.ticks)
      draft.flags.add('restarted-clock')
      kept.splice(earlier, 1)
    }
    kept.push(draft)
  }
  return kept
}

/**
 * A stop whose node did not know the start: by its transaction id, else to the only open session that it fits. What
 * one stop takes is no longer open for the others, so the rest is looked at again until nothing more fits.
 */
function joinOrphanEnds(
  drafts: readonly Draft[],
  orphans: readonly Fact<'session_end'>[],
): Fact<'session_end'>[] {
  const unnamed = copiesOf(orphans).filter(copies => {
    const named = namedBy(drafts, copies[0])
    named?.ends.push(...copies)
    return named === undefined
  })
  for (let rest = unnamed; ; ) {
    const unfit = rest.filter(copies => !joinByFit(drafts, copies))
    if (unfit.length === rest.length) return unfit.flat()
    rest = unfit
  }
}

type Copies = [Fact<'session_end'>, ...Fact<'session_end'>[]]

/** The same stop, recorded by several nodes, is one: its copies go together, and no copy finds a session of its own. */
function copiesOf(orphans: readonly Fact<'session_end'>[]): readonly Copies[] {
  const found = new Map<string, Copies>()
  for (const end of orphans.toSorted(byTime)) {
    const words = `${end.body.transactionId}/${contentOf(end)}`
    const copies = found.get(words)
    if (copies) copies.push(end)
    else found.set(words, [end])
  }
  return [...found.values()]
}

/** An id that one session alone bears names it even if meter or clock went back: the fold flags that, as for a known start. */
function namedBy(drafts: readonly Draft[], end: Fact<'session_end'>): Draft | undefined {
  const bearers = drafts.filter(draft => draft.transactionIds.has(end.body.transactionId))
  return (
    bearers.find(draft => draft.ends.some(other => contentOf(other) === contentOf(end))) ??
    bearers.findLast(draft => fits(draft, end)) ??
    (bearers.length === 1 ? bearers[0] : undefined)
  )
}

function joinByFit(drafts: readonly Draft[], copies: Copies): boolean {
  const [end] = copies
  const open = drafts.filter(draft => fits(draft, end) && isOpenFor(draft, end))
  const only = open.length === 1 ? open[0] : undefined
  only?.ends.push(...copies)
  only?.flags.add('joined-by-fit')
  return only !== undefined
}

function fits(draft: Draft, end: Fact<'session_end'>): boolean {
  const startedAt = clockedAt(draft.start.body.startedAt)
  const stoppedAt = clockedAt(end.body.stoppedAt)
  const inOrder = startedAt === undefined || stoppedAt === undefined || startedAt <= stoppedAt
  return inOrder && draft.start.body.meterStartWh <= end.body.meterStopWh
}

/** Open, or ended by the very same words (the stop was sent to two nodes). */
function isOpenFor(draft: Draft, end: Fact<'session_end'>): boolean {
  return draft.ends.every(other => contentOf(other) === contentOf(end))
}

function joinOrphanTicks(drafts: readonly Draft[], orphans: ReadonlyMap<string, TickSummary>): void {
  for (const tick of orphans.values()) {
    const { transactionId } = tick.newest.body
    const named = drafts.filter(draft => draft.transactionIds.has(transactionId)).at(-1)
    if (named) named.ticks.push(tick)
  }
}

function finish(draft: Draft): Session {
  const { facts, start } = draft
  const ends = draft.ends.toSorted((a, b) => a.body.meterStopWh - b.body.meterStopWh || byTime(a, b))
  const usable = ends.filter(end => end.body.meterStopWh >= start.body.meterStartWh)
  const end = usable[0] ?? ends[0]
  const pricing = facts.pricings.toSorted(byTime)[0]
  const mark = facts.marks.toSorted(byTime)[0]
  const lastTick = draft.ticks
    .map(tick => tick.newest)
    .toSorted(bySample)
    .at(-1)
  const registers = draft.ticks.flatMap(tick => tick.maxEnergyWh ?? [])
  if (new Set(ends.map(other => other.body.meterStopWh)).size > 1) draft.flags.add('conflicting-ends')
  if (end && usable.length === 0) draft.flags.add('meter-went-back')
  const energyWh = end && usable.length > 0 ? end.body.meterStopWh - start.body.meterStartWh : undefined
  if (start.body.allowed !== 'ALLOWED' && energyWh !== undefined && energyWh > 0)
    draft.flags.add('refused-card')
  if (!pricing) draft.flags.add('unpriced')
  return {
    sessionId: facts.sessionId,
    chargerId: start.body.chargerId,
    connectorId: start.body.connectorId,
    tokenRef: start.body.tokenRef,
    start,
    starts: draft.starts.toSorted(byTime),
    ...(end && { end }),
    ends,
    endRefs: end ? ends.filter(other => contentOf(other) === contentOf(end)).map(other => other.ref) : [],
    transactionIds: [...draft.transactionIds].sort((a, b) => a - b),
    ...(pricing && { pricing }),
    adoptions: facts.adoptions.toSorted(byTime),
    ...(mark && { mark }),
    state: stateOf(draft, end !== undefined, mark !== undefined),
    ...(energyWh !== undefined && { energyWh }),
    ...(lastTick && { lastTick }),
    ...(registers.length > 0 && { registerWh: Math.max(...registers) }),
    recordedBy: recordersOf(draft),
    flags: [...draft.flags].sort(),
  }
}

/** Replays the session's own order through the table: a stop may be stamped by a slower clock than its start. */
function stateOf(draft: Draft, ended: boolean, marked: boolean): SessionState {
  const inputs: SessionInput[] = [draft.start.body.allowed === 'ALLOWED' ? 'authorize' : 'cancel', 'start']
  for (const fact of draft.facts.states.toSorted(byTime))
    inputs.push(fact.body.state === 'charging' ? 'resume' : 'pause')
  if (ended) inputs.push('stop')
  if (ended && marked) inputs.push('reconcile')
  return inputs.reduce<SessionState>((state, input) => step(state, input).state, 'idle')
}

function recordersOf(draft: Draft): readonly DeviceId[] {
  const facts = [
    ...draft.starts,
    ...draft.ends,
    ...draft.facts.adoptions,
    ...draft.ticks.map(tick => tick.newest),
  ]
  return [...new Set(facts.map(fact => fact.deviceId))].sort()
}

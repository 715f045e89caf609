// One session in the making: what its own facts say, before and after the fold has joined to it what others say. Here a
// draft is made from the facts under one id, and comes to the session that everybody sees.
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { ChargerTime } from '../ports.ts'
import type { DeviceId, LogId } from '../units.ts'
import { clockedAt } from './clock.ts'
import { type Curve, joinCurves, NO_CURVE } from './curve.ts'
import { type Measured, measure } from './energy.ts'
import { bySample, byTime, type Fact, type SessionFacts, type TickSummary } from './facts.ts'
import type { Session, SessionFlag } from './fold.ts'
import { type SessionInput, type SessionState, step } from './machine.ts'
import { type Extremes, joinExtremes, NO_EXTREMES, type Register, registerOf } from './registers.ts'
import { contentOf, splitByStops } from './split.ts'

/** One session in the making: its own facts, and what the fold has joined to them. */
export type Draft = {
  readonly facts: SessionFacts
  readonly start: Fact<'session_start'>
  starts: Fact<'session_start'>[]
  transactionIds: Set<number>
  readonly ends: Fact<'session_end'>[]
  ticks: TickSummary[]
  readonly flags: Set<SessionFlag>
  /** More was joined to it than its own facts say, or another took it over: of no use for another fold. */
  touched: boolean
  /** What it came to while untouched, so that it is not made again. */
  session: Session | undefined
}

/** The sessions that were told under one id; none while no start has come. */
export function draftsOf(facts: SessionFacts): readonly Draft[] {
  if (facts.starts.length === 0) return []
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
    touched: false,
    session: undefined,
  }
}

/** What a draft comes to, made once while nothing else was joined to it. */
export function sessionOf(draft: Draft): Session {
  if (draft.touched) return finish(draft)
  draft.session ??= finish(draft)
  return draft.session
}

function finish(draft: Draft): Session {
  const { facts, start } = draft
  const ends = draft.ends.toSorted((a, b) => a.body.meterStopWh - b.body.meterStopWh || byTime(a, b))
  const usable = ends.filter(end => end.body.meterStopWh >= start.body.meterStartWh)
  const end = usable[0] ?? ends[0]
  const pricings = shownIn(facts).toSorted(byTime)
  const [pricing] = pricings
  const mark = facts.marks.toSorted(byTime)[0]
  const states = facts.states.toSorted(byTime)
  const lastTick = draft.ticks
    .map(tick => tick.newest)
    .toSorted(bySample)
    .at(-1)
  const { soFar, measured, extremes } = measuredOf(draft, end)
  const registerWh = extremes.highest[0]?.wh
  const lastSoc = draft.ticks
    .flatMap(tick => tick.soc ?? [])
    .toSorted(bySample)
    .at(-1)
  return {
    sessionId: facts.sessionId,
    chargerId: start.body.chargerId,
    connectorId: start.body.connectorId,
    ...cardOf(draft),
    start,
    starts: draft.starts.toSorted(byTime),
    ...(end && { end }),
    ends,
    endRefs: end ? ends.filter(other => contentOf(other) === contentOf(end)).map(other => other.ref) : [],
    transactionIds: [...draft.transactionIds].sort((a, b) => a - b),
    ...(pricing && { pricing }),
    pricings,
    adoptions: facts.adoptions.toSorted(byTime),
    ...(mark && { mark }),
    state: stateOf(draft, { states, ended: end !== undefined, marked: mark !== undefined }),
    ...(measured?.energyWh !== undefined && { energyWh: measured.energyWh }),
    ...(soFar && { soFar }),
    ...(lastTick && { lastTick }),
    ...(registerWh !== undefined && { registerWh }),
    ...(lastSoc && { lastSoc }),
    curve: mayAskForCurve(pricings) ? curveOf(draft) : NO_CURVE,
    states,
    recordedBy: recordersOf(draft),
    logIds: placesOf(draft),
    flags: flagsOf(draft, { ends, measured, priced: pricing !== undefined }),
  }
}

/** Whose session it is: the first card that was let in counts, where it began before one was shown. */
function cardOf({ facts, start }: Draft): Pick<Session, 'tokenRef' | 'allowed' | 'reason' | 'tagSealed'> {
  const shown = start.body.cardless ? facts.cards.toSorted(byTime) : []
  const card = shown.find(({ body }) => body.allowed === 'ALLOWED') ?? shown[0] ?? start
  const { tokenRef, allowed, reason, tagSealed } = card.body
  return { tokenRef, allowed, reason, ...(tagSealed && { tagSealed }) }
}

/** A price is shown by whoever lets a session begin: nobody saw one that a node told of a session that it did not serve. */
function shownIn({ starts, cards, pricings }: SessionFacts): readonly Fact<'pricing'>[] {
  const serving = new Set([...starts, ...cards].map(({ deviceId }) => deviceId))
  return pricings.filter(({ deviceId }) => serving.has(deviceId))
}

/** Without a price, a person may decide that terms are. */
function mayAskForCurve(pricings: Session['pricings']): boolean {
  return pricings.length === 0 || pricings.some(({ body }) => body.byTerms)
}

function curveOf({ ticks }: Draft): Curve {
  return ticks.map(tick => tick.curve).reduce(joinCurves, NO_CURVE)
}

type Metered = {
  readonly extremes: Extremes
  readonly measured: Measured | undefined
  readonly soFar: Measured | undefined
}

function measuredOf(draft: Draft, end: Fact<'session_end'> | undefined): Metered {
  const { body, hlc } = draft.start
  const extremes = draft.ticks.map(tick => tick.extremes).reduce(joinExtremes, NO_EXTREMES)
  const start: Register = { wh: body.meterStartWh, at: instantOf(body.startedAt, hlc) }
  const newest = draft.ticks
    .flatMap(tick => tick.register ?? [])
    .toSorted(bySample)
    .at(-1)
  const last = newest && registerOf(newest)
  const stop = end && { wh: end.body.meterStopWh, at: instantOf(end.body.stoppedAt, end.hlc) }
  return {
    extremes,
    measured: stop && measure(start, stop, extremes),
    soFar: last && measure(start, last, extremes),
  }
}

function instantOf(time: ChargerTime, hlc: Hlc): number {
  return clockedAt(time) ?? wallOf(hlc)
}

type Outcome = {
  readonly ends: readonly Fact<'session_end'>[]
  readonly measured: Measured | undefined
  readonly priced: boolean
}

function flagsOf(draft: Draft, { ends, measured, priced }: Outcome): readonly SessionFlag[] {
  const flags = new Set<SessionFlag>([...draft.flags, ...(measured?.flags ?? [])])
  if (new Set(ends.map(other => other.body.meterStopWh)).size > 1) flags.add('conflicting-ends')
  if (cardOf(draft).allowed !== 'ALLOWED' && (measured?.energyWh ?? 0) > 0) flags.add('refused-card')
  if (!priced) flags.add('unpriced')
  return [...flags].sort()
}

type Course = {
  readonly states: Session['states']
  readonly ended: boolean
  readonly marked: boolean
}

/** Replays the session's own order through the table: a stop may be stamped by a slower clock than its start. */
function stateOf(draft: Draft, { states, ended, marked }: Course): SessionState {
  const inputs: SessionInput[] = [cardOf(draft).allowed === 'ALLOWED' ? 'authorize' : 'cancel', 'start']
  for (const fact of states) inputs.push(fact.body.state === 'charging' ? 'resume' : 'pause')
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

function placesOf(draft: Draft): readonly LogId[] {
  const { pricings, states, adoptions, cards } = draft.facts
  const words = [...draft.starts, ...draft.ends, ...pricings, ...states, ...adoptions, ...cards]
  const facts = [...words, ...draft.ticks.map(tick => tick.newest)]
  return [...new Set(facts.map(fact => fact.ref.logId))].sort()
}

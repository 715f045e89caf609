// One session in the making: what its own facts say, before and after the fold has joined to it what others say. Here a
// draft is made from the facts under one id, and comes to the session that everybody sees.
import type { DeviceId } from '../units.ts'
import { bySample, byTime, type Fact, type SessionFacts, type TickSummary } from './facts.ts'
import type { Session, SessionFlag } from './fold.ts'
import { type SessionInput, type SessionState, step } from './machine.ts'
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
  const pricing = facts.pricings.toSorted(byTime)[0]
  const mark = facts.marks.toSorted(byTime)[0]
  const lastTick = draft.ticks
    .map(tick => tick.newest)
    .toSorted(bySample)
    .at(-1)
  const registers = draft.ticks.flatMap(tick => tick.maxEnergyWh ?? [])
  const energyWh = end && usable.length > 0 ? end.body.meterStopWh - start.body.meterStartWh : undefined
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
    adoptions: facts.adoptions.toSorted(byTime),
    ...(mark && { mark }),
    state: stateOf(draft, end !== undefined, mark !== undefined),
    ...(energyWh !== undefined && { energyWh }),
    ...(lastTick && { lastTick }),
    ...(registers.length > 0 && { registerWh: Math.max(...registers) }),
    recordedBy: recordersOf(draft),
    flags: flagsOf(draft, { ends, usable: usable.length > 0, energyWh, priced: pricing !== undefined }),
  }
}

/** Whose session it is: the first card that was let in counts, where it began before one was shown. */
function cardOf({ facts, start }: Draft): Pick<Session, 'tokenRef' | 'allowed' | 'reason'> {
  const shown = start.body.cardless ? facts.cards.toSorted(byTime) : []
  const card = shown.find(({ body }) => body.allowed === 'ALLOWED') ?? shown[0] ?? start
  const { tokenRef, allowed, reason } = card.body
  return { tokenRef, allowed, reason }
}

type Outcome = {
  readonly ends: readonly Fact<'session_end'>[]
  /** Whether a stop's register is not below the start's. */
  readonly usable: boolean
  readonly energyWh: number | undefined
  readonly priced: boolean
}

function flagsOf(draft: Draft, { ends, usable, energyWh, priced }: Outcome): readonly SessionFlag[] {
  const flags = new Set(draft.flags)
  if (new Set(ends.map(other => other.body.meterStopWh)).size > 1) flags.add('conflicting-ends')
  if (ends.length > 0 && !usable) flags.add('meter-went-back')
  if (cardOf(draft).allowed !== 'ALLOWED' && energyWh !== undefined && energyWh > 0) flags.add('refused-card')
  if (!priced) flags.add('unpriced')
  return [...flags].sort()
}

/** Replays the session's own order through the table: a stop may be stamped by a slower clock than its start. */
function stateOf(draft: Draft, ended: boolean, marked: boolean): SessionState {
  const inputs: SessionInput[] = [cardOf(draft).allowed === 'ALLOWED' ? 'authorize' : 'cancel', 'start']
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

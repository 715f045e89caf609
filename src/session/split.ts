// One tuple of words, two sessions: a charger whose clock was never set, and whose meter begins where it began before,
// says the same start twice and means two. A start behind a stop begins the next session, unless the stop that follows
// is one that we have heard before (a replay). Every node splits alike, because only the facts count (PROTOCOL 3.2).
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import { hex, type LogId, type SessionId, unhex } from '../units.ts'
import { clockedAt } from './clock.ts'
import { byTime, type Fact, type SessionFacts } from './facts.ts'

type Start = Fact<'session_start'>
type End = Fact<'session_end'>
type Part = { readonly starts: Start[]; readonly ends: End[] }

/** What a stop says; copies of one stop say the same. */
export function contentOf(end: End): string {
  return `${end.body.meterStopWh}/${end.body.stoppedAt.raw}`
}

/** The sessions that were told under one id: one, unless the charger's clock was not set. */
export function splitByStops(facts: SessionFacts): readonly SessionFacts[] {
  const parts = isClockless(facts.starts) ? withoutReplays(inTurn(facts)) : []
  if (parts.length < 2) return [facts]
  const pricings = byTurn(parts, facts.pricings)
  const adoptions = byTurn(parts, facts.adoptions)
  const states = byTurn(parts, facts.states)
  const marks = byStop(parts, facts.marks)
  return parts.map((part, i) => ({
    ...part,
    sessionId: i === 0 ? facts.sessionId : idBehind(facts.sessionId, stopOf(parts[i - 1])),
    pricings: pricings[i] ?? [],
    adoptions: adoptions[i] ?? [],
    cards: i === 0 ? facts.cards : [],
    states: states[i] ?? [],
    marks: marks[i] ?? [],
    // Kept summed up over all, so they say something of the newest only.
    ticks: i === parts.length - 1 ? facts.ticks : new Map(),
  }))
}

/**
 * Starts and stops in their order: a start behind a stop begins the next part, if whoever recorded it knew of a stop:
 * it says so, or recorded one itself. Else it is more likely the first start, sent again over a split; were it the next
 * session's after all, the stops differ, and the session is disputed: billed once too little, never twice.
 */
function inTurn(facts: SessionFacts): readonly Part[] {
  const parts: Part[] = [{ starts: [], ends: [] }]
  const ends = new Set<Fact<'session_start' | 'session_end'>>(facts.ends)
  for (const fact of [...facts.starts, ...facts.ends].toSorted(byTime)) {
    const part = parts.at(-1) as Part
    if (ends.has(fact)) part.ends.push(fact as End)
    else if (part.ends.length === 0 || part.starts.length === 0 || !knewStop(fact as Start, part))
      part.starts.push(fact as Start)
    else parts.push({ starts: [fact as Start], ends: [] })
  }
  return parts
}

function knewStop(start: Start, part: Part): boolean {
  return start.body.follows !== undefined || part.ends.some(end => end.deviceId === start.deviceId)
}

/**
 * A stop heard before belongs where it was heard first, and the start before it was a replay as well. A start without
 * any stop yet counts as the next session only where its own node had recorded the stop before it: elsewhere it is
 * more likely the first one, sent again.
 */
function withoutReplays(parts: readonly Part[]): readonly Part[] {
  const kept: Part[] = []
  const heard = new Map<string, Part>()
  const firstStops = new Map<LogId, number>()
  for (const part of parts) {
    const fresh = part.ends.filter(end => !heard.has(contentOf(end)))
    const known = part.ends[0]
      ? heard.get(contentOf(part.ends[0]))
      : isBehindStop(part, firstStops)
        ? undefined
        : kept.at(-1)
    for (const end of part.ends) {
      heard.get(contentOf(end))?.ends.push(end)
      firstStops.set(end.ref.logId, Math.min(end.ref.seq, firstStops.get(end.ref.logId) ?? end.ref.seq))
    }
    if (known && fresh.length === 0) {
      for (const start of part.starts) known.starts.push(start)
      continue
    }
    const own: Part = { starts: part.starts, ends: fresh }
    for (const end of fresh) heard.set(contentOf(end), own)
    kept.push(own)
  }
  return kept
}

/** Whether the node that recorded a start had recorded a stop before it. */
function isBehindStop({ starts }: Part, firstStops: ReadonlyMap<LogId, number>): boolean {
  return starts.some(({ ref }) => (firstStops.get(ref.logId) ?? ref.seq) < ref.seq)
}

type Timed = Fact<'pricing'> | Fact<'adoption'> | Fact<'session_state'>

/** Every fact with the last part that had begun by then; what came before all of them goes with the first. */
function byTurn<F extends Timed>(parts: readonly Part[], facts: readonly F[]): readonly F[][] {
  const turns: F[][] = parts.map(() => [])
  for (const fact of facts) turns[turnOf(parts, fact)]?.push(fact)
  return turns
}

/** Only the first part can lack a start of its own, so those behind it stand in the order of their first starts. */
function turnOf(parts: readonly Part[], fact: Timed): number {
  let turn = 0
  for (let behind = parts.length; turn + 1 < behind; ) {
    const middle = (turn + behind) >>> 1
    const first = parts[middle]?.starts[0]
    if (first !== undefined && byTime(first, fact) < 0) turn = middle
    else behind = middle
  }
  return turn
}

/** Every mark with the part whose stop it names. */
function byStop(parts: readonly Part[], marks: SessionFacts['marks']): readonly SessionFacts['marks'][] {
  const placeOf = ({ logId, seq }: { readonly logId: LogId; readonly seq: number }): string =>
    `${logId}/${seq}`
  const turns: Fact<'reconciliation_mark'>[][] = parts.map(() => [])
  const turnOfStop = new Map(parts.flatMap((part, i) => part.ends.map(end => [placeOf(end.ref), i] as const)))
  for (const mark of marks) turns[turnOfStop.get(placeOf(mark.body.end)) ?? -1]?.push(mark)
  return turns
}

/** Only the last part can lack a stop, so there is one before every part behind the first. */
function stopOf(part: Part | undefined): string {
  const end = part?.ends[0]
  return end ? contentOf(end) : ''
}

/**
 * Every id that a session under these words may ever have had: each is named after a stop, and which stop comes before
 * it changes while logs come in, or no longer count.
 */
export function idsUnder({ sessionId, starts, ends }: SessionFacts): readonly SessionId[] {
  if (!isClockless(starts)) return [sessionId]
  return [sessionId, ...[...new Set(ends.map(contentOf))].map(content => idBehind(sessionId, content))]
}

function isClockless(starts: readonly Start[]): boolean {
  return starts.some(
    ({ body }) => clockedAt(body.startedAt) === undefined && body.stationTransactionId === undefined,
  )
}

/** Named after the stop before it, so that it keeps its name when its own stop comes. */
function idBehind(sessionId: SessionId, contentBefore: string): SessionId {
  const words = [unhex(sessionId), utf8Bytes(contentBefore)]
  const digest = hashOf('chargemesh/session/v1', ...words.map(lengthPrefixed))
  return hex<SessionId>(digest.subarray(0, 16))
}

// One tuple of words, two sessions: a charger whose clock was never set, and whose meter begins where it began before,
// says the same start twice and means two. A start behind a stop begins the next session, unless the stop that follows
// is one that we have heard before (a replay). Every node splits alike, because only the facts count (PROTOCOL 3.2).
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import { hex, type SessionId, unhex } from '../units.ts'
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
  const clockless = facts.starts.some(start => clockedAt(start.body.startedAt) === undefined)
  const parts = clockless ? withoutReplays(inTurn(facts)) : []
  if (parts.length < 2) return [facts]
  return parts.map((part, i) => {
    const own = <F extends Fact<'pricing'> | Fact<'adoption'> | Fact<'session_state'>>(
      all: readonly F[],
    ): F[] => all.filter(fact => turnOf(parts, fact) === i)
    return {
      ...part,
      sessionId: i === 0 ? facts.sessionId : idBehind(facts.sessionId, parts[i - 1]?.ends[0]),
      pricings: own(facts.pricings),
      adoptions: own(facts.adoptions),
      states: own(facts.states),
      marks: facts.marks.filter(({ body }) =>
        part.ends.some(({ ref }) => ref.logId === body.end.logId && ref.seq === body.end.seq),
      ),
      // Kept summed up over all, so they say something of the newest only.
      ticks: i === parts.length - 1 ? facts.ticks : new Map(),
    }
  })
}

/** Starts and stops in their order: a start behind a stop begins the next part. */
function inTurn(facts: SessionFacts): readonly Part[] {
  const parts: Part[] = [{ starts: [], ends: [] }]
  const ends = new Set<Fact<'session_start' | 'session_end'>>(facts.ends)
  for (const fact of [...facts.starts, ...facts.ends].toSorted(byTime)) {
    const part = parts.at(-1) as Part
    if (ends.has(fact)) part.ends.push(fact as End)
    else if (part.ends.length === 0 || part.starts.length === 0) part.starts.push(fact as Start)
    else parts.push({ starts: [fact as Start], ends: [] })
  }
  return parts
}

/**
 * A stop heard before belongs where it was heard first, and the start before it was a replay as well. A start without
 * any stop yet counts as the next session only where its own node had recorded the stop before it: elsewhere it is
 * more likely the first one, sent again.
 */
function withoutReplays(parts: readonly Part[]): readonly Part[] {
  const kept: Part[] = []
  const heard = new Map<string, Part>()
  for (const part of parts) {
    const fresh = part.ends.filter(end => !heard.has(contentOf(end)))
    const known = part.ends[0] ? heard.get(contentOf(part.ends[0])) : startAgain(kept, part)
    for (const end of part.ends) heard.get(contentOf(end))?.ends.push(end)
    if (known && fresh.length === 0) {
      known.starts.push(...part.starts)
      continue
    }
    const own: Part = { starts: part.starts, ends: fresh }
    for (const end of fresh) heard.set(contentOf(end), own)
    kept.push(own)
  }
  return kept
}

/** The part that a start without a stop belongs to, unless it begins one. */
function startAgain(kept: readonly Part[], { starts }: Part): Part | undefined {
  const stops = kept.flatMap(part => part.ends)
  const behind = starts.some(({ ref }) =>
    stops.some(end => end.ref.logId === ref.logId && end.ref.seq < ref.seq),
  )
  return behind ? undefined : kept.at(-1)
}

/** The last part that had begun by then. */
function turnOf(parts: readonly Part[], fact: Fact<'pricing' | 'adoption' | 'session_state'>): number {
  const begun = parts.findLastIndex(({ starts }) => starts[0] !== undefined && byTime(starts[0], fact) < 0)
  return Math.max(0, begun)
}

/** Named after the stop before it, so that it keeps its name when its own stop comes. */
function idBehind(sessionId: SessionId, before: End | undefined): SessionId {
  const words = [unhex(sessionId), utf8Bytes(before ? contentOf(before) : '')]
  const digest = hashOf('chargemesh/session/v1', ...words.map(lengthPrefixed))
  return hex<SessionId>(digest.subarray(0, 16))
}

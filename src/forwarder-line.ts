// What the forwarder keeps in mind of one charger's line to a central system, and what is to be said on it next. Everything
// that must outlive the process stands in the log (forwarding/told.ts); this is only what would have to be found out again.
import type { Told, Word } from './forwarding/told.ts'
import type { Ledger } from './ledger.ts'
import type { Session } from './session/fold.ts'
import { timesOf } from './session/times.ts'
import type { ChargerId, EventHash, SessionId } from './units.ts'
import type { SaidReadings } from './uplink/csms-calls.ts'
import type { ForwardTerms, UpstreamOutcome } from './upstream.ts'

const MAX_WAIT_MS = 5 * 60_000
/** A session to which the central system answers with an error; the others of its charger go on. */
const FIRST_LATER_MS = 60_000
const MAX_LATER_MS = 3600 * 1000

export type Line = {
  readonly chargerId: ChargerId
  isBusy: boolean
  /** Connected, and every greeting taken. */
  isGreeted: boolean
  readyAtMs: number
  failures: number
  reason: string | undefined
  /** Since when nothing was to be said. */
  idleSinceMs: number | undefined
  /** What came of a call, by the word that was written before it left; kept until the answer is written too. */
  readonly outcomes: Map<EventHash, UpstreamOutcome>
  readonly said: Map<SessionId, SaidReadings>
  readonly later: Map<SessionId, { readonly atMs: number; readonly waitMs: number; readonly reason: string }>
  queue: readonly Session[]
  seen: { readonly of: unknown; readonly changes: number } | undefined
  /** Nothing was due when all of the queue was looked at. */
  quiet: { readonly seen: Line['seen']; readonly untilMs: number } | undefined
}

export function newLine(chargerId: ChargerId): Line {
  return {
    ...{ chargerId, isBusy: false, isGreeted: false, readyAtMs: 0, failures: 0, reason: undefined },
    ...{ idleSinceMs: undefined, outcomes: new Map(), said: new Map(), later: new Map() },
    ...{ queue: [], seen: undefined, quiet: undefined },
  }
}

/** Looks again at what is to be said, where something was heard of the charger or said about it. */
export function refresh(
  line: Line,
  ledger: Ledger,
  { name, terms }: { readonly name: string; readonly terms: ForwardTerms },
): void {
  const view = ledger.view()
  const of = view.ofCharger(line.chargerId)
  const changes = view.forwarding.told.changes(name, line.chargerId)
  if (line.seen?.of === of && line.seen.changes === changes) return
  line.seen = { of, changes }
  line.queue = of.sessions.filter(session => isOwed({ name, terms }, ledger, session))
  const queued = new Set(line.queue.map(({ sessionId }) => sessionId))
  for (const kept of [line.said, line.later])
    for (const id of kept.keys()) if (!queued.has(id)) kept.delete(id)
}

const LEAST_QUIET_MS = 1000
const QUIET_MS_EACH = 100
const MAX_QUIET_MS = 60_000

/** A long queue of sessions that are held is not looked through each second; what is heard of the charger ends the quiet. */
export function quietMs({ queue }: Pick<Line, 'queue'>): number {
  return Math.min(MAX_QUIET_MS, LEAST_QUIET_MS + QUIET_MS_EACH * queue.length)
}

export function isQuiet({ quiet, seen }: Pick<Line, 'quiet' | 'seen'>, nowMs: number): boolean {
  return quiet !== undefined && quiet.seen === seen && nowMs < quiet.untilMs
}

/** Whether there is something to be told of it, now or some day. */
export function isOwed(
  { name, terms }: { readonly name: string; readonly terms: ForwardTerms },
  ledger: Ledger,
  session: Session,
): boolean {
  const isMeant = terms.chargers?.includes(session.chargerId) ?? true
  if (!isMeant) return false
  if (terms.sinceAt !== undefined && timesOf(session).startedAt.at < terms.sinceAt) return false
  const { stage } = toldOf(ledger, name, session).told
  if (stage === 'stopped' || stage === 'skipped') return false
  return session.end !== undefined || terms.live || stage !== 'unsaid'
}

/** Under any id that the session had: a start that came again with a corrected clock is one session, and may have been told. */
export function toldOf(
  ledger: Ledger,
  uplink: string,
  session: Session,
): { readonly told: Told; readonly sessionId: SessionId } {
  const { told: book } = ledger.view().forwarding
  const of = (sessionId: SessionId) => ({ told: book.of(uplink, sessionId), sessionId })
  const own = of(session.sessionId)
  if (own.told.stage !== 'unsaid' || !session.flags.includes('restarted-clock')) return own
  return (
    session.starts.map(({ body }) => of(body.sessionId)).find(({ told }) => told.stage !== 'unsaid') ?? own
  )
}

export type Plan =
  | { readonly kind: 'ask' }
  /** The same words again. */
  | { readonly kind: 'repeat'; readonly word: Word }
  /** It was answered, and that is not written down yet. */
  | { readonly kind: 'note'; readonly word: Word; readonly payload: unknown }
  | { readonly kind: 'go-on'; readonly upstreamId: string; readonly asked: Word | undefined }
  | { readonly kind: 'wait'; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'held'; readonly reason: string }

export type Asking = {
  readonly told: Told
  readonly session: Session
  readonly terms: ForwardTerms
  readonly nowMs: number
  /** The operator gave us the turn of a node that may have told of it without our hearing. */
  readonly isDoubtful: boolean
}

/** What is due of one session. Pure, but for what the line remembers. */
export function planOf(line: Line, { told, session, terms, nowMs, isDoubtful }: Asking): Plan {
  const later = line.later.get(session.sessionId)
  if (later && nowMs < later.atMs) return { kind: 'wait', untilMs: later.atMs, reason: later.reason }
  switch (told.stage) {
    case 'unsaid':
      if (isDoubtful && !told.isReleased && terms.lostAnswers === 'hold')
        return { kind: 'held', reason: DOUBT }
      return { kind: 'ask' }
    case 'asked': {
      const outcome = line.outcomes.get(told.asked.ref.hash)
      if (outcome?.kind === 'answered') return { kind: 'note', word: told.asked, payload: outcome.payload }
      if (outcome?.kind === 'unsent' || terms.lostAnswers === 'retry')
        return { kind: 'repeat', word: told.asked }
      return { kind: 'held', reason: outcome?.kind === 'refused' ? refusedBy(outcome.code) : UNANSWERED }
    }
    case 'stopping': {
      const outcome = line.outcomes.get(told.stopping.ref.hash)
      if (outcome?.kind === 'answered') return { kind: 'note', word: told.stopping, payload: outcome.payload }
      return { kind: 'repeat', word: told.stopping }
    }
    case 'started':
      return { kind: 'go-on', upstreamId: told.upstreamId, asked: told.asked }
    case 'stopped':
    case 'skipped':
      return { kind: 'held', reason: '' }
  }
}

export const UNANSWERED =
  'asked, unanswered: it may be there already. Look there, then `uplink forward retry` (it is not) or `skip` (it is)'
const DOUBT =
  'it may have been told already: another node had the turn, or old logs were let go of. Look there, then `uplink forward retry` or `skip`'

function refusedBy(code: string): string {
  return `the central system answered ${code}: \`uplink forward retry\` or \`skip\``
}

/** The line failed; half to all of a wait that doubles. */
export function backOff(line: Line, nowMs: number, { reason, dice }: { reason: string; dice: number }): void {
  line.failures += 1
  line.reason = reason
  const waitMs = Math.min(MAX_WAIT_MS, 1000 * 2 ** Math.min(line.failures, 20))
  line.readyAtMs = nowMs + waitMs * (0.5 + dice / 2)
}

/** Nothing waits any more but for a person. */
export function hurry(line: Line): void {
  line.readyAtMs = 0
  line.quiet = undefined
  for (const [sessionId, later] of line.later) line.later.set(sessionId, { ...later, atMs: 0 })
}

/** The session failed, and not the line. */
export function putOff(
  line: Line,
  sessionId: SessionId,
  { nowMs, reason }: { nowMs: number; reason: string },
): void {
  const before = line.later.get(sessionId)?.waitMs
  const waitMs = before === undefined ? FIRST_LATER_MS : Math.min(MAX_LATER_MS, 2 * before)
  line.later.set(sessionId, { atMs: nowMs + waitMs, waitMs, reason })
}

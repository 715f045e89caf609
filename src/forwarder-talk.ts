// One charger's line to a central system: what is due is said, call by call, and each answer leads to the next.
import type { Acting } from './acting.ts'
import { greet, NOT_OURS, needsCard, send, sendAll, type Talk } from './forwarder-call.ts'
import { isQuiet, type Plan, planOf, putOff, quietMs, refresh, toldOf } from './forwarder-line.ts'
import { cardOf } from './forwarder-standing.ts'
import type { AnyBody, BodyOf } from './log/body.ts'
import type { Session } from './session/fold.ts'
import type { SessionId } from './units.ts'
import { callOf, wordsOf } from './uplink/csms-calls.ts'

const MAX_NOTE = 128

/** Says what is due, up to the next answer that has to be waited for. */
export function step(talk: Talk, act: Acting): void {
  const { line, system } = talk
  // Each turn writes a word about a session, puts it off, or waits for an answer; so this ends.
  while (!line.isBusy) {
    const isOurs = talk.isOurs(line)
    refresh(line, act.ledger, system)
    if (!isOurs && line.outcomes.size === 0) return
    if (isOurs && isQuiet(line, act.times.monotonicMs)) return
    const due = dueOf(talk, act, isOurs)
    if (!due) return
    line.idleSinceMs = undefined
    if (line.isGreeted || due.plan.kind === 'note') proceed(talk, due, act)
    else greet(talk, act)
  }
}

type Due = {
  readonly session: Session
  /** Under which the words about it are written. */
  readonly sessionId: SessionId
  readonly plan: Exclude<Plan, { kind: 'held' | 'wait' }>
}

/** What was answered is written down whoever's turn it is by now, for the next one to go on from; all else is `isOurs`. */
function dueOf(talk: Talk, act: Acting, isOurs: boolean): Due | undefined {
  const { line, system, isDoubtful } = talk
  const { monotonicMs } = act.times
  let untilMs = monotonicMs + quietMs(line)
  for (const session of line.queue) {
    const { told, sessionId } = toldOf(act.ledger, system.name, session)
    const plan = planOf(line, {
      ...{ told, session, terms: system.terms, nowMs: monotonicMs },
      isDoubtful: isDoubtful(session),
    })
    if (plan.kind === 'note') return { session, sessionId, plan }
    if (plan.kind === 'wait') untilMs = Math.min(untilMs, plan.untilMs)
    if (plan.kind === 'held' || plan.kind === 'wait' || !isOurs) continue
    if (lacks(talk, { session, sessionId, plan }, act) === undefined) return { session, sessionId, plan }
  }
  if (isOurs) line.quiet = { seen: line.seen, untilMs }
  return undefined
}

/** Why nothing can be said of a session of which something is due; undefined where it can. */
export function lacks(
  { deps, sessions, system, line }: Pick<Talk, 'deps' | 'sessions' | 'system' | 'line'>,
  { session, sessionId, plan }: Due,
  act: Pick<Acting, 'ledger'>,
): string | undefined {
  // Cheaper than all readings of a session, and there may be many whose card nobody can read.
  if (wantsCard(plan, session)) {
    const card = cardOf(act, session, { openTag: deps.openTag, unknownCard: system.terms.unknownCard })
    if (card.kind === 'held') return card.reason
  }
  if (plan.kind === 'repeat') return undefined
  const told = sessions.told(act.ledger.logs, session)
  if (!told) return 'the charger never said what its meter began with'
  if (plan.kind === 'ask' || session.end) return undefined
  return told.readings.length > (line.said.get(sessionId)?.readings ?? 0) ? undefined : 'runs'
}

function wantsCard(plan: Due['plan'], { end }: Session): boolean {
  if (plan.kind === 'repeat') return needsCard(plan.word)
  if (plan.kind !== 'go-on') return true
  // The name that stood in for it at the start stands in at the stop.
  return end !== undefined && plan.asked?.body.standIn === undefined
}

function proceed(talk: Talk, due: Due, act: Acting): void {
  const { session, sessionId, plan } = due
  if (plan.kind === 'repeat') send(talk, { session, sessionId, word: plan.word }, act)
  else if (plan.kind === 'note') note(talk, { sessionId, plan }, act)
  else if (plan.kind === 'ask') ask(talk, due, act)
  else goOn(talk, { session, sessionId, plan }, act)
}

type Of<K extends Plan['kind']> = Omit<Due, 'plan'> & { readonly plan: Extract<Plan, { kind: K }> }
type Said = Pick<BodyOf<'forwarded'>, 'stage'> & Partial<BodyOf<'forwarded'>>

function write({ system, line }: Talk, sessionId: SessionId, said: Said): AnyBody {
  const { chargerId } = line
  return {
    name: 'forwarded',
    body: { uplink: system.name, sessionId, chargerId, undoes: [], note: '', ...said },
  }
}

/** Writes down what is about to be said, and says just that. */
function say(talk: Talk, { session, sessionId }: Omit<Due, 'plan'>, said: Said, act: Acting): void {
  act.record([write(talk, sessionId, said)])
  const { told } = toldOf(act.ledger, talk.system.name, session)
  const word = told.stage === 'asked' ? told.asked : told.stage === 'stopping' ? told.stopping : undefined
  if (word) send(talk, { session, sessionId, word }, act)
}

function note(talk: Talk, { sessionId, plan }: Omit<Of<'note'>, 'session'>, act: Acting): void {
  const { deps, translator, line } = talk
  const { word, payload } = plan
  const call = callOf(word.body.words ?? '')
  const heard = call ? translator.hears(call, payload) : NOT_OURS
  if (heard.kind === 'refused') {
    line.outcomes.set(word.ref.hash, { kind: 'refused', code: heard.reason })
    putOff(line, sessionId, { nowMs: act.times.monotonicMs, reason: heard.reason })
    return
  }
  // Kept until the word is durable: were the store read again, the answer would not come again.
  act.afterwards(() => void line.outcomes.delete(word.ref.hash))
  const upstreamId = heard.upstreamId ?? word.body.upstreamId ?? ''
  const stage = word.body.stage === 'asked' ? 'started' : 'stopped'
  act.record([write(talk, sessionId, { stage, upstreamId, note: (heard.status ?? '').slice(0, MAX_NOTE) })])
  deps.count(`forward.${stage}`)
}

function ask(talk: Talk, due: Due, act: Acting): void {
  const { deps, sessions, system, translator } = talk
  const told = sessions.told(act.ledger.logs, due.session)
  const card = cardOf(act, due.session, {
    openTag: deps.openTag,
    unknownCard: system.terms.unknownCard,
  })
  if (!told || card.kind === 'held') return
  const standIn = card.kind === 'stand-in' ? { standIn: card.idTag } : {}
  say(talk, due, { stage: 'asked', words: wordsOf(translator.starts(told)), ...standIn }, act)
}

function goOn(talk: Talk, { session, sessionId, plan }: Of<'go-on'>, act: Acting): void {
  const { sessions, translator, line } = talk
  const told = sessions.told(act.ledger.logs, session)
  if (!told) return
  const { upstreamId } = plan
  const said = line.said.get(sessionId) ?? { readings: 0, calls: 0 }
  const measures = translator.measures(told, upstreamId, said)
  const now = { readings: told.readings.length, calls: said.calls + measures.length }
  if (measures.length > 0) sendAll(talk, { calls: measures, taken: () => line.said.set(sessionId, now) }, act)
  else if (told.end) {
    const standIn = plan.asked?.body.standIn
    const words = wordsOf(translator.ends(told, upstreamId))
    const said: Said = { stage: 'stopping', words, upstreamId, ...(standIn !== undefined && { standIn }) }
    say(talk, { session, sessionId }, said, act)
  } else line.said.set(sessionId, now)
}

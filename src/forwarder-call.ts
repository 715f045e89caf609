// What is said to a central system for one charger, and how it is waited for: a call leaves when everything that was decided
// with it is durable, and its answer comes back into the mailbox.
import type { Acting } from './acting.ts'
import { mayLeave } from './forwarder-agreed.ts'
import { backOff, type Line, putOff } from './forwarder-line.ts'
import type { ToldSessions } from './forwarder-session.ts'
import { cardOf, type Standing } from './forwarder-standing.ts'
import type { Word } from './forwarding/told.ts'
import type { HeardOf } from './heard.ts'
import type { OpenTag } from './list-talk.ts'
import type { Logger, Random } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, SessionId } from './units.ts'
import { CARD, type Call, callOf, type ToldCharger, type Translator, withCard } from './uplink/csms-calls.ts'
import type { CentralSystem, UpstreamOutcome } from './upstream.ts'

/** A session with a strange number must not have us speak of a thousand connectors. */
const MAX_CONNECTORS = 64
/** A central system that does not want a charger yet is asked again so soon at the latest. */
const MAX_WELCOME_MS = 3600 * 1000

export type Back = (result: (act: Acting) => readonly Send[]) => void

export type Speaking = {
  readonly random: Random
  readonly logger: Logger
  readonly openTag: OpenTag
  readonly count: (name: string, by?: number) => void
  /** What the charger said of itself here. */
  readonly heardOf: (chargerId: ChargerId) => HeardOf
}

export type Talk = {
  readonly deps: Speaking
  readonly sessions: ToldSessions
  readonly system: CentralSystem
  readonly translator: Translator
  readonly back: Back
  readonly line: Line
  /** Nothing more is said where this node lost its turn meanwhile. */
  readonly isOurs: (line: Line) => boolean
  readonly isDoubtful: Standing['isDoubtful']
  /** Says what is due next. */
  readonly goOn: (act: Acting) => void
}

export function hangUp(system: CentralSystem, line: Line): void {
  if (!line.isGreeted || line.isBusy) return
  Object.assign(line, { isGreeted: false, idleSinceMs: undefined })
  system.hangUp(line.chargerId)
}

export const NOT_OURS = {
  kind: 'refused',
  reason: 'what was asked is not readable here: a newer node wrote it',
} as const

/** Waits for what is durable, says something, and goes on with the answer. */
function wait<T>(
  talk: Talk,
  act: Acting,
  say: () => Promise<T>,
  hear: (said: T, later: Acting) => void,
): void {
  const { line, back } = talk
  line.isBusy = true
  act.afterwards(() => {
    void say().then(said =>
      back(later => {
        line.isBusy = false
        hear(said, later)
        if (later.times.monotonicMs >= line.readyAtMs) talk.goOn(later)
        return []
      }),
    )
  })
}

export function greet(talk: Talk, act: Acting): void {
  const { deps, system, translator, line } = talk
  const greetings = translator.greets(chargerOf(act, line.chargerId, deps))
  const say = async (): Promise<{ readonly reason?: string; readonly waitS?: number | undefined }> => {
    const opened = await system.open(line.chargerId)
    if (opened.kind === 'closed') return { reason: opened.reason }
    for (const call of opened.isNew ? greetings : []) {
      const outcome = await system.call(line.chargerId, call)
      if (outcome.kind !== 'answered') return { reason: `${call.action}: ${inWords(outcome)}` }
      const heard = translator.hears(call, outcome.payload)
      if (heard.kind === 'refused') return { reason: heard.reason, waitS: heard.waitS }
    }
    return {}
  }
  wait(talk, act, say, ({ reason, waitS = 0 }, later) => {
    if (reason === undefined) line.isGreeted = true
    else broken(talk, reason, later)
    const welcomeMs = Math.min(waitS * 1000, MAX_WELCOME_MS)
    if (waitS > 0) line.readyAtMs = Math.max(line.readyAtMs, later.times.monotonicMs + welcomeMs)
  })
}

/** As it stands now: what was told of it long ago is no news to a central system. */
function chargerOf(
  { ledger, times }: Acting,
  chargerId: ChargerId,
  { heardOf }: Pick<Speaking, 'heardOf'>,
): ToldCharger {
  const { vendor = 'unknown', model = 'unknown', firmware } = heardOf(chargerId)
  const view = ledger.view()
  const { sessions } = view.ofCharger(chargerId)
  const running = new Set(sessions.flatMap(one => (one.end ? [] : [one.connectorId])))
  const seen = sessions.map(({ connectorId }) => connectorId)
  const count = Math.min(
    MAX_CONNECTORS,
    Math.max(view.policy.chargePoint(chargerId)?.connectors ?? 1, ...seen),
  )
  const connectors = Array.from({ length: count }, (_, i) => ({
    connectorId: i + 1,
    isCharging: running.has(i + 1),
  }))
  const at = new Date(times.wallMs).toISOString()
  return { vendor, model, ...(firmware !== undefined && { firmware }), connectors, at }
}

/** Of words for which no other name stands in. */
export function needsCard({ body }: Word): boolean {
  return body.standIn === undefined && (body.words ?? '').includes(`"${CARD}"`)
}

type Sending = { readonly session: Session; readonly sessionId: SessionId; readonly word: Word }

export function send(talk: Talk, { session, sessionId, word }: Sending, act: Acting): void {
  const { deps, system, line } = talk
  const { unknownCard } = system.terms
  const call = callOf(word.body.words ?? '')
  const card = needsCard(word) ? cardOf(act, session, { openTag: deps.openTag, unknownCard }) : undefined
  const idTag = card ? (card.kind === 'own' ? card.idTag : undefined) : (word.body.standIn ?? '')
  if (!call || idTag === undefined) {
    const reason = call ? 'its card’s own id cannot be read here any more' : NOT_OURS.reason
    putOff(line, sessionId, { nowMs: act.times.monotonicMs, reason })
    return
  }
  const leave = async (): Promise<UpstreamOutcome> => {
    const outcome: UpstreamOutcome = mayLeave(system.turn)
      ? await system.call(line.chargerId, withCard(call, idTag))
      : { kind: 'unsent', reason: 'the turn is about to end' }
    // Beside the mailbox: an answer that came is not lost because the store fails just now.
    line.outcomes.set(word.ref.hash, outcome)
    return outcome
  }
  wait(talk, act, leave, (outcome, later) => {
    if (outcome.kind === 'answered') {
      thrives(line)
      return
    }
    deps.count(`forward.${outcome.kind}`)
    if (outcome.kind === 'refused')
      putOff(line, sessionId, { nowMs: later.times.monotonicMs, reason: inWords(outcome) })
    else broken(talk, inWords(outcome), later)
  })
}

/** Readings: those that a central system answers with an error are not said again, they move no money. */
export function sendAll(
  talk: Talk,
  { calls, taken }: { readonly calls: readonly Call[]; readonly taken: () => void },
  act: Acting,
): void {
  const { deps, system, line } = talk
  const say = async (): Promise<string | undefined> => {
    for (const call of calls) {
      // A thousand readings take their time, and the turn may end meanwhile.
      if (!talk.isOurs(line)) return 'the turn went to another node'
      const outcome = await system.call(line.chargerId, call)
      if (outcome.kind === 'refused') deps.count('forward.readings-refused')
      else if (outcome.kind !== 'answered') return inWords(outcome)
    }
    return undefined
  }
  wait(talk, act, say, (reason, later) => {
    if (reason !== undefined) {
      broken(talk, reason, later)
      return
    }
    taken()
    thrives(line)
  })
}

function thrives(line: Line): void {
  Object.assign(line, { failures: 0, reason: undefined })
}

function broken({ deps, system, line }: Talk, reason: string, { times }: Acting): void {
  const drawn = deps.random.bytes(2)
  backOff(line, times.monotonicMs, { reason, dice: ((drawn[0] ?? 0) * 256 + (drawn[1] ?? 0)) / 65_536 })
  line.isGreeted = false
  system.hangUp(line.chargerId)
  deps.logger.warn('a central system was not told', { uplink: system.name, charger: line.chargerId, reason })
}

function inWords(outcome: Exclude<UpstreamOutcome, { kind: 'answered' }>): string {
  return outcome.kind === 'refused' ? `it answered ${outcome.code}` : outcome.reason
}

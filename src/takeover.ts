// A charger that comes in mid-session and did not boot came from another node, or lost its line for a while: nobody knows how
// its connectors stand. It is asked once, when it has settled, for what it did not tell by itself, and not again however often
// it comes (OCPP 1.6, 5.17; bursts of triggers have brought chargers down).
import type { Acting } from './acting.ts'
import type { TransactionStatus } from './charging-profile.ts'
import { commandTo } from './list-talk.ts'
import type { AnyBody } from './log/body.ts'
import { spreadOf } from './onboarding-state.ts'
import type { ChargePoints, ChargerCommand, ChargerInput, ChargerMessage, CommandOutcome } from './ports.ts'
import type { ChargerId } from './units.ts'

const SETTLE_MS = 15_000
const SPREAD_MS = 15_000
/** Between two askings of one charger. */
const AGAIN_MS = 10 * 60_000
const MAX_SESSIONS = 8

export type Takeovers = {
  /** A charger came, went, booted, or told something by itself. */
  readonly heard: (input: ChargerInput, nowMs: number) => void
  readonly tick: (act: Acting) => void
}

export type TakeoversDeps = {
  readonly chargePoints: ChargePoints
  readonly count: (name: string, by?: number) => void
}

type Waiting = { readonly readyAtMs: number; readonly told: Set<string> }

export function createTakeovers(deps: TakeoversDeps): Takeovers {
  const waiting = new Map<ChargerId, Waiting>()
  const askedAtMs = new Map<ChargerId, number>()
  /** Until their next boot. */
  const unable = new Set<ChargerId>()
  const notes: AnyBody[] = []
  return {
    heard: ({ chargerId, message }, nowMs) => {
      const told = toldBy(message)
      if (told !== undefined) waiting.get(chargerId)?.told.add(told)
      if (message.kind === 'disconnected') waiting.delete(chargerId)
      if (message.kind === 'boot') {
        // It tells everything by itself.
        waiting.delete(chargerId)
        unable.delete(chargerId)
      }
      if (message.kind !== 'connected' || unable.has(chargerId)) return
      const settledMs = nowMs + SETTLE_MS + spreadOf(chargerId, SPREAD_MS)
      const againMs = (askedAtMs.get(chargerId) ?? Number.NEGATIVE_INFINITY) + AGAIN_MS
      waiting.set(chargerId, { readyAtMs: Math.max(settledMs, againMs), told: new Set() })
    },
    tick: act => {
      act.record(notes.splice(0))
      for (const [chargerId, one] of waiting) {
        if (act.times.monotonicMs < one.readyAtMs) continue
        waiting.delete(chargerId)
        const questions = questionsTo(act, chargerId, one.told)
        if (questions.length === 0) continue
        askedAtMs.set(chargerId, act.times.monotonicMs)
        deps.count('takeover.asked')
        const command = commandTo(deps.chargePoints, chargerId)
        const note = (transaction: string): void => void notes.push(overNote(chargerId, transaction))
        act.afterwards(() => {
          void ask(questions, { command, note }).then(end => {
            if (end === 'unable') unable.add(chargerId)
          })
        })
      }
    },
  }
}

function toldBy(message: ChargerMessage): string | undefined {
  if (message.kind === 'status') return `StatusNotification ${message.connectorId}`
  return message.kind === 'meter' ? `MeterValues ${message.connectorId}` : undefined
}

type Question = Extract<ChargerCommand, { kind: 'trigger' | 'getTransactionStatus' }>

/** About connectors with a session that is open as far as anybody knows. */
function questionsTo(act: Acting, chargerId: ChargerId, told: ReadonlySet<string>): readonly Question[] {
  const { sessions } = act.ledger.view().ofCharger(chargerId)
  const open = sessions.filter(session => !session.end && session.connectorId > 0).slice(-MAX_SESSIONS)
  const questions = open.flatMap<Question>(({ connectorId, start }) => {
    const trigger = (message: string): readonly Question[] =>
      told.has(`${message} ${connectorId}`) ? [] : [{ kind: 'trigger', message, connectorId }]
    const { stationTransactionId } = start.body
    if (stationTransactionId === undefined)
      return [...trigger('StatusNotification'), ...trigger('MeterValues')]
    return [...trigger('StatusNotification'), { kind: 'getTransactionStatus', stationTransactionId }]
  })
  // Sessions that nobody ended may share a connector.
  return [...new Map(questions.map(one => [JSON.stringify(one), one])).values()]
}

/** The station ended it and has nothing left to tell: somebody has to look why its end was never heard. */
function overNote(chargerId: ChargerId, stationTransactionId: string): AnyBody {
  const detail = `the station knows nothing more of its transaction ${stationTransactionId}`
  return { name: 'diagnostics', body: { code: 'end-unheard', detail, chargerId } }
}

type Asking = {
  readonly command: (question: Question) => Promise<CommandOutcome>
  readonly note: (stationTransactionId: string) => void
}
type Answered = 'asked' | 'gone' | 'unable'

/** One after the other; a charger that went, or knows no such question, is asked no more. */
async function ask(questions: readonly Question[], { command, note }: Asking): Promise<Answered> {
  for (const question of questions) {
    const outcome = await command(question)
    if (outcome.kind === 'unreachable') return 'gone'
    if (outcome.kind === 'rejected' && ['NotSupported', 'NotImplemented'].includes(outcome.status))
      return 'unable'
    if (outcome.kind !== 'accepted' || question.kind !== 'getTransactionStatus') continue
    // The door has parsed it; it is unknown here only because each command has a detail of its own.
    const { isOngoing, hasQueue } = outcome.detail as TransactionStatus
    if (isOngoing === false && !hasQueue) note(question.stationTransactionId)
  }
  return 'asked'
}

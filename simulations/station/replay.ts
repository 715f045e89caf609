// Firmware that says again what was confirmed long ago (OCPP.md, section 3 and quirks 5 and 6): a start, a stop, or a
// finished transaction whole and out of order. The words are those of the first time; nobody waits for an answer.
import { has, type Insides } from './insides.ts'
import type { SentMessage, SessionRecord, TransactionAction } from './session.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const START_AGAIN_MS = [2000, 20_000, 2 * MINUTE_MS]
const STOP_AGAIN_MS = [MINUTE_MS, 20 * MINUTE_MS, 3 * HOUR_MS, 24 * HOUR_MS, 72 * HOUR_MS]
const WHOLE_AGAIN_MS = [10 * MINUTE_MS, 4 * HOUR_MS, 24 * HOUR_MS]
/** Not every time: the dice say so. */
const REPLAY_RATE = 0.5

export type Confirmed = {
  readonly session: SessionRecord
  readonly action: TransactionAction
  readonly next: () => void
}

/** What the habits of this firmware make of a confirmation. */
export function sendAgainLater(station: Insides, { session, action, next }: Confirmed): void {
  const { deps, memory, dice } = station
  const later = (delaysMs: readonly number[], messages: () => readonly SentMessage[]): void => {
    if (!dice.chance(REPLAY_RATE)) return
    deps.schedule(Math.floor(dice.pick(delaysMs) * dice.between(0.5, 1.5)), () => {
      if (!memory.isOver) sendAgain(station, messages(), next)
    })
  }
  const only = () => session.sent.filter(message => message.action === action)
  if (action === 'StartTransaction') {
    if (has(station, 'replays-start')) later(START_AGAIN_MS, only)
    return
  }
  if (action === 'CardShown') return
  if (has(station, 'replays-stop')) later(STOP_AGAIN_MS, only)
  if (has(station, 'late-replay')) later(WHOLE_AGAIN_MS, () => dice.shuffled(session.sent))
}

/** Behind whatever waits in the queue. */
export function sendAgain(station: Insides, messages: readonly SentMessage[], next: () => void): void {
  for (const { action, payload } of messages)
    station.queue.push({ action, session: undefined, make: () => payload })
  next()
}

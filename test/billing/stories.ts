// What happened at a charger in one session, and when which node wrote it down: told to a fold without logs, keys and
// seals, in any order and split over any number of logs.
import type { AnyBody } from '../../src/log/body.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import type { ChargerTime } from '../../src/ports.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger, type Session } from '../../src/session/fold.ts'
import type { ChargerId, DeviceId, EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'

export const NINE = SITE_OPENED_AT + 9 * 3_600_000
export const MINUTE_MS = 60_000

export type State = 'charging' | 'paused' | 'suspendedEv' | 'suspendedEvse'

/** Minutes since nine o'clock, by a right clock, and Wh. */
export type Story = {
  /** An hour by default. */
  readonly stopMinute?: number
  readonly isOpen?: boolean
  readonly startWh?: number
  readonly stopWh?: number
  readonly readings?: readonly (readonly [minute: number, wh: number])[]
  readonly states?: readonly (readonly [minute: number, state: State])[]
  /** What the charger's clock shows more than the time; undefined: what it says cannot be read. */
  readonly aheadMs?: number | undefined
  /** When a node writes down what happened then: at once by default. */
  readonly toldMinute?: (minute: number) => number
  readonly isPlain?: boolean
}

/** `nth`: of what its node wrote in one millisecond. */
export type Word = { readonly recordedAt: number; readonly nth: number; readonly body: AnyBody }

export function wordsOf(story: Story): readonly Word[] {
  const { stopMinute = 60, startWh = 1000, stopWh = 11_000, toldMinute = (minute: number) => minute } = story
  const aheadMs = 'aheadMs' in story ? story.aheadMs : 0
  const shownAt = (minute: number): number => NINE + minute * MINUTE_MS + (aheadMs ?? 0)
  const timeAt = (minute: number): ChargerTime =>
    aheadMs === undefined
      ? { raw: '' }
      : { raw: new Date(shownAt(minute)).toISOString(), at: shownAt(minute) }
  const words = sessionBodies({
    ...{ startedAt: shownAt(0), stoppedAt: shownAt(stopMinute) },
    ...{ meterStartWh: startWh, meterStopWh: stopWh },
  })
  const { sessionId } = words
  let nth = 0
  const at = (minute: number, body: AnyBody): Word => ({
    recordedAt: NINE + toldMinute(minute) * MINUTE_MS,
    nth: nth++,
    body,
  })
  const timed = (body: AnyBody, name: string, minute: number): AnyBody =>
    ({ ...body, body: { ...body.body, [name]: timeAt(minute) } }) as AnyBody
  const byTerms = story.isPlain ? {} : { byTerms: true }
  const pricing = { ...words.pricing, body: { ...words.pricing.body, ...byTerms } } as AnyBody
  return [
    at(0, timed(words.start, 'startedAt', 0)),
    at(0, pricing),
    ...(story.readings ?? []).map(([minute, wh]) => at(minute, timed(words.tick(wh), 'sampledAt', minute))),
    ...(story.states ?? []).map(([minute, state]) =>
      at(minute, {
        name: 'session_state',
        body: { sessionId, state, chargerStatus: '', changedAt: timeAt(minute) },
      }),
    ),
    ...(story.isOpen ? [] : [at(stopMinute, timed(words.end, 'stoppedAt', stopMinute))]),
  ]
}

/** A word in the log of a node, which gives it its place there. */
export type Placed = Word & { readonly node: number }

/** As a node writes it down that does not know the session's start. */
export function unknowing<W extends Pick<Word, 'body'>>(word: W): W {
  if (word.body.name !== 'meter_tick') return word
  const { sessionId: _, ...body } = word.body.body
  return { ...word, body: { name: word.body.name, body } }
}

/** The one session that comes of these words, in the order given. */
export function sessionOf(words: readonly (Word | Placed)[]): Session {
  const facts = emptyFacts()
  const seqs = new Map<number, number>()
  for (const word of words) {
    const node = 'node' in word ? word.node : 0
    const seq = (seqs.get(node) ?? 0) + 1
    seqs.set(node, seq)
    const logId = `${node}`.repeat(32) as LogId
    const hash = `${node}${seq}`.padStart(64, '0') as EventHash
    const event = { logId, seq, hlc: hlcOf(word.recordedAt, word.nth), monoMs: 0, type: 0, prev: hash, hash }
    addFact(facts, { ...event, body: new Uint8Array() }, word.body, logId as string as DeviceId)
  }
  const charger = facts.chargers.get('CP-1' as ChargerId)
  const [session, ...others] = charger ? foldCharger(charger).sessions : []
  if (!session || others.length > 0) throw new Error(`${others.length} sessions too many, or none`)
  return session
}

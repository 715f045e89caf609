// The sessions that are kept up event by event are those that a fold of everything gives, whenever somebody asks; and
// what stands in the history is not made again for what comes today.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BodyOf } from '../../src/log/body.ts'
import { type ChargerSessions, foldCharger, type Session } from '../../src/session/fold.ts'
import { createSessions, type Sessions } from '../../src/session/sessions.ts'
import type { ChargerId, EventHash, LogId, TokenRef } from '../../src/units.ts'
import { ANY_FIRMWARE, dayOf, daysOf } from './nameless.ts'
import {
  busyTellings,
  factsOf,
  idsOf,
  namedTellings,
  type Placed,
  placed,
  sessionsOf,
  type Told,
  tellings,
  tellingsWithLies,
} from './telling.ts'

const NOTHING: ChargerSessions = { sessions: [], orphanEnds: [] }
const CHARGER = 'CP-1' as ChargerId
const CARDS = ['aa', 'bb'].map(text => text.repeat(16) as TokenRef)

function add(sessions: Sessions, { event, body, deviceId }: Placed): void {
  sessions.add(event, body, deviceId)
}

/** Asks after every event whose turn it is, and compares with a fold of all that was told so far. */
function keepsUp(events: readonly Placed[], asks: readonly boolean[]): void {
  const sessions = createSessions()
  events.forEach((event, i) => {
    add(sessions, event)
    if (asks[i % asks.length] === false && i < events.length - 1) return
    const { chargers } = factsOf(events.slice(0, i + 1))
    for (const charger of ['CP-1', 'CP-2'] as ChargerId[]) {
      const facts = chargers.get(charger)
      expect(sessions.ofCharger(charger)).toEqual(facts ? foldCharger(facts) : NOTHING)
    }
    for (const card of CARDS)
      expect(sessions.ofToken(card).toSorted(byId)).toEqual(
        sessions
          .all()
          .filter(session => session.tokenRef === card)
          .toSorted(byId),
      )
  })
}

function byId(a: Session, b: Session): number {
  const [left, right] = [a, b].map(({ chargerId, sessionId }) => `${chargerId}/${sessionId}`)
  return (left ?? '') < (right ?? '') ? -1 : 1
}

function shuffled<T>(items: readonly T[], keys: readonly number[]): T[] {
  return items
    .map((item, i) => ({ item, key: keys[i % keys.length] ?? 0 }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

const asks = fc.array(fc.boolean(), { minLength: 1, maxLength: 9 })
const always = [true]
const keys = fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 })

/** Many sessions of one charger, one after the other: each begins where the one before it ended, unless told otherwise. */
function history(count: number, meterWh = (n: number): number => n * 1000, clockless = false): Told[] {
  const told: Told[] = []
  for (let n = 0; n < count; n++) {
    const atMs = Date.UTC(2026, 5, 1) + n * 3_600_000
    const startedAt = clockless ? { raw: '1970', at: 0 } : { raw: new Date(atMs).toISOString(), at: atMs }
    const said = { chargerId: CHARGER, connectorId: 1, meterStartWh: meterWh(n), startedAt }
    const start: BodyOf<'session_start'> = {
      ...{ ...said, ...idsOf(said), tokenRef: CARDS[n % 2] as TokenRef, allowed: 'ALLOWED', reason: '' },
      ...{ policyHead: [], tier: 'FULL', connectionId: 1, clock: 'rtc' },
    }
    const end: BodyOf<'session_end'> = {
      ...{ chargerId: CHARGER, ...idsOf(said), meterStopWh: meterWh(n) + 1000 + (clockless ? n : 0) },
      ...{ stoppedAt: startedAt, reason: 'Local', connectionId: 1, clock: 'rtc' },
    }
    told.push({ node: 0, atMs, body: { name: 'session_start', body: start } })
    told.push({ node: 0, atMs: atMs + 60_000, body: { name: 'session_end', body: end } })
  }
  return told
}

describe('the sessions of a node', () => {
  it('are after every event what a fold of everything gives', () => {
    fc.assert(
      fc.property(tellingsWithLies, telling => keepsUp(placed(telling), always)),
      { numRuns: 300 },
    )
  })

  it('are that in any order of delivery, however seldom somebody asks', () => {
    fc.assert(
      fc.property(tellings, keys, asks, (telling, order, turns) =>
        keepsUp(shuffled(placed(telling), order), turns),
      ),
      { numRuns: 300 },
    )
  })

  it('are that where sessions meet through their starts alone', () => {
    fc.assert(
      fc.property(namedTellings, keys, (telling, order) => keepsUp(shuffled(placed(telling), order), always)),
      { numRuns: 1000 },
    )
  })

  it('are that for a busy charger, whose sessions mostly stand alone', () => {
    fc.assert(
      fc.property(busyTellings, keys, asks, (telling, order, turns) => {
        const events = placed(telling)
        keepsUp(events, always)
        keepsUp(shuffled(events, order), turns)
      }),
      { numRuns: 150 },
    )
  })

  it('are that for a charge point whose stops name no transaction', () => {
    fc.assert(
      fc.property(daysOf(ANY_FIRMWARE), keys, asks, (day, order, turns) => {
        const events = placed(dayOf(day).told)
        keepsUp(events, always)
        keepsUp(shuffled(events, order), turns)
      }),
      { numRuns: 300 },
    )
  })

  it('are not made again for what happens in another session', () => {
    const events = placed(history(20))
    const last = events.at(-1) as Placed
    const sessions = createSessions()
    for (const event of events.slice(0, -1)) add(sessions, event)
    const before = sessions.ofCharger(CHARGER).sessions
    add(sessions, last)
    const after = sessions.ofCharger(CHARGER).sessions
    expect(after.slice(0, -1).every((session, i) => session === before[i])).toBe(true)
    expect([before.at(-1)?.state, after.at(-1)?.state]).toEqual(['charging', 'completed'])
    expect(sessions.ofCharger(CHARGER)).toBe(sessions.ofCharger(CHARGER))
  })

  it('are not made again either when a stop without a session comes', () => {
    const told = history(20)
    const open = told.pop() as Told & { body: { name: 'session_end' } }
    const { sessionId: _, ...body } = open.body.body
    const events = placed([...told, { ...open, body: { name: 'session_end', body } }])
    const sessions = createSessions()
    for (const event of events.slice(0, -1)) add(sessions, event)
    const before = sessions.ofCharger(CHARGER).sessions
    add(sessions, events.at(-1) as Placed)
    const after = sessions.ofCharger(CHARGER).sessions
    expect(after.slice(0, -1).every((session, i) => session === before[i])).toBe(true)
    expect(after.at(-1)?.state).toBe('completed')
  })

  it('of a card are found without those of other cards', () => {
    const events = placed(history(20))
    const sessions = createSessions()
    for (const event of events) add(sessions, event)
    for (const card of CARDS)
      expect(sessions.ofToken(card)).toEqual(
        sessionsOf(events)[CHARGER]?.sessions.filter(session => session.tokenRef === card),
      )
  })
})

describe('stops without a session', () => {
  it('that fit the only open one, but say different things, are one for it and one for people', () => {
    const [begin, stop] = history(1) as [Told, Told & { body: { name: 'session_end' } }]
    const { sessionId: _, ...body } = stop.body.body
    const strays = [1500, 1600].map(
      (meterStopWh): Told => ({
        ...stop,
        body: { name: 'session_end', body: { ...body, transactionId: -1, meterStopWh } },
      }),
    )
    const { sessions, orphanEnds } = sessionsOf(placed([begin, ...strays]))[CHARGER] ?? NOTHING
    expect(sessions.map(({ energyWh, flags }) => [energyWh, flags])).toEqual([
      [1500, ['joined-by-fit', 'unpriced']],
    ])
    expect(orphanEnds.map(({ body }) => body.meterStopWh)).toEqual([1600])
  })
})

describe('a long history', () => {
  it('of a clock that was never set, thousands of sessions under one id, is folded at once', () => {
    const folded = sessionsOf(placed(history(3000, () => 0, true)))[CHARGER]?.sessions ?? []
    expect(folded).toHaveLength(3000)
    expect(new Set(folded.map(session => session.sessionId)).size).toBe(3000)
  })

  it('under one id gives every session its own price and mark', () => {
    const told = history(40, () => 0, true).flatMap((one, i): Told[] => {
      const { node, atMs, body } = one
      if (body.name === 'session_end') return [one]
      const { sessionId } = body.body as BodyOf<'session_start'>
      const ref = { logId: '11'.repeat(16) as LogId, seq: 1, hash: '22'.repeat(32) as EventHash }
      const end = { logId: '0'.repeat(32) as LogId, seq: 3 * (i / 2 + 1), hash: '33'.repeat(32) as EventHash }
      const price = { sessionId, tariff: ref, currency: 'EUR', pricePerKwh: `0.${i}` }
      return [
        one,
        { node, atMs, body: { name: 'pricing', body: price } },
        {
          node: 1,
          atMs,
          body: { name: 'reconciliation_mark', body: { sessionId, end, cloudEpoch: i, ackedAt: 1 } },
        },
      ]
    })
    const inTurn = told.filter(({ body }) => body.name === 'session_start').map((_, n) => n * 2)
    const folded = sessionsOf(placed(told))[CHARGER]?.sessions ?? []
    expect(folded.map(session => session.pricing?.body.pricePerKwh)).toEqual(inTurn.map(i => `0.${i}`))
    const marked = folded.filter(session => session.mark)
    expect(marked.map(({ mark }) => mark?.body.cloudEpoch)).toEqual(inTurn)
    expect(marked.map(({ end }) => end?.ref.seq)).toEqual(marked.map(({ mark }) => mark?.body.end.seq))
  })

  it('of starts that were sent again and again is one session a card', () => {
    const starts = history(6000, () => 0).filter(({ body }) => body.name === 'session_start')
    const folded = sessionsOf(placed(starts))[CHARGER]?.sessions ?? []
    expect(folded.map(session => session.starts.length)).toEqual([3000, 3000])
  })
})

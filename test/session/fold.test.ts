// Many logs, one session: however the facts arrive, every node folds the same sessions, no stop is lost or counted
// twice, and no energy is made up (I26, B6).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clockedAt } from '../../src/session/clock.ts'
import { SESSION_STATES } from '../../src/session/machine.ts'
import { placed, sessionsOf, type Told, tellings, tellingsWithLies } from './telling.ts'

const RUNS = { numRuns: 600 }

function shuffled<T>(items: readonly T[], keys: readonly number[]): T[] {
  return items
    .map((item, i) => ({ item, key: keys[i % Math.max(1, keys.length)] ?? 0, i }))
    .sort((a, b) => a.key - b.key || b.i - a.i)
    .map(({ item }) => item)
}

const keys = fc.array(fc.nat(1000), { minLength: 14, maxLength: 14 })

/** A node that hears a clockless start behind the stop of the same words cannot know yet whether it is the next car. */
function startsBehindStops(telling: readonly Told[]): boolean {
  return telling.some(
    ({ node, body }, i) =>
      body.name === 'session_start' &&
      clockedAt(body.body.startedAt) === undefined &&
      telling
        .slice(0, i)
        .some(
          other =>
            other.node === node &&
            other.body.name === 'session_end' &&
            other.body.body.sessionId === body.body.sessionId,
        ),
  )
}

describe('the fold of one charger', () => {
  it('is the same in any order of delivery', () => {
    fc.assert(
      fc.property(tellings, keys, (telling, order) => {
        const events = placed(telling)
        expect(sessionsOf(shuffled(events, order))).toEqual(sessionsOf(events))
      }),
      RUNS,
    )
  })

  it('is the same in any order when every event was recorded by two nodes', () => {
    fc.assert(
      fc.property(tellings, keys, (telling, order) => {
        const events = placed([...telling, ...telling.map(one => ({ ...one, node: one.node + 3 }))])
        expect(sessionsOf(shuffled(events, order))).toEqual(sessionsOf(events))
      }),
      RUNS,
    )
  })

  it('is the same in any order although a node claims the session of another charger', () => {
    fc.assert(
      fc.property(tellingsWithLies, keys, (telling, order) => {
        const events = placed(telling)
        expect(sessionsOf(shuffled(events, order))).toEqual(sessionsOf(events))
      }),
      RUNS,
    )
  })

  it('is the same for any part of the facts in any order, and whole again when the rest has come', () => {
    fc.assert(
      fc.property(tellings, keys, fc.nat(14), (telling, order, most) => {
        const events = placed(telling)
        const mixed = shuffled(events, order)
        const part = mixed.slice(0, most)
        expect(sessionsOf(part.toReversed())).toEqual(sessionsOf(part))
        expect(sessionsOf([...mixed.slice(most), ...part])).toEqual(sessionsOf(events))
      }),
      RUNS,
    )
  })

  it('keeps every stop exactly once: with one session, or for people to look at', () => {
    fc.assert(
      fc.property(tellings, telling => {
        const events = placed(telling)
        const stops = events.filter(({ body }) => body.name === 'session_end').map(({ event }) => event.hash)
        const kept = Object.values(sessionsOf(events)).flatMap(({ sessions, orphanEnds }) =>
          [...sessions.flatMap(session => session.ends), ...orphanEnds].map(end => end.ref.hash),
        )
        expect(kept.toSorted()).toEqual(stops.toSorted())
      }),
      RUNS,
    )
  })

  it('keeps every start exactly once', () => {
    fc.assert(
      fc.property(tellings, telling => {
        const events = placed(telling)
        const starts = events
          .filter(({ body }) => body.name === 'session_start')
          .map(({ event }) => event.hash)
        const kept = Object.values(sessionsOf(events)).flatMap(({ sessions }) =>
          sessions.flatMap(session => session.starts.map(start => start.ref.hash)),
        )
        expect(kept.toSorted()).toEqual(starts.toSorted())
      }),
      RUNS,
    )
  })

  it('never makes up energy: it is what one stop’s register says above the start’s, and the least of all that do', () => {
    fc.assert(
      fc.property(tellings, telling => {
        for (const session of sessionsOf(placed(telling))['CP-1']?.sessions ?? []) {
          const { meterStartWh } = session.start.body
          const said = session.ends.map(end => end.body.meterStopWh - meterStartWh).filter(wh => wh >= 0)
          if (said.length > 0) expect(session.energyWh).toBe(Math.min(...said))
          else if (session.energyWh !== undefined) expect(session.flags).toContain('meter-reset')
        }
      }),
      RUNS,
    )
  })

  it('gives each session one state and one id', () => {
    fc.assert(
      fc.property(tellings, telling => {
        const sessions = sessionsOf(placed(telling))['CP-1']?.sessions ?? []
        expect(new Set(sessions.map(session => session.sessionId)).size).toBe(sessions.length)
        for (const { state, end } of sessions) {
          expect(SESSION_STATES).toContain(state)
          expect(['completed', 'reconciled'].includes(state)).toBe(end !== undefined)
        }
      }),
      RUNS,
    )
  })

  it('counts nothing twice when another node has recorded the very same', () => {
    fc.assert(
      fc.property(tellings, telling => {
        const twice: Told[] = [
          ...telling,
          ...telling.map(one => ({ ...one, node: one.node + 3, atMs: one.atMs + 1 })),
        ]
        // A clockless start that another node recorded behind a stop cannot be told from the next session's.
        fc.pre(!startsBehindStops(telling) && !startsBehindStops(twice))
        const bill = (told: readonly Told[]): unknown =>
          (sessionsOf(placed(told))['CP-1']?.sessions ?? [])
            .filter(session => session.energyWh !== undefined)
            .map(({ sessionId, energyWh }) => [sessionId, energyWh])
            .toSorted()
        expect(bill(twice)).toEqual(bill(telling))
      }),
      RUNS,
    )
  })
})

// Stops that name no transaction at a charge point with two connectors: which session each has ended is told by cards,
// clocks and registers, the same way everywhere; and what they do not tell is left to people.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/fold.ts'
import type { TokenRef } from '../../src/units.ts'
import { ANY_FIRMWARE, CHARGER, type Day, dayOf, daysOf, ORDINARY } from './nameless.ts'
import { idsOf, placed, sessionsOf, type Told } from './telling.ts'

const OPENED_AT = Date.UTC(2026, 5, 1)
const [CARD, OTHER] = ['aa', 'bb'].map(text => text.repeat(16) as TokenRef)

function foldOf(told: readonly Told[]) {
  return sessionsOf(placed(told))[CHARGER] ?? { sessions: [], orphanEnds: [] }
}

const minuteOf = (minute: number) => {
  const at = OPENED_AT + minute * 60_000
  return { raw: new Date(at).toISOString(), at }
}

type Begun = {
  readonly connectorId: number
  readonly meterStartWh: number
  readonly card?: TokenRef | undefined
}

function begin(minute: number, { connectorId, meterStartWh, card = CARD }: Begun): Told {
  const said = { chargerId: CHARGER, connectorId, meterStartWh, startedAt: minuteOf(minute) }
  const policy = { allowed: 'ALLOWED', reason: '', policyHead: [], tier: 'FULL' } as const
  const body = {
    ...said,
    ...idsOf(said),
    tokenRef: card as TokenRef,
    ...policy,
    connectionId: 1,
    clock: 'rtc',
  } as const
  return { node: 0, atMs: OPENED_AT + minute * 60_000, body: { name: 'session_start', body } }
}

function stop(minute: number, meterStopWh: number, card?: TokenRef): Told {
  const said = {
    chargerId: CHARGER,
    transactionId: -1,
    meterStopWh,
    stoppedAt: minuteOf(minute),
    connectionId: 1,
  }
  const body = {
    ...said,
    reason: card ? 'Local' : 'EVDisconnected',
    clock: 'rtc',
    ...(card && { tokenRef: card }),
  } as const
  return { node: 1, atMs: OPENED_AT + minute * 60_000, body: { name: 'session_end', body } }
}

function read(minute: number, energyWh: number, of: Told): Told {
  if (of.body.name !== 'session_start') throw new Error('a reading is of a start')
  const { sessionId, connectorId } = of.body.body
  const said = { sessionId, chargerId: CHARGER, connectorId, transactionId: -1, energyWh, connectionId: 1 }
  const body = { ...said, sampledAt: minuteOf(minute) }
  return { node: 0, atMs: OPENED_AT + minute * 60_000, body: { name: 'meter_tick', body } }
}

/** The same as a charger says it whose clock was never set. */
function unset(told: Told): Told {
  const { body } = told
  const clockless = { raw: `1970, ${told.atMs}`, at: told.atMs - OPENED_AT }
  if (body.name === 'session_start') {
    const said = { ...body.body, startedAt: clockless }
    return { ...told, body: { name: body.name, body: { ...said, ...idsOf(said) } } }
  }
  if (body.name !== 'session_end') throw new Error('a session begins or ends')
  return { ...told, body: { name: body.name, body: { ...body.body, stoppedAt: clockless } } }
}

/** Recorded at another time than the charger said it, by a node of its own. */
function recorded(minute: number, told: Told): Told {
  return { ...told, node: 2, atMs: OPENED_AT + minute * 60_000 }
}

function taken({ connectorId, start, energyWh }: Session): readonly unknown[] {
  return [connectorId, start.body.meterStartWh, energyWh]
}

describe('a stop of -1 while two sessions are open', () => {
  const LEFT = begin(0, { connectorId: 1, meterStartWh: 1000 })
  const RIGHT = begin(5, { connectorId: 2, meterStartWh: 1200 })

  it.each([
    [
      'by the card that stopped it',
      [begin(5, { connectorId: 2, meterStartWh: 1200, card: OTHER }), stop(30, 4000, OTHER)],
    ],
    [
      'where the next session goes on',
      [RIGHT, stop(30, 4000), begin(40, { connectorId: 2, meterStartWh: 4000 })],
    ],
    [
      'where no later register speaks against it',
      [RIGHT, stop(30, 4000), begin(40, { connectorId: 1, meterStartWh: 3500 })],
    ],
    [
      'where no reading was above it before',
      [RIGHT, read(10, 1500, LEFT), read(20, 4500, LEFT), stop(30, 4000)],
    ],
    ['where no reading was above it behind', [RIGHT, stop(30, 4000), read(50, 4500, LEFT)]],
  ] as const)('ends the one that it fits %s', (_, told) => {
    const { sessions, orphanEnds } = foldOf([LEFT, ...told])
    expect(sessions.slice(0, 2).map(taken)).toEqual([
      [1, 1000, undefined],
      [2, 1200, 2800],
    ])
    expect(sessions[1]?.flags).toContain('joined-by-fit')
    expect(orphanEnds).toEqual([])
  })

  it.each([
    ['fits both', [RIGHT, stop(30, 4000)]],
    [
      'is where both connectors go on',
      [RIGHT, stop(30, 4000), ...[1, 2].map(n => begin(40 + n, { connectorId: n, meterStartWh: 4000 }))],
    ],
    ['was made with the card of neither', [RIGHT, stop(30, 4000, OTHER)]],
    ['is below what was read before', [read(20, 4500, LEFT), stop(30, 4000)]],
    [
      'came behind the next start, though at its register',
      [RIGHT, stop(30, 4000), begin(20, { connectorId: 2, meterStartWh: 4000 })],
    ],
    [
      'is at 0, where any meter may begin',
      [
        begin(5, { connectorId: 2, meterStartWh: 0 }),
        begin(6, { connectorId: 3, meterStartWh: 0 }),
        stop(30, 0),
        begin(40, { connectorId: 3, meterStartWh: 0, card: OTHER }),
      ],
    ],
  ] as const)('is left to people where it %s', (_, told) => {
    const { sessions, orphanEnds } = foldOf([LEFT, ...told])
    expect(sessions.filter(({ end }) => end)).toEqual([])
    expect(orphanEnds).toHaveLength(1)
  })

  it('is found once another stop has taken the other', () => {
    const { sessions, orphanEnds } = foldOf([LEFT, RIGHT, stop(30, 4000), stop(35, 1100)])
    expect(sessions.map(taken)).toEqual([
      [1, 1000, 100],
      [2, 1200, 2800],
    ])
    expect(orphanEnds).toEqual([])
  })

  it('ends none whose connector went on from a lower register, however far others go', () => {
    const far = begin(5, { connectorId: 2, meterStartWh: 900 })
    const { sessions } = foldOf([
      ...[LEFT, far, stop(30, 4000)],
      ...[
        begin(40, { connectorId: 1, meterStartWh: 3500 }),
        begin(45, { connectorId: 2, meterStartWh: 9000 }),
      ],
    ])
    expect(sessions.slice(0, 2).map(taken)).toEqual([
      [1, 1000, undefined],
      [2, 900, 3100],
    ])
  })

  it('ends none that another followed at the same register, by the clock, before the stop', () => {
    const zero = (minute: number, card?: TokenRef) => begin(minute, { connectorId: 1, meterStartWh: 0, card })
    const { sessions } = foldOf([zero(0), zero(20, OTHER), stop(30, 4000)])
    expect(sessions.map(taken)).toEqual([
      [1, 0, undefined],
      [1, 0, 4000],
    ])
  })

  it('ends none that was read above it before another followed, where meters begin at 0', () => {
    const first = begin(0, { connectorId: 1, meterStartWh: 0 })
    const { sessions } = foldOf([
      ...[first, begin(5, { connectorId: 2, meterStartWh: 0 }), stop(30, 4000)],
      ...[read(40, 4500, first), begin(50, { connectorId: 1, meterStartWh: 0, card: OTHER })],
    ])
    expect(sessions.slice(0, 2).map(taken)).toEqual([
      [1, 0, undefined],
      [2, 0, 4000],
    ])
  })

  it('ends the earlier of two for one session, whichever was recorded first', () => {
    const { sessions, orphanEnds } = foldOf([
      LEFT,
      recorded(50, stop(30, 1500)),
      recorded(45, stop(40, 1600)),
    ])
    expect(sessions.map(taken)).toEqual([[1, 1000, 500]])
    expect(orphanEnds.map(({ body }) => body.meterStopWh)).toEqual([1600])
  })

  it('is not moved by a reading that belongs to the next session', () => {
    const next = begin(40, { connectorId: 2, meterStartWh: 4000 })
    // Whoever heard the reading did not know that the next had begun.
    const { sessions } = foldOf([LEFT, RIGHT, stop(30, 4000), next, read(50, 6000, RIGHT)])
    expect(sessions.map(taken)).toEqual([
      [1, 1000, undefined],
      [2, 1200, 2800],
      [2, 4000, undefined],
    ])
  })
})

describe('a stop of -1 without a clock', () => {
  const first = unset(begin(0, { connectorId: 1, meterStartWh: 1000 }))
  const then = unset(begin(50, { connectorId: 1, meterStartWh: 4000, card: OTHER }))

  it('ends the session that was recorded before it, where the next one goes on', () => {
    const { sessions, orphanEnds } = foldOf([first, unset(stop(30, 4000)), then])
    expect(sessions.map(taken)).toEqual([
      [1, 1000, 3000],
      [1, 4000, undefined],
    ])
    expect(orphanEnds).toEqual([])
  })

  it('is left to people where what it fits was recorded behind it', () => {
    const { sessions, orphanEnds } = foldOf([unset(stop(30, 4500)), then])
    expect(sessions.map(taken)).toEqual([[1, 4000, undefined]])
    expect(orphanEnds).toHaveLength(1)
  })

  it('is left to people where a session between was recorded by a clock that is behind', () => {
    const between = recorded(-500, unset(begin(20, { connectorId: 1, meterStartWh: 2000 })))
    const { sessions, orphanEnds } = foldOf([first, between, unset(stop(30, 4000)), then])
    expect(sessions.filter(({ end }) => end)).toEqual([])
    expect(orphanEnds).toHaveLength(1)
  })
})

describe('the same card again at the same register', () => {
  it('is another session where a stop between says that the first took nothing', () => {
    const again = begin(20, { connectorId: 1, meterStartWh: 1000 })
    const { sessions, orphanEnds } = foldOf([
      begin(0, { connectorId: 1, meterStartWh: 1000 }),
      stop(10, 1000),
      again,
      stop(50, 3000),
    ])
    expect(sessions.map(taken)).toEqual([
      [1, 1000, 0],
      [1, 1000, 2000],
    ])
    expect(orphanEnds).toEqual([])
  })

  it('leaves a stop to people that may have ended the first, though another session is open', () => {
    const { sessions, orphanEnds } = foldOf([
      begin(0, { connectorId: 1, meterStartWh: 0 }),
      begin(5, { connectorId: 2, meterStartWh: 0, card: OTHER }),
      stop(10, 3000),
      begin(20, { connectorId: 1, meterStartWh: 0 }),
    ])
    expect(sessions.map(taken)).toEqual([
      [2, 0, undefined],
      [1, 0, undefined],
    ])
    expect(orphanEnds).toHaveLength(1)
  })

  it('is one session where its clock was set back between, and gets the stop behind both', () => {
    const { sessions, orphanEnds } = foldOf([
      begin(60, { connectorId: 1, meterStartWh: 1000 }),
      recorded(70, begin(10, { connectorId: 1, meterStartWh: 1000 })),
      recorded(80, stop(65, 3000)),
    ])
    expect(sessions.map(taken)).toEqual([[1, 1000, 2000]])
    expect(orphanEnds).toEqual([])
  })
})

describe('a reading of -1 that names no session', () => {
  it('is nobody’s, and keeps no stop from its session', () => {
    const begun = begin(0, { connectorId: 1, meterStartWh: 1000 })
    const { body, ...place } = read(10, 9000, begun)
    if (body.name !== 'meter_tick') throw new Error('a reading is a reading')
    const { sessionId: _, ...nameless } = body.body
    const { sessions } = foldOf([
      begun,
      { ...place, body: { name: 'meter_tick', body: nameless } },
      stop(30, 4000),
    ])
    expect(sessions.map(session => [session.energyWh, session.registerWh, session.lastTick])).toEqual([
      [3000, undefined, undefined],
    ])
  })
})

describe('a charge point whose firmware names no transaction', () => {
  const check = (day: Day): { readonly sessions: number; readonly open: number } => {
    const { told, truths } = dayOf(day)
    const { sessions } = foldOf(told)
    const energyOf = new Map(truths.map(({ sessionId, energyWh }) => [sessionId, energyWh]))
    for (const { sessionId, energyWh } of sessions)
      if (energyWh !== undefined) expect(energyWh).toBe(energyOf.get(sessionId))
    return { sessions: sessions.length, open: sessions.filter(({ end }) => !end).length }
  }

  it('gives no session the stop of another, whatever its clock and its meter are like', () => {
    fc.assert(
      fc.property(daysOf(ANY_FIRMWARE), day => void check(day)),
      { numRuns: 2000 },
    )
  })

  it('with a clock and an ordinary meter leaves next to nothing to people', () => {
    let [sessions, open] = [0, 0]
    fc.assert(
      fc.property(daysOf(fc.constant(ORDINARY)), day => {
        const found = check(day)
        if (day.lanes.length === 1) expect(found.open).toBe(0)
        sessions += found.sessions
        open += found.open
      }),
      { numRuns: 1000 },
    )
    expect(sessions).toBeGreaterThan(4000)
    expect(open / sessions).toBeLessThan(0.01)
  })

  it('says the same in any order of delivery', () => {
    fc.assert(
      fc.property(
        daysOf(ANY_FIRMWARE),
        fc.array(fc.nat(1000), { minLength: 50, maxLength: 50 }),
        (day, keys) => {
          const events = placed(dayOf(day).told)
          const mixed = events
            .map((event, i) => ({ event, key: keys[i % keys.length] ?? 0 }))
            .sort((a, b) => a.key - b.key)
            .map(({ event }) => event)
          expect(sessionsOf(mixed)).toEqual(sessionsOf(events))
        },
      ),
      { numRuns: 400 },
    )
  })
})

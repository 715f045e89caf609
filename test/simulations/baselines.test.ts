// The other designs on small worlds whose figures are worked out by hand.
import { describe, expect, it } from 'vitest'
import { BASELINES, baselineOf } from '../../simulations/baselines/baseline.ts'
import { gateway } from '../../simulations/baselines/gateway.ts'
import { groundOf } from '../../simulations/baselines/ground.ts'
import { lists } from '../../simulations/baselines/lists.ts'
import { seededRandom } from '../../simulations/dice.ts'
import type { Service } from '../../simulations/outcome.ts'
import type { FaultStep, OperatorStep, Plan } from '../../simulations/plan.ts'
import {
  ALWAYS,
  BATTERY,
  charger,
  EXPIRED,
  GOOD,
  MINUTE,
  minutes,
  planOf,
  REVOKED,
  revoke,
  SECOND_GOOD,
  service,
  split,
  UNKNOWN,
  uplink,
  visit,
  wipe,
} from './hand-plan.ts'

describe.each(BASELINES)('%s, where nothing fails', kind => {
  it('serves good cards and sends the others away', () => {
    const visits = [visit(0, 1), visit(0, 2, REVOKED), visit(0, 3, UNKNOWN), visit(20, 3, EXPIRED)]
    const expected = { drivers: 4, served: 1, refusedRightly: 3, sessions: 1 }
    expect(baselineOf(kind, planOf({ visits }))).toEqual(service(expected))
  })

  it('turns away who finds the charger taken or dark, and serves the next', () => {
    const faults: readonly FaultStep[] = [
      { kind: 'charger-power-cut', charger: 2, ...minutes({ at: 5, for: 10 }) },
    ]
    const visits = [
      visit(0, 1),
      visit(9, 1, SECOND_GOOD),
      visit(11, 1, SECOND_GOOD),
      visit(10, 2),
      visit(15, 2),
    ]
    const expected = { drivers: 5, served: 3, turnedAway: 2, sessions: 3 }
    expect(baselineOf(kind, planOf({ visits, faults }))).toEqual(service(expected))
  })

  it('forgets nobody who still charges when the run ends', () => {
    const visits = [visit(595, 2, GOOD, 60), visit(600, 3)]
    const expected = { drivers: 2, served: 1, turnedAway: 1, sessions: 1 }
    expect(baselineOf(kind, planOf({ visits }))).toEqual(service(expected))
  })
})

describe('one gateway', () => {
  const cutOff = split(20, 40, [[1, 2], [3]])

  it('cut off, accepts the cards it accepted before at that charger, and nobody else', () => {
    const visits = [visit(0, 3), visit(30, 3), visit(45, 3, SECOND_GOOD), visit(30, 2, SECOND_GOOD)]
    const expected = { drivers: 4, served: 3, refusedWrongly: 1, sessions: 3 }
    expect(baselineOf('gateway', planOf({ visits, faults: [cutOff] }))).toEqual(service(expected))
  })

  it('cut off, accepts a remembered card that was revoked since, until it hears of it', () => {
    const visits = [visit(0, 3), visit(30, 3), visit(70, 3), visit(80, 3)]
    const expected = { drivers: 4, served: 1, servedWrongly: 1, refusedRightly: 2, sessions: 2 }
    const plan = planOf({ visits, faults: [cutOff], operator: [revoke(25)] })
    expect(baselineOf('gateway', plan)).toEqual(service(expected))
  })

  it('ends a session of a card that was revoked before its start is heard, and forgets the card', () => {
    // Minute 55 to the end of the split at 60: 500 Wh. Then a second split, in which the card is no longer known.
    const visits = [visit(0, 3), visit(55, 3, GOOD, 120), visit(61, 3, SECOND_GOOD), visit(80, 3)]
    const faults = [cutOff, split(75, 20, [[1, 2], [3]])]
    const plan = planOf({ visits, faults, operator: [revoke(25)] })
    const expected = { drivers: 4, served: 2, servedWrongly: 1, refusedRightly: 1, sessions: 3 }
    expect(baselineOf('gateway', plan)).toEqual(service(expected))
  })

  it('hears of news only when the node that was handed them reaches it', () => {
    const visits = [visit(30, 1), visit(70, 1)]
    const plan = planOf({ visits, faults: [cutOff], operator: [revoke(25, 3)] })
    expect(baselineOf('gateway', plan)).toEqual(
      service({ drivers: 2, servedWrongly: 1, refusedRightly: 1, sessions: 1 }),
    )
  })

  it.each<[FaultStep['kind'], FaultStep]>([
    ['kill', { kind: 'kill', node: 1, atMs: 20 * MINUTE, downMs: 20 * MINUTE }],
    ['stall', { kind: 'stall', node: 1, ...minutes({ at: 20, for: 20 }) }],
    ['power-cut', { kind: 'power-cut', node: 1, atMs: 20 * MINUTE, downMs: 20 * MINUTE }],
    ['clock-back', { kind: 'clock-back', node: 1, byMs: 5, atMs: 20 * MINUTE, downMs: 20 * MINUTE }],
  ])('serves only remembered cards while it is down (%s), and loses nothing by it', (_, fault) => {
    const visits = [visit(15, 1), visit(30, 1), visit(30, 2), visit(40, 3)]
    const expected = { drivers: 4, served: 3, refusedWrongly: 1, sessions: 3 }
    expect(baselineOf('gateway', planOf({ visits, faults: [fault] }))).toEqual(service(expected))
  })

  it('stands and falls with node 1 alone', () => {
    const faults: readonly FaultStep[] = [{ kind: 'kill', node: 2, atMs: 0, downMs: 500 * MINUTE }]
    expect(baselineOf('gateway', planOf({ visits: [visit(30, 2)], faults }))).toEqual(
      service({ drivers: 1, served: 1, sessions: 1 }),
    )
  })

  it('loses with its disk what the cloud does not have: ended sessions, and running ones whose start is gone', () => {
    // Without an uplink: 1000 Wh ended before; 2000 Wh run over the wipe; 3000 Wh begin after it.
    const visits = [visit(0, 1), visit(20, 2, GOOD, 20), visit(60, 3, GOOD, 30)]
    const expected = { drivers: 3, served: 3, sessions: 3, lostSessions: 2, lostWh: 3000 }
    expect(baselineOf('gateway', planOf({ visits, faults: [wipe(30)], uplinks: [] }))).toEqual(
      service(expected),
    )
    // With a way out from minute 12 to 13 the first one is safe.
    const plan = planOf({ visits, faults: [wipe(30)], uplinks: uplink(2, [12, 13]) })
    expect(baselineOf('gateway', plan)).toMatchObject({ lostSessions: 1, lostWh: 2000 })
  })

  it('does not lose what waited at a charger that was cut off', () => {
    const visits = [visit(0, 3), visit(20, 3)]
    const faults = [split(15, 60, [[1, 2], [3]]), wipe(40)]
    const plan = planOf({ visits, faults, uplinks: uplink(2, [12, 13]) })
    expect(baselineOf('gateway', plan)).toEqual(service({ drivers: 2, served: 2, sessions: 2 }))
  })

  it('loses with an old image what is younger than it', () => {
    const visits = [visit(0, 1), visit(30, 1)]
    const faults: readonly FaultStep[] = [
      { kind: 'restore', node: 1, atMs: 60 * MINUTE, ageMs: 40 * MINUTE, downMs: MINUTE },
    ]
    expect(baselineOf('gateway', planOf({ visits, faults, uplinks: [] }))).toMatchObject({
      lostSessions: 1,
      lostWh: 1000,
    })
  })

  it('loses by a power cut the last half minute of a disk that lied, and nothing of an honest one', () => {
    const visits = [visit(0, 1), visit(0, 2, GOOD, 19)]
    const cut: FaultStep = { kind: 'power-cut', node: 1, atMs: 19.25 * MINUTE, downMs: MINUTE }
    const lie: FaultStep = { kind: 'sync-lies', node: 1, ...minutes({ at: 5, for: 60 }) }
    const lossesOf = (faults: readonly FaultStep[]): Service =>
      baselineOf('gateway', planOf({ visits, faults, uplinks: [] }))
    expect(lossesOf([cut])).toMatchObject({ lostSessions: 0 })
    expect(lossesOf([lie, cut])).toMatchObject({ lostSessions: 1, lostWh: 1900 })
    expect(lossesOf([lie, { ...cut, atMs: 19.75 * MINUTE }])).toMatchObject({ lostSessions: 0 })
  })

  it('with a full disk decides and writes nothing down: what was said waits at the chargers', () => {
    const visits = [visit(10, 1), visit(10, 2, REVOKED)]
    const faults: readonly FaultStep[] = [
      { kind: 'disk-full', node: 1, ...minutes({ at: 5, for: 30 }) },
      wipe(30),
    ]
    expect(baselineOf('gateway', planOf({ visits, faults, uplinks: [] }))).toEqual(
      service({ drivers: 2, served: 1, refusedRightly: 1, sessions: 1 }),
    )
  })

  it('accepts everybody at a cut-off charger whose firmware does', () => {
    const chargers = [charger(1), charger(2), charger(3, ['offline-starts'])]
    const visits = [visit(30, 3, UNKNOWN), visit(45, 3)]
    expect(baselineOf('gateway', planOf({ visits, chargers, faults: [cutOff] }))).toEqual(
      service({ drivers: 2, served: 1, servedWrongly: 1, sessions: 2 }),
    )
  })
})

describe('always online', () => {
  it('refuses good cards whenever there is no way to the cloud, remembered or not', () => {
    const visits = [visit(5, 1), visit(30, 1), visit(65, 1), visit(65, 2)]
    const plan = planOf({ visits, uplinks: uplink(1, [0, 20], [60, 70]) })
    expect(baselineOf('online', plan)).toEqual(
      service({ drivers: 4, served: 3, refusedWrongly: 1, sessions: 3 }),
    )
  })

  it('uses any uplink that the charger has a path to, and none behind a split, a cut cable or a dead cloud', () => {
    const faults: readonly FaultStep[] = [
      split(20, 10, [[1, 2], [3]]),
      { kind: 'charger-offline', charger: 2, ...minutes({ at: 20, for: 10 }) },
      { kind: 'cloud-down', ...minutes({ at: 60, for: 10 }) },
    ]
    const visits = [visit(25, 1), visit(25, 2), visit(25, 3), visit(35, 2), visit(35, 3), visit(65, 1)]
    expect(baselineOf('online', planOf({ visits, faults }))).toEqual(
      service({ drivers: 6, served: 3, refusedWrongly: 3, sessions: 3 }),
    )
  })

  it('finishes offline what began online, and hears of it later', () => {
    const plan = planOf({ visits: [visit(15, 2, GOOD, 30)], uplinks: uplink(1, [0, 20]) })
    expect(baselineOf('online', plan)).toEqual(service({ drivers: 1, served: 1, sessions: 1 }))
  })

  it('serves revoked and unknown cards offline where the firmware accepts everybody, until there is a way', () => {
    const chargers = [charger(1, ['offline-starts'])]
    const visits = [visit(0, 1, REVOKED), visit(20, 1, UNKNOWN, 600), visit(31, 1)]
    const plan = planOf({ visits, chargers, uplinks: uplink(1, [30, 60]) })
    expect(baselineOf('online', plan)).toEqual(
      service({ drivers: 3, served: 1, servedWrongly: 2, sessions: 3 }),
    )
  })
})

describe('per-charger lists', () => {
  const uplinks = uplink(1, [0, 20], [60, 90])

  it('start good cards offline, seen before or not, and refuse those that were bad in the list', () => {
    const visits = [visit(30, 1), visit(30, 2, SECOND_GOOD), visit(30, 3, REVOKED), visit(45, 3, EXPIRED)]
    expect(baselineOf('lists', planOf({ visits, uplinks }))).toEqual(
      service({ drivers: 4, served: 2, refusedRightly: 2, sessions: 2 }),
    )
  })

  it('accept a card that was revoked since the last contact, and refuse one that was granted since', () => {
    const grant: OperatorStep = { kind: 'grant', card: REVOKED, node: 1, atMs: 25 * MINUTE }
    const visits = [visit(30, 1), visit(30, 2, REVOKED), visit(61, 3), visit(61, 2, REVOKED)]
    const plan = planOf({ visits, uplinks, operator: [revoke(25), grant] })
    const expected = {
      drivers: 4,
      servedWrongly: 1,
      refusedWrongly: 1,
      refusedRightly: 1,
      served: 1,
      sessions: 2,
    }
    expect(baselineOf('lists', plan)).toEqual(service(expected))
  })

  it('are as old as the last moment of contact, not as its beginning', () => {
    const plan = planOf({ visits: [visit(30, 1)], uplinks, operator: [revoke(19)] })
    expect(baselineOf('lists', plan)).toEqual(service({ drivers: 1, refusedRightly: 1 }))
  })

  it('are renewed only at the charger that is heard itself', () => {
    const faults = [split(10, 100, [[1, 2], [3]])]
    const visits = [visit(65, 1), visit(65, 2), visit(65, 3)]
    expect(baselineOf('lists', planOf({ visits, uplinks, faults, operator: [revoke(15)] }))).toEqual(
      service({ drivers: 3, servedWrongly: 1, refusedRightly: 2, sessions: 1 }),
    )
  })

  it('let firmware that accepts everybody accept whom the list does not name, and nobody whom it calls bad', () => {
    const chargers = [charger(1, ['offline-starts'])]
    const visits = [visit(30, 1, UNKNOWN), visit(45, 1, REVOKED)]
    expect(baselineOf('lists', planOf({ visits, chargers, uplinks }))).toEqual(
      service({ drivers: 2, servedWrongly: 1, refusedRightly: 1, sessions: 1 }),
    )
  })

  it('lose the session that is one too many for the queue', () => {
    const visits = [visit(20, 1), visit(31, 1, SECOND_GOOD), visit(42, 1, GOOD, 7)]
    const ground = groundOf(planOf({ visits, uplinks }))
    expect(lists(ground, 2)).toMatchObject({ sessions: 3, lostSessions: 1, lostWh: 700 })
    expect(lists(ground, 3)).toMatchObject({ sessions: 3, lostSessions: 0 })
  })
})

describe('a session', () => {
  it('ends at the meter of a power cut, and the seat stays taken until its driver leaves', () => {
    const faults: readonly FaultStep[] = [
      { kind: 'charger-power-cut', charger: 1, ...minutes({ at: 4, for: 2 }) },
      wipe(30),
    ]
    const visits = [visit(0, 1), visit(8, 1), visit(12, 1)]
    // 400 Wh, and then 1000 Wh.
    expect(baselineOf('gateway', planOf({ visits, faults, uplinks: [] }))).toEqual(
      service({ drivers: 3, served: 2, turnedAway: 1, sessions: 2, lostSessions: 2, lostWh: 1400 }),
    )
  })

  it('that the charger itself forgets is nobody’s loss', () => {
    const chargers = [charger(1, ['forgets-session'])]
    const faults: readonly FaultStep[] = [
      { kind: 'charger-power-cut', charger: 1, ...minutes({ at: 4, for: 2 }) },
    ]
    const plan = planOf({ visits: [visit(0, 1)], chargers, faults })
    for (const kind of BASELINES)
      expect(baselineOf(kind, plan)).toEqual(service({ drivers: 1, served: 1, sessions: 1 }))
    // Were it remembered, the gateway would lose it with its disk.
    const wiped = planOf({ visits: [visit(0, 1)], chargers, faults: [...faults, wipe(30)], uplinks: [] })
    expect(baselineOf('gateway', wiped)).toEqual(service({ drivers: 1, served: 1, sessions: 1 }))
  })

  it('that is ended before it took anything counts as a driver who was sent away', () => {
    const chargers = [charger(1, ['offline-starts'])]
    const full = { ...BATTERY, startSoc: 1 }
    const visits = [{ ...visit(0, 1, UNKNOWN, 60), battery: full }]
    const plan = planOf({ visits, chargers, uplinks: uplink(1, [30, 60]) })
    expect(baselineOf('online', plan)).toEqual(service({ drivers: 1, refusedRightly: 1, sessions: 1 }))
  })
})

describe('double bills', () => {
  it('come of starts that are sent again, where the cloud keeps no key for them', () => {
    const faults: readonly FaultStep[] = [
      { kind: 'charger-replays', charger: 1, times: 2, atMs: 30 * MINUTE },
      { kind: 'charger-replays', charger: 1, times: 1, atMs: 31 * MINUTE },
    ]
    const plan = planOf({ visits: [visit(0, 1), visit(15, 1), visit(40, 1), visit(0, 2)], faults })
    expect(BASELINES.map(kind => baselineOf(kind, plan).doubleBills)).toEqual([0, 2, 2])
  })

  it('come of answers that get lost on the way, in about half of the losses', () => {
    const visits = Array.from({ length: 300 }, (_, i) => visit(i * 2, 1, GOOD, 1))
    const doubles = (lossRate: number): readonly number[] => {
      const plan = planOf({ visits, uplinks: ALWAYS.map(way => ({ ...way, lossRate })) })
      return BASELINES.map(kind => baselineOf(kind, plan).doubleBills)
    }
    expect(doubles(0)).toEqual([0, 0, 0])
    const [ofGateway = 0, ofOnline = 0, ofLists = 0] = doubles(0.4)
    expect(ofGateway).toBe(0)
    expect(ofOnline).toBeGreaterThan(40)
    expect(ofOnline).toBeLessThan(80)
    expect(ofLists).toBe(ofOnline)
  })
})

describe('any plan', () => {
  function drawn(seed: number): Plan {
    const dice = seededRandom(seed)
    const visits = Array.from({ length: 60 }, () => ({
      ...visit(dice.below(600), 1 + dice.below(3), dice.below(5), 1 + dice.below(120)),
    })).toSorted((a, b) => a.atMs - b.atMs)
    const faults = Array.from({ length: 12 }, (): FaultStep => {
      const atMs = dice.below(600) * MINUTE
      const forMs = (1 + dice.below(100)) * MINUTE
      const node = 1 + dice.below(3)
      return dice.pick<FaultStep>([
        { kind: 'split', groups: [[node], [1, 2, 3].filter(one => one !== node)], atMs, forMs },
        { kind: 'kill', node, atMs, downMs: forMs },
        { kind: 'wipe', node, atMs, downMs: forMs },
        { kind: 'charger-power-cut', charger: node, atMs, forMs },
        { kind: 'charger-offline', charger: node, atMs, forMs },
        { kind: 'cloud-down', atMs, forMs },
      ])
    }).toSorted((a, b) => a.atMs - b.atMs)
    const operator = Array.from(
      { length: 6 },
      (): OperatorStep => ({
        ...{ kind: dice.pick(['revoke', 'grant'] as const), card: dice.below(5), node: 1 + dice.below(3) },
        atMs: dice.below(600) * MINUTE,
      }),
    ).toSorted((a, b) => a.atMs - b.atMs)
    return planOf({
      seed,
      visits,
      faults,
      operator,
      uplinks: uplink(1 + dice.below(3), [0, 100], [200, 400]),
    })
  }

  it('has one end for every driver, one session for every one who was served, and the same figures again', () => {
    for (let seed = 1; seed <= 60; seed++)
      for (const kind of BASELINES) {
        const plan = drawn(seed)
        const figures = baselineOf(kind, plan)
        const { served, servedWrongly, refusedRightly, refusedWrongly, turnedAway } = figures
        expect(served + servedWrongly + refusedRightly + refusedWrongly + turnedAway).toBe(60)
        expect(figures.sessions).toBeGreaterThanOrEqual(served + servedWrongly)
        expect(figures.lostSessions).toBeLessThanOrEqual(figures.sessions)
        expect(baselineOf(kind, drawn(seed))).toEqual(figures)
      }
  })

  it('loses sessions only where a disk is lost', () => {
    let lost = 0
    for (let seed = 1; seed <= 60; seed++) {
      const plan = drawn(seed)
      for (const kind of ['online', 'lists'] as const) expect(baselineOf(kind, plan).lostSessions).toBe(0)
      const faults = plan.faults.filter(fault => fault.kind !== 'wipe')
      expect(gateway(groundOf({ ...plan, faults })).lostSessions).toBe(0)
      lost += gateway(groundOf(plan)).lostSessions
    }
    expect(lost).toBeGreaterThan(0)
  })
})

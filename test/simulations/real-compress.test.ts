import { describe, expect, it } from 'vitest'
import { energyTakenWh } from '../../simulations/charger/battery.ts'
import { compressed, LEAD_MS } from '../../simulations/real/compress.ts'
import { leftOut, playable, refusalOf } from '../../simulations/real/playable.ts'
import { BATTERY, charger, MINUTE, minutes, planOf, revoke, split, visit } from './hand-plan.ts'

describe('a plan in fast motion', () => {
  it('has all instants behind a lead, and all durations divided', () => {
    const plan = compressed(
      planOf({ visits: [visit(20, 1)], operator: [revoke(40)], faults: [split(60, 10, [[1], [2, 3]])] }),
      20,
    )
    expect(plan.durationMs).toBe(LEAD_MS + 30 * MINUTE)
    expect(plan.visits[0]).toMatchObject({ atMs: LEAD_MS + MINUTE, stayMs: MINUTE / 2 })
    expect(plan.operator[0]?.atMs).toBe(LEAD_MS + 2 * MINUTE)
    expect(plan.faults[0]).toMatchObject({
      kind: 'split',
      atMs: LEAD_MS + 3 * MINUTE,
      forMs: MINUTE / 2,
      groups: [[1], [2, 3]],
    })
  })

  it('gives a car the same energy in the shorter stay', () => {
    const [slow] = planOf({ visits: [visit(0, 1)] }).visits
    const [fast] = compressed(planOf({ visits: [visit(0, 1)] }), 20).visits
    const taken = (one: typeof slow): number =>
      energyTakenWh(one?.battery ?? BATTERY, (one?.stayMs ?? 0) / 1000)
    expect(taken(fast)).toBeCloseTo(taken(slow), 6)
    expect(taken(fast)).toBeGreaterThan(0)
  })

  it('keeps in every fault what is no time, and scales every time that it has', () => {
    const faults = [
      { kind: 'flap', groups: [[1], [2]], everyMs: MINUTE, ...minutes({ at: 1, for: 8 }) },
      { kind: 'kill', node: 2, atMs: MINUTE, downMs: 2 * MINUTE },
      { kind: 'crash-loop', node: 1, times: 4, atMs: 0, everyMs: MINUTE },
      { kind: 'charger-moves', charger: 1, atMs: 2 * MINUTE },
    ] as const
    expect(compressed(planOf({ faults }), 10).faults).toEqual([
      { ...faults[0], atMs: LEAD_MS + 6000, everyMs: 6000, forMs: 48_000 },
      { ...faults[1], atMs: LEAD_MS + 6000, downMs: 12_000 },
      { ...faults[2], atMs: LEAD_MS, everyMs: 6000 },
      { ...faults[3], atMs: LEAD_MS + 12_000 },
    ])
  })

  it('reads no meter more often than once a second, and never hurries the quiet time', () => {
    const plan = compressed(planOf({ chargers: [{ ...charger(1), meterEveryMs: 5000 }] }), 20)
    expect(plan.chargers[0]?.meterEveryMs).toBe(1000)
    expect(plan.quietMs).toBeGreaterThanOrEqual(60_000)
    expect(compressed(planOf({ quietMs: 600 * MINUTE }), 20).quietMs).toBe(30 * MINUTE)
  })

  it('leaves an uplink open while the site starts, if it is open from the start', () => {
    const windows = (from: number, until: number) =>
      compressed(
        planOf({ uplinks: planOf().uplinks.map(uplink => ({ ...uplink, windows: [[from, until]] })) }),
        20,
      ).uplinks[0]?.windows
    expect(windows(0, 600 * MINUTE)).toEqual([[0, LEAD_MS + 30 * MINUTE]])
    expect(windows(20 * MINUTE, 40 * MINUTE)).toEqual([[LEAD_MS + MINUTE, LEAD_MS + 2 * MINUTE]])
  })

  it('refuses a speed that would slow down or leave nothing', () => {
    expect(() => compressed(planOf(), 0.5)).toThrow(/--speed 0.5/)
    expect(() => compressed(planOf(), Number.NaN)).toThrow(/--speed/)
    expect(() => compressed(planOf(), 5000)).toThrow(/--speed/)
  })
})

describe('what real machines can play', () => {
  it('is refused by name where only the simulator can do it', () => {
    const said = refusalOf(
      planOf({
        faults: [
          split(1, 1, [[1]]),
          { kind: 'bit-flip', node: 1, atMs: 0 },
          { kind: 'bit-flip', node: 2, atMs: 0 },
        ],
        chargers: [charger(1, ['meter-resets', 'offline-starts'])],
        hostile: [{ node: 3, tricks: ['forge'] }],
      }),
    )
    expect(said).toContain('bit-flip (2 times)')
    expect(said).toContain('meter-resets (1 charge points)')
    expect(said).toContain('1 hostile nodes')
    expect(said).not.toContain('offline-starts')
    expect(refusalOf(planOf({ faults: [split(1, 1, [[1]])] }))).toBeUndefined()
  })

  it('says what it took away from both worlds', () => {
    const plan = planOf({ quality: { ...planOf().quality, lossRate: 0.1, bytesPerS: 1000 } })
    expect(playable(plan).quality).toEqual({ ...planOf().quality, lossRate: 0 })
    expect(leftOut(plan).join()).toMatch(/loss.*speeds/)
    expect(leftOut(planOf())).toEqual([])
  })
})

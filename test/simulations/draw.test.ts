// A seed draws a whole world, and every world holds together.
import { beforeAll, describe, expect, it } from 'vitest'
import { type FaultKind, type Plan, QUIRKS, USUAL_TRICKS } from '../../simulations/plan.ts'
import { drawPlan } from '../../simulations/scenario/draw.ts'
import {
  findScenario,
  listScenarios,
  planToScenario,
  readScenario,
} from '../../simulations/scenario/scenario.ts'
import { checkFaults, checkNews, checkSite, checkVisits, flawsOf, isRising } from './plan-flaws.ts'

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1)
const NAMES = listScenarios()
  .map(one => one.name)
  .filter(name => findScenario(name).kind === 'drawn')

describe.each(NAMES)('%s', name => {
  const scenario = findScenario(name)
  let plans: readonly Plan[] = []
  beforeAll(() => {
    plans = SEEDS.map(seed => drawPlan(scenario, seed))
  })

  it('draws a site whose honest nodes are connected and serve every charger', () => {
    expect(flawsOf(plans, checkSite)).toEqual([])
  })

  it('draws visits, news and uplinks in order, none on top of another', () => {
    expect(flawsOf(plans, checkVisits)).toEqual([])
    expect(flawsOf(plans, checkNews)).toEqual([])
    expect(plans.reduce((sum, plan) => sum + plan.visits.length, 0)).toBeGreaterThan(SEEDS.length * 5)
  })

  it('draws faults in order, none of which contradicts another or outlasts the run', () => {
    expect(flawsOf(plans, checkFaults)).toEqual([])
    // Some are about speed or about chargers, in fair weather.
    const isFair = ['bench-16', 'bench-100', 'two-connectors-no-id'].includes(name)
    expect(plans.some(plan => plan.faults.length > 0)).toBe(!isFair)
  })

  it('is the same for the same seed, another for another, and survives being written down', () => {
    const [first, second] = plans
    if (!first || !second) throw new Error('nothing was drawn')
    expect(JSON.stringify(drawPlan(findScenario(name), 1))).toBe(JSON.stringify(first))
    expect(JSON.stringify({ ...second, seed: 1 })).not.toBe(JSON.stringify(first))
    expect(drawPlan(readScenario(planToScenario(first), 'kept.yaml'), 5)).toEqual(first)
  })
})

describe('what fifty seeds of smoke bring', () => {
  const plans = Array.from({ length: 50 }, (_, i) => drawPlan(findScenario('smoke'), i + 1))

  it('is every kind of fault, every quirk and every trick of a hostile node', () => {
    const kinds = new Set(plans.flatMap(plan => plan.faults.map(fault => fault.kind)))
    // Compiled against the union: a new kind of fault has to be added here, and then be drawn.
    const all: Record<FaultKind, true> = {
      ...{ split: true, 'one-way': true, flap: true, swizzle: true, quality: true, 'slow-reader': true },
      ...{ kill: true, 'power-cut': true, 'power-cut-at': true, 'crash-loop': true, wipe: true },
      ...{ restore: true, clone: true, stall: true, 'disk-full': true, 'bit-flip': true },
      ...{ 'lost-write': true, 'misdirected-write': true, 'sync-error': true, 'sync-lies': true },
      ...{
        'slow-disk': true,
        'clock-jump': true,
        'clock-drift': true,
        'clock-1970': true,
        'clock-back': true,
      },
      ...{ 'uplink-flaps': true, 'uplink-lossy': true, 'cloud-down': true, 'cloud-failover': true },
      ...{ 'cloud-restore': true, 'charger-power-cut': true, 'charger-offline': true },
      ...{ 'charger-moves': true, 'charger-replays': true, 'cloud-forgets': true, 'cloud-errs': true },
      ...{ 'cloud-lies': true, 'uplink-slow': true, 'uplink-rush': true },
    }
    expect([...kinds].sort()).toEqual(Object.keys(all).sort())
    const quirks = new Set(plans.flatMap(plan => plan.chargers.flatMap(charger => charger.quirks)))
    expect([...quirks].sort()).toEqual([...QUIRKS].sort())
    const tricks = new Set(plans.flatMap(plan => plan.hostile.flatMap(one => one.tricks)))
    expect([...tricks].sort()).toEqual([...USUAL_TRICKS].sort())
  })

  it('uses few kinds of fault in one seed and many in another', () => {
    const counts = plans.map(plan => new Set(plan.faults.map(fault => fault.kind)).size)
    expect(Math.min(...counts)).toBeLessThan(9)
    expect(Math.max(...counts)).toBeGreaterThan(20)
  })
})

const SITE = 'shows: A site for one question.\nduration: 2h\nsite: { nodes: 6, chargers: 6, connectors: 1 }\n'
const drawnFrom = (more: string): Plan => drawPlan(readScenario(`${SITE}${more}`, 'one.yaml'), 1)

describe('whatever a scenario asks for', () => {
  it.each([
    [
      'wipes, restores and clones',
      'site: { nodes: 2..3, chargers: 2 }',
      'faults: { wipe: 9, restore: 9, clone: 9 }',
    ],
    ['nodes that are all hostile', 'site: { nodes: 5, chargers: 3 }', 'hostile: { share: 100% }'],
    [
      'hostile nodes by name',
      'site: { nodes: 5, chargers: 3 }',
      'hostile: { nodes: 1-5 }\nuplinks: [{ nodes: 1-3 }]',
    ],
    [
      'few neighbours, half of them hostile',
      'site: { nodes: 12, neighbours: 2, chargers: 9 }',
      'hostile: { share: 50% }',
    ],
    ['a hundred nodes', 'site: { nodes: 100, chargers: 200 }', 'faults: { weather: stormy }'],
    ['one node', 'site: { nodes: 1, chargers: 2 }', 'faults: { each: 3 }'],
    ['more cars than connectors', 'site: { nodes: 2, chargers: 2 }', 'visits: { perHour: 50 }'],
    ['a run of a minute', 'duration: 1m\nsite: { nodes: 4, chargers: 4 }', 'faults: { each: 2..5 }'],
  ])('the plan holds together: %s', (_, site, more) => {
    const scenario = readScenario(`shows: A site for one question.\n${site}\n${more}\n`, 'one.yaml')
    const plans = SEEDS.slice(0, 8).map(seed => drawPlan(scenario, seed))
    for (const check of [checkSite, checkVisits, checkNews, checkFaults])
      expect(flawsOf(plans, check)).toEqual([])
  })
})

describe('a timeline', () => {
  it('is taken at its word', () => {
    const { faults } = drawnFrom(`timeline:
  - { at: 20m, split: "{1-2}|others", for: 1h }
  - { at: 10m, clock-jump: 3, by: -1h }
  - { at: 11m, one-way: "3 -> 5", for: 5m }
  - { at: 12m, quality: "1 - 2", delay: 1s..3s, loss: 20%, for: 5m }
  - { at: 13m, cloud-failover: 5s }
  - { at: 14m, charger-replays: 2, times: 7 }
  - { at: 15m, power-cut-at: 4, operation: 3, moments: [during], down: 1m }
`)
    expect(faults).toEqual([
      { atMs: 600_000, kind: 'clock-jump', node: 3, byMs: -3_600_000 },
      { atMs: 660_000, kind: 'one-way', from: 3, to: 5, forMs: 300_000 },
      {
        ...{ atMs: 720_000, kind: 'quality', pair: [1, 2], forMs: 300_000 },
        quality: { minDelayMs: 1000, maxDelayMs: 3000, lossRate: 0.2 },
      },
      { atMs: 780_000, kind: 'cloud-failover', losesMs: 5000 },
      { atMs: 840_000, kind: 'charger-replays', charger: 2, times: 7 },
      { atMs: 900_000, kind: 'power-cut-at', node: 4, operation: 3, moment: 'during', downMs: 60_000 },
      {
        atMs: 1_200_000,
        kind: 'split',
        groups: [
          [1, 2],
          [3, 4, 5, 6],
        ],
        forMs: 3_600_000,
      },
    ])
  })

  it('moves a clock the way that is written, and either way only where that is asked for', () => {
    const jump = 'clock-jump: 3, by: 1h'
    const jumps = (more: string): readonly number[] => {
      const rows = Array.from({ length: 12 }, (_, i) => `  - { at: ${i + 1}m, ${jump}${more} }\n`)
      const { faults } = drawnFrom(`timeline:\n${rows.join('')}`)
      return [...new Set(faults.flatMap(one => ('byMs' in one ? [one.byMs] : [])))].sort((a, b) => a - b)
    }
    expect(jumps('')).toEqual([3_600_000])
    expect(jumps(', directions: [back]')).toEqual([-3_600_000])
    expect(jumps(', directions: all')).toEqual([-3_600_000, 3_600_000])
  })

  it('darkens the chargers of a node together with it', () => {
    const plan = drawnFrom('timeline: [{ at: 20m, blackout: 3, down: 5m }]\n')
    const served = plan.chargers.flatMap((charger, i) => (charger.nodes[0] === 3 ? [i + 1] : []))
    expect(served).toHaveLength(1)
    expect(plan.faults).toEqual([
      { atMs: 1_200_000, kind: 'power-cut', node: 3, downMs: 300_000 },
      { atMs: 1_200_000, kind: 'charger-power-cut', charger: served[0], forMs: 300_000 },
    ])
  })

  it('is refused where it kills a node that is down', () => {
    const twice = 'timeline: [{ at: 20m, kill: 3, down: 5m }, { at: 22m, power-cut: 3, down: 5m }]\n'
    expect(() => drawnFrom(twice)).toThrow('timeline: at 22m power-cut of node 3')
  })

  it('leaves the other kinds as they were when one kind is added', () => {
    const before = drawnFrom('faults: { kill: 1..9, stall: 1..9 }\n').faults
    const after = drawnFrom('faults: { kill: 1..9, stall: 1..9, quality: 2..5 }\n').faults
    expect(after.filter(fault => fault.kind !== 'quality')).toEqual(before)
    expect(after.length).toBeGreaterThan(before.length)
  })
})

describe('random faults', () => {
  it('come as often as their own word says, whatever is said of the others', () => {
    const kindsOf = (more: string) => new Set(drawnFrom(`faults: ${more}\n`).faults.map(fault => fault.kind))
    expect([...kindsOf('{ each: never, kill: 3 }')]).toEqual(['kill'])
    expect(kindsOf('{ each: 3 }')).toContain('kill')
    expect(kindsOf('{ each: 3, kill: never }')).not.toContain('kill')
    expect(kindsOf('{ each: 3, kill: never }')).toContain('stall')
  })
})

describe('what a seed decides', () => {
  it('is a real signature in about one run of twenty, and a real database in one of thirty', () => {
    const scenario = readScenario(`${SITE}visits: { perHour: 0 }\n`, 'one.yaml')
    const plans = Array.from({ length: 600 }, (_, i) => drawPlan(scenario, i))
    const real = plans.filter(plan => plan.signer === 'ed25519').length
    const postgres = plans.filter(plan => plan.cloud === 'postgres').length
    expect(real).toBeGreaterThan(15)
    expect(real).toBeLessThan(50)
    expect(postgres).toBeGreaterThan(6)
    expect(postgres).toBeLessThan(35)
  })

  it('is where drivers come when: at a stadium nearly all within the first third', () => {
    const { visits, durationMs } = drawPlan(findScenario('stadium'), 3)
    const early = visits.filter(visit => visit.atMs < durationMs * 0.375).length
    expect(early / visits.length).toBeGreaterThan(0.8)
    const still = visits.filter(visit => visit.atMs + visit.stayMs > durationMs * 0.9).length
    expect(still / visits.length).toBeGreaterThan(0.95)
  })

  it('is at which node a van stops: one at a time', () => {
    const { uplinks } = drawPlan(findScenario('stadium'), 3)
    const all = uplinks.flatMap(one => one.windows).sort((a, b) => a[0] - b[0])
    expect(all.length).toBeGreaterThan(5)
    expect(uplinks.filter(one => one.windows.length > 0).length).toBeGreaterThan(3)
    expect(isRising(all.flat())).toBe(true)
  })

  it('is how old the news may be when a card is accepted, where the scenario says it', () => {
    expect(drawnFrom('operator: { offlineMaxAge: 2h }\n').offlineMaxAgeS).toBe(7200)
    expect('offlineMaxAgeS' in drawnFrom('')).toBe(false)
    const plan = drawnFrom('operator: { offlineMaxAge: 2h }\n')
    expect(drawPlan(readScenario(planToScenario(plan), 'kept.yaml'), 5)).toEqual(plan)
  })

  it('keeps a third of the nodes hostile where that was asked for', () => {
    const { nodes, hostile } = drawPlan(findScenario('byzantine'), 4)
    expect(hostile).toHaveLength(Math.round(nodes * 0.33))
  })
})

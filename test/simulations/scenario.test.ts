// A planner edits YAML only: what is wrong is named with line, value and what is allowed; what is right reads as meant.
import { describe, expect, it } from 'vitest'
import { drawPlan } from '../../simulations/scenario/draw.ts'
import {
  findScenario,
  listScenarios,
  planToScenario,
  readScenario,
} from '../../simulations/scenario/scenario.ts'
import { MeshError } from '../../src/errors.ts'

const GOOD = `shows: A small site for these tests.
duration: 2h
site:
  nodes: 6
  chargers: 4
  groups: { yard: 1-2 }
timeline:
  - at: 20m
    split: "{1-2}|{3-6}"
    for: 1h
`

function refusal(text: string): string {
  try {
    readScenario(text, 'my-site.yaml')
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  return 'accepted'
}

function drawnForm(text: string) {
  const scenario = readScenario(text, 'my-site.yaml')
  if (scenario.kind !== 'drawn') throw new Error('holds a plan')
  return scenario
}

describe('a scenario file', () => {
  it('needs a sentence and the size of the site; the rest has defaults', () => {
    const scenario = drawnForm('shows: A small site.\nsite: { nodes: 3, chargers: 2 }\n')
    expect(scenario).toMatchObject({
      ...{ name: 'my-site', duration: { min: 3_600_000, max: 3_600_000 }, quiet: { min: 900_000 } },
      ...{ signer: 'any', cloud: 'any', timeline: [], site: { connectors: { min: 1, max: 2 } } },
    })
    expect(scenario.uplinks).toHaveLength(1)
  })

  it.each([
    [
      'a wrong number',
      ['nodes: 6', 'nodes: six'],
      ':4: site.nodes = "six": allowed: a whole number from 1 to 1000',
    ],
    [
      'too many nodes',
      ['nodes: 6', 'nodes: 1001'],
      ':4: site.nodes = 1001: allowed: a whole number from 1 to 1000',
    ],
    ['half a charger', ['chargers: 4', 'chargers: 4.5'], ':5: site.chargers = 4.5: allowed: a whole number'],
    ['a range backwards', ['chargers: 4', 'chargers: 4..2'], ':5: site.chargers = "4..2"'],
    [
      'a duration without a unit',
      ['duration: 2h', 'duration: 20'],
      ':2: duration = 20: allowed: a duration from 1s',
    ],
    [
      'a missing sentence',
      ['shows: A small site for these tests.', ''],
      ':2: shows = missing: allowed: a sentence',
    ],
    ['a missing field', ['  nodes: 6\n', ''], ':3: site.nodes = missing: allowed: a whole number'],
    [
      'an unknown field',
      ['duration: 2h', 'durration: 2h'],
      ':2: durration: unknown field; did you mean duration?',
    ],
    [
      'an unknown inner field',
      ['chargers: 4', 'chargers: 4\n  nods: 3'],
      ':6: site.nods: unknown field; did you mean nodes?',
    ],
    [
      'a node too many',
      ['{3-6}', '{3-7}'],
      ':9: timeline.0.split = "{1-2}|{3-7}": allowed: two or more groups of the nodes from 1 to 6',
    ],
    ['an unknown group', ['{1-2}|', '{field}|'], ':9: timeline.0.split = "{field}|{3-6}"'],
    [
      'a group with an impossible node',
      ['yard: 1-2', 'yard: 1-9'],
      ':6: site.groups.yard = "1-9": allowed: a name and its nodes',
    ],
    ['an unknown fault', ['split:', 'spilt:'], ':9: timeline.0.spilt: unknown field; did you mean split?'],
    ['a figure of another fault', ['for: 1h', 'down: 1h'], ':10: timeline.0.down: unknown field'],
    [
      'a time after the end',
      ['at: 20m', 'at: 3h'],
      ':8: timeline.0.at = "3h": allowed: a duration from 0 to 2h',
    ],
    ['a time left out', ['at: 20m\n    split', 'split'], ':8: timeline.0.at = missing'],
    ['two faults at once', ['for: 1h', 'for: 1h\n    kill: 2'], 'one fault an entry, not split and kill'],
    [
      'no fault at all',
      ['    split: "{1-2}|{3-6}"\n', ''],
      ':8: timeline.0 = {"at":"20m","for":"1h"}: allowed: at, and one fault',
    ],
  ])('is refused for %s', (_, [old, wrong], message) => {
    expect(GOOD).toContain(old)
    expect(refusal(GOOD.replace(old ?? '', wrong ?? ''))).toContain(message)
  })

  it.each([
    [
      'visits: { perHour: 3, perChargerPerDay: 2 }',
      'visits = {"perHour":3,"perChargerPerDay":2}: allowed: perHour',
    ],
    ['visits: { profile: cinema }', 'visits.profile = "cinema": allowed: flat, campus, depot'],
    ['visits: { profile: [1, 2] }', 'visits.profile = [1,2]: allowed:'],
    ['network: { loss: 120% }', 'network.loss = "120%": allowed: a share such as 5%'],
    ['network: { speed: 64 }', 'network.speed = 64: allowed: bits a second such as 64kbit'],
    ['network:', 'network = null: allowed: the fields delay'],
    ['uplinks: 3', 'uplinks = 3: allowed: a list of {nodes, when'],
    ['uplinks: [{ nodes: 9 }]', 'uplinks.0.nodes = 9: allowed: nodes from 1 to 6'],
    ['uplinks: [{ nodes: 1, when: every 5m for 1h }]', 'uplinks.0.when = "every 5m for 1h": allowed: always'],
    ['uplinks: [{ nodes: 1, budget: 20 }]', 'uplinks.0.budget = 20: allowed: bytes a day such as 20MB'],
    ['faults: { kill: 2 per week }', 'faults.kill = "2 per week": allowed: never, a number of times'],
    ['faults: { kill: { down: soon } }', 'faults.kill.down = "soon": allowed: a duration from 1s'],
    ['faults: { kil: 3 }', 'faults.kil: unknown field; did you mean kill?'],
    ['faults: { weather: windy }', 'faults.weather = "windy": allowed: none, calm, rough, stormy'],
    [
      'faults: { split: { shapes: [halfs] } }',
      'faults.split.shapes = ["halfs"]: allowed: all, or a list of halves',
    ],
    ['hostile: { tricks: [lie] }', 'hostile.tricks = ["lie"]: allowed: all, or a list of forge'],
    ['signer: rsa', 'signer = "rsa": allowed: ed25519, keyed-hash, any'],
    ['starts: 2026-06-31T08:00Z', 'starts = "2026-06-31T08:00Z": allowed: a time in UTC'],
    [
      'operator: { tariffs: [{ at: 1h, price: free }] }',
      'operator.tariffs.0.price = "free": allowed: a price',
    ],
  ])('is refused at its line for %s', (line, message) => {
    expect(refusal(`${GOOD}${line}\n`)).toMatch(/^my-site\.yaml:11: /)
    expect(refusal(`${GOOD}${line}\n`)).toContain(message)
  })

  it('names all faults at once, up to ten, in the order of the lines', () => {
    const two = refusal(GOOD.replace('nodes: 6', 'nodes: x').replace('duration: 2h', 'duration: x'))
    expect(two.split('\n').map(line => line.slice(0, 15))).toEqual(['my-site.yaml:2:', 'my-site.yaml:4:'])
    const many = Array.from({ length: 13 }, (_, i) => `extra${i}: 1\n`).join('')
    expect(refusal(GOOD + many).split('\n')).toHaveLength(11)
    expect(refusal(GOOD + many)).toContain('and 3 more')
  })

  it('says what to do where YAML itself is broken', () => {
    expect(refusal(GOOD.replace('"{1-2}|{3-6}"', '{1-2}|{3-6}'))).toMatch(
      /^my-site.yaml:9: not YAML: .*groups need quotes/,
    )
    expect(refusal('shows: &a text that is long\nname: *a\n')).toContain('without an alias')
    expect(refusal('')).toContain('(whole file) = null')
    expect(refusal('- shows')).toContain('(whole file) = ["shows"]')
  })

  it('reads durations, ranges, shares, rates and groups as they are meant', () => {
    const text = `${GOOD}quiet: 1h30m..2d
network: { delay: [500ms..1s, 3ms..4ms], loss: 5%..0.1, speed: 64kbit }
uplinks: [{ nodes: yard, when: [1h..2h, last 10m], budget: 20MB }]
operator: { revocations: 2 per node-day }
faults: { kill: 0..3, stall: { often: never, nodes: any 2 } }
`
    const scenario = drawnForm(text)
    expect(scenario.quiet).toEqual({ min: 5_400_000, max: 172_800_000 })
    expect(scenario.network).toMatchObject({
      delay: [
        { min: 500, max: 1000 },
        { min: 3, max: 4 },
      ],
      ...{ loss: { min: 0.05, max: 0.1 }, speed: { min: 8000, max: 8000 } },
    })
    expect(scenario.uplinks[0]).toMatchObject({
      nodes: { kind: 'list', numbers: [1, 2] },
      budget: { min: 20_000_000, max: 20_000_000 },
      when: { windows: [{ fromMs: 3_600_000, untilMs: 7_200_000 }, { forMs: 600_000 }] },
    })
    expect(scenario.operator.revocations).toEqual({
      kind: 'rate',
      times: { min: 2, max: 2 },
      per: 'node-day',
    })
    expect(scenario.faults.wishes.map(one => [one.wish.word, one.often.times.max])).toEqual([
      ['kill', 3],
      ['stall', 0],
    ])
    expect(drawnForm(`${GOOD}uplinks: [{ nodes: {1-3, 6} }]\n`).uplinks[0]?.nodes).toEqual({
      ...{ kind: 'list', numbers: [1, 2, 3, 6] },
    })
    expect(scenario.faults.wishes[1]?.wish.aim).toEqual({
      ...{ kind: 'members', members: { kind: 'any', count: { min: 2, max: 2 } } },
    })
  })
})

describe('a scenario that holds a plan', () => {
  const plan = drawPlan(findScenario('smoke'), 7)

  it('is that plan again, whatever the seed', () => {
    const text = planToScenario(plan, { name: 'kept', shows: 'A failure that was found.' })
    const scenario = readScenario(text, 'kept.yaml')
    expect(scenario).toMatchObject({ kind: 'fixed', name: 'kept', shows: 'A failure that was found.' })
    expect(drawPlan(scenario, 99)).toEqual(plan)
  })

  it('writes every list a row at a time, so that shrinking can be followed', () => {
    expect(planToScenario(plan).split('\n').length).toBeGreaterThan(plan.visits.length + plan.faults.length)
  })

  it.each([
    ['"downMs":', '"downMS":', /unknown field; did you mean downMs\?/],
    ['"kind":"good"', '"kind":"fine"', /plan\.cards\.\d+\.kind = "fine": allowed: .*"good"/],
    ['"charger":1,', '"charger":900,', /charger = 900: allowed: at most/],
    [`nodes: ${plan.nodes}`, 'nodes: 1', /plan\.links\.0\.1 = \d: allowed: at most 1/],
  ])('is refused where a hand changed %s to %s', (old, wrong, message) => {
    const text = planToScenario(plan)
    expect(text).toContain(old)
    expect(refusal(text.replace(old, wrong))).toMatch(message)
    expect(refusal(text.replace(old, wrong))).toMatch(/^my-site\.yaml:\d+: plan\./)
  })

  it('is refused when its faults are not in order of time', () => {
    const [first, ...rest] = plan.faults
    if (!first) throw new Error('this seed has no faults')
    const text = planToScenario({ ...plan, faults: [...rest, first] })
    expect(refusal(text)).toContain('faults in order of time')
  })
})

describe('the scenarios that come with the software', () => {
  const NAMES = [
    ...['byzantine', 'campus-week', 'clock-chaos', 'depot-night', 'disk-rot', 'festival', 'night'],
    ...['rejoin-after-a-month', 'satellite', 'smoke', 'split-heal', 'stadium'],
  ]

  it('are all found, each with a sentence that says what it shows', () => {
    const listed = listScenarios()
    expect(listed.map(one => one.name)).toEqual(expect.arrayContaining(NAMES))
    for (const { name, shows, file } of listed) {
      expect(shows, name).toMatch(/^[A-Z].{30,}\.$/)
      expect(file).toContain(`${name}.yaml`)
    }
  })

  it('are found by name and by path, and a name that is nearly right is guessed', () => {
    const file = listScenarios().find(one => one.name === 'stadium')?.file ?? ''
    expect(findScenario(file)).toEqual(findScenario('stadium'))
    expect(() => findScenario('stadion')).toThrow('did you mean stadium?')
    expect(() => findScenario('./nowhere.yaml')).toThrow('no such file')
  })
})

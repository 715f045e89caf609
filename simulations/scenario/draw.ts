// What a scenario becomes under a seed: everything that is left to chance is drawn here and nowhere later, each topic with
// dice of its own, so the same scenario and seed give the same plan, byte for byte, on every machine.
import { type Dice, seededRandom } from '../dice.ts'
import type { Plan } from '../plan.ts'
import { drawFaults } from './draw-faults.ts'
import { drawCards, drawGround, drawQuality } from './draw-site.ts'
import { drawOperator, drawUplinks } from './draw-uplinks.ts'
import { drawVisits } from './draw-visits.ts'
import { drawn, drawnWhole } from './range.ts'
import { DAY, SECOND } from './reading.ts'
import type { Scenario } from './scenario.ts'

/** Real signatures cost more than the rest of a step, a real database more than the rest of a run. */
const ED25519_SHARE = 0.05
const POSTGRES_SHARE = 0.03

/** A plan that stands in the file is returned as it is, whatever the seed. */
export function drawPlan(scenario: Scenario, seed: number): Plan {
  if (scenario.kind === 'fixed') return scenario.plan
  const dice = seededRandom(seed)
  const ground = drawGround(scenario, dice.fork('site'))
  const durationMs = drawnWhole(scenario.duration, dice.fork('duration'))
  const startsAt = scenario.starts
  const maxAge = scenario.operator.offlineMaxAge
  const { capKwh } = scenario.cards
  const { keeps } = scenario.site
  const cards = drawCards(scenario, ground.chargers, dice.fork('cards'))
  const stage = { durationMs, startsAt, chargers: ground.chargers, cards }
  const uplinks = drawUplinks(scenario, { ground, durationMs }, dice.fork('uplinks'))
  const scene = {
    ...{ ground, durationMs, uplinks: uplinks.map(uplink => uplink.node) },
    spared: dice.fork('spared').pick(ground.honest),
  }
  return {
    ...{ scenario: scenario.name, seed, durationMs, startsAt },
    quietMs: drawnWhole(scenario.quiet, dice.fork('quiet')),
    signer: drawSigner(scenario.signer, dice.fork('signer')),
    cloud: drawCloud(scenario.cloud, dice.fork('cloud')),
    nodes: ground.nodes,
    links: ground.links,
    quality: drawQuality(scenario, dice.fork('network')),
    syncMs: [scenario.site.sync.min, scenario.site.sync.max],
    chargers: ground.chargers,
    cards,
    pricePerKwh: scenario.site.price,
    ...(dice.fork('terms').chance(drawn(scenario.site.terms, dice.fork('terms'))) && { byTerms: true }),
    ...(maxAge ? { offlineMaxAgeS: Math.ceil(drawnWhole(maxAge, dice.fork('offline')) / SECOND) } : {}),
    ...(capKwh ? { capWhPerDay: 1000 * drawnWhole(capKwh, dice.fork('cap')) } : {}),
    ...(scenario.site.lists && { localLists: true }),
    ...(keeps && { retentionDays: Math.round(drawnWhole(keeps, dice.fork('keeps')) / DAY) }),
    visits: drawVisits(scenario, stage, dice.fork('visits')),
    ...(scenario.operator.via === 'cloud' && { operatorVia: scenario.operator.via }),
    operator: drawOperator(scenario, { ground, durationMs, cards, uplinks }, dice.fork('operator')),
    uplinks,
    faults: drawFaults(scenario, scene, dice.fork('faults')),
    hostile: ground.hostile,
  }
}

function drawSigner(wanted: Plan['signer'] | 'any', dice: Dice): Plan['signer'] {
  if (wanted !== 'any') return wanted
  return dice.chance(ED25519_SHARE) ? 'ed25519' : 'keyed-hash'
}

function drawCloud(wanted: Plan['cloud'] | 'any', dice: Dice): Plan['cloud'] {
  if (wanted !== 'any') return wanted
  return dice.chance(POSTGRES_SHARE) ? 'postgres' : 'memory'
}

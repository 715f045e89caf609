// The standing parts of a world: nodes and who of them is hostile, who knows whom, chargers and the nodes that each has the
// address of, cards. Honest nodes are connected without any hostile one, and only honest ones serve chargers.
import type { Dice } from '../dice.ts'
import type { CardPlan, ChargerPlan, HostilePlan, LinkPlan } from '../plan.ts'
import { chosen } from './groups.ts'
import { drawn, drawnWhole, type Range } from './range.ts'
import type { ScenarioForm } from './scenario-form.ts'

/** Up to so many nodes each knows every other; above that each knows so many, unless the scenario says. */
const FULL_MESH_NODES = 17
const NEIGHBOURS: Range = { min: 8, max: 8 }

export type Ground = {
  readonly nodes: number
  /** Rising. */
  readonly honest: readonly number[]
  readonly hostile: readonly HostilePlan[]
  readonly links: readonly (readonly [number, number])[]
  readonly chargers: readonly ChargerPlan[]
}

export function drawGround(form: ScenarioForm, dice: Dice): Ground {
  const nodes = drawnWhole(form.site.nodes, dice.fork('nodes'))
  const all = Array.from({ length: nodes }, (_, i) => i + 1)
  const hostile = drawHostile(form, all, dice.fork('hostile'))
  const honest = all.filter(node => !hostile.some(one => one.node === node))
  const links = drawLinks({ honest, hostile: hostile.map(one => one.node) }, form, dice.fork('links'))
  const chargers = drawChargers({ honest, links }, form, dice.fork('chargers'))
  return { nodes, honest, hostile, links, chargers }
}

/** At least one node stays honest. */
function drawHostile({ hostile }: ScenarioForm, all: readonly number[], dice: Dice): readonly HostilePlan[] {
  const named = hostile.nodes === undefined ? [] : chosen(hostile.nodes, all, dice.fork('named'))
  const share = hostile.share === undefined ? 0 : drawn(hostile.share, dice.fork('share'))
  const more = dice.fork('more').shuffled(all.filter(node => !named.includes(node)))
  const count = Math.min(Math.max(named.length, Math.round(share * all.length)), all.length - 1)
  return [...named, ...more]
    .slice(0, count)
    .sort((a, b) => a - b)
    .map(node => {
      const own = dice.fork(`tricks ${node}`)
      const tricks = own.shuffled(hostile.tricks).slice(0, 1 + own.below(hostile.tricks.length))
      return { node, tricks: hostile.tricks.filter(trick => tricks.includes(trick)) }
    })
}

type Sides = { readonly honest: readonly number[]; readonly hostile: readonly number[] }
type Pair = readonly [number, number]

/** A ring of the honest, so that all are connected, and chords until everybody has enough neighbours. */
function drawLinks({ honest, hostile }: Sides, { site }: ScenarioForm, dice: Dice): readonly Pair[] {
  const nodes = honest.length + hostile.length
  const { neighbours = nodes <= FULL_MESH_NODES ? 'all' : NEIGHBOURS } = site
  const wanted = neighbours === 'all' ? nodes - 1 : Math.min(nodes - 1, drawnWhole(neighbours, dice))
  const known = new Map([...honest, ...hostile].map(node => [node, new Set<number>()]))
  const meet = (a: number, b: number): void => {
    if (a === b) return
    known.get(a)?.add(b)
    known.get(b)?.add(a)
  }
  const degree = (node: number): number => known.get(node)?.size ?? 0
  const ring = dice.shuffled(honest)
  for (const [i, node] of ring.entries()) meet(node, ring[(i + 1) % ring.length] ?? node)
  // Nobody hostile is heard by hostile ones alone.
  for (const node of hostile) meet(node, dice.pick(honest))
  // The hostile choose first: whoever comes late may find nobody with room for another neighbour.
  for (const node of [...dice.shuffled(hostile), ...dice.shuffled(honest)]) {
    const free = dice.shuffled(ring.concat(hostile)).filter(one => one !== node && degree(one) < wanted)
    const others = free.filter(one => known.get(node)?.has(one) !== true)
    for (const other of others) if (degree(node) < wanted) meet(node, other)
  }
  return [...known]
    .flatMap(([node, others]) => [...others].filter(one => one > node).map((one): Pair => [node, one]))
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
}

function drawChargers(
  { honest, links }: Pick<Ground, 'honest' | 'links'>,
  { site, visits }: ScenarioForm,
  dice: Dice,
): readonly ChargerPlan[] {
  const count = drawnWhole(site.chargers, dice.fork('count'))
  const digits = Math.max(2, String(count).length)
  const order = dice.fork('order').shuffled(honest)
  const quirkyShare = drawn(site.quirky.share, dice.fork('quirky'))
  return Array.from({ length: count }, (_, i) => {
    const own = dice.fork(`charger ${i + 1}`)
    const first = order[i % order.length] ?? 1
    const near = links.filter(pair => pair.includes(first)).map(([a, b]) => (a === first ? b : a))
    const fallbacks = own.shuffled(near.filter(node => honest.includes(node))).slice(0, 1 + own.below(2))
    const quirks = own.chance(quirkyShare)
      ? own.shuffled(site.quirky.which).slice(0, drawnWhole(site.quirky.each, own))
      : []
    return {
      id: `CP-${String(i + 1).padStart(digits, '0')}`,
      connectors: drawnWhole(site.connectors, own),
      nodes: [first, ...fallbacks],
      meterEveryMs: drawnWhole(visits.meterEvery, own),
      registerWh: own.below(9_000_000),
      quirks: site.quirky.which.filter(quirk => quirks.includes(quirk)),
      ...drawVersion(site.ocpp201, own),
      ...drawList(site.lists, own),
    }
  })
}

function drawVersion(
  share: ScenarioForm['site']['ocpp201'],
  dice: Dice,
): { readonly ocpp?: NonNullable<ChargerPlan['ocpp']> } {
  const own = dice.fork('version')
  return own.chance(drawn(share, own)) ? { ocpp: '2.0.1' } : {}
}

function drawList(
  lists: ScenarioForm['site']['lists'],
  dice: Dice,
): { readonly list?: NonNullable<ChargerPlan['list']> } {
  const own = dice.fork('list')
  if (!lists || !own.chance(drawn(lists.share, own))) return {}
  const [maxLength, perMessage] = [drawnWhole(lists.length, own), drawnWhole(lists.perMessage, own)]
  return { list: { maxLength, perMessage, forgets: own.chance(drawn(lists.forgets, own)) } }
}

/** As many cards as the scenario says, else half as many again as there are connectors, and not fewer than ten. */
export function drawCards(
  { cards }: ScenarioForm,
  chargers: readonly ChargerPlan[],
  dice: Dice,
): readonly CardPlan[] {
  const connectors = chargers.reduce((sum, charger) => sum + charger.connectors, 0)
  const count = cards.count ? drawnWhole(cards.count, dice) : Math.max(10, Math.ceil(connectors * 1.5))
  const rates = (['revoked', 'expired', 'unknown'] as const).map(
    kind => [kind, drawn(cards[kind], dice.fork(kind))] as const,
  )
  return Array.from({ length: count }, (_, i) => {
    let left = dice.share()
    const bad = rates.find(([, rate]) => {
      left -= rate
      return left < 0
    })
    const tag = (0x1000_0000 + dice.below(0x1000_0000)).toString(16).toUpperCase()
    return { idTag: `${tag}${String(i).padStart(5, '0')}`, kind: bad?.[0] ?? 'good' }
  })
}

export function drawQuality({ network }: ScenarioForm, dice: Dice): LinkPlan {
  const delay = dice.fork('delay').pick(network.delay)
  const speed = network.speed && drawnWhole(network.speed, dice.fork('speed'))
  const budget = network.budget && drawnWhole(network.budget, dice.fork('budget'))
  return {
    ...{ minDelayMs: delay.min, maxDelayMs: delay.max },
    heavyTailRate: drawn(network.tail, dice.fork('tail')),
    lossRate: drawn(network.loss, dice.fork('loss')),
    duplicateRate: drawn(network.duplicates, dice.fork('duplicates')),
    ...(speed === undefined ? {} : { bytesPerS: speed }),
    ...(budget === undefined ? {} : { bytesPerDay: budget }),
  }
}

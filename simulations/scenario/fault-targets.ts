// Whom a fault hits: nodes, pairs of nodes, chargers, and into which groups a site falls apart.
import type { Dice } from '../dice.ts'
import type { Ground } from './draw-site.ts'
import type { Wish } from './fault-wishes.ts'
import { type Shape, WORDS } from './fault-words.ts'
import { ANY, chosen, chosenGroups } from './groups.ts'

export type Scene = {
  readonly ground: Ground
  readonly durationMs: number
  /** Nodes that have an uplink. */
  readonly uplinks: readonly number[]
  /** Random faults never wipe, restore or clone this one: something honest is always left. */
  readonly spared: number
}

/** Hostile nodes run no software of ours: what happens to their disk, clock or process is left out. */
export function nodesFor(wish: Wish, scene: Scene, dice: Dice): readonly number[] {
  const set = wish.aim.kind === 'members' ? wish.aim.members : ANY
  const { ground, uplinks, spared } = scene
  if (WORDS[wish.word].target === 'uplinks') return chosen(set, uplinks, dice)
  const isSpared = WORDS[wish.word].destroys && set.kind !== 'list' && set.kind !== 'all'
  const from = isSpared ? ground.honest.filter(node => node !== spared) : ground.honest
  return chosen(set, from, dice)
}

/** Also the hostile: this happens to the network and not to the node. */
export function networkNodesFor({ aim }: Wish, { ground }: Scene, dice: Dice): readonly number[] {
  return chosen(aim.kind === 'members' ? aim.members : ANY, everybody(ground.nodes), dice)
}

export function chargersFor({ aim }: Wish, { ground }: Scene, dice: Dice): readonly number[] {
  return chosen(aim.kind === 'members' ? aim.members : ANY, everybody(ground.chargers.length), dice)
}

/** Two who know each other; undefined when nobody does, or when the scenario names one who is not there. */
export function pairFor({ aim }: Wish, { ground }: Scene, dice: Dice): readonly [number, number] | undefined {
  if (aim.kind === 'pair') return Math.max(...aim.pair) <= ground.nodes ? aim.pair : undefined
  if (ground.links.length === 0) return undefined
  const [a, b] = dice.pick(ground.links)
  return dice.chance(0.5) ? [a, b] : [b, a]
}

/** At least two groups that differ, or none at all: then there is nothing to split. */
export function groupsFor(
  { aim, shapes }: Wish,
  { ground }: Scene,
  dice: Dice,
): readonly (readonly number[])[] {
  const groups =
    aim.kind === 'groups'
      ? chosenGroups(aim.groups, ground.nodes)
      : ground.nodes < 2
        ? []
        : shaped(dice.pick(shapes), dice.shuffled(everybody(ground.nodes)), dice)
  return groups.length > 1 || (groups[0]?.length ?? ground.nodes) < ground.nodes ? groups : []
}

function shaped(shape: Shape, nodes: readonly number[], dice: Dice): readonly (readonly number[])[] {
  const cut = 1 + dice.below(nodes.length - 1)
  const [left, right] = [nodes.slice(0, cut), nodes.slice(cut)]
  const [first = 1, ...others] = nodes
  switch (shape) {
    case 'halves':
      return [rising(left), rising(right)]
    case 'one-out':
      return [[first], rising(others)]
    case 'bridge': {
      if (nodes.length < 3) return [left, right]
      // The bridge is not the whole of its half: then nobody would be apart.
      const half = 2 + dice.below(nodes.length - 2)
      return [rising(nodes.slice(0, half)), rising([first, ...nodes.slice(half)])]
    }
    case 'islands': {
      const count = Math.min(nodes.length, 3 + dice.below(3))
      return Array.from({ length: count }, (_, i) => rising(nodes.filter((_, j) => j % count === i)))
    }
    case 'ring':
      return nodes.length < 4
        ? [rising(left), rising(right)]
        : nodes.map((node, i) => rising([node, nodes[(i + 1) % nodes.length] ?? first]))
    case 'star':
      return nodes.length < 3 ? [left, right] : others.map(node => rising([first, node]))
  }
}

function rising(nodes: readonly number[]): readonly number[] {
  return [...nodes].sort((a, b) => a - b)
}

function everybody(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

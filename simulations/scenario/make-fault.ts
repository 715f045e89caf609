// A wish becomes faults: its figures are drawn, from what the scenario says or else from the word's own ranges, and cut so
// that the fault is over before the run is. An empty answer: there is nobody whom it could hit, or no time is left for it.
import { assertNever } from '../../src/errors.ts'
import type { Dice } from '../dice.ts'
import type { Fault, LinkPlan } from '../plan.ts'
import { chargersFor, groupsFor, networkNodesFor, nodesFor, pairFor, type Scene } from './fault-targets.ts'
import type { Wish } from './fault-wishes.ts'
import { type Param, WORDS } from './fault-words.ts'
import { drawn, drawnWhole, exactly, type Range } from './range.ts'
import { SECOND } from './reading.ts'

export type Making = { readonly atMs: number; readonly scene: Scene; readonly dice: Dice }

/** A default fills at most this share of the run. */
const SHARE_OF_RUN: Readonly<Partial<Record<Param, number>>> = { for: 0.25, down: 0.1, every: 0.02 }

type Figures = {
  /** A whole number. */
  readonly whole: (name: Param) => number
  /** Three decimals, so that a plan reads well. */
  readonly rate: (name: Param) => number
  readonly forMs: () => number
  readonly downMs: () => number
}

function rangeOf(wish: Wish, name: Param, { durationMs }: Scene): Range {
  const own = wish.params[name]
  if (own !== undefined) return own
  const range = WORDS[wish.word].params[name] ?? exactly(0)
  const limit = Math.floor(durationMs * (SHARE_OF_RUN[name] ?? Number.POSITIVE_INFINITY))
  return { min: Math.min(range.min, Math.ceil(limit / 4)), max: Math.min(range.max, limit) }
}

function figuresOf(wish: Wish, { atMs, scene, dice }: Making): Figures {
  const leftMs = scene.durationMs - atMs - SECOND
  const whole = (name: Param): number => drawnWhole(rangeOf(wish, name, scene), dice)
  return {
    whole,
    rate: name => Math.round(drawn(rangeOf(wish, name, scene), dice) * 1000) / 1000,
    forMs: () => Math.min(whole('for'), leftMs),
    downMs: () => Math.min(whole('down'), leftMs),
  }
}

export function makeFault(wish: Wish, making: Making): readonly Fault[] {
  const { scene, dice, atMs } = making
  if (scene.durationMs - atMs < 2 * SECOND) return []
  const { word } = wish
  switch (word) {
    case 'split':
    case 'flap':
    case 'swizzle':
    case 'one-way':
    case 'quality':
    case 'slow-reader':
      return makeNetworkFault({ ...wish, word }, making)
    case 'blackout':
      return makeBlackout(wish, making)
    case 'uplink-flaps':
    case 'uplink-lossy':
    case 'uplink-slow':
    case 'uplink-rush':
    case 'cloud-down':
    case 'cloud-failover':
    case 'cloud-restore':
    case 'cloud-forgets':
    case 'cloud-errs':
    case 'cloud-lies':
      return makeCloudFault({ ...wish, word }, making)
    case 'charger-power-cut':
    case 'charger-offline':
    case 'charger-moves':
    case 'charger-replays':
      return chargersFor(wish, scene, dice).map(charger =>
        makeChargerFault({ ...wish, word }, charger, making),
      )
    default:
      return nodesFor(wish, scene, dice).flatMap(node => makeNodeFault({ ...wish, word }, node, making))
  }
}

/** All come back at once, as the fuse does. */
function makeBlackout(wish: Wish, making: Making): readonly Fault[] {
  const { scene, dice } = making
  const nodes = nodesFor(wish, scene, dice)
  const downMs = figuresOf(wish, making).downMs()
  const cuts = nodes.map((node): Fault => ({ kind: 'power-cut', node, downMs }))
  const dark = scene.ground.chargers.flatMap((charger, i): readonly Fault[] => {
    if (!nodes.includes(charger.nodes[0] ?? 0)) return []
    return [{ kind: 'charger-power-cut', charger: i + 1, forMs: downMs }]
  })
  return [...cuts, ...dark]
}

type CloudWord =
  | `uplink-${'flaps' | 'lossy' | 'slow' | 'rush'}`
  | `cloud-${'down' | 'failover' | 'restore' | 'forgets' | 'errs' | 'lies'}`
type ChargerWord = `charger-${'power-cut' | 'offline' | 'moves' | 'replays'}`

function makeCloudFault(wish: Of<CloudWord>, making: Making): readonly Fault[] {
  const { scene, dice, atMs } = making
  const { forMs, whole, rate } = figuresOf(wish, making)
  const { word } = wish
  switch (word) {
    case 'uplink-flaps':
      return nodesFor(wish, scene, dice).map(node => ({
        ...{ kind: word, node, everyMs: Math.max(1, whole('every')), forMs: forMs() },
      }))
    case 'uplink-lossy': {
      const lossRate = rate('loss')
      return [{ kind: word, lossRate, duplicateRate: rate('duplicates'), forMs: forMs() }]
    }
    case 'uplink-slow':
      return [{ kind: word, delayMs: whole('delay'), forMs: forMs() }]
    case 'uplink-rush':
      return [{ kind: word }]
    case 'cloud-lies':
      return [{ kind: word, lie: dice.pick(wish.lies), forMs: forMs() }]
    case 'cloud-down':
    case 'cloud-errs':
      return [{ kind: word, forMs: forMs() }]
    case 'cloud-failover':
    case 'cloud-forgets':
      return [{ kind: word, losesMs: Math.min(whole('loses'), atMs) }]
    case 'cloud-restore':
      return [{ kind: word, ageMs: Math.min(whole('age'), atMs) }]
    default:
      return assertNever(word)
  }
}

function makeChargerFault(wish: Of<ChargerWord>, charger: number, making: Making): Fault {
  const { forMs, whole } = figuresOf(wish, making)
  const { word } = wish
  switch (word) {
    case 'charger-power-cut':
    case 'charger-offline':
      return { kind: word, charger, forMs: forMs() }
    case 'charger-moves':
      return { kind: word, charger }
    case 'charger-replays':
      return { kind: word, charger, times: whole('times') }
    default:
      return assertNever(word)
  }
}

type Of<W extends Wish['word']> = Omit<Wish, 'word'> & { readonly word: W }
type NetworkWord = 'split' | 'flap' | 'swizzle' | 'one-way' | 'quality' | 'slow-reader'

function makeNetworkFault(wish: Of<NetworkWord>, making: Making): readonly Fault[] {
  const { scene, dice } = making
  const { forMs, whole } = figuresOf(wish, making)
  switch (wish.word) {
    case 'split':
    case 'flap': {
      const groups = groupsFor(wish, scene, dice)
      if (groups.length === 0) return []
      if (wish.word === 'split') return [{ kind: 'split', groups, forMs: forMs() }]
      return [{ kind: 'flap', groups, everyMs: Math.max(1, whole('every')), forMs: forMs() }]
    }
    case 'swizzle': {
      const everybody = {
        kind: 'members',
        members: { kind: 'any', count: { min: 1, max: scene.ground.nodes } },
      } as const
      const nodes = networkNodesFor(
        wish.aim.kind === 'drawn' ? { ...wish, aim: everybody } : wish,
        scene,
        dice,
      )
      if (nodes.length === 0) return []
      return [{ kind: 'swizzle', out: dice.shuffled(nodes), back: dice.shuffled(nodes), forMs: forMs() }]
    }
    case 'one-way': {
      const pair = pairFor(wish, scene, dice)
      return pair ? [{ kind: 'one-way', from: pair[0], to: pair[1], forMs: forMs() }] : []
    }
    case 'quality': {
      const isOne = wish.aim.kind === 'pair' || (wish.aim.kind === 'drawn' && dice.chance(0.5))
      const pair = isOne ? pairFor(wish, scene, dice) : undefined
      if (wish.aim.kind === 'pair' && pair === undefined) return []
      const quality = badQuality(wish, making)
      return [{ kind: 'quality', quality, ...(pair ? { pair } : {}), forMs: forMs() }]
    }
    case 'slow-reader':
      return networkNodesFor(wish, scene, dice).map(node => ({
        ...{ kind: 'slow-reader', node, bytesPerS: whole('speed'), forMs: forMs() },
      }))
    default:
      return assertNever(wish.word)
  }
}

const ASPECTS = ['delay', 'loss', 'duplicates', 'speed'] as const

/** What the scenario says and nothing else; where it says nothing, one to four things at once. */
function badQuality(wish: Wish, making: Making): Partial<LinkPlan> {
  const { dice } = making
  const { rate, whole } = figuresOf(wish, making)
  const said = ASPECTS.filter(aspect => wish.params[aspect])
  const aspects = said.length > 0 ? said : dice.shuffled(ASPECTS).slice(0, 1 + dice.below(ASPECTS.length))
  const delay = (): Range => {
    const maxMs = whole('delay')
    return wish.params.delay ?? { min: Math.floor(maxMs / 10), max: maxMs }
  }
  const { min, max } = aspects.includes('delay') ? delay() : exactly(0)
  return {
    ...(aspects.includes('delay') ? { minDelayMs: min, maxDelayMs: max } : {}),
    ...(aspects.includes('loss') ? { lossRate: rate('loss') } : {}),
    ...(aspects.includes('duplicates') ? { duplicateRate: rate('duplicates') } : {}),
    ...(aspects.includes('speed') ? { bytesPerS: whole('speed') } : {}),
  }
}

type NodeWord = Exclude<Wish['word'], 'blackout' | NetworkWord | CloudWord | ChargerWord>

function makeNodeFault(wish: Of<NodeWord>, node: number, making: Making): readonly Fault[] {
  const { atMs, scene, dice } = making
  const { forMs, downMs, whole } = figuresOf(wish, making)
  const { word } = wish
  switch (word) {
    case 'kill':
    case 'power-cut':
    case 'wipe':
      return [{ kind: word, node, downMs: downMs() }]
    case 'power-cut-at': {
      const moment = dice.pick(wish.moments)
      return [{ kind: word, node, operation: whole('operation'), moment, downMs: downMs() }]
    }
    case 'crash-loop': {
      const everyMs = Math.max(1, whole('every'))
      const times = Math.min(whole('times'), Math.floor((scene.durationMs - atMs - SECOND) / everyMs))
      return times < 1 ? [] : [{ kind: word, node, times, everyMs }]
    }
    case 'restore':
      return [{ kind: word, node, ageMs: Math.min(whole('age'), atMs), downMs: downMs() }]
    case 'clone':
    case 'stall':
    case 'disk-full':
    case 'sync-lies':
    case 'clock-1970':
      return [{ kind: word, node, forMs: forMs() }]
    case 'bit-flip':
    case 'lost-write':
    case 'misdirected-write':
    case 'sync-error':
      return [{ kind: word, node }]
    case 'slow-disk':
      return [{ kind: word, node, delayMs: whole('delay'), forMs: forMs() }]
    case 'clock-jump':
      return [{ kind: word, node, byMs: signOf(wish, dice) * whole('by') }]
    case 'clock-drift':
      return [{ kind: word, node, ppm: whole('ppm') }]
    case 'clock-back':
      return [{ kind: word, node, byMs: whole('by'), downMs: downMs() }]
    default:
      return assertNever(word)
  }
}

function signOf({ directions, params }: Wish, dice: Dice): 1 | -1 {
  if (directions.length > 0) return dice.pick(directions) === 'forward' ? 1 : -1
  return params.by !== undefined || dice.chance(0.5) ? 1 : -1
}

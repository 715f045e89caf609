// One word for each kind of fault: on what it falls, which figures it has, and what these are when a scenario does not
// say. Rates are those of rough weather. A default never fills more than a share of a short run (`drawnParam`).
import { CLOUD_LIES, type FaultKind } from '../plan.ts'
import type { Range } from './range.ts'
import { DAY, HOUR, MINUTE, SECOND, YEAR } from './reading.ts'

export const PARAMS = [
  ...(['for', 'down', 'every', 'age', 'by', 'delay', 'loses'] as const),
  ...(['times', 'operation', 'ppm', 'loss', 'duplicates', 'speed'] as const),
] as const
export type Param = (typeof PARAMS)[number]

export const SHAPES = ['halves', 'islands', 'one-out', 'bridge', 'ring', 'star'] as const
export type Shape = (typeof SHAPES)[number]

export const MOMENTS = ['before', 'during', 'after'] as const
export const DIRECTIONS = ['forward', 'back'] as const
export const LIES = CLOUD_LIES

/** What stands behind the word in a timeline. */
export type Target = 'groups' | 'pair' | 'links' | 'nodes' | 'uplinks' | 'chargers' | 'none' | Param

/** A power cut of nodes and of the chargers that they serve; it becomes several faults of a plan. */
export type FaultWord = FaultKind | 'blackout'

export type Wording = {
  readonly target: Target
  /** In rough weather. */
  readonly often: string
  readonly params: Readonly<Partial<Record<Param, Range>>>
  /** What the node held is gone, or not its own alone any more: random faults spare one honest node of these. */
  readonly destroys?: true
}

const range = (min: number, max: number): Range => ({ min, max })
const SHORT = range(5 * SECOND, 10 * MINUTE)
const LONG = range(MINUTE, 6 * HOUR)

export const WORDS: Readonly<Record<FaultWord, Wording>> = {
  split: { target: 'groups', often: '3 per day', params: { for: LONG } },
  flap: {
    target: 'groups',
    often: '1 per day',
    params: { every: range(SECOND, MINUTE), for: range(MINUTE, 30 * MINUTE) },
  },
  swizzle: { target: 'nodes', often: '1 per day', params: { for: range(MINUTE, HOUR) } },
  'one-way': { target: 'pair', often: '1 per node-day', params: { for: LONG } },
  quality: {
    target: 'links',
    often: '4 per day',
    params: {
      ...{ for: range(MINUTE, 2 * HOUR), delay: range(100, 30 * SECOND), loss: range(0.01, 0.6) },
      ...{ duplicates: range(0.01, 0.3), speed: range(125, 8000) },
    },
  },
  'slow-reader': {
    target: 'nodes',
    often: '0.5 per node-day',
    params: { speed: range(16, 8000), for: range(MINUTE, HOUR) },
  },
  kill: { target: 'nodes', often: '1 per node-day', params: { down: SHORT } },
  'power-cut': { target: 'nodes', often: '1 per node-day', params: { down: SHORT } },
  'power-cut-at': {
    target: 'nodes',
    often: '1 per node-day',
    params: { operation: range(1, 200), down: SHORT },
  },
  blackout: { target: 'nodes', often: '0.1 per node-day', params: { down: SHORT } },
  'crash-loop': {
    target: 'nodes',
    often: '0.2 per node-day',
    params: { times: range(3, 20), every: range(SECOND, 30 * SECOND) },
  },
  wipe: { target: 'nodes', often: '0.05 per node-day', params: { down: SHORT }, destroys: true },
  restore: {
    target: 'nodes',
    often: '0.05 per node-day',
    params: { age: range(10 * SECOND, 7 * DAY), down: SHORT },
    destroys: true,
  },
  clone: { target: 'nodes', often: '0.02 per node-day', params: { for: LONG }, destroys: true },
  stall: { target: 'nodes', often: '1 per node-day', params: { for: range(SECOND, MINUTE) } },
  'disk-full': { target: 'nodes', often: '0.3 per node-day', params: { for: range(10 * SECOND, HOUR) } },
  'bit-flip': { target: 'nodes', often: '0.2 per node-day', params: {} },
  'lost-write': { target: 'nodes', often: '0.1 per node-day', params: {} },
  'misdirected-write': { target: 'nodes', often: '0.1 per node-day', params: {} },
  'sync-error': { target: 'nodes', often: '0.5 per node-day', params: {} },
  'sync-lies': { target: 'nodes', often: '0.1 per node-day', params: { for: range(MINUTE, HOUR) } },
  'slow-disk': {
    target: 'nodes',
    often: '0.5 per node-day',
    params: { delay: range(50, 5 * SECOND), for: range(10 * SECOND, 30 * MINUTE) },
  },
  'clock-jump': { target: 'nodes', often: '0.3 per node-day', params: { by: range(SECOND, 10 * YEAR) } },
  'clock-drift': { target: 'nodes', often: '0.3 per node-day', params: { ppm: range(-200, 200) } },
  'clock-1970': { target: 'nodes', often: '0.1 per node-day', params: { for: range(MINUTE, 2 * HOUR) } },
  'clock-back': {
    target: 'nodes',
    often: '0.1 per node-day',
    params: { by: range(SECOND, 30 * DAY), down: SHORT },
  },
  'uplink-flaps': {
    target: 'uplinks',
    often: '2 per day',
    params: { every: range(SECOND, 2 * MINUTE), for: range(MINUTE, HOUR) },
  },
  'uplink-lossy': {
    target: 'loss',
    often: '1 per day',
    params: { loss: range(0.05, 0.6), duplicates: range(0, 0.4), for: range(MINUTE, 2 * HOUR) },
  },
  'cloud-down': { target: 'for', often: '0.5 per day', params: { for: range(MINUTE, 4 * HOUR) } },
  'cloud-failover': { target: 'loses', often: '0.3 per day', params: { loses: range(100, MINUTE) } },
  'cloud-restore': { target: 'age', often: '0.1 per day', params: { age: range(MINUTE, DAY) } },
  // A cloud that deceives its own site comes where a scenario names it, and not with bad weather.
  'cloud-forgets': { target: 'loses', often: 'never', params: { loses: range(100, 10 * MINUTE) } },
  'cloud-errs': { target: 'for', often: 'never', params: { for: range(10 * SECOND, 20 * MINUTE) } },
  'cloud-lies': { target: 'for', often: 'never', params: { for: range(10 * SECOND, 20 * MINUTE) } },
  'uplink-slow': {
    target: 'delay',
    often: 'never',
    params: { delay: range(SECOND, MINUTE), for: range(MINUTE, HOUR) },
  },
  'uplink-rush': { target: 'none', often: 'never', params: {} },
  'charger-power-cut': { target: 'chargers', often: '0.3 per charger-day', params: { for: SHORT } },
  'charger-offline': { target: 'chargers', often: '0.5 per charger-day', params: { for: LONG } },
  'charger-moves': { target: 'chargers', often: '0.5 per charger-day', params: {} },
  'charger-replays': { target: 'chargers', often: '0.2 per charger-day', params: { times: range(1, 100) } },
}

export const FAULT_WORDS = Object.keys(WORDS).filter((word): word is FaultWord => word in WORDS)

export const WEATHERS = ['none', 'calm', 'rough', 'stormy'] as const
export const WEATHER: Readonly<Record<(typeof WEATHERS)[number], number>> = {
  none: 0,
  calm: 0.2,
  rough: 1,
  stormy: 6,
}

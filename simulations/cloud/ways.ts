// Who has a way to the cloud, and when: the windows of the plan, flaps, and in the quiet time at least one way for good.
import type { Uplink } from '../../src/ports.ts'
import type { Dice } from '../dice.ts'
import type { Plan, UplinkPlan } from '../plan.ts'
import type { SimulatedCloud } from './cloud.ts'
import { uplinkOver } from './wire.ts'

export type Ways = {
  readonly of: (node: number) => readonly Uplink[]
  /** Forced up or down; undefined: as the plan says. */
  readonly force: (node: number, up: boolean | undefined) => void
  readonly lossy: (rates: Rates | undefined) => void
  readonly slow: (delayMs: number) => void
  readonly isUp: (node: number) => boolean
  readonly bytes: () => number
  /** Today, by what its node can know: requests, and answers that were heard. */
  readonly spentBytes: (node: number, name: string) => number
  /** The faults are over: every way that was planned works, and if there was none, these nodes get one. */
  readonly calm: (otherwise: number) => void
}

export type WaysDeps = {
  readonly plan: Plan
  readonly cloud: Pick<SimulatedCloud, 'push'>
  readonly dice: Dice
  readonly schedule: (delayMs: number, task: () => void) => void
  readonly nowMs: () => number
}

type Rates = { readonly lossRate: number; readonly duplicateRate: number }
const NO_LOSS: Rates = { lossRate: 0, duplicateRate: 0 }

type Way = ReturnType<typeof uplinkOver> & { readonly plan: UplinkPlan; forced: boolean | undefined }

const GOOD: Omit<UplinkPlan, 'node'> = { windows: [], delayMs: [20, 60], lossRate: 0, duplicateRate: 0 }

export function openWays({ plan, cloud, dice, schedule, nowMs }: WaysDeps): Ways {
  let lossy: Rates | undefined
  let slowMs = 0
  let calm = false
  const ways = new Map<number, Way[]>()
  const open = (uplink: UplinkPlan, name: string): Way => {
    // When it is up is decided here, where flaps and the quiet time have their say too.
    const always = { ...uplink, windows: [[0, Number.POSITIVE_INFINITY]] as const }
    const rates = (): Rates => (calm ? NO_LOSS : (lossy ?? NO_LOSS))
    const deps = {
      plan: always,
      dice: dice.fork(name),
      schedule,
      nowMs,
      lossy: rates,
      slowMs: () => slowMs,
      startsAt: plan.startsAt,
    }
    return { ...uplinkOver(cloud, deps, name), plan: uplink, forced: undefined }
  }
  for (let node = 1; node <= plan.nodes; node++) {
    const planned = plan.uplinks.filter(uplink => uplink.node === node)
    // Each node has a way that only the quiet time may need: a person can plug one in anywhere.
    const all = planned.length > 0 ? planned : [{ node, ...GOOD }]
    ways.set(
      node,
      all.map((uplink, i) => open(uplink, `way-${node}-${i + 1}`)),
    )
  }
  const review = (node: number): void => {
    for (const way of ways.get(node) ?? []) way.up(wanted(way))
  }
  const wanted = (way: Way): boolean => {
    if (way.forced !== undefined) return way.forced
    const at = nowMs()
    return way.plan.windows.some(([fromMs, untilMs]) => at >= fromMs && at < untilMs)
  }
  for (const { node, windows } of plan.uplinks)
    for (const instant of windows.flat()) schedule(instant, () => review(node))
  // A wire is open until somebody closes it.
  for (const node of ways.keys()) review(node)
  return {
    // In the quiet time somebody lifts the terms; a way under another name has none of the old ones.
    of: node =>
      (ways.get(node) ?? []).map(({ terms, name, ...way }) =>
        calm || !terms ? { ...way, name: calm && terms ? `${name}-free` : name } : { ...way, name, terms },
      ),
    force: (node, up) => {
      for (const way of ways.get(node) ?? []) way.forced = up
      review(node)
    },
    lossy: rates => {
      lossy = rates
    },
    slow: delayMs => {
      slowMs = delayMs
    },
    isUp: node => (ways.get(node) ?? []).some(wanted),
    spentBytes: (node, name) =>
      ways
        .get(node)
        ?.find(way => way.name === name)
        ?.spentBytes() ?? 0,
    bytes: () => [...ways.values()].flat().reduce((sum, way) => sum + way.bytes(), 0),
    calm: otherwise => {
      calm = true
      const nodes = plan.uplinks.length > 0 ? plan.uplinks.map(uplink => uplink.node) : [otherwise]
      for (const node of nodes) {
        for (const way of ways.get(node) ?? []) way.forced = true
        review(node)
      }
    },
  }
}

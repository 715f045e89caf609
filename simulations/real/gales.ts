// What a plan's faults do to real machines, one kind a line; the simulator's own list is world/weather.ts. Each undoes itself
// when its time is over, and `clear` undoes all that is left when the run becomes calm.
import { MeshError } from '../../src/errors.ts'
import type { FaultStep, Plan } from '../plan.ts'
import type { RealStation } from './guests.ts'
import type { Machines } from './machines.ts'
import type { Timeline } from './timeline.ts'
import type { RealWays } from './ways.ts'
import type { Wires } from './wires.ts'

/** A process of a crash loop is up for the rest of its round. */
const DOWN_SHARE = 0.3

export type GalesDeps = {
  readonly plan: Plan
  readonly timeline: Timeline
  readonly machines: Machines
  readonly wires: Wires
  readonly ways: RealWays
  /** By number, less one. */
  readonly stations: readonly RealStation[]
}
export type Gales = {
  readonly inject: (step: FaultStep) => Promise<void>
  readonly clear: () => Promise<void>
}

export function createGales(deps: GalesDeps): Gales {
  let isCalm = false
  const undo = (forMs: number, act: () => unknown): void =>
    deps.timeline.after(forMs, () => (isCalm ? undefined : act()))
  return {
    inject: async step => {
      if (!isCalm) await apply(deps, step, undo)
    },
    clear: async () => {
      isCalm = true
      deps.wires.heal()
      for (const station of deps.stations) {
        station.offline(false)
        station.powerOn()
      }
      for (const node of deps.machines.numbers) deps.machines.resume(node)
      await Promise.all(deps.machines.numbers.map(node => deps.machines.boot(node)))
    },
  }
}

type Undo = (forMs: number, act: () => unknown) => void

async function apply(deps: GalesDeps, fault: FaultStep, undo: Undo): Promise<void> {
  const { machines, wires, ways } = deps
  const station = 'charger' in fault ? deps.stations[fault.charger - 1] : undefined
  switch (fault.kind) {
    case 'split': {
      const split = wires.split(fault.groups)
      undo(fault.forMs, () => wires.unsplit(split))
      return
    }
    case 'one-way':
      wires.cut(fault.from, fault.to)
      undo(fault.forMs, () => wires.mend(fault.from, fault.to))
      return
    case 'flap':
      for (let atMs = 0; atMs < fault.forMs; atMs += 2 * fault.everyMs)
        undo(atMs, () => {
          const split = wires.split(fault.groups)
          undo(fault.everyMs, () => wires.unsplit(split))
        })
      return
    case 'swizzle': {
      const stepMs = fault.forMs / (fault.out.length + fault.back.length)
      for (const [i, node] of fault.out.entries()) undo(i * stepMs, () => wires.isolate(node))
      for (const [i, node] of fault.back.entries())
        undo((fault.out.length + i) * stepMs, () => wires.rejoin(node))
      return
    }
    case 'kill':
    case 'power-cut':
      undo(fault.downMs, () => machines.boot(fault.node))
      await machines.kill(fault.node)
      return
    case 'crash-loop':
      for (let i = 0; i < fault.times; i++)
        undo(i * fault.everyMs, async () => {
          undo(fault.everyMs * DOWN_SHARE, () => machines.boot(fault.node))
          await machines.kill(fault.node)
        })
      return
    case 'stall':
      machines.stall(fault.node)
      undo(fault.forMs, () => machines.resume(fault.node))
      return
    case 'uplink-flaps':
      for (let i = 0; i * fault.everyMs < fault.forMs; i++)
        undo(i * fault.everyMs, () => ways.force(fault.node, i % 2 === 1))
      undo(fault.forMs, () => ways.force(fault.node, undefined))
      return
    case 'cloud-down':
      ways.cloudDown(true)
      undo(fault.forMs, () => ways.cloudDown(false))
      return
    case 'charger-power-cut':
      undo(fault.forMs, () => station?.powerOn())
      await station?.powerOff()
      return
    case 'charger-offline':
      station?.offline(true)
      undo(fault.forMs, () => station?.offline(false))
      return
    case 'charger-moves':
      station?.moveOn()
      return
    default:
      throw new MeshError('CONFIG_INVALID', `real machines do not know the fault ${fault.kind}`)
  }
}

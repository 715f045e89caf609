// What a plan's faults do to a world, one function a kind. Each undoes itself when its time is over, and `clear` undoes all
// that is left when the run becomes calm.
import type { DeviceId } from '../../src/units.ts'
import type { SimulatedCloud } from '../cloud/cloud.ts'
import type { Dice } from '../dice.ts'
import type { DiskImage } from '../disk/disk.ts'
import type { SimulatedNetwork } from '../network/network.ts'
import type { CloudLie, FaultStep, Plan } from '../plan.ts'
import type { Station } from '../station/station.ts'
import { damage } from './damage.ts'
import type { LiveMember } from './member.ts'
import type { Gone } from './observer.ts'

export type WeatherDeps = {
  readonly plan: Plan
  readonly dice: Dice
  readonly network: SimulatedNetwork
  readonly cloud: SimulatedCloud
  readonly schedule: (delayMs: number, task: () => void) => void
  /** By node number; hostile nodes are not among them. */
  readonly member: (node: number) => LiveMember | undefined
  readonly deviceOf: (node: number) => DeviceId
  readonly station: (charger: number) => Station | undefined
  readonly clone: (of: LiveMember, image: DiskImage) => { readonly dispose: () => void }
  readonly uplink: (node: number, up: boolean | undefined) => void
  readonly lossyUplinks: (rates: { lossRate: number; duplicateRate: number } | undefined) => void
  readonly slowUplinks: (delayMs: number) => void
  /** Instead of the truth; undefined: the truth again. */
  readonly cloudSays: (lie: CloudLie | 'error' | undefined) => void
  readonly isCalm: () => boolean
  readonly injected: (fault: FaultStep) => void
}

export type Weather = { readonly inject: (step: FaultStep) => void; readonly clear: () => void }

export function createWeather(deps: WeatherDeps): Weather {
  const { network, schedule, dice } = deps
  const images = new Map<FaultStep, DiskImage>()
  const clones = new Set<{ readonly dispose: () => void }>()
  let splits = 0

  /** Undone after `forMs`, unless the world became calm before. */
  const undo = (forMs: number, act: () => void): void =>
    schedule(forMs, () => {
      if (!deps.isCalm()) act()
    })
  const devices = (numbers: readonly number[]): DeviceId[] => numbers.map(deps.deviceOf)
  const split = (groups: readonly (readonly number[])[]): number => {
    network.split(groups.map(devices))
    splits += 1
    return splits
  }
  const unsplit = (number: number): void => {
    if (number === splits) network.unsplit()
  }
  const down = (node: number, how: Gone, downMs: number, image?: DiskImage): void => {
    const member = deps.member(node)
    if (!member) return
    member.end(how, image)
    undo(downMs, member.boot)
  }
  const withMember = (node: number, act: (member: LiveMember) => void): void => {
    const member = deps.member(node)
    if (member) act(member)
  }

  const flap = (groups: readonly (readonly number[])[], everyMs: number, untilMs: number): void => {
    if (untilMs <= 0 || deps.isCalm()) return
    const number = split(groups)
    undo(everyMs, () => unsplit(number))
    schedule(2 * everyMs, () => flap(groups, everyMs, untilMs - 2 * everyMs))
  }

  const apply = (fault: FaultStep): void => {
    switch (fault.kind) {
      case 'split': {
        const number = split(fault.groups)
        undo(fault.forMs, () => unsplit(number))
        return
      }
      case 'one-way': {
        const [from, to] = [deps.deviceOf(fault.from), deps.deviceOf(fault.to)]
        network.cut(from, to, { oneWay: true })
        undo(fault.forMs, () => network.mend(from, to))
        return
      }
      case 'flap':
        flap(fault.groups, fault.everyMs, fault.forMs)
        return
      case 'swizzle': {
        const stepMs = fault.forMs / (fault.out.length + fault.back.length)
        fault.out.forEach((node, i) => void undo(i * stepMs, () => network.isolate(deps.deviceOf(node))))
        fault.back.forEach((node, i) => {
          undo((fault.out.length + i) * stepMs, () => network.rejoin(deps.deviceOf(node)))
        })
        return
      }
      case 'quality': {
        const pair = fault.pair && ([deps.deviceOf(fault.pair[0]), deps.deviceOf(fault.pair[1])] as const)
        network.shape(fault.quality, pair)
        undo(fault.forMs, () => network.reshape(pair))
        return
      }
      case 'slow-reader': {
        const device = deps.deviceOf(fault.node)
        network.slowReader(device, fault.bytesPerS)
        undo(fault.forMs, () => network.slowReader(device, undefined))
        return
      }
      case 'kill':
        down(fault.node, 'killed', fault.downMs)
        return
      case 'power-cut':
        down(fault.node, 'power-cut', fault.downMs)
        return
      case 'power-cut-at': {
        const { node, downMs } = fault
        withMember(node, member =>
          member.cutPowerAt(fault.operation, fault.moment, () => down(node, 'power-cut', downMs)),
        )
        return
      }
      case 'crash-loop':
        for (let i = 0; i < fault.times; i++)
          undo(i * fault.everyMs, () => {
            const how = dice.chance(0.5) ? 'killed' : 'power-cut'
            down(fault.node, how, fault.everyMs * dice.between(0.05, 0.6))
          })
        return
      case 'wipe':
        down(fault.node, 'wiped', fault.downMs)
        return
      case 'restore':
        withMember(fault.node, member => {
          down(fault.node, 'restored', fault.downMs, images.get(fault) ?? member.disk.image())
        })
        return
      case 'clone':
        withMember(fault.node, member => {
          const clone = deps.clone(member, member.disk.image())
          clones.add(clone)
          undo(fault.forMs, () => {
            clones.delete(clone)
            clone.dispose()
          })
        })
        return
      case 'stall':
        withMember(fault.node, member => member.stall(fault.forMs))
        return
      default:
        damage(deps, fault, undo)
    }
  }

  for (const fault of deps.plan.faults)
    if (fault.kind === 'restore')
      schedule(Math.max(0, fault.atMs - fault.ageMs), () =>
        withMember(fault.node, member => void images.set(fault, member.disk.image())),
      )

  return {
    inject: step => {
      if (deps.isCalm()) return
      deps.injected(step)
      apply(step)
    },
    clear: () => {
      network.heal()
      network.reshape()
      for (const clone of clones) clone.dispose()
      clones.clear()
      deps.lossyUplinks(undefined)
      deps.slowUplinks(0)
      deps.cloudSays(undefined)
      deps.cloud.down(false)
      for (let node = 1; node <= deps.plan.nodes; node++) {
        network.slowReader(deps.deviceOf(node), undefined)
        deps.uplink(node, undefined)
        withMember(node, member => {
          member.slowDisk(0)
          member.cutPowerAt(0, 'before', () => undefined)
          member.disk.mend()
          member.clock.mend()
          member.boot()
        })
      }
      for (let charger = 1; charger <= deps.plan.chargers.length; charger++) {
        deps.station(charger)?.powerOn()
        deps.station(charger)?.offline(false)
      }
    },
  }
}

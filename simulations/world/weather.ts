// What a plan's faults do to a world, one function a kind. Each undoes itself when its time is over, and `clear` undoes all
// that is left when the run becomes calm.
import type { DeviceId } from '../../src/units.ts'
import type { SimulatedCloud } from '../cloud/cloud.ts'
import type { Dice } from '../dice.ts'
import type { DiskImage } from '../disk/disk.ts'
import type { SimulatedNetwork } from '../network/network.ts'
import type { Fault, FaultStep, Plan } from '../plan.ts'
import type { Station } from '../station/station.ts'
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
  readonly isCalm: () => boolean
  readonly injected: (fault: FaultStep) => void
}

export type Weather = { readonly inject: (step: FaultStep) => void; readonly clear: () => void }

const IMAGE_KEEP = 4

export function createWeather(deps: WeatherDeps): Weather {
  const { network, schedule, dice } = deps
  const images = new Map<number, DiskImage[]>()
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

  const apply = (fault: Fault): void => {
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
      case 'restore': {
        const image = images.get(fault.node)?.[0]
        withMember(fault.node, member =>
          down(fault.node, 'restored', fault.downMs, image ?? member.disk.image()),
        )
        return
      }
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
        applyToParts(deps, fault, undo)
    }
  }

  const takeImages = (): void => {
    if (deps.isCalm()) return
    for (const fault of deps.plan.faults) {
      if (fault.kind !== 'restore') continue
      const kept = images.get(fault.node) ?? []
      withMember(fault.node, member =>
        images.set(fault.node, [...kept, member.disk.image()].slice(-IMAGE_KEEP)),
      )
    }
  }
  const restores = deps.plan.faults.filter(fault => fault.kind === 'restore')
  for (const { atMs, ageMs } of restores.map(one => ({
    atMs: one.atMs,
    ageMs: one.kind === 'restore' ? one.ageMs : 0,
  })))
    schedule(Math.max(0, atMs - ageMs), takeImages)

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

type PartFault = Exclude<
  Fault,
  {
    kind:
      | 'split'
      | 'one-way'
      | 'flap'
      | 'swizzle'
      | 'quality'
      | 'slow-reader'
      | 'kill'
      | 'power-cut'
      | 'power-cut-at'
      | 'crash-loop'
      | 'wipe'
      | 'restore'
      | 'clone'
      | 'stall'
  }
>

/** Disks, clocks, uplinks, the cloud and chargers. */
function applyToParts(
  deps: WeatherDeps,
  fault: PartFault,
  undo: (forMs: number, act: () => void) => void,
): void {
  const node = 'node' in fault ? deps.member(fault.node) : undefined
  const station = 'charger' in fault ? deps.station(fault.charger) : undefined
  switch (fault.kind) {
    case 'disk-full':
      node?.disk.setFree(deps.dice.below(2048))
      undo(fault.forMs, () => node?.disk.setFree(Number.POSITIVE_INFINITY))
      return
    case 'bit-flip':
      node?.disk.flipSomeBit(deps.dice.share)
      return
    case 'lost-write':
      node?.disk.loseNextWrite()
      return
    case 'misdirected-write':
      node?.disk.misdirectNextWrite(deps.dice.share)
      return
    case 'sync-error':
      node?.disk.failNextSync()
      return
    case 'sync-lies':
      node?.disk.lieAboutSync(true)
      undo(fault.forMs, () => node?.disk.lieAboutSync(false))
      return
    case 'slow-disk':
      node?.slowDisk(fault.delayMs)
      undo(fault.forMs, () => node?.slowDisk(0))
      return
    case 'clock-jump':
      node?.clock.jump(fault.byMs)
      return
    case 'clock-drift':
      node?.clock.drift(fault.ppm)
      return
    case 'clock-1970':
      node?.end('power-cut')
      node?.clock.set(0)
      undo(1000, () => node?.boot())
      undo(fault.forMs, () => node?.clock.mend())
      return
    case 'clock-back':
      node?.end('power-cut')
      undo(fault.downMs, () => {
        node?.clock.jump(-fault.byMs)
        node?.boot()
      })
      return
    case 'uplink-flaps': {
      const flap = (leftMs: number, up: boolean): void => {
        if (deps.isCalm()) return
        deps.uplink(fault.node, leftMs > 0 ? up : undefined)
        if (leftMs > 0) undo(fault.everyMs, () => flap(leftMs - fault.everyMs, !up))
      }
      flap(fault.forMs, false)
      return
    }
    case 'uplink-lossy':
      deps.lossyUplinks(fault)
      undo(fault.forMs, () => deps.lossyUplinks(undefined))
      return
    case 'cloud-down':
      deps.cloud.down(true)
      undo(fault.forMs, () => deps.cloud.down(false))
      return
    case 'cloud-failover':
      void deps.cloud.failover(fault.losesMs)
      return
    case 'cloud-restore':
      void deps.cloud.restore(fault.ageMs)
      return
    case 'charger-power-cut':
      station?.powerOff()
      undo(fault.forMs, () => station?.powerOn())
      return
    case 'charger-offline':
      station?.offline(true)
      undo(fault.forMs, () => station?.offline(false))
      return
    case 'charger-moves':
      station?.moveOn()
      return
    case 'charger-replays':
      station?.replayAll(fault.times)
      return
  }
}

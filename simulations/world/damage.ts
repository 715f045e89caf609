// Faults of a machine's parts: disks, clocks, uplinks, the cloud and chargers. weather.ts has those of networks and processes.
import { assertNever } from '../../src/errors.ts'
import type { Fault } from '../plan.ts'
import type { WeatherDeps } from './weather.ts'

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

export function damage(
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
        // Up is as the plan says: a flap opens no way that is not there.
        deps.uplink(fault.node, leftMs > 0 && !up ? false : undefined)
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
    case 'cloud-errs':
      deps.cloudSays('error')
      undo(fault.forMs, () => deps.cloudSays(undefined))
      return
    case 'cloud-lies':
      deps.cloudSays(fault.lie)
      undo(fault.forMs, () => deps.cloudSays(undefined))
      return
    case 'cloud-forgets':
      void deps.cloud.forget(fault.losesMs)
      return
    case 'uplink-slow':
      deps.slowUplinks(fault.delayMs)
      undo(fault.forMs, () => deps.slowUplinks(0))
      return
    case 'uplink-rush':
      for (let number = 1; number <= deps.plan.nodes; number++) deps.member(number)?.node()?.uplinks().hurry()
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
    default:
      assertNever(fault)
  }
}

// Which attached devices form one island: those that are connected, over any number of others, by links that carry both
// ways at this moment. Union by index; nothing is remembered between two calls.
import type { DeviceId } from '../../src/units.ts'
import type { Reach } from './reach.ts'

export type Islands = {
  readonly count: number
  /** Numbered from 0 in the order in which the mesh first heard of a device of each. */
  readonly componentOf: ReadonlyMap<DeviceId, number>
}

export function islandsOf({ places, links }: Reach): Islands {
  const above = new Int32Array(places.size)
  for (let i = 0; i < above.length; i++) above[i] = i
  const root = (from: number): number => {
    let at = from
    for (let up = above[at] as number; up !== at; up = above[at] as number) {
      above[at] = above[up] as number
      at = up
    }
    return at
  }
  for (const { holders, ways, ends } of links)
    if (holders[0] && ways[0].isOpen && ways[1].isOpen) {
      const [a, b] = [root(ends[0].index), root(ends[1].index)]
      above[Math.max(a, b)] = Math.min(a, b)
    }
  const numberOf = new Map<number, number>()
  const componentOf = new Map<DeviceId, number>()
  for (const { deviceId, index, copies } of places.values()) {
    if (copies.length === 0) continue
    const at = root(index)
    const number = numberOf.get(at) ?? numberOf.size
    numberOf.set(at, number)
    componentOf.set(deviceId, number)
  }
  return { count: numberOf.size, componentOf }
}

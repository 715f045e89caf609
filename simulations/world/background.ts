// The cloud as a world sees it: work that takes real time, a database's, is known to whoever waits for it, and the heads it
// holds are at hand without waiting.
import type { LogId } from '../../src/units.ts'
import type { CloudHead, SimulatedCloud } from '../cloud/cloud.ts'
import type { ShownCloud } from './observer.ts'

/** What the cloud does takes no virtual time of its own, but may take real time. */
export function inBackground(cloud: SimulatedCloud, background: Set<Promise<unknown>>): ShownCloud {
  let heads: ReadonlyMap<LogId, CloudHead> = new Map()
  const seen = <T>(work: Promise<T>): Promise<T> =>
    kept(
      work.then(async value => {
        heads = await cloud.heads()
        return value
      }),
    )
  const kept = <T>(work: Promise<T>): Promise<T> => {
    const done = work.then(
      () => void background.delete(done),
      () => void background.delete(done),
    )
    background.add(done)
    return work
  }
  return {
    ...cloud,
    headsNow: () => heads,
    push: push => seen(cloud.push(push)),
    failover: losesMs => seen(cloud.failover(losesMs)),
    restore: ageMs => seen(cloud.restore(ageMs)),
    forget: losesMs => seen(cloud.forget(losesMs)),
    finalise: () => kept(cloud.finalise()),
  }
}

// Ways to the real cloud, one relay a node: open in the plan's windows, forced by flaps, all cut while the cloud is away, and
// all open in the quiet time. A node learns of its uplink once, with the product's command, and then finds it dead or alive.
import { join } from 'node:path'
import type { Closers } from '../../src/host/closers.ts'
import type { Machines } from './machines.ts'
import { run } from './processes.ts'
import { openRelay, type Relay } from './relay.ts'
import type { Stage } from './stage.ts'
import type { Timeline } from './timeline.ts'

export type RealWays = {
  /** Tells the nodes of the plan's uplinks. */
  readonly introduce: () => Promise<void>
  /** Undefined: as the plan says. */
  readonly force: (node: number, up: boolean | undefined) => void
  readonly cloudDown: (isDown: boolean) => void
  /** The faults are over; if the plan has no uplink at all, somebody brings one to node 1. */
  readonly calm: () => Promise<void>
  readonly nodes: readonly number[]
  /** TLS and all. */
  readonly bytes: () => number
}

type Way = { readonly relay: Relay; forced: boolean | undefined }

export type WaysDeps = {
  readonly stage: Stage
  readonly timeline: Timeline
  readonly machines: Machines
  readonly closers: Closers
}

export async function openRealWays({ stage, timeline, machines, closers }: WaysDeps): Promise<RealWays> {
  const { plan, cloudDir, cloudPort } = stage
  const ways = new Map<number, Way>()
  let isCloudDown = false
  const open = async (node: number): Promise<void> => {
    const relay = await openRelay({ targetHost: '127.0.0.1', targetPort: cloudPort })
    closers.push(`way of node ${node}`, relay.close)
    ways.set(node, { relay, forced: undefined })
  }
  const isWanted = (node: number, { forced }: Way): boolean =>
    !isCloudDown &&
    (forced ??
      plan.uplinks.some(
        uplink =>
          uplink.node === node &&
          uplink.windows.some(
            ([fromMs, untilMs]) => timeline.nowMs() >= fromMs && timeline.nowMs() < untilMs,
          ),
      ))
  const review = (): void => {
    for (const [node, way] of ways) {
      if (isWanted(node, way)) way.relay.mend()
      else way.relay.cut('reset')
    }
  }
  const introduce = async (node: number): Promise<void> => {
    const url = `https://127.0.0.1:${ways.get(node)?.relay.port}`
    await run(['uplink', 'add', url, '--ca', join(cloudDir, 'ca.pem'), '--via', machines.dirOf(node)])
  }
  for (const { node } of plan.uplinks) if (!ways.has(node)) await open(node)
  for (const instant of plan.uplinks.flatMap(uplink => uplink.windows.flat())) timeline.at(instant, review)
  review()
  return {
    introduce: async () => {
      for (const node of ways.keys()) await introduce(node)
    },
    force: (node, up) => {
      const way = ways.get(node)
      if (way) way.forced = up
      review()
    },
    cloudDown: isDown => {
      isCloudDown = isDown
      review()
    },
    calm: async () => {
      isCloudDown = false
      const isNew = ways.size === 0
      if (isNew) await open(1)
      for (const way of ways.values()) way.forced = true
      review()
      if (isNew) await introduce(1)
    },
    get nodes() {
      return [...ways.keys()]
    },
    bytes: () =>
      [...ways.values()].reduce((sum, { relay }) => sum + relay.bytes().forward + relay.bytes().backward, 0),
  }
}

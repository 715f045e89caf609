// Ways out of this node: listed, added and taken away.
import type { FastifyInstance } from 'fastify'
import { check } from '../config.ts'
import type { Node } from '../node.ts'
import type { Clock } from '../ports.ts'
import { shownSetting, UPLINK_SETTING, type UplinkSetting } from '../uplink/setting.ts'

export type UplinksPlane = {
  readonly settings: () => readonly UplinkSetting[]
  readonly add: (setting: UplinkSetting) => Promise<void>
  readonly remove: (name: string) => Promise<void>
}

export type UplinksDeps = { readonly node: Node; readonly clock: Clock; readonly uplinks: UplinksPlane }

export type UplinkReport = ReturnType<typeof reportUplinks>[number]

function reportUplinks({ node, clock, uplinks }: UplinksDeps) {
  const states = new Map(
    node
      .uplinks()
      .status(clock.monotonicMs())
      .map(state => [state.name, state]),
  )
  const forwards = new Map(
    node.forwarder
      .report(node.ledger(), clock.monotonicMs())
      .map(({ sessions: _, chargers: __, ...one }) => [one.name, one]),
  )
  return uplinks.settings().map(setting => ({
    ...shownSetting(setting),
    ...(setting.kind !== 'csms' && { priority: setting.priority }),
    kind: setting.kind,
    ...states.get(setting.name),
    ...forwards.get(setting.name),
  }))
}

export function addUplinks(server: FastifyInstance, deps: UplinksDeps): void {
  server.get('/v1/uplinks', async () => reportUplinks(deps))
  server.post('/v1/uplinks', async request => {
    await deps.uplinks.add(check('uplink', UPLINK_SETTING, request.body))
    return { added: true }
  })
  server.delete<{ Params: { name: string } }>('/v1/uplinks/:name', async request => {
    await deps.uplinks.remove(request.params.name)
    return { removed: true }
  })
  server.post('/v1/uplinks/hurry', async () => {
    deps.node.uplinks().hurry()
    return { hurried: true }
  })
}

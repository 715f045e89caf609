// Ways out of this node: listed, added and taken away.
import type { FastifyInstance } from 'fastify'
import { check } from '../config.ts'
import type { Node } from '../node.ts'
import { UPLINK_SETTING, type UplinkSetting } from '../uplink/setting.ts'

export type UplinksPlane = {
  readonly settings: () => readonly UplinkSetting[]
  readonly add: (setting: UplinkSetting) => Promise<void>
  readonly remove: (name: string) => Promise<void>
}

export type UplinksDeps = { readonly node: Node; readonly uplinks: UplinksPlane }

export type UplinkReport = ReturnType<typeof reportUplinks>[number]

/** All of them carry from the same queue. */
function reportUplinks({ node, uplinks }: UplinksDeps) {
  const states = new Map(
    node
      .uplinks()
      .status()
      .map(state => [state.name, state]),
  )
  const waiting = node.uplinks().waiting(node.ledger())
  return uplinks
    .settings()
    .map(({ caPem: _caPem, ...setting }) => ({ ...setting, ...states.get(setting.name), waiting }))
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

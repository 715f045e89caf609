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

/** What each kind has in common; its setting stands beside it. */
export type UplinkReport = {
  readonly name: string
  readonly kind: UplinkSetting['kind']
  readonly priority?: number
  readonly budgetBytes?: number
  readonly state?: string
  readonly why?: string
  readonly nextTryInMs?: number
  readonly sentTodayBytes?: number
  /** Events for our receiver, sessions for a central system. */
  readonly waiting: {
    readonly events?: number
    readonly bytes?: number
    readonly sessions?: number
    readonly held?: number
    readonly oldestAgeMs?: number
  }
}

/** Remembered, and not to be opened. */
const UNUSED = { state: 'failing', why: 'it cannot be used: the log of the node says why' } as const

/** All that push carry from the same queue. */
function reportUplinks({ node, clock, uplinks }: UplinksDeps): readonly UplinkReport[] {
  const pushes = new Map(
    node
      .uplinks()
      .status()
      .map(state => [state.name, state]),
  )
  const times = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
  const forwards = new Map(
    node.forwarder
      .report(node.ledger(), times)
      .map(({ sessions: _, chargers: __, ...report }) => [report.name, report]),
  )
  const waiting = node.uplinks().waiting(node.ledger())
  return uplinks.settings().map(setting => {
    const { kind, name } = setting
    return {
      ...shownSetting(setting),
      name,
      kind,
      waiting,
      ...(pushes.get(name) ?? forwards.get(name) ?? UNUSED),
    }
  })
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
    deps.node.forwarder.hurry()
    return { hurried: true }
  })
}

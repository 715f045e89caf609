// Telling existing central systems of sessions: how far it is, what would be said, and what a person decides.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { Roster } from '../identity/roster.ts'
import type { Node } from '../node.ts'
import type { Clock } from '../ports.ts'
import type { DeviceId, SessionId } from '../units.ts'

export type ForwardDeps = { readonly node: Node; readonly roster: Roster; readonly clock: Clock }

const DECISION = z.strictObject({
  name: z.string().max(32),
  sessionId: z.string().regex(/^[0-9a-f]{32}$/),
  verdict: z.enum(['retry', 'skip']),
})
const HAND_OVER = z.strictObject({ name: z.string().max(32), to: z.string().max(64) })
type Named = { readonly Params: { readonly sessionId: string } }

export function addForward(server: FastifyInstance, { node, roster, clock }: ForwardDeps): void {
  server.get('/v1/forward', async () =>
    node.forwarder.report(node.ledger(), { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }),
  )
  server.get<Named>('/v1/forward/:sessionId', async request =>
    node.forwarder.calls(node.ledger(), request.params.sessionId as SessionId),
  )
  server.post('/v1/forward', async request => {
    const { sessionId, ...said } = check('decision', DECISION, request.body)
    const body = node.forwarder.decide(node.ledger(), { ...said, sessionId: sessionId as SessionId })
    await node.record([body])
    return { decided: said.verdict }
  })
  server.post('/v1/forward/hand-over', async request => {
    const { name, to } = check('hand-over', HAND_OVER, request.body)
    const device = forwarderNamed({ node, roster }, to)
    await node.forwarder.handOver(name, device)
    return { handedTo: device }
  })
}

/** One of those that the operator lets forward, by its name or id. */
function forwarderNamed({ node, roster }: Pick<ForwardDeps, 'node' | 'roster'>, text: string): DeviceId {
  const order = node.ledger().view().forwarding.turns.order()
  const names = new Map(order.map(id => [id, roster.ofDevice(id)[0]?.name ?? id]))
  const found = order.filter(id => id === text || names.get(id) === text)
  const [device] = found
  if (device && found.length === 1) return device
  throw new MeshError(
    'CONFIG_INVALID',
    `${text}: wanted one of the site's forwarders (${[...names.values()].join(', ') || 'none'}); \`policy set forwarders\` names them`,
  )
}

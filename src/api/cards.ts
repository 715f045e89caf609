// Questions about one card. Its id comes in the body, never in an address, which proxies and logs would keep.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { type ChargerId, chargerId } from '../units.ts'
import { reportCard } from './card.ts'
import type { ApiDeps } from './server.ts'
import { reportWindow } from './window.ts'

const CARD = z.string().min(1).max(20)
const SHOW = z.strictObject({ card: CARD, charger: z.string().max(48).optional() })
const ONLY_CARD = z.strictObject({ card: CARD })
const WINDOW = z.strictObject({
  card: CARD,
  sessionWh: z.int().min(1).max(1_000_000_000).optional(),
  maxPowerW: z.int().min(1).max(100_000_000).optional(),
  islands: z.int().min(0).max(100_000).optional(),
})

export function addCards(server: FastifyInstance, deps: ApiDeps): void {
  server.post('/v1/tokens/show', async request => {
    const { card, charger } = check('card', SHOW, request.body)
    const tokenRef = await deps.tokenReference(card)
    const ledger = deps.node.ledger()
    const tokenRefs = deps.aliases(tokenRef)
    if (charger === undefined) return reportCard(ledger, tokenRefs)
    const at = knownCharger(deps, charger)
    const { allowed, reason } = deps.mayCharge(at, tokenRef)
    return reportCard(ledger, tokenRefs, { charger: at, allowed, reason })
  })
  server.post('/v1/tokens/references', async request => {
    const { card } = check('card', ONLY_CARD, request.body)
    const tokenRefs = deps.aliases(await deps.tokenReference(card))
    const { policy } = deps.node.ledger().view()
    return { tokenRefs, revocations: tokenRefs.flatMap(policy.revocations).map(one => one.ref.hash) }
  })
  server.post('/v1/tokens/window', async request => {
    const { card, ...rest } = check('card', WINDOW, request.body)
    const tokenRef = await deps.tokenReference(card)
    const facts = { ledger: deps.node.ledger(), roster: deps.roster, self: deps.self }
    return reportWindow(facts, { ...rest, tokenRefs: deps.aliases(tokenRef), nowAt: deps.clock.wallMs() })
  })
}

function knownCharger({ node }: ApiDeps, named: string): ChargerId {
  const id = chargerId(named)
  if (id !== undefined && node.ledger().view().policy.chargePoint(id)) return id
  throw new MeshError('CONFIG_INVALID', `${named}: this node knows no such charger`)
}

// Whether a card may charge at a charger, as this node would decide now: for those who ask, and before a card is sent to one.
import type { ApiDeps } from '../api/server.ts'
import { cardContext, decideFor, explain } from '../card.ts'
import type { Node } from '../node.ts'
import type { Clock } from '../ports.ts'
import type { Tokens } from './tokens.ts'

export function deciding(clock: Clock, node: Node, { aliases }: Tokens): ApiDeps['mayCharge'] {
  return (chargerId, tokenRef) => {
    const times = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const context = cardContext(node.ledger(), times, aliases)
    const decision = decideFor(context, chargerId, tokenRef)
    return { allowed: decision.allowed, reason: explain(decision, context.knownSince) }
  }
}

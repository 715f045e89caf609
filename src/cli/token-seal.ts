// The card's own id in a grant, sealed, where the site lets chargers hold lists of cards, or tells an existing central system of
// sessions: both know no references.
import type { Operator } from '../host/operator.ts'
import { systemRandom } from '../host/system.ts'
import { createKeyRing, tagKeysOf } from '../host/tokens.ts'
import { TAG_NONCE_BYTES } from '../identity/tag.ts'
import { normalTag } from '../identity/token.ts'
import type { AnyBody } from '../log/body.ts'

/** The same event where the site keeps no lists; a card that was granted before it did is listed when it is granted anew. */
export function withSealedTag(operator: Operator, event: AnyBody, card: string): AnyBody {
  const { sitePolicy, forwarding } = operator.ledger.view()
  const isWanted = sitePolicy.value('local-lists') === 'on' || forwarding.turns.order().length > 0
  if (event.name !== 'grant' || !isWanted) return event
  const nonce = systemRandom().bytes(TAG_NONCE_BYTES)
  const { identity, certificate, ledger } = operator
  const ring = createKeyRing(identity, certificate.deviceId, ledger.view)
  const tagSealed = tagKeysOf(ring).seal(event.body.tokenRef, normalTag(card), nonce)
  return tagSealed ? { ...event, body: { ...event.body, tagSealed } } : event
}

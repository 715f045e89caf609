// Cards as an operator's tool knows them: by a reference under each key of the site that its folder holds. What is granted
// goes under the newest one, what is revoked under all, so that an island without the newest key knows it too (PROTOCOL 2.5).
import { MeshError } from '../errors.ts'
import { keyedReference, normalTag, stretchTag } from '../identity/token.ts'
import type { TokenRef } from '../units.ts'
import type { Operator } from './operator.ts'
import { createKeyRing, firstKeyOf, stretchingOf } from './tokens.ts'

const MAX_TAG_CHARS = 20

export type Card = {
  /** For what is granted from now on. */
  readonly tokenRef: TokenRef
  /** Every reference of the card, oldest key first. */
  readonly tokenRefs: readonly TokenRef[]
}

/** A group goes by the site's first key for ever, so that cards of before and after a rotation are of one group. */
export function groupsOf({ identity }: Operator): (name: string) => Promise<TokenRef> {
  return async name =>
    keyedReference(firstKeyOf(identity), await stretchTag(stretchingOf(identity), normalTag(name)))
}

/** Refuses with CONFIG_INVALID what is no card id (OCPP 1.6 IdToken). */
export function cardsOf({ identity, certificate, ledger }: Operator): (idTag: string) => Promise<Card> {
  const ring = createKeyRing(identity, certificate.deviceId, ledger.view)
  return async idTag => {
    const tag = normalTag(idTag)
    if (tag.length === 0 || tag.length > MAX_TAG_CHARS)
      throw new MeshError(
        'CONFIG_INVALID',
        `a card id has 1 to ${MAX_TAG_CHARS} characters (OCPP 1.6 IdToken), this one has ${tag.length}`,
      )
    const stretched = await stretchTag(stretchingOf(identity), tag)
    const tokenRefs = ring.keys().map(key => keyedReference(key, stretched))
    return { tokenRef: tokenRefs.at(-1) as TokenRef, tokenRefs }
  }
}

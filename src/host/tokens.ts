// Card references, remembered: the stretch costs 10 ms and more, so only the first tap of a card pays for it.

import { MeshError } from '../errors.ts'
import { createTagKeys, type TagKeys } from '../identity/tag.ts'
import { normalTag, type TokenSecret, tokenReference } from '../identity/token.ts'
import { type TokenRef, unhex } from '../units.ts'
import type { IdentityFile } from './identity-files.ts'

/** Cards remembered in memory; the oldest goes. */
const MAX_REMEMBERED = 10_000

export function tokenSecretIn(identity: IdentityFile): TokenSecret {
  const { siteKey, site } = identity
  if (siteKey === undefined)
    throw new MeshError('CONFIG_INVALID', `${identity.name} holds no site key: it cannot recognize cards`)
  return { siteKey: unhex(siteKey), salt: unhex(site.tokenSalt), cost: site.tokenCost }
}

/** For cards' own ids in the lists of chargers (PROTOCOL 2.5); without a site key nothing opens. */
export function tagKeysIn({ siteKey }: IdentityFile): TagKeys {
  return createTagKeys(siteKey === undefined ? [] : [unhex(siteKey)])
}

export function rememberingTokens(secret: TokenSecret): (idTag: string) => Promise<TokenRef> {
  const known = new Map<string, Promise<TokenRef>>()
  return idTag => {
    const tag = normalTag(idTag)
    const held = known.get(tag)
    if (held) return held
    const oldest = known.keys().next()
    if (known.size >= MAX_REMEMBERED && !oldest.done) known.delete(oldest.value)
    const made = tokenReference(secret, tag)
    known.set(tag, made)
    // A failure (no memory to stretch in) is of this moment, not of this card: the next tap tries again.
    made.catch(() => {
      if (known.get(tag) === made) known.delete(tag)
    })
    return made
  }
}

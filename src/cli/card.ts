// A card as it is named on the command line or in a CSV: what is on it, made normal, and the reference that is written.
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { rememberingTokens, tokenSecretIn } from '../host/tokens.ts'
import { normalTag } from '../identity/token.ts'
import type { TokenRef } from '../units.ts'

const MAX_TAG_CHARS = 20

/** Says what is wrong with it and never what it was: a card's id stands in no message. */
export function tagFault(tag: string): string | undefined {
  if (tag.length > 0 && tag.length <= MAX_TAG_CHARS) return undefined
  return `a card id has 1 to ${MAX_TAG_CHARS} characters (OCPP 1.6 IdToken), this one has ${tag.length}`
}

export function tagOf(card: string): string {
  const tag = normalTag(card)
  const fault = tagFault(tag)
  if (fault !== undefined) throw new MeshError('CONFIG_INVALID', fault)
  return tag
}

export function referencesOf(operator: Operator): (card: string) => Promise<TokenRef> {
  const reference = rememberingTokens(tokenSecretIn(operator.identity))
  return async card => await reference(tagOf(card))
}

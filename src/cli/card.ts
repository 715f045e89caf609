// A card's id as it is named on the command line or in a CSV, made normal before it goes anywhere.
import { MeshError } from '../errors.ts'
import { normalTag } from '../identity/token.ts'

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

// Card references, remembered: the stretch costs 10 ms and more, so only the first tap of a card pays for it. A site may
// have had several keys; a card has a reference under each, and goes by the one that the operator's list knows it by.

import { MeshError } from '../errors.ts'
import { openSiteKey } from '../identity/site-key.ts'
import { createTagKeys, TAG_NONCE_BYTES, type TagKeys } from '../identity/tag.ts'
import { keyedReference, normalTag, type Stretching, stretchTag } from '../identity/token.ts'
import type { Random } from '../ports.ts'
import { type DeviceId, type TokenRef, unhex } from '../units.ts'
import type { View } from '../view.ts'
import type { IdentityFile } from './identity-files.ts'
import { createTurns } from './turns.ts'

/** As many as passwords are checked at once beside it. */
const MAX_STRETCHES_AT_ONCE = 2
/** Cards remembered in memory; the oldest goes. */
const MAX_REMEMBERED = 10_000

export type Tokens = {
  /** The reference that a card goes by; the stretch runs on a thread of its own. */
  readonly reference: (idTag: string) => Promise<TokenRef>
  /** Every reference of a card that was read lately, that one first. */
  readonly aliases: (tokenRef: TokenRef) => readonly TokenRef[]
  /** The card's own id, where this process read it lately. */
  readonly tagOf: (tokenRef: TokenRef) => string | undefined
}

export type TokensDeps = {
  readonly stretching: Stretching
  /** Oldest first, and at least one. */
  readonly keys: () => readonly Uint8Array[]
  readonly policy: () => View['policy']
}

export function createTokens({ stretching, keys, policy }: TokensDeps): Tokens {
  const stretched = new Map<string, Promise<Uint8Array>>()
  const turns = createTurns(MAX_STRETCHES_AT_ONCE)
  const others = new Map<TokenRef, readonly TokenRef[]>()
  const tags = new Map<TokenRef, string>()

  const stretch = (tag: string): Promise<Uint8Array> => {
    const held = stretched.get(tag)
    if (held) return held
    forgetOldest(stretched)
    const made = turns.take(() => stretchTag(stretching, tag))
    stretched.set(tag, made)
    // A failure (no memory to stretch in) is of this moment, not of this card: the next tap tries again.
    made.catch(() => {
      if (stretched.get(tag) === made) stretched.delete(tag)
    })
    return made
  }
  return {
    reference: async idTag => {
      const tag = normalTag(idTag)
      const bytes = await stretch(tag)
      const refs = keys().map(key => keyedReference(key, bytes))
      const chosen = policy().namedBy(refs)
      if (refs.length > 1) {
        forgetOldest(others)
        others.set(chosen, [chosen, ...refs.filter(ref => ref !== chosen)])
      }
      forgetOldest(tags)
      tags.set(chosen, tag)
      return chosen
    },
    aliases: tokenRef => others.get(tokenRef) ?? [tokenRef],
    tagOf: tokenRef => tags.get(tokenRef),
  }
}

function forgetOldest(map: Map<string, unknown>): void {
  const oldest = map.keys().next()
  if (map.size >= MAX_REMEMBERED && !oldest.done) map.delete(oldest.value)
}

export function stretchingOf({ site }: IdentityFile): Stretching {
  return { salt: unhex(site.tokenSalt), cost: site.tokenCost }
}

export function firstKeyOf({ name, siteKey }: IdentityFile): Uint8Array {
  if (siteKey === undefined)
    throw new MeshError('CONFIG_INVALID', `${name} holds no site key: it cannot recognize cards`)
  return unhex(siteKey)
}

/** For cards' own ids in the lists of chargers (PROTOCOL 2.5), sealed with the newest key of the site. */
export function tagKeysOf(ring: KeyRing): TagKeys {
  let held: { readonly keys: readonly Uint8Array[]; readonly tags: TagKeys } | undefined
  const tags = (): TagKeys => {
    const keys = ring.keys()
    if (!held || held.keys.length !== keys.length) held = { keys, tags: createTagKeys(keys.toReversed()) }
    return held.tags
  }
  return { seal: (...words) => tags().seal(...words), open: (...words) => tags().open(...words) }
}

/** Seals the card that was read to whoever holds the site's key, for sites that tell an existing central system of sessions. */
export function sealingTags(
  keys: TagKeys,
  { tagOf }: Pick<Tokens, 'tagOf'>,
  random: Random,
): (tokenRef: TokenRef) => Uint8Array | undefined {
  return tokenRef => {
    const tag = tagOf(tokenRef)
    return tag === undefined ? undefined : keys.seal(tokenRef, tag, random.bytes(TAG_NONCE_BYTES))
  }
}

export type KeyRing = {
  /** The site's first key, and all later ones that this device was given, oldest first. */
  readonly keys: () => readonly Uint8Array[]
  /** The later ones by name; undefined where this device was not given the key. */
  readonly later: () => readonly { readonly keyId: string; readonly key: Uint8Array | undefined }[]
}

/** Opens what the operator's log has sealed to this device; nothing of it is written down. */
export function createKeyRing(identity: IdentityFile, deviceId: DeviceId, view: () => View): KeyRing {
  const first = firstKeyOf(identity)
  const self = { deviceId, sealKey: unhex(identity.keys.sealKey) }
  let seen: { readonly of: View['siteKeys']; readonly changes: number } | undefined
  let later: ReturnType<KeyRing['later']> = []
  const read = (): void => {
    const { siteKeys } = view()
    if (seen?.of === siteKeys && seen.changes === siteKeys.changes()) return
    seen = { of: siteKeys, changes: siteKeys.changes() }
    later = siteKeys.of(deviceId).map(({ keyId, boxes }) => ({ keyId, key: openSiteKey(self, keyId, boxes) }))
  }
  return {
    keys: () => {
      read()
      return [first, ...later.flatMap(({ key }) => key ?? [])]
    },
    later: () => {
      read()
      return later
    },
  }
}

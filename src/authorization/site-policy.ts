// What the operator has decided for the whole site, one entry a name in the issuer's log; the newest that can be read
// counts, and where there is none the safe default does. Order of arrival does not matter (PROTOCOL 2.2, 2.3).
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'

/** What each entry may say; the first word is the default. */
export const SITE_POLICIES = {
  /** A card that nobody granted. */
  'unknown-cards': ['refuse', 'accept'],
  /** When the operator was not heard of for seven days: smaller caps, or only cards that OCPI calls ALWAYS. */
  'stale-policy': ['reduced', 'allowlist'],
  /** A session that runs while its card is revoked. */
  'revoked-while-charging': ['stop', 'finish'],
  /** Whether chargers hold their own lists of cards; the cards' ids then lie sealed to the nodes in the grants. */
  'local-lists': ['off', 'on'],
} as const

export type SitePolicyName = keyof typeof SITE_POLICIES
export type SitePolicyValue<N extends SitePolicyName> = (typeof SITE_POLICIES)[N][number]
type Entry = { readonly ref: EventRef; readonly hlc: Hlc; readonly body: BodyOf<'policy'> }

export type SitePolicy = {
  readonly add: (entry: Entry) => void
  readonly value: <N extends SitePolicyName>(name: N) => SitePolicyValue<N>
}

export function isSitePolicy(name: string): name is SitePolicyName {
  return Object.hasOwn(SITE_POLICIES, name)
}

/** Whether newer software wrote what this cannot read, or the value is one that this knows. */
export function isSitePolicyValue(name: SitePolicyName, value: string): boolean {
  return (SITE_POLICIES[name] as readonly string[]).includes(value)
}

export function createSitePolicy(): SitePolicy {
  const held = new Map<SitePolicyName, Entry>()
  return {
    add: entry => {
      const { name, value } = entry.body
      if (!isSitePolicy(name) || !isSitePolicyValue(name, value)) return
      const before = held.get(name)
      if (!before || isNewer(entry, before)) held.set(name, entry)
    },
    value: <N extends SitePolicyName>(name: N) =>
      // Only readable values are held.
      (held.get(name)?.body.value ?? SITE_POLICIES[name][0]) as SitePolicyValue<N>,
  }
}

function isNewer(a: Entry, b: Entry): boolean {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  if (a.ref.logId !== b.ref.logId) return a.ref.logId > b.ref.logId
  return a.ref.seq > b.ref.seq
}

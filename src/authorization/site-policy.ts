// What the operator has decided for the whole site, one entry a name in the issuer's log; the newest that can be read
// counts, and where there is none the safe default does. Order of arrival does not matter (PROTOCOL 2.2, 2.3).
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { DeviceId } from '../units.ts'

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
  /** Whether nodes set chargers as the site needs them, or leave them as they are. */
  onboarding: ['on', 'off'],
} as const

/** Entries that are whole numbers, or empty for none; none by default unless one stands here. */
export const SITE_NUMBERS = {
  /** The most that one connector may give, in amperes of each phase. */
  'connector-cap-amps': { least: 6, most: 2000 },
  /** A session is ended after so long. */
  'max-session-minutes': { least: 1, most: 7 * 24 * 60 },
  /** A connector that measures more gives less until it is cooler. */
  'derate-above-celsius': { least: 30, most: 150, otherwise: 70 },
  /** Logs that the cloud has in two places are let go of by the nodes after so many days. */
  'retention-days': { least: 7, most: 3650, otherwise: 30 },
} as const

/** Entries that name classes of cards, with commas between them; none by default. */
export const SITE_CLASS_LISTS = {
  /** These charge however long the operator was not heard of: a fleet, an ambulance. */
  'always-allow': /^([A-Za-z0-9_-]{1,24}(,[A-Za-z0-9_-]{1,24}){0,15})?$/,
} as const

/** Entries that name devices by their ids, with commas between them; none by default. */
export const SITE_DEVICE_LISTS = {
  /** Who may tell existing central systems of sessions, and in which order; the first does, from this entry on. */
  forwarders: /^([0-9a-f]{32}(,[0-9a-f]{32}){0,15})?$/,
} as const

export type SiteChoiceName = keyof typeof SITE_POLICIES
export type SiteClassesName = keyof typeof SITE_CLASS_LISTS
export type SiteNumberName = keyof typeof SITE_NUMBERS
export type SiteDevicesName = keyof typeof SITE_DEVICE_LISTS
export type SitePolicyName = SiteChoiceName | SiteClassesName | SiteNumberName | SiteDevicesName
export type SitePolicyValue<N extends SiteChoiceName> = (typeof SITE_POLICIES)[N][number]
type Entry = { readonly ref: EventRef; readonly hlc: Hlc; readonly body: BodyOf<'policy'> }

export type SitePolicy = {
  readonly add: (entry: Entry) => void
  readonly value: <N extends SiteChoiceName>(name: N) => SitePolicyValue<N>
  readonly classes: (name: SiteClassesName) => readonly string[]
  readonly number: (name: SiteNumberName) => number | undefined
  /** What was said last, as it was written; undefined where the default counts. */
  readonly said: (name: SitePolicyName) => string | undefined
}

export const SITE_POLICY_NAMES = [
  ...Object.keys(SITE_POLICIES),
  ...Object.keys(SITE_CLASS_LISTS),
  ...Object.keys(SITE_NUMBERS),
  ...Object.keys(SITE_DEVICE_LISTS),
] as readonly SitePolicyName[]

export function isSitePolicy(name: string): name is SitePolicyName {
  return (SITE_POLICY_NAMES as readonly string[]).includes(name)
}

/** Whether newer software wrote what this cannot read, or the value is one that this knows. */
export function isSitePolicyValue(name: SitePolicyName, value: string): boolean {
  if (isClassList(name)) return SITE_CLASS_LISTS[name].test(value)
  if (isDeviceList(name)) return SITE_DEVICE_LISTS[name].test(value)
  if (isNumber(name)) return value === '' || isWithin(name, value)
  return (SITE_POLICIES[name] as readonly string[]).includes(value)
}

/** In words, for people: the values that an entry may have. */
export function allowedValues(name: SitePolicyName): string {
  if (isClassList(name)) return 'up to 16 classes of cards with commas between them, or "" for none'
  if (isDeviceList(name)) return 'up to 16 nodes with commas between them, or "" for none'
  if (isNumber(name)) return `${SITE_NUMBERS[name].least} to ${SITE_NUMBERS[name].most}, or "" for none`
  return SITE_POLICIES[name].join(' or ')
}

/** As it would be written. */
export function defaultValue(name: SitePolicyName): string {
  if (isNumber(name)) return String(otherwise(name) ?? '')
  return isClassList(name) || isDeviceList(name) ? '' : SITE_POLICIES[name][0]
}

export function createSitePolicy(): SitePolicy {
  const held = new Map<SitePolicyName, Entry>()
  const said = (name: SitePolicyName): string | undefined => held.get(name)?.body.value
  return {
    add: entry => {
      const { name, value } = entry.body
      if (!isSitePolicy(name) || !isSitePolicyValue(name, value)) return
      const before = held.get(name)
      if (!before || isNewer(entry, before)) held.set(name, entry)
    },
    said,
    value: <N extends SiteChoiceName>(name: N) =>
      // Only readable values are held.
      (said(name) ?? SITE_POLICIES[name][0]) as SitePolicyValue<N>,
    number: name => {
      const value = said(name)
      if (value === undefined) return otherwise(name)
      return value === '' ? undefined : Number(value)
    },
    classes: name => (said(name) ?? '').split(',').filter(word => word !== ''),
  }
}

function isClassList(name: SitePolicyName): name is SiteClassesName {
  return Object.hasOwn(SITE_CLASS_LISTS, name)
}

export function isDeviceList(name: SitePolicyName): name is SiteDevicesName {
  return Object.hasOwn(SITE_DEVICE_LISTS, name)
}

export function devicesIn(value: string): readonly DeviceId[] {
  return value.split(',').filter(word => word !== '') as DeviceId[]
}

function isNumber(name: SitePolicyName): name is SiteNumberName {
  return Object.hasOwn(SITE_NUMBERS, name)
}

function isWithin(name: SiteNumberName, value: string): boolean {
  const { least, most } = SITE_NUMBERS[name]
  return /^\d{1,6}$/.test(value) && Number(value) >= least && Number(value) <= most
}

function otherwise(name: SiteNumberName): number | undefined {
  const bounds: { readonly least: number; readonly otherwise?: number } = SITE_NUMBERS[name]
  return bounds.otherwise
}

function isNewer(a: Entry, b: Entry): boolean {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  if (a.ref.logId !== b.ref.logId) return a.ref.logId > b.ref.logId
  return a.ref.seq > b.ref.seq
}

// The terms of a tariff that is more than a price of energy, in OCPI's structure (OCPI 2.2.1 and 2.3.0, mod_tariffs, Tariff
// object), as they stand in a `tariff` event. They hold all that a price needs, the site's hours of the day too: two
// computers with time zone tables of different years would else come to different bills.
import {
  fromBytes,
  int,
  listOf,
  MalformedBytes,
  oneOf,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { chargerId, decimal } from '../log/fields.ts'

/** OCPI TariffDimensionType. ENERGY in kWh, TIME and PARKING_TIME in hours, FLAT once. */
export const DIMENSIONS = ['ENERGY', 'FLAT', 'PARKING_TIME', 'TIME'] as const
export type Dimension = (typeof DIMENSIONS)[number]
export const DAYS_OF_WEEK = [
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
  'SUNDAY',
] as const
export const TAX_INCLUDED = ['YES', 'NO', 'N/A'] as const
export const TARIFF_TYPES = [
  'AD_HOC_PAYMENT',
  'PROFILE_CHEAP',
  'PROFILE_FAST',
  'PROFILE_GREEN',
  'REGULAR',
] as const

const PRICE_COMPONENT = record({
  type: oneOf(DIMENSIONS),
  /** Per kWh, per hour, or once; with or without taxes as `taxIncluded` says. */
  price: decimal,
  /** Percent; absent: no tax. */
  vat: optional(decimal),
  /** In Wh or in seconds: what was used is rounded up to it, once a session (OCPI mod_cdrs, step_size). */
  stepSize: uint,
})

/** All that are there must hold at once. From (inclusive), until (exclusive). */
const RESTRICTIONS = record({
  /** Local minutes of the day, 0 to 1439. An end at or before the start is on the next day. */
  startMinute: optional(uint),
  endMinute: optional(uint),
  /** Local days, such as 2026-12-24. */
  startDate: optional(text(10)),
  endDate: optional(text(10)),
  minKwh: optional(decimal),
  maxKwh: optional(decimal),
  /** Sum over all phases, in A. */
  minCurrent: optional(decimal),
  maxCurrent: optional(decimal),
  /** kW. */
  minPower: optional(decimal),
  maxPower: optional(decimal),
  /** Seconds since the session began. */
  minDurationS: optional(uint),
  maxDurationS: optional(uint),
  daysOfWeek: listOf(oneOf(DAYS_OF_WEEK), 7),
})

const ELEMENT = record({ components: listOf(PRICE_COMPONENT, 8), restrictions: optional(RESTRICTIONS) })

/** `afterTaxes` where it says so too; both hold. */
const LIMIT = record({ beforeTaxes: decimal, afterTaxes: optional(decimal) })

export const TERMS = record({
  /** Of those with a component of one dimension, the first whose restrictions hold is used. */
  elements: listOf(ELEMENT, 64),
  minPrice: optional(LIMIT),
  maxPrice: optional(LIMIT),
  taxIncluded: oneOf(TAX_INCLUDED),
  /** Whose tariff it is: OCPI country_code and party_id. */
  countryCode: text(2),
  partyId: text(3),
  /** For which cards; absent: for all. */
  type: optional(oneOf(TARIFF_TYPES)),
  /** Where and for whom; an empty list: everywhere, everybody. */
  scope: record({
    chargers: listOf(chargerId, 64),
    zones: listOf(text(48), 16),
    connectorTypes: listOf(text(24), 16),
    /** Classes of cards, as grants name them. */
    classes: listOf(text(24), 16),
  }),
  /** From then on it starts no session any more (ms). */
  endsAt: optional(uint),
  /** IANA name, for people; what counts are the offsets. */
  timeZone: text(48),
  /** Minutes east of UTC, each from an instant (ms) on, in order; the first also before it. As the issuer's tables had them. */
  offsets: listOf(record({ fromAt: uint, minutes: int }), 64),
  altText: optional(text(512)),
  /** What else its OCPI object says, as JSON: kept for who exports it, and counts for nothing. */
  carried: optional(text(3000)),
})

export type Terms = Value<typeof TERMS>
export type TariffElement = Terms['elements'][number]
export type PriceComponent = TariffElement['components'][number]
export type Restrictions = NonNullable<TariffElement['restrictions']>
export type PriceLimit = NonNullable<Terms['minPrice']>

export function encodeTerms(terms: Terms): Uint8Array {
  return toBytes(TERMS, terms)
}

/** What the bytes of a tariff event say, or undefined where they are not terms that we can read. */
export function decodeTerms(encoded: Uint8Array): Terms | undefined {
  try {
    return fromBytes(TERMS, encoded)
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

// OCPI's Tariff object (2.2.1 and 2.3.0, mod_tariffs) and what stands of it in a tariff event, both ways. Whoever reads the
// file has checked its shape; here its values are read, and what cannot be kept or computed with is named, with what could.
import type { BodyOf } from '../log/body.ts'
import { highestEnergyPrice } from './highest.ts'
import {
  AMOUNT_WANTED,
  decimalOf,
  type Fault,
  type OcpiComponent,
  type OcpiLimit,
  type OcpiTariff,
  type Say,
} from './ocpi-object.ts'
import { restrictionsOf } from './ocpi-restrictions.ts'
import { decimalsIn, isCurrency } from './price.ts'
import { reachFaults } from './reach.ts'
import {
  type Dimension,
  encodeTerms,
  type PriceComponent,
  type PriceLimit,
  type TariffElement,
  type Terms,
} from './terms.ts'

/** Kept for who exports it; no price comes of it. Anything else is kept as well, and named. */
const CARRIED = ['tariff_alt_text', 'tariff_alt_url', 'energy_mix', 'last_updated', 'preauthorize_amount']
const READ = [
  ...['country_code', 'party_id', 'id', 'currency', 'type', 'min_price', 'max_price', 'elements'],
  'tax_included',
]
const MAX_ELEMENTS = 64
const MAX_COMPONENTS = 8
export const MAX_TERMS_BYTES = 6000
export const MAX_CARRIED = 3000
const OCPI_DIGITS = 4

/** What the file does not say: the site's own time, and where and for whom the tariff is. */
export type Setting = Pick<Terms, 'scope' | 'timeZone' | 'offsets'>

export type Reading = {
  /** Undefined where there are faults. `effectiveAt` is for the caller to say. */
  readonly tariff?: Omit<BodyOf<'tariff'>, 'effectiveAt'> & { readonly terms: Terms }
  readonly startsAt?: number
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
}

export function readTariff(given: OcpiTariff, setting: Setting): Reading {
  const faults: Fault[] = []
  const warnings: Fault[] = []
  const fault: Say = (field, value, wanted, element) =>
    void faults.push({ field, value, wanted, ...(element !== undefined && { element }) })
  const warn: Say = (field, value, wanted, element) =>
    void warnings.push({ field, value, wanted, ...(element !== undefined && { element }) })
  readWords(given, { fault, warn })
  const startsAt = instantOf('start_date_time', given.start_date_time, fault)
  const endsAt = instantOf('end_date_time', given.end_date_time, fault)
  if (startsAt !== undefined && endsAt !== undefined && endsAt <= startsAt)
    fault('end_date_time', given.end_date_time, 'later than start_date_time')
  const taxIncluded = given.tax_included ?? 'NO'
  const minPrice = limitOf('min_price', given.min_price, fault)
  const maxPrice = limitOf('max_price', given.max_price, fault)
  if (minPrice && maxPrice && !isAtMost(minPrice, maxPrice))
    fault('min_price', minPrice.beforeTaxes, `at most max_price (${maxPrice.beforeTaxes})`)
  const elements = elementsOf(given, { fault, warn, taxIncluded })
  const carried = carriedOf(given)
  if (carried.length > MAX_CARRIED)
    fault(
      'tariff_alt_text and energy_mix',
      `${carried.length} characters`,
      `at most ${MAX_CARRIED} with all else that is no price`,
    )
  if (faults.length === 0) {
    const reach = reachFaults(elements)
    faults.push(...reach.faults)
    warnings.push(...reach.warnings)
  }
  if (faults.length > 0) return { faults, warnings }
  const terms: Terms = {
    elements,
    ...(minPrice && { minPrice }),
    ...(maxPrice && { maxPrice }),
    ...{ taxIncluded, countryCode: given.country_code, partyId: given.party_id },
    ...(given.type && { type: given.type }),
    ...setting,
    ...(endsAt !== undefined && { endsAt }),
    ...(carried !== '{}' && { carried }),
  }
  const encoded = encodeTerms(terms)
  if (encoded.length > MAX_TERMS_BYTES) {
    fault('elements', `${encoded.length} bytes`, `at most ${MAX_TERMS_BYTES}: split it into several tariffs`)
    return { faults, warnings }
  }
  const { id: tariffId, currency } = given
  return {
    tariff: { tariffId, currency, pricePerKwh: highestEnergyPrice(terms), elements: encoded, terms },
    ...(startsAt !== undefined && { startsAt }),
    ...{ faults, warnings },
  }
}

type Saying = { readonly fault: Say; readonly warn: Say }

function readWords(given: OcpiTariff, { fault, warn }: Saying): void {
  const { country_code, party_id, id, currency, type } = given
  if (!/^[A-Za-z]{2}$/.test(country_code)) fault('country_code', country_code, 'two letters (ISO 3166)')
  if (!/^[A-Za-z0-9]{1,3}$/.test(party_id)) fault('party_id', party_id, 'one to three letters or digits')
  if (!/^[\x21-\x7e]{1,36}$/.test(id)) fault('id', id, '1 to 36 printable characters without blanks')
  if (!isCurrency(currency)) fault('currency', currency, 'three capital letters (ISO 4217)')
  if (type?.startsWith('PROFILE_'))
    warn('type', type, 'never chosen: no driver can state a charging preference yet')
  for (const name of Object.keys(given))
    if (![...READ, ...CARRIED, 'start_date_time', 'end_date_time'].includes(name))
      warn(name, given[name], 'no field that is known: it is kept, and counts for nothing')
}

function elementsOf(
  { elements }: OcpiTariff,
  saying: Saying & { readonly taxIncluded: Terms['taxIncluded'] },
): readonly TariffElement[] {
  if (elements.length === 0 || elements.length > MAX_ELEMENTS)
    saying.fault('elements', `${elements.length} of them`, `1 to ${MAX_ELEMENTS}`)
  return elements.slice(0, MAX_ELEMENTS).map((element, i) => {
    const { price_components: given, restrictions } = element
    if (given.length === 0 || given.length > MAX_COMPONENTS)
      saying.fault('price_components', `${given.length} of them`, `1 to ${MAX_COMPONENTS}`, i + 1)
    const components = given.slice(0, MAX_COMPONENTS).map(one => componentOf(one, i + 1, saying))
    const read = restrictions && restrictionsOf(restrictions, i + 1, saying)
    return { components, ...(read && { restrictions: read }) }
  })
}

function componentOf(
  { type, price, vat, step_size }: OcpiComponent,
  element: number,
  { fault, warn, taxIncluded }: Saying & { readonly taxIncluded: Terms['taxIncluded'] },
): PriceComponent {
  const read = decimalOf(price)
  if (read === undefined) fault(`${type} price`, price, AMOUNT_WANTED, element)
  else if (decimalsIn(read) > OCPI_DIGITS)
    warn(
      `${type} price`,
      price,
      `OCPI has ${OCPI_DIGITS} digits behind the point: others may round it`,
      element,
    )
  const percent = vat === undefined ? undefined : decimalOf(vat)
  if (
    vat !== undefined &&
    (percent === undefined || Number(percent) > 100 || !/^\d+(\.\d{1,4})?$/.test(percent))
  )
    fault(`${type} vat`, vat, 'percent, 0 to 100, with up to 4 digits behind the point', element)
  if (vat !== undefined && taxIncluded === 'N/A')
    fault(`${type} vat`, vat, 'none: tax_included says that no taxes apply', element)
  const least = type === 'FLAT' ? 0 : 1
  if (!Number.isSafeInteger(step_size) || step_size < least || step_size > MAX_STEP)
    fault(
      `${type} step_size`,
      step_size,
      `a whole number from ${least} to ${MAX_STEP} (${UNITS[type]})`,
      element,
    )
  return {
    ...{ type, price: read ?? '0', stepSize: step_size },
    ...(percent !== undefined && { vat: percent }),
  }
}

/** A month of seconds, or 2.7 MWh. */
const MAX_STEP = 2_678_400
const UNITS: Readonly<Record<Dimension, string>> = {
  ENERGY: 'Wh',
  FLAT: 'it has no unit',
  PARKING_TIME: 'seconds',
  TIME: 'seconds',
}

function limitOf(field: string, given: OcpiLimit | undefined, fault: Say): PriceLimit | undefined {
  if (!given) return undefined
  const before = given.before_taxes ?? given.excl_vat
  const after = given.after_taxes ?? given.incl_vat
  const [beforeTaxes, afterTaxes] = [before, after].map(one =>
    one === undefined ? undefined : decimalOf(one),
  )
  if (beforeTaxes === undefined) fault(`${field}.before_taxes`, before, AMOUNT_WANTED)
  if (after !== undefined && afterTaxes === undefined) fault(`${field}.after_taxes`, after, AMOUNT_WANTED)
  if (afterTaxes !== undefined && beforeTaxes !== undefined && Number(afterTaxes) < Number(beforeTaxes))
    fault(`${field}.after_taxes`, after, `at least what it is before taxes (${beforeTaxes})`)
  return { beforeTaxes: beforeTaxes ?? '0', ...(afterTaxes !== undefined && { afterTaxes }) }
}

/** Fifteen digits compare exactly as numbers. */
function isAtMost(least: PriceLimit, most: PriceLimit): boolean {
  if (Number(least.beforeTaxes) > Number(most.beforeTaxes)) return false
  return Number(least.afterTaxes ?? 0) <= Number(most.afterTaxes ?? Number.POSITIVE_INFINITY)
}

function instantOf(field: string, text: string | undefined, fault: Say): number | undefined {
  if (text === undefined) return undefined
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z?$/.test(text)
    ? Date.parse(text.endsWith('Z') ? text : `${text}Z`)
    : Number.NaN
  if (at >= 0) return at
  fault(field, text, 'a time in UTC, such as 2026-12-31T23:00:00Z')
  return undefined
}

function carriedOf(given: OcpiTariff): string {
  return JSON.stringify(Object.fromEntries(Object.entries(given).filter(([name]) => !READ.includes(name))))
}

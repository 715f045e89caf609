// A tariff as OCPI's object, for whoever takes it elsewhere. What came in as such an object goes out as the same.
import type { Amount, OcpiElement, OcpiLimit, OcpiTariff } from './ocpi-object.ts'
import type { Tariff } from './tariffs.ts'
import type { PriceComponent, PriceLimit, Restrictions, Terms } from './terms.ts'

export const OCPI_VERSIONS = ['2.2.1', '2.3.0'] as const
export type OcpiVersion = (typeof OCPI_VERSIONS)[number]
/** In whose name a tariff goes out that names none. */
export type Party = { readonly countryCode: string; readonly partyId: string }

export type Exported =
  | { readonly kind: 'tariff'; readonly tariff: OcpiTariff }
  | { readonly kind: 'refused'; readonly why: string }

type Exportable = Pick<Tariff, 'tariffId' | 'currency' | 'pricePerKwh' | 'effectiveAt' | 'terms' | 'elements'>

export function exportTariff(tariff: Exportable, version: OcpiVersion, party?: Party): Exported {
  const { tariffId: id, currency, terms } = tariff
  if (!terms) return plain(tariff, version, party)
  if (version === '2.2.1' && terms.taxIncluded === 'YES')
    return { kind: 'refused', why: 'OCPI 2.2.1 has no prices with taxes included; 2.3.0 has' }
  const { minPrice, maxPrice, taxIncluded } = terms
  return {
    kind: 'tariff',
    tariff: {
      ...{ country_code: terms.countryCode, party_id: terms.partyId, id, currency },
      ...(terms.type && { type: terms.type }),
      ...(minPrice && { min_price: limitOf(minPrice, version) }),
      ...(maxPrice && { max_price: limitOf(maxPrice, version) }),
      elements: terms.elements.map(({ components, restrictions }) => ({
        price_components: components.map(componentOf),
        ...(restrictions && { restrictions: restrictionsOf(restrictions) }),
      })),
      ...(version === '2.3.0' && { tax_included: taxIncluded }),
      ...carriedIn(terms),
    },
  }
}

/** A price of energy alone: no taxes are stated. */
function plain(tariff: Exportable, version: OcpiVersion, party: Party | undefined): Exported {
  const { tariffId: id, currency, pricePerKwh, effectiveAt } = tariff
  if (tariff.elements)
    return { kind: 'refused', why: 'its terms cannot be read here: newer software wrote them' }
  if (!party) return { kind: 'refused', why: 'OCPI asks for country and party, and it names none' }
  const at = `${new Date(effectiveAt).toISOString().slice(0, 19)}Z`
  return {
    kind: 'tariff',
    tariff: {
      ...{ country_code: party.countryCode, party_id: party.partyId, id, currency },
      elements: [{ price_components: [{ type: 'ENERGY', price: amountOf(pricePerKwh), step_size: 1 }] }],
      ...(version === '2.3.0' && { tax_included: 'N/A' }),
      ...{ start_date_time: at, last_updated: at },
    },
  }
}

function componentOf({
  type,
  price,
  vat,
  stepSize,
}: PriceComponent): OcpiElement['price_components'][number] {
  return {
    ...{ type, price: amountOf(price) },
    ...(vat !== undefined && { vat: amountOf(vat) }),
    step_size: stepSize,
  }
}

function restrictionsOf(given: Restrictions): NonNullable<OcpiElement['restrictions']> {
  const { startMinute, endMinute, startDate, endDate, daysOfWeek } = given
  const { minKwh, maxKwh, minPower, maxPower, minDurationS, maxDurationS } = given
  return {
    ...(startMinute !== undefined && { start_time: clockOf(startMinute) }),
    ...(endMinute !== undefined && { end_time: clockOf(endMinute) }),
    ...(startDate !== undefined && { start_date: startDate }),
    ...(endDate !== undefined && { end_date: endDate }),
    ...(minKwh !== undefined && { min_kwh: amountOf(minKwh) }),
    ...(maxKwh !== undefined && { max_kwh: amountOf(maxKwh) }),
    ...(minPower !== undefined && { min_power: amountOf(minPower) }),
    ...(maxPower !== undefined && { max_power: amountOf(maxPower) }),
    ...(minDurationS !== undefined && { min_duration: minDurationS }),
    ...(maxDurationS !== undefined && { max_duration: maxDurationS }),
    ...(daysOfWeek.length > 0 && { day_of_week: daysOfWeek }),
  }
}

/** 07:30 of 450 minutes. */
export function clockOf(minute: number): string {
  return [Math.floor(minute / 60), minute % 60].map(part => String(part).padStart(2, '0')).join(':')
}

function limitOf({ beforeTaxes, afterTaxes }: PriceLimit, version: OcpiVersion): OcpiLimit {
  const [before, after] =
    version === '2.2.1' ? (['excl_vat', 'incl_vat'] as const) : (['before_taxes', 'after_taxes'] as const)
  return {
    [before]: amountOf(beforeTaxes),
    ...(afterTaxes !== undefined && { [after]: amountOf(afterTaxes) }),
  }
}

/** A number where it says exactly the same, else the text. */
function amountOf(text: string): Amount {
  const plain = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return String(Number(plain)) === plain ? Number(plain) : text
}

function carriedIn({ carried }: Terms): Readonly<Record<string, unknown>> {
  if (carried === undefined) return {}
  try {
    const read: unknown = JSON.parse(carried)
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? { ...read } : {}
  } catch (error) {
    // Signed by an issuer all the same: what it asks is said, without what it carries.
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

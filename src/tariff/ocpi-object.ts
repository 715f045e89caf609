// OCPI's Tariff object as it stands in a file, its shape checked, its values not: numbers are exact decimals here, whatever
// they were written as.
import type { Dimension, TARIFF_TYPES, TAX_INCLUDED } from './terms.ts'

/** A JSON number, or its text. */
export type Amount = number | string
export type OcpiLimit = {
  readonly excl_vat?: Amount | undefined
  readonly incl_vat?: Amount | undefined
  readonly before_taxes?: Amount | undefined
  readonly after_taxes?: Amount | undefined
}
export type OcpiComponent = {
  readonly type: Dimension
  readonly price: Amount
  readonly vat?: Amount | undefined
  readonly step_size: number
}
export type OcpiRestrictions = {
  readonly [name in (typeof RESTRICTION_TEXTS)[number]]?: string | undefined
} & { readonly [name in (typeof RESTRICTION_AMOUNTS)[number]]?: Amount | undefined } & {
  readonly min_duration?: number | undefined
  readonly max_duration?: number | undefined
  readonly day_of_week?: readonly string[] | undefined
}
export type OcpiElement = {
  readonly price_components: readonly OcpiComponent[]
  readonly restrictions?: OcpiRestrictions | undefined
}
export type OcpiTariff = {
  readonly country_code: string
  readonly party_id: string
  readonly id: string
  readonly currency: string
  readonly type?: (typeof TARIFF_TYPES)[number] | undefined
  readonly min_price?: OcpiLimit | undefined
  readonly max_price?: OcpiLimit | undefined
  readonly elements: readonly OcpiElement[]
  /** 2.3.0 only; prices of 2.2.1 are without taxes. */
  readonly tax_included?: (typeof TAX_INCLUDED)[number] | undefined
  readonly start_date_time?: string | undefined
  readonly end_date_time?: string | undefined
  readonly [other: string]: unknown
}

export const RESTRICTION_TEXTS = ['start_time', 'end_time', 'start_date', 'end_date', 'reservation'] as const
export const RESTRICTION_AMOUNTS = [
  'min_kwh',
  'max_kwh',
  'min_current',
  'max_current',
  'min_power',
  'max_power',
] as const

/** A JSON number holds fifteen digits exactly, whoever reads it; OCPI itself speaks of four behind the point. */
const AMOUNT = /^\d{1,9}(\.\d{1,6})?$/

/** Exact text of a number that a plain decimal holds; undefined for any other. */
export function decimalOf(amount: Amount): string | undefined {
  const text = typeof amount === 'number' ? String(amount) : amount
  if (!AMOUNT.test(text)) return undefined
  const [whole = '', fraction = ''] = text.split('.')
  const digits = fraction.replace(/0+$/, '')
  return `${whole.replace(/^0+(?=\d)/, '')}${digits === '' ? '' : `.${digits}`}`
}

export const AMOUNT_WANTED =
  'a number that is not negative, with up to 9 digits before the point and 6 behind'

/** What is wrong, and what would be right; of a warning, what comes of it. */
export type Fault = {
  /** From 1. */
  readonly element?: number
  readonly field: string
  readonly value: unknown
  readonly wanted: string
}
export type Say = (field: string, value: unknown, wanted: string, element?: number) => void

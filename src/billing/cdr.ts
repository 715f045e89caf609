// OCPI charge detail records (mod_cdrs of 2.2.1 and 2.3.0) from one revision of a bill. A CDR is never changed: a correction
// is a credit CDR for the one that stands, and a new one with the whole amount, so that the sum over all CDRs of a session
// is the sum of its revisions. Everything is made from what the revision itself says: whoever exports again writes the same.
import { MeshError } from '../errors.ts'
import type { ChargingPeriod, Cost, CostPart } from '../tariff/cost.ts'
import type { OcpiVersion } from '../tariff/ocpi-out.ts'
import { addAmounts, subtractAmounts } from '../tariff/price.ts'
import { rounded, type Split } from '../tariff/split.ts'
import type { Place } from './location.ts'
import type { Settled, Standing } from './settled.ts'

export type Cdr = Readonly<Record<string, unknown>>

export type CdrTerms = {
  readonly version: OcpiVersion
  readonly place: Place
  /** The card's own id, where that was opened. */
  readonly cardId?: string
  /** The tariff in the version's own shape. */
  readonly tariff?: Readonly<Record<string, unknown>>
  readonly signedData?: Readonly<Record<string, unknown>>
}

/** Behind the id of what is credited (mod_cdrs, Credit CDRs). */
const CREDIT_SUFFIX = '-C'
/** OCPI's number: four decimals unless said otherwise. */
const DIGITS = 4
const PRINTABLE = /^[ -~]+$/

/** One for an invoice; for a correction the credit of what stood, then the whole anew. */
export function cdrsOf(settled: Settled, terms: CdrTerms): readonly Cdr[] {
  const made = cdrOf(settled, settled, terms)
  if (!settled.before) return [made]
  const { before } = settled
  const credited = {
    ...cdrOf(settled, before, terms),
    id: `${before.billId}${CREDIT_SUFFIX}`,
    total_cost: priceOf(negated(before.whole), terms),
    credit: true,
    credit_reference_id: before.billId,
    last_updated: isoOf(settled.issuedAt),
  }
  return [credited, made]
}

function cdrOf(settled: Settled, standing: Standing, terms: CdrTerms): Cdr {
  const { session, card, sessionId } = settled
  const { place, signedData, tariff } = terms
  const { country_code, party_id } = place
  const { cost, whole } = standing
  const { from, to } = spanOf(settled, standing)
  const tariffId = settled.tariff && PRINTABLE.test(settled.tariff.id) ? settled.tariff.id : undefined
  const periods = cost?.periods ?? [
    { startedAt: from, energyWh: standing.energyWh, chargingS: to - from, parkingS: 0 },
  ]
  const parkingS = periods.reduce((sum, one) => sum + one.parkingS, 0)
  const isWhole = cost !== undefined && subtractAmounts(cost.total, whole.amount) === '0'
  return {
    ...{ country_code, party_id, id: standing.billId },
    start_date_time: isoOf(from * 1000),
    end_date_time: isoOf(to * 1000),
    session_id: sessionId,
    cdr_token: {
      ...{ country_code, party_id, uid: terms.cardId ?? card.tokenRef },
      // A reference is no card's id, and says so.
      type: terms.cardId === undefined ? 'OTHER' : 'RFID',
      contract_id: card.accountRef ?? card.tokenRef,
    },
    auth_method: 'WHITELIST',
    cdr_location: place.cdr_location,
    currency: standing.currency,
    ...(tariff && { tariffs: [tariff] }),
    charging_periods: periods.map(period => periodOf(period, tariffId)),
    ...(signedData && { signed_data: signedData }),
    total_cost: priceOf(whole, terms),
    // Of an amount that a person set, or that was paid back in part, no part is known.
    ...(isWhole && partsOf(cost, terms)),
    total_energy: standing.energyWh / 1000,
    total_time: hoursOf(to - from),
    ...(parkingS > 0 && { total_parking_time: hoursOf(parkingS) }),
    remark: `${standing.reason}, revision ${standing.revision} of ${session.chargerId}`,
    last_updated: isoOf(standing.issuedAt),
  }
}

type Span = { readonly from: number; readonly to: number }

/** In seconds; as it was when the revision was written, which facts that came later do not change. */
function spanOf({ session }: Settled, { cost }: Standing): Span {
  const [first] = cost?.periods ?? []
  const last = cost?.periods.at(-1)
  if (first && last) return { from: first.startedAt, to: cost?.stoppedAt ?? endOf(last) }
  const from = secondsOf(session.started.at)
  return { from, to: Math.max(from, secondsOf((session.ended ?? session.started).at)) }
}

function endOf({ startedAt, chargingS, parkingS }: ChargingPeriod): number {
  return startedAt + chargingS + parkingS
}

function periodOf(period: ChargingPeriod, tariffId: string | undefined): Cdr {
  const measured = [
    { type: 'ENERGY', volume: period.energyWh / 1000 },
    { type: 'TIME', volume: hoursOf(period.chargingS) },
    { type: 'PARKING_TIME', volume: hoursOf(period.parkingS) },
  ].filter(({ volume }) => volume > 0)
  return {
    start_date_time: isoOf(period.startedAt * 1000),
    dimensions: measured.length > 0 ? measured : [{ type: 'ENERGY', volume: 0 }],
    ...(tariffId !== undefined && { tariff_id: tariffId }),
  }
}

const PART_FIELDS: readonly (readonly [CostPart['type'], string])[] = [
  ['FLAT', 'total_fixed_cost'],
  ['ENERGY', 'total_energy_cost'],
  ['TIME', 'total_time_cost'],
  ['PARKING_TIME', 'total_parking_cost'],
]

function partsOf(cost: Cost, terms: CdrTerms): Cdr {
  const fields = PART_FIELDS.flatMap(([type, field]) => {
    const parts = cost.parts.filter(part => part.type === type)
    return parts.length === 0 ? [] : [[field, priceOf(sumOf(parts), terms)] as const]
  })
  return Object.fromEntries(fields)
}

function sumOf(parts: readonly CostPart[]): Split {
  const taxOf = (part: CostPart): string => subtractAmounts(part.afterTaxes, part.beforeTaxes)
  const add = (amounts: readonly string[]): string => rounded(amounts.reduce(addAmounts, '0'), DIGITS)
  const rates = [...new Set(parts.flatMap(part => part.vat ?? []))]
  return {
    amount: add(parts.map(part => part.afterTaxes)),
    beforeTaxes: add(parts.map(part => part.beforeTaxes)),
    taxes: rates.map(vat => ({ vat, amount: add(parts.filter(part => part.vat === vat).map(taxOf)) })),
  }
}

/** Price: with one word on taxes in 2.2.1, and each tax by name in 2.3.0. */
function priceOf({ amount, beforeTaxes, taxes }: Split, { version, place }: CdrTerms): Cdr {
  if (version === '2.2.1') return { excl_vat: numberOf(beforeTaxes), incl_vat: numberOf(amount) }
  const named = taxes.map(tax => ({
    ...{ name: place.tax_name, percentage: numberOf(tax.vat), amount: numberOf(tax.amount) },
  }))
  return { before_taxes: numberOf(beforeTaxes), taxes: named }
}

function negated({ amount, beforeTaxes, taxes }: Split): Split {
  const minus = (text: string): string => subtractAmounts('0', text)
  return {
    ...{ amount: minus(amount), beforeTaxes: minus(beforeTaxes) },
    taxes: taxes.map(tax => ({ ...tax, amount: minus(tax.amount) })),
  }
}

/** A decimal as a JSON number, which is written as it was read: doubles hold every decimal of 15 digits apart. */
function numberOf(decimal: string): number {
  const number = Number(decimal)
  if (decimal.replace(/[-.]|^-?0\./g, '').length > 15 || !Number.isFinite(number))
    throw new MeshError(
      'CONFIG_INVALID',
      `the amount ${decimal} has more digits than a JSON number holds; csv and jsonl have it exactly`,
    )
  // Minus zero is no amount.
  return number === 0 ? 0 : number
}

function hoursOf(seconds: number): number {
  return Math.round((seconds * 10 ** DIGITS) / 3600) / 10 ** DIGITS
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000)
}

/** The last instant that ISO 8601 writes with four digits of a year. */
const LAST_AT = Date.UTC(10_000, 0) - 1000

function isoOf(ms: number): string {
  return new Date(Math.min(ms, LAST_AT)).toISOString().replace('.000Z', 'Z')
}

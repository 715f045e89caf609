// The worked cases of test/fixtures/tariff-cases.yaml, turned into what the price is computed from. The file's head says how
// a case is read.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Cost, CostPart } from '../../src/tariff/cost.ts'
import type { PriceComponent, Restrictions, TariffElement, Terms } from '../../src/tariff/terms.ts'
import type { IdleSpan, Usage } from '../../src/tariff/usage.ts'

export type TariffCase = {
  readonly name: string
  readonly source: string
  readonly currency: string
  readonly terms: Terms
  readonly usage: Usage
  /** The tariff as OCPI words it, numbers as text. */
  readonly ocpi: OcpiTariff
  readonly expected: Pick<Cost, 'total' | 'beforeTaxes' | 'taxes' | 'parts'>
}

export type OcpiTariff = {
  readonly currency: string
  readonly tax_included: Terms['taxIncluded']
  readonly min_price?: OcpiLimit
  readonly max_price?: OcpiLimit
  readonly elements: readonly {
    readonly price_components: readonly Readonly<Record<'type' | 'price' | 'vat' | 'step_size', string>>[]
    readonly restrictions?: { readonly day_of_week?: readonly string[] } & Readonly<Record<string, string>>
  }[]
}
type OcpiLimit = { readonly before_taxes: string; readonly after_taxes?: string }
type SessionWords = {
  readonly from: string
  readonly to: string
  readonly wh: string
  readonly readings?: readonly string[]
  readonly idle?: readonly string[]
}
type CaseWords = {
  readonly name: string
  readonly source: string
  readonly zone?: string
  readonly tariff: OcpiTariff
  readonly session: SessionWords
  readonly lines: readonly (readonly string[])[]
  readonly total: string
  readonly before: string
  readonly taxes?: Readonly<Record<string, string>>
}
type File = {
  readonly zones: Readonly<Record<string, readonly (readonly [string, string])[]>>
  readonly cases: readonly CaseWords[]
}

/** Every scalar is text: a price must not become a float on its way. */
export function readTariffCases(): readonly TariffCase[] {
  const text = readFileSync(new URL('../fixtures/tariff-cases.yaml', import.meta.url), 'utf8')
  const { zones, cases } = parse(text, { schema: 'failsafe', merge: true }) as File
  return cases.map(words => {
    const zone = words.zone ?? 'Europe/Berlin'
    const offsets = (zones[zone] ?? []).map(([from, minutes]) => ({
      fromAt: Date.parse(from),
      minutes: Number(minutes),
    }))
    return {
      ...{ name: words.name, source: words.source, currency: words.tariff.currency, ocpi: words.tariff },
      terms: termsOf(words.tariff, { timeZone: zone, offsets }),
      usage: usageOf(words.session),
      expected: {
        total: words.total,
        beforeTaxes: words.before,
        taxes: Object.entries(words.taxes ?? {})
          .map(([vat, amount]) => ({ vat, amount }))
          .sort((a, b) => Number(a.vat) - Number(b.vat)),
        parts: words.lines.map(partOf),
      },
    }
  })
}

/** Like the product's import, but for what is checked: the table says what it means. */
export function termsOf(tariff: OcpiTariff, where: Pick<Terms, 'timeZone' | 'offsets'>): Terms {
  return {
    elements: tariff.elements.map(elementOf),
    ...(tariff.min_price && { minPrice: limitOf(tariff.min_price) }),
    ...(tariff.max_price && { maxPrice: limitOf(tariff.max_price) }),
    taxIncluded: tariff.tax_included,
    countryCode: 'DE',
    partyId: 'ALL',
    scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
    ...where,
  }
}

function elementOf({ price_components, restrictions }: OcpiTariff['elements'][number]): TariffElement {
  return {
    components: price_components.map(({ type, price, vat, step_size }) => ({
      type: type as PriceComponent['type'],
      price,
      ...(vat !== undefined && { vat }),
      stepSize: Number(step_size ?? 1),
    })),
    ...(restrictions && { restrictions: restrictionsOf(restrictions) }),
  }
}

function restrictionsOf(words: NonNullable<OcpiTariff['elements'][number]['restrictions']>): Restrictions {
  const named = (name: string): string | undefined => words[name]
  const texts = {
    ...{ startDate: named('start_date'), endDate: named('end_date') },
    ...{ minKwh: named('min_kwh'), maxKwh: named('max_kwh') },
    ...{ minCurrent: named('min_current'), maxCurrent: named('max_current') },
    ...{ minPower: named('min_power'), maxPower: named('max_power') },
  }
  const numbers = {
    ...{ startMinute: minuteOf(named('start_time')), endMinute: minuteOf(named('end_time')) },
    ...{ minDurationS: numberOf(named('min_duration')), maxDurationS: numberOf(named('max_duration')) },
  }
  const there = Object.entries({ ...texts, ...numbers }).filter(([, value]) => value !== undefined)
  return {
    ...Object.fromEntries(there),
    daysOfWeek: [...(words.day_of_week ?? [])] as Restrictions['daysOfWeek'],
  }
}

function limitOf({ before_taxes, after_taxes }: OcpiLimit): NonNullable<Terms['minPrice']> {
  return { beforeTaxes: before_taxes, ...(after_taxes !== undefined && { afterTaxes: after_taxes }) }
}

function minuteOf(time: string | undefined): number | undefined {
  const [hour, minute] = time?.split(':') ?? []
  return time === undefined ? undefined : Number(hour) * 60 + Number(minute)
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

function usageOf({ from, to, wh, readings = [], idle = [] }: SessionWords): Usage {
  const [date = '', , offset = ''] = from.split(' ')
  const at = (text: string): number => {
    const [day, time, zone] = text.includes(' ') ? text.split(' ') : [date, text, offset]
    return Date.parse(`${day}T${time}${zone}`) / 1000
  }
  const stoppedAt = at(to)
  const inner = readings.map(reading => {
    const parts = reading.split(' ')
    return { at: at(parts.slice(0, -1).join(' ')), wh: Number(parts.at(-1)) }
  })
  return {
    startedAt: at(from),
    stoppedAt,
    curve: [{ at: at(from), wh: 0 }, ...inner, { at: stoppedAt, wh: Number(wh) }],
    idle: idle.map(span => {
      const [first = '', second = '', kind] = span.split(' | ')
      return { fromAt: at(first), toAt: at(second), kind: kind as IdleSpan['kind'] }
    }),
  }
}

function partOf(line: readonly string[]): CostPart {
  const [type = '', measured, quantity, price = '', vat = '', beforeTaxes = '', afterTaxes = ''] = line
  return {
    type: type as CostPart['type'],
    measured: Number(measured),
    quantity: Number(quantity),
    price,
    ...(vat !== 'none' && { vat }),
    beforeTaxes,
    afterTaxes,
  }
}

// `chargemesh tariff price`: what a session would cost, before anybody begins one.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { ANYWHERE, type Place } from '../tariff/choice.ts'
import { type Cost, type CostPart, costOf } from '../tariff/cost.ts'
import { describe } from '../tariff/describe.ts'
import { isDecimal } from '../tariff/price.ts'
import type { Tariff, Tariffs } from '../tariff/tariffs.ts'
import type { Usage } from '../tariff/usage.ts'
import { chargerId } from '../units.ts'
import { wholeNumber } from './number.ts'
import { print, printJson, tableOf } from './output.ts'
import { type SourceOptions, sourceOptions, type TariffSource, tariffSource } from './tariff-source.ts'
import { instantOf } from './time.ts'
import { instantOfWall } from './time-zone.ts'

type PriceOptions = SourceOptions & {
  readonly kwh: string
  readonly minutes: string
  readonly parkedMinutes: string
  readonly at: string
  readonly charger?: string
  readonly cardClass?: string
  readonly unknownCard?: boolean
}

export function addTariffPrice(tariff: Command): void {
  sourceOptions(tariff.command('price'))
    .description('what a session would cost, in parts; its energy flows evenly while it charges')
    .requiredOption('--kwh <n>', 'energy')
    .requiredOption('--minutes <n>', 'minutes of charging')
    .option('--parked-minutes <n>', 'minutes behind that in which the car stands and takes nothing', '0')
    .option('--at <time>', "when it begins (ISO 8601); without a zone by the site's clocks", 'now')
    .option('--charger <identity>', 'where')
    .option('--card-class <name>', 'with a card of this class')
    .option('--unknown-card', 'with a card that nobody granted')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh tariff price --kwh 12.5 --minutes 47 --at 2026-12-24T17:30 --charger CP01 --via ./pole-07',
    )
    .action(priceSession)
}

const MINUTES = { least: 0, most: 60 * 24 * 31 }

async function priceSession(options: PriceOptions): Promise<void> {
  const wh = whOf(options.kwh)
  const minutes = wholeNumber('--minutes', options.minutes, MINUTES)
  const parked = wholeNumber('--parked-minutes', options.parkedMinutes, MINUTES)
  const source = await tariffSource(options)
  const place = placeOf(options, source)
  const at = startOf(options.at, source.tariffs, place)
  const choice = source.tariffs.choose(at, place)
  if (choice.kind === 'missing')
    throw new MeshError('TARIFF_MISSING', `no tariff is in force there at ${new Date(at).toISOString()}`)
  const { tariff, rivals } = choice
  const cost = costFor(tariff, usageOf({ at, wh, minutes, parked }))
  if (options.json) return printJson({ ...shown(tariff), at: new Date(at).toISOString(), ...cost })
  print(textOf(tariff, cost, at))
  for (const rival of rivals)
    process.stderr.write(
      `note: tariff ${rival.tariffId} contradicts it (${describe(rival)}); this one counts\n`,
    )
}

function shown(tariff: Tariff): { readonly tariffId: string; readonly text: string } {
  return { tariffId: tariff.tariffId, text: describe(tariff) }
}

function costFor(tariff: Tariff, usage: Usage): Cost {
  const isReadable = !tariff.elements || tariff.terms
  const cost = isReadable ? costOf(tariff, usage) : undefined
  if (cost) return cost
  throw new MeshError('TARIFF_MISSING', `tariff ${tariff.tariffId} cannot be computed with by this version`)
}

function whOf(text: string): number {
  const wh = Number(text) * 1000
  if (isDecimal(text) && Number.isSafeInteger(Math.round(wh)) && Math.abs(wh - Math.round(wh)) < 1e-6)
    return Math.round(wh)
  throw new MeshError('CONFIG_INVALID', `--kwh ${text}: wanted kWh with up to three digits behind the point`)
}

/** By the clocks of the very tariff that counts then; by those of the newest that names any where it names none. */
function startOf(text: string, tariffs: Tariffs, place: Place): number {
  const clocks = tariffs.all().flatMap(({ terms }) => terms ?? [])
  const [newest] = clocks
  if (!newest || !/^\d{4}-\d{2}-\d{2}T[\d:.]+$/.test(text)) return instantOf('--at', text, Date.now())
  const shownAt = instantOf('--at', `${text}Z`, Date.now())
  const own = clocks.find(({ offsets, timeZone }) => {
    const choice = tariffs.choose(instantOfWall(offsets, shownAt), place)
    return choice.kind === 'chosen' && choice.tariff.terms?.timeZone === timeZone
  })
  return instantOfWall((own ?? newest).offsets, shownAt)
}

function placeOf({ charger, cardClass, unknownCard }: PriceOptions, { chargers }: TariffSource): Place {
  const id = charger === undefined ? undefined : chargerId(charger)
  const point = chargers.find(one => one.chargerId === id)
  if (charger !== undefined && !point)
    throw new MeshError('CONFIG_INVALID', `--charger ${charger}: the site has no such charger`)
  return {
    ...{ chargerId: id, zone: point?.zone, connectorType: point?.connectorType },
    cardClass: unknownCard ? undefined : (cardClass ?? ANYWHERE.cardClass),
  }
}

type Session = {
  readonly at: number
  readonly wh: number
  readonly minutes: number
  readonly parked: number
}

function usageOf({ at, wh, minutes, parked }: Session): Usage {
  const startedAt = Math.floor(at / 1000)
  const fullAt = startedAt + minutes * 60
  const stoppedAt = fullAt + parked * 60
  return {
    ...{ startedAt, stoppedAt },
    curve: [{ at: startedAt, wh: 0 }, { at: fullAt, wh }, ...(parked > 0 ? [{ at: stoppedAt, wh }] : [])],
    idle: parked > 0 ? [{ fromAt: fullAt, toAt: stoppedAt, kind: 'parked' }] : [],
  }
}

function textOf(tariff: Tariff, cost: Cost, at: number): string {
  const { currency, total, beforeTaxes, taxes, parts } = cost
  return [
    `tariff ${tariff.tariffId}: ${describe(tariff)}`,
    `begins ${new Date(at).toISOString()}`,
    tableOf(parts, [
      ['part', ({ type }) => type],
      ['measured', part => amountOf(part, part.measured)],
      ['billed', part => amountOf(part, part.quantity)],
      ['price', part => `${part.price}${PER[part.type] ?? ''}`],
      ['before taxes', part => part.beforeTaxes],
      ['VAT', ({ vat }) => (vat === undefined ? '' : `${vat} %`)],
      ['after taxes', part => part.afterTaxes],
    ]),
    `before taxes  ${beforeTaxes} ${currency}`,
    ...taxes.map(({ vat, amount }) => `VAT ${vat} %  ${amount} ${currency}`),
    `to pay  ${total} ${currency}`,
  ].join('\n')
}

const PER: Readonly<Record<string, string>> = { ENERGY: ' a kWh', TIME: ' an hour', PARKING_TIME: ' an hour' }

function amountOf({ type }: CostPart, amount: number): string {
  if (type === 'ENERGY') return `${amount / 1000} kWh`
  return type === 'TIME' || type === 'PARKING_TIME' ? `${Number((amount / 60).toFixed(2))} min` : ''
}

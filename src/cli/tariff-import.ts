// `chargemesh tariff import`: tariffs in OCPI's form become the operator's word. Everything in the file is checked before
// anything is written, and what is in force already is left out, so that the same command may be given again.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { describe } from '../tariff/describe.ts'
import { type Reading, readTariff, type Setting } from '../tariff/ocpi.ts'
import type { Fault, OcpiTariff } from '../tariff/ocpi-object.ts'
import type { Tariff, Tariffs } from '../tariff/tariffs.ts'
import { encodeTerms, type Terms } from '../tariff/terms.ts'
import { chargerId, sameBytes } from '../units.ts'
import { asOperator, collect, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print } from './output.ts'
import { faultText, readTariffFile, refuse, warningText } from './tariff-file.ts'
import { instantOf } from './time.ts'
import { offsetsOf } from './time-zone.ts'

/** A change is known on every island by then, where nodes hear one another at all. */
const LEAD_MS = 15 * 60_000
const MINUTE_MS = 60_000

type ImportOptions = OperatorOptions & {
  readonly from?: string
  readonly check?: boolean
  readonly timeZone?: string
  readonly charger: readonly string[]
  readonly zone: readonly string[]
  readonly connectorType: readonly string[]
  readonly class: readonly string[]
  readonly only: readonly string[]
}

export function addTariffImport(tariff: Command): void {
  operatorOptions(tariff.command('import <file>'))
    .description(
      'publish tariffs from a file: OCPI 2.2.1 or 2.3.0, one Tariff object, a list, or an answer with data',
    )
    .option(
      '--from <time>',
      'when they take effect (ISO 8601, or now); else their start_date_time, now for the first of the site, or in 15 minutes',
    )
    .option('--check', 'say what is wrong and what would be published, and publish nothing')
    .option(
      '--time-zone <name>',
      "whose clocks the hours and days are of, such as Europe/Berlin; else the site's last",
    )
    .option('--charger <identity>', 'only there; repeat for more', collect, [])
    .option('--zone <name>', 'only at chargers of this zone; repeat for more', collect, [])
    .option('--connector-type <type>', 'only at connectors of this OCPI type; repeat for more', collect, [])
    .option('--class <name>', 'only for cards of this class; repeat for more', collect, [])
    .option('--only <id>', 'of the file only the tariff of this id; repeat for more', collect, [])
    .addHelpText('after', EXAMPLES)
    .action(importTariffs)
}

const EXAMPLES = `
Of several tariffs the one for the charger counts before that for its connector type, its zone, the class of the card and
the rest; then the newest. A session keeps the price of its start. Nodes that have not heard of a new price when it takes
effect go on with the old one.

Examples:
  chargemesh tariff import tariffs.json --check --time-zone Europe/Berlin --site ./stadium
  chargemesh tariff import tariffs.json --from 2026-12-24T00:00Z --site ./stadium --via ./pole-07
  chargemesh tariff import fast.json --connector-type IEC_62196_T2_COMBO --site ./stadium --via ./pole-07`

type Planned = {
  readonly tariff: NonNullable<Reading['tariff']>
  readonly effectiveAt: number
  readonly isNew: boolean
}

async function importTariffs(file: string, options: ImportOptions): Promise<void> {
  const nowAt = Date.now()
  const from = options.from === undefined ? undefined : instantOf('--from', options.from, nowAt)
  const given = onlyOf(file, await readTariffFile(file), options.only)
  const quiet = { ...options, via: [], json: true }
  await asOperator(options.check ? quiet : options, async operator => {
    const planned = plan(operator, given, { file, options, nowAt, from })
    const fresh = planned.filter(({ isNew }) => isNew)
    if (!options.check && fresh.length > 0)
      await operator.record(
        fresh.map(({ tariff: { terms: _, ...tariff }, effectiveAt }) => ({
          ...{ name: 'tariff', body: { ...tariff, effectiveAt } },
        })),
      )
    tell(planned, options)
  })
}

function tell(planned: readonly Planned[], options: ImportOptions): void {
  const rows = planned.map(({ tariff, effectiveAt, isNew }) => ({
    ...{ tariffId: tariff.tariffId, text: describe(tariff), from: new Date(effectiveAt).toISOString() },
    state: isNew ? (options.check ? 'would be published' : 'published') : 'unchanged',
  }))
  const lines = rows.map(({ tariffId, text, from, state }) =>
    state === 'unchanged' ? `${tariffId}: unchanged` : `${tariffId}: ${text}\n  ${state}, from ${from} on`,
  )
  say(options, rows, lines.join('\n'))
  if (options.json || options.check || !planned.some(({ isNew }) => isNew)) return
  print(
    'sessions that run keep their price; nodes that have not heard of this by then go on with the old one',
  )
}

function onlyOf(file: string, given: readonly OcpiTariff[], ids: readonly string[]): readonly OcpiTariff[] {
  const missing = ids.filter(id => !given.some(one => one.id === id))
  if (missing.length > 0)
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: no tariff ${missing.join(', ')}; it has ${given.map(one => one.id).join(', ')}`,
    )
  return ids.length === 0 ? given : given.filter(one => ids.includes(one.id))
}

type Plan = {
  readonly file: string
  readonly options: ImportOptions
  readonly nowAt: number
  readonly from: number | undefined
}

/** Everything that is wrong with any of them is said at once. */
function plan(operator: Operator, given: readonly OcpiTariff[], asked: Plan): readonly Planned[] {
  const { tariffs } = operator.ledger.view()
  const { file, nowAt, from, options } = asked
  const setting = settingOf(given, asked, tariffs)
  const faults: string[] = []
  const planned = given.flatMap((one, i): readonly Planned[] => {
    const read = readTariff(one, setting)
    const name = one.id.slice(0, 36)
    const effectiveAt = from ?? startOf(read.startsAt, { nowAt, isFirst: tariffs.all().length === 0 })
    const more = edgeFaults(one, { operator, tariffs, others: given.slice(0, i), effectiveAt, read })
    faults.push(...[...read.faults, ...more].map(fault => `${file}: ${faultText(name, fault)}`))
    for (const warning of read.warnings)
      process.stderr.write(`note: ${file}: ${warningText(name, warning)}\n`)
    if (!read.tariff) return []
    return [{ tariff: read.tariff, effectiveAt, isNew: !isKnown(read.tariff, effectiveAt, tariffs) }]
  })
  refuse(faults)
  noteUnknownPlaces(operator, options)
  return planned
}

function startOf(
  startsAt: number | undefined,
  { nowAt, isFirst }: { readonly nowAt: number; readonly isFirst: boolean },
): number {
  if (startsAt !== undefined && startsAt > nowAt) return startsAt
  return isFirst ? nowAt : Math.ceil((nowAt + LEAD_MS) / MINUTE_MS) * MINUTE_MS
}

type Edge = {
  readonly operator: Operator
  readonly tariffs: Tariffs
  readonly others: readonly OcpiTariff[]
  readonly effectiveAt: number
  readonly read: Reading
}

/** What only this site, and this machine's lists, can say. */
function edgeFaults(
  given: OcpiTariff,
  { operator, tariffs, others, effectiveAt, read }: Edge,
): readonly Fault[] {
  const { id, currency, start_date_time: starts, end_date_time: ends } = given
  const site = operator.site.currency
  const isReal = Intl.supportedValuesOf('currency').includes(currency)
  const endsAt = read.tariff?.terms.endsAt
  const party = `${given.country_code}*${given.party_id}`
  const theirs = tariffs.all().find(one => one.tariffId === id && one.terms)?.terms
  const owner = theirs && `${theirs.countryCode}*${theirs.partyId}`
  return [
    ...(isReal
      ? []
      : [{ field: 'currency', value: currency, wanted: 'a currency of ISO 4217, such as EUR' }]),
    ...(isReal && currency !== site
      ? [{ field: 'currency', value: currency, wanted: `${site}, the currency of the site` }]
      : []),
    ...(read.startsAt !== undefined && effectiveAt < read.startsAt
      ? [{ field: 'start_date_time', value: starts, wanted: 'a time that is not later than --from' }]
      : []),
    ...(endsAt !== undefined && endsAt <= effectiveAt
      ? [{ field: 'end_date_time', value: ends, wanted: `later than it takes effect (${iso(effectiveAt)})` }]
      : []),
    ...(others.some(other => other.id === id)
      ? [{ field: 'id', value: id, wanted: 'each id once in a file' }]
      : []),
    ...rivalsIn(given, others),
    ...(owner !== undefined && owner !== party
      ? [{ field: 'id', value: id, wanted: `another id: ${owner} has a tariff of this one here` }]
      : []),
  ]
}

/** Of two for the same sessions, from the same time, one would never count. */
function rivalsIn(given: OcpiTariff, others: readonly OcpiTariff[]): readonly Fault[] {
  const kindOf = ({ type }: OcpiTariff): string => (type === undefined ? 'REGULAR' : type)
  const rival = others.find(other => other.id !== given.id && kindOf(other) === kindOf(given))
  if (!rival || kindOf(given).startsWith('PROFILE_')) return []
  const wanted = `one tariff for the same sessions: ${rival.id} is another. Take one with --only, and say with --charger, --zone, --connector-type or --class where each is for`
  return [{ field: 'id', value: given.id, wanted }]
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

/** The newest word on this id says the same already. Time zones are taken anew with each word. */
function isKnown(tariff: NonNullable<Reading['tariff']>, effectiveAt: number, tariffs: Tariffs): boolean {
  const newest: Tariff | undefined = tariffs.all().find(one => one.tariffId === tariff.tariffId)
  if (!newest?.terms || newest.effectiveAt > effectiveAt || newest.currency !== tariff.currency) return false
  const bare = (terms: Terms): Uint8Array => encodeTerms({ ...terms, offsets: [] })
  return sameBytes(bare(newest.terms), bare(tariff.terms))
}

function settingOf(given: readonly OcpiTariff[], { options, nowAt }: Plan, tariffs: Tariffs): Setting {
  const timeZone = options.timeZone ?? zoneOf(given, tariffs)
  const chargers = options.charger.map(text => {
    const id = chargerId(text)
    if (id === undefined) throw new MeshError('CONFIG_INVALID', `--charger ${text}: no identity of a charger`)
    return id
  })
  const scope = {
    chargers: named('--charger', chargers, { most: 64, length: 48 }),
    zones: named('--zone', options.zone, { most: 16, length: 48 }),
    connectorTypes: named('--connector-type', options.connectorType, { most: 16, length: 24 }),
    classes: named('--class', options.class, { most: 16, length: 24 }),
  }
  return { scope, timeZone, offsets: offsetsOf(timeZone, nowAt) }
}

/** Hours of the day mean nothing without a zone, and a wrong guess would be money. */
function zoneOf(given: readonly OcpiTariff[], tariffs: Tariffs): string {
  const asksForOne = given.some(({ elements }) =>
    elements.some(({ restrictions }) => isLocal(restrictions ?? {})),
  )
  const known = tariffs
    .all()
    .find(({ terms }) => terms?.elements.some(({ restrictions }) => restrictions && hasHours(restrictions)))
  if (known?.terms) return known.terms.timeZone
  if (!asksForOne) return 'UTC'
  throw new MeshError(
    'CONFIG_INVALID',
    "prices by hour, day or date need the site's clocks: say --time-zone, such as Europe/Berlin",
  )
}

function isLocal(restrictions: Readonly<Record<string, unknown>>): boolean {
  const names = ['start_time', 'end_time', 'start_date', 'end_date', 'day_of_week']
  return names.some(name => restrictions[name] !== undefined)
}

function hasHours(given: NonNullable<Terms['elements'][number]['restrictions']>): boolean {
  const { startMinute, endMinute, startDate, endDate, daysOfWeek } = given
  return daysOfWeek.length > 0 || [startMinute, endMinute, startDate, endDate].some(one => one !== undefined)
}

function named<T extends string>(
  option: string,
  words: readonly T[],
  { most, length }: { readonly most: number; readonly length: number },
): readonly T[] {
  const unique = [...new Set(words)].sort()
  if (unique.length > most)
    throw new MeshError('CONFIG_INVALID', `${option}: ${unique.length} of them; wanted at most ${most}`)
  const bad = unique.find(word => word.trim() === '' || word.length > length)
  if (bad !== undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `${option} ${JSON.stringify(bad)}: wanted 1 to ${length} characters`,
    )
  return unique
}

/** A tariff may come before its charger; a name that was typed wrong would never be noticed. */
function noteUnknownPlaces(operator: Operator, options: ImportOptions): void {
  const points = operator.ledger.view().policy.chargePoints()
  const known = {
    charger: points.map(point => String(point.chargerId)),
    zone: points.map(({ zone }) => zone),
    'connector-type': points.map(({ connectorType }) => connectorType),
  }
  const asked = { charger: options.charger, zone: options.zone, 'connector-type': options.connectorType }
  for (const [name, words] of Object.entries(asked))
    for (const word of words)
      if (!known[name as keyof typeof known].includes(word))
        process.stderr.write(`note: --${name} ${word}: this site has no such charger yet\n`)
}

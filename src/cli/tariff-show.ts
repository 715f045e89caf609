// `chargemesh tariff show`: what is paid now, what comes, what has ended, and what contradicts itself; or the same as OCPI.
import type { Command } from 'commander'
import type { TariffReport } from '../api/tariffs.ts'
import { MeshError } from '../errors.ts'
import { exportTariff, OCPI_VERSIONS, type OcpiVersion, type Party } from '../tariff/ocpi-out.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import { print, printJson } from './output.ts'
import { type SourceOptions, sourceOptions, type TariffSource, tariffSource } from './tariff-source.ts'
import { instantOf } from './time.ts'

type ShowOptions = SourceOptions & {
  readonly at: string
  readonly all?: boolean
  readonly ocpi?: string
  readonly party?: string
}

export function addTariffShow(tariff: Command): void {
  sourceOptions(tariff.command('show [id]'))
    .description('tariffs in force and to come, in words')
    .option('--at <time>', 'as at this time (ISO 8601)', 'now')
    .option('--all', 'those that ended or were replaced as well')
    .option(
      '--ocpi <version>',
      `print OCPI Tariff objects, ${OCPI_VERSIONS.join(' or ')}, of those in force or to come`,
    )
    .option('--party <code>', 'with --ocpi: country and party of tariffs that name none, such as DE*ABC')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh tariff show --via ./pole-07\n  chargemesh tariff show --site ./stadium --at 2026-12-24T18:00Z --all\n  chargemesh tariff show --ocpi 2.2.1 --party DE*ABC --site ./stadium',
    )
    .action(showTariffs)
}

async function showTariffs(id: string | undefined, options: ShowOptions): Promise<void> {
  const at = instantOf('--at', options.at, Date.now())
  const version = versionOf(options.ocpi)
  const party = partyOf(options.party)
  const source = await tariffSource(options)
  const all = source.reportAt(at)
  const wanted = all.filter(one => (id === undefined || one.tariffId === id) && (options.all || !isPast(one)))
  if (id !== undefined && !all.some(one => one.tariffId === id))
    throw new MeshError('CONFIG_INVALID', `tariff ${id}: the site has ${namesOf(all)}`)
  if (version) return printJson(exported(wanted, { source, version, party }))
  if (options.json) return printJson(wanted)
  print(wanted.length === 0 ? NONE : wanted.map(textOf).join('\n'))
}

const NONE = 'no tariff is in force or to come: sessions are recorded, and cannot be priced'

function isPast({ state }: TariffReport): boolean {
  return state === 'ended' || state === 'replaced'
}

function namesOf(all: readonly TariffReport[]): string {
  return [...new Set(all.map(({ tariffId }) => tariffId))].join(', ') || 'none'
}

function textOf(one: TariffReport): string {
  const until = one.until === undefined ? '' : ` until ${one.until}`
  const zone = one.timeZone === undefined || one.timeZone === 'UTC' ? '' : `, clocks of ${one.timeZone}`
  return [
    `${one.tariffId}  ${one.state}`,
    `  ${one.text}`,
    `  ${one.for}, from ${one.from}${until}${zone}`,
    ...one.conflicts.map(({ tariffId, text, counts }) => {
      const which = counts ? 'that one counts' : 'this one counts'
      const other = tariffId === one.tariffId ? `another issuer's ${tariffId} (${text})` : tariffId
      return `  CONFLICT with ${other}, from the same time: ${which} by the rule; publish one of them anew to settle it`
    }),
  ].join('\n')
}

type Exporting = {
  readonly source: TariffSource
  readonly version: OcpiVersion
  readonly party: Party | undefined
}

/** What cannot be said in OCPI is named on standard error. */
function exported(
  wanted: readonly TariffReport[],
  { source, version, party }: Exporting,
): readonly unknown[] {
  return wanted.flatMap(({ tariffId, published: { ref } }) => {
    const tariff = source.tariffs.all().find(one => isAt(one, ref))
    if (!tariff) return []
    const made = exportTariff(tariff, version, party)
    if (made.kind === 'tariff') return [made.tariff]
    process.stderr.write(`note: tariff ${tariffId} is left out: ${made.why}\n`)
    return []
  })
}

function isAt({ ref }: Tariff, place: TariffReport['published']['ref']): boolean {
  return ref.logId === place.logId && ref.seq === place.seq
}

function versionOf(text: string | undefined): OcpiVersion | undefined {
  if (text === undefined) return undefined
  const version = OCPI_VERSIONS.find(one => one === text)
  if (version) return version
  throw new MeshError('CONFIG_INVALID', `--ocpi ${text}: wanted ${OCPI_VERSIONS.join(' or ')}`)
}

function partyOf(text: string | undefined): Party | undefined {
  if (text === undefined) return undefined
  const [, countryCode, partyId] = /^([A-Za-z]{2})[*-]([A-Za-z0-9]{3})$/.exec(text) ?? []
  if (countryCode !== undefined && partyId !== undefined) return { countryCode, partyId }
  throw new MeshError('CONFIG_INVALID', `--party ${text}: wanted country and party, such as DE*ABC`)
}

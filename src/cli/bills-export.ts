// `chargemesh bills export`: what was billed, as OCPI charge detail records, as a table for accountants, or as JSON lines
// with everything. A stream: a year of bills needs no more memory than a page of them.
import { type Command, Option } from 'commander'
import { inDigitsOf } from '../billing/amounts.ts'
import { MeshError } from '../errors.ts'
import { OCPI_VERSIONS, type OcpiVersion } from '../tariff/ocpi-out.ts'
import { addAmounts } from '../tariff/price.ts'
import { openExportFile } from './export-file.ts'
import { openOcpi } from './export-ocpi.ts'
import { startProgress } from './progress.ts'
import { csvHeader, csvLine } from './settlement-csv.ts'
import { type SettledPage, settledPages } from './settlement-source.ts'
import { instantOf } from './time.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

const FORMATS = ['ocpi', 'csv', 'jsonl'] as const

export type ExportOptions = UnlockOptions & {
  readonly cloud: string
  readonly format: (typeof FORMATS)[number]
  readonly ocpiVersion: OcpiVersion
  readonly from?: string
  readonly to?: string
  readonly out?: string
  readonly locations?: string
  readonly withCardIds?: boolean
  readonly withSignedData?: boolean
  readonly site?: string
  readonly json?: boolean
}

/** What is written before, for and behind the rows of a page. */
export type Format = {
  readonly begin: string
  readonly page: (page: SettledPage) => Promise<string>
  /** Throws a MeshError where something is missing without which the file would be wrong. */
  readonly end: () => string
}

export function addBillExport(bills: Command): void {
  unlockOptions(bills.command('export'))
    .description('what was billed: OCPI CDRs, CSV or JSON lines')
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .addOption(new Option('--format <format>', 'how it is written').choices(FORMATS).makeOptionMandatory())
    .addOption(new Option('--ocpi-version <version>', 'whose CDRs').choices(OCPI_VERSIONS).default('2.2.1'))
    .option('--from <time>', 'issued then or later')
    .option('--to <time>', 'issued before; without it, until now')
    .option('--out <file>', 'write it there, whole or not at all; without it, to standard output')
    .option('--locations <file>', 'where the chargers stand (`bills locations` begins one); OCPI needs it')
    .option('--with-card-ids', "cards' own ids instead of references, where grants hold them; needs --site")
    .option(
      '--with-signed-data',
      'what meters signed (OCMF), byte for byte; it may name the card; needs --site',
    )
    .option('--site <dir>', "the site's folder: only its keys open cards' ids and signed values")
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      `
Each bill is a row of revisions: an invoice, then credits and debits with what changed. In OCPI, where a CDR is never
changed, a revision is a credit CDR for the one that stands and a new CDR with the whole amount. Either way the sum of
all rows is the sum of the bills. What is exported again is the same again, under the same ids.

Exit codes: 0 all was written; 1 it was not, and --out is as it was before; 2 wrong usage.

Examples:
  chargemesh bills export --cloud ./cloud-data --format csv --from 2026-07-01 --to 2026-08-01 --out july.csv
  chargemesh bills export --cloud ./cloud-data --format ocpi --ocpi-version 2.3.0 --locations location.yaml --out july.json
  chargemesh bills export --cloud ./cloud-data --format jsonl > bills.jsonl`,
    )
    .action(exportBills)
}

type Summary = {
  readonly rows: number
  /** By currency. */
  readonly sums: Readonly<Record<string, string>>
  readonly from?: string
  readonly to: string
  /** Earlier than `to` where bills of the interval may still be on their way. */
  readonly settledUntil: string
  readonly file?: string
  readonly notes: readonly string[]
}

async function exportBills(options: ExportOptions): Promise<void> {
  const nowAt = Date.now()
  const fromAt = options.from === undefined ? undefined : instantOf('--from', options.from, nowAt)
  const toAt = options.to === undefined ? undefined : instantOf('--to', options.to, nowAt)
  if (fromAt !== undefined && toAt !== undefined && fromAt > toAt)
    throw new MeshError('CONFIG_INVALID', `--from ${options.from} is after --to ${options.to}`)
  const notes: string[] = []
  const format = await formatOf(options, notes)
  const file = await openExportFile(options.out)
  const sums = new Map<string, string>()
  let rows = 0
  let asked: { readonly toAt: number; readonly settledAt: number } | undefined
  let progress = startProgress('bills', 0, false)
  try {
    await file.write(format.begin)
    for await (const page of settledPages(options.cloud, {
      ...(fromAt !== undefined && { fromAt }),
      ...(toAt !== undefined && { toAt }),
    })) {
      if (!asked) progress = startProgress('bills', page.total ?? 0, options.json !== true)
      asked ??= page
      for (const { change, currency } of page.items)
        sums.set(currency, inDigitsOf(change.amount, addAmounts(sums.get(currency) ?? '0', change.amount)))
      rows += page.items.length
      await file.write(await format.page(page))
      progress.step(page.items.length)
    }
    await file.write(format.end())
    await file.finish()
  } finally {
    progress.end()
    await file.abandon()
  }
  const settledAt = Math.min(asked?.settledAt ?? nowAt, asked?.toAt ?? nowAt)
  report(options, {
    rows,
    sums: Object.fromEntries([...sums].toSorted()),
    ...(fromAt !== undefined && { from: new Date(fromAt).toISOString() }),
    to: new Date(asked?.toAt ?? nowAt).toISOString(),
    settledUntil: new Date(settledAt).toISOString(),
    ...(options.out !== undefined && { file: options.out }),
    notes,
  })
}

async function formatOf(options: ExportOptions, notes: string[]): Promise<Format> {
  if ((options.withCardIds || options.withSignedData) && options.format !== 'ocpi')
    throw new MeshError('CONFIG_INVALID', '--with-card-ids and --with-signed-data are for --format ocpi')
  if (options.format === 'ocpi') return await openOcpi(options, notes)
  if (options.format === 'csv')
    return { begin: csvHeader(), page: async ({ items }) => items.map(csvLine).join(''), end: () => '' }
  return jsonLines()
}

/** Each tariff before the first bill that names it. */
function jsonLines(): Format {
  const told = new Set<string>()
  const lineOf = (record: string, fields: object): string => `${JSON.stringify({ record, ...fields })}\n`
  return {
    begin: lineOf('export', { format: 'chargemesh/bills/1' }),
    page: async ({ items, tariffs }) => {
      const news = tariffs.filter(({ ref }) => !told.has(ref))
      for (const { ref } of news) told.add(ref)
      return [...news.map(one => lineOf('tariff', one)), ...items.map(one => lineOf('bill', one))].join('')
    },
    end: () => '',
  }
}

function report({ json }: ExportOptions, summary: Summary): void {
  const sums = Object.entries(summary.sums).map(([currency, sum]) => `${sum} ${currency}`)
  const text = [
    `${summary.rows} ${summary.rows === 1 ? 'revision' : 'revisions'} of bills${sums.length === 0 ? '' : `, together ${sums.join(', ')}`}`,
    ...(summary.file === undefined ? [] : [`written: ${summary.file}`]),
    ...(summary.settledUntil < summary.to
      ? [
          `what was issued before ${summary.settledUntil} is all here; begin the next export with --from ${summary.settledUntil}, for what came in since may not be`,
        ]
      : []),
    ...summary.notes,
  ]
  const said = json ? JSON.stringify(summary) : text.join('\n')
  // Standard output may be the file itself.
  if (json && summary.file !== undefined) process.stdout.write(`${said}\n`)
  else process.stderr.write(`${said}\n`)
}

// `chargemesh bills list`: revisions of bills, and what they come to.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { addAmounts } from '../tariff/price.ts'
import { print, printJson, tableOf } from './output.ts'
import { cloudRows } from './receiver.ts'
import { instantOf } from './time.ts'

type Row = Readonly<Record<string, unknown>>
type ListOptions = {
  readonly cloud: string
  readonly from?: string
  readonly to?: string
  readonly session?: string
  readonly state?: string
  readonly json?: boolean
}

export const STATES: readonly string[] = ['open', 'provisional', 'complete', 'disputed', 'unpriced']

export function addBillList(bills: Command): void {
  bills
    .command('list', { isDefault: true })
    .description('every revision of every bill, and their sum')
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .option('--from <time>', 'issued from then on (ISO 8601)')
    .option('--to <time>', 'issued before then')
    .option('--session <id>', 'of one session; the first digits of its id are enough')
    .option('--state <state>', `of sessions that stand so: ${STATES.join(', ')}`)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh bills list --cloud ./cloud-data\n  chargemesh bills list --from 2026-07-01 --to 2026-08-01 --state disputed --cloud ./cloud-data',
    )
    .action(listBills)
}

async function listBills(options: ListOptions): Promise<void> {
  const rows = await cloudRows(options.cloud, '/v1/bills', queryOf(options))
  const sums = sumsOf(rows.map(row => ({ currency: String(row.currency), amount: String(row.amount) })))
  if (options.json) {
    printJson(rows)
    return
  }
  const sessions = new Set(rows.map(row => row.sessionId)).size
  print(billTable(rows))
  print(`${rows.length} revisions of ${sessions} sessions: ${sumText(sums)}`)
}

function queryOf({ from, to, session, state }: ListOptions): Readonly<Record<string, string>> {
  if (session !== undefined && !/^[0-9a-f]{4,32}$/.test(session))
    throw new MeshError('CONFIG_INVALID', `--session ${session}: wanted at least 4 hex digits of its id`)
  if (state !== undefined && !STATES.includes(state))
    throw new MeshError('CONFIG_INVALID', `--state ${state}: wanted one of ${STATES.join(', ')}`)
  const at = (option: string, text: string): string => String(instantOf(option, text, Date.now()))
  return {
    ...(from !== undefined && { from: at('--from', from) }),
    ...(to !== undefined && { to: at('--to', to) }),
    ...(session !== undefined && { session }),
    ...(state !== undefined && { state }),
  }
}

export type Sums = ReadonlyMap<string, string>

/** Exact, by currency. */
export function sumsOf(all: readonly { readonly currency: string; readonly amount: string }[]): Sums {
  const sums = new Map<string, string>()
  for (const { currency, amount } of all) sums.set(currency, addAmounts(sums.get(currency) ?? '0', amount))
  return sums
}

export function sumText(sums: Sums): string {
  const parts = [...sums].toSorted().map(([currency, sum]) => `${sum} ${currency}`)
  return parts.join(', ') || 'nothing'
}

function billTable(bills: readonly Row[]): string {
  const cell = (name: string) => (row: Row) => String(row[name] ?? '')
  return tableOf(bills, [
    ['session', row => String(row.sessionId).slice(0, 8)],
    ['revision', cell('revision')],
    ['kind', cell('kind')],
    ['Wh', cell('energyWh')],
    ['amount', cell('amount')],
    ['currency', cell('currency')],
    ['reason', cell('reason')],
    ['issued', row => new Date(Number(row.issuedAt)).toISOString().slice(0, 16)],
  ])
}

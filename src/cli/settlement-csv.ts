// One line a revision, as accountants read it (RFC 4180, UTF-8). Amounts and energy are what the revision changes, so that
// the columns can be summed; what the session comes to by then stands beside them.
import type { Settled, SettledMoment } from '../billing/settled.ts'
import { addAmounts } from '../tariff/price.ts'

type Column = readonly [name: string, cell: (settled: Settled) => string]

const COLUMNS: readonly Column[] = [
  ['bill_id', one => one.billId],
  ['session_id', one => one.sessionId],
  ['revision', one => String(one.revision)],
  ['kind', one => one.kind],
  ['reason', one => textOf(one.reason)],
  ['charger', one => textOf(one.session.chargerId)],
  ['connector', one => String(one.session.connectorId)],
  ['started_at', one => isoOf(one.session.started.at)],
  ['started_clock', one => one.session.started.clock],
  ['ended_at', one => isoOf(endOf(one)?.at)],
  ['ended_clock', one => endOf(one)?.clock ?? ''],
  ['issued_at', one => isoOf(one.issuedAt)],
  ['energy_kwh', one => kWhOf(one.energyChangeWh)],
  ['amount', one => one.change.amount],
  ['before_taxes', one => one.change.beforeTaxes],
  ['taxes', one => one.change.taxes.map(tax => tax.amount).reduce(addAmounts, '0')],
  ['taxes_by_rate', one => one.change.taxes.map(tax => `${tax.vat} %: ${tax.amount}`).join('; ')],
  ['currency', one => one.currency],
  ['session_energy_kwh', one => kWhOf(one.energyWh)],
  ['session_amount', one => one.whole.amount],
  ['card', one => one.card.tokenRef],
  ['tariff', one => textOf(one.tariff?.id ?? '')],
  ['corrects', one => one.before?.billId ?? ''],
]

const END = '\r\n'

export function csvHeader(): string {
  return lineOf(COLUMNS.map(([name]) => name))
}

export function csvLine(settled: Settled): string {
  return lineOf(COLUMNS.map(([, cell]) => cell(settled)))
}

function lineOf(cells: readonly string[]): string {
  return `${cells.map(quoted).join(',')}${END}`
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

/** What others named, never to be taken for a formula by a spreadsheet (CWE-1236). */
function textOf(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
}

/** Where no stop came, the last reading stood in for it. */
function endOf({ session, cost }: Settled): SettledMoment | undefined {
  if (session.ended || cost?.stoppedAt === undefined) return session.ended
  return { at: cost.stoppedAt * 1000, clock: 'reading' }
}

function kWhOf(wh: number): string {
  return (wh / 1000).toFixed(3)
}

function isoOf(at: number | undefined): string {
  if (at === undefined) return ''
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}

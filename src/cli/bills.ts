// `chargemesh bills`: what the cloud has billed.
import type { Command } from 'commander'
import { addBillExport } from './bills-export.ts'
import { addBillLocations } from './bills-locations.ts'
import { print, printJson, tableOf } from './output.ts'
import { cloudRows } from './receiver.ts'

export function addBillCommands(program: Command): void {
  const bills = program.command('bills').description('bills, as the cloud has them')
  bills
    .command('list', { isDefault: true })
    .description('every revision of every bill')
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh bills list --cloud ./cloud-data')
    .action(async (options: { cloud: string; json?: boolean }) => {
      const rows = await cloudRows(options.cloud, '/v1/bills')
      if (options.json) printJson(rows)
      else print(billTable(rows))
    })
  addBillExport(bills)
  addBillLocations(bills)
}

function billTable(bills: readonly Readonly<Record<string, unknown>>[]): string {
  const cell = (name: string) => (row: Readonly<Record<string, unknown>>) => String(row[name] ?? '')
  return tableOf(bills, [
    ['session', row => String(row.sessionId).slice(0, 8)],
    ['revision', cell('revision')],
    ['kind', cell('kind')],
    ['Wh', cell('energyWh')],
    ['amount', cell('amount')],
    ['currency', cell('currency')],
    ['reason', cell('reason')],
  ])
}

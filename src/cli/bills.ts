// `chargemesh bills`: what the cloud has billed.
import type { Command } from 'commander'
import { addBillList } from './bill-list.ts'
import { addBillExport } from './bills-export.ts'
import { addBillLocations } from './bills-locations.ts'

export function addBillCommands(program: Command): void {
  const bills = program.command('bills').description('bills, as the cloud has them')
  addBillList(bills)
  addBillExport(bills)
  addBillLocations(bills)
}

// What the chargers' own registers say, beside the cloud's bills: the three counts that have to be nought.
import type { SessionReport } from '../../src/api/report.ts'
import { cloudRows } from '../../src/cli/receiver.ts'
import type { Truth } from '../real/audit.ts'

export type CaseTruth = { readonly name: string; readonly sessions: readonly Truth[] }
export type Finding = {
  readonly name: string
  readonly kind: 'lost' | 'double' | 'wrongEnergy'
  readonly detail: string
}

type BillRow = {
  readonly sessionId: string
  readonly revision: number
  readonly kind: string
  readonly energyWh: number
}
/** The newest revision says what a session costs in the end. */
export type Billed = { readonly meterStartWh: number; readonly energyWh: number; readonly invoices: number }
export type Cloud = { readonly dir: string; readonly nodeSessions: readonly SessionReport[] }

/** By charger: what was billed and not given back. */
export async function readBills({
  dir,
  nodeSessions,
}: Cloud): Promise<ReadonlyMap<string, readonly Billed[]>> {
  const bills = (await cloudRows(dir, '/v1/bills')) as unknown as BillRow[]
  const sessions = await cloudRows(dir, '/v1/sessions')
  const startOf = new Map(nodeSessions.map(one => [one.sessionId, one.meterStartWh]))
  const found = new Map<string, Billed[]>()
  for (const { sessionId, chargerId } of sessions) {
    const own = bills.filter(bill => bill.sessionId === sessionId).toSorted((a, b) => a.revision - b.revision)
    const last = own.at(-1)
    if (!last || (last.energyWh === 0 && own.length > 1)) continue
    const held = found.get(String(chargerId)) ?? []
    held.push({
      meterStartWh: startOf.get(String(sessionId)) ?? Number.NaN,
      energyWh: last.energyWh,
      invoices: own.filter(bill => bill.kind === 'invoice').length,
    })
    found.set(String(chargerId), held)
  }
  return found
}

/** Whatever is wrong with one case. */
export function compare({ name, sessions }: CaseTruth, billed: readonly Billed[]): readonly Finding[] {
  const left = [...billed]
  const findings: Finding[] = []
  const find = (kind: Finding['kind'], detail: string): void => void findings.push({ name, kind, detail })
  for (const { meterStartWh, energyWh } of sessions) {
    const at = left.findIndex(bill => bill.meterStartWh === meterStartWh)
    const [bill] = at < 0 ? [] : left.splice(at, 1)
    if (!bill) find('lost', `${energyWh} Wh from ${meterStartWh} on`)
    else if (bill.energyWh !== energyWh)
      find('wrongEnergy', `billed ${bill.energyWh} Wh, taken ${energyWh} Wh`)
    if (bill && bill.invoices > 1) find('double', `${bill.invoices} invoices`)
  }
  for (const bill of left) find('double', `${bill.energyWh} Wh from ${bill.meterStartWh} on are billed too`)
  return findings
}

// Counts, from what everybody's own books say: the chargers' meters (the truth), the nodes' stores, the cloud's tables.
// Nothing is taken from what the demo believes to have done.

import type { SessionReport } from '../../src/api/report.ts'
import { cloudRows } from '../../src/cli/receiver.ts'
import type { VirtualCharger } from '../charger/virtual.ts'
import type { RealNode } from './nodes.ts'

/** One session as the charger's own meter tells it. */
export type Truth = { readonly chargerId: string; readonly meterStartWh: number; readonly energyWh: number }

export type BillRow = {
  readonly sessionId: string
  readonly revision: number
  readonly kind: string
  readonly amount: string
  readonly energyWh: number
}
export type CloudSession = { readonly sessionId: string; readonly chargerId: string; readonly state: string }

export type Books = {
  readonly truth: readonly Truth[]
  readonly bills: readonly BillRow[]
  readonly cloudSessions: readonly CloudSession[]
  /** One list a node. */
  readonly nodeSessions: readonly (readonly SessionReport[])[]
  readonly refusals: readonly { readonly reason: string }[]
}

export type Findings = {
  readonly sessions: number
  readonly bills: number
  /** Ended at a charger's meter, but without a bill over exactly this energy. */
  readonly lost: readonly string[]
  readonly billedTwice: readonly string[]
  /** Billed, but at no charger's meter. */
  readonly invented: readonly string[]
  /** Nodes whose list of sessions differs from the first one's. */
  readonly nodesApart: number
  readonly unreconciled: number
  readonly refused: { readonly revoked: number; readonly expired: number; readonly unknown: number }
  readonly adopted: number
  readonly ok: boolean
}

export function truthOf(chargers: readonly VirtualCharger[]): readonly Truth[] {
  return chargers.flatMap(charger =>
    charger.sessions().flatMap(session =>
      session.meterStopWh === undefined
        ? []
        : [
            {
              chargerId: charger.identity,
              meterStartWh: session.meterStartWh,
              energyWh: session.meterStopWh - session.meterStartWh,
            },
          ],
    ),
  )
}

export async function readBooks(
  chargers: readonly VirtualCharger[],
  nodes: readonly RealNode[],
  cloudDir: string,
): Promise<Books> {
  const read = async (path: string): Promise<unknown[]> =>
    await Promise.all(nodes.map(node => node.client?.get(path)))
  return {
    truth: truthOf(chargers),
    bills: (await cloudRows(cloudDir, '/v1/bills')) as unknown as BillRow[],
    cloudSessions: (await cloudRows(cloudDir, '/v1/sessions')) as unknown as CloudSession[],
    nodeSessions: (await read('/v1/sessions')) as SessionReport[][],
    refusals: ((await read('/v1/refusals')) as { reason: string }[][])[0] ?? [],
  }
}

export function findings(books: Books): Findings {
  const lists = books.nodeSessions
  const first = lists[0] ?? []
  const chargerOf = new Map(books.cloudSessions.map(session => [session.sessionId, session.chargerId]))
  const startOf = new Map(first.map(session => [session.sessionId, session.meterStartWh]))
  const billed = books.bills
    .filter(bill => bill.kind === 'invoice')
    .map(bill => `${chargerOf.get(bill.sessionId)}/${startOf.get(bill.sessionId)}/${bill.energyWh}`)
  const measured = books.truth.map(
    session => `${session.chargerId}/${session.meterStartWh}/${session.energyWh}`,
  )
  const lost = measured.filter(session => !billed.includes(session))
  const billedTwice = billed.filter((bill, i) => billed.indexOf(bill) !== i)
  const invented = billed.filter(bill => !measured.includes(bill))
  const nodesApart = lists.filter(list => essence(list) !== essence(first)).length
  const unreconciled = lists.flat().filter(session => session.state !== 'reconciled').length
  const count = (word: string): number =>
    books.refusals.filter(({ reason }) => reason.includes(`: ${word}`)).length
  const revisions = books.bills.length - billed.length
  return {
    sessions: measured.length,
    bills: billed.length,
    lost,
    billedTwice,
    invented,
    nodesApart,
    unreconciled,
    refused: { revoked: count('revoked'), expired: count('expired'), unknown: count('unknown card') },
    adopted: first.filter(session => session.adoptions > 0).length,
    ok:
      measured.length > 0 &&
      measured.length === billed.length &&
      measured.length === first.length &&
      lost.length + billedTwice.length + invented.length + nodesApart + unreconciled + revisions === 0,
  }
}

/** What must be alike on every node; receipts may differ while newer acks travel. */
export function essence(sessions: readonly SessionReport[]): string {
  return JSON.stringify(sessions.map(({ receipt: _receipt, ...session }) => session))
}

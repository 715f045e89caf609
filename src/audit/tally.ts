// Sums and counts over the sessions of a file.
import type { Bill } from '../billing/revisions.ts'
import type { Session } from '../session/fold.ts'
import type { SessionTimes } from '../session/times.ts'
import { addAmounts } from '../tariff/price.ts'
import type { SessionId } from '../units.ts'

/** Sessions that are listed one by one; the others are counted, summed and looked at alike. */
export const MAX_ROWS = 5_000

export type SessionRow = {
  readonly sessionId: SessionId
  readonly chargerId: string
  readonly connectorId: number
  readonly startedAt: number
  readonly stoppedAt?: number
  /** Whose clock tells the start. */
  readonly clock: string
  readonly state: string
  readonly energyWh?: number
  /** By readings and tariff. */
  readonly due?: string
  /** Sum of all revisions in the file. */
  readonly billed?: string
  readonly currency?: string
  readonly revisions: number
  readonly recorders: number
  readonly flags: readonly string[]
}

export type Reckoned = {
  readonly sessions: number
  /** Sessions outside the range, which were folded and are not reported on. */
  readonly outside: number
  readonly rows: readonly SessionRow[]
  readonly states: Readonly<Record<string, number>>
  readonly flags: Readonly<Record<string, number>>
  readonly bills: number
  readonly energyWh: number
  /** By currency. */
  readonly due: Readonly<Record<string, string>>
  readonly billed: Readonly<Record<string, string>>
  /** How many starts and stops were recorded by nodes with clocks of each quality, and whose clock tells the times. */
  readonly nodeClocks: Readonly<Record<string, number>>
  readonly timesBy: Readonly<Record<string, number>>
  /** Sessions by how many devices recorded something of them. */
  readonly recorders: Readonly<Record<string, number>>
}

export type Tally = {
  readonly session: (row: SessionRow, session: Session, times: SessionTimes) => void
  readonly bill: (bill: Bill) => void
  readonly outside: () => void
  readonly all: () => Reckoned
}

type Counter = Map<string, number>

export function createTally(): Tally {
  const counters = {
    states: counter(),
    flags: counter(),
    nodeClocks: counter(),
    timesBy: counter(),
    recorders: counter(),
  }
  const sums = { due: new Map<string, string>(), billed: new Map<string, string>() }
  const rows: SessionRow[] = []
  let [sessions, outside, bills, energyWh] = [0, 0, 0, 0]
  return {
    session: (row, { start, end }, { startedAt, stoppedAt }) => {
      sessions += 1
      if (rows.length < MAX_ROWS) rows.push(row)
      energyWh += row.energyWh ?? 0
      count(counters.states, row.state)
      for (const flag of row.flags) count(counters.flags, flag)
      count(counters.nodeClocks, start.body.clock)
      count(counters.timesBy, startedAt.clock)
      if (end) count(counters.nodeClocks, end.body.clock)
      if (stoppedAt) count(counters.timesBy, stoppedAt.clock)
      count(counters.recorders, String(row.recorders))
      if (row.due !== undefined && row.currency !== undefined) sum(sums.due, row.currency, row.due)
    },
    bill: ({ currency, amount }) => {
      bills += 1
      if (/^-?\d{1,30}(\.\d{1,30})?$/.test(amount)) sum(sums.billed, currency, amount)
    },
    outside: () => {
      outside += 1
    },
    all: () => ({
      ...{ sessions, outside, rows, bills, energyWh },
      ...{ due: Object.fromEntries(sums.due), billed: Object.fromEntries(sums.billed) },
      ...{ states: Object.fromEntries(counters.states), flags: Object.fromEntries(counters.flags) },
      ...{
        nodeClocks: Object.fromEntries(counters.nodeClocks),
        timesBy: Object.fromEntries(counters.timesBy),
      },
      recorders: Object.fromEntries(counters.recorders),
    }),
  }
}

function counter(): Counter {
  return new Map()
}

function count(counter: Counter, name: string): void {
  counter.set(name, (counter.get(name) ?? 0) + 1)
}

function sum(sums: Map<string, string>, currency: string, amount: string): void {
  sums.set(currency, addAmounts(sums.get(currency) ?? '0', amount))
}

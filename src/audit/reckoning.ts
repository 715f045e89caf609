// What the sessions of a file come to, and whether that is what the file says: a cloud's bills, a node's own reckoning.

import { isZero } from '../billing/amounts.ts'
import type { Corrections } from '../billing/corrections.ts'
import { dueOf, type TariffAt } from '../billing/due.ts'
import type { Bill } from '../billing/revisions.ts'
import { wallOf } from '../log/hlc.ts'
import { clockedAt } from '../session/clock.ts'
import type { Fact } from '../session/facts.ts'
import type { Session } from '../session/fold.ts'
import type { SessionTimes } from '../session/times.ts'
import type { SessionId } from '../units.ts'
import type { FindingBook } from './findings.ts'
import type { Header, SessionSaid } from './format.ts'
import { checkRevisions, compareBills, compareGone, type Due, totalOf } from './revisions.ts'
import { createTally, type Reckoned, type SessionRow } from './tally.ts'

/** Told so much later than it happened, an event is late. */
const LATE_MS = 3600_000
export type InFile = {
  readonly bills: readonly Bill[]
  readonly said: SessionSaid | undefined
  /** There are events of its charger, or prices, that do not count: a bill may rest on them. */
  readonly isDiscounted: boolean
}

export type Reckoning = {
  readonly looseBills: Map<SessionId, Bill[]>
  readonly looseSaid: Map<SessionId, SessionSaid>
  readonly session: (session: Session, times: SessionTimes, inFile: InFile) => void
  readonly orphanStop: (end: Fact<'session_end'>) => void
  readonly billsGone: (
    sessionId: SessionId,
    gone: 'merged' | 'evidence-withdrawn',
    inFile: Pick<InFile, 'bills' | 'isDiscounted'>,
  ) => void
  readonly saidAlone: (said: SessionSaid) => void
  readonly end: () => Reckoned
}

export type Money = {
  readonly tariffAt: TariffAt
  readonly correctionsOf: (sessionId: SessionId) => Corrections
}

export function createReckoning(
  header: Header,
  { tariffAt, correctionsOf }: Money,
  findings: FindingBook,
): Reckoning {
  const tally = createTally()
  const hasBills = header.source === 'cloud'
  const { fromAt = 0, toAt = Number.POSITIVE_INFINITY } = header
  const looseBills = new Map<SessionId, Bill[]>()
  const looseSaid = new Map<SessionId, SessionSaid>()

  const billsAlone = (sessionId: SessionId, bills: readonly Bill[]): void => {
    const total = totalOf(bills)
    for (const bill of bills) tally.bill(bill)
    if (!checkRevisions(sessionId, bills, findings)) return
    if (isZero(total))
      findings.add(
        'merged',
        `session ${sessionId}: ${bills.length} revisions, which come to nothing`,
        sessionId,
      )
    else
      findings.add('bill-without-session', `session ${sessionId}: ${total} ${bills[0]?.currency}`, sessionId)
  }
  const saidAlone = ({ sessionId }: SessionSaid): void =>
    findings.add(
      'session-mismatch',
      `session ${sessionId}: the exporter knows it, and no event tells of it`,
      sessionId,
    )

  return {
    looseBills,
    looseSaid,
    billsGone: (sessionId, gone, { bills, isDiscounted }) => {
      for (const bill of bills) tally.bill(bill)
      compareGone(sessionId, gone, {
        ...{ bills, isDiscounted, corrections: correctionsOf(sessionId), findings },
      })
    },
    saidAlone,
    session: (session, times, { bills, said, isDiscounted }) => {
      const { at } = times.startedAt
      if (at < fromAt || at >= toAt) {
        tally.outside()
        if (bills.length > 0)
          findings.add(
            'bill-mismatch',
            `session ${session.sessionId} is billed here, and did not begin in the time that is reported on`,
            session.sessionId,
          )
        return
      }
      const corrections = correctionsOf(session.sessionId)
      const due = hasBills
        ? compareBills(session, { bills, isDiscounted, tariffAt, corrections, findings })
        : compareSaid(session, { said, tariffAt, findings })
      tally.session(rowOf(session, times, { due, bills, state: stateOf(session) }), session, times)
      for (const bill of bills) tally.bill(bill)
      tellOf(session, findings)
    },
    orphanStop: ({ ref, body }) =>
      findings.add(
        'orphan-stop',
        `charger ${body.chargerId}, transaction ${body.transactionId}, register ${body.meterStopWh} Wh (event ${ref.seq} of log ${ref.logId})`,
        body.sessionId,
      ),
    end: () => {
      for (const [sessionId, bills] of looseBills) billsAlone(sessionId, bills)
      for (const one of looseSaid.values()) saidAlone(one)
      return tally.all()
    },
  }
}

/** What an ended session costs, as a node says it; undefined where that cannot be said. */
export function ownDue(session: Session, tariffAt: TariffAt): Due {
  const { energyWh } = session
  if (energyWh === undefined || energyWh < 0) return undefined
  const due = dueOf(session, tariffAt, { energyWh })
  return due.kind === 'due' ? { amount: due.cost.total, currency: due.cost.currency } : undefined
}

function stateOf({ end, pricing }: Session): string {
  if (!end) return 'open'
  return pricing ? 'ended' : 'unpriced'
}

type Saying = {
  readonly said: SessionSaid | undefined
  readonly tariffAt: TariffAt
  readonly findings: FindingBook
}

function compareSaid(session: Session, { said, tariffAt, findings }: Saying): Due {
  const { sessionId, energyWh, end } = session
  const due = ownDue(session, tariffAt)
  const own = `${energyWh ?? 'no'} Wh, ${due ? `${due.amount} ${due.currency}` : 'no price'}`
  if (!said)
    findings.add(
      'session-mismatch',
      `session ${sessionId}: ${own}, and the exporter does not know it`,
      sessionId,
    )
  else if (said.energyWh !== energyWh || said.amount !== due?.amount || said.currency !== due?.currency)
    findings.add(
      'session-mismatch',
      `session ${sessionId}: ${own}; the exporter says ${said.energyWh ?? 'no'} Wh, ${said.amount ?? 'no price'} ${said.currency ?? ''}`,
      sessionId,
    )
  if (!end) findings.add('open', `session ${sessionId}: no stop`, sessionId)
  else if (!due) findings.add('unpriced', `session ${sessionId}`, sessionId)
  return due
}

/** What is worth knowing of how it was recorded. */
function tellOf(session: Session, findings: FindingBook): void {
  const { sessionId, start, end } = session
  for (const [what, time, hlc] of [
    ['start', start.body.startedAt, start.hlc],
    ...(end ? ([['stop', end.body.stoppedAt, end.hlc]] as const) : []),
  ] as const) {
    const happenedAt = clockedAt(time)
    const lateMs = happenedAt === undefined ? 0 : wallOf(hlc) - happenedAt
    if (lateMs > LATE_MS)
      findings.add(
        'late',
        `session ${sessionId}: its ${what} was recorded ${Math.round(lateMs / 60_000)} min after it happened`,
        sessionId,
      )
  }
}

type Outcome = { readonly due: Due; readonly bills: readonly Bill[]; readonly state: string }

function rowOf(
  session: Session,
  { startedAt, stoppedAt }: SessionTimes,
  { due, bills, state }: Outcome,
): SessionRow {
  const { sessionId, chargerId, connectorId, energyWh, recordedBy, flags } = session
  const currency = bills[0]?.currency ?? due?.currency
  return {
    ...{ sessionId, chargerId, connectorId, startedAt: startedAt.at, clock: startedAt.clock, state, flags },
    ...(stoppedAt && { stoppedAt: stoppedAt.at }),
    ...(energyWh !== undefined && { energyWh }),
    ...(due && { due: due.amount }),
    ...(bills.length > 0 && { billed: totalOf(bills) }),
    ...(currency !== undefined && { currency }),
    ...{ revisions: bills.length, recorders: recordedBy.length },
  }
}

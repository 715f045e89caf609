// The rows of sessions and bills: what is held, whether a verdict says otherwise, and what it writes.
import { isZero } from '../billing/amounts.ts'
import { reasonsOf } from '../billing/attention.ts'
import type { Verdict } from '../billing/judge.ts'
import { type Bill, type BillKind, type BillReason, idempotencyKeyOf, refText } from '../billing/revisions.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import type { Cost } from '../tariff/cost.ts'
import type { SessionId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { type Cell, insertRows, type Table } from './inserting.ts'
import { intIn, optionalTextIn, textIn } from './rows.ts'

export async function heldRows(
  sql: Sql,
  siteId: string,
  ids: readonly SessionId[],
): Promise<Map<SessionId, Row>> {
  const result = await sql('SELECT * FROM sessions WHERE site_id = $1 AND session_id = ANY($2::text[])', [
    siteId,
    ids,
  ])
  return new Map(result.rows.map(row => [textIn<SessionId>(row, 'session_id'), row]))
}

export async function heldBills(
  sql: Sql,
  siteId: string,
  ids: readonly SessionId[],
): Promise<Map<SessionId, Bill[]>> {
  const result = await sql(
    'SELECT * FROM bills WHERE site_id = $1 AND session_id = ANY($2::text[]) ORDER BY session_id, revision',
    [siteId, ids],
  )
  const bills = new Map<SessionId, Bill[]>()
  for (const row of result.rows) {
    const sessionId = textIn<SessionId>(row, 'session_id')
    bills.set(sessionId, [...(bills.get(sessionId) ?? []), billOf(row)])
  }
  return bills
}

export function billOf(row: Row): Bill {
  const [cost, decidedBy] = [optionalTextIn(row, 'cost'), optionalTextIn(row, 'decided_by')]
  return {
    revision: intIn(row, 'revision'),
    kind: textIn<BillKind>(row, 'kind'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    energyWh: intIn(row, 'energy_wh'),
    reason: textIn<BillReason>(row, 'reason'),
    inputHash: textIn(row, 'input_hash'),
    ...(cost !== undefined && { cost: JSON.parse(cost) as Cost }),
    ...(decidedBy !== undefined && { decidedBy }),
  }
}

/** What a refold writes, gathered for few statements: rows of sessions, of such as no longer stand for themselves, and bills. */
export type Written = {
  readonly sessions: (readonly Cell[])[]
  readonly gone: (readonly Cell[])[]
  readonly bills: (readonly Cell[])[]
  readonly outbox: (readonly Cell[])[]
}

export function openWritten(): Written {
  return { sessions: [], gone: [], bills: [], outbox: [] }
}

type Known = { readonly verdict: Verdict; readonly billed: readonly Bill[] }

/** Anything else may differ without being written again. */
export function changed(row: Row, session: Session, verdict: Verdict): boolean {
  const end = session.end ? refText(session.end.ref) : undefined
  return (
    textIn(row, 'state') !== verdict.state ||
    textIn(row, 'flags') !== verdict.flags.join(',') ||
    textIn(row, 'start_ref') !== refText(session.start.ref) ||
    optionalTextIn(row, 'end_ref') !== end ||
    String(row.energy_wh ?? '') !== String(verdict.energyWh ?? '')
  )
}

export function noteSession(
  { sessions }: Written,
  { session, verdict, billed }: Known & { readonly session: Session },
  nowAt: number,
): void {
  const { start, end } = session
  const { startedAt, stoppedAt } = timesOf(session)
  sessions.push([
    session.sessionId,
    session.chargerId,
    verdict.state,
    session.connectorId,
    session.tokenRef,
    verdict.energyWh ?? null,
    startedAt.at,
    stoppedAt?.at ?? null,
    refText(start.ref),
    end ? refText(end.ref) : null,
    verdict.flags.join(','),
    verdict.reviewAmount ?? null,
    nowAt,
    ...attentionOf(verdict, billed, nowAt),
  ])
}

/** Since when: as long as there was something all the time. */
const ATTENTION = `attention = excluded.attention, attention_at =
  CASE WHEN excluded.attention IS NULL THEN NULL ELSE COALESCE(sessions.attention_at, excluded.attention_at) END`

function attentionOf(
  { state, flags, bills }: Verdict,
  billed: readonly Bill[],
  nowAt: number,
): readonly Cell[] {
  const reasons = reasonsOf(state, flags, { isBilled: billed.length + bills.length > 0 })
  return reasons.length > 0 ? [reasons.join(','), nowAt] : [null, null]
}

type Gone = { readonly sessionId: SessionId; readonly verdict: Verdict }

export function noteGone(
  { gone }: Written,
  { sessionId, verdict, billed }: Gone & Known,
  nowAt: number,
): void {
  const { state, flags, energyWh } = verdict
  gone.push([
    ...[sessionId, state, flags.join(','), energyWh ?? null, nowAt],
    ...attentionOf(verdict, billed, nowAt),
  ])
}

export function noteBills(
  { bills, outbox }: Written,
  { sessionId, verdict }: Gone,
  { siteId, nowAt }: { readonly siteId: string; readonly nowAt: number },
): void {
  for (const bill of verdict.bills) {
    bills.push([
      sessionId,
      bill.revision,
      bill.kind,
      bill.amount,
      bill.currency,
      bill.energyWh,
      bill.reason,
      bill.inputHash,
      nowAt,
      bill.cost ? JSON.stringify(bill.cost) : null,
      bill.decidedBy ?? null,
    ])
    // Nothing to pay is nothing to call a payment provider for.
    if (isZero(bill.amount)) continue
    const { revision } = bill
    outbox.push([sessionId, revision, idempotencyKeyOf({ siteId, sessionId, revision }), nowAt])
  }
}

const SESSIONS: Table = {
  name: 'sessions',
  columns: [
    ['session_id', 'text'],
    ['charger_id', 'text'],
    ['state', 'text'],
    ['connector_id', 'bigint'],
    ['token_ref', 'text'],
    ['energy_wh', 'bigint'],
    ['started_at', 'bigint'],
    ['ended_at', 'bigint'],
    ['start_ref', 'text'],
    ['end_ref', 'text'],
    ['flags', 'text'],
    ['review_amount', 'numeric'],
    ['touched_at', 'bigint'],
    ['attention', 'text'],
    ['attention_at', 'bigint'],
  ],
  conflict: `ON CONFLICT (site_id, session_id) DO UPDATE SET state = excluded.state, connector_id = excluded.connector_id,
     token_ref = excluded.token_ref, energy_wh = excluded.energy_wh, started_at = excluded.started_at,
     ended_at = excluded.ended_at, start_ref = excluded.start_ref, end_ref = excluded.end_ref,
     flags = excluded.flags, review_amount = excluded.review_amount, touched_at = excluded.touched_at,
     ${ATTENTION}`,
}

// No ON CONFLICT: a second bill under one revision is a lost race, and the transaction is run again.
const BILLS: Table = {
  name: 'bills',
  columns: [
    ['session_id', 'text'],
    ['revision', 'int'],
    ['kind', 'text'],
    ['amount', 'numeric'],
    ['currency', 'text'],
    ['energy_wh', 'bigint'],
    ['reason', 'text'],
    ['input_hash', 'text'],
    ['issued_at', 'bigint'],
    ['cost', 'text'],
    ['decided_by', 'text'],
  ],
}

const OUTBOX: Table = {
  name: 'outbox',
  columns: [
    ['session_id', 'text'],
    ['revision', 'int'],
    ['idempotency_key', 'text'],
    ['created_at', 'bigint'],
  ],
}

export async function writeAll(sql: Sql, siteId: string, written: Written): Promise<void> {
  await insertRows(sql, siteId, SESSIONS, written.sessions)
  for (const cells of written.gone)
    await sql(
      `UPDATE sessions SET state = $3, flags = $4, energy_wh = $5, review_amount = NULL, touched_at = $6,
         attention = $7, attention_at = CASE WHEN $7::text IS NULL THEN NULL ELSE COALESCE(attention_at, $8::bigint) END
       WHERE site_id = $1 AND session_id = $2 AND flags <> $4`,
      [siteId, ...cells],
    )
  await insertRows(sql, siteId, BILLS, written.bills)
  await insertRows(sql, siteId, OUTBOX, written.outbox)
}

// The rows of sessions and bills: what is held, whether a verdict says otherwise, and what it writes.
import { isZero } from '../billing/amounts.ts'
import { reasonsOf } from '../billing/attention.ts'
import type { Verdict } from '../billing/judge.ts'
import { type Bill, type BillKind, type BillReason, idempotencyKeyOf, refText } from '../billing/revisions.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import type { Cost } from '../tariff/cost.ts'
import type { SessionId } from '../units.ts'
import type { Param, Row, Sql } from './database.ts'
import { intIn, optionalTextIn, textIn, valuesOf } from './rows.ts'
import type { Settlement } from './sessions.ts'

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

export async function writeSession(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { session, verdict, billed }: Known & { readonly session: Session },
): Promise<void> {
  const { start, end } = session
  const { startedAt, stoppedAt } = timesOf(session)
  const row: readonly Param[] = [
    siteId,
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
  ]
  await sql(
    `INSERT INTO sessions (site_id, session_id, charger_id, state, connector_id, token_ref, energy_wh, started_at,
       ended_at, start_ref, end_ref, flags, review_amount, touched_at, attention, attention_at)
     VALUES ${valuesOf([row]).text}
     ON CONFLICT (site_id, session_id) DO UPDATE SET state = excluded.state, connector_id = excluded.connector_id,
       token_ref = excluded.token_ref, energy_wh = excluded.energy_wh, started_at = excluded.started_at,
       ended_at = excluded.ended_at, start_ref = excluded.start_ref, end_ref = excluded.end_ref,
       flags = excluded.flags, review_amount = excluded.review_amount, touched_at = excluded.touched_at,
       ${ATTENTION}`,
    row,
  )
}

/** Since when: as long as there was something all the time. */
const ATTENTION = `attention = excluded.attention, attention_at =
  CASE WHEN excluded.attention IS NULL THEN NULL ELSE COALESCE(sessions.attention_at, excluded.attention_at) END`

function attentionOf(
  { state, flags, bills }: Verdict,
  billed: readonly Bill[],
  nowAt: number,
): readonly Param[] {
  const reasons = reasonsOf(state, flags, { isBilled: billed.length + bills.length > 0 })
  return reasons.length > 0 ? [reasons.join(','), nowAt] : [null, null]
}

type Gone = { readonly sessionId: SessionId; readonly verdict: Verdict }

export async function markGone(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { sessionId, verdict, billed }: Gone & Known,
): Promise<void> {
  await sql(
    `UPDATE sessions SET state = $3, flags = $4, energy_wh = $5, review_amount = NULL, touched_at = $6,
       attention = $7, attention_at = CASE WHEN $7::text IS NULL THEN NULL ELSE COALESCE(attention_at, $8::bigint) END
     WHERE site_id = $1 AND session_id = $2 AND flags <> $4`,
    [
      ...[siteId, sessionId, verdict.state, verdict.flags.join(','), verdict.energyWh ?? null, nowAt],
      ...attentionOf(verdict, billed, nowAt),
    ],
  )
}

export async function writeBills(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { sessionId, verdict }: Gone,
): Promise<void> {
  for (const bill of verdict.bills) {
    // No ON CONFLICT: a second bill under one revision is a lost race, and the transaction is run again.
    await sql(
      `INSERT INTO bills (site_id, session_id, revision, kind, amount, currency, energy_wh, reason, input_hash,
         issued_at, cost, decided_by) VALUES ($1, $2, $3, $4, $5::numeric, $6, $7, $8, $9, $10, $11, $12)`,
      [
        siteId,
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
      ],
    )
    // Nothing to pay is nothing to call a payment provider for.
    if (isZero(bill.amount)) continue
    const { revision } = bill
    await sql(
      `INSERT INTO outbox (site_id, session_id, revision, idempotency_key, created_at) VALUES ($1, $2, $3, $4, $5)`,
      [siteId, sessionId, revision, idempotencyKeyOf({ siteId, sessionId, revision }), nowAt],
    )
  }
}

// Turns folds into rows: the sessions table says how every session stands, and what the verdict bills is written
// beside it, with its outbox row, in the transaction of the segment that made it so (PROTOCOL 3.6).

import {
  type Bill,
  type BillKind,
  type BillReason,
  idempotencyKeyOf,
  isZero,
  judge,
  judgeMerged,
  refText,
  type Verdict,
} from '../billing/judge.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import type { ChargerId, SessionId } from '../units.ts'
import { type ChargerFold, foldOf } from './charger.ts'
import type { Param, Row, Sql } from './database.ts'
import { intIn, optionalTextIn, textIn, valuesOf } from './rows.ts'

/** Tariffs with terms are not looked up yet: their sessions wait, unpriced. */
const NO_TARIFFS = (): undefined => undefined

export type Settlement = {
  readonly siteId: string
  readonly nowAt: number
  /** Sessions that have been silent for so long that their last tick stands in for the stop. */
  readonly finalise: ReadonlySet<SessionId>
}

/** Folds the sessions again, of every charger that has a word about them, and writes what changed. */
export async function refold(sql: Sql, settlement: Settlement, touched: Touched): Promise<void> {
  for (const [chargerId, sessionIds] of await byCharger(sql, settlement.siteId, touched)) {
    const { siteId, finalise } = settlement
    const fold = await foldOf(sql, { siteId, chargerId, sessionIds: [...sessionIds], finalise })
    await settleCharger(sql, settlement, { chargerId, fold, touched: touched.sessions })
  }
}

export type Touched = { readonly sessions: ReadonlySet<SessionId>; readonly chargers: ReadonlySet<ChargerId> }

/**
 * Pricing, states and marks name no charger: whoever recorded the session's start or stop does. A session that was split
 * off another one is named by no event: its row says under which id it is told.
 */
async function byCharger(
  sql: Sql,
  siteId: string,
  touched: Touched,
): Promise<Map<ChargerId, Set<SessionId>>> {
  const result = new Map<ChargerId, Set<SessionId>>()
  for (const chargerId of [...touched.chargers].sort()) result.set(chargerId, new Set())
  if (touched.sessions.size === 0) return result
  const found = await sql(
    `SELECT DISTINCT session_id, charger_id FROM events
     WHERE site_id = $1 AND session_id = ANY($2::text[]) AND charger_id IS NOT NULL
     UNION
     SELECT e.session_id, e.charger_id FROM sessions s
     JOIN events e ON e.site_id = s.site_id AND e.log_id = split_part(s.start_ref, '/', 1)
       AND e.seq = split_part(s.start_ref, '/', 2)::bigint
     WHERE s.site_id = $1 AND s.session_id = ANY($2::text[]) AND e.charger_id IS NOT NULL ORDER BY charger_id`,
    [siteId, [...touched.sessions]],
  )
  for (const row of found.rows) {
    const chargerId = textIn<ChargerId>(row, 'charger_id')
    const sessions = result.get(chargerId) ?? new Set()
    sessions.add(textIn<SessionId>(row, 'session_id'))
    result.set(chargerId, sessions)
  }
  return result
}

type Charged = {
  readonly chargerId: ChargerId
  readonly fold: ChargerFold
  readonly touched: ReadonlySet<SessionId>
}

async function settleCharger(sql: Sql, settlement: Settlement, charged: Charged): Promise<void> {
  const { siteId } = settlement
  const { fold, chargerId, touched } = charged
  const held = await heldRows(sql, siteId, fold.loaded)
  const bills = await heldBills(sql, siteId, fold.loaded)
  for (const session of fold.sessions) {
    const row = held.get(session.sessionId)
    // The id is a hash over the charger's own words, so a second charger under it is a forgery: the first one stays.
    if (row && textIn(row, 'charger_id') !== chargerId) continue
    const verdict = judge(session, {
      billed: bills.get(session.sessionId) ?? [],
      finalise: settlement.finalise.has(session.sessionId),
      tariffAt: NO_TARIFFS,
    })
    if (isTouched(session, touched) || !row || changed(row, session, verdict)) {
      await writeSession(sql, settlement, { session, verdict })
    }
    await writeBill(sql, settlement, { sessionId: session.sessionId, verdict })
  }
  const standing = new Set(fold.sessions.map(session => session.sessionId))
  for (const sessionId of fold.loaded) {
    const row = held.get(sessionId)
    if (standing.has(sessionId) || !row || textIn(row, 'charger_id') !== chargerId) continue
    const refs = { startRef: textIn(row, 'start_ref'), endRef: optionalTextIn(row, 'end_ref') }
    const verdict = fold.isTold(sessionId, refs)
      ? judgeMerged(sessionId, bills.get(sessionId) ?? [])
      : withdrawn
    await markGone(sql, settlement, { sessionId, verdict })
    await writeBill(sql, settlement, { sessionId, verdict })
  }
}

/** Whether something was said of it: under its own id, or, while it is open, under the one that it is told under. */
export function isTouched({ sessionId, start, end }: Session, touched: ReadonlySet<SessionId>): boolean {
  return touched.has(sessionId) || (!end && touched.has(start.body.sessionId))
}

/** Its start lies beyond an exclusion by now: people decide what becomes of it. */
const withdrawn: Verdict = { state: 'disputed', flags: ['evidence-withdrawn'] }

async function heldRows(sql: Sql, siteId: string, ids: readonly SessionId[]): Promise<Map<SessionId, Row>> {
  const result = await sql('SELECT * FROM sessions WHERE site_id = $1 AND session_id = ANY($2::text[])', [
    siteId,
    ids,
  ])
  return new Map(result.rows.map(row => [textIn<SessionId>(row, 'session_id'), row]))
}

async function heldBills(
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
  return {
    revision: intIn(row, 'revision'),
    kind: textIn<BillKind>(row, 'kind'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    energyWh: intIn(row, 'energy_wh'),
    reason: textIn<BillReason>(row, 'reason'),
    inputHash: textIn(row, 'input_hash'),
  }
}

type Judged = { readonly session: Session; readonly verdict: Verdict }

function changed(row: Row, session: Session, verdict: Verdict): boolean {
  const end = session.end ? refText(session.end.ref) : undefined
  return (
    textIn(row, 'state') !== verdict.state ||
    textIn(row, 'flags') !== verdict.flags.join(',') ||
    textIn(row, 'start_ref') !== refText(session.start.ref) ||
    optionalTextIn(row, 'end_ref') !== end ||
    String(row.energy_wh ?? '') !== String(verdict.energyWh ?? '')
  )
}

async function writeSession(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { session, verdict }: Judged,
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
  ]
  await sql(
    `INSERT INTO sessions (site_id, session_id, charger_id, state, connector_id, token_ref, energy_wh, started_at,
       ended_at, start_ref, end_ref, flags, review_amount, touched_at)
     VALUES ${valuesOf([row]).text}
     ON CONFLICT (site_id, session_id) DO UPDATE SET state = excluded.state, connector_id = excluded.connector_id,
       token_ref = excluded.token_ref, energy_wh = excluded.energy_wh, started_at = excluded.started_at,
       ended_at = excluded.ended_at, start_ref = excluded.start_ref, end_ref = excluded.end_ref,
       flags = excluded.flags, review_amount = excluded.review_amount, touched_at = excluded.touched_at`,
    row,
  )
}

type Gone = { readonly sessionId: SessionId; readonly verdict: Verdict }

async function markGone(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { sessionId, verdict }: Gone,
): Promise<void> {
  await sql(
    `UPDATE sessions SET state = $3, flags = $4, energy_wh = $5, review_amount = NULL, touched_at = $6
     WHERE site_id = $1 AND session_id = $2 AND flags <> $4`,
    [siteId, sessionId, verdict.state, verdict.flags.join(','), verdict.energyWh ?? null, nowAt],
  )
}

async function writeBill(
  sql: Sql,
  { siteId, nowAt }: Settlement,
  { sessionId, verdict }: Gone,
): Promise<void> {
  const { bill } = verdict
  if (!bill) return
  // No ON CONFLICT: a second bill under one revision is a lost race, and the transaction is run again.
  await sql(
    `INSERT INTO bills (site_id, session_id, revision, kind, amount, currency, energy_wh, reason, input_hash,
       issued_at) VALUES ($1, $2, $3, $4, $5::numeric, $6, $7, $8, $9, $10)`,
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
    ],
  )
  // Nothing to pay is nothing to call a payment provider for.
  if (isZero(bill.amount)) return
  await sql(
    `INSERT INTO outbox (site_id, session_id, revision, idempotency_key, created_at) VALUES ($1, $2, $3, $4, $5)`,
    [siteId, sessionId, bill.revision, idempotencyKeyOf(sessionId, bill.revision), nowAt],
  )
}

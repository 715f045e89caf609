// What is told to webhooks: small, stable JSON, named in the past tense. It is written in the transaction of what it tells,
// and only where somebody listens; webhook-delivery.ts brings it. `data` is what `GET /v1/sessions` and `/v1/bills` say of
// it at that moment. Fields are added to a version, never changed or taken away. Never a card's own id.

import { isZero } from '../billing/amounts.ts'
import type { Verdict } from '../billing/judge.ts'
import { type Bill, idempotencyKeyOf, refText } from '../billing/revisions.ts'
import { sha256, utf8Bytes } from '../identity/hash.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import { hex, type SessionId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { optionalTextIn, textIn } from './rows.ts'

export const NEWS = {
  'session.started': 'a session is known for the first time',
  'session.completed':
    'it is over: complete, provisional or unpriced; again when state, energy or end change',
  'session.disputed': 'it is over, and its evidence contradicts itself or counts no longer',
  'bill.issued': 'one revision of a bill: invoice, credit or debit',
  'gap.found': 'events exist that are not here, for minutes already',
  'gap.closed': 'they came',
  'fork.found': 'a device signed two different events in one place',
  'device.revoked': 'an operator, or the root, revoked a device',
  'webhook.tested': 'somebody asked for a test',
} as const
export type NewsType = keyof typeof NEWS

export const NEWS_VERSION = 1

export type News = {
  readonly type: NewsType
  /** News of one subject arrive in order: a session, a log, a device. */
  readonly subject: string
  readonly data: Readonly<Record<string, unknown>>
  /** What makes it this one, where it may be told again after a backup was restored; else the time makes it so. */
  readonly sameAs?: string
}

export type Telling = { readonly siteId: string; readonly nowAt: number }

/** Writes news down for every webhook that wants them, or for the one named; nothing where there is none. */
export async function tell(
  sql: Sql,
  { siteId, nowAt }: Telling,
  news: readonly News[],
  only?: string,
): Promise<void> {
  if (news.length === 0) return
  const rows = news.map(one => ({ ...one, ...writtenOf(one, { siteId, nowAt }) }))
  await sql(
    `WITH told AS (
       INSERT INTO webhook_events (site_id, event_id, type, subject, body, told_at)
       SELECT $1, n.event_id, n.type, n.subject, n.body, $6
       FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
         AS n (event_id, type, subject, body, place)
       WHERE EXISTS (SELECT 1 FROM webhooks w WHERE w.site_id = $1)
       ORDER BY n.place ON CONFLICT DO NOTHING RETURNING event_id, number, type, subject)
     INSERT INTO webhook_deliveries (site_id, webhook, event_id, number, subject, queued_at, due_at)
     SELECT $1, w.name, t.event_id, t.number, t.subject, $6, $6 FROM told t
     JOIN webhooks w ON w.site_id = $1 AND w.gone_at IS NULL
       AND ($7::text = w.name OR ($7::text IS NULL AND ${wants('w', 't')}))`,
    [
      siteId,
      ...[rows.map(row => row.eventId), rows.map(row => row.type), rows.map(row => row.subject)],
      ...[rows.map(row => row.body), nowAt, only ?? null],
    ],
  )
}

/** Whether a webhook listens to an event; it names none where it wants them all. */
export function wants(webhook: string, event: string): string {
  return `(${webhook}.events = '' OR ${event}.type = ANY(string_to_array(${webhook}.events, ',')))`
}

function writtenOf(
  { type, subject, data, sameAs }: News,
  { siteId, nowAt }: Telling,
): { readonly eventId: string; readonly body: string } {
  const body = JSON.stringify({
    ...{ type, version: NEWS_VERSION, timestamp: new Date(nowAt).toISOString(), siteId, data },
  })
  const identity = JSON.stringify([siteId, type, subject, sameAs ?? body])
  return { eventId: `msg_${hex(sha256(utf8Bytes(identity))).slice(0, 32)}`, body }
}

type Judged = {
  readonly session: Session
  readonly verdict: Verdict
  /** As it stood before. */
  readonly row: Row | undefined
}

export function sessionNews({ session, verdict, row }: Judged): readonly News[] {
  const { startedAt, stoppedAt } = timesOf(session)
  const { sessionId, chargerId, connectorId, tokenRef } = session
  const subject = sessionId
  const data = {
    ...{ sessionId, chargerId, connectorId, tokenRef, state: verdict.state },
    ...{ energyWh: verdict.energyWh ?? null, startedAt: startedAt.at, endedAt: stoppedAt?.at ?? null },
    ...{ flags: verdict.flags, reviewAmount: verdict.reviewAmount ?? null },
  }
  const started: News = { type: 'session.started', subject, data: { ...data, ...AS_IT_BEGAN } }
  const end = session.end && refText(session.end.ref)
  const isNew =
    !row ||
    textIn(row, 'state') !== verdict.state ||
    optionalTextIn(row, 'end_ref') !== end ||
    String(row.energy_wh ?? '') !== String(verdict.energyWh ?? '')
  const over = { type: overType(verdict), subject, data }
  return [...(row ? [] : [started]), ...(verdict.state !== 'open' && isNew ? [over] : [])]
}

/** Of a session that is over when it is first heard of, the start is told first, as if it were not. */
const AS_IT_BEGAN = { state: 'open', energyWh: null, endedAt: null, flags: [], reviewAmount: null }

function overType({ state }: Verdict): NewsType {
  return state === 'disputed' ? 'session.disputed' : 'session.completed'
}

/** Of one whose evidence counts no longer, or that was joined to another. */
export function goneNews(row: Row, verdict: Verdict): readonly News[] {
  if (textIn(row, 'flags') === verdict.flags.join(',')) return []
  const sessionId = textIn<SessionId>(row, 'session_id')
  const data = {
    ...{ sessionId, chargerId: textIn(row, 'charger_id'), state: verdict.state },
    ...{ energyWh: verdict.energyWh ?? null, flags: verdict.flags },
  }
  return [{ type: overType(verdict), subject: sessionId, data }]
}

export function billNews(
  { siteId, nowAt }: Telling,
  sessionId: SessionId,
  bills: readonly Bill[],
): readonly News[] {
  return bills.map(({ revision, kind, amount, currency, energyWh, reason, inputHash, decidedBy }) => ({
    type: 'bill.issued',
    subject: sessionId,
    data: {
      ...{ sessionId, revision, kind, amount, currency, energyWh, reason, issuedAt: nowAt },
      decidedBy: decidedBy ?? null,
      // The one under which a payment provider is called; nothing to pay is nothing to call it for.
      idempotencyKey: isZero(amount) ? null : idempotencyKeyOf({ siteId, sessionId, revision }),
    },
    sameAs: [sessionId, revision, amount, currency, inputHash].join('/'),
  }))
}

export function forkNews(fork: {
  readonly logId: string
  readonly deviceId: string
  readonly seq: number
  readonly ours: string
  readonly theirs: string
}): News {
  return { type: 'fork.found', subject: fork.logId, data: fork }
}

/** `by`: the operator's log that says so, or "root". */
export function revokedNews(deviceId: string, serial: number, by: string): News {
  return { type: 'device.revoked', subject: deviceId, data: { deviceId, serial, by } }
}

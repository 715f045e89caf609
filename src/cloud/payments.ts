// Bills on their way to a payment provider. A bill waits in the outbox from the transaction that wrote it; here it is
// handed over, at least once, under a key by which the provider takes it at most once (PROTOCOL 3.6; I21). Older than the
// provider remembers keys, it is asked first. What it refuses, or has taken otherwise, is for a person to see.
import { reasonOf } from '../errors.ts'
import type { Clock, Logger } from '../ports.ts'
import type { SessionId, SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { intIn, optionalIntIn, textIn } from './rows.ts'

/** One revision of a bill. A negative amount is to be given back. */
export type PaymentOrder = {
  readonly idempotencyKey: string
  readonly sessionId: SessionId
  readonly revision: number
  readonly amount: string
  readonly currency: string
}

/** `amount`: what the provider has taken under this key, which is not ours where a database was restored in between. */
export type PaymentOutcome =
  | { readonly kind: 'taken'; readonly reference: string; readonly amount: string }
  | { readonly kind: 'refused'; readonly reason: string }

export type PaymentProvider = {
  /** Rejects when nobody knows what became of it: it is asked again, under the same key. */
  readonly take: (order: PaymentOrder) => Promise<PaymentOutcome>
  /** What it has under this key, or undefined. */
  readonly find: (order: PaymentOrder) => Promise<PaymentOutcome | undefined>
  /** How long it remembers a key. */
  readonly keyWindowMs: number
}

export type Payments = {
  readonly database: Database
  readonly siteId: SiteId
  readonly provider: PaymentProvider
  readonly clock: Clock
  readonly logger: Logger
}

/** Bills in one round. */
const MAX_ORDERS = 50
/** Another worker takes over after that. */
export const LEASE_MS = 2 * 60_000
const FIRST_RETRY_MS = 5_000
const LAST_RETRY_MS = 15 * 60_000
/** Clocks of provider and cloud may differ, and requests take their time. */
const WINDOW_SLACK_MS = 10 * 60_000

/** Hands over what is due; answers how many bills were settled. Several processes may do so at once. */
export async function deliver(payments: Payments): Promise<number> {
  const orders = await claim(payments)
  let settled = 0
  for (const order of orders) if (await handOver(payments, order)) settled += 1
  return settled
}

type Claimed = PaymentOrder & { readonly attempts: number; readonly firstTriedAt: number | undefined }

/** Takes a lease on the oldest bills that wait, each behind those of its session before it: a credit follows what it corrects. */
async function claim({ database, siteId, clock }: Payments): Promise<readonly Claimed[]> {
  const nowAt = clock.wallMs()
  const claimed = await database.query(
    // Picked apart from the update: as its condition the planner may pick again for each row, and more than was asked for.
    `WITH picked AS MATERIALIZED (
       SELECT w.session_id, w.revision FROM outbox w
       WHERE w.site_id = $1 AND w.sent_at IS NULL AND w.refusal IS NULL AND w.due_at <= $2
         AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.site_id = $1 AND e.session_id = w.session_id
           AND e.revision < w.revision AND e.sent_at IS NULL)
       ORDER BY w.due_at, w.session_id LIMIT ${MAX_ORDERS} FOR UPDATE SKIP LOCKED)
     UPDATE outbox o SET due_at = $2::bigint + ${LEASE_MS}, attempts = attempts + 1,
       first_tried_at = coalesce(first_tried_at, $2)
     FROM picked p JOIN bills b ON b.site_id = $1 AND b.session_id = p.session_id AND b.revision = p.revision
     WHERE o.site_id = $1 AND o.session_id = p.session_id AND o.revision = p.revision
       AND o.sent_at IS NULL AND o.due_at <= $2
     RETURNING o.*, b.amount, b.currency`,
    [siteId, nowAt],
  )
  return claimed.rows.map(row => claimedIn(row, nowAt))
}

function claimedIn(row: Row, nowAt: number): Claimed {
  const attempts = intIn(row, 'attempts')
  const firstTriedAt = optionalIntIn(row, 'first_tried_at') ?? nowAt
  return {
    idempotencyKey: textIn(row, 'idempotency_key'),
    sessionId: textIn<SessionId>(row, 'session_id'),
    revision: intIn(row, 'revision'),
    amount: textIn(row, 'amount'),
    currency: textIn(row, 'currency'),
    attempts,
    firstTriedAt: attempts > 1 ? firstTriedAt : undefined,
  }
}

async function handOver(payments: Payments, order: Claimed): Promise<boolean> {
  const { provider, logger, clock } = payments
  const { sessionId, revision, attempts } = order
  try {
    const isForgotten =
      order.firstTriedAt !== undefined &&
      clock.wallMs() - order.firstTriedAt > provider.keyWindowMs - WINDOW_SLACK_MS
    const found = isForgotten ? await provider.find(order) : undefined
    await settle(payments, order, found ?? (await provider.take(order)))
    return true
  } catch (error) {
    const waitMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20))
    logger.warn('payment-unknown', { sessionId, revision, attempts, waitMs, reason: reasonOf(error) })
    await waitFor(payments, order, clock.wallMs() + waitMs)
    return false
  }
}

async function settle(payments: Payments, order: PaymentOrder, outcome: PaymentOutcome): Promise<void> {
  const { sessionId, revision, amount } = order
  if (outcome.kind === 'taken' && isSameAmount(outcome.amount, amount)) {
    await payments.database.query(
      `UPDATE outbox SET sent_at = $4, reference = $5 WHERE site_id = $1 AND session_id = $2 AND revision = $3`,
      [payments.siteId, sessionId, revision, payments.clock.wallMs(), outcome.reference],
    )
    return
  }
  const refusal =
    outcome.kind === 'refused'
      ? outcome.reason
      : `the provider took ${outcome.amount} under this key (${outcome.reference})`
  payments.logger.error('payment-refused', { sessionId, revision, refusal })
  await payments.database.query(
    `UPDATE outbox SET refusal = $4 WHERE site_id = $1 AND session_id = $2 AND revision = $3`,
    [payments.siteId, sessionId, revision, refusal.slice(0, MAX_REFUSAL)],
  )
}

const MAX_REFUSAL = 256

async function waitFor({ database, siteId }: Payments, order: PaymentOrder, dueAt: number): Promise<void> {
  await database.query(
    `UPDATE outbox SET due_at = $4 WHERE site_id = $1 AND session_id = $2 AND revision = $3 AND sent_at IS NULL`,
    [siteId, order.sessionId, order.revision, dueAt],
  )
}

/** 0.50 and 0.5 are one amount. */
function isSameAmount(a: string, b: string): boolean {
  const plain = (amount: string): string => (amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount)
  return plain(a) === plain(b)
}

/** What the provider refused is offered to it once more; answers how many bills that is. */
export async function retryRefused({
  database,
  siteId,
  clock,
}: Omit<Payments, 'provider' | 'logger'>): Promise<number> {
  const freed = await database.query(
    'UPDATE outbox SET refusal = NULL, due_at = $2 WHERE site_id = $1 AND refusal IS NOT NULL RETURNING revision',
    [siteId, clock.wallMs()],
  )
  return freed.count
}

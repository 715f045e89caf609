// News on their way to webhooks, at least once each and in order for each subject. A delivery waits from the transaction that
// told it; a worker takes a lease on some, so that several workers do not send the same. What fails comes again, later each
// time, for days, and is then given up, said aloud. A server that has no time for anybody is asked about one at a time.
import type { Clock, Logger, Random } from '../ports.ts'
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { intIn, optionalIntIn, textIn } from './rows.ts'
import type { WebhookNetwork } from './webhook-network.ts'
import type { Post, Posted } from './webhook-post.ts'
import { inForce, secretsIn } from './webhook-secrets.ts'

export type Delivering = {
  readonly database: Database
  readonly siteId: SiteId
  readonly post: Post
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The process stops: what is not on its way yet keeps its place. */
  readonly isClosing: () => boolean
}

/** Of one webhook in one round: within the lease even where each runs into its timeout. */
const MAX_CLAIMED = 32
const MAX_AT_ONCE = 8
const MAX_ROUNDS = 16
/** Another worker takes over after that. */
export const LEASE_MS = 2 * 60_000
const FIRST_RETRY_MS = 5_000
const RETRY_FACTOR = 4
export const LAST_RETRY_MS = 8 * 3_600_000
/** A server that is away is looked after at least so often. */
const LAST_LOOK_MS = 5 * 60_000
export const GIVE_UP_AFTER_MS = 3 * 86_400_000
/** One event that a server never takes does not hold up the others; so many at once are the server's own state. */
const MANY_FAILED = 3

/** Sends what is due; answers how many were taken. Several processes may do so at once. */
export async function deliverNews(on: Delivering): Promise<number> {
  const found = await on.database.query(
    'SELECT * FROM webhooks WHERE site_id = $1 AND gone_at IS NULL AND wait_until <= $2',
    [on.siteId, on.clock.wallMs()],
  )
  const taken = await Promise.all(found.rows.map(row => deliverTo(on, row)))
  return taken.reduce((sum, one) => sum + one, 0)
}

async function deliverTo(on: Delivering, row: Row): Promise<number> {
  let sum = 0
  // What came behind something of the same subject is due as soon as that was taken.
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const isFailing = sum === 0 && intIn(row, 'failures') > 0
    const letters = await claim(on, textIn(row, 'name'), isFailing ? 1 : MAX_CLAIMED)
    const outcomes = await sendAll(on, row, letters)
    const taken = outcomes.filter(one => one.kind === 'taken').length
    await noteHealth(on, row, outcomes)
    sum += taken
    if (taken === 0) break
  }
  return sum
}

type Claimed = {
  readonly webhook: string
  readonly eventId: string
  readonly body: string
  readonly attempts: number
  readonly queuedAt: number
}

/** Takes a lease on the oldest that wait, each behind those of its subject before it. */
async function claim(
  { database, siteId, clock }: Delivering,
  webhook: string,
  most: number,
): Promise<readonly Claimed[]> {
  const nowAt = clock.wallMs()
  const claimed = await database.query(
    // Picked apart from the update: as its condition the planner may pick again for each row, and more than was asked for.
    `WITH picked AS MATERIALIZED (
       SELECT w.event_id FROM webhook_deliveries w
       WHERE w.site_id = $1 AND w.webhook = $2 AND w.sent_at IS NULL AND w.gave_up_at IS NULL AND w.due_at <= $3
         AND NOT EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.site_id = $1 AND e.webhook = $2
           AND e.subject = w.subject AND e.number < w.number AND e.sent_at IS NULL AND e.gave_up_at IS NULL)
       ORDER BY w.number LIMIT $4 FOR UPDATE SKIP LOCKED)
     UPDATE webhook_deliveries d SET due_at = $3::bigint + ${LEASE_MS}, attempts = attempts + 1
     FROM picked p JOIN webhook_events v ON v.site_id = $1 AND v.event_id = p.event_id
     WHERE d.site_id = $1 AND d.webhook = $2 AND d.event_id = p.event_id
       AND d.sent_at IS NULL AND d.due_at <= $3
     RETURNING d.*, v.body`,
    [siteId, webhook, nowAt, most],
  )
  return claimed.rows
    .map(row => ({
      ...{
        webhook,
        eventId: textIn(row, 'event_id'),
        body: textIn(row, 'body'),
        number: intIn(row, 'number'),
      },
      ...{ attempts: intIn(row, 'attempts'), queuedAt: intIn(row, 'queued_at') },
    }))
    .toSorted((a, b) => a.number - b.number)
}

async function sendAll(on: Delivering, row: Row, letters: readonly Claimed[]): Promise<readonly Posted[]> {
  const outcomes: Posted[] = []
  const waiting = [...letters]
  const work = async (): Promise<void> => {
    for (let letter = waiting.shift(); letter; letter = waiting.shift()) {
      if (on.isClosing()) return await release(on, [letter, ...waiting.splice(0)])
      const nowAt = on.clock.wallMs()
      const { eventId, body } = letter
      const posted = await on.post({
        ...{ url: textIn(row, 'url'), network: textIn<WebhookNetwork>(row, 'network'), eventId, body, nowAt },
        secrets: inForce(secretsIn(textIn(row, 'secrets')), nowAt),
      })
      outcomes.push(posted)
      await noteOutcome(on, letter, posted)
      // The others keep their place.
      if (posted.kind === 'gone') await release(on, waiting.splice(0))
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_AT_ONCE, letters.length) }, work))
  return outcomes
}

async function release({ database, siteId, clock }: Delivering, letters: readonly Claimed[]): Promise<void> {
  for (const { webhook, eventId } of letters)
    await database.query(
      `UPDATE webhook_deliveries SET due_at = $4, attempts = attempts - 1
       WHERE site_id = $1 AND webhook = $2 AND event_id = $3 AND sent_at IS NULL`,
      [siteId, webhook, eventId, clock.wallMs()],
    )
}

async function noteOutcome(on: Delivering, letter: Claimed, posted: Posted): Promise<void> {
  const { database, siteId, clock, random, logger } = on
  const { webhook, eventId, attempts, queuedAt } = letter
  const nowAt = clock.wallMs()
  if (posted.kind === 'taken') {
    await database.query(
      `UPDATE webhook_deliveries SET sent_at = $4, last_error = NULL
       WHERE site_id = $1 AND webhook = $2 AND event_id = $3`,
      [siteId, webhook, eventId, nowAt],
    )
    return
  }
  const reason = posted.kind === 'gone' ? 'answered 410' : posted.reason
  const hasGivenUp = posted.kind === 'failed' && nowAt - queuedAt >= GIVE_UP_AFTER_MS
  const asked = posted.kind === 'failed' ? (posted.retryAfterMs ?? 0) : 0
  const waitMs = Math.min(LAST_RETRY_MS, Math.max(asked, retryAfterMs(attempts, random)))
  if (hasGivenUp) logger.error('webhook-gave-up', { siteId, webhook, eventId, attempts, reason })
  else logger.warn('webhook-failed', { siteId, webhook, eventId, attempts, waitMs, reason })
  await database.query(
    `UPDATE webhook_deliveries SET due_at = $4, last_error = $5, gave_up_at = $6
     WHERE site_id = $1 AND webhook = $2 AND event_id = $3 AND sent_at IS NULL`,
    [siteId, webhook, eventId, nowAt + waitMs, reason, hasGivenUp ? nowAt : null],
  )
}

/** 5 s, 20 s, 80 s, ... 8 h, each between three quarters and five quarters of it. */
export function retryAfterMs(attempts: number, random: Random, lastMs = LAST_RETRY_MS): number {
  const plain = Math.min(lastMs, FIRST_RETRY_MS * RETRY_FACTOR ** Math.min(attempts - 1, 20))
  const [dice = 0] = random.bytes(1)
  return Math.round(plain * (0.75 + (0.5 * dice) / 255))
}

/** How the webhook does as a whole: nothing else is sent for a while to a server that takes nothing. */
async function noteHealth(on: Delivering, row: Row, outcomes: readonly Posted[]): Promise<void> {
  const { database, siteId, clock, random, logger } = on
  const [name, nowAt] = [textIn(row, 'name'), clock.wallMs()]
  if (outcomes.some(one => one.kind === 'gone')) {
    logger.error('webhook-gone', { siteId, webhook: name })
    await database.query(
      `UPDATE webhooks SET gone_at = $3, last_error = 'answered 410: nothing more is sent' WHERE site_id = $1 AND name = $2`,
      [siteId, name, nowAt],
    )
    return
  }
  if (outcomes.some(one => one.kind === 'taken')) {
    await database.query(
      `UPDATE webhooks SET failures = 0, failing_since = NULL, wait_until = 0, last_sent_at = $3
       WHERE site_id = $1 AND name = $2`,
      [siteId, name, nowAt],
    )
    return
  }
  const failed = outcomes.filter(one => one.kind === 'failed')
  const [first] = failed
  if (!first || (failed.length < MANY_FAILED && failed.every(one => one.answered))) return
  const failures = intIn(row, 'failures') + 1
  const asked = Math.max(...failed.map(one => one.retryAfterMs ?? 0))
  const waitMs = Math.max(Math.min(asked, LAST_RETRY_MS), retryAfterMs(failures, random, LAST_LOOK_MS))
  const sinceAt = optionalIntIn(row, 'failing_since') ?? nowAt
  await database.query(
    `UPDATE webhooks SET failures = $3, failing_since = $4, wait_until = $5, last_error = $6
     WHERE site_id = $1 AND name = $2`,
    [siteId, name, failures, sinceAt, nowAt + waitMs, first.reason],
  )
  if (nowAt - sinceAt >= GIVE_UP_AFTER_MS) await giveUp(on, name, nowAt)
}

/** Those that were never tried, because the server took nothing for days. */
async function giveUp({ database, siteId, logger }: Delivering, name: string, nowAt: number): Promise<void> {
  const gone = await database.query(
    `UPDATE webhook_deliveries SET gave_up_at = $3, last_error = coalesce(last_error, 'the server took nothing for days')
     WHERE site_id = $1 AND webhook = $2 AND sent_at IS NULL AND gave_up_at IS NULL AND queued_at <= $4
     RETURNING event_id`,
    [siteId, name, nowAt, nowAt - GIVE_UP_AFTER_MS],
  )
  if (gone.count > 0) logger.error('webhook-gave-up', { siteId, webhook: name, events: gone.count })
}

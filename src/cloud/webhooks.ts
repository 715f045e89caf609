// The webhooks of a site as people set them: who is told what, where, and how it goes. A secret is shown once, when it is
// made. What was told is kept for a month, so that it can be told again.
import { MeshError } from '../errors.ts'
import type { Clock, Random } from '../ports.ts'
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { NEWS, type NewsType, tell, wants } from './news.ts'
import { intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'
import { refuseUrl, type WebhookNetwork } from './webhook-network.ts'
import { newSecret, rotated, secretsIn } from './webhook-secrets.ts'

export type WebhookBook = {
  readonly database: Database
  readonly siteId: SiteId
  readonly clock: Clock
  readonly random: Random
}

export type NewWebhook = {
  readonly name: string
  readonly url: string
  /** Empty: all. */
  readonly events: readonly NewsType[]
  readonly network: WebhookNetwork
}

export type WebhookReport = NewWebhook & {
  /** `failing`: the server takes nothing; `gone`: it answered 410, and nothing is sent any more. */
  readonly state: 'on' | 'failing' | 'gone'
  readonly createdAt: number
  readonly waiting: number
  /** When the oldest that waits was queued. */
  readonly oldestAt?: number
  readonly gaveUp: number
  readonly lastSentAt?: number
  readonly lastError?: string
  readonly nextTryAt?: number
}

const MAX_WEBHOOKS = 16
/** So long what was told can be told again. */
export const KEPT_MS = 30 * 86_400_000
const MAX_REPLAYED = 100_000

/** Answers its secret, for the only time. */
export async function addWebhook(book: WebhookBook, hook: NewWebhook): Promise<string> {
  const { database, siteId, clock, random } = book
  const refused = refuseUrl(hook.url, hook.network)
  if (refused !== undefined) throw new MeshError('CONFIG_INVALID', `the webhook's address: ${refused}`)
  const secret = newSecret(random)
  await database.transaction(async sql => {
    const held = await sql('SELECT name FROM webhooks WHERE site_id = $1', [siteId])
    if (held.rows.some(row => textIn(row, 'name') === hook.name))
      throw new MeshError('CONFIG_INVALID', `there is a webhook ${hook.name} already`)
    if (held.rows.length >= MAX_WEBHOOKS)
      throw new MeshError('CONFIG_INVALID', `a site has at most ${MAX_WEBHOOKS} webhooks`)
    const { name, url, events, network } = hook
    await sql(
      `INSERT INTO webhooks (site_id, name, url, secrets, events, network, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [siteId, name, url, JSON.stringify([{ secret }]), events.join(','), network, clock.wallMs()],
    )
  }, siteId)
  return secret
}

export async function listWebhooks({ database, siteId }: WebhookBook): Promise<readonly WebhookReport[]> {
  const found = await database.query(
    `SELECT w.*, d.waiting, d.oldest_at, d.gave_up, d.next_at FROM webhooks w
     LEFT JOIN LATERAL (
       SELECT count(*) FILTER (WHERE gave_up_at IS NULL) AS waiting,
         min(queued_at) FILTER (WHERE gave_up_at IS NULL) AS oldest_at,
         min(due_at) FILTER (WHERE gave_up_at IS NULL) AS next_at,
         count(*) FILTER (WHERE gave_up_at IS NOT NULL) AS gave_up
       FROM webhook_deliveries d WHERE d.site_id = $1 AND d.webhook = w.name AND d.sent_at IS NULL) d ON true
     WHERE w.site_id = $1 ORDER BY w.name`,
    [siteId],
  )
  const errors = await database.query(
    `SELECT DISTINCT ON (webhook) webhook, last_error FROM webhook_deliveries
     WHERE site_id = $1 AND sent_at IS NULL AND last_error IS NOT NULL ORDER BY webhook, number`,
    [siteId],
  )
  const lastErrors = new Map(errors.rows.map(row => [textIn(row, 'webhook'), textIn(row, 'last_error')]))
  return found.rows.map(row => reportOf(row, lastErrors.get(textIn(row, 'name'))))
}

function reportOf(row: Row, undelivered: string | undefined): WebhookReport {
  const events = textIn(row, 'events')
  const isGone = optionalIntIn(row, 'gone_at') !== undefined
  const isFailing = intIn(row, 'failures') > 0
  const lastError = isGone || isFailing ? optionalTextIn(row, 'last_error') : undelivered
  const [oldestAt, lastSentAt] = [optionalIntIn(row, 'oldest_at'), optionalIntIn(row, 'last_sent_at')]
  const nextAt = optionalIntIn(row, 'next_at')
  return {
    name: textIn(row, 'name'),
    url: textIn(row, 'url'),
    events: events === '' ? [] : events.split(',').filter((type): type is NewsType => type in NEWS),
    network: textIn<WebhookNetwork>(row, 'network'),
    state: isGone ? 'gone' : isFailing ? 'failing' : 'on',
    createdAt: intIn(row, 'created_at'),
    waiting: intIn(row, 'waiting'),
    gaveUp: intIn(row, 'gave_up'),
    ...(oldestAt !== undefined && { oldestAt }),
    ...(lastSentAt !== undefined && { lastSentAt }),
    ...(lastError !== undefined && { lastError }),
    ...(nextAt !== undefined && !isGone && { nextTryAt: Math.max(nextAt, intIn(row, 'wait_until')) }),
  }
}

export async function removeWebhook({ database, siteId }: WebhookBook, name: string): Promise<void> {
  await database.transaction(async sql => {
    const gone = await sql('DELETE FROM webhooks WHERE site_id = $1 AND name = $2 RETURNING name', [
      siteId,
      name,
    ])
    if (gone.rows.length === 0) throw unknown(name)
    await sql('DELETE FROM webhook_deliveries WHERE site_id = $1 AND webhook = $2', [siteId, name])
  }, siteId)
}

/** Answers the new secret; the one before signs as well for a day. */
export async function rotateSecret(book: WebhookBook, name: string): Promise<string> {
  const { database, siteId, clock, random } = book
  const secret = newSecret(random)
  await database.transaction(async sql => {
    const row = await held(sql, siteId, name)
    const secrets = rotated(secretsIn(textIn(row, 'secrets')), secret, clock.wallMs())
    await sql('UPDATE webhooks SET secrets = $3 WHERE site_id = $1 AND name = $2', [
      ...[siteId, name, JSON.stringify(secrets)],
    ])
  }, siteId)
  return secret
}

/** Behind a 410, or to try at once what fails; what was given up stays so: that is for `replayNews`. */
export async function enableWebhook({ database, siteId, clock }: WebhookBook, name: string): Promise<void> {
  await database.transaction(async sql => {
    await held(sql, siteId, name)
    await sql(
      `UPDATE webhooks SET gone_at = NULL, failures = 0, failing_since = NULL, wait_until = 0, last_error = NULL
       WHERE site_id = $1 AND name = $2`,
      [siteId, name],
    )
    await sql(
      `UPDATE webhook_deliveries SET due_at = $3 WHERE site_id = $1 AND webhook = $2 AND sent_at IS NULL
         AND gave_up_at IS NULL AND due_at > $3`,
      [siteId, name, clock.wallMs()],
    )
  }, siteId)
}

export type Replay = {
  readonly fromAt: number
  /** Exclusive. */
  readonly toAt?: number
  /** Of one session, by the first digits of its id. */
  readonly session?: string
}

/** What was told then is sent again, under the ids that it had; answers how much. */
export async function replayNews(book: WebhookBook, name: string, replay: Replay): Promise<number> {
  const { database, siteId, clock } = book
  const { fromAt, toAt = clock.wallMs() + 1, session } = replay
  return await database.transaction(async sql => {
    const row = await held(sql, siteId, name)
    if (optionalIntIn(row, 'gone_at') !== undefined)
      throw new MeshError('CONFIG_INVALID', `webhook ${name} is gone: \`webhook enable ${name}\` first`)
    const chosen = `FROM webhook_events v JOIN webhooks w ON w.site_id = v.site_id AND w.name = $2
      WHERE v.site_id = $1 AND v.told_at >= $3 AND v.told_at < $4 AND ($5::text IS NULL OR v.subject LIKE $5 || '%')
        AND ${wants('w', 'v')}`
    const params = [siteId, name, fromAt, toAt, session ?? null]
    const counted = await sql(`SELECT count(*) AS n ${chosen}`, params)
    const events = counted.rows[0] ? intIn(counted.rows[0], 'n') : 0
    if (events > MAX_REPLAYED)
      throw new MeshError('CONFIG_INVALID', `${events} events; at most ${MAX_REPLAYED} at once: name --to`)
    await sql(
      `INSERT INTO webhook_deliveries (site_id, webhook, event_id, number, subject, queued_at, due_at)
       SELECT $1, $2, v.event_id, v.number, v.subject, $6, $6 ${chosen}
       ON CONFLICT (site_id, webhook, event_id) DO UPDATE SET queued_at = excluded.queued_at,
         due_at = excluded.due_at, attempts = 0, sent_at = NULL, gave_up_at = NULL, last_error = NULL`,
      [...params, clock.wallMs()],
    )
    return events
  }, siteId)
}

/** Sends it a `webhook.tested`, whatever it listens to. */
export async function testWebhook({ database, siteId, clock }: WebhookBook, name: string): Promise<void> {
  const nowAt = clock.wallMs()
  await database.transaction(async sql => {
    await held(sql, siteId, name)
    await tell(
      sql,
      { siteId, nowAt },
      [{ type: 'webhook.tested', subject: name, data: { webhook: name } }],
      name,
    )
  }, siteId)
}

/** What was told a month ago is let go of, delivered or not. */
export async function forgetNews({ database, siteId, clock }: Omit<WebhookBook, 'random'>): Promise<void> {
  const before = clock.wallMs() - KEPT_MS
  await database.query('DELETE FROM webhook_deliveries WHERE site_id = $1 AND queued_at < $2', [
    siteId,
    before,
  ])
  await database.query(
    `DELETE FROM webhook_events v WHERE v.site_id = $1 AND v.told_at < $2 AND NOT EXISTS (
       SELECT 1 FROM webhook_deliveries d WHERE d.site_id = $1 AND d.event_id = v.event_id)`,
    [siteId, before],
  )
}

async function held(sql: Database['query'], siteId: SiteId, name: string): Promise<Row> {
  const found = await sql('SELECT * FROM webhooks WHERE site_id = $1 AND name = $2', [siteId, name])
  const [row] = found.rows
  if (!row) throw unknown(name)
  return row
}

function unknown(name: string): MeshError {
  return new MeshError('CONFIG_INVALID', `there is no webhook ${name} here: \`webhook list\``)
}

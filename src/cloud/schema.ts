// The cloud's tables (PROTOCOL 3.6), as numbered migrations. Every primary key and every index begins with site_id,
// and no statement joins two sites, so a distributed PostgreSQL can shard by it. Ids and hashes are hex text; what
// was signed is kept byte for byte. A migration that was released is never edited; a new one is added behind it.
import { TYPE_NUMBERS } from '../log/body.ts'
import { VERSIONS_PER_EPOCH } from '../log/object.ts'
import type { Database, Sql } from './database.ts'
import { intIn } from './rows.ts'

const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE sites (
      site_id text PRIMARY KEY, root_key bytea NOT NULL, name text NOT NULL,
      cloud_epoch bigint NOT NULL DEFAULT 1, ack_version bigint NOT NULL DEFAULT 0)`,
    `CREATE TABLE certificates (
      site_id text NOT NULL, cert_hash text NOT NULL, encoded bytea NOT NULL,
      PRIMARY KEY (site_id, cert_hash))`,
    // charger_id, session_id, fold_key and sampled_at are set only for events that a session is folded from.
    `CREATE TABLE events (
      site_id text NOT NULL, log_id text NOT NULL, seq bigint NOT NULL,
      event_hash text NOT NULL, prev text NOT NULL, type int NOT NULL, hlc numeric(20, 0) NOT NULL,
      mono_ms bigint NOT NULL, element bytea NOT NULL, received_at bigint NOT NULL,
      charger_id text, session_id text, fold_key text, sampled_at bigint,
      PRIMARY KEY (site_id, log_id, seq))`,
    `CREATE INDEX events_session ON events (site_id, session_id, type) WHERE session_id IS NOT NULL`,
    `CREATE INDEX events_fold ON events (site_id, charger_id, type, fold_key) WHERE charger_id IS NOT NULL`,
    `CREATE INDEX events_orphans ON events (site_id, charger_id, type)
      WHERE charger_id IS NOT NULL AND session_id IS NULL`,
    `CREATE TABLE log_head (
      site_id text NOT NULL, log_id text NOT NULL, device_id text NOT NULL, cert_hash text NOT NULL,
      contiguous_seq bigint NOT NULL, head_hash text NOT NULL, hlc numeric(20, 0) NOT NULL,
      mono_ms bigint NOT NULL, closed boolean NOT NULL, ack_due boolean NOT NULL,
      PRIMARY KEY (site_id, log_id))`,
    `CREATE INDEX log_head_ack_due ON log_head (site_id, log_id) WHERE ack_due`,
    `CREATE INDEX log_head_device ON log_head (site_id, device_id)`,
    `CREATE TABLE sessions (
      site_id text NOT NULL, session_id text NOT NULL, charger_id text NOT NULL,
      state text NOT NULL CHECK (state IN ('open', 'provisional', 'complete', 'disputed', 'unpriced')),
      connector_id bigint NOT NULL, token_ref text NOT NULL, energy_wh bigint,
      started_at bigint, ended_at bigint, start_ref text NOT NULL, end_ref text,
      flags text NOT NULL, review_amount numeric, touched_at bigint NOT NULL,
      PRIMARY KEY (site_id, session_id))`,
    `CREATE INDEX sessions_state ON sessions (site_id, state, touched_at)`,
    // Amounts are signed: a credit is negative, so that the sum of a session's revisions is its price (I20).
    `CREATE TABLE bills (
      site_id text NOT NULL, session_id text NOT NULL, revision int NOT NULL,
      kind text NOT NULL CHECK (kind IN ('invoice', 'credit', 'debit')),
      amount numeric NOT NULL, currency text NOT NULL, energy_wh bigint NOT NULL, reason text NOT NULL,
      input_hash text NOT NULL, issued_at bigint NOT NULL,
      PRIMARY KEY (site_id, session_id, revision))`,
    // Taken by whoever calls the payment provider; sent_at is set when it has answered.
    `CREATE TABLE outbox (
      site_id text NOT NULL, session_id text NOT NULL, revision int NOT NULL,
      idempotency_key text NOT NULL, created_at bigint NOT NULL, sent_at bigint,
      PRIMARY KEY (site_id, session_id, revision))`,
    `CREATE TABLE acks (
      site_id text NOT NULL, log_id text NOT NULL, seq bigint NOT NULL, durability int NOT NULL,
      encoded bytea NOT NULL, version bigint NOT NULL,
      PRIMARY KEY (site_id, log_id))`,
    `CREATE INDEX acks_version ON acks (site_id, version)`,
    `CREATE TABLE device_epochs (
      site_id text NOT NULL, device_id text NOT NULL, log_id text NOT NULL,
      serial bigint NOT NULL, prev_log text, prev_seq bigint, prev_hash text, store_state text NOT NULL,
      PRIMARY KEY (site_id, device_id, log_id))`,
    `CREATE TABLE forks (
      site_id text NOT NULL, log_id text NOT NULL, seq bigint NOT NULL, ours text NOT NULL,
      theirs text NOT NULL, segment bytea NOT NULL, from_seq bigint NOT NULL, found_at bigint NOT NULL,
      PRIMARY KEY (site_id, log_id, seq, theirs))`,
    `CREATE TABLE revocations (
      site_id text NOT NULL, device_id text NOT NULL, log_id text NOT NULL, seq bigint NOT NULL,
      serial bigint NOT NULL, cutoff text NOT NULL,
      PRIMARY KEY (site_id, device_id, log_id, seq))`,
    // From from_seq on, a log's events are kept and move no session and no bill (PROTOCOL 1.7, 1.8).
    `CREATE TABLE exclusions (
      site_id text NOT NULL, log_id text NOT NULL, reason text NOT NULL, from_seq bigint NOT NULL,
      PRIMARY KEY (site_id, log_id, reason))`,
  ],
  [
    // The root's newest word; who it withdraws stands in revocations as well, as if a log named "root" had said so.
    `CREATE TABLE manifests (site_id text NOT NULL, encoded bytea NOT NULL, PRIMARY KEY (site_id))`,
    `CREATE INDEX events_certifying ON events (site_id, log_id, seq)
      WHERE type = ${TYPE_NUMBERS.device_cert}`,
  ],
  // Of a tick that a session is folded from: the register. What came before has none here, and only its newest counts.
  [`ALTER TABLE events ADD COLUMN register_wh bigint`],
  [
    // When a bill is due at the payment provider (again), what it is called there, or why the provider did not take it.
    `ALTER TABLE outbox ADD COLUMN due_at bigint NOT NULL DEFAULT 0, ADD COLUMN attempts int NOT NULL DEFAULT 0,
      ADD COLUMN first_tried_at bigint, ADD COLUMN reference text, ADD COLUMN refusal text`,
    `CREATE INDEX outbox_due ON outbox (site_id, due_at) WHERE sent_at IS NULL AND refusal IS NULL`,
  ],
  [
    // What a revision was computed from: tariff/cost.ts as JSON, and the resolution that decided its sum.
    `ALTER TABLE bills ADD COLUMN cost text, ADD COLUMN decided_by text`,
    // The tariff, as log/seq, whose terms an event's session is priced by.
    `ALTER TABLE events ADD COLUMN cites text`,
    `CREATE INDEX events_cites ON events (site_id, cites) WHERE cites IS NOT NULL`,
    // Sessions that wait to be folded again, some at a time: a tariff may be cited by any number of them.
    `CREATE TABLE refolds (site_id text NOT NULL, session_id text NOT NULL, PRIMARY KEY (site_id, session_id))`,
    // Why a person should look, and since when; null: nobody needs to.
    `ALTER TABLE sessions ADD COLUMN attention text, ADD COLUMN attention_at bigint`,
    `UPDATE sessions SET attention = state, attention_at = touched_at
      WHERE state IN ('disputed', 'provisional', 'unpriced')`,
    `CREATE INDEX sessions_attention ON sessions (site_id, attention_at, session_id) WHERE attention IS NOT NULL`,
    `CREATE INDEX bills_issued ON bills (site_id, issued_at, session_id, revision)`,
    // Stops that fit no session: energy that nobody is billed for. Copies of one stop are one.
    `CREATE TABLE orphan_stops (
      site_id text NOT NULL, stop_id text NOT NULL, charger_id text NOT NULL, session_id text,
      log_id text NOT NULL, seq bigint NOT NULL, found_at bigint NOT NULL,
      PRIMARY KEY (site_id, stop_id))`,
    `CREATE INDEX orphan_stops_charger ON orphan_stops (site_id, charger_id)`,
    `CREATE INDEX orphan_stops_found ON orphan_stops (site_id, found_at, stop_id)`,
  ],
  [
    // The newest beacon of each operator's log, in the versions of the acks, so that a poll finds both.
    `CREATE TABLE beacons (
      site_id text NOT NULL, log_id text NOT NULL, cert_hash text NOT NULL, issued_at bigint NOT NULL,
      encoded bytea NOT NULL, version bigint NOT NULL,
      PRIMARY KEY (site_id, log_id))`,
    `CREATE INDEX beacons_version ON beacons (site_id, version)`,
  ],
  [
    // Whose turn it is to forward to an existing central system (terms.ts); no life: nobody's.
    `CREATE TABLE forwarders (
      site_id text NOT NULL, uplink text NOT NULL, term bigint NOT NULL, renewals bigint NOT NULL,
      life text, device_id text, is_free boolean NOT NULL, taken_at bigint,
      lease_ms bigint NOT NULL, cloud_epoch bigint NOT NULL, heads bytea, next_device text,
      PRIMARY KEY (site_id, uplink))`,
  ],
  [
    // Who is told, and how it goes; `secrets` is JSON: the newest first, an older one until it ends.
    `CREATE TABLE webhooks (
      site_id text NOT NULL, name text NOT NULL, url text NOT NULL, secrets text NOT NULL, events text NOT NULL,
      network text NOT NULL, created_at bigint NOT NULL, gone_at bigint, failures int NOT NULL DEFAULT 0,
      failing_since bigint, wait_until bigint NOT NULL DEFAULT 0, last_error text, last_sent_at bigint,
      PRIMARY KEY (site_id, name))`,
    // What was told (news.ts); numbers grow within a subject, since its transactions follow one another.
    `CREATE TABLE webhook_events (
      site_id text NOT NULL, event_id text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, type text NOT NULL,
      subject text NOT NULL, body text NOT NULL, told_at bigint NOT NULL,
      PRIMARY KEY (site_id, event_id))`,
    `CREATE INDEX webhook_events_told ON webhook_events (site_id, told_at)`,
    `CREATE TABLE webhook_deliveries (
      site_id text NOT NULL, webhook text NOT NULL, event_id text NOT NULL, number bigint NOT NULL,
      subject text NOT NULL, queued_at bigint NOT NULL, due_at bigint NOT NULL, attempts int NOT NULL DEFAULT 0,
      sent_at bigint, gave_up_at bigint, last_error text,
      PRIMARY KEY (site_id, webhook, event_id))`,
    `CREATE INDEX webhook_deliveries_due ON webhook_deliveries (site_id, webhook, number)
      WHERE sent_at IS NULL AND gave_up_at IS NULL`,
    `CREATE INDEX webhook_deliveries_subject ON webhook_deliveries (site_id, webhook, subject, number)
      WHERE sent_at IS NULL AND gave_up_at IS NULL`,
    `CREATE INDEX webhook_deliveries_queued ON webhook_deliveries (site_id, queued_at)`,
    // Gaps of which webhooks were told.
    `CREATE TABLE webhook_gaps (
      site_id text NOT NULL, gap text NOT NULL, seen_at bigint NOT NULL, told boolean NOT NULL, body text NOT NULL,
      PRIMARY KEY (site_id, gap))`,
  ],
  [
    // Of nine events in ten, ticks that name their session, it said nothing that events_session does not say: one index less to
    // keep, and no plan can go through all ticks of a site by it.
    'DROP INDEX events_fold',
    `CREATE INDEX events_starts ON events (site_id, charger_id, fold_key)
      WHERE type = ${TYPE_NUMBERS.session_start} AND charger_id IS NOT NULL`,
  ],
  [
    // What nodes sent ahead of their logs (PROTOCOL 3.4): signed digests of all that they hold, with the list that one commits to
    // once that came, and what became of the comparison; ends and starts of sessions that no log has reached yet.
    `CREATE TABLE digests (
      site_id text NOT NULL, device_id text NOT NULL, issued_at bigint NOT NULL, encoded bytea NOT NULL,
      logs bigint NOT NULL, events bigint NOT NULL, root text NOT NULL, frontier bytea, received_at bigint NOT NULL,
      state text NOT NULL CHECK (state IN ('held', 'agrees', 'contradicts')),
      log_id text, seq bigint, ours text, theirs text,
      PRIMARY KEY (site_id, device_id, issued_at))`,
    `CREATE INDEX digests_root ON digests (site_id, root) WHERE state = 'held'`,
    // ours: what the log says in that place, where it says something else.
    `CREATE TABLE lone_events (
      site_id text NOT NULL, log_id text NOT NULL, seq bigint NOT NULL, event_hash text NOT NULL,
      device_id text NOT NULL, type int NOT NULL, element bytea NOT NULL, charger_id text NOT NULL, session_id text,
      register_wh bigint NOT NULL, said_at bigint, received_at bigint NOT NULL, ours text,
      PRIMARY KEY (site_id, log_id, seq, event_hash))`,
    `CREATE INDEX lone_events_session ON lone_events (site_id, session_id, type) WHERE session_id IS NOT NULL`,
  ],
]

/** Brings the tables up to date; several receivers may do so at once. */
export async function migrate(database: Database): Promise<void> {
  await database
    .query('CREATE TABLE IF NOT EXISTS migrations (number int PRIMARY KEY)')
    // Two processes that create one table at once: the loser's error only says that it is there.
    .catch((error: unknown) =>
      database.query('SELECT number FROM migrations LIMIT 1').catch(() => rethrow(error)),
    )
  for (let number = 1; number <= MIGRATIONS.length; number++) {
    await database.transaction(sql => step(sql, number), 'migrations')
  }
}

function rethrow(error: unknown): never {
  throw error
}

async function step(sql: Sql, number: number): Promise<void> {
  // An index over all events of years takes as long as it takes.
  await sql('SET LOCAL statement_timeout = 0')
  await sql('LOCK TABLE migrations IN EXCLUSIVE MODE')
  const done = await sql('SELECT count(*) AS n FROM migrations WHERE number = $1', [number])
  if (done.rows[0] && intIn(done.rows[0], 'n') > 0) return
  for (const statement of MIGRATIONS[number - 1] ?? []) await sql(statement)
  await sql('INSERT INTO migrations (number) VALUES ($1)', [number])
}

export type SiteRow = { readonly siteId: string; readonly rootKey: Uint8Array; readonly name: string }

/** Writes the site down; a higher `cloudEpoch` makes every ack due again (PROTOCOL 3.5). */
export async function enterSite(database: Database, site: SiteRow, cloudEpoch: number): Promise<void> {
  await database.transaction(async sql => {
    await sql('INSERT INTO sites (site_id, root_key, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      site.siteId,
      site.rootKey,
      site.name,
    ])
    await raiseEpoch(sql, site.siteId, cloudEpoch)
  }, site.siteId)
}

/** Commits were lost, or may have been (PROTOCOL 3.5); in a transaction with the site's turn. */
export async function raiseEpoch(sql: Sql, siteId: string, cloudEpoch: number): Promise<void> {
  const raised = await sql(
    // The version says so at once: a node whose acks are of an earlier epoch must push again what is not here any more.
    `UPDATE sites SET cloud_epoch = $2, ack_version = $2 * ${VERSIONS_PER_EPOCH}
       WHERE site_id = $1 AND cloud_epoch < $2 RETURNING cloud_epoch`,
    [siteId, cloudEpoch],
  )
  if (raised.rows.length > 0) await sql('UPDATE log_head SET ack_due = true WHERE site_id = $1', [siteId])
}

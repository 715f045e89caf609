// The cloud's signed receipts (PROTOCOL 3.5). They are made from what is committed, never inside the transaction
// that commits it, so an ack cannot claim what a failed commit took back; a crash between the two only means that
// the ack is made at the next request. A log keeps its newest ack alone. Versions grow in commit order, because the
// site's row is locked while they are given out: a node that asks for "newer than" can miss none.

import type { Signatures } from '../identity/signature.ts'
import { type Ack, signObject, VERSIONS_PER_EPOCH } from '../log/object.ts'
import type { Clock } from '../ports.ts'
import type { CertHash, EventHash, LogId, SiteId } from '../units.ts'
import type { Database, Sql } from './database.ts'
import type { Durability } from './durability.ts'
import { bytesIn, intIn, textIn, valuesOf } from './rows.ts'

/** Acks in one answer; the node asks on from the version that it was given. */
export const MAX_ACKS_PER_ANSWER = 1_000
/** Logs acknowledged in one transaction. */
const MAX_ACKS_PER_SIGNING = 500
export const MAX_CLOUD_EPOCH = 2 ** 20

export type AckDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly signer: {
    readonly certHash: CertHash
    readonly logKey: Uint8Array
    readonly signatures: Signatures
  }
  readonly clock: Clock
  /** How safe a commit is now (durability.ts). */
  readonly durability: () => Promise<Durability>
}

/** Signs what is committed and not yet acknowledged, of any log, whoever pushed it. */
export async function signDueAcks(deps: AckDeps): Promise<void> {
  for (let signed = MAX_ACKS_PER_SIGNING; signed === MAX_ACKS_PER_SIGNING; ) {
    const due = await deps.database.query(
      'SELECT log_id FROM log_head WHERE site_id = $1 AND ack_due LIMIT 1',
      [deps.siteId],
    )
    if (due.rows.length === 0) return
    const durability = await deps.durability()
    signed = await deps.database.transaction(sql => signSome(deps, sql, durability), deps.siteId)
  }
}

async function signSome(
  { siteId, signer, clock }: AckDeps,
  sql: Sql,
  durability: Durability,
): Promise<number> {
  const site = await sql(
    `UPDATE sites SET ack_version = greatest(ack_version, cloud_epoch * ${VERSIONS_PER_EPOCH})
     WHERE site_id = $1 RETURNING ack_version, cloud_epoch`,
    [siteId],
  )
  const due = await sql(
    `SELECT log_id, contiguous_seq, head_hash FROM log_head WHERE site_id = $1 AND ack_due
     ORDER BY log_id LIMIT ${MAX_ACKS_PER_SIGNING}`,
    [siteId],
  )
  const [row] = site.rows
  if (!row || due.rows.length === 0) return 0
  const firstVersion = intIn(row, 'ack_version') + 1
  const cloudEpoch = intIn(row, 'cloud_epoch')
  const issuedAt = clock.wallMs()
  const acks: Ack[] = due.rows.map(head => ({
    logId: textIn<LogId>(head, 'log_id'),
    seq: intIn(head, 'contiguous_seq'),
    hash: textIn<EventHash>(head, 'head_hash'),
    durability,
    cloudEpoch,
    issuedAt,
  }))
  const values = valuesOf(
    acks.map((body, i) => {
      const encoded = signObject(signer, { kind: 'ack', body })
      return [siteId, body.logId, body.seq, durability, encoded, firstVersion + i]
    }),
  )
  await sql(
    `INSERT INTO acks (site_id, log_id, seq, durability, encoded, version) VALUES ${values.text}
     ON CONFLICT (site_id, log_id) DO UPDATE SET seq = excluded.seq, durability = excluded.durability,
       encoded = excluded.encoded, version = excluded.version`,
    values.params,
  )
  await sql('UPDATE log_head SET ack_due = false WHERE site_id = $1 AND log_id = ANY($2::text[])', [
    siteId,
    acks.map(ack => ack.logId),
  ])
  await sql('UPDATE sites SET ack_version = $2 WHERE site_id = $1', [siteId, firstVersion + acks.length - 1])
  return acks.length
}

export type AckPage = { readonly version: number; readonly acks: readonly Uint8Array[] }

/**
 * Acks newer than a version, oldest first, and the version as far as they reach. Those of `pushed` come whatever their version:
 * who pushes what is here already has lost its ack, or was told of a later version than it was given.
 */
export async function acksSince(
  { database, siteId }: Pick<AckDeps, 'database' | 'siteId'>,
  since: number,
  pushed: readonly LogId[] = [],
): Promise<AckPage> {
  const site = await database.query('SELECT ack_version FROM sites WHERE site_id = $1', [siteId])
  const newest = site.rows[0] ? intIn(site.rows[0], 'ack_version') : 0
  // A node that has seen more than there is has seen another database (a backup was restored): it gets everything.
  const from = since > newest ? 0 : since
  const found = await database.query(
    `SELECT encoded, version FROM acks WHERE site_id = $1 AND (version > $2 OR log_id = ANY($3::text[]))
     ORDER BY version LIMIT ${MAX_ACKS_PER_ANSWER}`,
    [siteId, from, pushed],
  )
  const last = found.rows.map(row => intIn(row, 'version')).findLast(version => version > from)
  return {
    version: last ?? newest,
    acks: found.rows.map(row => bytesIn(row, 'encoded')),
  }
}

// The beacons that pushes bring: the newest of each operator's log is kept, under the versions of the acks, so that a poll
// finds both with what it has seen last. What is no beacon of an issuer of this site is left out.
import { readObject, type SignedObject, VERSIONS_PER_EPOCH } from '../log/object.ts'
import type { LogId } from '../units.ts'
import type { Sql } from './database.ts'
import type { IngestDeps } from './ingest.ts'
import { intIn, textIn, valuesOf } from './rows.ts'

export type WordsDeps = Pick<IngestDeps, 'database' | 'siteId' | 'certificates' | 'signatures' | 'logger'>

type HeldBeacon = Extract<SignedObject, { kind: 'beacon' }>

export async function keepBeacons(deps: WordsDeps, objects: readonly Uint8Array[]): Promise<void> {
  const { database, siteId, certificates, signatures } = deps
  const newest = new Map<LogId, HeldBeacon>()
  for (const encoded of objects) {
    const verdict = readObject({ roster: certificates.roster, signatures }, encoded)
    if (verdict.kind === 'refused') {
      deps.logger.warn('object-refused', { reason: verdict.reason })
      continue
    }
    const { object } = verdict
    if (object.kind !== 'beacon') continue
    const before = newest.get(object.body.logId)
    if (!before || before.version < object.version) newest.set(object.body.logId, object)
  }
  if (newest.size === 0) return
  const isNews = async (sql: Sql): Promise<readonly HeldBeacon[]> => {
    const held = await sql(
      'SELECT log_id, issued_at FROM beacons WHERE site_id = $1 AND log_id = ANY($2::text[])',
      [siteId, [...newest.keys()]],
    )
    const issuedAt = new Map(held.rows.map(row => [textIn<LogId>(row, 'log_id'), intIn(row, 'issued_at')]))
    return [...newest.values()].filter(({ body }) => (issuedAt.get(body.logId) ?? -1) < body.issuedAt)
  }
  // Every node says what it holds when it starts: mostly nothing of it is news.
  if ((await isNews(database.query)).length === 0) return
  await database.transaction(async sql => {
    const news = await isNews(sql)
    if (news.length === 0) return
    const site = await sql(
      `UPDATE sites SET ack_version = greatest(ack_version, cloud_epoch * ${VERSIONS_PER_EPOCH}) + $2
       WHERE site_id = $1 RETURNING ack_version`,
      [siteId, news.length],
    )
    const last = site.rows[0] ? intIn(site.rows[0], 'ack_version') : 0
    const { text, params } = valuesOf(
      news.map(({ body, signer, encoded }, i) => [
        ...[siteId, body.logId, signer.hash, body.issuedAt, encoded, last - i],
      ]),
    )
    await sql(
      `INSERT INTO beacons (site_id, log_id, cert_hash, issued_at, encoded, version) VALUES ${text}
       ON CONFLICT (site_id, log_id) DO UPDATE SET cert_hash = excluded.cert_hash,
         issued_at = excluded.issued_at, encoded = excluded.encoded, version = excluded.version`,
      params,
    )
  }, siteId)
}

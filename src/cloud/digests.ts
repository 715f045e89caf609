// Signed digests of sites: each fixes what a node held when it was signed. Once the list that one commits to has come and our
// logs reach that far, they agree with it, or somebody changed history in between: then that place is shown beside forks.
import { fromBytes, listOf, MalformedBytes, toBytes } from '../cbor.ts'
import {
  isSignedBy,
  LOG_PLACE,
  type LogPlace,
  MAX_FRONTIER,
  readDigest,
  rootOf,
  type SiteDigest,
} from '../log/site-digest.ts'
import type { DeviceId, SiteId } from '../units.ts'
import type { Database } from './database.ts'
import type { IngestDeps } from './ingest.ts'
import type { Listing, Query } from './reading.ts'
import { bytesIn, intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'

/** Of one device; a day of them. One that contradicts is kept, and behind so many of those no more are taken. */
const MAX_DIGESTS = 300
/** Compared again with each push. Drawn: one that names what never comes must not be before all others for ever. */
const MAX_JUDGED = 2
const FRONTIER = listOf(LOG_PLACE, MAX_FRONTIER)

export async function takeDigest(deps: IngestDeps, encoded: Uint8Array): Promise<void> {
  const { database, siteId, certificates, signatures, clock, logger } = deps
  const digest = read(encoded)
  const certificate = digest && (await certificates.find(digest.signer))
  if (!digest || !certificate || !isSignedBy(signatures, certificate, encoded)) {
    logger.warn('digest-refused', { reason: digest ? 'signature' : 'malformed' })
    return
  }
  const { deviceId } = certificate
  const { issuedAt, logs, events, root } = digest
  await database.query(
    `INSERT INTO digests (site_id, device_id, issued_at, encoded, logs, events, root, received_at, state)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'held' WHERE (SELECT count(*) FROM digests
       WHERE site_id = $1 AND device_id = $2 AND state = 'contradicts') < ${MAX_DIGESTS} ON CONFLICT DO NOTHING`,
    [siteId, deviceId, issuedAt, encoded, logs, events, root, clock.wallMs()],
  )
  await database.query(
    `DELETE FROM digests WHERE site_id = $1 AND device_id = $2 AND state <> 'contradicts' AND issued_at < (
       SELECT min(issued_at) FROM (SELECT issued_at FROM digests WHERE site_id = $1 AND device_id = $2
         ORDER BY issued_at DESC LIMIT ${MAX_DIGESTS}) newest)`,
    [siteId, deviceId],
  )
}

function read(encoded: Uint8Array): SiteDigest | undefined {
  try {
    return readDigest(encoded)
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

/** The list that a digest commits to; whoever brings it, it proves itself. */
export async function takeFrontier(deps: IngestDeps, frontier: readonly LogPlace[]): Promise<void> {
  await deps.database.query(
    `UPDATE digests SET frontier = $3 WHERE site_id = $1 AND root = $2 AND state = 'held' AND frontier IS NULL`,
    [deps.siteId, rootOf(frontier), toBytes(FRONTIER, frontier)],
  )
}

/** Compares what can be compared now. */
export async function judgeDigests({ database, siteId, logger }: IngestDeps): Promise<void> {
  const waiting = await database.query(
    `SELECT device_id, issued_at, frontier FROM digests
     WHERE site_id = $1 AND state = 'held' AND frontier IS NOT NULL ORDER BY random() LIMIT ${MAX_JUDGED}`,
    [siteId],
  )
  for (const row of waiting.rows) {
    const [deviceId, issuedAt] = [textIn<DeviceId>(row, 'device_id'), intIn(row, 'issued_at')]
    const verdict = await compare(database, siteId, fromBytes(FRONTIER, bytesIn(row, 'frontier')))
    if (verdict.state === 'held') continue
    const { logId = null, seq = null, ours = null, theirs = null } = verdict
    if (verdict.state === 'contradicts') logger.error('digest-contradicts', { deviceId, ...verdict })
    await database.query(
      `UPDATE digests SET state = $4, log_id = $5, seq = $6, ours = $7, theirs = $8, frontier = NULL
       WHERE site_id = $1 AND device_id = $2 AND issued_at = $3`,
      [siteId, deviceId, issuedAt, verdict.state, logId, seq, ours, theirs],
    )
  }
}

type Verdict = {
  readonly state: 'held' | 'agrees' | 'contradicts'
  readonly logId?: string
  readonly seq?: number
  readonly ours?: string
  readonly theirs?: string
}

async function compare(database: Database, siteId: SiteId, frontier: readonly LogPlace[]): Promise<Verdict> {
  const found = await database.query(
    `SELECT e.log_id, e.seq, e.event_hash FROM unnest($2::text[], $3::bigint[]) AS place (log_id, seq)
     JOIN events e ON e.site_id = $1 AND e.log_id = place.log_id AND e.seq = place.seq`,
    [siteId, frontier.map(({ logId }) => logId), frontier.map(({ seq }) => String(seq))],
  )
  const ours = new Map(
    found.rows.map(row => [`${textIn(row, 'log_id')}/${intIn(row, 'seq')}`, textIn(row, 'event_hash')]),
  )
  for (const { logId, seq, hash } of frontier) {
    const held = ours.get(`${logId}/${seq}`)
    if (held !== undefined && held !== hash)
      return { state: 'contradicts', logId, seq, ours: held, theirs: hash }
  }
  return { state: ours.size === frontier.length ? 'agrees' : 'held' }
}

/** The newest first; the cursor is `issuedAt/device`. */
export async function digestsPage(
  database: Database,
  siteId: SiteId,
  { cursor, limit }: Query,
): Promise<Listing> {
  const [issuedAt = '', deviceId = ''] = cursor.split('/')
  const found = await database.query(
    `SELECT * FROM digests WHERE site_id = $1 AND (issued_at < $2 OR (issued_at = $2 AND device_id > $3))
     ORDER BY issued_at DESC, device_id LIMIT $4`,
    [siteId, /^\d{1,16}$/.test(issuedAt) ? Number(issuedAt) : Number.MAX_SAFE_INTEGER, deviceId, limit],
  )
  const items = found.rows.map(row => ({
    deviceId: textIn(row, 'device_id'),
    issuedAt: intIn(row, 'issued_at'),
    receivedAt: intIn(row, 'received_at'),
    logs: intIn(row, 'logs'),
    events: intIn(row, 'events'),
    root: textIn(row, 'root'),
    /** Held: the list that it commits to has not come, or our logs do not reach that far. */
    state: textIn(row, 'state'),
    logId: optionalTextIn(row, 'log_id') ?? null,
    seq: optionalIntIn(row, 'seq') ?? null,
    ours: optionalTextIn(row, 'ours') ?? null,
    theirs: optionalTextIn(row, 'theirs') ?? null,
  }))
  const last = items.at(-1)
  return last && items.length >= limit ? { items, next: `${last.issuedAt}/${last.deviceId}` } : { items }
}

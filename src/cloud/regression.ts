// A database that holds less than was acknowledged out of it, and does not know: a commit that was lost behind its ack, a backup
// restored without a new epoch. Nodes say the newest receipts back (claims.ts), and a signature of our own for what is not
// here is proof enough: the site is in a new epoch from then on, everything is acknowledged anew, and nodes push what is gone.
import type { Signatures } from '../identity/signature.ts'
import { type Ack, readObject } from '../log/object.ts'
import type { Logger } from '../ports.ts'
import type { CertHash, SiteId } from '../units.ts'
import { MAX_CLOUD_EPOCH } from './acks.ts'
import type { CertificateStore } from './certificates.ts'
import type { Database, Sql } from './database.ts'
import { intIn } from './rows.ts'
import { raiseEpoch } from './schema.ts'

/** Epochs that one process begins of its own at a site. More are no accident: two databases sign under one certificate. */
const MAX_RAISES = 8

export type Raises = { left: number }

export function createRaises(): Raises {
  return { left: MAX_RAISES }
}

export type RegressionDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly certificates: Pick<CertificateStore, 'roster'>
  readonly signatures: Signatures
  readonly signer: { readonly certHash: CertHash }
  readonly logger: Logger
  /** Without it there is no end to them. */
  readonly raises?: Raises
}

/** Before the push is taken in, which may bring a part of what was lost. Answers whether a new epoch has begun. */
export async function heedClaims(
  deps: RegressionDeps,
  objects: readonly Uint8Array[] | undefined,
): Promise<boolean> {
  const { database, siteId, logger, raises } = deps
  const claims = (objects ?? []).flatMap(encoded => ownAck(deps, encoded) ?? [])
  if (claims.length === 0) return false
  if ((await lostAmong(database.query, siteId, claims)).length === 0) return false
  // Looked at again in the turn and with a lock: a lone statement may be answered by a replica that lags, again and again.
  return await database.transaction(async sql => {
    const lost = await lostAmong(sql, siteId, claims, 'FOR UPDATE OF s')
    const [first] = lost
    if (!first) return false
    const newEpoch = Math.max(...lost.map(claim => claim.cloudEpoch)) + 1
    const about = { siteId, log: first.logId, acked: first.seq, newEpoch }
    if (newEpoch > MAX_CLOUD_EPOCH || raises?.left === 0) {
      logger.error('commits-lost-again', {
        ...about,
        hint: 'does another database sign under this certificate?',
      })
      return false
    }
    logger.error('commits-lost', about)
    await raiseEpoch(sql, siteId, newEpoch)
    if (raises) raises.left -= 1
    return true
  }, siteId)
}

async function lostAmong(
  sql: Sql,
  siteId: SiteId,
  claims: readonly Ack[],
  lock = '',
): Promise<readonly Ack[]> {
  const found = await sql(
    `SELECT s.cloud_epoch, h.log_id, h.contiguous_seq FROM sites s
     LEFT JOIN log_head h ON h.site_id = s.site_id AND h.log_id = ANY($2::text[])
     WHERE s.site_id = $1 ${lock}`,
    [siteId, claims.map(claim => claim.logId)],
  )
  const [site] = found.rows
  if (!site) return []
  const cloudEpoch = intIn(site, 'cloud_epoch')
  const heads = new Map(
    found.rows.flatMap(row => (row.log_id === null ? [] : [[row.log_id, intIn(row, 'contiguous_seq')]])),
  )
  return claims.filter(claim => isLost(claim, { cloudEpoch, seq: heads.get(claim.logId) ?? -1 }))
}

/** Of another receiver's it is nobody's proof here. */
function ownAck({ certificates, signatures, signer }: RegressionDeps, encoded: Uint8Array): Ack | undefined {
  const verdict = readObject({ roster: certificates.roster, signatures }, encoded)
  if (verdict.kind === 'refused' || verdict.object.kind !== 'ack') return undefined
  return verdict.object.signer.hash === signer.certHash ? verdict.object.body : undefined
}

/** Receipts of an earlier epoch are void already. */
export function isLost(ack: Ack, held: { readonly cloudEpoch: number; readonly seq: number }): boolean {
  return ack.cloudEpoch > held.cloudEpoch || (ack.cloudEpoch === held.cloudEpoch && ack.seq > held.seq)
}

// The roster of the site, kept in the database so that every receiver knows what one of them has learned. Whatever
// comes from the database or a push is checked against the root again; nothing is trusted for where it came from.
import type { Certificate, CertificateVerdict } from '../identity/certificate.ts'
import { createRoster, type Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import type { CertHash, SiteId } from '../units.ts'
import type { Database, Sql } from './database.ts'
import { bytesIn, textIn } from './rows.ts'

export type CertificateStore = {
  readonly roster: Roster
  /** Checks a certificate and writes it down with `sql`; one that is refused is not written. */
  readonly enrol: (sql: Sql, encoded: Uint8Array) => Promise<CertificateVerdict>
  /** The certificate, read from the database when this process does not know it. */
  readonly find: (hash: CertHash) => Promise<Certificate | undefined>
  /** Reads what other receivers have learned; within a transaction, with its `sql`. */
  readonly reload: (sql?: Sql) => Promise<void>
}

export type CertificateStoreOptions = {
  readonly database: Database
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly signatures: Signatures
  /** Known from the start, issuers before devices. */
  readonly certificates: readonly Uint8Array[]
}

/** Certificates below the root: an issuer, a device. A device may stand in the table before its issuer. */
const CHAIN_LENGTH = 2

export async function openCertificates(options: CertificateStoreOptions): Promise<CertificateStore> {
  const { database, siteId } = options
  const roster = createRoster({ signatures: options.signatures }, siteId, options.rootKey)
  /** Known to be in the table; what a transaction wrote may have been taken back. */
  const written = new Set<CertHash>()

  const enrol = async (sql: Sql, encoded: Uint8Array): Promise<CertificateVerdict> => {
    const verdict = roster.enrol(encoded)
    if (verdict.kind === 'refused' || written.has(verdict.certificate.hash)) return verdict
    await sql(
      'INSERT INTO certificates (site_id, cert_hash, encoded) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [siteId, verdict.certificate.hash, encoded],
    )
    if (sql === database.query) written.add(verdict.certificate.hash)
    return verdict
  }

  const reload = async (sql = database.query): Promise<void> => {
    const stored = await sql('SELECT cert_hash, encoded FROM certificates WHERE site_id = $1', [siteId])
    for (let pass = 0; pass < CHAIN_LENGTH; pass++) {
      for (const row of stored.rows) {
        const hash = textIn<CertHash>(row, 'cert_hash')
        if (sql === database.query) written.add(hash)
        if (!roster.certificate(hash)) roster.enrol(bytesIn(row, 'encoded'))
      }
    }
  }

  const find = async (hash: CertHash): Promise<Certificate | undefined> => {
    const known = roster.certificate(hash)
    if (known) return known
    const there = await database.query(
      'SELECT 1 AS there FROM certificates WHERE site_id = $1 AND cert_hash = $2',
      [siteId, hash],
    )
    if (there.rows.length > 0) await reload()
    return roster.certificate(hash)
  }

  await reload()
  for (const encoded of options.certificates) await enrol(database.query, encoded)
  return { roster, enrol, find, reload }
}

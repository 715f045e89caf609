// Certificates in the journal: a log can be read after a reboot only if its author's certificate, and its issuer's, are
// there before it.
import type { Certificate } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import { type LedgerRecord, RECORD } from './store/records.ts'
import type { CertHash } from './units.ts'

export type Chains = {
  /** A certificate and the one that issued it, issuer first. */
  readonly of: (one: Certificate) => readonly Certificate[]
  /** Writes them down, once. */
  readonly keep: (certificates: readonly Certificate[]) => void
  /** Read from the journal: it is there. */
  readonly recovered: (encoded: Uint8Array) => void
}

export function createChains(roster: Roster, write: (record: LedgerRecord) => void): Chains {
  const kept = new Set<CertHash>()
  return {
    of: one => {
      const issuer = roster.certificate(one.issuedBy)
      return issuer ? [issuer, one] : [one]
    },
    keep: certificates => {
      for (const { hash, encoded } of certificates) {
        if (kept.has(hash)) continue
        kept.add(hash)
        write({ kind: RECORD.certificate, payload: encoded })
      }
    },
    recovered: encoded => {
      const verdict = roster.enrol(encoded)
      if (verdict.kind === 'valid') kept.add(verdict.certificate.hash)
    },
  }
}

// Whose words count, and up to where: nodes revoked by the operator, operators withdrawn by the root (PROTOCOL 1.7, 2.6).
// A node certified by an issuer that was withdrawn stands only if what still counts of that issuer's log names it: whoever
// stole an issuer's key can sign certificates for any day.
import type { Certificate } from '../identity/certificate.ts'
import type { RootManifest } from '../identity/manifest.ts'
import type { CertHash, LogId } from '../units.ts'
import { createDevices, type Epoch, type Revocation } from './devices.ts'

export type Standing = {
  readonly revoke: (revocation: Revocation) => void
  /** Named in an issuer's log. True when that lets something count that did not. */
  readonly certify: (certificate: CertHash) => boolean
  /** True when that was news. */
  readonly addEpoch: (author: Certificate, epoch: Epoch) => boolean
  /** The number of the log's first event that does not count; infinite where all do. */
  readonly limitOf: (author: Certificate, logId: LogId) => number
  readonly isVoid: (certificate: Certificate) => boolean
}

export function createStanding(
  withdrawn: RootManifest['withdrawn'],
  certificateOf: (hash: CertHash) => Certificate | undefined,
): Standing {
  const [nodes, operators] = [createDevices(), createDevices()]
  for (const one of withdrawn) operators.addRevocation(one)
  const certified = new Set<CertHash>()
  const missed = new Set<CertHash>()
  const devicesFor = ({ roles }: Certificate) =>
    roles.includes('issuer') || roles.includes('revoker') ? operators : nodes

  const isOrphan = ({ issuedBy, hash }: Certificate): boolean => {
    if (withdrawn.length === 0 || certified.has(hash)) return false
    const issuer = certificateOf(issuedBy)
    return issuer !== undefined && operators.isRevoked(issuer)
  }
  return {
    revoke: nodes.addRevocation,
    certify: hash => {
      certified.add(hash)
      return missed.delete(hash)
    },
    addEpoch: (author, epoch) => devicesFor(author).addEpoch(author.deviceId, epoch),
    limitOf: (author, logId) => {
      if (!isOrphan(author)) return devicesFor(author).limitOf(author.deviceId, logId)
      missed.add(author.hash)
      return 0
    },
    isVoid: certificate => devicesFor(certificate).isRevoked(certificate) || isOrphan(certificate),
  }
}

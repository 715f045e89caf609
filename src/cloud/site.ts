// One site of a receiver: written down in the database, its certificates, what signs its acks, and what is done for it
// again and again. Sites of one receiver share a database, a server and a token, and nothing else.
import { invariant, MeshError } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { SiteId } from '../units.ts'
import type { AnswerSigner } from '../uplink/mqtt-words.ts'
import type { AuditDeps } from './audit.ts'
import { openCertificates } from './certificates.ts'
import type { Database } from './database.ts'
import { type Durability, raiseAcks } from './durability.ts'
import type { ReaderGate } from './gate.ts'
import type { PushDeps } from './pushing.ts'
import { createRaises } from './regression.ts'
import { enterSite } from './schema.ts'

export type ReceiverSite = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly name: string
  /** Encoded, issuers before devices. */
  readonly certificates: readonly Uint8Array[]
  /** Encoded certificate of role `cloud`, and the seed of its log key: they sign acks. */
  readonly cloud: { readonly certificate: Uint8Array; readonly logKey: Uint8Array }
}

/** What all sites of a receiver share. */
export type SharedDeps = {
  readonly database: Database
  readonly cloudEpoch: number
  readonly mayRead: ReaderGate
  /** Of those who may set something. */
  readonly mayWrite: ReaderGate
  readonly durability: () => Promise<Durability>
  readonly signatures: Signatures
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What the routes of one site need. */
export type SiteDeps = SharedDeps & PushDeps & AuditDeps

/** Refuses with CERTIFICATE_INVALID. */
export async function openSite(shared: SharedDeps, site: ReceiverSite): Promise<SiteDeps> {
  const { database, signatures } = shared
  const { siteId, name: siteName } = site
  await enterSite(database, site, shared.cloudEpoch)
  const certificates = await openCertificates({ ...site, database, signatures })
  const own = await certificates.enrol(database.query, site.cloud.certificate)
  if (own.kind === 'refused' || !own.certificate.roles.includes('cloud'))
    throw new MeshError(
      'CERTIFICATE_INVALID',
      `${siteName}: the cloud's own certificate does not let it sign receipts`,
    )
  const signer = { certHash: own.certificate.hash, logKey: site.cloud.logKey, signatures }
  await raiseAcks(database, siteId, await shared.durability())
  const raises = createRaises()
  return { ...shared, siteId, siteName, name: own.certificate.name, certificates, signer, raises }
}

/** What signs the answers of this site where no TLS says that they are the cloud's. */
export function answerSignerOf({ certificates, signer }: SiteDeps): AnswerSigner {
  const { logKey, signatures } = signer
  const certificate = certificates.roster.certificate(signer.certHash)
  invariant(certificate !== undefined, "the cloud's own certificate is not held")
  const issuer = certificates.roster.certificate(certificate.issuedBy)
  const chain = [...(issuer ? [issuer.encoded] : []), certificate.encoded]
  return { certificate, chain, logKey, signatures }
}

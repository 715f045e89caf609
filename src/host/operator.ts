// The operator's own log, in the site folder: grants, revocations, certificates, tariffs, chargers (PROTOCOL 2.1).
// It is written here, durable first, and then handed to any node; nodes take it like any other log.
import { join } from 'node:path'
import { MeshError } from '../errors.ts'
import { type Certificate, deviceIdOf, issueCertificate } from '../identity/certificate.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { createLedger, type Ledger } from '../ledger.ts'
import type { AnyBody } from '../log/body.ts'
import { signObject } from '../log/object.ts'
import type { Submission } from '../node.ts'
import { persistAll } from '../persist.ts'
import { openJournal } from '../store/journal.ts'
import { lockDirectory } from '../store/lock.ts'
import { type DeviceId, unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import { type IdentityFile, readIdentity, readSite, type SiteFile, siteIdIn } from './identity-files.ts'
import { systemClock, systemRandom } from './system.ts'

/** The issuer's next beacon is promised by then. */
const NEXT_BEACON_MS = 24 * 3600 * 1000
export const ISSUER_FOLDER = 'issuer'

export type Operator = {
  readonly site: SiteFile
  readonly identity: IdentityFile
  readonly ledger: Ledger
  readonly certificate: Certificate
  /** Writes entries and a beacon over them; durable when resolved. */
  readonly record: (bodies: readonly AnyBody[]) => Promise<void>
  /** Signs a device's certificate under this issuer. */
  readonly certify: (
    body: Omit<Parameters<typeof issueCertificate>[2], 'version' | 'siteId' | 'issuedBy'>,
  ) => Uint8Array
  /** Everything of the operator's that a node needs to know. */
  readonly submission: () => Submission
  readonly deviceIdOf: (logKey: Uint8Array) => DeviceId
  readonly close: () => Promise<void>
}

export async function openOperator(siteDir: string): Promise<Operator> {
  const dir = join(siteDir, ISSUER_FOLDER)
  const [site, identity] = [await readSite(siteDir), await readIdentity(dir)]
  const signatures = ed25519()
  const clock = systemClock()
  const roster = createRoster(signatures, siteIdIn(site), unhex(site.rootKey))
  for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
  const logKey = unhex(identity.keys.logKey)
  const certificate = roster.all().at(-1)
  if (!certificate)
    throw new MeshError('CERTIFICATE_INVALID', `${dir}: the issuer's certificate is not one of this site`)
  const lock = await lockDirectory(dir)
  const disk = openDisk(dir)
  const ledger = createLedger({
    roster,
    signatures,
    certificate,
    logKey,
    random: systemRandom(),
    swVersion: SW_VERSION,
  })
  const { journal, scan } = await openJournal(disk, held => ledger.recover(held))
  const intact = scan.state !== 'damaged' && ledger.rejectedOnRecovery() === 0
  ledger.recovered(scan.state === 'fresh' ? 'fresh' : intact ? 'intact' : 'lossy', 'start', clock.wallMs())
  if (intact) ledger.resume()
  const times = () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() })
  return {
    site,
    identity,
    ledger,
    certificate,
    record: async bodies => {
      ledger.write(bodies, times())
      sayBeacon(ledger, { certHash: certificate.hash, logKey, signatures }, clock.wallMs())
      await persistAll(journal, ledger.takePending().records)
    },
    certify: body =>
      issueCertificate(signatures, logKey, {
        ...body,
        version: 1,
        siteId: certificate.siteId,
        issuedBy: certificate.hash,
      }),
    submission: () => ({
      certificates: ledger.chainOf(certificate),
      segments: [...ledger.logs.all()].flatMap(log =>
        ledger.logs.segments(log.logId, 0, Number.MAX_SAFE_INTEGER),
      ),
      objects: [...ledger.objects.all()].map(held => held.object.encoded),
    }),
    deviceIdOf,
    close: async () => {
      await journal.close()
      await disk.close()
      await lock.release()
    },
  }
}

function sayBeacon(ledger: Ledger, signer: Parameters<typeof signObject>[0], nowAt: number): void {
  const logId = ledger.ownLog()
  const head = logId && ledger.logs.get(logId)?.head
  if (!head) return
  const body = {
    logId: head.logId,
    seq: head.seq,
    hash: head.hash,
    issuedAt: nowAt,
    nextByAt: nowAt + NEXT_BEACON_MS,
  }
  ledger.admitObject(signObject(signer, { kind: 'beacon', body }))
}

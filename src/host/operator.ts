// The operator's own log, in the site folder: grants, revocations, certificates, tariffs, chargers (PROTOCOL 2.1).
// It is written here, durable first, and then handed to any node; nodes take it like any other log. A folder that was
// copied, or restored from a backup, opens a new log instead of going on with one that may be longer elsewhere. Who lays
// a backup over the same folder and writes without a node to ask (`meet`) cannot be stopped from here.
import { join } from 'node:path'
import type { HeldLog } from '../api/client.ts'
import { MeshError } from '../errors.ts'
import { type Certificate, deviceIdOf, issueCertificate } from '../identity/certificate.ts'
import type { RootManifest } from '../identity/manifest.ts'
import { signOrder } from '../identity/order.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import type { Submission } from '../input.ts'
import { createLedger, type Ledger } from '../ledger.ts'
import type { AnyBody } from '../log/body.ts'
import { signObject } from '../log/object.ts'
import { persistAll } from '../persist.ts'
import type { ChargerCommand } from '../ports.ts'
import { openJournal } from '../store/journal.ts'
import { requireKeys } from '../store/rekey.ts'
import { type ChargerId, type DeviceId, type LogId, unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import {
  type HeldIdentity,
  hasIdentity,
  holdIdentity,
  readSite,
  type SiteFile,
  siteIdIn,
  storeKeysIn,
} from './identity-files.ts'
import { isSamePlace, rememberPlace } from './place.ts'
import { systemClock, systemRandom } from './system.ts'
import type { Unlock } from './unlock.ts'

/** The issuer's next beacon is promised by then. */
const NEXT_BEACON_MS = 24 * 3600 * 1000
export const ISSUER_FOLDER = 'issuer'

export type Operator = {
  /** The folder with the keys and the log. */
  readonly dir: string
  readonly site: SiteFile
  readonly identity: HeldIdentity
  readonly ledger: Ledger
  readonly certificate: Certificate
  /** Compares the newest log of this folder with what a node holds; call it before the first `record`. Unless both
   * agree, the next entry opens a new log: `older` says that this folder is a backup, `frozen` that the log is lost. */
  readonly meet: (held: readonly HeldLog[]) => 'agrees' | 'older' | 'frozen'
  readonly manifest: () => RootManifest | undefined
  /** A node was asked whom it knows to be revoked: revokers, and other folders, may have said so since. */
  readonly heardOfRevoked: (deviceIds: readonly DeviceId[]) => void
  /** By this folder or by what nodes know; undefined where no node was asked. */
  readonly revokedElsewhere: () => ReadonlySet<DeviceId> | undefined
  /** Every certificate of the site that this folder has seen. */
  readonly certificates: () => readonly Certificate[]
  /** Writes entries and a beacon over them; durable when resolved. */
  readonly record: (bodies: readonly AnyBody[]) => Promise<void>
  /** Signs a device's certificate under this issuer. */
  readonly certify: (
    body: Omit<Parameters<typeof issueCertificate>[2], 'version' | 'siteId' | 'issuedBy'>,
  ) => Uint8Array
  /** Signs a command for the node that holds the charger. Refuses with CERTIFICATE_INVALID what is no node of this site. */
  readonly order: (to: {
    /** Of the holder: its chain, issuers first. */
    readonly certificates: readonly Uint8Array[]
    readonly chargerId: ChargerId
    readonly nonce: Uint8Array
    readonly command: ChargerCommand
  }) => Uint8Array
  /** Everything of the operator's that a node needs to know. */
  readonly submission: () => Submission
  /** The log that `record` has written into. */
  readonly written: () => LogId | undefined
  readonly hashAt: (logId: LogId, seq: number) => string | undefined
  readonly deviceIdOf: (logKey: Uint8Array) => DeviceId
  readonly close: () => Promise<void>
}

/** Refuses with STORE_LOCKED while another command has the folder open, with KEY_REFUSED while it is encrypted. */
export async function openOperator(siteDir: string, unlock?: Unlock): Promise<Operator> {
  const dir = await operatorFolder(siteDir)
  const { identity, lock } = await holdIdentity(dir, unlock)
  const { site } = identity
  try {
    return await openLocked({ dir, site, identity, release: lock.release })
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** A site's folder has its issuer's inside; a revoker's folder stands alone, far from it. */
async function operatorFolder(siteDir: string): Promise<string> {
  if (await hasIdentity(siteDir)) return siteDir
  await readSite(siteDir)
  return join(siteDir, ISSUER_FOLDER)
}

type Locked = {
  readonly dir: string
  readonly site: SiteFile
  readonly identity: HeldIdentity
  readonly release: () => Promise<void>
}

async function openLocked({ dir, site, identity, release }: Locked): Promise<Operator> {
  const signatures = ed25519()
  const clock = systemClock()
  const roster = createRoster({ signatures }, siteIdIn(site), unhex(site.rootKey))
  for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
  const logKey = unhex(identity.keys.logKey)
  const certificate = roster.all().at(-1)
  if (!certificate)
    throw new MeshError('CERTIFICATE_INVALID', `${dir}: the issuer's certificate is not one of this site`)
  const disk = openDisk(dir)
  const ledger = createLedger({
    roster,
    signatures,
    certificate,
    logKey,
    random: systemRandom(),
    swVersion: SW_VERSION,
  })
  const { journal, scan } = await openJournal(disk, held => ledger.recover(held), storeKeysIn(identity))
  requireKeys(scan)
  const intact = scan.state !== 'damaged' && ledger.rejectedOnRecovery() === 0
  ledger.recovered(scan.state === 'fresh' ? 'fresh' : intact ? 'intact' : 'lossy', 'start', clock.wallMs())
  const settled = await isSamePlace(dir)
  let revokedElsewhere: ReadonlySet<DeviceId> | undefined
  let mayResume = intact && settled
  let isPlaceKnown = settled
  const startAfresh = (): void => {
    mayResume = false
    ledger.recovered('lossy', 'start', clock.wallMs())
  }
  if (intact && !settled && scan.state !== 'fresh') startAfresh()
  const times = () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() })
  return {
    dir,
    site,
    identity,
    ledger,
    certificate,
    meet: held => {
      const verdict = compare(ledger, certificate.deviceId, held)
      if (verdict !== 'agrees') startAfresh()
      return verdict
    },
    manifest: roster.manifest,
    heardOfRevoked: deviceIds => {
      revokedElsewhere = new Set([...(revokedElsewhere ?? []), ...deviceIds])
    },
    revokedElsewhere: () => revokedElsewhere,
    certificates: roster.all,
    record: async bodies => {
      if (bodies.length === 0) return
      refuseBeyondRole(certificate, bodies)
      if (mayResume) ledger.resume()
      mayResume = false
      ledger.write(bodies, times())
      if (certificate.roles.includes('issuer'))
        sayBeacon(ledger, { certHash: certificate.hash, logKey, signatures }, clock.wallMs())
      await persistAll(journal, ledger.takePending().records)
      // Only now: were it earlier, a crash in between would let the next run go on with the old log.
      if (!isPlaceKnown) await rememberPlace(dir)
      isPlaceKnown = true
    },
    certify: body =>
      issueCertificate(signatures, logKey, {
        ...body,
        version: 1,
        siteId: certificate.siteId,
        issuedBy: certificate.hash,
      }),
    order: ({ certificates, chargerId, nonce, command }) => {
      const verdict = certificates.map(roster.enrol).at(-1)
      const holder = verdict?.kind === 'valid' ? verdict.certificate : undefined
      if (!holder?.roles.includes('node') || ledger.isVoid(holder))
        throw new MeshError(
          'CERTIFICATE_INVALID',
          `who says that it holds ${chargerId} is no node of this site, or was revoked: nothing was sent to it`,
        )
      const ephemeral = systemRandom().bytes(32)
      const ordered = { holder, chargerId, nonce, command: JSON.stringify(command), ephemeral }
      return signOrder({ certificate, logKey, signatures }, ordered)
    },
    submission: () => ({
      certificates: ledger.chainOf(certificate),
      segments: [...ledger.logs.all()].flatMap(log =>
        ledger.logs.segments(log.logId, 0, Number.MAX_SAFE_INTEGER),
      ),
      objects: [...ledger.objects.all()].map(held => held.object.encoded),
    }),
    written: () => ledger.ownLog(),
    hashAt: (logId, seq) => ledger.logs.get(logId)?.hashes[seq],
    deviceIdOf,
    close: async () => {
      await journal.close()
      await disk.close()
      await release()
    },
  }
}

function compare(ledger: Ledger, deviceId: DeviceId, held: readonly HeldLog[]): ReturnType<Operator['meet']> {
  const own = [...ledger.logs.all()].filter(log => log.certificate.deviceId === deviceId)
  const newest = own.toSorted((a, b) => (a.head.hlc < b.head.hlc ? -1 : 1)).at(-1)
  const there = held.find(log => log.logId === newest?.logId)
  if (!newest || !there) return 'agrees'
  if (there.forkedAt !== undefined) return 'frozen'
  // Beyond our head there is no hash of ours: the node holds more than we do.
  return newest.hashes[there.seq] === there.hash ? 'agrees' : 'older'
}

function refuseBeyondRole({ roles }: Certificate, bodies: readonly AnyBody[]): void {
  if (roles.includes('issuer') || bodies.every(({ name }) => name === 'revoke' || name === 'device_revoke'))
    return
  throw new MeshError(
    'CONFIG_INVALID',
    "this folder holds a revoker's keys: it can revoke cards and nodes, and nothing else",
  )
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

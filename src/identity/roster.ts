// The roster: every certificate of the site that this process has seen and checked. It only grows.
import type { CertHash, DeviceId, SiteId } from '../units.ts'
import {
  type Certificate,
  type CertificateReader,
  type CertificateVerdict,
  type Trust,
  verifyCertificate,
} from './certificate.ts'
import { isNewer, type ReadManifest, type RootManifest, readManifest } from './manifest.ts'

/** Far above any site; a certificate costs its issuer a signature, so only an issuer could fill this. */
const MAX_CERTIFICATES = 20_000

export type Roster = Trust & {
  /** Checks and keeps a certificate. Keeping one twice changes nothing. */
  readonly enrol: (encoded: Uint8Array) => CertificateVerdict
  readonly byDevice: (deviceId: DeviceId) => Certificate | undefined
  /** All of one device, newest first. */
  readonly ofDevice: (deviceId: DeviceId) => readonly Certificate[]
  readonly all: () => readonly Certificate[]
  /** The root's newest word about who speaks for the site no more. */
  readonly manifest: () => RootManifest | undefined
  /** Takes a manifest from whoever carries it; true when it is the root's, and newer than the one held. */
  readonly withdraw: (encoded: Uint8Array) => boolean
}

export function createRoster(reader: CertificateReader, siteId: SiteId, rootKey: Uint8Array): Roster {
  const byHash = new Map<CertHash, Certificate>()
  const devices = new Map<DeviceId, readonly Certificate[]>()
  let held: ReadManifest | undefined
  const roster: Roster = {
    siteId,
    rootKey,
    certificate: hash => byHash.get(hash),
    byDevice: deviceId => devices.get(deviceId)?.[0],
    ofDevice: deviceId => devices.get(deviceId) ?? [],
    all: () => [...byHash.values()],
    manifest: () => held?.manifest,
    withdraw: encoded => {
      const read = readManifest(reader.signatures, roster, encoded)
      if (!read || !isNewer(read, held)) return false
      held = read
      return true
    },
    enrol: encoded => {
      const verdict = verifyCertificate(reader, roster, encoded)
      if (verdict.kind === 'refused' || byHash.has(verdict.certificate.hash)) return verdict
      if (byHash.size >= MAX_CERTIFICATES) return { kind: 'refused', reason: 'malformed' }
      const { certificate } = verdict
      byHash.set(certificate.hash, certificate)
      const all = [certificate, ...(devices.get(certificate.deviceId) ?? [])]
      devices.set(
        certificate.deviceId,
        all.toSorted((a, b) => b.serial - a.serial),
      )
      return verdict
    },
  }
  return roster
}

// The site of the benchmarks: every process derives the same root, issuer and devices from fixed seeds, so that nodes which
// have never met hold each other's certificates. Worth nothing outside a benchmark.
import {
  CERTIFICATE_VERSION,
  type Certificate,
  ISSUED_BY_ROOT,
  issueCertificate,
  type Role,
  siteIdOf,
} from '../../src/identity/certificate.ts'
import { sha256, utf8Bytes } from '../../src/identity/hash.ts'
import { type DeviceKeys, publicKeys } from '../../src/identity/keys.ts'
import { createRoster, type Roster } from '../../src/identity/roster.ts'
import { ed25519, publicKeyOf, type Signatures } from '../../src/identity/signature.ts'

const FROM = Date.UTC(2020, 0, 1)
const UNTIL = Date.UTC(2100, 0, 1)

export type BenchSite = {
  readonly signatures: Signatures
  readonly roster: Roster
  readonly issuer: Certificate
  readonly devices: readonly Device[]
}
export type Device = { readonly keys: DeviceKeys; readonly certificate: Certificate }

export function benchSite(devices: number): BenchSite {
  const signatures = ed25519()
  const rootSeed = seed('root')
  const rootKey = publicKeyOf(rootSeed)
  const siteId = siteIdOf(rootKey)
  const roster = createRoster({ signatures }, siteId, rootKey)
  const certify = (name: string, role: Role, by?: Device): Device => {
    const keys = { peerKey: seed(`${name}/peer`), logKey: seed(`${name}/log`), sealKey: seed(`${name}/seal`) }
    const encoded = issueCertificate(signatures, by ? by.keys.logKey : rootSeed, {
      ...{ version: CERTIFICATE_VERSION, siteId, serial: 1, name, roles: [role], ...publicKeys(keys) },
      issuedBy: by ? by.certificate.hash : ISSUED_BY_ROOT,
      ...{ notBeforeAt: FROM, notAfterAt: UNTIL },
    })
    const verdict = roster.enrol(encoded)
    if (verdict.kind === 'refused') throw new RangeError(`certificate of ${name}: ${verdict.reason}`)
    return { keys, certificate: verdict.certificate }
  }
  const issuer = certify('issuer', 'issuer')
  return {
    ...{ signatures, roster, issuer: issuer.certificate },
    devices: Array.from({ length: devices }, (_, i) => certify(`node-${i}`, 'node', issuer)),
  }
}

function seed(name: string): Uint8Array {
  return sha256(utf8Bytes(`chargemesh benchmark, ${name}`))
}

// Who may speak at a site: every reason for which a certificate is refused, at the one place that makes certificates,
// and the roster that keeps them (PROTOCOL 1.2, 2.6).
import { describe, expect, it } from 'vitest'
import { bytes, fromBytes, record, toBytes } from '../../src/cbor.ts'
import {
  CERTIFICATE_GRACE_MS,
  type CertificateBody,
  deviceIdOf,
  ISSUED_BY_ROOT,
  inForce,
  issueCertificate,
  MAX_CERTIFICATE_BYTES,
  siteIdOf,
  verifyCertificate,
} from '../../src/identity/certificate.ts'
import { hashOf } from '../../src/identity/hash.ts'
import { drawKeys, publicKeys } from '../../src/identity/keys.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { concatBytes, hex, type SiteId, unhex } from '../../src/units.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'

const site = testSite('certificates')
const node = site.device('node')
const keys = drawKeys(site.random)
const body: CertificateBody = {
  ...{ version: 1, siteId: site.siteId, issuedBy: site.issuer.certificate.hash, serial: 9, name: 'new' },
  ...{ roles: ['node'], ...publicKeys(keys) },
  ...{ notBeforeAt: SITE_OPENED_AT, notAfterAt: SITE_OPENED_AT + 1000 },
}
const SMALL_ORDER = unhex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')

function signedBy(seed: Uint8Array, change: Partial<CertificateBody> = {}): Uint8Array {
  return issueCertificate(site.signatures, seed, { ...body, ...change })
}
function byIssuer(change: Partial<CertificateBody> = {}): Uint8Array {
  return signedBy(site.issuer.keys.logKey, change)
}
function verdict(encoded: Uint8Array): string {
  const judged = verifyCertificate({ signatures: site.signatures }, site.roster([node]), encoded)
  return judged.kind === 'valid' ? 'valid' : judged.reason
}

describe('a certificate', () => {
  it('of an issuer is valid, and binds the device to its log key', () => {
    const judged = verifyCertificate({ signatures: site.signatures }, site.roster(), byIssuer())
    if (judged.kind === 'refused') throw new Error(judged.reason)
    expect(judged.certificate.deviceId).toBe(deviceIdOf(body.logKey))
    expect(judged.certificate).toMatchObject(body)
  })

  it('has the ids that the protocol says', () => {
    const whole = hashOf('chargemesh/device/v1', body.logKey)
    expect(deviceIdOf(body.logKey)).toBe(hex(whole.subarray(0, 16)))
    expect(siteIdOf(site.rootKey)).toBe(site.siteId)
  })

  it('of the root is valid', () => {
    expect(verdict(signedBy(site.rootSeed, { issuedBy: ISSUED_BY_ROOT }))).toBe('valid')
  })

  it('that has expired is valid evidence all the same: time is the question of connections and folds', () => {
    expect(verdict(byIssuer({ notBeforeAt: 0, notAfterAt: 1 }))).toBe('valid')
  })

  const SIGNED = record({ body: bytes(1024), signature: bytes(64, 64) })
  const opened = fromBytes(SIGNED, byIssuer())
  const forged = opened.signature.slice()
  forged[3] = (forged[3] ?? 0) ^ 1

  it.each<[string, string, () => Uint8Array]>([
    ['no bytes', 'malformed', () => new Uint8Array()],
    ['too many bytes', 'malformed', () => new Uint8Array(MAX_CERTIFICATE_BYTES + 1)],
    ['a byte behind the end', 'malformed', () => concatBytes([byIssuer(), Uint8Array.of(0)])],
    ['the last byte missing', 'malformed', () => byIssuer().slice(0, -1)],
    ['a body that is none', 'malformed', () => toBytes(SIGNED, { ...opened, body: unhex('80') })],
    ['a version to come', 'unknown-version', () => byIssuer({ version: 2 })],
    ['another site', 'foreign-site', () => byIssuer({ siteId: '00'.repeat(16) as SiteId })],
    ['an issuer that nobody knows', 'unknown-issuer', () => byIssuer({ issuedBy: '77'.repeat(32) as never })],
    [
      'a node as its issuer',
      'not-an-issuer',
      () => signedBy(node.keys.logKey, { issuedBy: node.certificate.hash }),
    ],
    [
      'the cloud as its issuer',
      'not-an-issuer',
      () => signedBy(site.cloud.keys.logKey, { issuedBy: site.cloud.certificate.hash }),
    ],
    ['the signature of another key', 'bad-signature', () => signedBy(node.keys.logKey)],
    [
      'the issuer’s signature where it names the root',
      'bad-signature',
      () => byIssuer({ issuedBy: ISSUED_BY_ROOT }),
    ],
    ['a flipped signature', 'bad-signature', () => toBytes(SIGNED, { ...opened, signature: forged })],
    ['a log key of small order', 'bad-key', () => byIssuer({ logKey: SMALL_ORDER })],
    ['a peer key of small order', 'bad-key', () => byIssuer({ peerKey: SMALL_ORDER })],
  ])('with %s is refused', (_, reason, made) => {
    expect(verdict(made())).toBe(reason)
  })

  it('of an issuer whom another issuer made is no issuer: only the root makes them', () => {
    const roster = site.roster()
    const second = byIssuer({ roles: ['issuer'] })
    const enrolled = roster.enrol(second)
    if (enrolled.kind === 'refused') throw new Error(enrolled.reason)
    const third = signedBy(keys.logKey, { issuedBy: enrolled.certificate.hash, serial: 10 })
    expect(roster.enrol(third)).toEqual({ kind: 'refused', reason: 'not-an-issuer' })
  })

  it('is in force from its first day to the end of its grace', () => {
    expect(inForce(body, body.notBeforeAt - 1)).toBe(false)
    expect(inForce(body, body.notBeforeAt)).toBe(true)
    expect(inForce(body, body.notAfterAt + CERTIFICATE_GRACE_MS)).toBe(true)
    expect(inForce(body, body.notAfterAt + CERTIFICATE_GRACE_MS + 1)).toBe(false)
  })
})

describe('the roster', () => {
  it('keeps every certificate of a device, and calls the one with the greatest serial its newest', () => {
    for (const order of [
      [5, 6, 4],
      [6, 5, 4],
      [4, 5, 6],
    ]) {
      const roster = createRoster({ signatures: site.signatures }, site.siteId, site.rootKey)
      roster.enrol(site.issuer.certificate.encoded)
      for (const serial of order) roster.enrol(byIssuer({ serial }))
      expect(roster.byDevice(deviceIdOf(body.logKey))?.serial).toBe(6)
      expect(roster.all()).toHaveLength(4)
    }
  })

  it('takes a certificate twice as once, and does not keep what it refuses', () => {
    const roster = site.roster()
    const before = roster.all().length
    roster.enrol(byIssuer())
    roster.enrol(byIssuer())
    roster.enrol(signedBy(node.keys.logKey))
    expect(roster.all()).toHaveLength(before + 1)
  })

  it('does not know a device before its issuer', () => {
    const roster = createRoster({ signatures: site.signatures }, site.siteId, site.rootKey)
    expect(roster.enrol(byIssuer())).toEqual({ kind: 'refused', reason: 'unknown-issuer' })
    roster.enrol(site.issuer.certificate.encoded)
    expect(roster.enrol(byIssuer()).kind).toBe('valid')
  })
})

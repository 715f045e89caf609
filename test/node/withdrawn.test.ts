// An issuer that the root has withdrawn: what it wrote before its cut-off counts as ever, what anybody writes with its keys
// later moves nothing, and nodes that it certified in secret count for nothing, in whatever order the logs came (PROTOCOL 2.6).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { issueCertificate } from '../../src/identity/certificate.ts'
import { drawKeys, publicKeys } from '../../src/identity/keys.ts'
import { type RootManifest, readManifest, signManifest } from '../../src/identity/manifest.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import type { TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, testSite } from '../site.ts'

const site = testSite('withdrawn')
const { issuer: old, signatures, siteId, rootKey, rootSeed } = site
const fresh = site.device('issuer-2', ['issuer'])
const [self, named, unnamed] = [site.device('self'), site.device('named'), site.device('unnamed')]

const tariff = (tariffId: string): AnyBody => ({
  name: 'tariff',
  body: { tariffId, currency: 'EUR', pricePerKwh: '0.25', effectiveAt: 0 },
})
const certOf = ({ certificate }: TestDevice): AnyBody => ({
  name: 'device_cert',
  body: { certificate: certificate.encoded },
})
const session = (chargerId: string): readonly AnyBody[] => {
  const { start, end } = sessionBodies({ chargerId })
  return [start, end]
}

const first = site.openLog(old)
first.append([tariff('first'), certOf(named), certOf(self)])
const second = site.openLog(old, { prev: first.ref() })
second.append([tariff('second')])
const cutoff = [second.ref()]
second.append([tariff('theft'), certOf(unnamed)])
const secret = site.openLog(old, { prev: second.ref() })
secret.append([tariff('secret')])
const apart = site.openLog(old)
apart.append([tariff('apart')])

function manifestOf(version: number, withdrawn: RootManifest['withdrawn'], seed = rootSeed): AnyBody {
  const manifest = signManifest(signatures, seed, { version, siteId, issuedAt: 0, withdrawn })
  return { name: 'site_manifest', body: { version, manifest } }
}
const { deviceId, serial } = old.certificate
const ended = manifestOf(2, [{ deviceId, serial, cutoff }])

const honest = site.openLog(named)
honest.append(session('CP-1'))
const forged = site.openLog(unnamed)
forged.append(session('CP-2'))
const news = site.openLog(fresh)
news.append([tariff('new')])
/** Carried by a node: the root's signature alone decides. */
const carrier = site.openLog(self)
carrier.append([manifestOf(1, []), ended])

const ledger = (): Ledger =>
  createLedger({
    ...{ roster: site.roster([self, named, unnamed, fresh]), signatures },
    ...{ certificate: self.certificate, logKey: self.keys.logKey, random: { bytes: site.random } },
    swVersion: 'test',
  })
const give = (held: Ledger, segments: readonly Segment[]): void => {
  for (const segment of segments) {
    const { kind } = held.admit(segment, { wallMs: 0, monotonicMs: 0 })
    if (kind !== 'admitted') throw new Error(kind)
  }
}
const known = (held: Ledger) => ({
  tariffs: held
    .view()
    .tariffs.all()
    .map(({ tariffId }) => tariffId)
    .sort(),
  chargers: held
    .view()
    .sessions()
    .map(({ chargerId }) => chargerId)
    .sort(),
})

describe('an issuer that was withdrawn', () => {
  it('counts up to its cut-off, in whatever order the logs come', () => {
    const logs = [first, second, secret, apart, honest, forged, news, carrier].map(log => log.segments(0, 1))
    fc.assert(
      fc.property(fc.shuffledSubarray(logs, { minLength: logs.length }), fc.boolean(), (all, looks) => {
        const held = ledger()
        for (const segments of all) {
          give(held, segments)
          if (looks) held.view().sessions()
        }
        held.refold(60_000)
        expect(known(held)).toEqual({ tariffs: ['first', 'new', 'second'], chargers: ['CP-1'] })
        held.refold(120_000)
        expect(held.view().outdated()).toBe('no')
      }),
      { numRuns: 60 },
    )
  })

  const age = (held: Ledger): number | undefined =>
    held.news({ wallMs: SITE_OPENED_AT + 60_000, monotonicMs: 0 }).policyAgeMs

  it('may have certified a revoker, whose word counts in whatever order the logs come', () => {
    const revoker = site.device('revoker', ['revoker'])
    const naming = site.openLog(old)
    naming.append([certOf(revoker)])
    const roster = site.roster([self, revoker, fresh])
    const made = createLedger({
      ...{ roster, signatures, certificate: self.certificate, logKey: self.keys.logKey, swVersion: 'test' },
      random: { bytes: site.random },
    })
    const end = manifestOf(3, [{ deviceId, serial, cutoff: [naming.ref()] }])
    const word = site.openLog(revoker)
    const tokenRef = 'ab'.repeat(16) as TokenRef
    word.append([{ name: 'revoke', body: { tokenRef, reason: 'lost', effectiveAt: 0 } }])
    const told = site.openLog(self)
    told.append([end])
    for (const log of [word, told, naming]) give(made, log.segments())
    expect(made.view().policy.token(tokenRef).kind).toBe('revoked')
    expect(made.view().outdated()).toBe('no')
  })

  it('can sign any serial over the keys of honest nodes, and shuts nobody out by it', () => {
    const held = ledger()
    for (const log of [first, second, carrier]) give(held, log.segments())
    held.view()
    for (const victim of [self, named]) {
      const { hash: _, deviceId: __, encoded: ___, ...body } = victim.certificate
      held.enrol(issueCertificate(signatures, old.keys.logKey, { ...body, serial: Number.MAX_SAFE_INTEGER }))
      expect(held.isRevoked(victim.certificate.deviceId)).toBe(false)
    }
    expect(held.ownCertificate().hash).toBe(self.certificate.hash)
  })

  it('freshens nothing with its beacons', () => {
    const held = ledger()
    const beacon = (signer: TestDevice, log: typeof first, issuedAt: number): Uint8Array =>
      signObject(
        { certHash: signer.certificate.hash, logKey: signer.keys.logKey, signatures },
        { kind: 'beacon', body: { ...log.ref(), issuedAt, nextByAt: issuedAt } },
      )
    for (const log of [second, news]) give(held, log.segments())
    held.admitObject(beacon(fresh, news, SITE_OPENED_AT))
    held.admitObject(beacon(old, second, SITE_OPENED_AT + 60_000))
    expect(age(held)).toBe(0)
    give(held, carrier.segments())
    held.view()
    expect(age(held)).toBe(60_000)
  })

  it('is void for connections, and so is a node that only its later words name', () => {
    const held = ledger()
    for (const log of [first, second, carrier]) give(held, log.segments())
    held.view()
    expect([old, fresh, named, unnamed].map(({ certificate }) => held.isVoid(certificate))).toEqual([
      ...[true, false, false, true],
    ])
  })

  it('may be stood in for: another issuer names the node, and what it wrote counts from then on', () => {
    const held = ledger()
    for (const log of [carrier, honest]) give(held, log.segments())
    expect(known(held).chargers).toEqual([])
    const named_ = site.openLog(fresh)
    named_.append([certOf(named)])
    give(held, named_.segments())
    expect(known(held).chargers).toEqual(['CP-1'])
  })

  it('may have certified a node that a certificate of the new issuer takes over', () => {
    const held = ledger()
    const { hash: _, deviceId: __, encoded: ___, ...body } = unnamed.certificate
    const issued = { ...body, issuedBy: fresh.certificate.hash, serial: body.serial + 1 }
    const renewed = issueCertificate(signatures, fresh.keys.logKey, issued)
    for (const log of [first, carrier]) give(held, log.segments())
    held.enrol(renewed)
    expect(held.isRevoked(unnamed.certificate.deviceId)).toBe(false)
  })
})

describe('the root manifest', () => {
  const read = (said: AnyBody) =>
    said.name === 'site_manifest'
      ? readManifest(signatures, { siteId, rootKey }, said.body.manifest)
      : undefined

  it('is the root’s alone', () => {
    const stranger = drawKeys(site.random).logKey
    expect(read(ended)?.manifest.withdrawn).toHaveLength(1)
    expect(read(manifestOf(3, [], stranger))).toBeUndefined()
    const other = testSite('elsewhere')
    expect(publicKeys(drawKeys(site.random)).logKey).not.toEqual(other.rootKey)
    const foreign = signManifest(signatures, rootSeed, {
      ...{ version: 3, siteId: other.siteId, issuedAt: 0, withdrawn: [] },
    })
    expect(readManifest(signatures, { siteId, rootKey }, foreign)).toBeUndefined()
  })

  it('only grows, and of two with one version the same counts whichever came first', () => {
    const bytes = [manifestOf(1, []), manifestOf(2, []), ended].map(said =>
      said.name === 'site_manifest' ? said.body.manifest : new Uint8Array(),
    )
    const left = (order: readonly number[]): RootManifest | undefined => {
      const roster = site.roster()
      for (const at of order) roster.withdraw(bytes[at] ?? new Uint8Array())
      return roster.manifest()
    }
    expect(left([1, 0])?.version).toBe(2)
    expect(left([0, 1, 2])).toEqual(left([2, 1, 0]))
  })
})

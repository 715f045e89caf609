// The site of a simulated world: root, issuer, cloud and a device for each node, with certificates made by the production
// code; and the operator, who writes one log and hands it to whichever node is near.
import {
  CERTIFICATE_VERSION,
  type Certificate,
  ISSUED_BY_ROOT,
  issueCertificate,
  type Role,
  siteIdOf,
} from '../../src/identity/certificate.ts'
import { sha256, utf8Bytes } from '../../src/identity/hash.ts'
import { type DeviceKeys, drawKeys } from '../../src/identity/keys.ts'
import { createRoster, type Roster } from '../../src/identity/roster.ts'
import { sealPublicKey } from '../../src/identity/seal.ts'
import { createTagKeys, type TagKeys } from '../../src/identity/tag.ts'
import type { Remember } from '../../src/remember.ts'
import { hex, type SiteId, type TokenRef } from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import type { Plan } from '../plan.ts'
import { createMemory } from './remember.ts'
import { type Signer, signerOf } from './signer.ts'

const DAY_MS = 24 * 3600 * 1000
const FOREVER = 3650 * DAY_MS

export type Credential = { readonly keys: DeviceKeys; readonly certificate: Certificate }

export type SimulatedSite = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly signatures: Signer
  /** Shared by all nodes. */
  readonly remember: Remember
  readonly issuer: Credential
  readonly cloud: Credential
  /** Under which it signed until its certificate ran out, a year ago. */
  readonly formerCloud: Credential
  /** By node number, from 1; the first entry is node 1's. */
  readonly devices: readonly Credential[]
  /** What a device knows when it is new: the issuer and itself. */
  readonly roster: (own?: Credential) => Roster
  readonly tokenRef: (idTag: string) => TokenRef
  readonly tagKeys: TagKeys
}

export function simulatedSite(plan: Plan, dice: Dice, remember: Remember = createMemory()): SimulatedSite {
  const signatures = signerOf(plan.signer)
  const rootSeed = dice.random.bytes(32)
  const rootKey = signatures.publicKeyOf(rootSeed)
  const siteId = siteIdOf(rootKey)
  const known = createRoster({ signatures, remember }, siteId, rootKey)
  let serial = 0
  const certify = (name: string, roles: readonly Role[], by?: Credential, until = FOREVER): Credential => {
    const keys = drawKeys(dice.random.bytes)
    serial += 1
    const encoded = issueCertificate(signatures, by ? by.keys.logKey : rootSeed, {
      version: CERTIFICATE_VERSION,
      siteId,
      issuedBy: by ? by.certificate.hash : ISSUED_BY_ROOT,
      serial,
      name,
      roles,
      peerKey: signatures.publicKeyOf(keys.peerKey),
      logKey: signatures.publicKeyOf(keys.logKey),
      sealKey: sealPublicKey(keys.sealKey),
      notBeforeAt: plan.startsAt + Math.min(0, until) - DAY_MS,
      notAfterAt: plan.startsAt + until,
    })
    const verdict = known.enrol(encoded)
    if (verdict.kind === 'refused') throw new RangeError(`certificate of ${name}: ${verdict.reason}`)
    return { keys, certificate: verdict.certificate }
  }
  const issuer = certify('issuer', ['issuer'])
  const cloud = certify('cloud', ['cloud'], issuer)
  const devices = Array.from({ length: plan.nodes }, (_, i) => certify(`node-${i + 1}`, ['node'], issuer))
  const refs = new Map<string, TokenRef>()
  return {
    ...{ siteId, rootKey, signatures, remember, issuer, cloud, devices },
    formerCloud: certify('former cloud', ['cloud'], issuer, -365 * DAY_MS),
    roster: own => {
      const roster = createRoster({ signatures, remember }, siteId, rootKey)
      roster.enrol(issuer.certificate.encoded)
      if (own) roster.enrol(own.certificate.encoded)
      return roster
    },
    tagKeys: createTagKeys([sha256(utf8Bytes(`${siteId}/site-key`))]),
    tokenRef: idTag => {
      const ref = refs.get(idTag) ?? hex<TokenRef>(sha256(utf8Bytes(`${siteId}/${idTag}`)).subarray(0, 16))
      refs.set(idTag, ref)
      return ref
    },
  }
}

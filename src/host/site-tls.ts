// What the nodes of a site show to chargers, as the operator makes it: an authority whose key stays in the operator's folder,
// and one TLS identity, written into the log and sealed to every node (PROTOCOL 2.9).
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { MeshError } from '../errors.ts'
import { siteKeyIdOf } from '../identity/site-key.ts'
import { sealTlsKeys } from '../identity/tls-keys.ts'
import type { AnyBody } from '../log/body.ts'
import { checkedNames, namesIn } from './certificate-names.ts'
import type { Authority, ServerPairs } from './charger-ca.ts'
import { hasIdentity, type IdentityFile, writeIdentity, writeSecret } from './identity-files.ts'
import { ISSUER_FOLDER, type Operator } from './operator.ts'
import { systemRandom } from './system.ts'
import type { Unlock } from './unlock.ts'
import { DAY_MS, tlsKeyBodies } from './upkeep.ts'

/** What chargers are given to believe; everybody may read it. */
export const AUTHORITY_FILE = 'charger-ca.pem'
/** Until the operator knows better: a charger on the same machine, and one name to point at a node. */
export const DEFAULT_NAMES: readonly string[] = ['ocpp.local', 'localhost', '127.0.0.1']
const RENEW_WITHIN_DAYS = 90

export type SiteTls = {
  readonly names: readonly string[]
  readonly notAfterAt: number
  readonly authority: X509Certificate
}
export type NewTls = {
  readonly siteDir: string
  readonly unlock?: Unlock
  readonly nowAt: number
  /** Those of before, or the default. */
  readonly names?: readonly string[] | undefined
  /** Another authority in the place of the one that is there; chargers that know the old one, or show its certificates, go on unless it was stolen. */
  readonly another?: 'planned' | 'stolen' | undefined
}

/** Makes what is missing, and a new identity in any case. CONFIG_INVALID for names that no certificate can carry. */
export async function renewSiteTls(operator: Operator, renewal: NewTls): Promise<SiteTls> {
  const names = checkedNames(renewal.names ?? siteTlsOf(operator)?.names ?? DEFAULT_NAMES)
  const { makeServerPairs } = await import('./charger-ca.ts')
  const held = operator.identity.chargerCa
  const authority = held && !renewal.another ? held : await newAuthority(operator, renewal)
  const pairs = await makeServerPairs(authority, names, renewal.nowAt)
  await operator.record(bodiesOf(operator, authority, pairs))
  await writeSecret(join(renewal.siteDir, AUTHORITY_FILE), authority.certificate)
  const made = siteTlsOf(operator)
  if (!made) throw new MeshError('CERTIFICATE_INVALID', 'what was written cannot be read back')
  return made
}

/** The operator's commands renew it on the way, while the folder has an authority and the identity ends soon. */
export async function keepSiteTls(operator: Operator, renewal: NewTls): Promise<SiteTls | undefined> {
  const current = siteTlsOf(operator)
  if (!operator.identity.chargerCa || !current) return undefined
  if (current.notAfterAt - renewal.nowAt > RENEW_WITHIN_DAYS * DAY_MS) return undefined
  return await renewSiteTls(operator, renewal)
}

/** What nodes show now; undefined where the site has none. */
export function siteTlsOf({ ledger, certificate }: Operator): SiteTls | undefined {
  const [newest] = ledger.view().chargerTls.of(certificate.deviceId)
  const [own] = newest?.said.certificates ?? []
  const [authority] = newest?.said.authorities ?? []
  if (!own || !authority) return undefined
  const shown = new X509Certificate(own)
  return {
    names: namesIn(shown),
    notAfterAt: Date.parse(shown.validTo),
    authority: new X509Certificate(authority),
  }
}

/** Refuses with CONFIG_INVALID where the folder has none. */
export function authorityOf({ identity }: Operator): Authority {
  if (identity.chargerCa) return identity.chargerCa
  throw new MeshError(
    'CONFIG_INVALID',
    'this site has no authority for chargers yet: `chargemesh site tls` makes one',
  )
}

/** On the disk before anything that it signed is in the log. */
async function newAuthority(
  { identity, site }: Operator,
  { siteDir, unlock, nowAt, another }: NewTls,
): Promise<NonNullable<IdentityFile['chargerCa']>> {
  // Loaded only here: few commands need the library behind it.
  const { makeAuthority, vouchFor } = await import('./charger-ca.ts')
  const made = await makeAuthority(site.name, nowAt)
  const before = another === 'stolen' ? undefined : identity.chargerCa
  const chargerCa = {
    ...made,
    ...(before && {
      ...{ before: before.certificate, vouched: await vouchFor(before, made.certificate, nowAt) },
    }),
  }
  const dir = (await hasIdentity(siteDir)) ? siteDir : join(siteDir, ISSUER_FOLDER)
  await writeIdentity(dir, { ...identity, chargerCa }, unlock)
  return chargerCa
}

function bodiesOf(
  operator: Operator,
  { certificate, before, vouched }: NonNullable<IdentityFile['chargerCa']>,
  { ecdsa, rsa }: ServerPairs,
): readonly AnyBody[] {
  const { bytes } = systemRandom()
  const key = bytes(32)
  const keys = [ecdsa, rsa].map(pair => derOf(createPrivateKey(pair.key)))
  const said: AnyBody = {
    name: 'charger_tls',
    body: {
      keyId: siteKeyIdOf(key),
      authorities: [certificate, ...(before === undefined ? [] : [before])].map(rawOf),
      certificates: [ecdsa.certificate, rsa.certificate].map(rawOf),
      sealed: sealTlsKeys(key, bytes(12), keys),
      ...(vouched !== undefined && { vouched: rawOf(vouched) }),
    },
  }
  // The key first: a node that hears of the identity can show it.
  return [...tlsKeyBodies(operator, key), said]
}

function rawOf(pem: string): Uint8Array {
  return new Uint8Array(new X509Certificate(pem).raw)
}

function derOf(key: ReturnType<typeof createPrivateKey>): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }))
}

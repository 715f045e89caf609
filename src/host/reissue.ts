// A new issuer in the place of the old one: the root certifies new keys and withdraws the old ones at the heads that they
// have written, so that nothing they did is lost, and nothing that anybody does with them later counts (PROTOCOL 2.6).
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Policy } from '../authorization/policy.ts'
import { MeshError } from '../errors.ts'
import { MAX_HEADS, MAX_WITHDRAWN, signManifest } from '../identity/manifest.ts'
import { ed25519 } from '../identity/signature.ts'
import { type AnyBody, decodeBody, type EventName, type EventRef } from '../log/body.ts'
import { eventsOf } from '../log/event.ts'
import { type EventHash, type LogId, type TokenRef, unhex } from '../units.ts'
import { hasIdentity, type IdentityFile, readIdentity, writeIdentity } from './identity-files.ts'
import { ISSUER_FOLDER, type Operator } from './operator.ts'
import { certifyByRoot } from './site-birth.ts'
import type { Unlock } from './unlock.ts'
import { upkeepOf } from './upkeep.ts'

const NEXT_FOLDER = 'next'

export type Reissue = {
  readonly siteDir: string
  readonly rootSeed: Uint8Array
  /** Of the operator's folder. */
  readonly unlock?: Unlock
  readonly nowAt: number
  /** Heads of the old issuer's logs that nodes hold and this folder does not: a folder from a backup lacks some. */
  readonly alsoHeld: readonly EventRef[]
}

/** Written by the old issuer, as its last words; the folder is the new one's when resolved. */
export async function reissue(operator: Operator, reissuing: Reissue): Promise<void> {
  const { siteDir, nowAt, alsoHeld, rootSeed, unlock } = reissuing
  const { certificate } = operator
  const dir = join(siteDir, ISSUER_FOLDER)
  const fresh = await nextIdentity(operator, join(dir, NEXT_FOLDER), reissuing)
  await operator.record([
    { name: 'device_cert', body: { certificate: unhex(fresh.certificates.at(-1) ?? '') } },
  ])
  await operator.record(upkeepOf(operator, nowAt).bodies)
  const before = operator.manifest()
  const cutoff = [...ownHeads(operator), ...alsoHeld]
  if (cutoff.length > MAX_HEADS)
    throw new MeshError(
      'CONFIG_INVALID',
      `the old keys have written ${cutoff.length} logs that follow nothing, a manifest names ${MAX_HEADS}: somebody else uses them`,
    )
  const withdrawn = [
    ...(before?.withdrawn ?? []),
    { deviceId: certificate.deviceId, serial: certificate.serial, cutoff },
  ]
  if (withdrawn.length > MAX_WITHDRAWN)
    throw new MeshError(
      'CONFIG_INVALID',
      `the root has withdrawn ${MAX_WITHDRAWN} issuers, a manifest names no more`,
    )
  const version = Math.max(nowAt, (before?.version ?? 0) + 1)
  const manifest = signManifest(ed25519(), rootSeed, {
    ...{ version, siteId: certificate.siteId, issuedAt: nowAt, withdrawn },
  })
  await operator.record([{ name: 'site_manifest', body: { version, manifest } }])
  await writeIdentity(dir, fresh, unlock)
  await rm(join(dir, NEXT_FOLDER), { recursive: true })
}

/** Drawn once: who was interrupted goes on with the keys to which the site's secrets are sealed by now. */
async function nextIdentity(
  { site, identity, certificate }: Operator,
  dir: string,
  { rootSeed, nowAt, unlock }: Reissue,
): Promise<IdentityFile> {
  if (await hasIdentity(dir)) return await readIdentity(dir, unlock)
  const serial = Math.max(nowAt, certificate.serial + 1)
  const born = certifyByRoot({ site, rootSeed, nowAt: serial }, 'issuer', 'issuer')
  const fresh: IdentityFile = {
    ...born,
    ...(identity.siteKey !== undefined && { siteKey: identity.siteKey }),
    ...(identity.storeKeys && { storeKeys: identity.storeKeys }),
    // The logs of those before it stay readable.
    certificates: [...identity.certificates, ...born.certificates],
  }
  await writeIdentity(dir, fresh, unlock)
  return fresh
}

/** The heads of our own logs that no other of them follows; those before count wholly. */
function ownHeads({ ledger, certificate }: Operator): readonly EventRef[] {
  const own = [...ledger.logs.all()].filter(log => log.certificate.deviceId === certificate.deviceId)
  const followed = new Set<LogId>()
  for (const { logId, elements } of own) {
    const [first] = eventsOf(logId, elements.slice(0, 1))
    const said = first && decodeBody(first.type, first.body)
    if (said?.name === 'epoch_open' && said.body.prev) followed.add(said.body.prev.logId)
  }
  return own
    .filter(({ logId }) => !followed.has(logId))
    .map(({ head: { logId, seq, hash } }) => ({ logId, seq, hash }))
}

/** Said again as they are: the newest counts, so once more changes nothing. */
const SAID_AGAIN: readonly EventName[] = ['charge_point', 'tariff', 'policy', 'site_key', 'device_revoke']

/**
 * Says all that counts again, as the new issuer: a thief who goes on with the old log from an earlier place makes a fork, and
 * behind a fork nothing counts. Revocations come first, because grants must cite them as they stand now.
 */
export async function restate(operator: Operator): Promise<void> {
  const { ledger } = operator
  await operator.record([...saidAgain(operator), ...revocations(ledger.view().policy)])
  await operator.record(grants(ledger.view().policy))
}

function saidAgain({ ledger, certificates }: Operator): readonly AnyBody[] {
  const operators = new Set(
    certificates()
      .filter(one => one.roles.includes('issuer'))
      .map(one => one.deviceId),
  )
  return [...ledger.logs.all()]
    .filter(log => operators.has(log.certificate.deviceId))
    .flatMap(({ logId, elements, fork }) =>
      eventsOf(logId, fork ? elements.slice(0, fork.seq) : elements).flatMap(
        event => decodeBody(event.type, event.body) ?? [],
      ),
    )
    .filter(said => SAID_AGAIN.includes(said.name))
}

function revocations(policy: Policy): readonly AnyBody[] {
  return policy.tokens().flatMap(tokenRef => {
    const token = policy.token(tokenRef)
    return token.kind === 'revoked' ? [{ name: 'revoke', body: token.revocation.body } as const] : []
  })
}

function grants(policy: Policy): readonly AnyBody[] {
  const meant = new Map<EventHash, TokenRef>()
  for (const tokenRef of policy.tokens())
    for (const { ref } of policy.revocations(tokenRef)) meant.set(ref.hash, tokenRef)
  return policy.tokens().flatMap(tokenRef => {
    const token = policy.token(tokenRef)
    if (token.kind !== 'granted') return []
    // A card that goes by another reference since cites what was revoked under the first.
    const refs = token.grant.body.supersedes.flatMap(hash => meant.get(hash) ?? [])
    const supersedes = [...new Set([tokenRef, ...refs])].flatMap(ref =>
      policy.revocations(ref).map(one => one.ref.hash),
    )
    return [{ name: 'grant', body: { ...token.grant.body, supersedes } } as const]
  })
}

// A new issuer in the place of the old one: the root certifies new keys and withdraws the old ones at the heads that they
// have written, so that nothing they did is lost, and nothing that anybody does with them later counts (PROTOCOL 2.6).
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Policy } from '../authorization/policy.ts'
import { MalformedBytes } from '../cbor.ts'
import { MeshError } from '../errors.ts'
import { MAX_HEADS, MAX_WITHDRAWN, signManifest } from '../identity/manifest.ts'
import { ed25519 } from '../identity/signature.ts'
import { type AnyBody, decodeBody, type EventName, type EventRef } from '../log/body.ts'
import { eventsOf } from '../log/event.ts'
import { sealKeyOf } from '../personal.ts'
import { type EventHash, type LogId, sameBytes, type TokenRef, unhex } from '../units.ts'
import {
  hasIdentity,
  type IdentityFile,
  readIdentity,
  writeIdentity,
  writePlainIdentity,
  writeSealedIdentity,
} from './identity-files.ts'
import { ISSUER_FOLDER, type Operator } from './operator.ts'
import { certifyByRoot } from './site-birth.ts'
import { NOTHING_CHOSEN, type Unlock } from './unlock.ts'
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
  const { siteDir, nowAt, unlock } = reissuing
  const { identity } = operator
  const dir = join(siteDir, ISSUER_FOLDER)
  const next = join(dir, NEXT_FOLDER)
  const begun = (await hasIdentity(next)) ? await readIdentity(next, unlock) : undefined
  if (begun && begun.keys.logKey === identity.keys.logKey) {
    // Interrupted behind its last step: these keys are in office.
    await rm(next, { recursive: true })
    return
  }
  // What the root would sign is known to fit before anything is written.
  manifestOver(operator, reissuing)
  const fresh = begun ?? (await drawNext(operator, next, reissuing))
  const encoded = unhex(fresh.certificates.at(-1) ?? '')
  await operator.record([{ name: 'device_cert', body: { certificate: encoded } }])
  await operator.record(upkeepOf(operator, nowAt).bodies)
  await operator.record([manifestOver(operator, reissuing)])
  const { storeKeys: _, chargerCa: __, ...drawn } = fresh
  const { storeKeys, chargerCa } = identity
  // The journal stays, and with it the keys that open it: they may have changed since the new identity was drawn.
  await writeIdentity(
    dir,
    { ...drawn, ...(storeKeys && { storeKeys }), ...(chargerCa && { chargerCa }) },
    unlock,
  )
  await rm(next, { recursive: true })
}

/** All who were withdrawn before, and these keys at what they have written. */
function manifestOver(operator: Operator, { nowAt, alsoHeld, rootSeed }: Reissue): AnyBody {
  const { deviceId, serial, siteId } = operator.certificate
  const before = operator.manifest()
  const cutoff = [...ownHeads(operator), ...alsoHeld]
  const earlier = (before?.withdrawn ?? []).filter(one => one.deviceId !== deviceId)
  const withdrawn = [...earlier, { deviceId, serial, cutoff }]
  const version = Math.max(nowAt, (before?.version ?? 0) + 1)
  try {
    if (cutoff.length > MAX_HEADS || withdrawn.length > MAX_WITHDRAWN)
      throw new MalformedBytes('too many heads or issuers')
    const manifest = signManifest(ed25519(), rootSeed, { version, siteId, issuedAt: nowAt, withdrawn })
    return { name: 'site_manifest', body: { version, manifest } }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    throw new MeshError(
      'CONFIG_INVALID',
      `a manifest of the root holds ${MAX_WITHDRAWN} issuers and ${MAX_HEADS} ends of logs of one; this would be ${withdrawn.length}, and ${cutoff.length} of this one: somebody else uses these keys. Nothing was written`,
      error,
    )
  }
}

/** Drawn once: who was interrupted goes on with the keys to which the site's secrets are sealed by now. */
async function drawNext(
  { site, identity, certificate }: Operator,
  dir: string,
  { rootSeed, nowAt, unlock = NOTHING_CHOSEN }: Reissue,
): Promise<IdentityFile> {
  const serial = Math.max(nowAt, certificate.serial + 1)
  const born = certifyByRoot({ site, rootSeed, nowAt: serial }, 'issuer', 'issuer')
  const fresh: IdentityFile = {
    ...born,
    sealKeysBefore: [...(identity.sealKeysBefore ?? []), identity.keys.sealKey].slice(-256),
    ...(identity.siteKey !== undefined && { siteKey: identity.siteKey }),
    ...(identity.storeKeys && { storeKeys: identity.storeKeys }),
    ...(identity.chargerCa && { chargerCa: identity.chargerCa }),
    // The logs of those before it stay readable.
    certificates: [...identity.certificates, ...born.certificates],
  }
  // As the folder itself is: a passphrase that was typed is as good as one that an option names.
  await mkdir(dir, { recursive: true })
  if (identity.isSealed) await writeSealedIdentity(dir, fresh, unlock)
  else await writePlainIdentity(dir, fresh)
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
const SAID_AGAIN: readonly EventName[] = [
  ...(['charge_point', 'tariff', 'policy', 'site_key', 'charger_tls', 'charger_tls_key'] as const),
  ...(['device_revoke', 'device_cert'] as const),
]

/**
 * Says all that counts again, as the new issuer: a thief who goes on with the old log from an earlier place makes a fork, and
 * behind a fork nothing counts. Revocations come first, because grants must cite them as they stand now.
 */
export async function restate(operator: Operator): Promise<void> {
  const { ledger } = operator
  await operator.record([...saidAgain(operator), ...revocations(ledger.view().policy)])
  await operator.record(grants(ledger))
}

/** What still counts of the issuers' logs; certificates among it, by which nodes' logs of before are believed. */
function saidAgain({ ledger, certificates }: Operator): readonly AnyBody[] {
  const { standing } = ledger.view()
  const isVoid = (encoded: Uint8Array): boolean =>
    certificates().some(one => sameBytes(one.encoded, encoded) && ledger.isVoid(one))
  return [...ledger.logs.all()]
    .filter(log => log.certificate.roles.includes('issuer'))
    .flatMap(({ logId, elements, fork, certificate }) => {
      const limit = Math.min(standing.limitOf(certificate, logId), fork?.seq ?? elements.length)
      return eventsOf(logId, elements.slice(0, limit)).flatMap(
        event => decodeBody(event.type, event.body) ?? [],
      )
    })
    .filter(said => SAID_AGAIN.includes(said.name))
    .filter(said => said.name !== 'device_cert' || !isVoid(said.body.certificate))
}

function revocations(policy: Policy): readonly AnyBody[] {
  return policy.tokens().flatMap(tokenRef => {
    const token = policy.token(tokenRef)
    return token.kind === 'revoked' ? [{ name: 'revoke', body: token.revocation.body } as const] : []
  })
}

function grants(ledger: Operator['ledger']): readonly AnyBody[] {
  const { policy } = ledger.view()
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
    const sealKey = sealKeyOf(ledger, token.grant)
    const body = { ...token.grant.body, supersedes, ...(sealKey && { sealKey }) }
    return [{ name: 'grant', body } as const]
  })
}

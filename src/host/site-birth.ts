// How a site is born: a root that signs one issuer and one cloud, and a key for card references. Files only; no
// network, no service. The root key is needed again only to certify another issuer or cloud.
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError } from '../errors.ts'
import {
  type Certificate,
  ISSUED_BY_ROOT,
  issueCertificate,
  type Role,
  siteIdOf,
} from '../identity/certificate.ts'
import { type DeviceKeys, drawKeys, type PublicKeys, publicKeys } from '../identity/keys.ts'
import { createRoster, type Roster } from '../identity/roster.ts'
import { ed25519, publicKeyOf } from '../identity/signature.ts'
import type { Submission } from '../input.ts'
import { createLedger } from '../ledger.ts'
import { persistAll } from '../persist.ts'
import { openJournal } from '../store/journal.ts'
import { hex, sameBytes, unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import {
  drawStoreKeys,
  hasIdentity,
  type IdentityFile,
  ROOT_FILE,
  SITE_FILE,
  type SiteFile,
  siteIdIn,
  storeKeysIn,
  writeIdentity,
  writeRoot,
  writeSecret,
} from './identity-files.ts'
import { NODE_FILE } from './node-files.ts'
import { ISSUER_FOLDER, type Operator } from './operator.ts'
import { FIRST_SHARE_FILE, type Sharing, writeShares } from './root-shares.ts'
import { systemRandom } from './system.ts'
import type { Unlock } from './unlock.ts'
import { DAY_MS, LEEWAY_MS, NODE_DAYS, upkeepOf } from './upkeep.ts'

const ISSUER_DAYS = 90
/** Kept far from the site and seldom used. */
const REVOKER_DAYS = 3650
const CLOUD_DAYS = 365
const TOKEN_COST = 4096
export const CLOUD_FOLDER = 'cloud'
export const REVOKER_FOLDER = 'revoker'

export type NewSite = {
  readonly name: string
  readonly currency: string
  readonly nowAt: number
  /** Encrypts all secrets of the new site. */
  readonly unlock?: Unlock
  /** Instead of one root key. */
  readonly sharing?: Sharing | undefined
}

/** Makes a site folder. Refuses one that exists: a root key is never overwritten. */
export async function createSite(
  dir: string,
  { name, currency, nowAt, unlock, sharing }: NewSite,
): Promise<SiteFile> {
  if ((await exists(join(dir, ROOT_FILE))) || (await exists(join(dir, FIRST_SHARE_FILE)))) {
    throw new MeshError('CONFIG_INVALID', `${dir} already holds a site; a root key is never overwritten`)
  }
  const random = systemRandom()
  const rootSeed = random.bytes(32)
  const rootKey = publicKeyOf(rootSeed)
  const site: SiteFile = {
    version: 1,
    siteId: siteIdOf(rootKey),
    name,
    currency,
    rootKey: hex(rootKey),
    tokenSalt: hex(random.bytes(16)),
    tokenCost: TOKEN_COST,
  }
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writeSecret(join(dir, SITE_FILE), `${JSON.stringify(site, null, 2)}\n`)
  const siteKey = hex(random.bytes(32))
  const born = { site, rootSeed, nowAt }
  const [issuer, revoker, cloud] = [
    certifyByRoot(born, 'issuer', 'issuer'),
    certifyByRoot(born, 'revoker', 'revoker'),
    certifyByRoot(born, 'cloud', 'cloud'),
  ]
  await writeIdentity(join(dir, ISSUER_FOLDER), { ...issuer, siteKey, ...drawStoreKeys(unlock) }, unlock)
  await writeIdentity(join(dir, REVOKER_FOLDER), { ...revoker, siteKey, ...drawStoreKeys(unlock) }, unlock)
  await writeIdentity(join(dir, CLOUD_FOLDER), cloud, unlock)
  // Last: a folder with a root key is a whole site.
  if (sharing) await writeShares(dir, rootSeed, { ...sharing, siteId: site.siteId })
  else await writeRoot(dir, rootSeed, unlock)
  return site
}

type Birth = { readonly site: SiteFile; readonly rootSeed: Uint8Array; readonly nowAt: number }

const DAYS: Readonly<Record<Exclude<Role, 'node'>, number>> = {
  ...{ issuer: ISSUER_DAYS, revoker: REVOKER_DAYS, cloud: CLOUD_DAYS },
}

/** New keys, and the root's certificate for them. */
export function certifyByRoot(
  { site, rootSeed, nowAt }: Birth,
  name: string,
  role: keyof typeof DAYS,
): IdentityFile {
  const keys = drawKeys(systemRandom().bytes)
  const certificate = issueCertificate(ed25519(), rootSeed, {
    version: 1,
    siteId: siteIdIn(site),
    issuedBy: ISSUED_BY_ROOT,
    serial: nowAt,
    name,
    roles: [role],
    ...publicKeys(keys),
    notBeforeAt: nowAt - LEEWAY_MS,
    notAfterAt: nowAt + DAYS[role] * DAY_MS,
  })
  return { version: 1, name, site, keys: hexKeys(keys), certificates: [hex(certificate)] }
}

function hexKeys(keys: ReturnType<typeof drawKeys>): IdentityFile['keys'] {
  return { peerKey: hex(keys.peerKey), logKey: hex(keys.logKey), sealKey: hex(keys.sealKey) }
}

/** Nodes believe the cloud's acks, and a revoker's word, because their certificates stand in the operator's log. */
export async function announce(operator: Operator, identity: IdentityFile): Promise<void> {
  const encoded = identity.certificates.at(-1)
  if (encoded === undefined) throw new MeshError('CONFIG_INVALID', `${identity.name} holds no certificate`)
  await operator.record([{ name: 'device_cert', body: { certificate: unhex(encoded) } }])
}

export type NewNode = { readonly name: string; readonly nowAt: number }

/** Makes a node's identity here, enters its certificate in the operator's log, and lays that log into the node's journal. */
export async function createNode(
  operator: Operator,
  dir: string,
  node: NewNode & { readonly settings: string; readonly unlock?: Unlock },
): Promise<Certificate> {
  await requireVacant(dir)
  const keys = drawKeys(systemRandom().bytes)
  const encoded = await certifyNode(operator, publicKeys(keys), node)
  return await installNode(dir, { ...admissionOf(operator, encoded), ...node, keys })
}

/** Refuses a folder that holds an identity: keys are never overwritten. */
export async function requireVacant(dir: string): Promise<void> {
  if (await hasIdentity(dir))
    throw new MeshError('CONFIG_INVALID', `${dir} already holds an identity; choose an empty folder`)
}

/** Signs a certificate for these keys and enters it in the operator's log. Refuses keys that prove nothing (small order). */
export async function certifyNode(
  operator: Operator,
  keys: PublicKeys,
  { name, nowAt }: NewNode,
): Promise<Uint8Array> {
  const signatures = ed25519()
  if (signatures.refuseKey(keys.logKey) || signatures.refuseKey(keys.peerKey))
    throw new MeshError('CERTIFICATE_INVALID', 'a key of the new node proves nothing: it is of small order')
  const encoded = operator.certify({
    serial: nowAt,
    name,
    roles: ['node'],
    ...keys,
    notBeforeAt: nowAt - LEEWAY_MS,
    notAfterAt: nowAt + NODE_DAYS * DAY_MS,
  })
  await operator.record([{ name: 'device_cert', body: { certificate: encoded } }])
  // Later keys of the site lie in the log that the node is given; this one seals them to it.
  await operator.record(upkeepOf(operator, nowAt).bodies)
  return encoded
}

/** What a node needs of its site from the first boot on; the site key among it is a secret. */
export type AdmissionFile = {
  readonly site: SiteFile
  /** Own chain, hex: issuers first, own last. */
  readonly certificates: readonly string[]
  readonly siteKey: string
  readonly submission: Submission
}

export function admissionOf({ site, identity, submission }: Operator, encoded: Uint8Array): AdmissionFile {
  const { siteKey } = identity
  if (siteKey === undefined) throw new MeshError('CONFIG_INVALID', 'the issuer folder has lost its siteKey')
  const certificates = [...identity.certificates, hex(encoded)]
  return { site, certificates, siteKey, submission: submission() }
}

type Installing = AdmissionFile & {
  readonly name: string
  readonly keys: DeviceKeys
  /** The text of its settings file. */
  readonly settings: string
  /** Encrypts its secrets and its store. */
  readonly unlock?: Unlock
}

/** Writes a node's folder: it knows the site's policy from its first boot, before it has met another one. */
export async function installNode(dir: string, node: Installing): Promise<Certificate> {
  const { name, site, keys, certificates, siteKey, unlock } = node
  const own = ownIn(node)
  const store = drawStoreKeys(unlock)
  await mkdir(dir, { recursive: true })
  await seedJournal(dir, { ...node, ...store }, own)
  await writeSecret(join(dir, NODE_FILE), node.settings)
  // Last: a folder with an identity is a whole node.
  const identity = { name, site, keys: hexKeys(keys), certificates: [...certificates], siteKey, ...store }
  await writeIdentity(dir, { version: 1, ...identity }, unlock)
  return own.certificate
}

type Own = { readonly roster: Roster; readonly certificate: Certificate }

/** Checks the chain against the site's root before anything is written. */
function ownIn({ site, certificates, keys }: Installing): Own {
  const signatures = ed25519()
  if (siteIdOf(unhex(site.rootKey)) !== site.siteId)
    throw new MeshError('CERTIFICATE_INVALID', 'the site is not the one that its root key names')
  const roster = createRoster({ signatures }, siteIdIn(site), unhex(site.rootKey))
  let certificate: Certificate | undefined
  for (const encoded of certificates) {
    const verdict = roster.enrol(unhex(encoded))
    if (verdict.kind === 'refused')
      throw new MeshError('CERTIFICATE_INVALID', `the new certificate: ${verdict.reason}`)
    certificate = verdict.certificate
  }
  if (!certificate || !sameBytes(certificate.logKey, publicKeys(keys).logKey))
    throw new MeshError('CERTIFICATE_INVALID', 'the new certificate is not for the keys of this node')
  return { roster, certificate }
}

async function seedJournal(
  dir: string,
  { keys, submission, storeKeys }: Installing & Pick<IdentityFile, 'storeKeys'>,
  { roster, certificate }: Own,
): Promise<void> {
  const ledger = createLedger({
    roster,
    signatures: ed25519(),
    certificate,
    logKey: keys.logKey,
    random: systemRandom(),
    swVersion: SW_VERSION,
  })
  const disk = openDisk(dir)
  const { journal } = await openJournal(disk, held => ledger.recover(held), storeKeysIn({ storeKeys }))
  for (const one of submission.certificates) ledger.enrol(one)
  for (const segment of submission.segments) ledger.admit(segment, { wallMs: 0, monotonicMs: 0 })
  for (const object of submission.objects) ledger.admitObject(object)
  await persistAll(journal, ledger.takePending().records)
  await journal.close()
  await disk.close()
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

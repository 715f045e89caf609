// The folders of a site's operator, of a node and of the cloud: who they are, in files that only their owner may
// read. A site folder holds the root: lock it away, a node never needs it. Secrets stand in the clear, or in a box that a
// secret opens from elsewhere (unlock.ts); what everybody may know is readable either way.
import { randomBytes } from 'node:crypto'
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import { type DirectoryLock, lockDirectory } from '../store/lock.ts'
import { STORE_KEY_BYTES, type StoreKeys } from '../store/sealing.ts'
import { hex, type SiteId, unhex } from '../units.ts'
import { openSealedBox, SEALED_BOX, sealBox } from './sealed-box.ts'
import { NOTHING_CHOSEN, type Unlock } from './unlock.ts'

export const hexOf = (length: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `${2 * length} hex digits`)
export const hexText = z
  .string()
  .regex(/^([0-9a-f]{2})*$/, 'hex digits')
  .max(4000)

export const SITE = z.object({
  version: z.literal(1),
  siteId: hexOf(16),
  name: z.string().min(1).max(80),
  currency: z.string().regex(/^[A-Z]{3}$/, 'a currency of ISO 4217, such as EUR'),
  rootKey: hexOf(32),
  tokenSalt: hexOf(16),
  /** scrypt's N for card references. */
  tokenCost: z.int().min(1024).max(131_072),
})
/** What everybody at the site may know. */
export type SiteFile = z.infer<typeof SITE>

const PUBLIC = z.object({
  version: z.literal(1),
  name: z.string().min(1).max(48),
  site: SITE,
  /** Own chain: issuers first, own last. */
  certificates: z.array(hexText).min(1).max(64),
})
/** What the box holds, as one JSON object. */
const SECRETS = z.object({
  keys: z.object({ peerKey: hexOf(32), logKey: hexOf(32), sealKey: hexOf(32) }),
  /** Of an operator whose keys were rotated: what was sealed to them (signed meter values) stays readable. */
  sealKeysBefore: z.array(hexOf(32)).max(256).optional(),
  /** K_site: only for who must recognize cards. */
  siteKey: hexOf(32).optional(),
  /** What the journal and the documents are sealed with; the last one seals. None: they are plain. */
  storeKeys: z
    .array(z.object({ id: z.int().min(1).max(255), key: hexOf(32) }))
    .max(16)
    .optional(),
  /** The issuer's: what signs the certificates of chargers and of what nodes show them (PEM); `before`: the one it follows, which vouches for it in `vouched`. */
  chargerCa: z
    .object({
      key: z.string().max(8000),
      certificate: z.string().max(4000),
      before: z.string().max(4000).optional(),
      vouched: z.string().max(4000).optional(),
    })
    .optional(),
})
const IDENTITY = PUBLIC.extend(SECRETS.shape)
const LOCKED_IDENTITY = PUBLIC.extend({ sealed: SEALED_BOX })
export type IdentityFile = z.infer<typeof IDENTITY>
/** As it was read. */
export type HeldIdentity = IdentityFile & { readonly isSealed: boolean }

export const SITE_FILE = 'site.json'
export const ROOT_FILE = 'root.key'
export const IDENTITY_FILE = 'identity.json'
const MISSING_IDENTITY = 'no identity here: `chargemesh node join` makes one'

export async function readSite(dir: string): Promise<SiteFile> {
  return await readJson(join(dir, SITE_FILE), SITE, 'no site here: make one with `chargemesh site init`')
}

/** Rejects with KEY_REFUSED when it is encrypted and `unlock` does not open it. */
export async function readIdentity(dir: string, unlock: Unlock = NOTHING_CHOSEN): Promise<HeldIdentity> {
  const path = join(dir, IDENTITY_FILE)
  const value = await readJson(path, z.unknown(), MISSING_IDENTITY)
  if (!isLocked(value)) return { ...check(path, IDENTITY, value), isSealed: false }
  const { sealed, ...open } = check(path, LOCKED_IDENTITY, value)
  const plain = await openSealedBox({ unlock, purpose: purposeOf(open) }, sealed, path)
  const secrets: unknown = JSON.parse(new TextDecoder().decode(plain))
  return { ...open, ...check(path, SECRETS, secrets), isSealed: true }
}

/**
 * The folder is locked before its secrets are read: otherwise `keys encrypt` or `keys decrypt` may finish while somebody
 * types, and what is written then is sealed with a key that is in no file. Rejects with STORE_LOCKED or as `readIdentity`.
 */
export async function holdIdentity(
  dir: string,
  unlock?: Unlock,
): Promise<{ readonly identity: HeldIdentity; readonly lock: DirectoryLock }> {
  // A lock is a folder: none is made where there is no identity.
  await readText(join(dir, IDENTITY_FILE), MISSING_IDENTITY)
  const lock = await lockDirectory(dir)
  try {
    return { identity: await readIdentity(dir, unlock), lock }
  } catch (error) {
    await lock.release()
    throw error
  }
}

export async function hasIdentity(dir: string): Promise<boolean> {
  return await access(join(dir, IDENTITY_FILE)).then(
    () => true,
    () => false,
  )
}

function isLocked(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'sealed' in value
}

/** Whoever swaps the site beside the box gets no node that trusts another root. */
function purposeOf({ site }: Pick<IdentityFile, 'site'>): string {
  return `identity/${site.siteId}/${site.rootKey}`
}

/** Durable when resolved. Power loss leaves the old text or the new one, whole: never an empty key. */
export async function writeSecret(path: string, text: string): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(fresh, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(fresh, { force: true })
    const code = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED'
    throw new MeshError(code, `${path} cannot be written: ${reasonOf(error)}`, error)
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** An encrypted identity stays so; a new one is encrypted when a secret was chosen for it. */
export async function writeIdentity(
  dir: string,
  identity: IdentityFile,
  unlock: Unlock = NOTHING_CHOSEN,
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const before = await lockedAt(join(dir, IDENTITY_FILE))
  if (before ?? unlock.isChosen) await writeSealedIdentity(dir, identity, unlock)
  else await writePlainIdentity(dir, identity)
}

/** Undefined when there is none yet. */
async function lockedAt(path: string): Promise<boolean | undefined> {
  try {
    return isLocked(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, error)
  }
}

export async function writePlainIdentity(dir: string, identity: IdentityFile): Promise<void> {
  await writeSecret(join(dir, IDENTITY_FILE), textOf(check(IDENTITY_FILE, IDENTITY, identity)))
}

export async function writeSealedIdentity(
  dir: string,
  identity: IdentityFile,
  unlock: Unlock,
): Promise<void> {
  const secrets = utf8Bytes(JSON.stringify(check(IDENTITY_FILE, SECRETS, identity)))
  const sealed = await sealBox({ unlock, purpose: purposeOf(identity) }, secrets)
  await writeSecret(join(dir, IDENTITY_FILE), textOf({ ...check(IDENTITY_FILE, PUBLIC, identity), sealed }))
}

function textOf(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** A key for a new store, when what opens it is kept elsewhere. Beside a plain identity it would stop no thief. */
export function drawStoreKeys(unlock: Unlock = NOTHING_CHOSEN): Pick<IdentityFile, 'storeKeys'> {
  return unlock.isChosen ? { storeKeys: [{ id: 1, key: hex(randomBytes(STORE_KEY_BYTES)) }] } : {}
}

export function storeKeysIn({ storeKeys = [] }: Pick<IdentityFile, 'storeKeys'>): StoreKeys {
  return storeKeys.map(({ id, key }) => ({ id, key: unhex(key) }))
}

const ROOT = /^[0-9a-f]{64}\s*$/
const ROOT_PURPOSE = 'root'

/** The seed of the site's root key. */
export async function readRoot(
  path: string,
  unlock: Unlock = NOTHING_CHOSEN,
): Promise<{ readonly seed: Uint8Array; readonly isSealed: boolean }> {
  const text = await readText(path, 'the root key is not here: bring it back from where it is locked away')
  if (ROOT.test(text)) return { seed: unhex(text.trim()), isSealed: false }
  // Not shown: it may be the key with one digit missing.
  if (!text.startsWith('{'))
    throw new MeshError('CONFIG_INVALID', `${path} is no root key: wanted 64 hex digits`)
  const box = await readJson(path, SEALED_BOX, 'the root key')
  return { seed: await openSealedBox({ unlock, purpose: ROOT_PURPOSE }, box, path), isSealed: true }
}

/** Encrypted when a secret was chosen. */
export async function writeRoot(
  dir: string,
  seed: Uint8Array,
  unlock: Unlock = NOTHING_CHOSEN,
): Promise<void> {
  const text = unlock.isChosen
    ? textOf(await sealBox({ unlock, purpose: ROOT_PURPOSE }, seed))
    : `${hex(seed)}\n`
  await writeSecret(join(dir, ROOT_FILE), text)
}

export async function readJson<S extends z.ZodType>(
  path: string,
  schema: S,
  hint: string,
): Promise<z.infer<S>> {
  const text = await readText(path, hint)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${path}: not JSON`, error)
  }
  return check(path, schema, value)
}

export async function readText(path: string, hint: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${hint}`, error)
  }
}

export function siteIdIn(site: SiteFile): SiteId {
  return site.siteId as SiteId
}

// The folders of a site's operator, of a node and of the cloud: who they are, in files that only their owner may
// read. A site folder holds the root: lock it away, a node never needs it.
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import type { SiteId } from '../units.ts'

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

const IDENTITY = z.object({
  version: z.literal(1),
  name: z.string().min(1).max(48),
  site: SITE,
  keys: z.object({ peerKey: hexOf(32), logKey: hexOf(32), sealKey: hexOf(32) }),
  /** Own chain: issuers first, own last. */
  certificates: z.array(hexText).min(1).max(8),
  /** K_site: only for who must recognize cards. */
  siteKey: hexOf(32).optional(),
})
export type IdentityFile = z.infer<typeof IDENTITY>

export const SITE_FILE = 'site.json'
export const ROOT_FILE = 'root.key'
export const IDENTITY_FILE = 'identity.json'

export async function readSite(dir: string): Promise<SiteFile> {
  return await readJson(join(dir, SITE_FILE), SITE, 'no site here: make one with `chargemesh site init`')
}

export async function readIdentity(dir: string): Promise<IdentityFile> {
  return await readJson(
    join(dir, IDENTITY_FILE),
    IDENTITY,
    'no identity here: `chargemesh node join` makes one',
  )
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

export async function writeIdentity(dir: string, identity: IdentityFile): Promise<void> {
  await mkdir(dir, { recursive: true })
  await writeSecret(join(dir, IDENTITY_FILE), `${JSON.stringify(identity, null, 2)}\n`)
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

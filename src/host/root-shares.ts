// The root key in the hands of several people: any k of n shares are the key, fewer tell nothing of it (Shamir). The key
// is whole only in the moment in which it signs.
import { join } from 'node:path'
import { combine, split } from 'shamir-secret-sharing'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { publicKeyOf } from '../identity/signature.ts'
import { hex, unhex } from '../units.ts'
import { hexOf, readJson, readRoot, writeSecret } from './identity-files.ts'
import type { Unlock } from './unlock.ts'

const MAX_SHARES = 16
const SHARE = z.strictObject({
  version: z.literal(1),
  siteId: hexOf(16),
  share: z.int().min(1).max(MAX_SHARES),
  of: z.int().min(2).max(MAX_SHARES),
  needed: z.int().min(2).max(MAX_SHARES),
  secret: hexOf(33),
})
type Share = z.infer<typeof SHARE>

export type Sharing = { readonly needed: number; readonly of: number }

export const FIRST_SHARE_FILE = nameOf(1)

function nameOf(share: number): string {
  return `root-${share}.share`
}

/** `2of3`, or undefined when it is no such words. */
export function sharingIn(text: string): Sharing | undefined {
  const [, needed, of] = /^(\d{1,2})of(\d{1,2})$/.exec(text)?.map(Number) ?? []
  if (needed === undefined || of === undefined) return undefined
  return needed >= 2 && needed <= of && of <= MAX_SHARES ? { needed, of } : undefined
}

/** The first one is written last: a folder that holds it holds them all. */
export async function writeShares(
  dir: string,
  seed: Uint8Array,
  { siteId, needed, of }: Sharing & { readonly siteId: string },
): Promise<void> {
  const secrets = await split(seed, of, needed)
  for (let share = of; share >= 1; share--) {
    const said: Share = {
      ...{ version: 1, siteId, share, of, needed },
      secret: hex(secrets[share - 1] ?? new Uint8Array()),
    }
    await writeSecret(join(dir, nameOf(share)), `${JSON.stringify(said, null, 2)}\n`)
  }
}

/** Puts the root of the site together from its key file, or from as many shares as are needed. */
export async function requireRoot(
  files: readonly string[],
  { siteId, rootKey }: { readonly siteId: string; readonly rootKey: string },
  unlock?: Unlock,
): Promise<Uint8Array> {
  const [only, ...others] = files
  const seed =
    only !== undefined && others.length === 0 && !only.endsWith('.share')
      ? (await readRoot(only, unlock)).seed
      : await combined(files, siteId)
  if (hex(publicKeyOf(seed)) === rootKey) return seed
  throw new MeshError('CONFIG_INVALID', `${files.join(', ')}: not the root key of this site`)
}

async function combined(files: readonly string[], siteId: string): Promise<Uint8Array> {
  const shares = new Map<number, Share>()
  for (const file of files) {
    const share = await readJson(file, SHARE, 'a share of the root key')
    if (share.siteId !== siteId)
      throw new MeshError('CONFIG_INVALID', `${file} is a share of another site's root key`)
    shares.set(share.share, share)
  }
  const needed = Math.max(2, ...[...shares.values()].map(share => share.needed))
  if (shares.size < needed)
    throw new MeshError(
      'CONFIG_INVALID',
      `${shares.size} different shares of the root key, ${needed} are needed: name each with --root-key`,
    )
  return await combine([...shares.values()].map(share => unhex(share.secret)))
}

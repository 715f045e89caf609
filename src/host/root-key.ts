// The root key of a site as a person hands it over: hex digits, or a file that has them, the site's own site.json too.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { MeshError, reasonOf } from '../errors.ts'
import { unhex } from '../units.ts'

const HEX = /^[0-9a-f]{64}$/
const MAX_FILE_BYTES = 64 * 1024
const WITH_ROOT = z.object({ rootKey: z.string().regex(HEX) })
const WITH_SITE = z.object({ site: WITH_ROOT })

export async function rootKeyOf(given: string): Promise<Uint8Array> {
  const plain = given.trim().toLowerCase()
  if (HEX.test(plain)) return unhex(plain)
  let text: string
  try {
    text = (await readFile(given)).subarray(0, MAX_FILE_BYTES).toString('utf8').trim()
  } catch (error) {
    throw new MeshError(
      'CONFIG_INVALID',
      `--root ${given}: wanted 64 hex digits, or a file with them: ${reasonOf(error)}`,
      error,
    )
  }
  const found = HEX.test(text.toLowerCase()) ? text.toLowerCase() : inJson(text)
  if (found === undefined)
    throw new MeshError('CONFIG_INVALID', `--root ${given}: this file holds no root key (64 hex digits)`)
  return unhex(found)
}

function inJson(text: string): string | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // Not JSON, and not hex digits: the caller says so.
    return undefined
  }
  const site = WITH_ROOT.safeParse(parsed)
  if (site.success) return site.data.rootKey
  const folder = WITH_SITE.safeParse(parsed)
  return folder.success ? folder.data.site.rootKey : undefined
}

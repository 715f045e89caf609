// Where the operator's folder is: on which machine, and as which folder of which file system. A copy, and a backup that
// was unpacked into a new folder, are at another place: they may lack entries that were written since, so they must not
// go on with the log (two events of one number freeze it for good, PROTOCOL 1.8). What this cannot see is a backup laid
// over the very same folder: only a node can tell that (operator.ts, `meet`).
import { readFile, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { MeshError, reasonOf } from '../errors.ts'
import { writeSecret } from './identity-files.ts'

export const PLACE_FILE = 'place.json'

/** True when the folder is where it was when `rememberPlace` was last called. */
export async function isSamePlace(dir: string): Promise<boolean> {
  const place = await placeOf(dir)
  try {
    return (await readFile(join(dir, PLACE_FILE), 'utf8')) === place
  } catch {
    // Missing or unreadable: nobody knows where it was. A log more costs nothing; a log that goes on could.
    return false
  }
}

export async function rememberPlace(dir: string): Promise<void> {
  await writeSecret(join(dir, PLACE_FILE), await placeOf(dir))
}

async function placeOf(dir: string): Promise<string> {
  try {
    const { dev, ino, birthtimeNs, ctimeNs } = await stat(dir, { bigint: true })
    // A folder that was deleted and made again often gets its number back, but never its birth; where a file system
    // keeps no births, the system gives the time of the last change instead.
    const born = birthtimeNs === ctimeNs ? '' : String(birthtimeNs)
    return `${JSON.stringify({ host: hostname(), device: String(dev), folder: String(ino), born })}\n`
  } catch (error) {
    throw new MeshError('STORE_FAILED', `${dir} cannot be looked at: ${reasonOf(error)}`, error)
  }
}

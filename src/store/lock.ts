// One process a directory. The lock is the kernel's file lock that LevelDB takes on an open database: it dies with the
// process, so neither SIGKILL nor power loss leaves a stale one. A second lock in one process is refused by claim.ts.
// Nothing else may open files in `lock/`: closing any descriptor of its LOCK file would drop the kernel's lock.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { MeshError } from '../errors.ts'
import { claimFolder } from './claim.ts'
import { levelError } from './level-error.ts'

const LOCK_FOLDER = 'lock'
/** The file that the kernel's lock is on. It is never removed: a new file would be a second lock. */
const LOCK_FILE = 'LOCK'

export type DirectoryLock = { readonly release: () => Promise<void> }

/** Holds `dir` until released or until this process ends. Rejects with STORE_LOCKED when it is held, here or elsewhere. */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const folder = join(dir, LOCK_FOLDER)
  const claim = await claimFolder(folder).catch(error => {
    throw meaningOf(error, dir)
  })
  try {
    const database = await openOrRenew(folder)
    claim.hold(database)
    return { release: () => database.close().finally(claim.free) }
  } catch (error) {
    claim.free()
    throw meaningOf(error, dir)
  }
}

/** The database holds nothing, so damage to it must not keep a node from starting: its files are made anew. */
async function openOrRenew(folder: string): Promise<ClassicLevel> {
  try {
    return await open(folder)
  } catch (error) {
    const { code } = levelError(error, folder)
    if (code === 'STORE_LOCKED' || code === 'STORE_FULL') throw error
  }
  for (const name of await readdir(folder)) if (name !== LOCK_FILE) await rm(join(folder, name))
  return open(folder)
}

async function open(folder: string): Promise<ClassicLevel> {
  const database = new ClassicLevel(folder)
  await database.open()
  return database
}

function meaningOf(error: unknown, dir: string): MeshError {
  const trouble = error instanceof MeshError ? error : levelError(error, dir)
  if (trouble.code !== 'STORE_LOCKED') return trouble
  return new MeshError(
    'STORE_LOCKED',
    `${dir} is used by a running chargemesh node; stop that one or give this one a directory of its own`,
    error,
  )
}

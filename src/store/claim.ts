// Which LevelDB folders this process has open, by their real path. LevelDB's own lock cannot tell: it compares paths as
// written, and a second opening in one process closes a descriptor of the lock file, which by POSIX (fcntl, F_SETLK)
// drops the kernel's lock of the first. So a second opening must never reach LevelDB. The one place with state of the
// whole process, because the kernel's locks belong to the process.
import { mkdir, realpath } from 'node:fs/promises'
import { MeshError, reasonOf } from '../errors.ts'

export type Claim = {
  /** Keeps the database from the garbage collector, which would close it and give its lock away. */
  readonly hold: (database: object) => void
  readonly free: () => void
}

const claimed = new Map<string, object | undefined>()

/** Makes the folder if need be and claims it. Rejects with STORE_LOCKED while this process has claimed it already. */
export async function claimFolder(folder: string): Promise<Claim> {
  let path: string
  try {
    await mkdir(folder, { recursive: true })
    path = await realpath(folder)
  } catch (error) {
    throw new MeshError('STORE_FAILED', `${folder} cannot be used: ${reasonOf(error)}`, error)
  }
  if (claimed.has(path)) throw new MeshError('STORE_LOCKED', `${folder} is open in this process already`)
  claimed.set(path, undefined)
  return {
    hold: database => {
      claimed.set(path, database)
    },
    free: () => {
      claimed.delete(path)
    },
  }
}

// Reads the whole document store in a child process before this one opens it: LevelDB may abort the process that opens
// damaged files, and a node must not die of that at every boot (PROTOCOL 1.1 F7, 1.10). What cannot be read is moved aside,
// never deleted at once, and the documents are rebuilt from the journal.
import { spawn } from 'node:child_process'
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { MeshError, reasonOf } from '../errors.ts'
import { hex, unhex } from '../units.ts'
import type { StoreKeys } from './sealing.ts'

export type DocumentsHealth = 'intact' | 'unreadable' | 'absent'

/** What scan-child.ts exits with. Every other code, 1 of an uncaught error too, means unreadable. */
export const SCAN_EXIT = { intact: 0, unreadable: 3, locked: 4, full: 5, keyless: 6 } as const
/** A store that takes longer to read is no faster than rebuilding it. */
export const SCAN_DEADLINE_MS = 60_000
/** Moved-aside stores that are kept: the newest and the one before. */
export const KEPT_QUARANTINES = 2
export const QUARANTINE_FOLDER = 'quarantine'
/** Node compiles nothing: from TypeScript sources the child is the last build's. */
const COMPILED_CHILD = '../../dist/src/store/scan-child.js'

/**
 * Rejects with STORE_LOCKED when another process has the directory open, STORE_FULL when there is no room to open it, and
 * STORE_FAILED when no child can be started: none of these says anything about the documents. KEY_REFUSED: a value is whole
 * and sealed with a key that is not among these.
 */
export async function scanDocuments(dir: string, keys: StoreKeys = []): Promise<DocumentsHealth> {
  if ((await namesIn(dir)).length === 0) return 'absent'
  const ended = await runChild(await childFile(), dir, keys)
  if (ended === SCAN_EXIT.locked)
    throw new MeshError('STORE_LOCKED', `${dir} is open in another process; stop that process first`)
  if (ended === SCAN_EXIT.full) throw new MeshError('STORE_FULL', `${dir} cannot be opened: the disk is full`)
  if (ended === SCAN_EXIT.keyless)
    throw new MeshError(
      'KEY_REFUSED',
      `${dir} is sealed with a key that the identity of this node does not hold`,
    )
  return ended === SCAN_EXIT.intact ? 'intact' : 'unreadable'
}

/** Moves the store to `quarantine/<timestamp>` beside it and keeps two of these. Resolves with the new place. */
export async function quarantineDocuments(dir: string, nowAt: number): Promise<string> {
  const folder = join(dirname(dir), QUARANTINE_FOLDER)
  await mkdir(folder, { recursive: true })
  const before = await namesIn(folder)
  const stamp = new Date(nowAt).toISOString().replaceAll(':', '-')
  let name = stamp
  for (let i = 1; before.includes(name); i++) name = `${stamp}-${i}`
  const target = join(folder, name)
  try {
    await rename(dir, target)
    for (const parent of [folder, dirname(dir)]) await syncFolder(parent)
    // The clock may have gone back since, so the one just moved is kept whatever its name.
    const surplus = Math.max(0, before.length + 1 - KEPT_QUARANTINES)
    for (const old of [...before].sort().slice(0, surplus)) await rm(join(folder, old), { recursive: true })
  } catch (error) {
    throw new MeshError('STORE_FAILED', `${dir} cannot be moved aside: ${reasonOf(error)}`, error)
  }
  return target
}

async function childFile(): Promise<string> {
  const here = fileURLToPath(import.meta.url)
  const file = join(dirname(here), here.endsWith('.ts') ? COMPILED_CHILD : 'scan-child.js')
  try {
    await access(file)
  } catch (error) {
    throw new MeshError('STORE_FAILED', `${file} is not there; build first`, error)
  }
  return file
}

/** The exit code, or null after a signal: its own abort or our deadline. */
function runChild(file: string, dir: string, keys: StoreKeys): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, dir], {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: SCAN_DEADLINE_MS,
      killSignal: 'SIGKILL',
    })
    child.once('error', error =>
      reject(new MeshError('STORE_FAILED', `the scan of ${dir} could not start: ${error.message}`, error)),
    )
    child.once('exit', code => resolve(code))
    // A child that ended before it read them says so by its exit code.
    child.stdin.once('error', () => undefined)
    child.stdin.end(JSON.stringify(keys.map(({ id, key }) => ({ id, key: hex(key) }))))
  })
}

/** What `scanDocuments` wrote to its child. */
export async function keysFrom(input: Readable): Promise<StoreKeys> {
  let text = ''
  for await (const chunk of input) text += String(chunk)
  const keys = JSON.parse(text) as readonly { readonly id: number; readonly key: string }[]
  return keys.map(({ id, key }) => ({ id, key: unhex(key) }))
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw new MeshError('STORE_FAILED', `${dir}: ${reasonOf(error)}`, error)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// The Disk port on real files below one folder. `sync` is fdatasync, and fsync of the folders above when the name may
// be new; `replace` writes beside the file and renames. A file whose fsync failed is dead: the kernel may have dropped
// the dirty pages and called them clean, so a second fsync would lie. Only `replace`, `remove` or a new disk revive it.
// Names that end in `.tmp` are ours and never listed. Operations on one path run in the order in which they were asked.
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { invariant, MeshError, reasonOf } from '../errors.ts'
import type { Disk } from '../ports.ts'

/** Handles kept open; files with un-synced bytes may exceed it, since closing one would lose sight of its errors. */
const MAX_OPEN_FILES = 16
const TEMPORARY = '.tmp'

type OpenFile = {
  handle: FileHandle | undefined
  /** Set when an fsync failed; what every later append and sync answers. */
  dead: MeshError | undefined
  isDirty: boolean
  isNamed: boolean
  waiting: number
  last: Promise<unknown>
}

export type HostDisk = Disk & {
  /** Closes all handles after what is under way; every later call rejects. Syncs nothing. */
  readonly close: () => Promise<void>
}

type OpenFiles = { readonly root: string; readonly files: Map<string, OpenFile>; isClosed: boolean }

/** A disk below `rootDir`, which is made by the first write. */
export function openDisk(rootDir: string): HostDisk {
  const root = resolve(rootDir)
  const opened: OpenFiles = { root, files: new Map(), isClosed: false }
  return {
    list: async folder => {
      checkPath(folder)
      return listFolder(join(root, folder))
    },
    read: async path => {
      checkPath(path)
      return readWhole(join(root, path), path)
    },
    append: (path, bytes) =>
      inTurn(opened, path, async (file, fullPath) => {
        if (file.dead) throw file.dead
        file.handle ??= await openForAppend(fullPath)
        file.isDirty = true
        await file.handle.appendFile(bytes)
      }),
    sync: path => inTurn(opened, path, (file, fullPath) => syncFile(file, fullPath, root)),
    replace: (path, bytes) =>
      inTurn(opened, path, async (file, fullPath) => {
        await forget(file)
        await replaceFile(fullPath, bytes)
        await syncFolders(fullPath, root)
        file.dead = undefined
      }),
    remove: path =>
      inTurn(opened, path, async (file, fullPath) => {
        await forget(file)
        await rm(fullPath, { force: true })
        await syncFolder(dirname(fullPath)).catch(ignoreAbsent)
        file.dead = undefined
      }),
    usedShare: async () => {
      const { blocks, bavail } = await statfs(root)
      return blocks > 0 ? 1 - bavail / blocks : 0
    },
    close: async () => {
      opened.isClosed = true
      await Promise.all([...opened.files.values()].map(file => file.last))
      await Promise.all([...opened.files.values()].map(forget))
      opened.files.clear()
    },
  }
}

type FileWork = (file: OpenFile, fullPath: string) => Promise<void>

async function inTurn(opened: OpenFiles, path: string, work: FileWork): Promise<void> {
  const { root, files } = opened
  checkPath(path)
  if (opened.isClosed) throw new MeshError('STORE_FAILED', `disk ${root} is closed`)
  const file = files.get(path) ?? newFile()
  // The file used last stands last, so that the one closed first is the one unused longest.
  files.delete(path)
  files.set(path, file)
  file.waiting++
  const turn = file.last.then(() => work(file, join(root, path)))
  // The caller hears of a failure through `turn`; whoever is next in line only needs to know that it is over.
  file.last = turn.catch(() => undefined)
  try {
    await turn
  } catch (error) {
    throw storeError(error, path)
  } finally {
    file.waiting--
    await dropIdle(files)
  }
}

function newFile(): OpenFile {
  return {
    handle: undefined,
    dead: undefined,
    isDirty: false,
    isNamed: false,
    waiting: 0,
    last: Promise.resolve(),
  }
}

function checkPath(path: string): void {
  const parts = path.split('/')
  const isPlain = parts.every(part => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
  invariant(isPlain && !path.endsWith(TEMPORARY), `'${path}' is no path inside the disk`)
}

async function openForAppend(fullPath: string): Promise<FileHandle> {
  await mkdir(dirname(fullPath), { recursive: true })
  return open(fullPath, 'a')
}

async function syncFile(file: OpenFile, fullPath: string, root: string): Promise<void> {
  if (file.dead) throw file.dead
  // Without a handle the file must already be there: a sync makes no files.
  file.handle ??= await open(fullPath, 'r+')
  try {
    await file.handle.datasync()
    if (!file.isNamed) await syncFolders(fullPath, root)
  } catch (error) {
    file.dead = storeError(error, fullPath)
    throw file.dead
  }
  file.isNamed = true
  file.isDirty = false
}

/** Every folder from the file's up to the one that holds the root: any of them may have just been made. */
async function syncFolders(fullPath: string, root: string): Promise<void> {
  const top = dirname(root)
  let folder = dirname(fullPath)
  await syncFolder(folder)
  while (folder !== top && folder !== dirname(folder)) {
    folder = dirname(folder)
    await syncFolder(folder)
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

async function replaceFile(fullPath: string, bytes: Uint8Array): Promise<void> {
  const besides = fullPath + TEMPORARY
  await mkdir(dirname(fullPath), { recursive: true })
  try {
    const handle = await open(besides, 'w')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(besides, fullPath)
  } catch (error) {
    // On a full disk the half copy would hold the very space that is missing. The first error is the one to tell.
    await rm(besides, { force: true }).catch(() => undefined)
    throw error
  }
}

async function forget(file: OpenFile): Promise<void> {
  const { handle } = file
  file.handle = undefined
  file.isDirty = false
  file.isNamed = false
  await handle?.close()
}

async function dropIdle(files: Map<string, OpenFile>): Promise<void> {
  for (const [path, file] of files) {
    if (file.waiting > 0 || file.isDirty || file.dead) continue
    if (file.handle !== undefined && files.size <= MAX_OPEN_FILES) continue
    files.delete(path)
    await forget(file)
  }
}

async function listFolder(fullPath: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(fullPath, { withFileTypes: true })
    const names = entries.filter(entry => entry.isFile()).map(entry => entry.name)
    return names.filter(name => !name.endsWith(TEMPORARY)).sort()
  } catch (error) {
    if (isAbsent(error)) return []
    throw storeError(error, fullPath)
  }
}

async function readWhole(fullPath: string, path: string): Promise<Uint8Array | undefined> {
  try {
    const buffer = await readFile(fullPath)
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw storeError(error, path)
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function isAbsent(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

function ignoreAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error
}

function storeError(error: unknown, path: string): MeshError {
  if (error instanceof MeshError) return error
  const code = codeOf(error)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new MeshError(isFull ? 'STORE_FULL' : 'STORE_FAILED', `${path}: ${reasonOf(error)}`, error)
}

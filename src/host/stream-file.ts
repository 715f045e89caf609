// A new file from a stream: whole and flushed under its name, or not there at all. A file that is there is never overwritten.
import { access, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MeshError, reasonOf } from '../errors.ts'

/** Answers its bytes. What the stream itself rejects with is passed on. */
export async function writeStream(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  if (await isThere(path))
    throw new MeshError('CONFIG_INVALID', `${path} is there already: say another name, or move it away`)
  const besides = `${path}.part`
  let bytes = 0
  try {
    const file = await onDisk(path, open(besides, 'w', 0o600))
    try {
      for await (const piece of pieces) {
        await onDisk(path, file.writeFile(piece))
        bytes += piece.length
      }
      await onDisk(path, file.sync())
    } finally {
      await file.close()
    }
    await onDisk(path, rename(besides, path))
  } catch (error) {
    // The first error is the one to tell.
    await rm(besides, { force: true }).catch(() => undefined)
    throw error
  }
  await onDisk(path, syncFolder(dirname(path)))
  return bytes
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    // Whatever else is wrong with the path, opening it will say.
    return false
  }
}

async function onDisk<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw new MeshError(
      code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED',
      `${path}: ${reasonOf(error)}`,
      error,
    )
  }
}

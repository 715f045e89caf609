// A file that is there whole or not at all: written under another name beside it, flushed, and renamed when all is in it.
// Without a name everything goes to standard output.
import { once } from 'node:events'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { MeshError, reasonOf } from '../errors.ts'

export type ExportFile = {
  readonly write: (text: string) => Promise<void>
  /** All is in it: from now on it stands under its name. */
  readonly finish: () => Promise<void>
  /** Leaves nothing behind; after `finish` it does nothing. */
  readonly abandon: () => Promise<void>
}

const BUFFERED_CHARS = 256 * 1024

export async function openExportFile(path: string | undefined): Promise<ExportFile> {
  if (path === undefined) return standardOutput()
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`)
  const failed = (error: unknown): never => {
    throw new MeshError('CONFIG_INVALID', `--out ${path} cannot be written: ${reasonOf(error)}`, error)
  }
  const file = await open(part, 'w', 0o600).catch(failed)
  let waiting = ''
  let isOpen = true
  const flush = async (): Promise<void> => {
    const text = waiting
    waiting = ''
    await file.writeFile(text, 'utf8')
  }
  return {
    write: async text => {
      waiting += text
      if (waiting.length >= BUFFERED_CHARS) await flush().catch(failed)
    },
    finish: async () => {
      try {
        await flush()
        await file.sync()
        await file.close()
        isOpen = false
        await rename(part, path)
        await syncFolder(dirname(path))
      } catch (error) {
        failed(error)
      }
    },
    abandon: async () => {
      if (isOpen) await file.close()
      isOpen = false
      await rm(part, { force: true })
    },
  }
}

/** A rename is on disk when the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder: FileHandle = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

function standardOutput(): ExportFile {
  const nothing = async (): Promise<void> => undefined
  return {
    write: async text => {
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
    },
    finish: nothing,
    abandon: nothing,
  }
}

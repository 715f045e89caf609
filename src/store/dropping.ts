// Records that nobody needs any more are taken out of the journal, file by file: each is written anew and durably without them, or
// removed where nothing else was in it, and what cannot be read stays byte for byte. Newest first, so that whatever moment the
// power goes in, what is left of a log is its beginning. Files keep their names, and with them the keys that seal them.
import type { Disk } from '../ports.ts'
import { pathOf, sealerFor, segmentNames } from './files.ts'
import type { JournalRecord } from './frame.ts'
import type { StoreKeys } from './sealing.ts'
import { withoutRecords } from './segment.ts'

export type Dropping = {
  readonly isDropped: (record: JournalRecord) => boolean
  /** Lets others have their turn between two files. */
  readonly breathe: () => Promise<void>
}

/** `before`: the file that is being written to, and all behind it, are left alone. */
type Files = { readonly disk: Disk; readonly keys: StoreKeys; readonly before: string }

/** Gives the bytes that became free. */
export async function dropRecords({ disk, keys, before }: Files, dropping: Dropping): Promise<number> {
  let freed = 0
  for (const name of (await segmentNames(disk)).filter(one => one < before).toReversed()) {
    const bytes = (await disk.read(pathOf(name))) ?? new Uint8Array()
    const left = withoutRecords(bytes, dropping.isDropped, sealerFor(keys, name))
    if (left) await (left.isEmpty ? disk.remove(pathOf(name)) : disk.replace(pathOf(name), left.bytes))
    if (left) freed += bytes.length - (left.isEmpty ? 0 : left.bytes.length)
    await dropping.breathe()
  }
  return freed
}

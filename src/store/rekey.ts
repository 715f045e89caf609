// A journal and its keys: are these the ones it was written with, and the same journal under other ones, or under none.
import { MeshError } from '../errors.ts'
import type { Disk } from '../ports.ts'
import { pathOf, sealerFor, segmentNames } from './files.ts'
import type { JournalScan } from './journal.ts'
import type { StoreKeys } from './sealing.ts'
import { rewriteSegment, scanSegment } from './segment.ts'

/**
 * Writes every file anew whose records are not sealed with the last key of `to`, or not plain where there is none, each at
 * once and durably: between two files both sets of keys read all of it. Nobody may have the journal open.
 */
export async function rewriteJournal(
  disk: Disk,
  { from, to }: { readonly from: StoreKeys; readonly to: StoreKeys },
): Promise<{ readonly files: number; readonly keptBytes: number }> {
  let [files, keptBytes] = [0, 0]
  for (const name of await segmentNames(disk)) {
    const bytes = (await disk.read(pathOf(name))) ?? new Uint8Array()
    const rewritten = rewriteSegment(bytes, sealerFor(from, name), sealerFor(to, name))
    keptBytes += rewritten.keptBytes
    if (!rewritten.bytes) continue
    await disk.replace(pathOf(name), rewritten.bytes)
    files++
  }
  return { files, keptBytes }
}

/** The first file with a whole sealed frame that these keys do not open; undefined when there is none. */
export async function firstUnopened(disk: Disk, keys: StoreKeys): Promise<string | undefined> {
  for (const name of await segmentNames(disk)) {
    const bytes = (await disk.read(pathOf(name))) ?? new Uint8Array()
    const { holes } = scanSegment(bytes, sealerFor(keys, name))
    if (holes.some(({ cause }) => cause !== 'garbage')) return pathOf(name)
  }
  return undefined
}

/**
 * Throws KEY_REFUSED for a journal of which something is sealed with a key that is not here, or nothing opens with the one
 * that is: that is a wrong identity file, and whoever went on would leave behind what only this journal holds.
 */
export function requireKeys({ damaged, recordCount }: JournalScan): void {
  const isForeign = recordCount === 0 && damaged.some(({ cause }) => cause === 'forged')
  const sealed = damaged.find(({ cause }) => cause === 'unknown-key' || (isForeign && cause === 'forged'))
  if (!sealed) return
  throw new MeshError(
    'KEY_REFUSED',
    `${sealed.file} is sealed with a key that identity.json does not hold: lay back the identity.json that belongs to it`,
  )
}

// The journal's files by name: `journal/00000001.cmj` and so on, in the order in which they were written.
import type { Disk } from '../ports.ts'
import { type Sealer, type StoreKeys, sealerOf } from './sealing.ts'

export const JOURNAL_FOLDER = 'journal'
const SEGMENT_NAME = /^\d{8}\.cmj$/

export async function segmentNames(disk: Disk): Promise<readonly string[]> {
  return (await disk.list(JOURNAL_FOLDER)).filter(name => SEGMENT_NAME.test(name))
}

export function pathOf(name: string): string {
  return `${JOURNAL_FOLDER}/${name}`
}

export function nameOf(number: number): string {
  return `${String(number).padStart(8, '0')}.cmj`
}

/** Each file has a key of its own, so that no key ever seals more than fits a file (sealing.ts). */
export function sealerFor(keys: StoreKeys, name: string): Sealer | undefined {
  return sealerOf(keys, pathOf(name))
}

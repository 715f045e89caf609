// What the journal's tests share: numbered records, a reader of everything, seeded dice.
import type { Disk } from '../../src/ports.ts'
import type { JournalRecord } from '../../src/store/frame.ts'
import { type Journal, type JournalScan, openJournal } from '../../src/store/journal.ts'
import type { StoreKeys } from '../../src/store/sealing.ts'

export type Opened = {
  readonly journal: Journal
  readonly scan: JournalScan
  readonly records: readonly JournalRecord[]
}

export async function openAndRead(disk: Disk, keys: StoreKeys = []): Promise<Opened> {
  const records: JournalRecord[] = []
  const opened = await openJournal(
    disk,
    record => {
      records.push({ kind: record.kind, payload: record.payload.slice() })
    },
    keys,
  )
  return { ...opened, records }
}

/** A record that says its number and is filled with it, so that a wrong byte shows. */
export function numbered(number: number, length = 20): JournalRecord {
  const payload = new Uint8Array(Math.max(4, length)).fill(number % 251)
  new DataView(payload.buffer).setUint32(0, number)
  return { kind: 1 + (number % 7), payload }
}

export function numberOf(record: JournalRecord): number {
  const { payload } = record
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0)
}

/** A key like no other. */
export function storeKey(id: number, fill = id): StoreKeys {
  return [{ id, key: new Uint8Array(32).fill(fill) }]
}

/** Mulberry32: numbers in [0, 1) from a seed. */
export function diceOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

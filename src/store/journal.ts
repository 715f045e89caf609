// The truth of a node (PROTOCOL 1.10, 5.1): append-only files `journal/00000001.cmj`, ... of records. An append resolves
// only when its records are durable; appends that wait together share one write and one flush. The first failure ends
// the journal (PROTOCOL 5.2): everything waiting and later is refused until the caller opens it again. A rejected record
// may nevertheless be on disk, so what a new open delivers decides, not what was answered before.
// Nothing is ever written behind garbage, and damage is reported and kept, never silently skipped or mended.
import { MeshError, reasonOf } from '../errors.ts'
import type { Disk } from '../ports.ts'
import { concatBytes } from '../units.ts'
import { type Dropping, dropRecords } from './dropping.ts'
import { nameOf, pathOf, sealerFor, segmentNames } from './files.ts'
import { frameBytes, frameOf, type JournalRecord, plainOf } from './frame.ts'
import type { Sealer, StoreKeys } from './sealing.ts'
import { type Hole, SEGMENT_HEADER, type SegmentScan, scanSegment } from './segment.ts'

export type Journal = {
  /** Resolves when all records are durable; rejects with the MeshError of the disk. */
  readonly append: (records: readonly JournalRecord[]) => Promise<void>
  /** Bytes of all files, header and frames. */
  readonly sizeBytes: () => number
  readonly state: () => 'open' | 'failed' | 'closed'
  /** Waits for what is under way. */
  /** The next append begins a new file. */
  readonly turnOver: () => void
  /** Takes records out of all files before the one that is written to; gives the bytes that became free. */
  readonly drop: (dropping: Dropping) => Promise<number>
  readonly close: () => Promise<void>
}

export type Damage = Hole & { readonly file: string }
export type JournalScan = {
  /**
   * `torn`: garbage at the very end only, as a power loss leaves it. `damaged`: whole frames stand behind a bad one; a disk
   * that saved the later sectors of the last write and lost earlier ones looks like that too, so it may be a false alarm.
   */
  readonly state: 'fresh' | 'intact' | 'torn' | 'damaged'
  /** The first MAX_REPORTED_HOLES of them. */
  readonly damaged: readonly Damage[]
  /** Of all holes. */
  readonly lostBytes: number
  /** Cut off the end of the last file. */
  readonly tornBytes: number
  readonly recordCount: number
}

/** A file is left when the next write would exceed it. */
export const SEGMENT_BYTES = 8_388_608
/** Appends that wait, and so also the largest single append and the largest write. */
export const MAX_QUEUED_BYTES = 4_194_304
export const MAX_REPORTED_HOLES = 1_000

/**
 * Reads everything, gives each record in order to `onRecord`, and only then hands out a journal to append to: the verdict
 * of the scan is known before anything is added. One file is in memory at a time. What is delivered is durable, even when
 * a process before us wrote it and died before its flush. Rejects when the disk does or when `onRecord` throws. With keys,
 * what is written is sealed; what was written in the clear before stays so, and is read all the same.
 */
export async function openJournal(
  disk: Disk,
  onRecord: (record: JournalRecord) => void | Promise<void>,
  keys: StoreKeys = [],
): Promise<{ readonly journal: Journal; readonly scan: JournalScan }> {
  const names = await segmentNames(disk)
  const lastName = names.at(-1)
  const tally = { holes: [] as Damage[], lostBytes: 0, tornBytes: 0, recordCount: 0, sizeBytes: 0 }
  let tail: Tail = { number: 1, bytes: 0, uncut: false }
  for (const name of names) {
    const bytes = (await disk.read(pathOf(name))) ?? new Uint8Array()
    const segment = scanSegment(bytes, sealerFor(keys, name))
    const tailBytes = bytes.length - segment.goodEnd
    const holes: Hole[] = [...segment.holes]
    if (name === lastName) tail = await secureTail(disk, { name, bytes, segment })
    if (name === lastName && holes.length === 0) {
      tally.tornBytes = tailBytes
      tally.sizeBytes += goodPart(bytes, segment.goodEnd).length
    } else {
      if (tailBytes > 0) holes.push({ offset: segment.goodEnd, lostBytes: tailBytes, cause: 'garbage' })
      tally.sizeBytes += bytes.length
    }
    for (const hole of holes) {
      if (tally.holes.length < MAX_REPORTED_HOLES) tally.holes.push({ file: pathOf(name), ...hole })
      tally.lostBytes += hole.lostBytes
    }
    for (const record of segment.records) await onRecord(record)
    tally.recordCount += segment.records.length
  }
  const { holes: damaged, lostBytes, tornBytes, recordCount, sizeBytes } = tally
  const whole = names.length === 0 ? 'fresh' : tornBytes > 0 ? 'torn' : 'intact'
  const state = damaged.length > 0 ? 'damaged' : whole
  const journal = startJournal(new SegmentWriter({ disk, keys }, tail, sizeBytes))
  return { journal, scan: { state, damaged, lostBytes, tornBytes, recordCount } }
}

/** Where the next write goes. `uncut`: garbage stands behind `bytes` and must go first. */
type Tail = { readonly number: number; readonly bytes: number; readonly uncut: boolean }
type LastFile = { readonly name: string; readonly bytes: Uint8Array; readonly segment: SegmentScan }

/**
 * Makes the last file as durable as what we are about to believe of it, and cuts garbage off its end. It is written
 * anew because a flush of it may once have failed: then the kernel shows bytes, calls them clean, and no flush would save
 * them. On a full disk there is no room for a copy: flush it, so that the node can still read, and cut before writing.
 * A file with holes keeps every byte, for whoever wants to look, and the next write opens a new one.
 */
async function secureTail(disk: Disk, last: LastFile): Promise<Tail> {
  const { name, bytes, segment } = last
  const number = Number.parseInt(name, 10)
  const path = pathOf(name)
  const isDamaged = segment.holes.length > 0
  const good = isDamaged ? bytes : goodPart(bytes, segment.goodEnd)
  let uncut = false
  try {
    await disk.replace(path, good)
  } catch (error) {
    if (!(error instanceof MeshError && error.code === 'STORE_FULL')) throw error
    await disk.sync(path)
    uncut = bytes.length !== good.length
  }
  return isDamaged ? { number: number + 1, bytes: 0, uncut: false } : { number, bytes: good.length, uncut }
}

function goodPart(bytes: Uint8Array, goodEnd: number): Uint8Array {
  return goodEnd === 0 ? SEGMENT_HEADER : bytes.subarray(0, goodEnd)
}

type Place = { readonly disk: Disk; readonly keys: StoreKeys }

class SegmentWriter {
  readonly #disk: Disk
  readonly #keys: StoreKeys
  #sealer: Sealer | undefined
  #tail: Tail
  #isToTurn = false
  #totalBytes: number

  constructor({ disk, keys }: Place, tail: Tail, totalBytes: number) {
    this.#disk = disk
    this.#keys = keys
    this.#sealer = sealerFor(keys, nameOf(tail.number))
    this.#tail = tail
    this.#totalBytes = totalBytes
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  turnOver(): void {
    this.#isToTurn = this.#tail.bytes > 0
  }

  async drop(dropping: Dropping): Promise<number> {
    const place = { disk: this.#disk, keys: this.#keys, before: nameOf(this.#tail.number) }
    const freed = await dropRecords(place, dropping)
    this.#totalBytes -= freed
    return freed
  }

  /** What these records will take on the disk. */
  bytesOf(plains: readonly Uint8Array[]): number {
    return plains.reduce((sum, plain) => sum + frameBytes(plain, this.#keys.length > 0), 0)
  }

  /** Durable when it resolves; after a rejection this writer must not be used again. */
  async write(plains: readonly Uint8Array[]): Promise<void> {
    if (this.#tail.uncut) await this.#cut()
    if (this.#isToTurn || this.#tail.bytes + this.bytesOf(plains) > SEGMENT_BYTES) this.#turnOver()
    const frames = plains.map(plain => frameOf(plain, this.#sealer))
    const bytes = concatBytes(this.#tail.bytes === 0 ? [SEGMENT_HEADER, ...frames] : frames)
    const path = pathOf(nameOf(this.#tail.number))
    await this.#disk.append(path, bytes)
    await this.#disk.sync(path)
    this.#tail = { ...this.#tail, bytes: this.#tail.bytes + bytes.length }
    this.#totalBytes += bytes.length
  }

  #turnOver(): void {
    this.#isToTurn = false
    this.#tail = { number: this.#tail.number + 1, bytes: 0, uncut: false }
    this.#sealer = sealerFor(this.#keys, nameOf(this.#tail.number))
  }

  async #cut(): Promise<void> {
    const path = pathOf(nameOf(this.#tail.number))
    const bytes = (await this.#disk.read(path)) ?? new Uint8Array()
    await this.#disk.replace(path, goodPart(bytes, scanSegment(bytes, this.#sealer).goodEnd))
    this.#tail = { ...this.#tail, uncut: false }
  }
}

type Waiting = {
  readonly plains: readonly Uint8Array[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: MeshError) => void
}

/** Group commit: whatever queued while a flush ran goes into the next one. */
class GroupCommit {
  readonly #writer: SegmentWriter
  #queue: Waiting[] = []
  #queuedBytes = 0
  #ended: MeshError | undefined
  #running: Promise<void> | undefined
  state: 'open' | 'failed' | 'closed' = 'open'

  constructor(writer: SegmentWriter) {
    this.#writer = writer
  }

  async append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#ended) throw this.#ended
    if (records.length === 0) return
    const plains = records.map(plainOf)
    const bytes = this.#writer.bytesOf(plains)
    const queuedBytes = this.#queuedBytes + bytes
    if (queuedBytes > MAX_QUEUED_BYTES) throw overload(queuedBytes)
    this.#queuedBytes = queuedBytes
    const durable = new Promise<void>((resolve, reject) =>
      this.#queue.push({ plains, bytes, resolve, reject }),
    )
    this.#running ??= this.#drain()
    await durable
  }

  async close(): Promise<void> {
    this.#ended ??= new MeshError('STORE_FAILED', 'the journal is closed')
    await this.#running
    if (this.state === 'open') this.state = 'closed'
  }

  async #drain(): Promise<void> {
    // Whoever appends in the same turn of the event loop comes along.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      try {
        await this.#writer.write(batch.flatMap(waiting => waiting.plains))
      } catch (error) {
        this.#fail(error, batch)
        break
      }
      for (const waiting of batch) {
        this.#queuedBytes -= waiting.bytes
        waiting.resolve()
      }
    }
    this.#running = undefined
  }

  #fail(error: unknown, batch: readonly Waiting[]): void {
    const failure = error instanceof MeshError ? error : new MeshError('STORE_FAILED', reasonOf(error), error)
    this.#ended = failure
    this.state = 'failed'
    for (const waiting of [...batch, ...this.#queue]) waiting.reject(failure)
    this.#queue = []
    this.#queuedBytes = 0
  }
}

function startJournal(writer: SegmentWriter): Journal {
  const commit = new GroupCommit(writer)
  return {
    append: records => commit.append(records),
    sizeBytes: () => writer.totalBytes,
    state: () => commit.state,
    turnOver: () => writer.turnOver(),
    drop: dropping => writer.drop(dropping),
    close: () => commit.close(),
  }
}

function overload(bytes: number): MeshError {
  return new MeshError(
    'STORE_FAILED',
    `the journal would hold ${bytes} bytes, more than ${MAX_QUEUED_BYTES}, unwritten`,
  )
}

// The Yjs documents, in y-leveldb, behind the journal (PROTOCOL 1.10). y-leveldb answers null where it should reject and
// never flushes to disk, so this store only ever claims to be `trusted` or `doubtful`: at the first sign of trouble it
// turns doubtful for good, writes nothing more and answers nothing, and the caller rebuilds it from the journal. Power loss
// takes the newest updates without any sign; whoever opens it compares with the journal. The only home of y-leveldb.
import { LeveldbPersistence, type LevelOptions } from 'y-leveldb'
import { type Doc, encodeStateAsUpdate, mergeUpdates } from 'yjs'
import { reasonOf } from '../errors.ts'
import { claimFolder } from './claim.ts'
import { levelError } from './level-error.ts'
import type { StoreKeys } from './sealing.ts'
import { wrappedEncoding } from './value.ts'

export type Documents = {
  /** Write-behind, in the order of each document. A queue over its limits makes the store doubtful instead of growing. */
  readonly put: (name: string, update: Uint8Array) => void
  /** Deletes a document whole, after what was put before. */
  readonly drop: (name: string) => void
  /** The whole document as one Yjs v1 update, after all puts before; undefined when absent or doubtful. */
  readonly read: (name: string) => Promise<Uint8Array | undefined>
  /** Empty when doubtful. */
  readonly names: () => Promise<readonly string[]>
  /** Melts the updates of a document into one; for closed logs. */
  readonly flush: (name: string) => Promise<void>
  /** Resolves when everything put so far is written or the store has become doubtful. */
  readonly settled: () => Promise<void>
  readonly state: () => 'trusted' | 'doubtful'
  /** Why it is doubtful. */
  readonly doubt: () => string | undefined
  readonly close: () => Promise<void>
}

export type DocumentsLocation = string | { readonly memory: true }

export const MAX_PENDING_PUTS = 4_096
export const MAX_PENDING_BYTES = 8_388_608

/** The part of y-leveldb that we use, as it behaves. */
type Persistence = Pick<
  LeveldbPersistence,
  'storeUpdate' | 'getYDoc' | 'getAllDocNames' | 'flushDocument' | 'clearDocument' | 'destroy'
>

/**
 * Rejects with STORE_LOCKED, STORE_CORRUPT, STORE_FULL or STORE_FAILED when the directory cannot be opened. With keys, values
 * are sealed; the names of documents and the numbers of their updates are LevelDB's keys, and stay readable.
 */
export async function openDocuments(location: DocumentsLocation, keys: StoreKeys = []): Promise<Documents> {
  return documentsOver(await openPersistence(location, keys))
}

/** The store over an opened y-leveldb, or over something that fails like it. */
export function documentsOver(persistence: Persistence): Documents {
  const trust = new Trust()
  const queue = new WriteBehind(trust, (name, update) => persistence.storeUpdate(name, update))
  return {
    put: (name, update) => queue.put(name, update),
    drop: name => {
      void queue.settled.then(async () => {
        if (trust.doubt === undefined) await trust.ask(`deleting ${name}`, persistence.clearDocument(name))
      })
    },
    read: async name => {
      await queue.settled
      if (trust.doubt !== undefined) return undefined
      const doc = await trust.ask(`reading ${name}`, persistence.getYDoc(name))
      return doc && wholeUpdate(doc, () => trust.lose(`an update of ${name} is missing`))
    },
    names: async () => {
      await queue.settled
      if (trust.doubt !== undefined) return []
      return (await trust.ask('listing the documents', persistence.getAllDocNames())) ?? []
    },
    flush: async name => {
      await queue.settled
      if (trust.doubt === undefined) await trust.ask(`flushing ${name}`, persistence.flushDocument(name))
    },
    settled: () => queue.settled,
    state: () => (trust.doubt === undefined ? 'trusted' : 'doubtful'),
    doubt: () => trust.doubt,
    close: async () => {
      await queue.settled
      await trust.ask('closing', persistence.destroy())
    },
  }
}

/** Lost once, lost for good; the first reason stays. */
class Trust {
  doubt: string | undefined

  lose(reason: string): void {
    this.doubt ??= reason
  }

  /** y-leveldb's answer, or undefined and a doubt when it was its word for failure. */
  async ask<T>(what: string, answer: Promise<T | null>): Promise<T | undefined> {
    try {
      const given = await answer
      if (given !== null) return given
      this.lose(`${what} failed`)
    } catch (error) {
      this.lose(`${what} failed: ${reasonOf(error)}`)
    }
    return undefined
  }
}

type StoreUpdate = (name: string, update: Uint8Array) => Promise<number | null>

/** Updates of one document that come within so long are written as one: y-leveldb looks for its place at each write. */
const GATHER_MS = 250

type Batch = {
  readonly updates: Map<string, readonly Uint8Array[]>
  readonly done: { readonly promise: Promise<void>; readonly resolve: () => void }
}

function newBatch(): Batch {
  return { updates: new Map(), done: Promise.withResolvers<void>() }
}

class WriteBehind {
  readonly #trust: Trust
  readonly #storeUpdate: StoreUpdate
  #gathered = newBatch()
  #puts = 0
  #bytes = 0
  #isRunning = false
  /** What was taken to be written, up to the last of it. */
  #written: Promise<void> = Promise.resolve()
  #hurry: () => void = () => undefined

  constructor(trust: Trust, storeUpdate: StoreUpdate) {
    this.#trust = trust
    this.#storeUpdate = storeUpdate
  }

  /** Of what was put so far; whoever waits is not kept waiting for more to gather, and not for what comes later. */
  get settled(): Promise<void> {
    this.#hurry()
    return this.#gathered.updates.size > 0 ? this.#gathered.done.promise : this.#written
  }

  put(name: string, update: Uint8Array): void {
    if (this.#trust.doubt !== undefined) return
    if (this.#puts >= MAX_PENDING_PUTS || this.#bytes + update.length > MAX_PENDING_BYTES) {
      this.#trust.lose(`${this.#puts} puts of ${this.#bytes} bytes wait, which is the limit`)
      return
    }
    this.#puts++
    this.#bytes += update.length
    const { updates } = this.#gathered
    updates.set(name, [...(updates.get(name) ?? []), update])
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#gathered.updates.size > 0) {
      await this.#gather()
      const { updates, done } = this.#gathered
      this.#gathered = newBatch()
      this.#written = done.promise
      for (const [name, all] of updates) await this.#store(name, all)
      done.resolve()
    }
    this.#isRunning = false
  }

  #gather(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, GATHER_MS)
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #store(name: string, updates: readonly Uint8Array[]): Promise<void> {
    // A put behind one that was lost would leave a hole.
    if (this.#trust.doubt === undefined) await this.#trust.ask(`writing ${name}`, this.#write(name, updates))
    this.#puts -= updates.length
    for (const { length } of updates) this.#bytes -= length
  }

  async #write(name: string, updates: readonly Uint8Array[]): Promise<number | null> {
    const [first] = updates
    return await this.#storeUpdate(name, first && updates.length === 1 ? first : mergeUpdates([...updates]))
  }
}

/** Undefined when the document is empty, or when updates in it wait for one that is not there (PROTOCOL 1.1, F7). */
function wholeUpdate(doc: Doc, onGap: () => void): Uint8Array | undefined {
  const hasGap = doc.store.pendingStructs !== null || doc.store.pendingDs !== null
  const isEmpty = doc.store.clients.size === 0
  if (hasGap) onGap()
  const update = hasGap || isEmpty ? undefined : encodeStateAsUpdate(doc)
  doc.destroy()
  return update
}

/** Either library is loaded only when asked for: a simulation needs no native code. */
async function openPersistence(location: DocumentsLocation, keys: StoreKeys): Promise<LeveldbPersistence> {
  const encoding = wrappedEncoding(keys)
  if (typeof location !== 'string') {
    const { MemoryLevel } = await import('memory-level')
    const { persistence } = persistWith(
      options => new MemoryLevel({ ...options, valueEncoding: encoding }),
      'memory',
    )
    return persistence
  }
  const { ClassicLevel } = await import('classic-level')
  const claim = await claimFolder(location)
  const { db, persistence } = persistWith(
    options => new ClassicLevel(location, { ...options, valueEncoding: encoding }),
    location,
  )
  try {
    await db.open()
  } catch (error) {
    claim.free()
    throw levelError(error, `documents in ${location}`)
  }
  claim.hold(db)
  db.once('closed', claim.free)
  return persistence
}

type WrappedOptions = { readonly keyEncoding: never }

/**
 * y-leveldb makes its own database, with `new` on what we pass and with its own encodings. A function that returns an
 * object may stand there, so we keep the database in hand, and `make` puts our wrapping in the place of its identity encoding.
 */
function persistWith<D extends object>(
  make: (options: WrappedOptions) => D,
  location: string,
): { readonly db: D; readonly persistence: LeveldbPersistence } {
  let made: D | undefined
  function Level(_location: string, options: LevelOptions): D {
    // `never`: its array keys do not fit the key type that the level packages infer from an encoding's name.
    made = make({ keyEncoding: options.keyEncoding as never })
    return made
  }
  const persistence = new LeveldbPersistence(location, { Level })
  if (made === undefined) throw new TypeError('y-leveldb has not opened the database that it was given')
  return { db: made, persistence }
}

// 16 bytes that are equal exactly where everything held is equal, forks included; signs of life are left out, since they
// change for ever. Each log and each object has its place in one run of bytes, sorted by name, and only what changed
// since the last look is written anew: a site has hundreds of logs, and few change between two digests.
import { hashOfLong } from '../identity/hash.ts'
import { OBJECT_KINDS, type SignedObject } from '../log/object.ts'
import { setUint48, unhex } from '../units.ts'
import { headEntry } from './frontier.ts'
import type { Log, Logs } from './logs.ts'
import type { Objects } from './objects.ts'

/** logId:16 seq:u48 hash:8 fork:u48; fork is one more than its number, or 0 for none. */
const LOG_BYTES = 36
/** kind:u8 key:16 version:u64. */
const OBJECT_BYTES = 25

/** Gives the digest of what is held now. */
export function createDigest(logs: Logs, objects: Objects): () => Uint8Array {
  const heads = createRows<Log>(LOG_BYTES, writeLog)
  const named = createRows<SignedObject>(OBJECT_BYTES, writeObject)
  const seen = { logs: 0, objects: 0 }
  let bytes: Uint8Array | undefined
  return () => {
    const now = { logs: logs.changes(), objects: objects.changes() }
    if (bytes && seen.logs === now.logs && seen.objects === now.objects) return bytes
    for (const log of logs.changedSince(seen.logs)) heads.put(log.logId, log)
    for (const object of objects.changedSince(seen.objects))
      if (object.kind !== 'uplink') named.put(object.name, object)
    Object.assign(seen, now)
    bytes = hashOfLong('chargemesh/frontier/v1', heads.bytes(), named.bytes()).subarray(0, 16)
    return bytes
  }
}

type Rows<T> = { readonly put: (name: string, row: T) => void; readonly bytes: () => Uint8Array }

/** Rows of one length, sorted by name; a name once known stays. */
function createRows<T>(size: number, write: (view: DataView, at: number, row: T) => void): Rows<T> {
  const names: string[] = []
  let run = new Uint8Array(0)
  return {
    bytes: () => run,
    put: (name, row) => {
      const place = placeOf(names, name)
      if (names[place] !== name) {
        names.splice(place, 0, name)
        const wider = new Uint8Array(run.length + size)
        wider.set(run.subarray(0, place * size))
        wider.set(run.subarray(place * size), (place + 1) * size)
        run = wider
      }
      write(new DataView(run.buffer), place * size, row)
    },
  }
}

/** Where the name stands, or would. */
function placeOf(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((names[middle] ?? '') < name) low = middle + 1
    else high = middle
  }
  return low
}

function writeLog(view: DataView, at: number, log: Log): void {
  const head = headEntry(log)
  put(view, at, unhex(log.logId))
  setUint48(view, at + 16, head?.seq ?? 0)
  put(view, at + 22, head?.hash ?? new Uint8Array(8))
  setUint48(view, at + 30, log.fork ? log.fork.seq + 1 : 0)
}

function writeObject(view: DataView, at: number, { kind, name, version }: SignedObject): void {
  view.setUint8(at, OBJECT_KINDS.indexOf(kind))
  put(view, at + 1, unhex(name.slice(kind.length + 1)))
  view.setBigUint64(at + 17, BigInt(version))
}

function put(view: DataView, at: number, bytes: Uint8Array): void {
  new Uint8Array(view.buffer).set(bytes, at)
}

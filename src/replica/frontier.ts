// What a node holds, said shortly: the head of every log with eight bytes of its hash, the version of every object,
// and a digest over both (PROTOCOL 8.3). A log that forked is frozen and is announced up to its fork: what lies before is
// shared by both branches, counts for everybody, and a node that comes late must hear of it.
import { hashOf } from '../identity/hash.ts'
import { concatBytes, unhex } from '../units.ts'
import { type Log, type Logs, shortHash } from './logs.ts'
import type { Have } from './message.ts'
import type { Objects } from './objects.ts'

export type HeadEntry = Have['heads'][number]
export type ObjectEntry = Have['objects'][number]

/** Undefined when the two branches of a log share not even its first event. */
export function headEntry(log: Log): HeadEntry | undefined {
  const seq = log.fork ? log.fork.seq - 1 : log.head.seq
  const hash = log.hashes[seq]
  return hash && { logId: log.logId, seq, hash: shortHash(hash) }
}

/** Heads that changed after the counter `since`; 0 gives all. */
export function headsSince(logs: Logs, since: number): readonly HeadEntry[] {
  const entries: HeadEntry[] = []
  for (const log of logs.changedSince(since)) {
    const entry = headEntry(log)
    if (entry) entries.push(entry)
  }
  return entries
}

export function objectsSince(objects: Objects, since: number): readonly ObjectEntry[] {
  return objects.changedSince(since).map(objectEntry)
}

export function objectEntry(object: { readonly name: string; readonly version: number }): ObjectEntry {
  const [kind, key] = object.name.split('/')
  return { kind: kind as ObjectEntry['kind'], key: key as string, version: object.version }
}

/** 16 bytes that are equal exactly where everything held is equal. Signs of life are left out: they change for ever. */
export function digestOf(logs: Logs, objects: Objects): Uint8Array {
  const heads: { readonly logId: string; readonly bytes: Uint8Array }[] = []
  for (const log of logs.all()) {
    const bytes = headBytes(log)
    if (bytes) heads.push({ logId: log.logId, bytes })
  }
  heads.sort((a, b) => (a.logId < b.logId ? -1 : 1))
  const names: string[] = []
  for (const { object } of objects.all())
    if (object.kind !== 'uplink') names.push(`${object.name}@${object.version}`)
  const parts = [...heads.map(head => head.bytes), new TextEncoder().encode(names.sort().join('\n'))]
  return hashOf('chargemesh/frontier/v1', ...parts).subarray(0, 16)
}

/** A log's part of the digest, kept until the log changes: a site has hundreds, and few change between two digests. */
const known = new WeakMap<Log, { readonly changedAt: number; readonly bytes: Uint8Array | undefined }>()

function headBytes(log: Log): Uint8Array | undefined {
  const before = known.get(log)
  if (before?.changedAt === log.changedAt) return before.bytes
  const head = headEntry(log)
  // Who has no proof of a fork holds the same events up to it, and must hear of it all the same (I9).
  const frozen = log.fork ? [u48(log.fork.seq)] : []
  const bytes = head && concatBytes([unhex(head.logId), u48(head.seq), head.hash, ...frozen])
  known.set(log, { changedAt: log.changedAt, bytes })
  return bytes
}

function u48(value: number): Uint8Array {
  const bytes = new Uint8Array(6)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(value / 2 ** 32))
  view.setUint32(2, value % 2 ** 32)
  return bytes
}

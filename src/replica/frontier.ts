// What a node holds, said shortly: the head of every log with eight bytes of its hash, and the version of every object
// (PROTOCOL 8.3). A log that forked is frozen and is announced up to its fork: what lies before is
// shared by both branches, counts for everybody, and a node that comes late must hear of it.
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

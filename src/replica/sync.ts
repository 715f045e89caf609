// Dissemination: who is told what, and who is asked for what (PROTOCOL 7.1, 8). An author pushes new segments to
// every connected peer; what was learned from elsewhere is announced to some peers each second; whoever lacks
// something asks one peer for it; digests find what got lost. Nothing here trusts a peer: a segment goes to the
// gate, and an announcement only ever leads to a question.
import type { ObjectName, SignedObject } from '../log/object.ts'
import { type DeviceId, type LogId, sameBytes } from '../units.ts'
import {
  digestOf,
  type HeadEntry,
  headEntry,
  headsSince,
  type ObjectEntry,
  objectsSince,
} from './frontier.ts'
import { type CutSegment, type Logs, shortHash } from './logs.ts'
import {
  type Have,
  MAX_HAVE_ENTRIES,
  MAX_OBJECTS,
  MAX_WANT_LOGS,
  type Message,
  type Want,
} from './message.ts'
import type { Objects } from './objects.ts'

/** Segments a question is answered with; the last says whether there are more. */
const WINDOW_SEGMENTS = 4
/** Logs asked of one peer at a time. */
const MAX_OUTSTANDING = 16
/** A question unanswered for so long may be asked of another peer. */
const WANT_TIMEOUT_MS = 2000
/** Peers told of news each tick, where they did not get it from its author. */
const GOSSIP_PEERS = 3
const DIGEST_QUIET_MS = 2000
const DIGEST_EVERY_MS = 5000
const DIGEST_LOUD_MS = 30_000
/** Everything is listed to one peer at most this often. */
const FULL_EVERY_MS = 2000
/** Logs that a peer claims to be ahead in; more is an attack, or waits for the next announcement. */
const MAX_BEHIND = 4096

export type Send = { readonly to: DeviceId; readonly message: Message }

type Peer = {
  readonly behind: Map<LogId, HeadEntry>
  readonly asked: Map<LogId, number>
  /** Up to where it surely holds a log: we pushed it, or it told us. */
  readonly knows: Map<LogId, number>
  /** Where the search for a fork stands. */
  readonly probe: Map<LogId, number>
  toldLogs: number
  toldObjects: number
  fullAt: number
  digestAt: number
}

/** `nextSeq`: the number behind the segment that came. */
export type Progress = { readonly logId: LogId; readonly nextSeq: number; readonly more: boolean }

export type SyncDeps = {
  readonly logs: Logs
  readonly objects: Objects
  /** A whole number, 0 <= n < below. */
  readonly dice: (below: number) => number
}

export type Sync = {
  readonly connected: (peer: DeviceId, nowMs: number) => readonly Send[]
  readonly gone: (peer: DeviceId) => void
  readonly heard: (
    peer: DeviceId,
    message: Exclude<Message, { kind: 'segment' | 'objects' }>,
    nowMs: number,
  ) => readonly Send[]
  /** We authored these: push them to all. */
  readonly authored: (segments: readonly CutSegment[], nowMs: number) => readonly Send[]
  /** A peer's segment passed the gate, or was a duplicate, or left a gap. */
  readonly progressed: (peer: DeviceId, progress: Progress, nowMs: number) => readonly Send[]
  /** Objects that we did not hold before; to all but `from` when `urgent`, else they travel by announcement. */
  readonly learned: (objects: readonly SignedObject[], from: DeviceId | undefined) => readonly Send[]
  /** News of the operator goes on at once. */
  readonly urgent: (logId: LogId, from: DeviceId | undefined) => readonly Send[]
  readonly tick: (nowMs: number) => readonly Send[]
}

export function createSync(deps: SyncDeps): Sync {
  const { logs, objects } = deps
  const peers = new Map<DeviceId, Peer>()
  let changedAtMs = 0
  let seenChanges = 0
  let digest: { changes: number; bytes: Uint8Array } | undefined

  const currentDigest = (): Uint8Array => {
    const changes = logs.changes() + objects.changes()
    if (digest?.changes !== changes) digest = { changes, bytes: digestOf(logs, objects) }
    return digest.bytes
  }

  const listAll = (to: DeviceId, peer: Peer, nowMs: number): readonly Send[] => {
    peer.fullAt = nowMs
    return announce(to, peer, { logsSince: 0, objectsSince: 0 })
  }

  const announce = (
    to: DeviceId,
    peer: Peer,
    since: { logsSince: number; objectsSince: number },
  ): readonly Send[] => {
    const heads = headsSince(logs, since.logsSince).filter(
      head => since.logsSince === 0 || (peer.knows.get(head.logId) ?? -1) < head.seq,
    )
    const named = objectsSince(objects, since.objectsSince)
    peer.toldLogs = logs.changes()
    peer.toldObjects = objects.changes()
    return pages(heads, named).map(message => ({ to, message }))
  }

  /** Asks `to` for what it is ahead in and nobody was asked for lately. */
  const ask = (to: DeviceId, peer: Peer, nowMs: number): readonly Send[] => {
    const wanted: Want['logs'][number][] = []
    for (const [logId, entry] of peer.behind) {
      if (wanted.length >= MAX_WANT_LOGS || countAsked(peer, nowMs) >= MAX_OUTSTANDING) break
      const log = logs.get(logId)
      if (log?.fork || (log && log.head.seq >= entry.seq && !differs(entry))) {
        peer.behind.delete(logId)
        peer.asked.delete(logId)
      } else if (!askedLately(logId, nowMs)) {
        const branch = log && log.head.seq >= entry.seq
        const fromSeq = log && !branch ? log.head.seq + 1 : (peer.probe.get(logId) ?? 0)
        wanted.push({
          logId,
          fromSeq,
          prevHash: log && !branch ? shortHash(log.head.hash) : new Uint8Array(0),
        })
        peer.asked.set(logId, nowMs)
      }
    }
    return wanted.length === 0 ? [] : [{ to, message: { kind: 'want', logs: wanted, objects: [] } }]
  }

  const differs = (entry: HeadEntry): boolean => {
    const ours = entry.hash.length === 8 ? logs.get(entry.logId)?.hashes[entry.seq] : undefined
    return ours !== undefined && !sameBytes(shortHash(ours), entry.hash)
  }

  const askedLately = (logId: LogId, nowMs: number): boolean => {
    for (const peer of peers.values()) {
      const at = peer.asked.get(logId)
      if (at !== undefined && nowMs - at < WANT_TIMEOUT_MS) return true
    }
    return false
  }

  const heardHave = (from: DeviceId, peer: Peer, have: Have, nowMs: number): readonly Send[] => {
    for (const entry of have.heads) {
      const log = logs.get(entry.logId)
      if (log) peer.knows.set(entry.logId, entry.seq)
      if (log?.fork || (log && log.head.seq >= entry.seq && !differs(entry))) continue
      if (peer.behind.size < MAX_BEHIND || peer.behind.has(entry.logId)) peer.behind.set(entry.logId, entry)
    }
    const missing = have.objects.filter(entry => (objects.get(nameOf(entry))?.version ?? -1) < entry.version)
    const sends: Send[] = []
    for (let i = 0; i < missing.length; i += MAX_WANT_LOGS) {
      sends.push({
        to: from,
        message: { kind: 'want', logs: [], objects: missing.slice(i, i + MAX_WANT_LOGS) },
      })
    }
    return [...sends, ...ask(from, peer, nowMs)]
  }

  const heardWant = (from: DeviceId, want: Want): readonly Send[] => {
    const sends: Send[] = []
    for (const asked of want.logs.slice(0, MAX_OUTSTANDING)) sends.push(...answer(from, asked))
    const held = want.objects.flatMap(entry => objects.get(nameOf(entry))?.encoded ?? [])
    return [...sends, ...objectPages(from, held)]
  }

  const answer = (to: DeviceId, asked: Want['logs'][number]): readonly Send[] => {
    const log = logs.get(asked.logId)
    if (!log) return []
    if (log.fork) return [{ to, message: { kind: 'segment', ...log.fork.evidence, more: false } }]
    const before = asked.fromSeq > 0 ? log.hashes[asked.fromSeq - 1] : undefined
    const branch =
      before !== undefined && asked.prevHash.length === 8 && !sameBytes(shortHash(before), asked.prevHash)
    const segments = logs.segments(asked.logId, branch ? 0 : asked.fromSeq, WINDOW_SEGMENTS)
    return segments.map((segment, i) => ({
      to,
      message: {
        kind: 'segment',
        ...segment,
        more: i === segments.length - 1 && segment.nextSeq <= log.head.seq,
      },
    }))
  }

  return {
    connected: (id, nowMs) => {
      const peer = newPeer(nowMs)
      peers.set(id, peer)
      return listAll(id, peer, nowMs)
    },
    gone: id => {
      peers.delete(id)
    },
    heard: (from, message, nowMs) => {
      const peer = peers.get(from)
      if (!peer) return []
      if (message.kind === 'have') return heardHave(from, peer, message, nowMs)
      if (message.kind === 'want') return heardWant(from, message)
      if (sameBytes(message.digest, currentDigest()) || nowMs - peer.fullAt < FULL_EVERY_MS) return []
      return listAll(from, peer, nowMs)
    },
    authored: (segments, nowMs) => {
      changedAtMs = nowMs
      const sends: Send[] = []
      for (const [to, peer] of peers) {
        for (const segment of segments) {
          sends.push({ to, message: { kind: 'segment', ...segment, more: false } })
          peer.knows.set(segment.logId, segment.nextSeq - 1)
        }
      }
      return sends
    },
    progressed: (id, { logId, nextSeq, more }, nowMs) => {
      const peer = peers.get(id)
      if (!peer) return []
      const log = logs.get(logId)
      const head = log?.head.seq ?? -1
      if (log) peer.knows.set(logId, Math.max(peer.knows.get(logId) ?? -1, nextSeq - 1))
      const entry = peer.behind.get(logId)
      if (head < nextSeq - 1 && !entry && peer.behind.size < MAX_BEHIND) {
        peer.behind.set(logId, { logId, seq: nextSeq - 1, hash: new Uint8Array(0) })
      } else if (entry && head >= entry.seq) {
        if (differs(entry)) peer.probe.set(logId, nextSeq)
        else peer.behind.delete(logId)
      }
      if (more || !peer.behind.has(logId)) peer.asked.delete(logId)
      return ask(id, peer, nowMs)
    },
    learned: (news, from) => {
      const encoded = news.map(object => object.encoded)
      const sends: Send[] = []
      if (from === undefined) for (const to of peers.keys()) sends.push(...objectPages(to, encoded))
      return sends
    },
    urgent: (logId, from) => {
      const log = logs.get(logId)
      if (!log) return []
      const message: Message = { kind: 'have', heads: [headEntry(log)], objects: [] }
      return [...peers.keys()].filter(id => id !== from).map(to => ({ to, message }))
    },
    tick: nowMs => {
      if (logs.changes() !== seenChanges) {
        seenChanges = logs.changes()
        changedAtMs = nowMs
      }
      const sends: Send[] = []
      for (const id of pick([...peers.keys()], GOSSIP_PEERS, deps.dice)) {
        const peer = peers.get(id) as Peer
        sends.push(...announce(id, peer, { logsSince: peer.toldLogs, objectsSince: peer.toldObjects }))
      }
      for (const [id, peer] of peers) {
        const quiet = nowMs - changedAtMs >= DIGEST_QUIET_MS
        if (nowMs - peer.digestAt >= (quiet ? DIGEST_EVERY_MS : DIGEST_LOUD_MS)) {
          peer.digestAt = nowMs
          sends.push({ to: id, message: { kind: 'digest', digest: currentDigest() } })
        }
        sends.push(...ask(id, peer, nowMs))
      }
      return sends
    },
  }
}

function newPeer(nowMs: number): Peer {
  return {
    behind: new Map(),
    asked: new Map(),
    knows: new Map(),
    probe: new Map(),
    toldLogs: 0,
    toldObjects: 0,
    fullAt: nowMs,
    digestAt: nowMs,
  }
}

function countAsked(peer: Peer, nowMs: number): number {
  let count = 0
  for (const at of peer.asked.values()) if (nowMs - at < WANT_TIMEOUT_MS) count += 1
  return count
}

function nameOf(entry: ObjectEntry): ObjectName {
  return `${entry.kind}/${entry.key}`
}

function pages(heads: readonly HeadEntry[], named: readonly ObjectEntry[]): readonly Message[] {
  const messages: Message[] = []
  const most = Math.max(heads.length, named.length)
  for (let i = 0; i < most; i += MAX_HAVE_ENTRIES) {
    messages.push({
      kind: 'have',
      heads: heads.slice(i, i + MAX_HAVE_ENTRIES),
      objects: named.slice(i, i + MAX_HAVE_ENTRIES),
    })
  }
  return messages
}

function objectPages(to: DeviceId, encoded: readonly Uint8Array[]): readonly Send[] {
  const sends: Send[] = []
  for (let i = 0; i < encoded.length; i += MAX_OBJECTS) {
    sends.push({ to, message: { kind: 'objects', objects: encoded.slice(i, i + MAX_OBJECTS) } })
  }
  return sends
}

function pick<T>(from: readonly T[], most: number, dice: (below: number) => number): readonly T[] {
  const rest = [...from]
  const picked: T[] = []
  while (picked.length < most && rest.length > 0) picked.push(...rest.splice(dice(rest.length), 1))
  return picked
}

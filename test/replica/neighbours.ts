// One node's dissemination by itself: real logs and objects behind the real gate, neighbours that are names, and a clock
// that the test moves. What it would send is what is looked at.
import type { SignedObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import { objectEntry } from '../../src/replica/frontier.ts'
import { type Logs, shortHash } from '../../src/replica/logs.ts'
import type { Message } from '../../src/replica/message.ts'
import { createObjects, type Objects } from '../../src/replica/objects.ts'
import type { Send } from '../../src/replica/sends.ts'
import { createSync, type Sync } from '../../src/replica/sync.ts'
import type { DeviceId } from '../../src/units.ts'
import type { TestDevice, TestLog, TestSite } from '../site.ts'
import { gateOf } from './gate.ts'

export type SegmentMessage = Extract<Message, { kind: 'segment' }>

export type Middle = {
  readonly logs: Logs
  readonly objects: Objects
  readonly sync: Sync
  readonly peers: readonly DeviceId[]
  /** A segment of a peer's goes through the gate, as mesh.ts has it. */
  readonly hears: (peer: DeviceId, message: SegmentMessage) => readonly Send[]
  readonly isTold: (peer: DeviceId, objects: readonly SignedObject[]) => readonly Send[]
  readonly has: (segment: Segment) => void
  readonly nowMs: () => number
  /** Ticks each second for so long; what was sent on the way. */
  readonly wait: (ms: number) => readonly (Send & { readonly atMs: number })[]
}

export type MiddleOptions = {
  readonly site: TestSite
  readonly devices: readonly TestDevice[]
  /** So many neighbours beside those named. */
  readonly strangers?: number
  readonly named?: readonly DeviceId[]
}

/** A node between neighbours that are all connected and hold nothing; 100 s after its start. */
export function middleOf(options: MiddleOptions): Middle {
  const gate = gateOf(options.site, options.devices)
  const { logs } = gate
  const objects = createObjects()
  let drawn = 0
  const sync = createSync({ logs, objects, dice: below => drawn++ % below })
  let nowMs = 100_000
  const peers = [...(options.named ?? []), ...strangers(options.strangers ?? 0)]
  for (const peer of peers) sync.connected(peer, nowMs)
  const hears = (peer: DeviceId, message: SegmentMessage): readonly Send[] => {
    const { kind } = gate.admit(message)
    const was = kind === 'admitted' ? 'news' : kind === 'duplicate' ? 'duplicate' : 'gap'
    const nextSeq = message.fromSeq + countOf(message.update)
    return sync.arrived(peer, { ...message, nextSeq, was, message }, nowMs)
  }
  return {
    ...{ logs, objects, sync, peers, hears, nowMs: () => nowMs },
    isTold: (peer, all) => {
      const news = all.filter(object => objects.add(object))
      const message = { kind: 'objects', objects: all.map(object => object.encoded) } as const
      return sync.told(peer, { all, news, message }, nowMs)
    },
    has: segment => void gate.admit(segment),
    wait: ms => {
      const sends: (Send & { readonly atMs: number })[] = []
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += 1000
        for (const send of sync.tick(nowMs)) sends.push({ ...send, atMs: nowMs })
      }
      return sends
    },
  }
}

export function strangers(count: number): readonly DeviceId[] {
  return Array.from({ length: count }, (_, i) => (i + 1).toString(16).padStart(32, '0') as DeviceId)
}

/** A log's segments as a peer would send them: one event each, from `fromSeq` on. */
export function wordsOf(log: TestLog, fromSeq = 0): readonly SegmentMessage[] {
  return log.segments(fromSeq, 1).map(segment => {
    const before = log.events()[segment.fromSeq - 1]
    const prevHash = before ? shortHash(before.hash) : new Uint8Array(0)
    return { kind: 'segment', ...segment, more: false, prevHash }
  })
}

/** What a peer says that holds this much of a log. */
export function claimOf(log: TestLog, seq: number): Message & { kind: 'have' } {
  const event = log.events()[seq]
  if (!event) throw new Error(`no event ${seq}`)
  return { kind: 'have', heads: [{ logId: log.logId, seq, hash: shortHash(event.hash) }], objects: [] }
}

export function claimOfObjects(objects: readonly SignedObject[]): Message & { kind: 'have' } {
  return { kind: 'have', heads: [], objects: objects.map(objectEntry) }
}

/** Who is sent messages of a kind. */
export function toWhom(sends: readonly Send[], kind: Message['kind']): readonly DeviceId[] {
  return sends.filter(({ message }) => message.kind === kind).map(({ to }) => to)
}

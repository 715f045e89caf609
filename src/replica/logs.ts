// The logs that this process holds, in memory: heads, hashes and elements. It is fed by the gate and by our own
// writer only, and answers with segments, which always end in a seal.
import type { Certificate } from '../identity/certificate.ts'
import type { EventRef } from '../log/body.ts'
import { eventsOf, FLAG_SEAL, type LogEvent, type LogHead } from '../log/event.ts'
import { headAfter } from '../log/writer.ts'
import type { Segment } from '../ports.ts'
import { type Remember, readAnew } from '../remember.ts'
import { type DeviceId, type EventHash, type LogId, unhex } from '../units.ts'
import type { Held } from './admit.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES, MAX_SEGMENT_EVENTS } from './canonical.ts'
import type { Cut } from './cut.ts'

/** Two branches of one log (PROTOCOL 1.8): what lies at and behind `seq` moves no fold. */
export type Fork = {
  readonly seq: number
  readonly ours: EventHash
  readonly theirs: EventHash
  /** The segment that proves it. */
  readonly evidence: Segment
}

export type Log = {
  readonly logId: LogId
  readonly certificate: Certificate
  head: LogHead
  /** By number. Of a pruned log there are holes in both below `base`, all but its first event and its last. */
  hashes: EventHash[]
  elements: Uint8Array[]
  /** What lies below was pruned; 0 where nothing was. */
  base: number
  /** What stands for that. */
  cut: Cut | undefined
  /** Value of the set's change counter when this log last grew. */
  changedAt: number
  fork: Fork | undefined
}

export type Logs = {
  readonly get: (logId: LogId) => Log | undefined
  readonly all: () => IterableIterator<Log>
  readonly count: () => number
  /** Grows with every change of any log. */
  readonly changes: () => number
  /** Logs that changed after the counter `since`, in the order of their last change; 0 gives all. */
  readonly changedSince: (since: number) => readonly Log[]
  readonly held: (logId: LogId) => Held | undefined
  /** Adds events that follow the head; the first must be number 0 of a new log. */
  readonly append: (
    certificate: Certificate,
    events: readonly LogEvent[],
    elements: readonly Uint8Array[],
  ) => Log
  /** Logs of which two branches are known. */
  readonly forked: () => IterableIterator<Log>
  readonly freeze: (logId: LogId, fork: Fork) => void
  /** Lets go of a log, of which no more is held than up to the cut, or takes note of one that others have let go of. */
  readonly prune: (cut: Cut) => void
  /** Sealed segments from `fromSeq` on, at most `most` of them. */
  readonly segments: (logId: LogId, fromSeq: number, most: number) => readonly CutSegment[]
}

/** A segment that we cut ourselves, with the number of the event behind it and the short hash of the one before it. */
export type CutSegment = Segment & { readonly nextSeq: number; readonly prevHash: Uint8Array }

const MIN_TIMELINE = 64

export function createLogs(remember: Remember = readAnew): Logs {
  const logs = new Map<LogId, Log>()
  const forked = new Set<Log>()
  let changes = 0
  // Every change appends here; entries that a later change of the same log has outdated are dropped now and then.
  let timeline: { readonly changedAt: number; readonly log: Log }[] = []
  const note = (log: Log): void => {
    changes += 1
    log.changedAt = changes
    timeline.push({ changedAt: changes, log })
    if (timeline.length > 2 * logs.size + MIN_TIMELINE)
      timeline = timeline.filter(entry => entry.log.changedAt === entry.changedAt)
  }
  return {
    get: logId => logs.get(logId),
    all: () => logs.values(),
    count: () => logs.size,
    changes: () => changes,
    changedSince: since => {
      const changed: Log[] = []
      for (let i = timeline.length - 1; i >= 0; i--) {
        const entry = timeline[i]
        if (!entry || entry.changedAt <= since) break
        if (entry.log.changedAt === entry.changedAt) changed.push(entry.log)
      }
      return changed.reverse()
    },
    held: logId => {
      const log = logs.get(logId)
      return log && { certificate: log.certificate, head: log.head, hashAt: seq => log.hashes[seq] }
    },
    append: (certificate, events, elements) => {
      const newest = events.at(-1)
      if (!newest) throw new RangeError('append needs events')
      const log = logs.get(newest.logId) ?? {
        logId: newest.logId,
        certificate,
        head: headAfter(newest),
        hashes: [],
        elements: [],
        base: 0,
        cut: undefined,
        changedAt: 0,
        fork: undefined,
      }
      for (const event of events) log.hashes.push(event.hash)
      for (const element of elements) log.elements.push(element)
      log.head = headAfter(newest)
      logs.set(log.logId, log)
      note(log)
      return log
    },
    forked: () => forked.values(),
    freeze: (logId, fork) => {
      const log = logs.get(logId)
      // Of three branches the lowest fork counts, so that the order in which they are seen does not.
      if (!log || (log.fork && log.fork.seq <= fork.seq)) return
      log.fork = fork
      forked.add(log)
      note(log)
    },
    prune: cut => {
      const { certificate, head, words } = cut
      const log = logs.get(head.logId)
      if (log && (log.head.seq > head.seq || log.base > head.seq)) return
      const [hashes, elements]: [EventHash[], Uint8Array[]] = [[], []]
      hashes[head.seq] = head.hash
      elements[head.seq] = words.last
      elements[0] = words.first
      const pruned = { head, hashes, elements, base: head.seq + 1, cut }
      if (log) note(Object.assign(log, pruned))
      else {
        const noted: Log = { logId: head.logId, certificate, ...pruned, changedAt: 0, fork: undefined }
        logs.set(noted.logId, noted)
        note(noted)
      }
    },
    segments: (logId, fromSeq, most) => {
      const log = logs.get(logId)
      return log ? cutSegments(log, { fromSeq: Math.max(fromSeq, log.base), most, remember }) : []
    },
  }
}

/** Cuts at the last seal that fits; a group between two seals is at most 64 events, so one always does. */
function cutSegments(log: Log, { fromSeq, most, remember }: Slicing): readonly CutSegment[] {
  const segments: CutSegment[] = []
  let from = fromSeq
  while (segments.length < most && from < log.elements.length) {
    const end = endOfSegment(log.elements, from)
    if (end === undefined) break
    const [first, last] = [log.elements[from], log.elements[end - 1]]
    const cut = (): Cutting => ({ last, before: log.hashes[from - 1], segment: cutOne(log, from, end) })
    // The same elements in the same places were cut in the same way, by whoever holds these very ones.
    const known = first === undefined ? cut() : remember('cut', first, cut)
    const { segment } = known
    const follows = known.last === last && known.before === log.hashes[from - 1]
    const isSame = follows && segment.nextSeq === end && segment.fromSeq === from
    segments.push(isSame && segment.logId === log.logId ? segment : cut().segment)
    from = end
  }
  return segments
}

type Slicing = { readonly fromSeq: number; readonly most: number; readonly remember: Remember }
type Cutting = {
  readonly last: Uint8Array | undefined
  readonly before: EventHash | undefined
  readonly segment: CutSegment
}

function cutOne(log: Log, fromSeq: number, nextSeq: number): CutSegment {
  const before = log.hashes[fromSeq - 1]
  const prevHash = before === undefined ? new Uint8Array(0) : shortHash(before)
  const update = encodeUpdate(fromSeq, log.elements.slice(fromSeq, nextSeq))
  return { logId: log.logId, fromSeq, update, nextSeq, prevHash }
}

/** One behind the last seal that fits into a segment from there on, or into fewer bytes; undefined where none stands there. */
export function endOfSegment(
  elements: readonly Uint8Array[],
  from: number,
  most = MAX_SEGMENT_BYTES,
): number | undefined {
  let bytes = 64
  let end: number | undefined
  for (let seq = from; seq < elements.length && seq - from < MAX_SEGMENT_EVENTS; seq++) {
    const element = elements[seq] as Uint8Array
    bytes += element.length + 16
    if (bytes > most && end !== undefined) break
    if (element[2] === FLAG_SEAL) end = seq + 1
  }
  return end
}

/** The events that are held and count, in their places: of a pruned log the first one, and what came behind the cut. */
export function heldEvents({ logId, elements, fork, base, cut }: Log): readonly LogEvent[] {
  const until = fork?.seq ?? elements.length
  if (!cut) return eventsOf(logId, elements.slice(0, until))
  const later = eventsOf(logId, elements.slice(base, until), { seq: base, prev: cut.head.hash })
  return [...eventsOf(logId, elements.slice(0, Math.min(1, until))), ...later]
}

/** First 8 bytes of a head's hash: enough to see that two heads of one number differ (PROTOCOL 8.3). */
export function shortHash(hash: EventHash): Uint8Array {
  return unhex(hash.slice(0, 16))
}

/** The newest head among a device's logs; its hybrid clock never falls, so the newest stamp is the newest event. */
export function newestOf(logs: Logs, deviceId: DeviceId): EventRef | undefined {
  const own = [...logs.all()].filter(log => log.certificate.deviceId === deviceId)
  const newest = own.toSorted((a, b) => (a.head.hlc < b.head.hlc ? -1 : 1)).at(-1)?.head
  return newest && { logId: newest.logId, seq: newest.seq, hash: newest.hash }
}

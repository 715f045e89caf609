// Whom we ask for what. A peer that claims more of a log than we hold is asked for the rest, one peer a log at a time;
// whoever leaves questions unanswered is asked ever more rarely while somebody else claims the same, so a peer that
// only claims, or that does not hear us, keeps nobody from an honest one. Where a peer's history differs from ours, its
// log is asked for from the beginning until the gate sees where they part (PROTOCOL 1.6, 1.8, 8.3).
import { type DeviceId, type LogId, sameBytes } from '../units.ts'
import { MAX_SEGMENT_BYTES } from './canonical.ts'
import type { HeadEntry } from './frontier.ts'
import { type Log, type Logs, shortHash } from './logs.ts'
import { MAX_WANT_LOGS, type Want } from './message.ts'

/** Logs asked of one peer at a time, fewer where much is missing. */
export const MAX_OUTSTANDING = 16
/** Segments a question is answered with; the last says whether there are more. */
export const WINDOW_SEGMENTS = 4
/** What may be on its way to us in answers: the answering peer's queue drops what is more, and a lost answer costs seconds. */
const IN_FLIGHT_BYTES = 768 * 1024
/** What one missing event is taken to weigh, on the heavy side. */
const EVENT_BYTES = 512
/** A question unanswered for so long may be asked of another peer. */
export const WANT_TIMEOUT_MS = 2000
/** The pause doubles with each unanswered question, so many times when others claim the log, and when nobody does. */
const MAX_DOUBLINGS = 5
const MAX_DOUBLINGS_ALONE = 2
/** Logs that a peer claims to be ahead in; more is an attack, or waits for the next announcement. */
const MAX_BEHIND = 4096

type Question = {
  readonly atMs: number
  readonly fromSeq: number
  readonly unanswered: number
  /** What the answer may weigh. */
  readonly bytes: number
  /** The end of the answer overtook its beginning and was dropped: ask on as soon as there is any progress. */
  readonly overtaken: boolean
}
type Asked = {
  readonly behind: Map<LogId, HeadEntry>
  readonly questions: Map<LogId, Question>
  /** Up to where a peer's history was compared with ours, while we look for the place where they part. */
  readonly probe: Map<LogId, number>
}

/** The segment that came: its first number, the one behind its last, and whether its sender holds more. */
export type Progress = {
  readonly logId: LogId
  readonly fromSeq: number
  readonly nextSeq: number
  readonly more: boolean
}

export type Questions = {
  /** Nobody is known to hold more than we do. */
  readonly idle: () => boolean
  readonly open: (peer: DeviceId) => void
  readonly close: (peer: DeviceId) => void
  /** The peer says that it holds a log up to there; true when that is more than we do. */
  readonly claimed: (peer: DeviceId, entry: HeadEntry) => boolean
  /** A segment of the peer's passed the gate, or was a duplicate, or left a gap. */
  readonly came: (peer: DeviceId, progress: Progress) => void
  /** This log was asked of this peer, and the answer is awaited. */
  readonly awaits: (peer: DeviceId, logId: LogId) => boolean
  /** What to ask this peer now. */
  readonly due: (peer: DeviceId, nowMs: number) => Want['logs']
}

export function createQuestions(logs: Logs): Questions {
  const peers = new Map<DeviceId, Asked>()

  /** True when we hold what the entry says, or never will: of a frozen log nothing more is taken. */
  const settled = (entry: HeadEntry): boolean => {
    const log = logs.get(entry.logId)
    if (!log) return false
    return log.fork !== undefined || (log.head.seq >= entry.seq && !differs(log, entry))
  }

  const forget = (peer: Asked, logId: LogId): void => {
    peer.behind.delete(logId)
    peer.questions.delete(logId)
    peer.probe.delete(logId)
  }

  const nextFrom = (peer: Asked, entry: HeadEntry): number => {
    const log = logs.get(entry.logId)
    if (!log) return 0
    const following = log.head.seq + 1
    return Math.min(following, peer.probe.get(entry.logId) ?? (log.head.seq >= entry.seq ? 0 : following))
  }

  const askedLately = (logId: LogId, nowMs: number): boolean => {
    for (const { questions } of peers.values()) {
      const question = questions.get(logId)
      if (question && nowMs - question.atMs < WANT_TIMEOUT_MS) return true
    }
    return false
  }

  const rests = (peer: Asked, logId: LogId, nowMs: number): boolean => {
    const question = peer.questions.get(logId)
    if (!question) return false
    let others = false
    for (const other of peers.values()) others ||= other !== peer && other.behind.has(logId)
    const doublings = Math.min(question.unanswered, others ? MAX_DOUBLINGS : MAX_DOUBLINGS_ALONE)
    return nowMs - question.atMs < WANT_TIMEOUT_MS * 2 ** doublings
  }

  const ask = (peer: Asked, entry: HeadEntry, nowMs: number): Want['logs'][number] => {
    const { logId } = entry
    const fromSeq = nextFrom(peer, entry)
    const before = peer.questions.get(logId)
    const missing = Math.max(1, entry.seq - fromSeq + 1)
    const bytes = Math.min(missing * EVENT_BYTES, WINDOW_SEGMENTS * MAX_SEGMENT_BYTES)
    peer.questions.set(logId, {
      ...{ atMs: nowMs, fromSeq, bytes },
      unanswered: before ? before.unanswered + 1 : 0,
      overtaken: false,
    })
    const log = logs.get(logId)
    const follows = log !== undefined && fromSeq === log.head.seq + 1
    return { logId, fromSeq, prevHash: follows ? shortHash(log.head.hash) : new Uint8Array(0) }
  }

  return {
    idle: () => {
      for (const { behind } of peers.values()) if (behind.size > 0) return false
      return true
    },
    open: id => {
      peers.set(id, { behind: new Map(), questions: new Map(), probe: new Map() })
    },
    close: id => {
      peers.delete(id)
    },
    claimed: (id, entry) => {
      const peer = peers.get(id)
      if (!peer || settled(entry)) return false
      if (peer.behind.size < MAX_BEHIND || peer.behind.has(entry.logId)) peer.behind.set(entry.logId, entry)
      return true
    },
    came: (id, { logId, fromSeq, nextSeq, more }) => {
      const peer = peers.get(id)
      if (!peer) return
      const headSeq = logs.get(logId)?.head.seq ?? -1
      if (!peer.behind.has(logId) && headSeq < nextSeq - 1 && peer.behind.size < MAX_BEHIND) {
        peer.behind.set(logId, { logId, seq: nextSeq - 1, hash: new Uint8Array(0) })
      }
      const entry = peer.behind.get(logId)
      if (!entry) return
      if (settled(entry)) {
        forget(peer, logId)
        return
      }
      // What came lies below our head although we want what is above: its history differs from ours somewhere.
      if (headSeq >= entry.seq || nextSeq <= headSeq) {
        peer.probe.set(logId, Math.max(nextSeq, peer.probe.get(logId) ?? 0))
      } else peer.probe.delete(logId)
      const question = peer.questions.get(logId)
      if (!question) return
      const overtaken = question.overtaken || (more && fromSeq > headSeq + 1)
      // Asked again at once only for what lies further on: a doubled answer must not double the questions.
      const isFurther = nextFrom(peer, entry) > question.fromSeq
      if (isFurther && (more || overtaken)) peer.questions.delete(logId)
      else peer.questions.set(logId, { ...question, overtaken, ...(isFurther && { unanswered: 0 }) })
    },
    awaits: (id, logId) => peers.get(id)?.questions.has(logId) ?? false,
    due: (id, nowMs) => {
      const peer = peers.get(id)
      if (!peer || peer.behind.size === 0) return []
      const wanted: Want['logs'][number][] = []
      let free = MAX_OUTSTANDING
      let room = IN_FLIGHT_BYTES
      for (const { atMs, bytes } of peer.questions.values()) {
        if (nowMs - atMs >= WANT_TIMEOUT_MS) continue
        free -= 1
        room -= bytes
      }
      for (const [logId, entry] of peer.behind) {
        if (wanted.length >= MAX_WANT_LOGS || free <= 0 || room <= 0) break
        if (settled(entry)) forget(peer, logId)
        else if (!askedLately(logId, nowMs) && !rests(peer, logId, nowMs)) {
          wanted.push(ask(peer, entry, nowMs))
          free -= 1
          room -= peer.questions.get(logId)?.bytes ?? 0
        }
      }
      return wanted
    },
  }
}

function differs(log: Log, entry: HeadEntry): boolean {
  const ours = entry.hash.length === 8 ? log.hashes[entry.seq] : undefined
  return ours !== undefined && !sameBytes(shortHash(ours), entry.hash)
}

// The log that this process writes itself: one an epoch, opened with the first event that is written after a boot, after the log
// was full, frozen or left (PROTOCOL 1.4). Its hybrid clock never falls behind anything that was heard.
import { invariant } from './errors.ts'
import type { Certificate } from './identity/certificate.ts'
import type { Signatures } from './identity/signature.ts'
import type { Times } from './ledger.ts'
import type { AnyBody, BodyOf } from './log/body.ts'
import { encodeElement, type LogEvent } from './log/event.ts'
import { type Hlc, hlcOf, merge } from './log/hlc.ts'
import { logIdOf, MAX_LOG_EVENTS, type Writer, write } from './log/writer.ts'
import type { Random } from './ports.ts'
import { type CutSegment, type Logs, newestOf } from './replica/logs.ts'
import { type DeviceId, type EpochId, hex, type LogId } from './units.ts'

export type OwnLogDeps = {
  readonly logs: Logs
  readonly signatures: Signatures
  readonly deviceId: DeviceId
  readonly logKey: Uint8Array
  readonly random: Random
  readonly ownCertificate: () => Certificate
  /** What the next epoch says of itself; asked once for each. */
  readonly openBody: () => Omit<BodyOf<'epoch_open'>, 'epochId' | 'certHash' | 'prev'>
  readonly take: (events: readonly LogEvent[], elements: readonly Uint8Array[], author: Certificate) => void
}

export type OwnLog = {
  readonly logId: () => LogId | undefined
  readonly hlc: () => Hlc
  /** Another's stamp, bounded by our clock. */
  readonly heard: (hlc: Hlc, wallMs: number) => void
  /** A stamp of our own, whatever the clock says. */
  readonly goesOnFrom: (hlc: Hlc) => void
  readonly write: (bodies: readonly AnyBody[], times: Times) => readonly LogEvent[]
  /** The next event opens another log. */
  readonly leave: () => void
  /** The same, and says so at the end of this one. */
  readonly rotate: (times: Times) => void
  readonly resume: () => void
  /** Sealed segments of what was written since the last call. */
  readonly takeAuthored: () => readonly CutSegment[]
}

type Epoch = { writer: Writer; readonly certificate: Certificate; openedAtMs: number }

export function createOwnLog(deps: OwnLogDeps): OwnLog {
  const { logs, signatures, deviceId, logKey, take } = deps
  const authored = new Map<LogId, number>()
  let hlc: Hlc = hlcOf(0)
  let epoch: Epoch | undefined

  const openEpoch = (times: Times): AnyBody => {
    const epochId = hex<EpochId>(deps.random.bytes(16))
    const own = deps.ownCertificate()
    const prev = newestOf(logs, deviceId)
    const writer = { logId: logIdOf(deviceId, epochId), logKey, signatures, head: undefined }
    epoch = { writer, certificate: own, openedAtMs: times.monotonicMs }
    return {
      name: 'epoch_open',
      body: { epochId, certHash: own.hash, ...(prev && { prev }), ...deps.openBody() },
    }
  }

  const append = (bodies: readonly AnyBody[], times: Times): readonly LogEvent[] => {
    invariant(epoch !== undefined, 'an epoch is open before events are written')
    const time = { hlc, wallMs: times.wallMs, monoMs: Math.max(0, times.monotonicMs - epoch.openedAtMs) }
    const events = write(epoch.writer, bodies, time)
    const newest = events.at(-1)
    const first = events[0]
    if (!newest || !first) return events
    hlc = newest.hlc
    const elements = events.map(encodeElement)
    take(events, elements, epoch.certificate)
    epoch.writer = { ...epoch.writer, head: logs.get(newest.logId)?.head }
    if (!authored.has(newest.logId)) authored.set(newest.logId, first.seq)
    return events
  }

  const close = (times: Times): readonly LogEvent[] => {
    const head = epoch?.writer.head
    if (!head) return []
    const events = append([{ name: 'epoch_close', body: { finalSeq: head.seq + 1 } }], times)
    epoch = undefined
    return events
  }

  return {
    logId: () => epoch?.writer.logId,
    hlc: () => hlc,
    heard: (theirs, wallMs) => {
      hlc = merge(hlc, theirs, wallMs)
    },
    goesOnFrom: own => {
      if (own > hlc) hlc = own
    },
    write: (bodies, times) => {
      const head = epoch?.writer.head
      // One place is kept for the closing event itself.
      const isFull = head && head.seq + 1 + bodies.length + 1 >= MAX_LOG_EVENTS
      const closing = isFull ? close(times) : []
      const opened = epoch === undefined ? append([openEpoch(times)], times) : []
      return [...closing, ...opened, ...append(bodies, times)]
    },
    leave: () => {
      epoch = undefined
    },
    rotate: times => void close(times),
    resume: () => {
      const newest = newestOf(logs, deviceId)
      const log = newest && logs.get(newest.logId)
      if (!log || log.head.closed || log.fork) return
      const writer = { logId: log.head.logId, logKey, signatures, head: log.head }
      if (log.head.hlc > hlc) hlc = log.head.hlc
      // Its clock goes on from its last event: `write` never lets mono_ms fall.
      epoch = { writer, certificate: log.certificate, openedAtMs: Number.POSITIVE_INFINITY }
    },
    takeAuthored: () => {
      const mine = [...authored].flatMap(([logId, fromSeq]) =>
        logs.segments(logId, fromSeq, Number.MAX_SAFE_INTEGER),
      )
      authored.clear()
      return mine
    },
  }
}

// The ledger: all logs and objects that this node holds, with the view folded from them, and the log that it
// writes itself. Everything enters through `admit` or `write`; whatever entered waits in `takePending` for
// node.ts to make it durable before anybody hears of it.
import { createChains } from './chains.ts'
import { invariant } from './errors.ts'
import { createFolds } from './folds.ts'
import type { Certificate, CertificateVerdict } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { Signatures } from './identity/signature.ts'
import { type AnyBody, type BodyOf, TYPE_NUMBERS } from './log/body.ts'
import { encodeElement, type LogEvent } from './log/event.ts'
import { type Hlc, hlcOf, merge, wallOf } from './log/hlc.ts'
import { type ObjectVerdict, readObject } from './log/object.ts'
import { logIdOf, MAX_LOG_EVENTS, type Writer, write } from './log/writer.ts'
import type { Random, Segment } from './ports.ts'
import { type Remember, readAnew } from './remember.ts'
import { type Admission, admit, type GateDeps } from './replica/admit.ts'
import { type CutSegment, createLogs, type Logs, newestOf } from './replica/logs.ts'
import { createNewsClock, type News, type NewsClock } from './replica/news.ts'
import { createObjects, type Objects } from './replica/objects.ts'
import { ackedSeq } from './replica/receipts.ts'
import { type LedgerRecord, RECORD, recoverRecord, segmentRecord } from './store/records.ts'
import { type DeviceId, type EpochId, hex, type LogId, sameBytes } from './units.ts'
import { isOperators, type View } from './view.ts'

/** Forks of one log that are kept; whoever holds its key could make thousands, and each is journalled and spread. */
const MAX_FORKS = 16
/** Events written without looking whether the log is full; an operator's import is longer than a log may be. */
const MAX_TOGETHER = 1024

export type LedgerDeps = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly certificate: Certificate
  readonly logKey: Uint8Array
  readonly random: Random
  readonly swVersion: string
  readonly remember?: Remember
}

export type Times = { readonly wallMs: number; readonly monotonicMs: number }

export type Pending = { readonly records: readonly LedgerRecord[]; readonly authored: readonly CutSegment[] }

export type Ledger = {
  readonly logs: Logs
  readonly objects: Objects
  readonly view: () => View
  readonly admit: (segment: Segment, times: Times) => Admission
  readonly admitObject: (encoded: Uint8Array) => ObjectVerdict & { readonly news: boolean }
  readonly enrol: (encoded: Uint8Array) => CertificateVerdict
  /** A peer proved itself with these: its logs can be read after a reboot only if they are kept. */
  readonly keepCertificates: (peer: DeviceId) => void
  /** No certificate of the device that this node has seen stands (PROTOCOL 2.6). */
  readonly isRevoked: (deviceId: DeviceId) => boolean
  readonly isVoid: (certificate: Certificate) => boolean
  /** The newest certificate of our own that this ledger has heard of: the operator renews it without being asked. */
  readonly ownCertificate: () => Certificate
  /** A certificate and the one that issued it, issuer first. */
  readonly chainOf: (certificate: Certificate) => readonly Uint8Array[]
  /** Writes events of our own; opens an epoch when none is open, and a new one when it is full. */
  readonly write: (bodies: readonly AnyBody[], times: Times) => readonly LogEvent[]
  /** Folds again without what lies behind lower forks, when that is due. */
  readonly refold: (nowMs: number) => void
  /** Gives a record of the journal back; what does not pass the gate any more is counted and left out. */
  readonly recover: (held: LedgerRecord) => void
  readonly recovered: (
    store: BodyOf<'epoch_open'>['storeState'],
    boot: BodyOf<'epoch_open'>['bootReason'],
    wallMs: number,
  ) => void
  /** Goes on with our newest log instead of opening one: only for a tool whose store is provably intact (PROTOCOL 2.1). */
  readonly resume: () => void
  readonly takePending: () => Pending
  readonly ownLog: () => LogId | undefined
  readonly rejectedOnRecovery: () => number
  /** Number of the newest event of a log that the cloud has acked; -1 for none. */
  readonly ackedSeq: (logId: LogId) => number
  /** How old the operator's news is, and what time it is at the least. */
  readonly news: (times: Times) => News
  readonly knownSince: NewsClock['knownSince']
}

type Epoch = { writer: Writer; readonly certificate: Certificate; openedAtMs: number }

export function createLedger(deps: LedgerDeps): Ledger {
  const { roster, signatures, certificate } = deps
  const remember = deps.remember ?? readAnew
  const logs = createLogs(remember)
  const objects = createObjects()
  const folds = createFolds(roster, logs, remember)
  const newsClock = createNewsClock(logs, objects, folds.isRevoked)
  let isRecovering = true
  let hlc: Hlc = hlcOf(0)
  let epoch: Epoch | undefined
  let opening: Pick<BodyOf<'epoch_open'>, 'storeState' | 'bootReason'> = {
    storeState: 'fresh',
    bootReason: 'start',
  }
  let rejected = 0
  const forks = new Map<LogId, number>()
  const records: LedgerRecord[] = []
  const chains = createChains(roster, record => records.push(record))
  const authored = new Map<LogId, number>()

  const take = (events: readonly LogEvent[], elements: readonly Uint8Array[], author: Certificate): void => {
    const log = logs.append(author, events, elements)
    folds.take(log, events)
    if (!isRecovering || author.deviceId !== certificate.deviceId) return
    newsClock.worked(log.logId, { monoMs: log.head.monoMs, writtenAt: wallOf(log.head.hlc) })
  }

  /** True when that was news: a fork, or one further down than the one that is known. */
  const freeze = (segment: Segment, fork: Extract<Admission, { kind: 'fork' }>): boolean => {
    const { logId, fromSeq, update } = segment
    const known = logs.get(logId)?.fork
    const count = forks.get(logId) ?? 0
    if ((known && known.seq <= fork.seq) || count >= MAX_FORKS) return false
    forks.set(logId, count + 1)
    const { seq, ours, theirs } = fork
    logs.freeze(logId, { seq, ours, theirs, evidence: { logId, fromSeq, update } })
    // Nothing that we wrote behind the fork of our own log would count: the next event opens a new one.
    if (epoch?.writer.logId === logId) epoch = undefined
    folds.forked(known !== undefined)
    return true
  }

  /** A frozen log takes nothing more; behind its fork nothing is even judged, because its prev may be of either branch. */
  const admitSegment = (segment: Segment, seals: GateDeps['seals'] = 'all'): Admission => {
    const known = logs.get(segment.logId)?.fork
    if (known && segment.fromSeq > known.seq) return { kind: 'duplicate' }
    const admission = admit({ roster, signatures, remember, seals }, segment, logs.held(segment.logId))
    if (admission.kind === 'fork') return freeze(segment, admission) ? admission : { kind: 'duplicate' }
    if (admission.kind === 'admitted') {
      if (known) return { kind: 'duplicate' }
      take(admission.events, admission.elements, admission.certificate)
    }
    return admission
  }

  /** Whoever has our log key is us; only the peer key could differ. */
  const ownCertificate = (): Certificate => {
    const held = roster.ofDevice(certificate.deviceId)
    // Whoever has a withdrawn issuer's key can sign greater serials over our keys: those say nothing.
    const counts = held.filter(one => sameBytes(one.peerKey, certificate.peerKey) && !folds.isRevoked(one))
    return counts[0] ?? certificate
  }

  const openEpoch = (times: Times): AnyBody => {
    const epochId = hex<EpochId>(deps.random.bytes(16))
    const own = ownCertificate()
    const prev = newestOf(logs, certificate.deviceId)
    epoch = {
      writer: {
        logId: logIdOf(certificate.deviceId, epochId),
        logKey: deps.logKey,
        signatures,
        head: undefined,
      },
      certificate: own,
      openedAtMs: times.monotonicMs,
    }
    const body = {
      epochId,
      certHash: own.hash,
      siteId: roster.siteId,
      ...(prev && { prev }),
      ...opening,
      swVersion: deps.swVersion,
      policyHead: folds.current().policyHeads(),
    }
    opening = { storeState: 'intact', bootReason: 'rotate' }
    return { name: 'epoch_open', body }
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

  const writeTogether = (bodies: readonly AnyBody[], times: Times): readonly LogEvent[] => {
    const head = epoch?.writer.head
    const closing: LogEvent[] = []
    // One place is kept for the closing event itself.
    if (head && head.seq + 1 + bodies.length + 1 >= MAX_LOG_EVENTS) {
      closing.push(...append([{ name: 'epoch_close', body: { finalSeq: head.seq + 1 } }], times))
      epoch = undefined
    }
    const opened = epoch === undefined ? append([openEpoch(times)], times) : []
    return [...closing, ...opened, ...append(bodies, times)]
  }

  const keep = (segment: Segment): void => {
    records.push(remember('record', segment.update, () => segmentRecord('segment', segment)))
  }

  return {
    logs,
    objects,
    view: folds.current,
    admit: (segment, times) => {
      const admission = admitSegment(segment)
      if (admission.kind === 'admitted') {
        const first = admission.events[0]
        hlc = merge(hlc, admission.head.hlc, times.wallMs)
        for (const { type, hash } of isOperators(admission.certificate) ? admission.events : [])
          if (type === TYPE_NUMBERS.revoke) newsClock.heard(hash, times.wallMs)
        // Before its first segment: without the certificate the log could not be read after a reboot.
        if (first?.seq === 0) chains.keep(chains.of(admission.certificate))
        keep(admission.segment)
      } else if (admission.kind === 'fork') {
        records.push(segmentRecord('fork', segment))
      }
      return admission
    },
    admitObject: encoded => {
      const verdict = readObject({ roster, signatures, remember }, encoded)
      const news = verdict.kind === 'valid' && objects.add(verdict.object)
      // Signs of life are worth nothing after a minute: they are not kept.
      if (news && verdict.object.kind !== 'uplink') records.push({ kind: RECORD.object, payload: encoded })
      return { ...verdict, news }
    },
    enrol: encoded => {
      const verdict = roster.enrol(encoded)
      if (verdict.kind === 'valid') chains.keep([verdict.certificate])
      return verdict
    },
    keepCertificates: peer => {
      const proven = roster.byDevice(peer)
      if (proven) chains.keep(chains.of(proven))
    },
    isVoid: folds.isRevoked,
    isRevoked: deviceId => {
      const held = roster.ofDevice(deviceId)
      return held.length > 0 && held.every(folds.isRevoked)
    },
    ownCertificate,
    chainOf: author => chains.of(author).map(one => one.encoded),
    write: (bodies, times) => {
      const events: LogEvent[] = []
      for (let i = 0; i < bodies.length; i += MAX_TOGETHER)
        events.push(...writeTogether(bodies.slice(i, i + MAX_TOGETHER), times))
      return events
    },
    refold: folds.refold,
    recover: held => {
      if (held.kind === RECORD.certificate) chains.recovered(held.payload)
      const again = (segment: Segment): Admission => admitSegment(segment, 'last')
      const recovery = { roster, admitSegment: again, addObject: objects.add, signatures }
      if (!recoverRecord(recovery, held)) rejected += 1
    },
    recovered: (storeState, bootReason, wallMs) => {
      opening = { storeState, bootReason }
      isRecovering = false
      // Others' stamps are bounded: a clock that lies must not become ours at the next boot. Our own must never
      // fall behind, even when this boot begins in 1970.
      for (const log of logs.all()) {
        const own = log.certificate.deviceId === certificate.deviceId
        if (own && log.head.hlc > hlc) hlc = log.head.hlc
        if (!own) hlc = merge(hlc, log.head.hlc, wallMs)
      }
      folds.settle()
    },
    resume: () => {
      const newest = newestOf(logs, certificate.deviceId)
      const head = newest && logs.get(newest.logId)?.head
      if (!newest || !head || head.closed || logs.get(newest.logId)?.fork) return
      const writer = { logId: head.logId, logKey: deps.logKey, signatures, head }
      if (head.hlc > hlc) hlc = head.hlc
      // Its clock goes on from its last event: `write` never lets mono_ms fall.
      const { certificate: author } = logs.get(newest.logId) ?? { certificate }
      epoch = { writer, certificate: author, openedAtMs: Number.POSITIVE_INFINITY }
    },
    takePending: () => {
      const mine = [...authored].flatMap(([logId, fromSeq]) =>
        logs.segments(logId, fromSeq, Number.MAX_SAFE_INTEGER),
      )
      for (const segment of mine) keep(segment)
      authored.clear()
      return { records: records.splice(0), authored: mine }
    },
    ownLog: () => epoch?.writer.logId,
    rejectedOnRecovery: () => rejected,
    ackedSeq: logId => ackedSeq({ logs, objects }, logId),
    news: times => newsClock.read(times, Math.max(wallOf(hlc), certificate.notBeforeAt)),
    knownSince: newsClock.knownSince,
  }
}

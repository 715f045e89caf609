// The ledger: all logs and objects that this node holds, with the view folded from them, and the log that it
// writes itself. Everything enters through `admit` or `write`; whatever entered waits in `takePending` for
// node.ts to make it durable before anybody hears of it.
import { createChains } from './chains.ts'
import { createFolds } from './folds.ts'
import type { Certificate, CertificateVerdict } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { Signatures } from './identity/signature.ts'
import { type AnyBody, type BodyOf, TYPE_NUMBERS } from './log/body.ts'
import type { LogEvent } from './log/event.ts'
import { wallOf } from './log/hlc.ts'
import { type ObjectVerdict, readObject } from './log/object.ts'
import { createOwnLog } from './own-log.ts'
import type { Random, Segment } from './ports.ts'
import { type Remember, readAnew } from './remember.ts'
import { type Admission, admit, type GateDeps } from './replica/admit.ts'
import { type Cut, type CutVerdict, type CutWords, cutWordsOf, readCut } from './replica/cut.ts'
import { type CutSegment, createLogs, heldEvents, type Logs } from './replica/logs.ts'
import { createNewsClock, type News, type NewsClock } from './replica/news.ts'
import { createObjects, type Objects } from './replica/objects.ts'
import { ackedSeq } from './replica/receipts.ts'
import { cutRecord, type LedgerRecord, RECORD, recoverRecord, segmentRecord } from './store/records.ts'
import { type DeviceId, type LogId, sameBytes } from './units.ts'
import { isOperators, type View } from './view.ts'

/** Forks of one log that are kept; whoever holds its key could make thousands, and each is journalled and spread. */
const MAX_FORKS = 16
/** Events written without looking whether the log is full; an operator's import is longer than a log may be. */
const MAX_TOGETHER = 1024
/** Nobody is told to keep less, and nobody is believed to have let go sooner (PROTOCOL 1.11). */
export const LEAST_RETENTION_MS = 7 * 24 * 3600 * 1000

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

/** `held`: no news, or ours is needed still. `young`: no honest node lets go of it so soon. */
export type CutAdmission =
  | { readonly kind: 'taken' | 'held' | 'young' }
  | Extract<CutVerdict, { kind: 'refused' }>

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
  /** Closes our log and opens another with the next event, so that this one can be let go of some day. */
  readonly rotate: (times: Times) => void
  /** Lets go of logs that an ack of ours covers wholly (pruning.ts says which); the journal is told first. */
  readonly prune: (logIds: readonly LogId[]) => readonly LogId[]
  /** What a peer has let go of, in the place of what it was asked for. */
  readonly admitCut: (words: CutWords) => CutAdmission
  readonly takePending: () => Pending
  readonly ownLog: () => LogId | undefined
  readonly rejectedOnRecovery: () => number
  /** Number of the newest event of a log that the cloud has acked; -1 for none. */
  readonly ackedSeq: (logId: LogId) => number
  /** How old the operator's news is, and what time it is at the least. */
  readonly news: (times: Times) => News
  readonly knownSince: NewsClock['knownSince']
}

export function createLedger(deps: LedgerDeps): Ledger {
  const { roster, signatures, certificate } = deps
  const remember = deps.remember ?? readAnew
  const logs = createLogs(remember)
  const objects = createObjects()
  const folds = createFolds(roster, logs, remember)
  const newsClock = createNewsClock(logs, objects, folds.isRevoked)
  let isRecovering = true
  let opening: Pick<BodyOf<'epoch_open'>, 'storeState' | 'bootReason'> = {
    storeState: 'fresh',
    bootReason: 'start',
  }
  let rejected = 0
  const forks = new Map<LogId, number>()
  const gaps = new Map<LogId, number>()
  const records: LedgerRecord[] = []
  const chains = createChains(roster, record => records.push(record))

  const openBody = (): Omit<BodyOf<'epoch_open'>, 'epochId' | 'certHash' | 'prev'> => {
    const said = { siteId: roster.siteId, ...opening, swVersion: deps.swVersion }
    opening = { storeState: 'intact', bootReason: 'rotate' }
    return { ...said, policyHead: folds.current().policyHeads() }
  }

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
    if (own.logId() === logId) own.leave()
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

  const own = createOwnLog({
    ...{ logs, take, openBody, ownCertificate, signatures },
    ...{ deviceId: certificate.deviceId, logKey: deps.logKey, random: deps.random },
  })

  const letGo = (cut: Cut): boolean => {
    chains.keep(chains.of(cut.certificate))
    records.push(cutRecord(cut.words))
    logs.prune(cut)
    folds.pruned()
    return logs.get(cut.head.logId)?.cut === cut
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
        own.heard(admission.head.hlc, times.wallMs)
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
        events.push(...own.write(bodies.slice(i, i + MAX_TOGETHER), times))
      return events
    },
    refold: folds.refold,
    recover: held => {
      if (held.kind === RECORD.certificate) chains.recovered(held.payload)
      const again = (segment: Segment): Admission => {
        const admission = admitSegment(segment, 'last')
        // A file that was removed with a pruned log's beginning came back, or its end was on its way out.
        if (admission.kind === 'gap') gaps.set(segment.logId, (gaps.get(segment.logId) ?? 0) + 1)
        return admission
      }
      const prune = (cut: Cut): void => {
        rejected -= gaps.get(cut.head.logId) ?? 0
        gaps.delete(cut.head.logId)
        const wasRead = logs.get(cut.head.logId) !== undefined
        logs.prune(cut)
        const log = logs.get(cut.head.logId)
        // The power went before the journal was written anew: what stands in it counts no more. Else only the first event is news.
        if (wasRead) folds.pruned()
        else if (log) folds.take(log, heldEvents(log))
      }
      const recovery = { roster, admitSegment: again, addObject: objects.add, prune, signatures }
      if (!recoverRecord(recovery, held)) rejected += 1
    },
    recovered: (storeState, bootReason, wallMs) => {
      opening = { storeState, bootReason }
      isRecovering = false
      // Others' stamps are bounded: a clock that lies must not become ours at the next boot. Our own must never
      // fall behind, even when this boot begins in 1970.
      for (const log of logs.all()) {
        if (log.certificate.deviceId === certificate.deviceId) own.goesOnFrom(log.head.hlc)
        else own.heard(log.head.hlc, wallMs)
      }
      folds.settle()
    },
    resume: own.resume,
    rotate: own.rotate,
    prune: logIds =>
      logIds.filter(logId => {
        const [log, ack] = [logs.get(logId), objects.get(`ack/${logId}`)]
        const words = log && ack && cutWordsOf(log, ack.encoded)
        const verdict = words && readCut({ roster, signatures }, words)
        return verdict?.kind === 'valid' && letGo(verdict.cut)
      }),
    admitCut: words => {
      const verdict = readCut({ roster, signatures }, words)
      if (verdict.kind === 'refused') return verdict
      const { ack, head, signer } = verdict.cut
      if (objects.signedAt() - ack.issuedAt < LEAST_RETENTION_MS) return { kind: 'young' }
      const log = logs.get(head.logId)
      // Branches are evidence; and of what we hold the cloud may have lost since what it once acknowledged.
      const isVoid = ack.cloudEpoch < objects.cloudEpoch() || folds.isRevoked(signer)
      const isNeeded = log && (log.fork !== undefined || isVoid)
      if (isNeeded || (log?.head.seq ?? -1) >= head.seq) return { kind: 'held' }
      letGo(verdict.cut)
      return { kind: 'taken' }
    },
    takePending: () => {
      const mine = own.takeAuthored()
      for (const segment of mine) keep(segment)
      return { records: records.splice(0), authored: mine }
    },
    ownLog: own.logId,
    rejectedOnRecovery: () => rejected,
    ackedSeq: logId => ackedSeq({ logs, objects }, logId),
    news: times => newsClock.read(times, Math.max(wallOf(own.hlc()), certificate.notBeforeAt)),
    knownSince: newsClock.knownSince,
  }
}

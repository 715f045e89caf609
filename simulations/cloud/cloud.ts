// The cloud of a simulated site, behind the door that has authenticated a push: what a world may do to a cloud and ask of
// it, and the cloud in memory. Production code in it: the gate, the roster, heads and hashes of logs, the fold and its
// columns, the judgement of bills, the signing of acks. Modelled, because production has it as SQL: the order of a push
// (ingest.ts, here), versions of acks (cloud-acks.ts), exclusions and gaps (cloud-devices.ts), what is folded again and
// which rows that writes (cloud-ledger.ts). cloud-postgres.ts is production throughout; one contract binds both.
import type { CloudState } from '../../src/billing/judge.ts'
import type { Bill } from '../../src/billing/revisions.ts'
import type { Gap } from '../../src/cloud/gaps.ts'
import { logsIn } from '../../src/cloud/pushing.ts'
import { isLost } from '../../src/cloud/regression.ts'
import type { Signatures } from '../../src/identity/signature.ts'
import { readObject } from '../../src/log/object.ts'
import type { Clock, Logger, Push, PushAnswer, Segment } from '../../src/ports.ts'
import { type Admission, admit } from '../../src/replica/admit.ts'
import { countOf } from '../../src/replica/canonical.ts'
import {
  type ChargerId,
  type EventHash,
  hex,
  type LogId,
  type SessionId,
  type SiteId,
} from '../../src/units.ts'
import { UplinkFailed } from '../../src/uplink/http.ts'
import { apply, type Commit, type Committed, openTables, type Step, type Tables, take } from './commit.ts'
import { wordsFor } from './downwards.ts'
import { emptyTouched, type Touched } from './ledger.ts'

export type CloudSession = {
  readonly sessionId: SessionId
  readonly chargerId: ChargerId
  readonly meterStartWh: number
  readonly meterStopWh?: number
  readonly energyWh?: number
  readonly state: CloudState
  readonly flags: readonly string[]
}
export type CloudBill = Omit<Bill, 'inputHash'> & {
  readonly sessionId: SessionId
  readonly chargerId: ChargerId
  readonly meterStartWh: number
}
export type CloudHead = { readonly seq: number; readonly hash: EventHash; readonly forkSeq?: number }

export type SimulatedCloud = {
  /** What a receiver does with a push: verify, commit, ack. Rejects with UPLINK_FAILED while it is down. */
  readonly push: (push: Push) => Promise<PushAnswer>
  readonly down: (on: boolean) => void
  /** The commits of the last so many ms are gone; a new epoch of the cloud (PROTOCOL 3.5). */
  readonly failover: (losesMs: number) => Promise<void>
  /** What it acknowledged in the last so many ms was never committed: gone, and the epoch is the same. */
  readonly forget: (losesMs: number) => Promise<void>
  /** A backup of so long ago is restored; a new epoch of the cloud. */
  readonly restore: (ageMs: number) => Promise<void>
  /** Bills provisionally what has been silent for too long, as src/cloud/finalise.ts. */
  readonly finalise: () => Promise<void>
  /** By session id. */
  readonly sessions: () => Promise<readonly CloudSession[]>
  /** By session id and revision. */
  readonly bills: () => Promise<readonly CloudBill[]>
  readonly heads: () => Promise<ReadonlyMap<LogId, CloudHead>>
  readonly gaps: () => Promise<readonly Gap[]>
  readonly epoch: () => number
  readonly counters: () => CloudCounters
  readonly close: () => Promise<void>
}

export type CloudDeps = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  /** Encoded; known from the start, issuers before devices. */
  readonly certificates: readonly Uint8Array[]
  /** Encoded certificate of role `cloud`, and the seed of its log key. */
  readonly cloud: { readonly certificate: Uint8Array; readonly logKey: Uint8Array }
  readonly signatures: Signatures
  /** The cloud's own; monotonicMs says how old a commit is. */
  readonly clock: Clock
  readonly logger: Logger
}

export type CloudCounters = {
  readonly pushes: number
  /** Events that came again, in logs of which nothing was refused. */
  readonly duplicateEvents: number
  /** By the first word of the reason; one a log and push. */
  readonly refused: Readonly<Record<string, number>>
}

export type Counting = {
  /** `grownBy`: events of a log that this push committed. */
  readonly add: (push: Push, refused: PushAnswer['refused'], grownBy: (logId: LogId) => number) => void
  readonly read: () => CloudCounters
}

export function createCounters(): Counting {
  let pushes = 0
  let duplicateEvents = 0
  const refused = new Map<string, number>()
  return {
    add: (push, refusals, grownBy) => {
      pushes += 1
      const bad = new Set(refusals.map(one => one.logId))
      const good = push.segments.filter(segment => !bad.has(segment.logId))
      for (const { update } of good) duplicateEvents += countOf(update)
      for (const logId of new Set(good.map(segment => segment.logId))) duplicateEvents -= grownBy(logId)
      for (const { reason } of refusals) {
        const [word = reason] = reason.split(' ')
        refused.set(word, (refused.get(word) ?? 0) + 1)
      }
    },
    read: () => ({
      ...{ pushes, duplicateEvents },
      refused: Object.fromEntries([...refused].sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  }
}

/** A receiver whose database is away answers 503 and a time to come back, spread so that not all come at once. */
export function away(pushes: number): UplinkFailed {
  const detail = { status: 503, retryAfterMs: 5_000 + (pushes % 10) * 1_000 }
  return new UplinkFailed('the cloud answered 503: busy', detail)
}

/** What survives a rewind was verified when it came; what was refused then, within a log that was taken, is refused again. */
export function verifyingOnce(signatures: Signatures, isAgain: () => boolean): Signatures {
  const refused = new Set<string>()
  return {
    ...signatures,
    verify: (...asked) => {
      if (isAgain()) return refused.size === 0 || !refused.has(asked.map(one => hex(one)).join('/'))
      const isGood = signatures.verify(...asked)
      if (!isGood) refused.add(asked.map(one => hex(one)).join('/'))
      return isGood
    },
  }
}

export function memoryCloud(deps: CloudDeps): SimulatedCloud {
  const { clock } = deps
  const counters = createCounters()
  let [cloudEpoch, isDown, isReplay, tries] = [1, false, false, 0]
  let journal: Committed[] = []
  const signatures = verifyingOnce(deps.signatures, () => isReplay)
  let tables = openTables({ ...deps, signatures }, cloudEpoch)

  const run = (commit: Commit): void => {
    const made = { atMs: clock.monotonicMs(), wallAt: clock.wallMs(), commit }
    apply(tables, made)
    journal.push(made)
  }
  /** Each step is there for the next one; what all of them say is folded at the end, and they are one commit. */
  const runSteps = <T>(ofPush: (step: (one: Step) => void) => T): T => {
    const [steps, touched]: [Step[], Touched] = [[], emptyTouched()]
    const made = { atMs: clock.monotonicMs(), wallAt: clock.wallMs() }
    const answer = ofPush(one => {
      take(tables, one, touched)
      steps.push(one)
    })
    if (steps.length === 0) return answer
    tables.ledger.refold(touched, { nowAt: made.wallAt, finalise: new Set() })
    journal.push({ ...made, commit: { kind: 'push', steps } })
    return answer
  }
  const enrol = (encoded: Uint8Array): void => {
    const verdict = tables.roster.enrol(encoded)
    if (verdict.kind === 'refused') deps.logger.warn('certificate-refused', { reason: verdict.reason })
    else if (!tables.known.has(verdict.certificate.hash)) run({ kind: 'certificate', encoded })
  }
  const rewind = async (ageMs: number, epochs = 1): Promise<void> => {
    const untilMs = clock.monotonicMs() - ageMs
    journal = journal.filter(made => made.atMs <= untilMs)
    cloudEpoch += epochs
    isReplay = true
    tables = openTables({ ...deps, signatures }, cloudEpoch)
    for (const made of journal) apply(tables, made)
    isReplay = false
  }
  const headOf = (logId: LogId) => tables.logs.get(logId)?.head
  /** As src/cloud/regression.ts. */
  const heedClaims = async (objects: readonly Uint8Array[]): Promise<void> => {
    const lost = objects.flatMap(encoded => {
      const verdict = readObject({ roster: tables.roster, signatures }, encoded)
      const ack = verdict.kind === 'valid' && verdict.object.kind === 'ack' ? verdict.object.body : undefined
      return ack && isLost(ack, { cloudEpoch, seq: headOf(ack.logId)?.seq ?? -1 }) ? [ack.cloudEpoch] : []
    })
    if (lost.length > 0) await rewind(0, Math.max(...lost) + 1 - cloudEpoch)
  }
  const hear = (encoded: Uint8Array): void => {
    const verdict = readObject({ roster: tables.roster, signatures }, encoded)
    if (verdict.kind === 'valid' && verdict.object.kind === 'beacon')
      run({ kind: 'statement', object: verdict.object })
  }

  return {
    push: async push => {
      tries += 1
      if (isDown) throw away(tries)
      await heedClaims(push.objects ?? [])
      const before = new Map(push.segments.map(({ logId }) => [logId, headOf(logId)?.seq ?? -1]))
      for (const encoded of push.certificates) enrol(encoded)
      const refused = runSteps(step =>
        ingest(push.segments, segment => {
          const { roster, logs } = tables
          const admission = admit({ roster, signatures }, segment, logs.held(segment.logId))
          if (admission.kind === 'admitted') step({ kind: 'events', admission })
          if (admission.kind === 'fork') step({ kind: 'fork', logId: segment.logId, seq: admission.seq })
          return refusalIn(admission)
        }),
      )
      counters.add(push, refused, logId => (headOf(logId)?.seq ?? -1) - (before.get(logId) ?? -1))
      for (const encoded of push.objects ?? []) hear(encoded)
      tables.acks.sign(headOf, clock.wallMs())
      const page = tables.acks.since(push.sinceVersion, logsIn(push))
      return { ...page, ...wordsFor(tables, push.holds), refused, wireBytes: 0 }
    },
    down: on => {
      isDown = on
    },
    failover: losesMs => rewind(losesMs),
    restore: ageMs => rewind(ageMs),
    forget: losesMs => rewind(losesMs, 0),
    finalise: async () => run({ kind: 'finalise' }),
    sessions: async () => tables.ledger.sessions(),
    bills: async () => tables.ledger.bills(),
    heads: async () => headsOf(tables),
    gaps: async () =>
      tables.devices.gaps({
        headSeq: logId => headOf(logId)?.seq,
        hashAt: (logId, seq) => tables.logs.get(logId)?.hashes[seq],
      }),
    epoch: () => cloudEpoch,
    counters: counters.read,
    close: async () => undefined,
  }
}

/** The order of src/cloud/ingest.ts: the first refusal of a log is its answer, and an issuer's log may help others. */
function ingest(
  segments: readonly Segment[],
  take: (segment: Segment) => string | undefined,
): PushAnswer['refused'] {
  const refused = new Map<LogId, string>()
  const takeAll = (some: readonly Segment[]): readonly Segment[] => {
    const waiting: Segment[] = []
    for (const segment of some) {
      const reason = refused.get(segment.logId) ?? take(segment)
      if (reason === undefined) continue
      refused.set(segment.logId, reason)
      if (reason.startsWith('unknown-certificate')) waiting.push(segment)
    }
    return waiting
  }
  const waiting = takeAll(segments)
  if (waiting.length > 0 && waiting.length < segments.length) {
    for (const { logId } of waiting) refused.delete(logId)
    takeAll(waiting)
  }
  return [...refused].map(([logId, reason]) => ({ logId, reason }))
}

function refusalIn(admission: Admission): string | undefined {
  switch (admission.kind) {
    case 'admitted':
    case 'duplicate':
      return undefined
    case 'gap':
      return 'gap'
    case 'fork':
      return `fork at ${admission.seq}`
    case 'unknown-certificate':
      return `unknown-certificate ${admission.certHash}`
    case 'invalid':
      return admission.reason
  }
}

function headsOf({ logs, devices }: Tables): ReadonlyMap<LogId, CloudHead> {
  const heads = [...logs.all()].sort((a, b) => (a.logId < b.logId ? -1 : 1))
  return new Map(
    heads.map(({ logId, head: { seq, hash } }) => {
      const forkSeq = devices.forkSeqOf(logId)
      return [logId, { seq, hash, ...(forkSeq !== undefined && { forkSeq }) }]
    }),
  )
}

// The ways out of a node: each tick asks the outbox what is due, hands it to the uplink, and brings the answer back
// into the mailbox. Several nodes may push the same at once; the cloud applies it once (PROTOCOL 3.1).
import type { Acting } from './acting.ts'
import { claimsOf, doubtedIn } from './claims.ts'
import { MeshError, reasonOf } from './errors.ts'
import type { Ledger } from './ledger.ts'
import { cloudEpochOf } from './log/object.ts'
import type { Clock, HeldLog, Logger, Push, PushAnswer, Random, Uplink } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { DeviceId, LogId } from './units.ts'
import { watchUnsent } from './unsent.ts'
import {
  emptyOutbox,
  failed,
  hurry,
  type OutboxState,
  pushed,
  rests,
  round,
  sent,
  type Unsent,
} from './uplink/outbox.ts'
import { MAX_HELD_LOGS, MAX_PUSH_CERTIFICATES, MAX_PUSH_SEGMENTS } from './uplink/request.ts'
import { isOperators } from './view.ts'

/** A working uplink says so this often; a minute of silence means that it is gone (PROTOCOL 3.3). */
const ALIVE_EVERY_MS = 20_000
const ALIVE_FOR_MS = 60_000
/** Segments of one log in one push. */
const MAX_SEGMENTS = 64
/** A certificate comes with its issuer's. */
const CHAIN_LENGTH = 2
/** Beside receipts (claims.ts). */
const MAX_BEACONS = 32

export type UplinkStatus = {
  readonly name: string
  readonly state: 'untried' | 'working' | 'failing'
  readonly lastReason?: string
  readonly nextTryInMs: number
  readonly pushes: number
  readonly wireBytes: number
}

export type Uplinks = {
  readonly set: (uplinks: readonly Uplink[]) => void
  readonly tick: (act: Acting, back: (result: (act: Acting) => readonly Send[]) => void) => readonly Send[]
  /** The store failed: pushes under way will find nobody, and acks that they bring may be lost. */
  readonly storeFailed: () => void
  /** A person asks for a try now. */
  readonly hurry: () => void
  readonly status: (nowMs: number) => readonly UplinkStatus[]
  readonly unsentEvents: (ledger: Ledger) => number
}

export type UplinksDeps = {
  readonly self: DeviceId
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
}

type Way = {
  readonly uplink: Uplink
  outbox: OutboxState
  sinceVersion: number
  /** Value of the objects' change counter up to which the receiver has heard ours. */
  saidObjects: number
  succeededAtMs: number | undefined
  saidAliveAtMs: number | undefined
  reason: string | undefined
  pushes: number
  wireBytes: number
  /** The last push had no room for all that was due. */
  wasCut: boolean
  /** Receipts for them are said back. */
  doubted: readonly LogId[]
}

export function createUplinks(deps: UplinksDeps): Uplinks {
  let ways: readonly Way[] = []
  const unsent = watchUnsent()
  const dice = (): number => {
    const drawn = deps.random.bytes(4)
    return new DataView(drawn.buffer, drawn.byteOffset).getUint32(0) / 2 ** 32
  }

  const answered = (way: Way, { answer, objectsSaid }: Answered, act: Acting): readonly Send[] => {
    const nowMs = act.times.monotonicMs
    way.succeededAtMs = nowMs
    way.doubted = doubtedIn(answer)
    way.reason = answer.refused[0] && `refused ${answer.refused.length}, first: ${answer.refused[0].reason}`
    way.wireBytes += answer.wireBytes
    deps.count('uplink.pushed')
    for (const { logId, reason } of answer.refused) {
      deps.count('uplink.refused')
      deps.logger.warn('the cloud refused part of a log', { log: logId, reason, uplink: way.uplink.name })
    }
    act.ledger.objects.sawCloud(cloudEpochOf(answer.version), objectsSaid)
    const before = unsent.events(act.ledger)
    const heard = takeWords(deps, act, { way: way.uplink.name, answer })
    const { sends: learned, refused } = act.learn(answer.acks)
    const sends = [...heard.sends, ...learned]
    // Acks that we could not read are asked for again: the certificate that signed them may be on its way.
    if (refused === 0)
      act.afterwards(() => {
        way.sinceVersion = answer.version
        way.saidObjects = Math.max(way.saidObjects, objectsSaid)
      })
    const after = unsent.events(act.ledger)
    // On at once only while it gets somewhere: a cloud whose acks we cannot read must not be hammered.
    // ... and only for what had no room: what came since can wait for the next round, or every event would cost a push.
    const goesOn = (way.wasCut && after > 0 && after < before) || (answer.more === true && heard.admitted > 0)
    way.outbox = pushed(way.outbox, nowMs, goesOn, dice)
    return sends
  }

  const broke = (way: Way, error: unknown, act: Acting): readonly Send[] => {
    way.reason = reasonOf(error)
    deps.count('uplink.failed')
    // An uplink may fail in any way it likes; it must not take the node with it.
    const say = error instanceof MeshError ? deps.logger.warn : deps.logger.error
    say('uplink failed', { uplink: way.uplink.name, reason: way.reason })
    const retryAfterMs =
      error instanceof MeshError && 'retryAfterMs' in error && typeof error.retryAfterMs === 'number'
        ? error.retryAfterMs
        : undefined
    way.outbox = failed(way.outbox, act.times.monotonicMs, dice, retryAfterMs)
    return []
  }

  const sayAlive = (act: Acting): readonly Send[] => {
    const nowMs = act.times.monotonicMs
    const sends: Send[] = []
    for (const way of ways) {
      const works = way.succeededAtMs !== undefined && nowMs - way.succeededAtMs < ALIVE_FOR_MS
      if (!works || (way.saidAliveAtMs !== undefined && nowMs - way.saidAliveAtMs < ALIVE_EVERY_MS)) continue
      way.saidAliveAtMs = nowMs
      const body = { deviceId: deps.self, issuedAt: act.times.wallMs, uplink: way.uplink.name.slice(0, 32) }
      sends.push(...act.state({ kind: 'uplink', body }))
    }
    return sends
  }

  return {
    set: list => {
      const nowMs = deps.clock.monotonicMs()
      ways = list.map(uplink => ways.find(way => way.uplink.name === uplink.name) ?? newWay(uplink, nowMs))
    },
    tick: (act, back) => {
      for (const way of ways) {
        if (rests(way.outbox, act.times.monotonicMs)) continue
        const alive = aliveNodes(act)
        const next = round(way.outbox, {
          unsent: unsent.logs(act.ledger),
          self: deps.self,
          alive,
          nowMs: act.times.monotonicMs,
          dice,
        })
        way.outbox = next.state
        if (!next.send) continue
        const objectsSaid = act.ledger.objects.changes()
        const { push, wasCut } = composePush(act.ledger, next.send, {
          batchBytes: way.outbox.batchBytes,
          sinceVersion: way.sinceVersion,
          saidObjects: way.saidObjects,
          doubted: way.doubted,
        })
        way.wasCut = wasCut
        const reached = new Set(push.segments.map(segment => segment.logId))
        way.outbox = sent(
          way.outbox,
          next.send.filter(log => reached.has(log.logId)),
          act.times.monotonicMs,
        )
        way.pushes += 1
        // Nothing leaves the node before it is durable here.
        act.afterwards(() => {
          way.uplink.push(push).then(
            answer => back(later => answered(way, { answer, objectsSaid }, later)),
            (error: unknown) => back(later => broke(way, error, later)),
          )
        })
      }
      return sayAlive(act)
    },
    storeFailed: () => {
      for (const way of ways) {
        way.outbox = { ...way.outbox, busy: false }
        way.sinceVersion = 0
        way.saidObjects = 0
      }
    },
    hurry: () => {
      for (const way of ways) way.outbox = hurry(way.outbox, deps.clock.monotonicMs())
    },
    status: nowMs =>
      ways.map(way => ({
        name: way.uplink.name,
        state: way.outbox.failures > 0 ? 'failing' : way.succeededAtMs === undefined ? 'untried' : 'working',
        ...(way.reason !== undefined && { lastReason: way.reason }),
        nextTryInMs: Math.max(0, way.outbox.nextAt - nowMs),
        pushes: way.pushes,
        wireBytes: way.wireBytes,
      })),
    unsentEvents: unsent.events,
  }
}

function newWay(uplink: Uplink, nowMs: number): Way {
  return {
    uplink,
    outbox: emptyOutbox(nowMs),
    sinceVersion: 0,
    saidObjects: 0,
    succeededAtMs: undefined,
    saidAliveAtMs: undefined,
    reason: undefined,
    pushes: 0,
    wireBytes: 0,
    wasCut: false,
    doubted: [],
  }
}

function aliveNodes(act: Acting): readonly DeviceId[] {
  const fresh = act.ledger.objects
    .ofKind('uplink')
    .filter(({ body }) => Math.abs(act.times.wallMs - body.issuedAt) < ALIVE_FOR_MS)
    .filter(({ body }) => !act.ledger.isRevoked(body.deviceId))
  return fresh.map(object => object.body.deviceId)
}

function composePush(
  ledger: Ledger,
  send: readonly Unsent[],
  limits: { batchBytes: number; sinceVersion: number; saidObjects: number; doubted: readonly LogId[] },
): { readonly push: Push; readonly wasCut: boolean } {
  const segments: Push['segments'][number][] = []
  const certificates = new Set<Uint8Array>()
  let bytes = 0
  let wasCut = false
  for (const { logId, fromSeq } of send) {
    wasCut ||= bytes >= limits.batchBytes || segments.length >= MAX_PUSH_SEGMENTS
    wasCut ||= certificates.size + CHAIN_LENGTH > MAX_PUSH_CERTIFICATES
    if (wasCut) break
    const certificate = ledger.logs.get(logId)?.certificate
    if (fromSeq === 0 && certificate)
      for (const encoded of ledger.chainOf(certificate)) certificates.add(encoded)
    let nextSeq = fromSeq
    for (const segment of ledger.logs.segments(logId, fromSeq, MAX_SEGMENTS)) {
      if (segments.length >= MAX_PUSH_SEGMENTS) break
      // At least one segment goes, however small the batch has become.
      if (segments.length > 0 && bytes + segment.update.length > limits.batchBytes) break
      bytes += segment.update.length
      segments.push(segment)
      nextSeq = segment.nextSeq
    }
    wasCut ||= nextSeq <= (ledger.logs.get(logId)?.head.seq ?? -1)
  }
  return {
    push: {
      segments,
      certificates: [...certificates],
      sinceVersion: limits.sinceVersion,
      holds: operatorsLogs(ledger),
      objects: [...beaconsSince(ledger, limits.saidObjects), ...claimsOf(ledger, limits.doubted)],
    },
    wasCut,
  }
}

function operatorsLogs(ledger: Ledger): readonly HeldLog[] {
  const held = [...ledger.logs.all()].filter(log => isOperators(log.certificate))
  // The newest are those that grow.
  const newest = held.toSorted((a, b) => b.changedAt - a.changedAt).slice(0, MAX_HELD_LOGS)
  return newest.map(({ logId, head }) => ({ logId, nextSeq: head.seq + 1 }))
}

function beaconsSince(ledger: Ledger, since: number): readonly Uint8Array[] {
  const news = ledger.objects.changedSince(since).filter(object => object.kind === 'beacon')
  return news.slice(-MAX_BEACONS).map(object => object.encoded)
}

type Answered = { readonly answer: PushAnswer; readonly objectsSaid: number }
type Words = { readonly way: string; readonly answer: PushAnswer }
type Heard = { readonly sends: readonly Send[]; readonly admitted: number }

/** What operators said that came by the cloud: the gate judges it, as anybody's. */
function takeWords(deps: UplinksDeps, act: Acting, { way, answer }: Words): Heard {
  const { segments = [], certificates = [] } = answer
  if (segments.length === 0 && certificates.length === 0) return { sends: [], admitted: 0 }
  const { report, sends } = act.submit({ segments, certificates, objects: [] })
  if (report.admitted > 0) deps.count('uplink.heard', report.admitted)
  for (const reason of report.refused) {
    deps.count('uplink.unheard')
    deps.logger.warn('words that came by an uplink were refused', { uplink: way, reason })
  }
  return { sends, admitted: report.admitted }
}

// What one push holds: segments of the logs whose turn it is, by class and within so many bytes, the certificates that a
// receiver may lack for them, what goes ahead of the rest, and what the operators' logs reach to here.
import type { Acting } from './acting.ts'
import { goAhead, listed, type ToldAhead, withoutCovered } from './ahead.ts'
import { claimsOf } from './claims.ts'
import type { Signatures } from './identity/signature.ts'
import type { Ledger } from './ledger.ts'
import type { LoneLog } from './log/lone.ts'
import type { HeldLog, Push, Segment } from './ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from './replica/canonical.ts'
import { endOfSegment } from './replica/logs.ts'
import { give, lanesOf, nextLane, type OutboxState, type Unsent } from './uplink/outbox.ts'
import { MAX_HELD_LOGS, MAX_PUSH_CERTIFICATES, MAX_PUSH_SEGMENTS } from './uplink/request.ts'
import { isMetered } from './uplink/terms.ts'
import { isOperators } from './view.ts'
import type { Way } from './way.ts'

/** A certificate comes with its issuer's. */
const CHAIN_LENGTH = 2
/** Beside receipts (claims.ts). */
const MAX_BEACONS = 32

export type Composed = {
  readonly push: Push
  /** Had no room for all that was due. */
  readonly wasCut: boolean
  /** For what comes next of these there was no money left. */
  readonly unpaid: readonly Unsent[]
  /** A mere poll: nothing in it is worth a push. */
  readonly isBare: boolean
  readonly bytes: number
  readonly given: OutboxState['given']
  /** What the receiver has been told ahead, once it answers. */
  readonly told: ToldAhead
}

export type Due = {
  readonly send: readonly Unsent[]
  /** No more than this, whatever waits: it is paid for. */
  readonly roomBytes: number
  /** Only what operators say may go. */
  readonly isReserve: boolean
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

export function composePush({ ledger, times }: Acting, way: Way, due: Due): Composed {
  const { outbox, terms, told } = way
  const { send, roomBytes, isReserve } = due
  const isPaid = isMetered(terms)
  const asked = {
    ...{ nowMs: times.monotonicMs, wallMs: times.wallMs, send },
    roomBytes: Math.min(outbox.batchBytes, roomBytes),
    signer: { certHash: ledger.ownCertificate().hash, logKey: due.logKey, signatures: due.signatures },
  }
  // Where everything fits into one push, the logs themselves are there as soon.
  const goesAhead = send.length > 0 && !isReserve && (isPaid || way.wasCut)
  const ahead = goesAhead ? goAhead(ledger, told, asked) : { bytes: 0, told }
  const taken = segmentsOf(ledger, way, {
    send,
    batchBytes: outbox.batchBytes - ahead.bytes,
    mostBytes: roomBytes - ahead.bytes,
  })
  const lone = withoutCovered(ahead.lone ?? [], taken.segments)
  const bytes = ahead.bytes + taken.bytes
  const pushBytes = asked.roomBytes - bytes
  const left = { nowMs: times.monotonicMs, pushBytes, dayBytes: roomBytes, isMetered: isPaid }
  const list = taken.wasCut || isReserve ? { told: ahead.told } : listed(ahead.told, left)
  return {
    push: {
      ...{ segments: taken.segments, certificates: withAuthors(ledger, taken.certificates, lone) },
      ...{ sinceVersion: way.sinceVersion, holds: operatorsLogs(ledger) },
      objects: [...beaconsSince(ledger, way.saidObjects), ...claimsOf(ledger, way.doubted)],
      ...(ahead.digest && { digest: ahead.digest }),
      ...(list.frontier && { frontier: list.frontier }),
      ...(lone.length > 0 && { lone }),
    },
    ...{ wasCut: taken.wasCut, unpaid: taken.unpaid, bytes, given: taken.given, told: list.told },
    isBare: taken.segments.length + lone.length === 0 && !ahead.digest && !list.frontier,
  }
}

type Limits = {
  readonly send: readonly Unsent[]
  /** One segment goes out whatever its length, unless all of it is taken; where `mostBytes` allows. */
  readonly batchBytes: number
  readonly mostBytes: number
}
type Taken = Pick<Composed, 'wasCut' | 'unpaid' | 'bytes' | 'given'> & Pick<Push, 'segments' | 'certificates'>

function segmentsOf(ledger: Ledger, { outbox }: Way, { send, ...limits }: Limits): Taken {
  const queues = lanesOf(outbox, send).map(lane => lane.map(log => ({ log, nextSeq: log.fromSeq })))
  const isWaiting = (lane: number): boolean => (queues[lane]?.length ?? 0) > 0
  const segments: Segment[] = []
  const certificates = new Set<Uint8Array>()
  const unpaid: Unsent[] = []
  let { given } = outbox
  let bytes = 0
  let wasCut = false
  for (let lane = nextLane(given, isWaiting); lane !== undefined; lane = nextLane(given, isWaiting)) {
    const [first] = queues[lane] ?? []
    if (!first) break
    const isFull = segments.length >= MAX_PUSH_SEGMENTS || bytes >= limits.batchBytes
    const isCrowded = certificates.size + CHAIN_LENGTH > MAX_PUSH_CERTIFICATES
    wasCut ||= isFull || isCrowded
    if (isFull || isCrowded) break
    const { logId } = first.log
    // At least one segment goes, however small the batch has become.
    const room = Math.min(limits.batchBytes, limits.mostBytes) - bytes
    const segment = segmentOf(ledger, first, room)
    const isPaidFor = segment && bytes + segment.update.length <= limits.mostBytes
    if (!isPaidFor) {
      wasCut ||= segment !== undefined
      if (segment) unpaid.push({ ...first.log, fromSeq: first.nextSeq })
      queues[lane]?.shift()
      continue
    }
    const isTooLong = segments.length > 0 && bytes + segment.update.length > limits.batchBytes
    wasCut ||= isTooLong
    if (isTooLong) break
    const certificate = ledger.logs.get(logId)?.certificate
    if (first.nextSeq === 0 && certificate)
      for (const encoded of ledger.chainOf(certificate)) {
        if (!certificates.has(encoded)) bytes += encoded.length
        certificates.add(encoded)
      }
    segments.push({ logId, fromSeq: segment.fromSeq, update: segment.update })
    bytes += segment.update.length
    first.nextSeq = segment.nextSeq
    if (first.nextSeq > (ledger.logs.get(logId)?.head.seq ?? -1)) queues[lane]?.shift()
    given = give(given, { lane, bytes: segment.update.length }, isWaiting)
  }
  return { segments, certificates: [...certificates], wasCut, unpaid, bytes, given }
}

/** Nothing of these logs may be known there but what goes ahead. */
function withAuthors(
  ledger: Ledger,
  certificates: readonly Uint8Array[],
  lone: readonly LoneLog[],
): readonly Uint8Array[] {
  const all = new Set(certificates)
  for (const { logId } of lone) {
    const certificate = ledger.ackedSeq(logId) < 0 ? ledger.logs.get(logId)?.certificate : undefined
    if (!certificate || all.size + CHAIN_LENGTH > MAX_PUSH_CERTIFICATES) continue
    for (const encoded of ledger.chainOf(certificate)) all.add(encoded)
  }
  return [...all]
}

/** As long as a segment may be, or up to the last seal within `room`; a group of its own goes whole. */
function segmentOf(
  { logs }: Ledger,
  { log: { logId }, nextSeq }: { readonly log: Unsent; readonly nextSeq: number },
  room: number,
): (Segment & { readonly nextSeq: number }) | undefined {
  const [segment] = logs.segments(logId, nextSeq, 1)
  const elements = logs.get(logId)?.elements
  if (!segment || !elements || segment.update.length <= room || room >= MAX_SEGMENT_BYTES) return segment
  const end = endOfSegment(elements, segment.fromSeq, room)
  if (end === undefined || end >= segment.nextSeq) return segment
  const update = encodeUpdate(segment.fromSeq, elements.slice(segment.fromSeq, end))
  return { logId, fromSeq: segment.fromSeq, update, nextSeq: end }
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

// What one push holds: segments of the logs whose turn it is, by class and within so many bytes, the certificates that a
// receiver may lack for them, and what the operators' logs reach to here.
import type { Ledger } from './ledger.ts'
import type { HeldLog, Push, Segment } from './ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from './replica/canonical.ts'
import { endOfSegment } from './replica/logs.ts'
import { give, lanesOf, nextLane, type OutboxState, type Unsent } from './uplink/outbox.ts'
import {
  MAX_HELD_LOGS,
  MAX_PUSH_CERTIFICATES,
  MAX_PUSH_OBJECTS,
  MAX_PUSH_SEGMENTS,
} from './uplink/request.ts'
import { isOperators } from './view.ts'

/** A certificate comes with its issuer's. */
const CHAIN_LENGTH = 2

export type Limits = {
  /** Of segments; one goes out whatever its length, where `mostBytes` allows. */
  readonly batchBytes: number
  /** No more than this, whatever waits: it is paid for. */
  readonly mostBytes: number
  readonly sinceVersion: number
  readonly saidObjects: number
}

export type Composed = {
  readonly push: Push
  /** Had no room for all that was due. */
  readonly wasCut: boolean
  readonly bytes: number
  readonly given: OutboxState['given']
}

export function composePush(
  ledger: Ledger,
  { outbox, send }: { readonly outbox: OutboxState; readonly send: readonly Unsent[] },
  limits: Limits,
): Composed {
  const queues = lanesOf(outbox, send).map(lane => lane.map(log => ({ log, nextSeq: log.fromSeq })))
  const isWaiting = (lane: number): boolean => (queues[lane]?.length ?? 0) > 0
  const segments: Segment[] = []
  const certificates = new Set<Uint8Array>()
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
      queues[lane]?.shift()
      continue
    }
    const isTooLong = segments.length > 0 && bytes + segment.update.length > limits.batchBytes
    wasCut ||= isTooLong
    if (isTooLong) break
    const certificate = ledger.logs.get(logId)?.certificate
    if (first.nextSeq === 0 && certificate)
      for (const encoded of ledger.chainOf(certificate)) certificates.add(encoded)
    segments.push({ logId, fromSeq: segment.fromSeq, update: segment.update })
    bytes += segment.update.length
    first.nextSeq = segment.nextSeq
    if (first.nextSeq > (ledger.logs.get(logId)?.head.seq ?? -1)) queues[lane]?.shift()
    given = give(given, { lane, bytes: segment.update.length }, isWaiting)
  }
  return {
    push: {
      segments,
      certificates: [...certificates],
      sinceVersion: limits.sinceVersion,
      holds: operatorsLogs(ledger),
      objects: beaconsSince(ledger, limits.saidObjects),
    },
    ...{ wasCut, bytes, given },
  }
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
  return news.slice(-MAX_PUSH_OBJECTS).map(object => object.encoded)
}

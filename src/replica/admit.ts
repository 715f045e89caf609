// The gate: everything that another node, a file or the disk claims to be part of a log passes here, before any
// state changes (PROTOCOL 1.6). It asks only whether the bytes are well-formed, chained and signed by a
// certificate ever issued under this site's root; what they mean is judged in folds (PROTOCOL 1.7).
import type { Certificate } from '../identity/certificate.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import {
  decodeElement,
  digestToSign,
  type Element,
  type ElementFault,
  GENESIS,
  type LogEvent,
  type LogHead,
  place,
} from '../log/event.ts'
import { headAfter, logIdOf, MAX_UNSEALED_EVENTS } from '../log/writer.ts'
import type { Segment } from '../ports.ts'
import { type Remember, readAnew } from '../remember.ts'
import { type CertHash, type EventHash, type LogId, sameBytes } from '../units.ts'
import { decodeUpdate, encodeUpdate, MAX_SEGMENT_BYTES } from './canonical.ts'

/** What we hold of the log that a segment belongs to. */
export type Held = {
  readonly certificate: Certificate
  readonly head: LogHead
  /** Hash of the event that we hold at `seq`; asked for 0 <= seq <= head.seq. */
  readonly hashAt: (seq: number) => EventHash | undefined
}

export type GateDeps = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly remember?: Remember
  /**
   * `last`: of a segment that passed the gate once and comes from our own journal. Each hash covers what lies before it, signatures
   * included, so its last seal vouches for all of it. From a peer all are checked: where a segment is cut must not decide.
   */
  readonly seals?: 'all' | 'last'
}

export type InvalidReason =
  | ElementFault
  | 'segment-too-long'
  | 'update-malformed'
  | 'update-not-canonical'
  | 'first-event-not-epoch-open'
  | 'epoch-open-inside'
  | 'log-id-mismatch'
  | 'foreign-site'
  | 'behind-epoch-close'
  | 'clock-went-back'
  | 'bad-signature'
  | 'not-sealed-at-end'
  | 'too-many-unsealed'

/**
 * Faults that only the log's author can have made: an honest relay that holds another branch, or more of the log, takes the same segment
 * for the proof of a fork, and passes it on.
 */
export const AUTHORS_FAULTS: readonly InvalidReason[] = ['clock-went-back', 'behind-epoch-close']

export type Admission =
  /** `events` are new and in order, `elements` their bytes, `segment` the canonical segment of just these. */
  | {
      readonly kind: 'admitted'
      readonly events: readonly LogEvent[]
      readonly elements: readonly Uint8Array[]
      readonly segment: Segment
      readonly head: LogHead
      readonly certificate: Certificate
    }
  | { readonly kind: 'duplicate' }
  /** Events between ours and these are missing; nothing is kept. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'unknown-certificate'; readonly certHash: CertHash }
  /** We hold another sealed event at `seq`: proof that the key was misused (PROTOCOL 1.8). */
  | { readonly kind: 'fork'; readonly seq: number; readonly ours: EventHash; readonly theirs: EventHash }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason }

export function admit(deps: GateDeps, segment: Segment, held: Held | undefined): Admission {
  const remember = deps.remember ?? readAnew
  const known = remember('elements', segment.update, () => readElements(segment))
  // One run of bytes is good in one place only, and bad elsewhere.
  const { read } = known.fromSeq === segment.fromSeq ? known : readElements(segment)
  if (typeof read === 'string') return invalid(read)
  const opened = held ? held.certificate : certificateOf(deps, segment, read.elements[0])
  if ('kind' in opened) return opened
  if (segment.fromSeq > (held ? held.head.seq + 1 : 0)) return { kind: 'gap' }
  const before = segment.fromSeq === 0 ? GENESIS : held?.hashAt(segment.fromSeq - 1)
  if (before === undefined) return { kind: 'gap' }
  const place = (): Placed => placeAll(segment, read.elements, before)
  const there = remember('events', segment.update, place)
  const isThere =
    there.before === before && there.logId === segment.logId && there.fromSeq === segment.fromSeq
  const { events } = isThere ? there : place()
  const fault = findFault({ events, certificate: opened, held, deps })
  if (fault) return invalid(fault)
  return compare({ events, encoded: read.encoded, segment, certificate: opened, held })
}

type Read = { readonly encoded: readonly Uint8Array[]; readonly elements: readonly Element[] }

/** What the bytes are there, good or not. */
function readElements(segment: Segment): {
  readonly fromSeq: number
  readonly read: Read | InvalidReason
} {
  return { fromSeq: segment.fromSeq, read: readAt(segment) }
}

function readAt({ fromSeq, update }: Segment): Read | InvalidReason {
  if (update.length > MAX_SEGMENT_BYTES) return 'segment-too-long'
  const encoded = decodeUpdate(fromSeq, update)
  if (!encoded) return 'update-malformed'
  const elements: Element[] = []
  for (const bytes of encoded) {
    const element = decodeElement(bytes)
    if (typeof element === 'string') return element
    elements.push(element)
  }
  return sameBytes(encodeUpdate(fromSeq, encoded), update) ? { encoded, elements } : 'update-not-canonical'
}

/** The certificate under which an unknown log writes; its first event must name it and fit it. */
function certificateOf(
  deps: GateDeps,
  segment: Segment,
  first: Element | undefined,
): Certificate | Admission {
  if (segment.fromSeq !== 0) return { kind: 'gap' }
  const opened =
    first && first.type === TYPE_NUMBERS.epoch_open ? decodeBody(first.type, first.body) : undefined
  if (opened?.name !== 'epoch_open') return invalid('first-event-not-epoch-open')
  if (opened.body.siteId !== deps.roster.siteId) return invalid('foreign-site')
  const certificate = deps.roster.certificate(opened.body.certHash)
  if (!certificate) return { kind: 'unknown-certificate', certHash: opened.body.certHash }
  if (logIdOf(certificate.deviceId, opened.body.epochId) !== segment.logId) return invalid('log-id-mismatch')
  return certificate
}

type Placed = {
  readonly logId: LogId
  readonly fromSeq: number
  readonly before: EventHash
  readonly events: readonly LogEvent[]
}

function placeAll({ logId, fromSeq }: Segment, elements: readonly Element[], before: EventHash): Placed {
  const events: LogEvent[] = []
  let prev = before
  elements.forEach((element, i) => {
    const event = place(element, { logId, seq: fromSeq + i, prev })
    events.push(event)
    prev = event.hash
  })
  return { logId, fromSeq, before, events }
}

type Checked = {
  readonly events: readonly LogEvent[]
  readonly certificate: Certificate
  readonly held: Held | undefined
  readonly deps: GateDeps
}

/** Order and types first, signatures last, because they cost most. Events that we already hold need no second check. */
function findFault({ events, certificate, held, deps }: Checked): InvalidReason | undefined {
  if (!events.at(-1)?.signature) return 'not-sealed-at-end'
  const fresh = events.filter(event => held?.hashAt(event.seq) !== event.hash)
  const fault = findOrderFault(fresh, held)
  // What depends on the branch that we hold is nobody's fault but the author's, if it is the author's.
  if (fault !== undefined && !AUTHORS_FAULTS.includes(fault)) return fault
  return findSignatureFault(fresh, certificate, deps) ?? fault
}

function findOrderFault(events: readonly LogEvent[], held: Held | undefined): InvalidReason | undefined {
  const follows = events[0] !== undefined && held?.head.seq === events[0].seq - 1
  let last = follows ? held?.head : undefined
  let unsealed = 0
  for (const event of events) {
    if ((event.seq === 0) !== (event.type === TYPE_NUMBERS.epoch_open)) {
      return event.seq === 0 ? 'first-event-not-epoch-open' : 'epoch-open-inside'
    }
    if (last?.closed) return 'behind-epoch-close'
    if (last && (event.hlc < last.hlc || event.monoMs < last.monoMs)) return 'clock-went-back'
    unsealed = event.signature ? 0 : unsealed + 1
    if (unsealed > MAX_UNSEALED_EVENTS) return 'too-many-unsealed'
    last = headAfter(event)
  }
  return undefined
}

function findSignatureFault(
  events: readonly LogEvent[],
  certificate: Certificate,
  deps: GateDeps,
): InvalidReason | undefined {
  const { logKey } = certificate
  for (const event of deps.seals === 'last' ? events.slice(-1) : events) {
    const { signature } = event
    if (!signature) continue
    const verify = (): Verified => ({
      logKey,
      isGood: deps.signatures.verify(signature, digestToSign(event, event), logKey),
    })
    const known = (deps.remember ?? readAnew)('seal', event, verify)
    if (!(sameBytes(known.logKey, logKey) ? known : verify()).isGood) return 'bad-signature'
  }
  return undefined
}

type Verified = { readonly logKey: Uint8Array; readonly isGood: boolean }

type Compared = Omit<Checked, 'deps'> & {
  readonly segment: Segment
  readonly encoded: readonly Uint8Array[]
}

function compare({ events, encoded, segment, certificate, held }: Compared): Admission {
  for (const { seq, hash } of events) {
    // Of what was pruned only the last hash is held: what comes back from below it is no news, and changes nothing.
    const ours = held && seq <= held.head.seq ? held.hashAt(seq) : undefined
    // Every event from here on is signed under the same key as ours: two branches of one log.
    if (ours !== undefined && ours !== hash) return { kind: 'fork', seq, ours, theirs: hash }
  }
  const fresh = held ? events.filter(event => event.seq > held.head.seq) : events
  const first = fresh[0]
  const newest = fresh.at(-1)
  if (!first || !newest) return { kind: 'duplicate' }
  const head = headAfter(newest)
  if (first.seq === segment.fromSeq)
    return { kind: 'admitted', events, elements: encoded, segment, head, certificate }
  const elements = encoded.slice(first.seq - segment.fromSeq)
  const rest = { logId: segment.logId, fromSeq: first.seq, update: encodeUpdate(first.seq, elements) }
  return { kind: 'admitted', events: fresh, elements, segment: rest, head, certificate }
}

function invalid(reason: InvalidReason): Admission {
  return { kind: 'invalid', reason }
}

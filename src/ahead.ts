// What goes ahead of the logs where they cannot go at once (PROTOCOL 3.4): the digest of all that this node holds, so that
// history is fixed before it arrives, and ends of sessions with their starts, so that nobody waits for readings to know
// what was charged. The logs come all the same, and what they say counts.
import type { Ledger } from './ledger.ts'
import { decodeBody, TYPE_NUMBERS } from './log/body.ts'
import { decodeElement, FLAG_SEAL, GENESIS } from './log/event.ts'
import { type LoneLog, MAX_LONE_EVENTS, MAX_LONE_LOGS } from './log/lone.ts'
import { type DigestSigner, type LogPlace, MAX_FRONTIER, rootOf, signDigest } from './log/site-digest.ts'
import type { Push, Segment } from './ports.ts'
import { countOf } from './replica/canonical.ts'
import type { EventHash, LogId } from './units.ts'
import type { Unsent } from './uplink/outbox.ts'

const DIGEST_EVERY_MS = 5 * 60 * 1000
/** The list that a digest commits to is long: where bytes are paid for it goes seldom, and only if it is a small part of them. */
const LISTED_EVERY_MS = 6 * 3600 * 1000
const LISTED_SHARE = 0.05
/** Of a place on the wire, and of what a lone event is wrapped in. */
const PLACE_BYTES = 60
const LONE_BYTES = 45
const LONE_LOG_BYTES = 80

/** What a receiver was told by one way. */
export type ToldAhead = {
  readonly digestAtMs: number | undefined
  readonly root: string | undefined
  /** What the newest digest commits to, until that is told. */
  readonly frontier: readonly LogPlace[] | undefined
  readonly listedAtMs: number | undefined
  /** Up to where each log's ends were told. */
  readonly ends: ReadonlyMap<LogId, number>
}

export const NOTHING_TOLD: ToldAhead = {
  ...{ digestAtMs: undefined, root: undefined, frontier: undefined, listedAtMs: undefined },
  ends: new Map(),
}

export type Ahead = Pick<Push, 'digest' | 'frontier' | 'lone'> & {
  readonly bytes: number
  readonly told: ToldAhead
}

export type Asked = {
  readonly nowMs: number
  readonly wallMs: number
  readonly signer: DigestSigner
  /** Logs that are due, most urgent first. */
  readonly send: readonly Unsent[]
  readonly roomBytes: number
}

/** The digest, where it is due, and as many ends as there is room for. */
export function goAhead(ledger: Ledger, before: ToldAhead, asked: Asked): Ahead {
  const digested = digestNow(ledger, before, asked)
  const digestBytes = digested?.digest.length ?? 0
  const { lone, bytes, ends } = loneIn(ledger, before.ends, {
    ...asked,
    roomBytes: asked.roomBytes - digestBytes,
  })
  return {
    ...(digested && { digest: digested.digest }),
    ...(lone.length > 0 && { lone }),
    bytes: bytes + digestBytes,
    told: { ...before, ...digested?.told, ends },
  }
}

function digestNow(
  { logs }: Ledger,
  { digestAtMs, root: before }: ToldAhead,
  { nowMs, wallMs, signer }: Asked,
): { readonly digest: Uint8Array; readonly told: Partial<ToldAhead> } | undefined {
  if (digestAtMs !== undefined && nowMs - digestAtMs < DIGEST_EVERY_MS) return undefined
  const frontier = [...logs.all()].map(({ logId, head: { seq, hash } }) => ({ logId, seq, hash }))
  const root = rootOf(frontier)
  if (root === before) return undefined
  const digest = signDigest(signer, frontier, wallMs)
  return { digest, told: { digestAtMs: nowMs, root, frontier } }
}

export type Left = {
  readonly nowMs: number
  /** In this push. */
  readonly pushBytes: number
  /** Of the day. */
  readonly dayBytes: number
  readonly isMetered: boolean
}

/** The list behind the last digest that was told, where a push has room for it. */
export function listed(
  told: ToldAhead,
  { nowMs, pushBytes, dayBytes, isMetered }: Left,
): Pick<Push, 'frontier'> & { readonly told: ToldAhead } {
  const { frontier, listedAtMs } = told
  const bytes = PLACE_BYTES * (frontier?.length ?? 0)
  if (!frontier || frontier.length > MAX_FRONTIER || bytes > pushBytes) return { told }
  const isSoon = listedAtMs !== undefined && nowMs - listedAtMs < LISTED_EVERY_MS
  if (isMetered && (isSoon || bytes > dayBytes * LISTED_SHARE)) return { told }
  return { frontier, told: { ...told, frontier: undefined, listedAtMs: nowMs } }
}

type Lone = { readonly lone: readonly LoneLog[]; readonly bytes: number; readonly ends: ToldAhead['ends'] }

function loneIn(ledger: Ledger, before: ToldAhead['ends'], { send, roomBytes }: Asked): Lone {
  const bundles = new Map<LogId, LoneLog & { readonly events: LoneLog['events'][number][] }>()
  const ends = new Map([...before].filter(([logId]) => ledger.ackedSeq(logId) < (before.get(logId) ?? -1)))
  let bytes = 0
  const put = (logId: LogId, seq: number): boolean => {
    const log = ledger.logs.get(logId)
    const element = log?.elements[seq]
    const opened = log && epochOf(log.elements[0])
    const bundle = bundles.get(logId) ?? (opened && { logId, ...opened, events: [] })
    if (!element || !bundle || element[2] !== FLAG_SEAL) return true
    const isFirst = bundle.events.length === 0
    // Of a log that the cloud knows nothing of its author comes along (push.ts).
    const author = isFirst && ledger.ackedSeq(logId) < 0 ? (log?.certificate.encoded.length ?? 0) : 0
    const cost = element.length + LONE_BYTES + (isFirst ? LONE_LOG_BYTES + author : 0)
    const isFull = bundles.size >= MAX_LONE_LOGS && !bundles.has(logId)
    if (bytes + cost > roomBytes || isFull || bundle.events.length >= MAX_LONE_EVENTS) return false
    if (bundle.events.some(one => one.seq === seq)) return true
    const prev = seq === 0 ? GENESIS : (log?.hashes[seq - 1] as EventHash)
    bundle.events.push({ seq, prev, element })
    bundles.set(logId, bundle)
    bytes += cost
    return true
  }
  const isUnsent = (logId: LogId, seq: number): boolean => seq > ledger.ackedSeq(logId)
  for (const { logId, fromSeq } of send) {
    const elements = ledger.logs.get(logId)?.elements ?? []
    let seq = Math.max(fromSeq, (ends.get(logId) ?? -1) + 1)
    for (; seq < elements.length; seq++) {
      const element = elements[seq]
      if (element?.[1] !== TYPE_NUMBERS.session_end) continue
      if (!put(logId, seq)) break
      const start = startOf(ledger, element)
      // Without room for it the energy waits for the log.
      if (start && isUnsent(start.logId, start.seq)) put(start.logId, start.seq)
    }
    if (seq > fromSeq) ends.set(logId, seq - 1)
    if (seq < elements.length) break
  }
  return { lone: [...bundles.values()], bytes, ends }
}

function startOf(
  ledger: Ledger,
  end: Uint8Array,
): { readonly logId: LogId; readonly seq: number } | undefined {
  const element = decodeElement(end)
  const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
  if (said?.name !== 'session_end' || !said.body.sessionId) return undefined
  const { sessionId, chargerId } = said.body
  const session = ledger
    .view()
    .ofCharger(chargerId)
    .sessions.find(one => one.sessionId === sessionId)
  return session?.start.ref
}

function epochOf(first: Uint8Array | undefined): Pick<LoneLog, 'epochId' | 'certHash'> | undefined {
  const element = first && decodeElement(first)
  const said = element && typeof element !== 'string' ? decodeBody(element.type, element.body) : undefined
  return said?.name === 'epoch_open'
    ? { epochId: said.body.epochId, certHash: said.body.certHash }
    : undefined
}

/** What the segments of the same push hold need not go alone. */
export function withoutCovered(lone: readonly LoneLog[], segments: readonly Segment[]): readonly LoneLog[] {
  const covered = (logId: LogId, seq: number): boolean =>
    segments.some(one => one.logId === logId && seq >= one.fromSeq && seq < one.fromSeq + countOf(one.update))
  return lone
    .map(log => ({ ...log, events: log.events.filter(({ seq }) => !covered(log.logId, seq)) }))
    .filter(log => log.events.length > 0)
}

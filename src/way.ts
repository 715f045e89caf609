// One way out of this node: the uplink, when it is tried next, and what has become of it so far; and how that is told to
// people.
import { NOTHING_TOLD, type ToldAhead } from './ahead.ts'
import type { Ledger } from './ledger.ts'
import { wallOf } from './log/hlc.ts'
import type { Uplink, UplinkTerms } from './ports.ts'
import type { LogId } from './units.ts'
import { emptyOutbox, isOpen, type OutboxState, type Unsent } from './uplink/outbox.ts'
import {
  type Hindrance,
  hindranceIn,
  isMetered,
  NO_TERMS,
  type Now,
  nextDayAt,
  type Permission,
  type Spent,
  type WayFacts,
} from './uplink/terms.ts'

export type Way = {
  readonly uplink: Uplink
  readonly terms: UplinkTerms
  outbox: OutboxState
  sinceVersion: number
  /** Value of the objects' change counter up to which the receiver has heard ours. */
  saidObjects: number
  succeededAtMs: number | undefined
  failingSinceMs: number | undefined
  triedAtMs: number | undefined
  /** Since when its terms let it be used. */
  openedAtMs: number
  permission: Permission
  reason: string | undefined
  pushes: number
  wireBytes: number
  /** The last push had no room for all that was due. */
  wasCut: boolean
  /** For these there was no money left today. */
  unpaid: readonly Unsent[]
  /** The last answer had no room for all that operators said. */
  hasMore: boolean
  /** What went ahead of the logs. */
  told: ToldAhead
  /** Logs with which the cloud could not go on: receipts for them are said back. */
  doubted: readonly LogId[]
  /** Counted before the push that is under way, until its answer says what it took. */
  reservedBytes: number
}

export function newWay(uplink: Uplink, nowMs: number): Way {
  const terms = uplink.terms ?? NO_TERMS
  return {
    ...{ uplink, terms, outbox: emptyOutbox(nowMs, isMetered(terms)) },
    ...{
      sinceVersion: 0,
      saidObjects: 0,
      pushes: 0,
      wireBytes: 0,
      reservedBytes: 0,
      wasCut: false,
      unpaid: [],
      hasMore: false,
      doubted: [],
    },
    ...{ succeededAtMs: undefined, failingSinceMs: undefined, triedAtMs: undefined, reason: undefined },
    openedAtMs: nowMs,
    told: NOTHING_TOLD,
    permission: { upTo: 4, mayPoll: true },
  }
}

export function factsOf(way: Way, spent: Spent, { ackedSeq }: Pick<Ledger, 'ackedSeq'>): WayFacts {
  const { uplink, terms, failingSinceMs, triedAtMs } = way
  const isShort = way.unpaid.some(({ logId, fromSeq }) => ackedSeq(logId) < fromSeq)
  return { name: uplink.name, terms, spent, isShort, failingSinceMs, triedAtMs }
}

/** What waits for an uplink, whichever. */
export type Waiting = {
  readonly events: number
  readonly bytes: number
  /** Of the oldest of it, by the stamp of whoever wrote it. */
  readonly oldestAgeMs?: number
}

export function waitingIn({ logs }: Ledger, unsent: readonly Unsent[], nowAt: number): Waiting {
  let [events, bytes, oldestAt] = [0, 0, Number.POSITIVE_INFINITY]
  for (const { logId, fromSeq } of unsent) {
    const elements = logs.get(logId)?.elements.slice(fromSeq) ?? []
    events += elements.length
    for (const element of elements) bytes += element.length
    const [first] = elements
    if (first) oldestAt = Math.min(oldestAt, writtenAt(first))
  }
  return { events, bytes, ...(events > 0 && { oldestAgeMs: Math.max(0, nowAt - oldestAt) }) }
}

/** Behind version, type and flags stands the stamp. */
function writtenAt(element: Uint8Array): number {
  return wallOf(new DataView(element.buffer, element.byteOffset).getBigUint64(3))
}

export type UplinkStatus = {
  readonly name: string
  readonly state: 'untried' | 'working' | 'failing' | 'waiting'
  readonly priority: number
  /** Of the last failure or refusal. */
  readonly lastReason?: string
  /** Absent where it depends on another uplink. */
  readonly nextTryInMs?: number
  /** Why then and not now. */
  readonly why: string
  readonly pushes: number
  /** Since the start of this process. */
  readonly wireBytes: number
  /** In this day of UTC. */
  readonly sentTodayBytes: number
  readonly budgetBytes?: number
  readonly batchBytes: number
}

export function statusOf(way: Way, spent: Spent, now: Now): UplinkStatus {
  const { outbox, terms, permission, reason } = way
  const waitMs = nextTryInMs(way, now)
  return {
    name: way.uplink.name,
    state: stateOf(way),
    priority: terms.priority,
    ...(reason !== undefined && { lastReason: reason }),
    ...(waitMs !== undefined && { nextTryInMs: waitMs }),
    why: whyOf(way, permission.hindrance),
    ...{ pushes: way.pushes, wireBytes: way.wireBytes, sentTodayBytes: spent.bytes },
    ...(terms.budgetBytes !== undefined && { budgetBytes: terms.budgetBytes }),
    batchBytes: outbox.batchBytes,
  }
}

function stateOf({ outbox, permission, succeededAtMs }: Way): UplinkStatus['state'] {
  if (permission.hindrance) return 'waiting'
  if (outbox.failures > 0) return 'failing'
  return succeededAtMs === undefined ? 'untried' : 'working'
}

function nextTryInMs({ outbox, permission }: Way, now: Now): number | undefined {
  const waitMs = Math.max(0, outbox.nextAt - now.monotonicMs)
  const hindrance = permission.upTo === undefined ? permission.hindrance : undefined
  switch (hindrance?.kind) {
    case undefined:
      return waitMs
    case 'outside-window':
      return Math.max(waitMs, hindrance.opensAt - now.wallMs)
    case 'clock-in-doubt':
      return Math.max(waitMs, hindrance.waitMs)
    case 'spent':
      return Math.max(waitMs, nextDayAt(now.wallMs) - now.wallMs)
    case 'behind':
      return undefined
  }
}

function whyOf({ outbox, reason, succeededAtMs }: Way, hindrance: Hindrance | undefined): string {
  if (hindrance) return hindranceIn(hindrance)
  const { failures } = outbox
  if (failures > 0) {
    const times = failures === 1 ? 'a failure' : `${failures} failures`
    const how = isOpen(outbox) ? ', then asks first whether it answers' : ''
    return `backs off after ${times}${how}: ${reason}`
  }
  if (outbox.busy) return 'a push is under way'
  if (reason !== undefined) return reason
  return succeededAtMs === undefined ? 'not tried yet' : 'at the next round, or at once for money'
}

// What goes out next, by which uplink, and when (PROTOCOL 3.3). The queue is the logs themselves: whatever lies
// above the cloud's acks is unsent, so it is durable, resumable and shared by every node without a queue of its
// own. Rendezvous ranking only saves bytes; two nodes that push the same change nothing (no election anywhere).
import { hashOf } from '../identity/hash.ts'
import { type DeviceId, type LogId, unhex } from '../units.ts'

/** Added wait for each node that ranks before us. */
const RANK_DELAY_MS = 8000
const RANK_JITTER_MS = 2000
/** Added where another node has a way that is to be used first; less for what is urgent. */
const CHEAPER_DELAY_MS = 60_000
const CHEAPER_URGENT_DELAY_MS = 10_000
/** Between rounds while only ticks and diagnostics wait. */
const ROUND_MS = 5000
const ROUND_JITTER_MS = 10_000
/** ... and where each push is paid for. */
const METERED_ROUND_MS = 5 * 60 * 1000
/** Nothing to send: ask for news of others' pushes, and show that the uplink lives. */
const POLL_MS = 20_000
const BACKOFF_MIN_MS = 1000
const BACKOFF_MAX_MS = 15 * 60 * 1000
/** After so many failures in a row only a mere poll is tried, until one is answered. */
const OPEN_AFTER_FAILURES = 3
/** Size of a push, grown by what got through and halved by what did not; as measured, it is through in so long. */
const BATCH_MIN_BYTES = 4 * 1024
const BATCH_MAX_BYTES = 256 * 1024
const BATCH_STEP_BYTES = 32 * 1024
const BATCH_TARGET_MS = 5000
/** ... or a quarter more than the last one, while that would be answered in so long: a slow answer need not be the link's fault. */
const BATCH_PATIENCE_MS = 10_000
const BATCH_PROBE = 1.25
/** Of the newest measurement. */
const GOODPUT_WEIGHT = 0.5
/** Shares of a batch of P1 to P4; P0 goes first whatever waits (PROTOCOL 3.3). */
const WEIGHTS: readonly number[] = [0, 8, 4, 2, 1]

/** P0 policy, P1 ends and payments, P2 starts, P3 ticks, P4 diagnostics (PROTOCOL 3.3). */
export type Priority = 0 | 1 | 2 | 3 | 4

/** A log that holds more than the cloud has acked. */
export type Unsent = { readonly logId: LogId; readonly fromSeq: number; readonly priority: Priority }

export type OutboxState = {
  /** When a log was first seen unsent, and the wait that was drawn for it then. */
  readonly dueAt: ReadonlyMap<LogId, number>
  /** The list for which that was drawn: the same list again needs no second look. */
  readonly drawnFor: readonly Unsent[]
  /** What went out from which number on, and when: the same again is no news, and waits behind what is. */
  readonly tried: ReadonlyMap<LogId, { readonly fromSeq: number; readonly atMs: number }>
  readonly nextAt: number
  readonly failures: number
  readonly waitMs: number
  readonly batchBytes: number
  /** Of the link, as far as batches were long enough to show it. */
  readonly bytesPerMs: number | undefined
  /** What each class was given, by its weight, so that the next batch goes on where this one ended. */
  readonly given: readonly number[]
  readonly busy: boolean
  readonly isMetered: boolean
}

export type Round = {
  readonly state: OutboxState
  /** Logs to send now, most urgent first; empty for a mere poll; undefined when it is not the time. */
  readonly send?: readonly Unsent[]
}

export type RoundInput = {
  readonly unsent: readonly Unsent[]
  readonly self: DeviceId
  /** Nodes whose uplink works, ourselves included or not. */
  readonly alive: readonly DeviceId[]
  readonly nowMs: number
  /** 0 <= n < 1. */
  readonly dice: () => number
  /** Another node has a way that is to be used first. */
  readonly isCheaperElsewhere?: boolean
  /** The least urgent that may go now; without it, everything. */
  readonly upTo?: Priority
  /** Whether it is time to ask for news when nothing waits; without it, it is. */
  readonly isPollDue?: boolean
}

export function emptyOutbox(nowMs: number, isMetered = false): OutboxState {
  return {
    dueAt: new Map(),
    drawnFor: [],
    tried: new Map(),
    nextAt: nowMs,
    failures: 0,
    waitMs: BACKOFF_MIN_MS,
    batchBytes: 64 * 1024,
    bytesPerMs: undefined,
    given: WEIGHTS.map(() => 0),
    busy: false,
    isMetered,
  }
}

/** How many live uplinks come before us for this log; the same everywhere for the same view of who is alive. */
export function rankOf(self: DeviceId, logId: LogId, alive: readonly DeviceId[]): number {
  const others = alive.filter(other => other !== self)
  if (others.length === 0) return 0
  const mine = weightOf(self, logId)
  return others.filter(other => weightOf(other, logId) > mine).length
}

function weightOf(deviceId: DeviceId, logId: LogId): number {
  const digest = hashOf('chargemesh/rank/v1', unhex(deviceId), unhex(logId))
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

/** Called each tick; `send` comes at most once until `pushed` or `failed` was called. */
export function round(state: OutboxState, input: RoundInput): Round {
  if (rests(state, input.nowMs)) return { state }
  const isSame = input.unsent === state.drawnFor
  const dueAt = isSame ? state.dueAt : drawDue(state, input)
  const drawnFor = input.unsent
  const idle: Round = { state: isSame ? state : { ...state, dueAt, drawnFor } }
  const { upTo = 4, isPollDue = true } = input
  const due = input.unsent.filter(log => log.priority <= upTo && (dueAt.get(log.logId) ?? 0) <= input.nowMs)
  // A log that the cloud does not take (a fork, an unknown certificate) is not urgent for ever.
  const urgent =
    state.failures === 0 && due.some(log => log.priority <= 1 && triedAt(state, log) === undefined)
  if (input.nowMs < state.nextAt && !urgent) return idle
  if (due.length === 0 && !isPollDue) return idle
  return {
    state: { ...state, dueAt, drawnFor, busy: true },
    send: isOpen(state) ? [] : due.toSorted((a, b) => inOrder(state, a, b)),
  }
}

/** The way fails: what is tried is whether it answers, and not with a batch. */
export function isOpen(state: OutboxState): boolean {
  return state.failures >= OPEN_AFTER_FAILURES
}

/** Behind a failure nothing is urgent, and whose turn a log is shows when there is a way again. */
export function rests(state: OutboxState, nowMs: number): boolean {
  return state.busy || (state.failures > 0 && nowMs < state.nextAt)
}

/** When exactly this was last sent without getting anywhere. */
function triedAt(state: OutboxState, log: Unsent): number | undefined {
  const last = state.tried.get(log.logId)
  return last?.fromSeq === log.fromSeq ? last.atMs : undefined
}

/** What was tried in vain goes last, longest ago first: it must not keep the rest from a batch that has no room for all. */
function inOrder(state: OutboxState, a: Unsent, b: Unsent): number {
  const [aTriedAt, bTriedAt] = [
    triedAt(state, a) ?? Number.NEGATIVE_INFINITY,
    triedAt(state, b) ?? Number.NEGATIVE_INFINITY,
  ]
  if (aTriedAt !== bTriedAt) return aTriedAt - bTriedAt
  return a.priority - b.priority || (a.logId < b.logId ? -1 : 1)
}

/** These logs, of what `round` gave, were in the push: a batch need not have room for all. */
export function sent(state: OutboxState, logs: readonly Unsent[], nowMs: number): OutboxState {
  const tried = new Map(state.tried)
  for (const logId of state.tried.keys()) if (!state.dueAt.has(logId)) tried.delete(logId)
  for (const { logId, fromSeq } of logs) tried.set(logId, { fromSeq, atMs: nowMs })
  return { ...state, tried }
}

/** What `round` gave, a list for each class; in the last what was tried in vain. */
export function lanesOf(state: OutboxState, send: readonly Unsent[]): readonly (readonly Unsent[])[] {
  const lanes: Unsent[][] = [...WEIGHTS, 0].map(() => [])
  for (const log of send) lanes[triedAt(state, log) === undefined ? log.priority : WEIGHTS.length]?.push(log)
  return lanes
}

/** Whose turn it is among lanes of which something waits; undefined when none does. Weights are kept from batch to batch. */
export function nextLane(given: readonly number[], isWaiting: (lane: number) => boolean): number | undefined {
  const weighted = WEIGHTS.flatMap((weight, lane) => (weight > 0 && isWaiting(lane) ? [lane] : []))
  if (isWaiting(0)) return 0
  const [first] = weighted.toSorted((a, b) => (given[a] ?? 0) - (given[b] ?? 0) || a - b)
  return first ?? (isWaiting(WEIGHTS.length) ? WEIGHTS.length : undefined)
}

/** So many bytes went to a lane. Who waits for nothing saves nothing up. */
export function give(
  given: readonly number[],
  { lane, bytes }: { readonly lane: number; readonly bytes: number },
  isWaiting: (lane: number) => boolean,
): readonly number[] {
  const now = given.map((had, i) => had + (i === lane && WEIGHTS[i] ? bytes / WEIGHTS[i] : 0))
  const waiting = now.filter((_, i) => WEIGHTS[i] && isWaiting(i))
  const least = waiting.length > 0 ? Math.min(...waiting) : Math.max(...now)
  return now.map((had, i) => (WEIGHTS[i] && !isWaiting(i) ? Math.max(had, least) : had))
}

function drawDue(state: OutboxState, input: RoundInput): ReadonlyMap<LogId, number> {
  const dueAt = new Map<LogId, number>()
  for (const { logId, priority } of input.unsent) {
    const held = state.dueAt.get(logId)
    const cheaperMs = priority <= 1 ? CHEAPER_URGENT_DELAY_MS : CHEAPER_DELAY_MS
    const firstAt = input.nowMs + (input.isCheaperElsewhere ? cheaperMs : 0)
    if (held !== undefined) dueAt.set(logId, held)
    else {
      const rank = rankOf(input.self, logId, input.alive)
      dueAt.set(logId, firstAt + rank * RANK_DELAY_MS + (rank > 0 ? input.dice() * RANK_JITTER_MS : 0))
    }
  }
  return dueAt
}

/** The cloud answered. `remaining`: more is waiting, so go on at once. */
export function pushed(
  state: OutboxState,
  nowMs: number,
  remaining: boolean,
  dice: () => number,
): OutboxState {
  const restMs = state.isMetered ? METERED_ROUND_MS : Math.min(POLL_MS, ROUND_MS + dice() * ROUND_JITTER_MS)
  const waitMs = remaining ? 0 : restMs
  const batchBytes = withinGoodput(state.bytesPerMs, state.batchBytes + BATCH_STEP_BYTES)
  return { ...state, busy: false, failures: 0, waitMs: BACKOFF_MIN_MS, nextAt: nowMs + waitMs, batchBytes }
}

/** A batch of so many bytes was answered in so long. One that the link did not feel says nothing about it. */
export function measured(
  state: OutboxState,
  { bytes, elapsedMs }: { readonly bytes: number; readonly elapsedMs: number },
): OutboxState {
  if (bytes < state.batchBytes / 2 && elapsedMs < BATCH_TARGET_MS) return state
  const now = bytes / Math.max(1, elapsedMs)
  const { bytesPerMs: before = now } = state
  const bytesPerMs = before + (now - before) * GOODPUT_WEIGHT
  const isPatient = elapsedMs * BATCH_PROBE < BATCH_PATIENCE_MS
  const probeBytes = isPatient ? Math.min(BATCH_MAX_BYTES, Math.floor(bytes * BATCH_PROBE)) : 0
  const batchBytes = Math.max(withinGoodput(bytesPerMs, state.batchBytes), probeBytes)
  return { ...state, bytesPerMs, batchBytes }
}

function withinGoodput(bytesPerMs: number | undefined, wanted: number): number {
  const most = bytesPerMs === undefined ? BATCH_MAX_BYTES : bytesPerMs * BATCH_TARGET_MS
  return Math.floor(Math.max(BATCH_MIN_BYTES, Math.min(BATCH_MAX_BYTES, most, wanted)))
}

/** Decorrelated jitter: each wait is drawn between the least and three times the last one. */
export function failed(
  state: OutboxState,
  nowMs: number,
  dice: () => number,
  retryAfterMs: number | undefined,
): OutboxState {
  const drawn = BACKOFF_MIN_MS + dice() * (state.waitMs * 3 - BACKOFF_MIN_MS)
  const waitMs = Math.min(BACKOFF_MAX_MS, Math.max(drawn, BACKOFF_MIN_MS))
  return {
    ...state,
    busy: false,
    // The cloud has judged nothing of it.
    tried: new Map(),
    failures: state.failures + 1,
    waitMs,
    nextAt: nowMs + Math.max(waitMs, Math.min(retryAfterMs || 0, BACKOFF_MAX_MS)),
    batchBytes: Math.max(BATCH_MIN_BYTES, Math.floor(state.batchBytes / 2)),
  }
}

/** What is due cannot be paid for: it is looked at again in a while. */
export function unsendable(state: OutboxState, nowMs: number): OutboxState {
  return { ...state, busy: false, nextAt: nowMs + METERED_ROUND_MS }
}

/** A person asks for a try right now. */
export function hurry(state: OutboxState, nowMs: number): OutboxState {
  return { ...state, nextAt: nowMs, waitMs: BACKOFF_MIN_MS, failures: 0 }
}

// How one direction of a link treats messages: the time in the air, the queue in front of a slow line or a slow reader,
// and the budget of a day. It holds the state of one direction and decides nothing about who may reach whom. The bounds
// are those of the real host, taken from its own list.
import { MAX_WRITE_BYTES } from '../../src/host/framing.ts'
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import type { LinkPlan } from '../plan.ts'

export type LinkQuality = LinkPlan

export const GOOD_LINK: LinkQuality = {
  minDelayMs: 1,
  maxDelayMs: 5,
  heavyTailRate: 0,
  lossRate: 0,
  duplicateRate: 0,
}

/** A message of the heavy tail takes up to so many times as long, and never longer than this (PROTOCOL 6.4, N6). */
const TAIL_TIMES = 20
const MAX_TAIL_MS = 30_000
/** What the two kernels take of a connection before its sender feels anything: about what Linux gives one at first. */
export const SOCKET_BYTES = 65_536
const DAY_MS = 24 * 3600 * 1000

/** One direction's line: when all that is in it has left, and what the day has used. */
export type Line = {
  bytesPerS: number
  freeAtMs: number
  day: number
  dayBytes: number
}

export function emptyLine(): Line {
  return { bytesPerS: 0, freeAtMs: 0, day: 0, dayBytes: 0 }
}

/** Drawn anew for each message, so that those which draw less overtake. */
export function airTimeMs(quality: LinkQuality, draw: () => number): number {
  const { minDelayMs, maxDelayMs, heavyTailRate } = quality
  const delayMs = maxDelayMs > minDelayMs ? minDelayMs + draw() * (maxDelayMs - minDelayMs) : minDelayMs
  if (heavyTailRate === 0 || draw() >= heavyTailRate) return delayMs
  const tailMs = Math.min(MAX_TAIL_MS, delayMs * (1 + draw() * (TAIL_TIMES - 1)))
  return Math.max(delayMs, tailMs)
}

export type Load = { readonly bytes: number; readonly bytesPerS: number; readonly nowMs: number }

/**
 * Milliseconds until the last byte of this message has left, behind all that went before it; undefined when it does not
 * fit, which costs the message and not the connection: so the real host's queue does (src/host/network-peer.ts).
 */
export function enqueue(line: Line, { bytes, bytesPerS, nowMs }: Load): number | undefined {
  if (line.bytesPerS !== bytesPerS) {
    // What waits for a line of another speed keeps its time; what comes now does not wait for it.
    line.bytesPerS = bytesPerS
    line.freeAtMs = nowMs
  }
  const beginsAtMs = Math.max(nowMs, line.freeAtMs)
  const waitingBytes = ((beginsAtMs - nowMs) * bytesPerS) / 1000
  if (waitingBytes + bytes > SOCKET_BYTES + NETWORK_LIMITS.queueBytes) return undefined
  line.freeAtMs = beginsAtMs + (bytes * 1000) / bytesPerS
  return line.freeAtMs - nowMs
}

/**
 * One write of what waits will take longer than the real host's patience with a peer that takes nothing. A long queue
 * that moves does not break a connection; below about 6 kB/s one full write of the host does.
 */
export function isStalled({ bytesPerS, freeAtMs }: Line, nowMs: number): boolean {
  const waitingBytes = ((freeAtMs - nowMs) * bytesPerS) / 1000 - SOCKET_BYTES
  return Math.min(waitingBytes, MAX_WRITE_BYTES) * 1000 > NETWORK_LIMITS.stallMs * bytesPerS
}

export type Spending = { readonly bytes: number; readonly bytesPerDay: number; readonly nowMs: number }

/** Spends the bytes when today's budget has them. Days are virtual, from the start of the run. */
export function spend(line: Line, { bytes, bytesPerDay, nowMs }: Spending): boolean {
  const day = Math.floor(nowMs / DAY_MS)
  if (line.day !== day) {
    line.day = day
    line.dayBytes = 0
  }
  if (line.dayBytes + bytes > bytesPerDay) return false
  line.dayBytes += bytes
  return true
}

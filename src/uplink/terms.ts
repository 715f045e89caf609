// Whether a way out may be used now, and for what (PROTOCOL 3.3, 3.4): its place among the others, its hours, and its
// bytes of the day. Bytes are paid for, so a clock that jumps buys none: a new day needs time that the process ran.
import type { UplinkTerms } from '../ports.ts'
import type { Priority } from './outbox.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const DAY_MINUTES = 24 * 60

/** Of a day's budget, kept for the operator's words and for asking after them (PROTOCOL 3.4). */
const RESERVED_SHARE = 0.2
/** Beside what is in a push: headers with a certificate, TLS, the acks that come back. */
export const PUSH_OVERHEAD_BYTES = 6_000
/** A new day is not believed sooner behind the last one; after a jump of the clock, not before so long. */
const LEAST_DAY_MS = HOUR_MS
const LEAST_DAY_AFTER_JUMP_MS = 12 * HOUR_MS
/** A clock that stays behind, or stands still: a day has passed all the same. */
const LONGEST_DAY_MS = DAY_MS + HOUR_MS
/** A way that comes first has so long to work again, before the next is used. */
const FAILED_FOR_MS = 60_000
const FAILED_FOR_URGENT_MS = 10_000
/** Where nobody can say whether it is the hour, a way is used so often. */
const DOUBTFUL_EVERY_MS = HOUR_MS
/** Asking for news on a way that is paid by the byte: a twentieth of the budget at most, and never oftener than this. */
const POLL_SHARE = 0.05
const POLL_LEAST_MS = 15 * MINUTE_MS
const POLL_UNBOUNDED_MS = HOUR_MS

export const NO_TERMS: UplinkTerms = { priority: 1, windows: [] }

/** What a day has cost so far. */
export type Spent = {
  /** Of UTC, counted from 1970. */
  readonly day: number
  readonly bytes: number
  /** For how long a process is known to have run since that day was begun. */
  readonly ranMs: number
}

export type Passed = {
  readonly wallMs: number
  /** By the monotonic clock, since this was asked last. */
  readonly passedMs: number
  /** The wall clock was set since the day began, as far as this process has seen. */
  readonly hasJumped: boolean
}

export function dayOf(wallMs: number): number {
  return Math.max(0, Math.floor(wallMs / DAY_MS))
}

/** The same day gone on, or a new one, of which nothing is spent. */
export function spentNow(before: Spent, { wallMs, passedMs, hasJumped }: Passed): Spent {
  const ranMs = before.ranMs + Math.max(0, passedMs)
  const day = dayOf(wallMs)
  const leastMs = hasJumped ? LEAST_DAY_AFTER_JUMP_MS : LEAST_DAY_MS
  const isNew = (day > before.day && ranMs >= leastMs) || ranMs >= LONGEST_DAY_MS
  return isNew ? { day, bytes: 0, ranMs: 0 } : { ...before, ranMs }
}

/** Paid by the byte, or by the hour: nothing goes out that can wait for more to go with it. */
export function isMetered({ budgetBytes, windows, costPerMb }: UplinkTerms): boolean {
  return budgetBytes !== undefined || windows.length > 0 || costPerMb !== undefined
}

/** Bytes that are left of today; all of them for what the operators say, the reserve apart for the rest. */
export function roomOf({ budgetBytes }: UplinkTerms, spent: Spent): { forAll: number; forRest: number } {
  if (budgetBytes === undefined)
    return { forAll: Number.POSITIVE_INFINITY, forRest: Number.POSITIVE_INFINITY }
  const left = Math.max(0, budgetBytes - spent.bytes)
  return { forAll: left, forRest: Math.max(0, left - budgetBytes * RESERVED_SHARE) }
}

export type Hindrance =
  | { readonly kind: 'outside-window'; readonly opensAt: number }
  | { readonly kind: 'clock-in-doubt'; readonly waitMs: number }
  /** Of the day's budget there is none left, or none but the reserve. */
  | { readonly kind: 'spent'; readonly isReserveSpent: boolean }
  | { readonly kind: 'behind'; readonly name: string }

export type Now = {
  readonly wallMs: number
  readonly monotonicMs: number
  readonly isClockInDoubt: boolean
}

export type WayFacts = {
  readonly name: string
  readonly terms: UplinkTerms
  readonly spent: Spent
  /** What is left of the day carries something, and not all that waits. */
  readonly isShort?: boolean
  /** The first failure behind which there was no success. */
  readonly failingSinceMs: number | undefined
  readonly triedAtMs: number | undefined
}

export type Permission = {
  /** The least urgent that may go; undefined: nothing at all. */
  readonly upTo: Priority | undefined
  readonly mayPoll: boolean
  readonly hindrance?: Hindrance
}

/** What a way may be used for now, beside these others of the node. */
export function permissionOf(way: WayFacts, others: readonly WayFacts[], now: Now): Permission {
  const own = ownPermission(way, now)
  if (own.upTo === undefined) return own
  const ahead = others.filter(other => other.terms.priority < way.terms.priority && isOpen(other, now))
  const behind = (forMs: number): WayFacts | undefined =>
    ahead.find(other => other.failingSinceMs === undefined || now.monotonicMs - other.failingSinceMs < forMs)
  const first = behind(FAILED_FOR_MS)
  if (!first) return own
  const hindrance: Hindrance = { kind: 'behind', name: first.name }
  const isUrgentOnly = behind(FAILED_FOR_URGENT_MS) === undefined
  return { upTo: isUrgentOnly ? lower(own.upTo, 1) : undefined, mayPoll: false, hindrance }
}

function lower(one: Priority, other: Priority): Priority {
  return one < other ? one : other
}

/** Whether its own terms let it carry what everybody says. */
function isOpen(way: WayFacts, now: Now): boolean {
  return ownPermission(way, now).upTo === 4 && way.isShort !== true
}

function ownPermission({ terms, spent, triedAtMs }: WayFacts, now: Now): Permission {
  const hindrance = hourOf(terms, { ...now, triedAtMs })
  if (hindrance) return { upTo: undefined, mayPoll: false, hindrance }
  const { forAll, forRest } = roomOf(terms, spent)
  if (forRest > PUSH_OVERHEAD_BYTES) return { upTo: 4, mayPoll: true }
  const isReserveSpent = forAll <= PUSH_OVERHEAD_BYTES
  const spentToday: Hindrance = { kind: 'spent', isReserveSpent }
  return { upTo: isReserveSpent ? undefined : 0, mayPoll: !isReserveSpent, hindrance: spentToday }
}

function hourOf(
  { windows }: UplinkTerms,
  { wallMs, monotonicMs, isClockInDoubt, triedAtMs }: Now & Pick<WayFacts, 'triedAtMs'>,
): Hindrance | undefined {
  if (windows.length === 0) return undefined
  if (!isClockInDoubt) {
    const waitMinutes = Math.min(...windows.map(window => minutesUntil(window, minuteOf(wallMs))))
    const opensAt = (Math.floor(wallMs / MINUTE_MS) + waitMinutes) * MINUTE_MS
    return waitMinutes === 0 ? undefined : { kind: 'outside-window', opensAt }
  }
  // Never to try would keep the news away by which the clock is put right; to try as if it were the hour costs money.
  const waitMs = triedAtMs === undefined ? 0 : Math.max(0, triedAtMs + DOUBTFUL_EVERY_MS - monotonicMs)
  return waitMs === 0 ? undefined : { kind: 'clock-in-doubt', waitMs }
}

function minuteOf(wallMs: number): number {
  const minute = Math.floor(wallMs / MINUTE_MS) % DAY_MINUTES
  return (minute + DAY_MINUTES) % DAY_MINUTES
}

function minutesUntil({ fromMinute, untilMinute }: UplinkTerms['windows'][number], minute: number): number {
  const isInside =
    fromMinute < untilMinute
      ? minute >= fromMinute && minute < untilMinute
      : minute >= fromMinute || minute < untilMinute
  return isInside ? 0 : (fromMinute - minute + DAY_MINUTES) % DAY_MINUTES
}

/** Whether to ask for news although nothing waits: on a paid way once a window, and seldom. */
export function isPollDue(
  terms: UplinkTerms,
  times: {
    readonly monotonicMs: number
    readonly contactAtMs: number | undefined
    readonly openedAtMs: number
  },
): boolean {
  const { monotonicMs, contactAtMs, openedAtMs } = times
  if (!isMetered(terms) || contactAtMs === undefined || contactAtMs < openedAtMs) return true
  return monotonicMs - contactAtMs >= pollEveryMs(terms)
}

function pollEveryMs({ budgetBytes }: UplinkTerms): number {
  if (budgetBytes === undefined) return POLL_UNBOUNDED_MS
  return Math.max(POLL_LEAST_MS, (DAY_MS * PUSH_OVERHEAD_BYTES) / (budgetBytes * POLL_SHARE))
}

/** The next midnight of UTC. */
export function nextDayAt(wallMs: number): number {
  return (dayOf(wallMs) + 1) * DAY_MS
}

/** In words, for people. */
export function hindranceIn(hindrance: Hindrance): string {
  switch (hindrance.kind) {
    case 'outside-window':
      return `outside its window until ${new Date(hindrance.opensAt).toISOString().slice(11, 16)} UTC`
    case 'clock-in-doubt':
      return 'this clock is in doubt, so nobody can say whether its window is open: one try an hour'
    case 'spent':
      return hindrance.isReserveSpent
        ? "the day's budget is spent"
        : "the day's budget is spent but for what operators say"
    case 'behind':
      return `waits behind ${hindrance.name}`
  }
}

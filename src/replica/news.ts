// How old the operator's news is here, and what time it is at the least (PROTOCOL 2.1, 2.3). A clock may be set back, in a
// running node or across a reboot without a battery: the age of one beacon never falls below the time that this node is
// known to have worked since it came, which is counted by the monotonic clock and, before this start, by that of our
// own events. The time without power in between is known to the wall clock only.
import type { Certificate } from '../identity/certificate.ts'
import { MAX_LEAD_MS } from '../log/hlc.ts'
import type { EventHash, LogId } from '../units.ts'
import type { Logs } from './logs.ts'
import type { Objects } from './objects.ts'

/** Entries of which it is remembered when they came; the oldest goes. */
const MAX_REMEMBERED = 10_000

export type NewsTimes = { readonly wallMs: number; readonly monotonicMs: number }

export type News = {
  /** UTC ms: our clock's, or while that is in doubt the newest instant that anybody signed, if it is later. */
  readonly nowAt: number
  /** Our clock is behind what it said before, and no news has come since that agrees with it. */
  readonly isClockInDoubt: boolean
  /** Age in ms of the newest beacon whose head we hold; undefined when there is none. */
  readonly policyAgeMs: number | undefined
}

export type NewsClock = {
  /** One of our own logs, as far as the journal has been read, reaches to this time of its epoch. */
  readonly worked: (logId: LogId, head: { readonly monoMs: number; readonly writtenAt: number }) => void
  /** `writtenAt`: the latest time that our own events bear, or our certificate. */
  readonly read: (times: NewsTimes, writtenAt: number) => News
  readonly heard: (entry: EventHash, wallMs: number) => void
  /** When an entry came, if that was since this start. */
  readonly knownSince: (entry: EventHash) => number | undefined
}

export function createNewsClock(
  logs: Logs,
  objects: Objects,
  isVoid: (signer: Certificate) => boolean,
): NewsClock {
  /** When the newest beacon was issued that has counted, and the newest that our clock did not contradict. */
  let newestAt: number | undefined
  let believedAt = 0
  /** At the least so old was the newest when the monotonic clock was read last. */
  let leastMs = 0
  let readAtMs: number | undefined
  /** Wall clock minus monotonic clock when news agreed with it. */
  let agreedMs: number | undefined
  const epochs = new Map<LogId, number>()
  const heard = new Map<EventHash, number>()

  /** When the newest beacon was issued whose log we hold up to the head that it names. */
  const newestBy = (horizonAt: number): number | undefined => {
    let found: number | undefined
    for (const { body, signer } of objects.ofKind('beacon')) {
      if (body.issuedAt > horizonAt || isVoid(signer) || logs.get(body.logId)?.hashes[body.seq] !== body.hash)
        continue
      found = Math.max(body.issuedAt, found ?? 0)
    }
    return found
  }
  const isNews = (issuedAt: number | undefined): issuedAt is number =>
    issuedAt !== undefined && (newestAt === undefined || issuedAt > newestAt)

  return {
    worked: (logId, { monoMs, writtenAt }) => {
      const before = epochs.get(logId) ?? 0
      epochs.set(logId, Math.max(monoMs, before))
      leastMs += Math.max(0, monoMs - before)
      const issuedAt = newestBy(writtenAt + MAX_LEAD_MS)
      if (!isNews(issuedAt)) return
      newestAt = issuedAt
      leastMs = 0
    },
    read: ({ wallMs, monotonicMs }, writtenAt) => {
      const offsetMs = wallMs - monotonicMs
      if (agreedMs !== undefined && Math.abs(offsetMs - agreedMs) > MAX_LEAD_MS) agreedMs = undefined
      const isBehind = Math.max(writtenAt - MAX_LEAD_MS, believedAt) > wallMs + MAX_LEAD_MS
      const wasInDoubt = isBehind && agreedMs === undefined
      // Further ahead of a clock that is not in doubt, a beacon says nothing about age: its issuer's clock is wrong.
      const horizonAt = wasInDoubt ? Number.POSITIVE_INFINITY : wallMs + MAX_LEAD_MS
      const issuedAt = newestBy(horizonAt)
      if (newestAt !== undefined && newestAt > horizonAt) newestAt = issuedAt
      leastMs += monotonicMs - (readAtMs ?? monotonicMs)
      if (isNews(issuedAt)) {
        newestAt = issuedAt
        leastMs = 0
        // What stood in the journal already proves nothing of the clock.
        if (readAtMs !== undefined && Math.abs(wallMs - issuedAt) <= MAX_LEAD_MS) agreedMs = offsetMs
      }
      readAtMs = monotonicMs
      const isClockInDoubt = isBehind && agreedMs === undefined
      if (!isClockInDoubt) believedAt = Math.max(believedAt, issuedAt ?? 0)
      const nowAt = isClockInDoubt ? Math.max(wallMs, objects.signedAt()) : wallMs
      const policyAgeMs = issuedAt === undefined ? undefined : Math.max(leastMs, nowAt - issuedAt)
      return { nowAt, isClockInDoubt, policyAgeMs }
    },
    heard: (entry, wallMs) => {
      const oldest = heard.keys().next()
      if (heard.size >= MAX_REMEMBERED && !oldest.done) heard.delete(oldest.value)
      heard.set(entry, wallMs)
    },
    knownSince: entry => heard.get(entry),
  }
}

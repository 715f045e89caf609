// How old the operator's news is, by clocks that are set back, forward and right again (PROTOCOL 2.3).
import { beforeEach, describe, expect, it } from 'vitest'
import type { SignedObject } from '../../src/log/object.ts'
import type { Logs } from '../../src/replica/logs.ts'
import { createNewsClock, type NewsClock } from '../../src/replica/news.ts'
import { createObjects, type Objects } from '../../src/replica/objects.ts'
import type { EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT } from '../site.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const ISSUER = 'aa'.repeat(16) as LogId
const OTHER = 'dd'.repeat(16) as LogId
const OWN = 'bb'.repeat(16) as LogId
const HASH = 'cc'.repeat(32) as EventHash
const T = SITE_OPENED_AT

let objects: Objects
let clock: NewsClock

beforeEach(() => {
  objects = createObjects()
  const held = { hashes: [HASH] }
  clock = createNewsClock(
    { get: (id: LogId) => (id === ISSUER || id === OTHER ? held : undefined) } as unknown as Logs,
    objects,
    () => false,
  )
})

function beacon(issuedAt: number, seq = 0, logId = ISSUER): void {
  const body = { logId, seq, hash: HASH, issuedAt, nextByAt: issuedAt }
  const object = { kind: 'beacon', name: `beacon/${logId}`, version: issuedAt, body }
  // The gate has read it; of what it read, no more is asked here.
  objects.add(object as unknown as SignedObject)
}

const read = (wallMs: number, monotonicMs: number, writtenAt = 0) =>
  clock.read({ wallMs, monotonicMs }, writtenAt)

describe('the age of the news', () => {
  it('is unknown without a beacon, and with one whose log is not held so far', () => {
    expect(read(T, 0).policyAgeMs).toBeUndefined()
    beacon(T, 7)
    expect(read(T, 0).policyAgeMs).toBeUndefined()
  })

  it('is that of the newest beacon by a clock that nobody doubts', () => {
    beacon(T)
    expect(read(T + HOUR_MS, 0)).toEqual({
      ...{ nowAt: T + HOUR_MS, isClockInDoubt: false, policyAgeMs: HOUR_MS },
    })
    beacon(T + HOUR_MS)
    expect(read(T + HOUR_MS + 5, 5).policyAgeMs).toBe(5)
  })

  it('does not fall when the clock of a running node is set back', () => {
    beacon(T)
    read(T, 0)
    expect(read(T + 20 * DAY_MS, 20 * DAY_MS).policyAgeMs).toBe(20 * DAY_MS)
    expect(read(T + DAY_MS, 20 * DAY_MS, T + 20 * DAY_MS)).toMatchObject({
      ...{ policyAgeMs: 20 * DAY_MS, isClockInDoubt: true },
    })
  })

  it('does not fall below the time worked, when the clock is set back across a reboot', () => {
    beacon(T)
    clock.worked(OWN, { monoMs: 0, writtenAt: T })
    clock.worked(OWN, { monoMs: 5 * DAY_MS, writtenAt: T + 5 * DAY_MS })
    clock.worked(OWN, { monoMs: 20 * DAY_MS, writtenAt: T + 20 * DAY_MS })
    expect(read(T + DAY_MS, 0, T + 20 * DAY_MS)).toMatchObject({
      ...{ policyAgeMs: 20 * DAY_MS, isClockInDoubt: true },
    })
    expect(read(T + DAY_MS, DAY_MS, T + 20 * DAY_MS).policyAgeMs).toBe(21 * DAY_MS)
  })

  it('counts only what was worked since the newest beacon came', () => {
    beacon(T)
    clock.worked(OWN, { monoMs: 9 * DAY_MS, writtenAt: T + 9 * DAY_MS })
    beacon(T + 9 * DAY_MS)
    clock.worked(OWN, { monoMs: 10 * DAY_MS, writtenAt: T + 10 * DAY_MS })
    clock.worked(OWN, { monoMs: 12 * DAY_MS, writtenAt: T + 12 * DAY_MS })
    expect(read(T + 9 * DAY_MS, 0, T + 12 * DAY_MS).policyAgeMs).toBe(2 * DAY_MS)
  })

  it('is not made of years by a clock that was ahead for a while', () => {
    beacon(T)
    read(T, 0)
    read(T + 3650 * DAY_MS, HOUR_MS)
    expect(read(T + 2 * HOUR_MS, 2 * HOUR_MS).policyAgeMs).toBe(2 * HOUR_MS)
  })
})

describe('a clock', () => {
  it('that begins in 1970 is in doubt, and it is as late as the last signature says', () => {
    beacon(T)
    expect(read(5000, 0, T + HOUR_MS)).toEqual({ nowAt: T, isClockInDoubt: true, policyAgeMs: 0 })
  })

  it('is believed again when it agrees with news that came since', () => {
    beacon(T)
    read(T + DAY_MS, 0, T + 3 * DAY_MS)
    beacon(T + DAY_MS + 5)
    expect(read(T + DAY_MS + 9, 9, T + 3 * DAY_MS)).toEqual({
      ...{ nowAt: T + DAY_MS + 9, isClockInDoubt: false, policyAgeMs: 4 },
    })
    // And no more when it jumps once more.
    expect(read(T, HOUR_MS, T + 3 * DAY_MS).isClockInDoubt).toBe(true)
  })

  it('is not believed because of a beacon that stood in the journal already', () => {
    beacon(T)
    expect(read(T + MINUTE_MS, 0, T + 3 * DAY_MS).isClockInDoubt).toBe(true)
  })

  it('in doubt takes news from what it believes to be the future', () => {
    beacon(T)
    read(5000, 0, T)
    beacon(T + 30 * DAY_MS)
    expect(read(6000, 1000, T)).toEqual({ nowAt: T + 30 * DAY_MS, isClockInDoubt: true, policyAgeMs: 0 })
    expect(read(6000 + HOUR_MS, 1000 + HOUR_MS, T).policyAgeMs).toBe(HOUR_MS)
  })

  it('that nobody doubts is not led astray by an issuer whose clock is years ahead', () => {
    beacon(T + 3650 * DAY_MS)
    expect(read(T, 0, T)).toEqual({ nowAt: T, isClockInDoubt: false, policyAgeMs: undefined })
  })

  it('that is right again forgets an issuer years ahead, whom it believed while it was in doubt', () => {
    beacon(T)
    read(5000, 0, T)
    beacon(T + 3650 * DAY_MS, 0, OTHER)
    read(6000, 1000, T)
    read(T + HOUR_MS, 2000, T)
    beacon(T + 2 * HOUR_MS)
    expect(read(T + 2 * HOUR_MS, 2000 + HOUR_MS, T)).toMatchObject({ policyAgeMs: 0, isClockInDoubt: false })
  })
})

it('remembers when an entry came, of so many', () => {
  const hashes = Array.from({ length: 10_001 }, (_, i) => i.toString(16).padStart(64, '0') as EventHash)
  for (const [i, hash] of hashes.entries()) clock.heard(hash, T + i)
  expect(clock.knownSince(hashes[0] as EventHash)).toBeUndefined()
  expect(clock.knownSince(hashes[1] as EventHash)).toBe(T + 1)
})

// When the outbox sends, what comes first, how it waits after failures, and what it does about logs that the cloud
// does not take.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceId, LogId } from '../../src/units.ts'
import {
  emptyOutbox,
  failed,
  give,
  hurry,
  lanesOf,
  measured,
  nextLane,
  type OutboxState,
  pushed,
  type RoundInput,
  rankOf,
  round,
  sent,
  type Unsent,
} from '../../src/uplink/outbox.ts'
import { diceOf } from './dice.ts'

const SECOND_MS = 1000
const MOST_MS = 15 * 60 * SECOND_MS
const SELF = '01'.repeat(16) as DeviceId
const LOG = '0a'.repeat(16) as LogId
const OTHER = '0b'.repeat(16) as LogId
const half = (): number => 0.5

const ids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('hex'))

function input(nowMs: number, unsent: readonly Unsent[], alive: readonly DeviceId[] = []): RoundInput {
  return { unsent, self: SELF, alive, nowMs, dice: half }
}

function log(logId: LogId, priority: Unsent['priority'], fromSeq = 0): Unsent {
  return { logId, fromSeq, priority }
}

describe('the rank of a node for a log', () => {
  it('is a permutation of all live nodes, the same from everywhere and in any order of names', () => {
    fc.assert(
      fc.property(fc.uniqueArray(ids, { minLength: 1, maxLength: 12 }), ids, (names, logName) => {
        const [alive, logId] = [names as DeviceId[], logName as LogId]
        const ranks = alive.map(self => rankOf(self, logId, alive))
        expect(ranks.toSorted((a, b) => a - b)).toEqual(alive.map((_, i) => i))
        expect(alive.map(self => rankOf(self, logId, alive.toReversed()))).toEqual(ranks)
      }),
    )
  })

  it('moves nobody up or down by more than one place when one node goes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(ids, { minLength: 2, maxLength: 12 }), ids, (names, logName) => {
        const [[gone, ...left], logId] = [names as [DeviceId, ...DeviceId[]], logName as LogId]
        for (const self of left) {
          const before = rankOf(self, logId, names as DeviceId[])
          const after = rankOf(self, logId, left)
          expect(before - after).toBe(rankOf(gone, logId, names as DeviceId[]) < before ? 1 : 0)
        }
      }),
    )
  })

  it('is 0 for the only uplink, whether or not it counts itself among the living', () => {
    expect(rankOf(SELF, LOG, [])).toBe(0)
    expect(rankOf(SELF, LOG, [SELF])).toBe(0)
  })

  it('spreads logs over the nodes', () => {
    const alive = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(32) as DeviceId)
    const first = Array.from({ length: 500 }, (_, i) => i.toString(16).padStart(32, '0') as LogId).map(
      logId => alive.findIndex(self => rankOf(self, logId, alive) === 0),
    )
    for (const i of alive.keys()) expect(first.filter(one => one === i).length).toBeGreaterThan(60)
  })
})

describe('a round', () => {
  const waiting: OutboxState = { ...emptyOutbox(0), nextAt: 10_000 }

  it.each([
    [0, true],
    [1, true],
    [2, false],
    [3, false],
    [4, false],
  ] as const)('with priority %d goes at once: %s', (priority, now) => {
    expect(round(waiting, input(0, [log(LOG, priority)])).send !== undefined).toBe(now)
    expect(round(waiting, input(10_000, [log(LOG, priority)])).send).toHaveLength(1)
  })

  it('sends the most urgent first', () => {
    const { send } = round(emptyOutbox(0), input(0, [log(LOG, 3), log(OTHER, 1)]))
    expect(send?.map(one => one.logId)).toEqual([OTHER, LOG])
  })

  it('asks for news when nothing is unsent and the time has come', () => {
    expect(round(waiting, input(9999, [])).send).toBeUndefined()
    expect(round(waiting, input(10_000, [])).send).toEqual([])
  })

  it('starts no second push while one is under way, however urgent', () => {
    const busy = round(emptyOutbox(0), input(0, [log(LOG, 1)])).state
    for (const nowMs of [0, 60_000, 3600_000])
      expect(round(busy, input(nowMs, [log(OTHER, 0)])).send).toBeUndefined()
    expect(round(pushed(busy, 0, false, half), input(0, [log(OTHER, 0)])).send).toHaveLength(1)
  })

  it('draws no wait behind a failure before there is another try', () => {
    const broken = failed(round(emptyOutbox(0), input(0, [])).state, 0, half, undefined)
    const early = round(broken, input(broken.nextAt - 1, [log(LOG, 0)]))
    expect([early.send, early.state.dueAt.size]).toEqual([undefined, 0])
    expect(round(early.state, input(broken.nextAt, [log(LOG, 0)])).send).toHaveLength(1)
  })

  it('waits 8 s for each uplink that ranks before it, and up to 2 s more, even with the most urgent', () => {
    const alive = Array.from({ length: 3 }, (_, i) => `${i + 2}`.repeat(32) as DeviceId)
    const rank = rankOf(SELF, LOG, alive)
    const logs = [log(LOG, 1)]
    let state = round({ ...emptyOutbox(0), nextAt: 0 }, input(0, logs, alive)).state
    state = { ...state, busy: false }
    const dueMs = rank === 0 ? 0 : rank * 8000 + 1000
    const sentAt = Array.from({ length: 40 }, (_, s) => s * SECOND_MS).find(
      nowMs => round(state, input(nowMs, logs, alive)).send?.length === 1,
    )
    expect(sentAt).toBe(dueMs)
  })

  it('forgets the wait of a log once others have carried it', () => {
    const { state } = round(emptyOutbox(0), input(0, [log(LOG, 3)]))
    expect(state.dueAt.size).toBe(1)
    const answered = pushed(state, 0, false, () => 0)
    expect(round(answered, input(SECOND_MS, [])).state.dueAt.size).toBe(0)
  })
})

describe('a log that the cloud does not take', () => {
  const refused = [log(LOG, 1)]

  function afterOnePush(unsent: readonly Unsent[]): OutboxState {
    const first = round(emptyOutbox(0), input(0, unsent))
    return pushed(sent(first.state, first.send ?? [], 0), 0, false, half)
  }

  it('is tried once a round, not once a second, although it holds the end of a session', () => {
    let state = emptyOutbox(0)
    let pushes = 0
    for (let nowMs = 0; nowMs < 600_000; nowMs += SECOND_MS) {
      const next = round(state, input(nowMs, refused))
      state = next.state
      if (!next.send) continue
      pushes += 1
      state = pushed(sent(state, next.send, nowMs), nowMs, false, half)
    }
    expect(pushes).toBeLessThanOrEqual(600 / 5)
    expect(pushes).toBeGreaterThanOrEqual(600 / 15)
  })

  it('does not hold back what is urgent and new', () => {
    const state = afterOnePush(refused)
    const next = round(state, input(SECOND_MS, [...refused, log(OTHER, 1)]))
    expect(next.send?.map(one => one.logId)).toEqual([OTHER, LOG])
  })

  it('is urgent again as soon as the cloud has taken a part of it', () => {
    expect(round(afterOnePush(refused), input(SECOND_MS, refused)).send).toBeUndefined()
    expect(round(afterOnePush(refused), input(SECOND_MS, [log(LOG, 1, 5)])).send).toHaveLength(1)
  })

  it('lets every other log through a batch that has room for one', () => {
    const all = Array.from({ length: 6 }, (_, i) => log(`${i}`.repeat(32) as LogId, 1))
    const stuck = new Set(all.slice(0, 3).map(one => one.logId))
    const taken = new Set<LogId>()
    let state = emptyOutbox(0)
    for (let nowMs = 0; nowMs < 300_000; nowMs += SECOND_MS) {
      const next = round(
        state,
        input(
          nowMs,
          all.filter(one => !taken.has(one.logId)),
        ),
      )
      state = next.state
      const first = next.send?.slice(0, 1)
      if (!first) continue
      for (const { logId } of first) if (!stuck.has(logId)) taken.add(logId)
      state = pushed(sent(state, first, nowMs), nowMs, false, half)
    }
    expect([...taken].sort()).toEqual(all.slice(3).map(one => one.logId))
  })
})

describe('after a failure', () => {
  it('waits from 1 s to 15 min, and never longer for a cloud that asks for more', () => {
    const retry = fc.option(
      fc.oneof(fc.nat(1e9), fc.constantFrom(-1, Number.NaN, Number.POSITIVE_INFINITY)),
      {
        nil: undefined,
      },
    )
    fc.assert(
      fc.property(fc.array(retry, { minLength: 1, maxLength: 40 }), fc.integer(), (retries, seed) => {
        const dice = diceOf(seed)
        let state = emptyOutbox(0)
        for (const retryAfterMs of retries) {
          state = failed(state, 0, dice, retryAfterMs)
          expect(state.nextAt).toBeGreaterThanOrEqual(SECOND_MS)
          expect(state.nextAt).toBeLessThanOrEqual(MOST_MS)
        }
      }),
    )
  })

  it('comes back no sooner than the cloud has asked', () => {
    expect(failed(emptyOutbox(0), 0, half, 120_000).nextAt).toBe(120_000)
    expect(failed(emptyOutbox(0), 0, half, 1e9).nextAt).toBe(MOST_MS)
  })

  it('reaches the longest wait, and starts small again after one success', () => {
    let state = emptyOutbox(0)
    for (let i = 0; i < 30; i++) state = failed(state, 0, () => 0.999, undefined)
    expect(state.nextAt).toBeGreaterThan(MOST_MS - 10_000)
    expect(failed(pushed(state, 0, false, half), 0, () => 0.999, undefined).nextAt).toBeLessThan(
      4 * SECOND_MS,
    )
  })

  it('does not even try what is urgent before its time', () => {
    const state = failed(emptyOutbox(0), 0, half, 60_000)
    expect(round(state, input(59_999, [log(LOG, 0)])).send).toBeUndefined()
    expect(round(state, input(60_000, [log(LOG, 0)])).send).toHaveLength(1)
  })

  it('tries at once when a person asks', () => {
    const state = hurry(failed(emptyOutbox(0), 0, half, 60_000), 5)
    expect(round(state, input(5, [log(LOG, 4)])).send).toHaveLength(1)
  })
})

describe('a way that fails and fails', () => {
  const broken = (failures: number): OutboxState => {
    let state = emptyOutbox(0)
    for (let i = 0; i < failures; i++) state = failed(state, 0, half, undefined)
    return { ...state, nextAt: 0 }
  }

  it('is asked whether it answers before it is given a batch', () => {
    expect(round(broken(2), input(0, [log(LOG, 1)])).send).toHaveLength(1)
    expect(round(broken(3), input(0, [log(LOG, 1)])).send).toEqual([])
    expect(round(pushed(broken(3), 0, true, half), input(0, [log(LOG, 1)])).send).toHaveLength(1)
  })

  it('is tried a few times an hour, whatever waits and however long', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(3), (seed, priority) => {
        const dice = diceOf(seed)
        let state = emptyOutbox(0)
        let [tries, batches] = [0, 0]
        for (let nowMs = 0; nowMs < 12 * 3600 * SECOND_MS; nowMs += SECOND_MS) {
          const next = round(state, {
            ...input(nowMs, [log(LOG, priority as Unsent['priority'])]),
            dice,
          })
          state = next.state
          if (!next.send) continue
          tries += 1
          batches += next.send.length
          state = failed(state, nowMs, dice, undefined)
        }
        expect(batches).toBeLessThanOrEqual(3)
        expect(tries).toBeLessThan(250)
        expect(tries).toBeGreaterThan(40)
      }),
      { numRuns: 20 },
    )
  })
})

describe('a way that is paid for', () => {
  const paid = (nextAt: number): OutboxState => ({ ...emptyOutbox(0, true), nextAt })

  it('collects for five minutes what is not urgent, and sends money at once', () => {
    const rested = pushed({ ...paid(0), busy: true }, 0, false, half)
    expect(rested.nextAt).toBe(300_000)
    expect(round(rested, input(1000, [log(LOG, 2)])).send).toBeUndefined()
    expect(round(rested, input(1000, [log(LOG, 1)])).send).toHaveLength(1)
  })

  it('asks for nothing before it is time to, and sends what it may', () => {
    expect(round(paid(0), { ...input(0, []), isPollDue: false }).send).toBeUndefined()
    expect(round(paid(0), { ...input(0, [log(LOG, 3)]), isPollDue: false }).send).toHaveLength(1)
    const only = { ...input(0, [log(LOG, 3), log(OTHER, 0)]), upTo: 0 as const }
    expect(round(paid(0), only).send?.map(one => one.logId)).toEqual([OTHER])
  })

  it('lets a node with another way go first: a minute, ten seconds for money', () => {
    const all = [log(LOG, 1), log(OTHER, 3)]
    let state = emptyOutbox(0)
    const goneAt = new Map<LogId, number>()
    for (let nowMs = 0; nowMs < 120_000; nowMs += SECOND_MS) {
      const next = round(state, { ...input(nowMs, all), isCheaperElsewhere: true, isPollDue: false })
      state = next.send ? pushed(sent(next.state, next.send, nowMs), nowMs, false, half) : next.state
      for (const { logId } of next.send ?? []) if (!goneAt.has(logId)) goneAt.set(logId, nowMs)
    }
    expect(goneAt.get(LOG)).toBe(10_000)
    expect(goneAt.get(OTHER)).toBeGreaterThanOrEqual(60_000)
    expect(goneAt.get(OTHER)).toBeLessThan(80_000)
  })
})

describe('the classes', () => {
  const waitingIn = (lanes: readonly number[]) => (lane: number) => lanes.includes(lane)

  it('share what goes out as 8 to 4 to 2 to 1, over any sizes and batches', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 48_000 }), { minLength: 400, maxLength: 500 })
    const lanes = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 })
    fc.assert(
      fc.property(sizes, lanes, (all, waiting) => {
        let given = emptyOutbox(0).given
        const bytesOf = [0, 0, 0, 0, 0]
        for (const bytes of all) {
          const lane = nextLane(given, waitingIn(waiting)) ?? -1
          expect(waiting).toContain(lane)
          bytesOf[lane] = (bytesOf[lane] ?? 0) + bytes
          given = give(given, { lane, bytes }, waitingIn(waiting))
        }
        const shares = waiting.map(lane => (bytesOf[lane] ?? 0) / 2 ** (4 - lane))
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(48_000)
      }),
      { numRuns: 30 },
    )
  })

  it('begin with the operator, whatever else waits, and end with what was tried in vain', () => {
    expect(nextLane([0, 0, 0, 0, 0], waitingIn([0, 1, 4, 5]))).toBe(0)
    expect(nextLane([0, 9, 0, 0, 0], waitingIn([1, 5]))).toBe(1)
    expect(nextLane([0, 0, 0, 0, 0], waitingIn([5]))).toBe(5)
    expect(nextLane([0, 0, 0, 0, 0], waitingIn([]))).toBeUndefined()
  })

  it('save nothing up while nothing of theirs waits', () => {
    let given = emptyOutbox(0).given
    for (let i = 0; i < 1000; i++) given = give(given, { lane: 1, bytes: 10_000 }, waitingIn([1]))
    const lanes = Array.from({ length: 15 }, () => {
      const lane = nextLane(given, waitingIn([1, 4])) ?? 0
      given = give(given, { lane, bytes: 10_000 }, waitingIn([1, 4]))
      return lane
    })
    expect(lanes.filter(lane => lane === 1).length).toBeGreaterThan(10)
  })

  it('are told apart, and what was tried in vain stands apart', () => {
    const all = [log(LOG, 1), log(OTHER, 3)]
    const state = sent(round(emptyOutbox(0), input(0, all)).state, [log(LOG, 1)], 0)
    const lanes = lanesOf(state, all)
    expect(lanes.map(lane => lane.length)).toEqual([0, 0, 0, 1, 0, 1])
    expect(lanes.at(-1)).toEqual([log(LOG, 1)])
  })
})

describe('the size of a batch', () => {
  it('comes to what the link carries in five to ten seconds, between the bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 1_000_000 }), bytesPerS => {
        let state = emptyOutbox(0)
        for (let i = 0; i < 40; i++) {
          const bytes = state.batchBytes
          const elapsedMs = 300 + (bytes * 1000) / bytesPerS
          state =
            elapsedMs > 15_000
              ? failed(state, 0, half, undefined)
              : measured(pushed(state, 0, true, half), { bytes, elapsedMs })
        }
        const wanted = Math.min(256 * 1024, Math.max(4 * 1024, 5 * bytesPerS))
        expect(state.batchBytes).toBeLessThanOrEqual(Math.max(4 * 1024, 2 * wanted))
        expect(state.batchBytes).toBeGreaterThanOrEqual(Math.min(wanted * 0.7, 4 * 1024))
      }),
    )
  })

  it('grows all the same at a receiver that takes six seconds for whatever comes', () => {
    let state = { ...emptyOutbox(0), batchBytes: 4 * 1024 }
    for (let i = 0; i < 30; i++)
      state = measured(pushed(state, 0, true, half), { bytes: state.batchBytes, elapsedMs: 6000 })
    expect(state.batchBytes).toBe(256 * 1024)
  })

  it('is not made smaller by a small push that was soon answered', () => {
    const state = measured(emptyOutbox(0), { bytes: 200, elapsedMs: 900 })
    expect(state.batchBytes).toBe(emptyOutbox(0).batchBytes)
  })

  it('stays between 4 and 256 KiB, grows with success and halves with failure', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), outcomes => {
        let state = emptyOutbox(0)
        for (const good of outcomes) {
          const before = state.batchBytes
          state = good ? pushed(state, 0, true, half) : failed(state, 0, half, undefined)
          expect(state.batchBytes).toBeGreaterThanOrEqual(4 * 1024)
          expect(state.batchBytes).toBeLessThanOrEqual(256 * 1024)
          if (good) expect(state.batchBytes).toBeGreaterThanOrEqual(before)
          else expect(state.batchBytes).toBe(Math.max(4 * 1024, Math.floor(before / 2)))
        }
      }),
    )
  })
})

describe('after a success', () => {
  it('goes on at once while more is waiting, else rests 5 to 15 s', () => {
    expect(pushed(emptyOutbox(0), 7, true, half).nextAt).toBe(7)
    expect(pushed(emptyOutbox(0), 0, false, () => 0).nextAt).toBe(5000)
    expect(pushed(emptyOutbox(0), 0, false, () => 0.9999).nextAt).toBeLessThanOrEqual(15_000)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Asker, answerOf, judge, type TermRow } from '../../src/cloud/terms.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'
import type { AgreedRow, Claim } from '../../src/uplink/agreement.ts'
import {
  answered,
  claimOf,
  heldForMs,
  type Lease,
  type LeaseTerms,
  releaseOf,
  type Times,
} from '../../src/uplink/lease.ts'

const TERMS: LeaseTerms = { leaseMs: 1000, marginMs: 100, renewEveryMs: 250 }
const UPLINK = 'office'

/** A receiver's row, and questions to it that take their time. */
function receiver() {
  let row: TermRow | undefined
  return {
    cloudEpoch: 1,
    ask(claim: Claim, life: string, deviceId = life): AgreedRow {
      const asker: Asker = {
        life,
        deviceId: deviceId as DeviceId,
        leaseMs: TERMS.leaseMs,
        cloudEpoch: this.cloudEpoch,
      }
      const after = judge(row, claim, asker)
      row = after
      if (!after) throw new Error('no row may begin')
      return answerOf(UPLINK, after, asker)
    },
    row: () => row,
    /** What a backup does. */
    restore: (older: TermRow | undefined) => {
      row = older
    },
  }
}

/** Held, and without a doubt about what was said before. */
const isWhole = ({ isYours, takenAt }: AgreedRow): boolean => isYours && takenAt === undefined
const at = (ms: number): Times => ({ monotonicMs: ms, wallMs: ms })
const hold: Claim = { uplink: UPLINK, mayBegin: true }

describe('the turn of forwarding, as the receiver keeps it', () => {
  it('is given at once to the first who asks, and kept by whoever keeps asking', () => {
    const cloud = receiver()
    expect(cloud.ask(hold, 'a')).toSatisfy(isWhole)
    expect(cloud.ask(hold, 'b')).toMatchObject({ isYours: false, holder: 'a' })
    const first = cloud.row()?.mark
    expect(cloud.ask(hold, 'a')).toMatchObject({ isYours: true, mark: { term: first?.term, renewals: 1 } })
  })

  it('is taken by who saw it silent, and not when its holder has spoken since', () => {
    const cloud = receiver()
    cloud.ask(hold, 'a')
    const { mark } = cloud.ask(hold, 'b')
    cloud.ask(hold, 'a')
    expect(cloud.ask({ ...hold, silent: mark }, 'b')).toMatchObject({ isYours: false })
    const now = cloud.ask(hold, 'b').mark
    expect(cloud.ask({ ...hold, silent: now, at: 5 }, 'b')).toMatchObject({ isYours: true, takenAt: 5 })
    expect(cloud.ask({ ...hold, silent: now }, 'c')).toMatchObject({ isYours: false, holder: 'b' })
    expect(cloud.ask(hold, 'a')).toMatchObject({ isYours: false, holder: 'b' })
  })

  it('is free at once when it was given up, and only by the last word that its holder was answered', () => {
    const cloud = receiver()
    const first = cloud.ask(hold, 'a').mark
    const second = cloud.ask(hold, 'a').mark
    cloud.ask({ ...hold, release: first }, 'a')
    expect(cloud.ask(hold, 'b')).toMatchObject({ isYours: false })
    cloud.ask({ ...hold, release: second }, 'b')
    expect(cloud.ask(hold, 'b')).toMatchObject({ isYours: false })
    cloud.ask({ ...hold, release: second }, 'a')
    expect(cloud.ask(hold, 'b')).toSatisfy(isWhole)
  })

  it('is left alone by who is not next, when it was given up, until a lease has passed', () => {
    const cloud = receiver()
    const { mark } = cloud.ask(hold, 'a')
    cloud.ask({ ...hold, release: mark }, 'a')
    const seen = cloud.ask({ uplink: UPLINK }, 'b')
    expect(seen.isYours).toBe(false)
    expect(cloud.ask({ uplink: UPLINK, silent: seen.mark, at: 5 }, 'b')).toSatisfy(isWhole)
  })

  it('is passed on with what was said, and with the doubts that were there before', () => {
    const cloud = receiver()
    cloud.ask(hold, 'a')
    const { mark } = cloud.ask({ ...hold, silent: cloud.ask(hold, 'b').mark, at: 5 }, 'b')
    const heads = [{ logId: 'c0'.repeat(16) as LogId, seq: 7, hash: 'd0'.repeat(32) as EventHash }]
    cloud.ask({ ...hold, release: mark, heads }, 'b')
    expect(cloud.ask(hold, 'c')).toMatchObject({ isYours: true, heads, takenAt: 5 })
  })

  it('is begun by nobody but the one whom the operator named, so that nobody forwards unasked beside it', () => {
    const cloud = receiver()
    expect(() => cloud.ask({ uplink: UPLINK }, 'b')).toThrow('no row may begin')
    cloud.ask(hold, 'a')
    expect(cloud.ask({ uplink: UPLINK }, 'b')).toMatchObject({ isYours: false, holder: 'a' })
  })

  it('makes a process wait that was started again, and trusts what its device has said', () => {
    const cloud = receiver()
    cloud.ask(hold, 'a', 'north')
    const seen = cloud.ask(hold, 'a2', 'north')
    expect(seen).toMatchObject({ isYours: false, holder: 'north' })
    const taken = cloud.ask({ ...hold, silent: seen.mark }, 'a2', 'north')
    expect(taken).toSatisfy(isWhole)
  })

  it("is nobody's for a lease after a backup was restored, whatever the backup says", () => {
    const cloud = receiver()
    cloud.ask(hold, 'a')
    const backup = cloud.row()
    const { mark } = cloud.ask(hold, 'b')
    cloud.ask({ ...hold, silent: mark }, 'b')
    cloud.restore(backup)
    cloud.cloudEpoch = 2
    // b forwards on until its lease ends; a, of whom the backup speaks, must not begin.
    const forA = cloud.ask(hold, 'a')
    expect(forA).toMatchObject({ isYours: false, takenAt: 0 })
    expect(cloud.ask(hold, 'b')).toMatchObject({ isYours: false })
    const again = cloud.ask({ ...hold, silent: forA.mark, at: 9 }, 'a')
    expect(again).toMatchObject({ isYours: true, takenAt: 9 })
    cloud.restore(undefined)
    expect(cloud.ask(hold, 'c')).toMatchObject({ isYours: false, takenAt: 0 })
  })
})

describe('what a node believes of its turn', () => {
  it('ends a margin before others may take it, counted from the question and not from the answer', () => {
    const cloud = receiver()
    const lease = answered({}, cloud.ask(hold, 'a'), { asked: at(0), now: at(700), terms: TERMS })
    expect(heldForMs(lease, at(700))).toBe(200)
    expect(heldForMs(lease, at(900))).toBe(0)
  })

  it('is over when the machine slept, which only the wall clock shows', () => {
    const cloud = receiver()
    const lease = answered({}, cloud.ask(hold, 'a'), { asked: at(0), now: at(1), terms: TERMS })
    expect(heldForMs(lease, { monotonicMs: 10, wallMs: 60_000 })).toBe(0)
    expect(heldForMs(lease, { monotonicMs: 10, wallMs: -60_000 })).toBe(0)
  })

  it('calls nobody silent whose word it saw less than a lease ago', () => {
    const cloud = receiver()
    cloud.ask(hold, 'a')
    const seen = answered({}, cloud.ask(hold, 'b'), { asked: at(0), now: at(50), terms: TERMS })
    expect(claimOf(UPLINK, seen, at(1049))).toEqual({ uplink: UPLINK })
    expect(claimOf(UPLINK, seen, at(1050))).toMatchObject({ silent: { renewals: 0 } })
    const again = answered(seen, cloud.ask(hold, 'b'), { asked: at(500), now: at(510), terms: TERMS })
    expect(again.seen?.sinceMs).toBe(50)
    cloud.ask(hold, 'a')
    const spoken = answered(again, cloud.ask(hold, 'b'), { asked: at(900), now: at(910), terms: TERMS })
    expect(spoken.seen?.sinceMs).toBe(910)
  })
})

// --- Two to four nodes and a receiver, in real time of 1 ms; each node's clock has a rate of its own.

type Flight = { readonly claim: Claim; readonly asked: Times; readonly generation: number }
type Step = {
  /** Which node acts. */
  readonly who: number
  readonly does: 'work' | 'pause' | 'restart' | 'release'
  /** Real time that passes before it. */
  readonly afterMs: number
  readonly lost: 'nothing' | 'question' | 'answer'
  /** On the way to the receiver, and back. */
  readonly thereMs: number
  readonly backMs: number
  /** The same question arrives once more, so much later. */
  readonly againMs: number | undefined
}

const DELAY = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 30 }), weight: 8 },
  fc.integer({ min: 0, max: 1500 }),
)
const STEP: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(2),
  does: fc.oneof(
    { arbitrary: fc.constant('work' as const), weight: 12 },
    { arbitrary: fc.constantFrom('pause' as const, 'restart' as const, 'release' as const), weight: 2 },
  ),
  afterMs: fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 60 }), weight: 12 },
    fc.integer({ min: 0, max: 1200 }),
  ),
  lost: fc.oneof(
    { arbitrary: fc.constant('nothing' as const), weight: 5 },
    fc.constantFrom('question', 'answer'),
  ),
  thereMs: DELAY,
  backMs: DELAY,
  againMs: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined, freq: 5 }),
})

type Actor = {
  life: string
  lease: Lease
  flight: Flight | undefined
  generation: number
  sleepsUntil: number
}

/** Plays the steps; answers who held the turn together with whom, and how often it changed hands. */
function play(steps: readonly Step[], rates: readonly number[], terms: LeaseTerms) {
  const cloud = receiver()
  const actors: Actor[] = rates.map((_, i) => ({
    ...{ life: `${i}/0`, lease: {}, flight: undefined, generation: 0, sleepsUntil: 0 },
  }))
  const queue: { readonly atMs: number; readonly run: () => void }[] = []
  const both: string[] = []
  const seen: number[] = []
  let nowMs = 0
  const clock = (i: number): Times => at(nowMs * (rates[i] ?? 1))
  const look = (): void => {
    const holders = actors.flatMap((actor, i) => (heldForMs(actor.lease, clock(i)) > 0 ? [actor.life] : []))
    if (holders.length > 1) both.push(holders.join(' and '))
    const term = cloud.row()?.mark.term
    if (term !== undefined && seen.at(-1) !== term) seen.push(term)
  }
  const advance = (toMs: number): void => {
    for (;;) {
      queue.sort((a, b) => a.atMs - b.atMs)
      const next = queue[0]
      if (!next || next.atMs > toMs) break
      queue.shift()
      nowMs = Math.max(nowMs, next.atMs)
      next.run()
      look()
    }
    nowMs = toMs
    look()
  }
  const ask = (i: number, actor: Actor, claim: Claim, step: Step): void => {
    const flight = { claim, asked: clock(i), generation: actor.generation }
    const { life } = actor
    actor.flight = flight
    if (step.againMs !== undefined)
      queue.push({
        atMs: nowMs + step.thereMs + step.againMs,
        run: () => void cloud.ask(claim, life, `${i}`),
      })
    if (step.lost === 'question') return
    queue.push({
      atMs: nowMs + step.thereMs,
      run: () => {
        const row = cloud.ask(claim, life, `${i}`)
        if (step.lost === 'answer') return
        queue.push({
          atMs: Math.max(nowMs + step.backMs, actor.sleepsUntil),
          run: () => hear(i, actor, flight, row),
        })
      },
    })
  }
  const hear = (i: number, actor: Actor, flight: Flight, row: AgreedRow): void => {
    // One question at a time: a later one makes this answer void.
    if (actor.flight !== flight || actor.generation !== flight.generation) return
    actor.flight = undefined
    if (flight.claim.release) return
    actor.lease = answered(actor.lease, row, { asked: flight.asked, now: clock(i), terms })
  }
  for (const step of steps) {
    const i = step.who % rates.length
    advance(nowMs + step.afterMs)
    const actor = actors[i]
    if (!actor || nowMs < actor.sleepsUntil) continue
    if (step.does === 'pause') actor.sleepsUntil = nowMs + step.thereMs
    else if (step.does === 'restart') {
      actor.generation += 1
      Object.assign(actor, { life: `${i}/${actor.generation}`, lease: {}, flight: undefined })
    } else if (step.does === 'release') {
      const claim = releaseOf(UPLINK, actor.lease)
      actor.lease = {}
      if (claim) ask(i, actor, claim, step)
    } else ask(i, actor, { ...claimOf(UPLINK, actor.lease, clock(i)), mayBegin: true }, step)
  }
  advance(nowMs + 5000)
  return { both, terms: seen }
}

const STEPS = fc.array(STEP, { minLength: 40, maxLength: 160 })

describe('two forwarders that both reach the receiver', () => {
  it("never hold the turn at once, while their clocks' rates differ by less than the margin", () => {
    const rates = fc.array(fc.double({ min: 0.955, max: 1.045, noNaN: true }), { minLength: 2, maxLength: 3 })
    fc.assert(
      fc.property(STEPS, rates, (steps, drawn) => {
        const { both, terms } = play(steps, drawn, TERMS)
        expect(both).toEqual([])
        expect(terms).toEqual(terms.toSorted((a, b) => a - b))
      }),
      { numRuns: 600 },
    )
  })

  it.each([
    [1, 1, false],
    [0.953, 1.047, false],
    [0.948, 1.052, false],
    [0.94, 1.06, true],
    [0.5, 1, true],
  ])('with clocks of rate %d and %d, at the worst moment: two at once is %s', (holder, waiting, isBoth) => {
    const ask = (who: number, afterMs: number): Step => ({
      ...{ who, afterMs, does: 'work', lost: 'nothing', thereMs: 0, backMs: 0, againMs: undefined },
    })
    const asks = Array.from({ length: 1200 }, () => ask(1, 1))
    const { both, terms } = play([ask(0, 0), ...asks], [holder, waiting], TERMS)
    expect(both.length > 0).toBe(isBoth)
    expect(terms.length).toBe(2)
  })

  it('does not leave the turn lying: a silent holder is followed by who keeps asking', () => {
    const steady = (who: number): Step => ({
      ...{ who, does: 'work', afterMs: 250, lost: 'nothing', thereMs: 5, backMs: 5, againMs: undefined },
    })
    const { terms } = play([steady(0), ...Array.from({ length: 8 }, () => steady(1))], [1, 1], TERMS)
    expect(terms.length).toBe(2)
  })
})

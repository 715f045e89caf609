// Whose turn it is: laws over random islands, in which each node knows what it was told and nothing else.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTurns, type HandOver, type Order, type Turns } from '../../src/forwarding/turns.ts'
import type { EventRef } from '../../src/log/body.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'

const DEVICES = ['a', 'b', 'c', 'd'].map(name => name.repeat(32) as DeviceId)
const [A, B, C] = DEVICES as [DeviceId, DeviceId, DeviceId]
const AT = Date.UTC(2026, 5, 1)

function placeOf(author: string, seq: number): EventRef {
  const word = `${author}${seq}`.padEnd(64, '0')
  return { logId: author.repeat(32).slice(0, 32) as LogId, seq, hash: word as EventHash }
}

function orderOf(devices: readonly DeviceId[], seq = 1): Order {
  return { ref: placeOf('0', seq), hlc: hlcOf(AT + seq), body: { devices } }
}

function handOver(from: DeviceId, to: DeviceId, after: EventRef, seq: number, uplink = 'steve'): HandOver {
  return {
    ...{ ref: placeOf(from[0] ?? '', seq), hlc: hlcOf(AT + 1000 + seq), deviceId: from },
    body: { uplink, to, after, heads: [] },
  }
}

function knowing(orders: readonly Order[], words: readonly HandOver[]): Turns {
  const turns = createTurns()
  for (const order of orders) turns.addOrder(order)
  for (const word of words) turns.addHandOver(word)
  return turns
}

/** One thing that happens: somebody hears of the order, of another's words, or hands over if it believes that it may. */
const steps = fc.array(
  fc.record({
    who: fc.nat(3),
    other: fc.nat(3),
    what: fc.constantFrom('hear', 'hear', 'hand-over', 'order'),
    /** How much of the other's words is heard. */
    upTo: fc.nat(6),
  }),
  { maxLength: 60 },
)

describe('the turn', () => {
  it('is believed to be theirs by one node at most, whatever each has heard, given only hand-overs', () => {
    fc.assert(
      fc.property(steps, fc.shuffledSubarray(DEVICES, { minLength: 1 }), (happens, named) => {
        const order = orderOf(named)
        const said = new Map<DeviceId, HandOver[]>(DEVICES.map(device => [device, []]))
        const heard = DEVICES.map(() => ({ order: false, words: new Set<HandOver>() }))
        const turnsOf = (i: number): Turns =>
          knowing(heard[i]?.order ? [order] : [], [...(heard[i]?.words ?? [])])
        for (const { who, other, what, upTo } of happens) {
          const [me, them] = [DEVICES[who] as DeviceId, DEVICES[other] as DeviceId]
          const mine = heard[who] as (typeof heard)[number]
          if (what === 'order') mine.order = true
          // Logs come in their order, but not one with the other.
          if (what === 'hear') for (const word of (said.get(them) ?? []).slice(0, upTo)) mine.words.add(word)
          const turn = turnsOf(who).of('steve')
          if (what === 'hand-over' && turn?.holder === me) {
            const word = handOver(me, them, turn.by, said.get(me)?.length ?? 0)
            said.get(me)?.push(word)
            mine.words.add(word)
          }
          const holders = DEVICES.filter((device, i) => turnsOf(i).of('steve')?.holder === device)
          expect(holders.length).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is the same whatever the order in which the words came', () => {
    const words = [
      handOver(A, B, orderOf([A, B]).ref, 0),
      handOver(B, C, placeOf('a', 0), 0),
      handOver(C, A, placeOf('b', 0), 0),
      handOver(A, B, placeOf('c', 0), 1),
      // Whoever does not hold it hands nothing over.
      handOver(C, C, placeOf('a', 1), 1),
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray(words, { minLength: words.length }), shuffled => {
        const turn = knowing([orderOf([A, B, C])], shuffled).of('steve')
        expect(turn).toMatchObject({ holder: B, by: placeOf('a', 1), isTakenOver: false })
      }),
    )
  })

  it('is nobody’s without an order, and of each central system apart', () => {
    expect(createTurns().of('steve')).toBeUndefined()
    const turns = knowing([orderOf([A, B])], [handOver(A, B, orderOf([A, B]).ref, 0)])
    expect(turns.of('steve')?.holder).toBe(B)
    expect(turns.of('citrine')?.holder).toBe(A)
    expect(knowing([orderOf([])], []).of('steve')).toBeUndefined()
  })

  it('of two words of one holder about one turn is given by the first', () => {
    const first = handOver(A, B, orderOf([A, B]).ref, 0)
    const second = handOver(A, C, orderOf([A, B]).ref, 1)
    for (const words of [
      [first, second],
      [second, first],
    ])
      expect(knowing([orderOf([A, B])], words).of('steve')?.holder).toBe(B)
  })

  it('is given to nobody whom the order does not name', () => {
    const word = handOver(A, C, orderOf([A, B]).ref, 0)
    expect(knowing([orderOf([A, B])], [word]).of('steve')?.holder).toBe(A)
    const turns = knowing([orderOf([A, B]), orderOf([B], 2)], [word])
    expect([A, B, C].map(turns.isNamed)).toEqual([true, true, false])
  })

  it('stays taken over when it is handed on, except by way of whom it was taken from', () => {
    const orders = [orderOf([A]), orderOf([B, C, A], 2)]
    const toC = handOver(B, C, orderOf([B], 2).ref, 0)
    expect(knowing(orders, [toC]).of('steve')).toMatchObject({
      ...{ holder: C, isTakenOver: true, orderedAt: hlcOf(AT + 2) },
    })
    const toA = handOver(C, A, toC.ref, 0)
    expect(knowing(orders, [toC, toA]).of('steve')).toMatchObject({ holder: A, isTakenOver: false })
    const back = handOver(A, C, toA.ref, 0)
    expect(knowing(orders, [toC, toA, back]).of('steve')).toMatchObject({ holder: C, isTakenOver: false })
  })

  it('begins anew with a newer order, and says where that took it from somebody', () => {
    const words = [handOver(A, B, orderOf([A, B]).ref, 0)]
    const takenBy = (next: readonly DeviceId[]) =>
      knowing([orderOf([A, B]), orderOf(next, 2)], words).of('steve')
    expect(takenBy([A, B, C])).toMatchObject({ holder: A, isTakenOver: true })
    expect(takenBy([C])).toMatchObject({ holder: C, isTakenOver: true })
    expect(knowing([orderOf([A, B]), orderOf([A], 2)], []).of('steve')).toMatchObject({
      ...{ holder: A, isTakenOver: false },
    })
  })
})

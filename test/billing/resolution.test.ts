// What people decide about a session, and what they refund: each rule, each bad input, and every order of arrival.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { conflictOf } from '../../src/billing/conflict.ts'
import { decisionIn } from '../../src/billing/corrections.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { decided, issued, refOf, refunded, type Step, told, type Word, wordOf } from './told.ts'

/** 2.5 kWh at 0.25: 0.63. */
const words = sessionBodies()
const start = wordOf(words.start)
const pricing = wordOf(words.pricing)
const end = wordOf(words.end)
const plain = [start, pricing, end]
/** Another stop at 22.5 kWh more: 6.25 in all. */
const otherEnd = wordOf(sessionBodies({ meterStopWh: 179_200 }).end, 1)
const conflict = [...plain, otherEnd]

function outcome(steps: readonly Step[]): unknown {
  const { verdict, sum } = told(steps)
  return { state: verdict?.state, flags: verdict?.flags.join(), sum }
}

describe('a conflict', () => {
  it('is billed at the smaller until somebody decides', () => {
    expect(outcome(conflict)).toEqual({ state: 'disputed', flags: 'conflicting-ends', sum: '0.63' })
  })

  it.each([
    ['bill-smaller', {}, '0.63'],
    ['bill-smaller', { amount: '0.63' }, '0.63'],
    ['bill-end', { keep: refOf(otherEnd) }, '6.25'],
    ['bill-end', { keep: refOf(end) }, '0.63'],
    ['amount', { amount: '3' }, '3'],
    ['waive', {}, '0'],
    ['accept-debit', {}, '0.63'],
  ] as const)('is settled by %s %j', (rule, more, sum) => {
    const { verdict, bills, sum: billed } = told([...conflict, decided(rule, conflict, more)])
    expect(verdict).toMatchObject({ state: 'complete', flags: ['conflicting-ends', 'resolved'] })
    expect(billed).toBe(sum)
    expect(bills.map(({ revision }) => revision)).toEqual(bills.map((_, i) => i))
    expect(bills.filter(({ kind }) => kind === 'invoice')).toHaveLength(1)
  })

  it('bills the energy of the stop that was kept, with a debit that waits for nobody else', () => {
    const keep = { keep: refOf(otherEnd) }
    const { bills } = told([...conflict, decided('bill-end', conflict, keep)])
    expect(bills).toMatchObject([
      { kind: 'invoice', amount: '0.63', energyWh: 2_500 },
      { kind: 'debit', amount: '5.62', energyWh: 25_000, reason: 'resolved' },
    ])
    expect(bills[1]?.decidedBy).toMatch(/^[0-9a-f]{32}\/1\/[0-9a-f]{64}$/)
  })

  it('takes the newest of decisions that contradict one another, whichever came first', () => {
    const old = decided('waive', conflict, { atMs: 1e8 })
    const young = decided('amount', conflict, { amount: '2', atMs: 2e8 })
    for (const both of [
      [old, young],
      [young, old],
    ])
      expect(outcome([...conflict, ...both])).toEqual({
        ...{ state: 'complete', flags: 'conflicting-ends,resolved', sum: '2' },
      })
  })

  it('stays as it was decided when another stop comes in, and is shown again', () => {
    const third = wordOf(sessionBodies({ meterStopWh: 155_200 }).end, 2)
    const steps = [...conflict, decided('amount', conflict, { amount: '3.00' }), third]
    expect(outcome(steps)).toEqual({
      ...{ state: 'disputed', flags: 'conflicting-ends,resolved-on-other-evidence', sum: '3' },
    })
    const again = decided('bill-smaller', [...conflict, third], { atMs: 9e8 })
    expect(outcome([...steps, again])).toEqual({
      ...{ state: 'complete', flags: 'conflicting-ends,resolved', sum: '0.25' },
    })
  })

  it('is shown again for another stop, though the smallest is the same', () => {
    const more = wordOf(sessionBodies({ meterStopWh: 190_000 }).end, 2)
    expect(outcome([...conflict, decided('waive', conflict), more])).toMatchObject({
      flags: 'conflicting-ends,resolved-on-other-evidence',
    })
  })

  it('is not shown again for another copy of what was seen', () => {
    const copy = wordOf(sessionBodies({ meterStopWh: 179_200 }).end, 5)
    expect(outcome([...conflict, decided('waive', conflict), copy])).toMatchObject({ state: 'complete' })
  })

  it('is never billed more than the largest that a stop speaks for', () => {
    expect(outcome([...conflict, decided('amount', conflict, { amount: '6.26' })])).toEqual({
      ...{ state: 'complete', flags: 'conflicting-ends,resolution-limited,resolved', sum: '6.25' },
    })
  })

  it.each([
    ['names no evidence', { rule: 'waive' }],
    ['has a rule that nobody knows', { rule: 'free-for-all', about: new Uint8Array(32) }],
    ['agrees on no sum', { rule: 'amount', about: new Uint8Array(32) }],
    ['agrees on less than nothing', { rule: 'amount', amount: '-1', about: new Uint8Array(32) }],
    ['agrees on a word', { rule: 'amount', amount: 'free', about: new Uint8Array(32) }],
    ['agrees on parts of a cent', { rule: 'amount', amount: '0.005', about: new Uint8Array(32) }],
    ['keeps no stop', { rule: 'bill-end', about: new Uint8Array(32) }],
    ['saw something else and names no sum', { rule: 'bill-smaller', about: new Uint8Array(32) }],
  ])('is not touched by a decision that %s', (_what, body) => {
    const bad = issued({ name: 'resolution', body: { sessionId: words.sessionId, note: '', ...body } })
    expect(outcome([...conflict, bad])).toEqual({
      ...{ state: 'disputed', flags: 'conflicting-ends,resolution-unusable', sum: '0.63' },
    })
  })
})

describe('a debit that waits', () => {
  const tick = wordOf(words.tick(155_200, SITE_OPENED_AT + 600_000))
  const silent = [start, pricing, tick]
  const late = wordOf(sessionBodies({ meterStopWh: 174_200 }).end, 5)
  const steps: readonly Step[] = [...silent, 'finalise', late]

  it('is written when it is accepted', () => {
    expect(outcome(steps)).toEqual({ state: 'disputed', flags: 'debit-review', sum: '0.25' })
    const { verdict, bills } = told([...steps, decided('accept-debit', [...silent, late])])
    expect(verdict).toMatchObject({ state: 'complete', flags: ['resolved'] })
    expect(bills.at(-1)).toMatchObject({ kind: 'debit', amount: '4.75', reason: 'resolved' })
  })

  it('is given up when what is billed is accepted', () => {
    const accepted = decided('bill-smaller', [...silent, late], { amount: '0.25' })
    expect(outcome([...steps, accepted])).toEqual({ state: 'complete', flags: 'resolved', sum: '0.25' })
  })

  it('waits no more where the last reading was accepted; the stop that came later only shows it again', () => {
    const accepted = decided('bill-smaller', silent, { amount: '0.25' })
    expect(outcome([...silent, 'finalise', accepted])).toEqual({
      ...{ state: 'complete', flags: 'resolved', sum: '0.25' },
    })
    expect(outcome([...silent, 'finalise', accepted, late])).toEqual({
      ...{ state: 'disputed', flags: 'resolved-on-other-evidence', sum: '0.25' },
    })
  })
})

describe('what cannot be billed', () => {
  const back = wordOf(sessionBodies({ meterStopWh: 154_000 }).end)

  it('is waived where the meter went back, and nothing else can be decided about it', () => {
    const steps = [start, pricing, back]
    const flags = 'meter-went-back,resolved'
    expect(outcome([...steps, decided('waive', steps)])).toEqual({ state: 'complete', flags, sum: '0' })
    expect(outcome([...steps, decided('amount', steps, { amount: '5' })])).toEqual({
      ...{ state: 'disputed', flags: 'meter-went-back,resolution-unusable', sum: '0' },
    })
  })

  it('is priced by the tariff that a person names', () => {
    const steps = [start, end]
    const tariff = issued({
      name: 'tariff',
      body: { tariffId: 'T', currency: 'EUR', pricePerKwh: '0.40', effectiveAt: 0 },
    })
    const by = decided('tariff', steps, { keep: refOf(tariff) })
    expect(outcome([...steps, tariff, by])).toEqual({
      state: 'complete',
      flags: 'resolved,unpriced',
      sum: '1',
    })
    // Whichever came first.
    expect(outcome([by, tariff, ...steps])).toEqual({
      state: 'complete',
      flags: 'resolved,unpriced',
      sum: '1',
    })
    expect(outcome([...steps, by])).toMatchObject({ state: 'unpriced', sum: '0' })
  })

  it('owes nothing when it is waived without a price', () => {
    const { verdict, bills } = told([start, end, decided('waive', [start, end])])
    expect(verdict).toMatchObject({ state: 'complete', flags: ['resolved', 'unpriced'] })
    expect(bills).toEqual([])
  })

  it('is decided about only when it is over', () => {
    expect(outcome([start, pricing, decided('waive', [start, pricing])])).toMatchObject({ state: 'open' })
  })
})

describe('prices that disagree', () => {
  const dear = wordOf(sessionBodies({ pricePerKwh: '0.50' }).pricing, -1)

  it('are billed at the cheapest of those that were shown, and said', () => {
    const later = wordOf(sessionBodies({ pricePerKwh: '0.50' }).pricing, 3)
    for (const prices of [
      [dear, pricing],
      [pricing, dear],
      [pricing, later],
      [later, pricing],
    ])
      expect(outcome([start, ...prices, end])).toEqual({
        ...{ state: 'complete', flags: 'price-disagreement', sum: '0.63' },
      })
  })

  it('are offered to a person at the cheapest too, at each of several stops', () => {
    const { session } = told([start, dear, pricing, end, otherEnd])
    if (!session) throw new Error('no session')
    const shown = { state: 'disputed', reasons: [], billed: [], tariffAt: () => undefined }
    const offered = conflictOf(session, shown).outcomes.filter(({ rule }) => rule === 'bill-end')
    expect(offered.map(({ amount }) => amount)).toEqual(['6.25'])
  })

  it('are no disagreement when copies say the same', () => {
    expect(outcome([...plain, wordOf(words.pricing, 7)])).toMatchObject({ flags: '' })
  })

  it('are billed as the dearer when that was agreed on', () => {
    const steps = [start, dear, pricing, end]
    expect(outcome([...steps, decided('amount', steps, { amount: '1.25' })])).toEqual({
      ...{ state: 'complete', flags: 'price-disagreement,resolved', sum: '1.25' },
    })
  })

  it('in two currencies are billed in the one that was shown first', () => {
    const dollars = wordOf(sessionBodies({ currency: 'USD', pricePerKwh: '0.01' }).pricing, 3)
    const { bills, verdict } = told([...plain, dollars])
    expect(bills).toMatchObject([{ currency: 'EUR', amount: '0.63' }])
    expect(verdict?.flags).toContain('price-disagreement')
  })
})

describe('a refund', () => {
  const { sessionId } = words
  const refund = (amount: string, currency?: string, id?: number): Word =>
    refunded(sessionId, amount, currency, id)

  it('is a credit of its own behind the invoice', () => {
    const { bills } = told([...plain, refund('0.20')])
    expect(bills).toMatchObject([
      { revision: 0, kind: 'invoice', amount: '0.63', reason: 'ended' },
      { revision: 1, kind: 'credit', amount: '-0.20', reason: 'refunded' },
    ])
    expect(told([refund('0.20'), ...plain]).bills).toHaveLength(2)
  })

  it.each([
    ['more than was billed', [refund('0.60'), refund('0.60')], '0', 'refund-limited'],
    ['another currency', [refund('0.20', 'USD')], '0.63', 'refund-refused'],
    ['less than nothing', [refund('-0.20')], '0.63', 'refund-refused'],
    ['parts of a cent', [refund('0.001')], '0.63', 'refund-refused'],
    ['the same one twice', [refund('0.20', 'EUR', 99), refund('0.20', 'EUR', 99)], '0.43', ''],
  ])('of %s has its outcome', (_what, words, sum, flags) => {
    expect(outcome([...plain, ...words])).toEqual({ state: 'complete', flags, sum })
  })

  it('leaves no sum below zero when less is owed afterwards', () => {
    const less = wordOf(sessionBodies({ meterStopWh: 155_000 }).end, 3)
    const { sums, sum, bills } = told([...plain, refund('0.60'), less])
    expect(sums.every(one => !one.startsWith('-'))).toBe(true)
    expect(sum).toBe('0')
    expect(bills.at(-1)).toMatchObject({ kind: 'credit', amount: '-0.03', reason: 'corrected' })
  })

  it('waits for the bill of a session that is open', () => {
    const { bills } = told([start, pricing, refund('0.10')])
    expect(bills).toEqual([])
  })
})

describe('every order of arrival', () => {
  const third = wordOf(sessionBodies({ meterStopWh: 155_200 }).end, 4)
  const dear = wordOf(sessionBodies({ pricePerKwh: '0.50' }).pricing, -1)
  const copies = [wordOf(words.start, 9), wordOf(words.end, 9), wordOf(words.pricing, 9)]
  const conflicts = [...conflict, third]
  const { sessionId } = words
  const decisions = [
    decided('waive', conflict, { atMs: 1e8 }),
    decided('bill-end', conflicts, { keep: refOf(otherEnd), amount: '6.25', atMs: 2e8 }),
    decided('amount', conflict, { amount: '4.20', atMs: 3e8 }),
    decided('bill-smaller', plain, { atMs: 4e8 }),
    issued({ name: 'resolution', body: { sessionId, rule: 'nonsense', note: '' } }),
  ]
  const refunds = [
    refunded(sessionId, '0.10'),
    refunded(sessionId, '0.10', 'EUR', 77),
    refunded(sessionId, '0.10', 'EUR', 77),
    refunded(sessionId, '5.00'),
    refunded(sessionId, '1.00', 'CHF'),
  ]
  const optional = [otherEnd, third, dear, ...copies, ...decisions, ...refunds]

  it('gives the same sum of revisions, one invoice, and never a sum below zero', () => {
    // By number, so that what fails can be read.
    const places = optional.map((_, i) => plain.length + i)
    const sets = fc.subarray(places).chain(some => {
      const all = [...plain.keys(), ...some]
      return fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))
    })
    const every = [...plain, ...optional]
    const wordsAt = (numbers: readonly number[]): readonly Word[] => numbers.flatMap(at => every[at] ?? [])
    fc.assert(
      fc.property(sets, ([inOrder, shuffled]) => {
        const one = told(wordsAt(inOrder))
        const other = told(wordsAt(shuffled))
        expect(other.sum).toBe(one.sum)
        expect(other.verdict?.flags).toEqual(one.verdict?.flags)
        expect(other.verdict?.state).toBe(one.verdict?.state)
        // What a node says is what the revisions come to.
        expect(Number(other.owed?.total)).toBe(Number(one.sum))
        for (const { bills, sums } of [one, other]) {
          expect(bills.map(({ revision }) => revision)).toEqual(bills.map((_, i) => i))
          expect(bills.map(({ kind }) => kind === 'invoice')).toEqual(bills.map((_, i) => i === 0))
          expect(sums.filter(sum => sum.startsWith('-'))).toEqual([])
        }
      }),
      { numRuns: 400 },
    )
  })

  it('with a bill of the last reading in between leaves at most a debit that waits', () => {
    const tick = wordOf(words.tick(155_600, SITE_OPENED_AT + 60_000))
    const late = wordOf(sessionBodies({ meterStopWh: 179_200 }).end, 4)
    const said: readonly Step[] = [start, pricing, tick, late, 'finalise', ...refunds.slice(0, 3)]
    fc.assert(
      fc.property(fc.shuffledSubarray([...said.keys()], { minLength: said.length }), order => {
        const shuffled = order.flatMap(at => said[at] ?? [])
        const { sum, verdict } = told(shuffled)
        const waiting = Number(verdict?.reviewAmount ?? 0)
        // 25 kWh at 0.25, less what was refunded twice.
        expect((Number(sum) + waiting).toFixed(2)).toBe('6.05')
        const accept = decided('accept-debit', [start, pricing, tick, late])
        expect(told([...shuffled, accept]).sum).toBe('6.05')
      }),
      { numRuns: 100 },
    )
  })

  it('keeps the newest decision in whatever order they are held', () => {
    const said = decisions.flatMap(({ event, said }) => {
      const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
      return said.name === 'resolution' ? [{ ref, hlc: event.hlc, body: said.body }] : []
    })
    const newest = decisionIn({ resolutions: said, refunds: [] }).decision
    expect(newest?.rule).toBe('bill-smaller')
    expect(decisionIn({ resolutions: said.toReversed(), refunds: [] }).decision).toEqual(newest)
  })
})

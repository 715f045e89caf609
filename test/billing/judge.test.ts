import { describe, expect, it } from 'vitest'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { judge, judgeGone, type Verdict } from '../../src/billing/judge.ts'
import { type Bill, idempotencyKeyOf } from '../../src/billing/revisions.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger, type Session } from '../../src/session/fold.ts'
import { addAmounts } from '../../src/tariff/price.ts'
import type { ChargerId, SessionId } from '../../src/units.ts'
import { type SessionWords, SITE_OPENED_AT, sessionBodies, testSite } from '../site.ts'

const site = testSite('billing')
const node = site.device('node')

function judged(session: Session, billed: readonly Bill[], finalise: boolean): Verdict {
  return judge(session, { billed, finalise, tariffAt: () => undefined, corrections: NO_CORRECTIONS })
}

/** The one session that these events tell of. */
function sessionOf(bodies: readonly AnyBody[]): Session {
  const log = site.openLog(node)
  const facts = emptyFacts()
  for (const [i, event] of log.append(bodies).entries()) {
    addFact(facts, event, bodies[i] as AnyBody, node.certificate.deviceId)
  }
  const charger = facts.chargers.get('CP-1' as ChargerId)
  const [session] = charger ? foldCharger(charger).sessions : []
  if (!session) throw new Error('no session')
  return session
}

function ended(words: SessionWords = {}): Session {
  const { start, pricing, end } = sessionBodies(words)
  return sessionOf([start, pricing, end])
}

function billsOf(...verdicts: readonly Verdict[]): readonly Bill[] {
  return verdicts.flatMap(verdict => verdict.bills)
}

describe('the invoice', () => {
  it.each([
    [2_500, '0.25', 'EUR', '0.63'],
    [2_500, '0.2519', 'EUR', '0.63'],
    [1, '0.25', 'EUR', '0.00'],
    [20, '0.25', 'EUR', '0.01'],
    [0, '0.25', 'EUR', '0.00'],
    [1_000_000, '0.1', 'EUR', '100.00'],
    [2_500, '31', 'JPY', '78'],
    [2_500, '0.1234', 'KWD', '0.309'],
  ])('of %i Wh at %s %s is %s %s', (energyWh, pricePerKwh, currency, amount) => {
    const session = ended({ meterStartWh: 1000, meterStopWh: 1000 + energyWh, pricePerKwh, currency })
    const verdict = judged(session, [], false)
    expect(verdict.state).toBe('complete')
    expect(verdict.bills[0]).toMatchObject({
      revision: 0,
      kind: 'invoice',
      amount,
      currency,
      energyWh,
      reason: 'ended',
    })
  })

  it('is written once: the same fold again owes nothing', () => {
    const session = ended()
    expect(judged(session, billsOf(judged(session, [], false)), false).bills).toEqual([])
  })

  it('is not written while the session is open', () => {
    const { start, pricing, tick } = sessionBodies()
    expect(judged(sessionOf([start, pricing, tick(155_000)]), [], false)).toEqual({
      state: 'open',
      flags: [],
      bills: [],
    })
  })

  it.each([
    ['no price was fixed', undefined],
    ['the price is no number', { pricePerKwh: 'free' }],
    ['the price is negative', { pricePerKwh: '-1' }],
    ['the currency is none', { currency: 'eu' }],
  ])('is not written, and is not zero, when %s', (_why, words) => {
    const { start, pricing, end } = sessionBodies(words)
    const verdict = judged(sessionOf(words ? [start, pricing, end] : [start, end]), [], false)
    expect(verdict).toMatchObject({ state: 'unpriced', energyWh: 2500 })
    expect(verdict.bills).toEqual([])
  })

  it('is not written when the meter went back', () => {
    const verdict = judged(ended({ meterStopWh: 154_199 }), [], false)
    expect(verdict).toEqual({ state: 'disputed', flags: ['meter-went-back'], bills: [] })
  })

  it.each([
    ['began anew', [155_000, 155_500, 0, 400], 600, 800 + 200, ['meter-reset']],
    ['slipped once', [155_000, 900_000, 155_500], 156_000, 1800, ['meter-jumped']],
  ])('is of the least that flowed when the meter %s', (_what, registers, meterStopWh, energyWh, flags) => {
    const { start, pricing, tick, end } = sessionBodies({ meterStopWh })
    const ticks = registers.map((wh, i) => tick(wh, SITE_OPENED_AT + (i + 1) * 60_000))
    const verdict = judged(sessionOf([start, pricing, ...ticks, end]), [], false)
    const state = flags.includes('meter-reset') ? 'disputed' : 'complete'
    expect(verdict).toMatchObject({ state, energyWh, flags, bills: [{ energyWh }] })
  })

  it('is of the least that flowed when the meter began anew and no stop ever came', () => {
    const { start, pricing, tick } = sessionBodies()
    const ticks = [155_000, 155_500, 0, 400].map((wh, i) => tick(wh, SITE_OPENED_AT + (i + 1) * 60_000))
    const verdict = judged(sessionOf([start, pricing, ...ticks]), [], true)
    expect(verdict).toMatchObject({ state: 'disputed', energyWh: 800, flags: ['meter-reset'] })
    expect(verdict.bills[0]).toMatchObject({ energyWh: 800, reason: 'provisional' })
  })

  it('is not written, and a person is asked, when no stop came and the meter went back unexplained', () => {
    const { start, pricing, tick } = sessionBodies()
    const verdict = judged(sessionOf([start, pricing, tick(10, SITE_OPENED_AT + 60_000)]), [], true)
    expect(verdict).toEqual({ state: 'disputed', flags: ['meter-went-back'], bills: [] })
  })

  it('is not written for registers that no number holds', () => {
    const words = { meterStartWh: -Number.MAX_SAFE_INTEGER, meterStopWh: Number.MAX_SAFE_INTEGER }
    const verdict = judged(ended(words), [], false)
    expect(verdict.state).toBe('disputed')
    expect(verdict.energyWh).toBeUndefined()
    expect(verdict.bills).toEqual([])
  })

  it('is not written for a refused card that got no energy', () => {
    const verdict = judged(ended({ allowed: 'BLOCKED', meterStopWh: 154_200 }), [], false)
    expect(verdict).toEqual({ state: 'complete', flags: [], energyWh: 0, bills: [] })
  })

  it('is written and flagged for a refused card that did get energy', () => {
    const verdict = judged(ended({ allowed: 'BLOCKED' }), [], false)
    expect(verdict).toMatchObject({ state: 'complete', flags: ['refused-card'], bills: [{ amount: '0.63' }] })
  })

  it('takes the smaller energy of two stops, and the session is disputed', () => {
    const { start, pricing, end } = sessionBodies()
    const verdict = judged(
      sessionOf([start, pricing, end, sessionBodies({ meterStopWh: 155_200 }).end]),
      [],
      false,
    )
    expect(verdict).toMatchObject({
      state: 'disputed',
      flags: ['conflicting-ends'],
      bills: [{ amount: '0.25' }],
    })
  })

  it('hashes everything that it was computed from', () => {
    const session = ended()
    const { start, end, pricing } = session
    if (!end || !pricing) throw new Error('no end or no price')
    const other = { ...end.ref, seq: end.ref.seq + 1 }
    const shown = (one: typeof pricing): Session => ({ ...session, pricing: one, pricings: [one] })
    const variants: readonly Session[] = [
      { ...session, energyWh: 2499 },
      shown({ ...pricing, body: { ...pricing.body, pricePerKwh: '0.250' } }),
      shown({ ...pricing, body: { ...pricing.body, currency: 'USD' } }),
      shown({ ...pricing, ref: other }),
      { ...session, start: { ...start, ref: other } },
      { ...session, end: { ...end, ref: other } },
    ]
    const hashes = [session, ...variants].map(variant => judged(variant, [], false).bills[0]?.inputHash)
    expect(new Set(hashes).size).toBe(1 + variants.length)
    expect(judged(session, [], false).bills[0]?.inputHash).toBe(hashes[0])
  })
})

describe('a revision', () => {
  const first = billsOf(judged(ended(), [], false))

  it.each([
    [155_700, 'credit', '-0.25', 'complete'],
    [154_200, 'credit', '-0.63', 'complete'],
    [156_740, 'debit', '0.01', 'complete'],
    [160_720, 'debit', '1.00', 'complete'],
  ] as const)('to a register of %i is a %s of %s', (meterStopWh, kind, amount, state) => {
    const session = ended({ meterStopWh })
    const verdict = judged(session, first, false)
    expect(verdict).toMatchObject({ state, bills: [{ revision: 1, kind, amount, reason: 'corrected' }] })
    const sum = [...first, ...billsOf(verdict)].map(bill => bill.amount).reduce(addAmounts, '0')
    expect(Number(sum)).toBeCloseTo(Math.round(((meterStopWh - 154_200) / 1000) * 25) / 100, 9)
  })

  it('that asks for more than a trifle waits for a person', () => {
    const verdict = judged(ended({ meterStopWh: 160_740 }), first, false)
    expect(verdict).toMatchObject({ state: 'disputed', flags: ['debit-review'], reviewAmount: '1.01' })
    expect(verdict.bills).toEqual([])
  })

  it('is not written in another currency', () => {
    const verdict = judged(ended({ currency: 'USD' }), first, false)
    expect(verdict).toMatchObject({ state: 'disputed', flags: ['other-currency'] })
    expect(verdict.bills).toEqual([])
  })

  it('is not written when the evidence of a bill is gone', () => {
    const { start, pricing } = sessionBodies()
    const verdict = judged(sessionOf([start, pricing]), first, false)
    expect(verdict).toEqual({ state: 'disputed', flags: ['evidence-withdrawn'], bills: [] })
  })

  const gone = (billed: readonly Bill[]): Verdict =>
    judgeGone(sessionBodies().sessionId, { gone: 'merged', billed, corrections: NO_CORRECTIONS })

  it('gives back what a merged session was billed, once', () => {
    const verdict = gone(first)
    expect(verdict).toMatchObject({
      state: 'complete',
      bills: [{ kind: 'credit', amount: '-0.63', energyWh: 0 }],
    })
    expect(gone([...first, ...billsOf(verdict)]).bills).toEqual([])
    expect(gone([]).bills).toEqual([])
  })
})

describe('a provisional end', () => {
  const { start, pricing, tick, end } = sessionBodies()
  const silent = sessionOf([start, pricing, tick(156_200)])

  it('bills the last tick, and the stop afterwards only the difference', () => {
    const provisional = judged(silent, [], true)
    expect(provisional).toMatchObject({
      state: 'provisional',
      bills: [{ amount: '0.50', reason: 'provisional' }],
    })
    expect(judged(silent, billsOf(provisional), false)).toEqual({
      state: 'provisional',
      flags: [],
      energyWh: 2000,
      bills: [],
    })
    const stopped = judged(sessionOf([start, pricing, tick(156_200), end]), billsOf(provisional), false)
    expect(stopped).toMatchObject({
      state: 'complete',
      bills: [{ revision: 1, kind: 'debit', amount: '0.13' }],
    })
  })

  it('is not made up where no register was ever read', () => {
    expect(judged(sessionOf([start, pricing]), [], true)).toEqual({ state: 'open', flags: [], bills: [] })
  })
})

describe('the idempotency key', () => {
  it('is the hash of site, session and revision, and differs for each', () => {
    const bill = {
      siteId: '0f0e0d0c0b0a09080706050403020100',
      sessionId: '00112233445566778899aabbccddeeff' as SessionId,
      revision: 0,
    }
    // printf '<site id><session id>00000000' | xxd -r -p | sha256sum
    const known = '8808ab409feab631dbeba9444f3defb6c84ea298e4ea720cc17c14e341ec6989'
    expect(idempotencyKeyOf(bill)).toBe(known)
    expect(idempotencyKeyOf({ ...bill, revision: 1 })).not.toBe(known)
    expect(idempotencyKeyOf({ ...bill, siteId: '00'.repeat(16) })).not.toBe(known)
  })
})

// What stands in a receipt, and what a person reads.
import { describe, expect, it } from 'vitest'
import { aboutOf } from '../../src/billing/candidates.ts'
import { numberOf } from '../../src/billing/receipt.ts'
import { verifyReceipt } from '../../src/billing/receipt-signed.ts'
import { receiptText } from '../../src/billing/receipt-text.ts'
import type { BodyOf } from '../../src/log/body.ts'
import { CARD, CHARGER, carry, grantBody, MINUTE_MS } from '../serve/charging.ts'
import { SITE_OPENED_AT } from '../site.ts'
import { ended, readerOf, receiptOf, signed } from './receipts.ts'

describe('a receipt', () => {
  it('154200 Wh to 156700 Wh at 0.25 is 2.5 kWh and 0.63', () => {
    const of = ended()
    const { start, end } = of.node.only()
    expect(receiptOf(of)).toMatchObject({
      ...{
        state: 'final',
        chargerId: CHARGER,
        connectorId: 1,
        energyWh: 2500,
        flags: [],
        isConfirmed: false,
      },
      ...{ meterStartWh: 154_200, meterStopWh: 156_700 },
      cost: {
        currency: 'EUR',
        total: '0.63',
        parts: [{ type: 'ENERGY', quantity: 2500, afterTaxes: '0.625' }],
      },
      ...{ start: start.ref, end: end?.ref },
      startedAt: { by: 'charger' },
    })
  })

  it.each([
    ['DE-N-00004821', '4821'],
    ['12345', '45'],
    ['7', undefined],
    [undefined, undefined],
  ])(
    'names the card %s by %s only, and by nothing that links it with another session',
    (visualNumber, card) => {
      const of = ended()
      const receipt = receiptOf(of, { visualNumber })
      expect(receipt.card).toBe(card)
      expect(JSON.stringify(receipt)).not.toContain(CARD)
      expect(JSON.stringify(receipt)).not.toContain('DE-N')
    },
  )

  it('of a session that began without a tariff is unpriced and has no total, not one of zero', () => {
    const of = ended({ published: false })
    const receipt = receiptOf(of)
    // The card was unknown there too: energy flowed all the same.
    expect(receipt).toMatchObject({ state: 'unpriced', noPrice: 'no-tariff', energyWh: 2500 })
    expect(receipt).not.toHaveProperty('cost')
    const text = receiptText(receipt, 'pole-07')
    expect(text).toMatch(/UNPRICED: no amount can be computed/)
    expect(text).not.toMatch(/TOTAL|0\.00/)
  })

  it('whose ends contradict one another is disputed, at the smaller amount', () => {
    const of = ended()
    const { made, node } = of
    const other = made.node('pole-08')
    carry(node, other)
    const { transactionId } = node.only().start.body
    other.clock.at = node.clock.at + MINUTE_MS
    other.stop({ transactionId, meterStopWh: 155_200 })
    carry(other, node)
    const receipt = receiptOf(of)
    expect(receipt).toMatchObject({
      state: 'disputed',
      flags: ['conflicting-ends'],
      energyWh: 1000,
      cost: { total: '0.25' },
    })
    expect(receiptText(receipt, 'pole-07')).toMatch(/DISPUTED[\s\S]*! two different ends were recorded/)
  })

  it('whose meter went back is disputed and has no amount at all', () => {
    const { made, node } = ended({ stop: false })
    node.stop({ transactionId: node.only().start.body.transactionId, meterStopWh: 100_000 })
    const receipt = receiptOf({ made, node })
    expect(receipt).toMatchObject({ state: 'disputed', flags: ['meter-went-back'] })
    expect(receipt).not.toHaveProperty('cost')
    expect(receipt).not.toHaveProperty('energyWh')
    expect(receiptText(receipt, 'pole-07')).toMatch(/energy +not known/)
  })

  it('of a session that has not ended is provisional', () => {
    const of = ended({ stop: false })
    expect(receiptOf(of)).toMatchObject({ state: 'provisional' })
    expect(receiptOf(of)).not.toHaveProperty('cost')
    of.node.meter({ transactionId: of.node.only().start.body.transactionId, energyWh: 155_200 })
    expect(receiptOf(of)).toMatchObject({ state: 'provisional', energyWh: 1000, cost: { total: '0.25' } })
  })

  it('of a card that was refused and took nothing says that nothing is due', () => {
    const of = ended({ stop: false, published: false })
    of.made.revoke(CARD)
    of.made.publish(of.node)
    const { node } = of
    const { transactionId } = node.only().start.body
    node.stop({ transactionId, meterStopWh: 154_200 })
    expect(receiptOf(of)).toMatchObject({ state: 'nothing-due', energyWh: 0 })
    expect(receiptText(receiptOf(of), 'pole-07')).not.toMatch(/TOTAL/)
  })

  it('says what a person of the operator decided and gave back, and what is to pay then', () => {
    const of = ended()
    const { made, node } = of
    const before = numberOf(receiptOf(of))
    const session = node.only()
    const { sessionId } = session
    const decide = (body: Partial<BodyOf<'resolution'>>): void => {
      const about = aboutOf(session)
      made.operator.append([
        { name: 'resolution', body: { sessionId, rule: 'amount', note: '', about, ...body } },
      ])
      made.publish(node)
    }
    decide({ amount: '0.5' })
    const decidedBy = made.operator.ref()
    expect(receiptOf(of)).toMatchObject({
      ...{ state: 'final', flags: ['resolved'], cost: { total: '0.63' } },
      settled: { owed: '0.50', refunded: '0.00', toPay: '0.50', decidedBy },
    })
    const refund = {
      sessionId,
      refundId: new Uint8Array(16),
      amount: '0.2',
      currency: 'EUR',
      reason: 'a gift',
    }
    made.operator.append([{ name: 'refund', body: refund }])
    made.publish(node)
    const receipt = receiptOf(of)
    expect(receipt).toMatchObject({ settled: { owed: '0.50', refunded: '0.20', toPay: '0.30' } })
    expect(numberOf(receipt)).not.toBe(before)
    const lines = receiptText(receipt, 'pole-07').split('\n')
    expect(lines).toContain('decided by the operator             0.50')
    expect(lines).toContain('given back                         -0.20')
    expect(lines).toContain('TO PAY EUR                          0.30')
    expect(verifyReceipt(readerOf(of), signed(of))).toMatchObject({ kind: 'valid', receipt })
    const { settled } = receipt
    const wrong = settled && signed(of, { ...receipt, settled: { ...settled, toPay: '0.31' } })
    expect(verifyReceipt(readerOf(of), wrong ?? new Uint8Array())).toMatchObject({
      reason: 'does-not-add-up',
    })
    decide({ rule: 'waive' })
    expect(receiptOf(of)).toMatchObject({ settled: { owed: '0.00', toPay: '0.00' } })
  })

  it('of a session without a price that a person waived is due nothing, by that word', () => {
    const of = ended({ published: false })
    const { made, node } = of
    const { sessionId } = node.only()
    const body = { sessionId, rule: 'waive', note: '', about: aboutOf(node.only()) }
    made.operator.append([{ name: 'resolution', body }])
    made.publish(node)
    const receipt = receiptOf(of)
    expect(receipt).toMatchObject({
      state: 'nothing-due',
      settled: { toPay: '0', decidedBy: made.operator.ref() },
    })
    expect(receiptText(receipt, 'pole-07')).toMatch(/NOTHING DUE\.\n---/)
  })

  it('has the same number from every node that holds the same, whenever it is issued, and another once more is known', () => {
    const of = ended()
    const { made, node } = of
    const other = made.node('pole-08')
    carry(node, other)
    const there = { made, node: other }
    const number = numberOf(receiptOf(of))
    expect(
      numberOf(receiptOf(there, { isConfirmed: true, issuedAt: SITE_OPENED_AT, signedValues: [] })),
    ).toBe(number)
    other.clock.at = node.clock.at + MINUTE_MS
    other.stop({ transactionId: node.only().start.body.transactionId, meterStopWh: 155_200 })
    expect(numberOf(receiptOf(there))).not.toBe(number)
    carry(other, node)
    expect(numberOf(receiptOf(of))).toBe(numberOf(receiptOf(there)))
  })

  it('is 40 columns of plain signs, whatever it is told', () => {
    const of = ended()
    const site = { siteId: of.made.site.siteId, name: `\u001b[31mRed ${'very long '.repeat(5)}` }
    const receipt = receiptOf(of, { site, signedValues: [new Uint8Array(3)] })
    const text = receiptText({ ...receipt, flags: ['meter-reset', 'something-new'] }, 'pole-07')
    const lines = text.split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40)
    expect(text).toMatch(/^[\n -~]*$/)
    expect(lines).toContain('TOTAL EUR                           0.63')
    expect(lines).toContain('energy                             0.625')
    expect(lines).toContain('! something-new')
    expect(text).toMatch(/Signed meter values: 1, kept by the\noperator/)
  })

  it('takes the largest that a session can be, and what a broken clock says', () => {
    const of = ended()
    const receipt = receiptOf(of, { issuedAt: 2 ** 53 - 1, visualNumber: '\uFEFF\uFEFF' })
    expect(receiptText(receipt, 'x'.repeat(48))).toContain(String(2 ** 53 - 1))
    expect(grantBody().tokenRef).toBe(CARD)
  })
})

import { describe, expect, it } from 'vitest'
import { type SessionKnown, sessionAnswer } from '../../src/api/driver-session.ts'
import { SESSION } from '../../src/api/driver-words.ts'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { CARD, CHARGER, campus, iso, MINUTE_MS } from '../serve/charging.ts'

const known = (over: Partial<SessionKnown> = {}): SessionKnown => ({
  ...{
    nowAt: 0,
    isOffline: false,
    receipt: undefined,
    nodes: 1,
    isInCloud: false,
    tariffAt: () => undefined,
    corrections: NO_CORRECTIONS,
  },
  ...over,
})

function begun(price: string | undefined = '0.25') {
  const site = campus()
  if (price !== '0.25') site.tariff(price)
  const node = site.node('pole-1')
  site.publish(node)
  const { transactionId } = node.start({ meterStartWh: 154_200 })
  return { node, transactionId }
}

describe('what a driver is told of a session', () => {
  it('154200 Wh to 156700 Wh at 0.25 is 2.5 kWh and 0.63', () => {
    const { node, transactionId } = begun()
    node.clock.at += 30 * MINUTE_MS
    node.stop({ transactionId, meterStopWh: 156_700 })
    const answer = sessionAnswer(node.only(), known({ nowAt: node.clock.at }))
    expect(SESSION.parse(answer)).toMatchObject({
      ...{
        meter_start: 154_200,
        meter_stop: 156_700,
        energy_kwh: 2.5,
        rate_per_kwh: '0.25',
        currency: 'EUR',
      },
      ...{ total_cost: '0.63', state: 'completed', soc: null, soc_age_s: null },
      payment: {
        ...{ state: 'queued', receipt: null },
        text: 'Payment of 0.63 EUR is queued: it is sent in a moment. You need not wait.',
      },
      sync: { state: 'here', nodes: 1, cloud: false },
    })
    expect(JSON.stringify(answer)).toContain('"energy_kwh":2.5,')
    // What a charger says takes a millisecond there.
    expect(Date.parse(answer.end_time ?? '') - Date.parse(answer.start_time ?? '')).toBe(30 * MINUTE_MS + 1)
  })

  it('before the first reading energy, cost and state of charge are not known, and never 0', () => {
    const answer = sessionAnswer(begun().node.only(), known())
    expect(answer).toMatchObject({
      ...{ energy_kwh: null, total_cost: null, soc: null, meter_stop: null, end_time: null },
      ...{ rate_per_kwh: '0.25', state: 'charging' },
      payment: { state: 'running', text: 'You pay 0.25 EUR a kWh when the session has ended.' },
    })
  })

  it.each([
    [1, '0.00'],
    [19, '0.00'],
    [20, '0.01'],
    [2500, '0.63'],
    [2_000_001, '500.00'],
    [2_000_020, '500.01'],
  ])('%i Wh so far cost %s so far, rounded half up once', (wh, cost) => {
    const { node, transactionId } = begun()
    node.meter({ transactionId, energyWh: 154_200 + wh })
    expect(sessionAnswer(node.only(), known())).toMatchObject({ energy_kwh: wh / 1000, total_cost: cost })
  })

  it('the last state of charge stays known behind readings that hold none, with its age', () => {
    const { node, transactionId } = begun()
    const say = (minutes: number, words: { energyWh?: number; socPercent?: number }): void => {
      node.clock.at += minutes * MINUTE_MS
      const sampledAt = iso(node.clock.at)
      node.say({ kind: 'meter', connectorId: 1, transactionId, readings: [{ sampledAt, ...words }] })
    }
    say(1, { energyWh: 154_300, socPercent: 41 })
    say(1, { socPercent: 42 })
    say(2, { energyWh: 154_900 })
    expect(sessionAnswer(node.only(), known({ nowAt: node.clock.at + MINUTE_MS }))).toMatchObject({
      ...{ soc: 42, soc_age_s: 180, energy_kwh: 0.7 },
    })
  })

  it('says when it waits for a connection, when the cloud has it, and when somebody has to look', () => {
    const { node, transactionId } = begun()
    node.clock.at += MINUTE_MS
    node.stop({ transactionId, meterStopWh: 156_700 })
    const offline = sessionAnswer(node.only(), known({ isOffline: true, nodes: 3 }))
    expect(offline.payment?.text).toContain('it is sent when this site has a connection again')
    expect(offline).toMatchObject({ offline: { now: true }, sync: { state: 'mesh', nodes: 3 } })
    const receipt = 'ab12'
    const acked = sessionAnswer(node.only(), known({ receipt, isInCloud: true }))
    expect(acked).toMatchObject({
      state: 'reconciled',
      payment: { state: 'handed_over', receipt },
      sync: { state: 'cloud', cloud: true },
    })
    node.clock.at += MINUTE_MS
    node.stop({ transactionId, meterStopWh: 156_800 })
    expect(node.only().flags).toContain('conflicting-ends')
    expect(sessionAnswer(node.only(), known()).payment).toMatchObject({ state: 'in_review' })
  })

  it('a meter that went back has no energy and no cost', () => {
    const { node, transactionId } = begun()
    node.stop({ transactionId, meterStopWh: 100 })
    expect(sessionAnswer(node.only(), known())).toMatchObject({
      ...{ energy_kwh: null, total_cost: null, meter_stop: 100 },
      payment: { state: 'in_review' },
    })
  })

  it('a register that runs over its width goes on counting, live and at the end', () => {
    const site = campus()
    const node = site.node('pole-1')
    site.publish(node)
    const { transactionId } = node.start({ meterStartWh: 999_000 })
    for (const energyWh of [999_900, 999_950, 20, 60]) {
      node.clock.at += MINUTE_MS
      node.meter({ transactionId, energyWh })
    }
    expect(sessionAnswer(node.only(), known())).toMatchObject({ energy_kwh: 1.06, total_cost: '0.27' })
    node.clock.at += MINUTE_MS
    node.stop({ transactionId, meterStopWh: 100 })
    expect(node.only().flags).toContain('meter-rolled-over')
    expect(sessionAnswer(node.only(), known())).toMatchObject({
      ...{ meter_stop: 100, energy_kwh: 1.1, total_cost: '0.28', payment: { state: 'queued' } },
    })
  })

  it('without a tariff there is no price, no cost and no zero', () => {
    const node = campus().node('pole-1')
    const { transactionId } = node.start({ meterStartWh: 0 })
    node.stop({ transactionId, meterStopWh: 5000 })
    expect(sessionAnswer(node.only(), known())).toMatchObject({
      ...{ energy_kwh: 5, rate_per_kwh: null, currency: null, total_cost: null },
      ...{ payment: { state: 'no_price' }, offline: { at_start: true } },
    })
  })

  it('names the charger, and nothing of the card', () => {
    const text = JSON.stringify(sessionAnswer(begun().node.only(), known()))
    expect(text).toContain(CHARGER)
    expect(text).not.toContain(CARD)
  })
})

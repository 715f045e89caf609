// Cards in the middle of things: revoked, expired, refused, capped, with clocks that are wrong. What a charger
// reports is recorded in every case; what changes are the answers, the flags and the price.
import { describe, expect, it } from 'vitest'
import { priceOf } from '../../src/tariff/price.ts'
import type { ChargerId } from '../../src/units.ts'
import { SITE_OPENED_AT } from '../site.ts'
import {
  CARD,
  type Campus,
  type ChargingNode,
  campus,
  carry,
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  OTHER_CARD,
} from './charging.ts'

const UNSET = { raw: '1970-01-01T00:00:05Z', at: 5000 }

function oneNode(): { site: Campus; a: ChargingNode } {
  const site = campus()
  const a = site.node('a')
  site.publish(a)
  return { site, a }
}

describe('a card that changes in mid-session', () => {
  it('when revoked, gets BLOCKED at the next tap, and its session is still recorded and priced', () => {
    const { site, a } = oneNode()
    const { transactionId } = a.start()
    site.revoke(CARD)
    site.publish(a)
    expect(a.say({ kind: 'authorize', tokenRef: CARD })).toMatchObject({ allowed: 'BLOCKED' })
    a.stop({ transactionId })
    expect(a.only()).toMatchObject({ energyWh: 2500, state: 'completed', flags: [] })
    expect(a.start().allowed).toBe('BLOCKED')
  })

  it('when expired, gets EXPIRED at the next tap, and its session is still recorded and priced', () => {
    const site = campus()
    const a = site.node('a')
    site.grant({ notAfterAt: a.clock.at + 10 * MINUTE_MS })
    site.publish(a)
    const { transactionId, allowed } = a.start()
    a.clock.at += HOUR_MS
    expect(allowed).toBe('ALLOWED')
    expect(a.say({ kind: 'authorize', tokenRef: CARD })).toMatchObject({ allowed: 'EXPIRED' })
    a.stop({ transactionId })
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [] })
  })

  it('gets the verdict of the first time when its start is sent again after the revocation', () => {
    const { site, a } = oneNode()
    const at = a.clock.at
    const first = a.start({ at })
    site.revoke(CARD)
    site.publish(a)
    expect(a.start({ at })).toEqual(first)
  })
})

describe('a card that is refused', () => {
  it('leaves a session with a flag when the charger let it charge all the same', () => {
    const { a } = oneNode()
    const { transactionId, allowed } = a.start({ tokenRef: OTHER_CARD })
    expect(allowed).toBe('NOT_ALLOWED')
    a.stop({ transactionId })
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: ['refused-card'], state: 'completed' })
  })

  it('leaves no flag when nothing was drawn', () => {
    const { a } = oneNode()
    const { transactionId } = a.start({ tokenRef: OTHER_CARD })
    a.stop({ transactionId, meterStopWh: 154_200 })
    expect(a.only()).toMatchObject({ energyWh: 0, flags: [] })
  })

  it('uses up none of its sessions of the day', () => {
    const { site, a } = oneNode()
    const tokenRef = OTHER_CARD
    for (const meterStartWh of [1, 2, 3])
      expect(a.start({ tokenRef, meterStartWh }).allowed).toBe('NOT_ALLOWED')
    site.grant({ tokenRef, offline: { maxAgeS: 30 * 86_400, maxSessionsPerDay: 8 } })
    site.publish(a)
    expect(a.start({ tokenRef, meterStartWh: 4 }).allowed).toBe('ALLOWED')
    expect(a.start({ tokenRef, meterStartWh: 5 }).allowed).toBe('ALLOWED')
    // A day without news of the operator leaves a quarter of eight.
    expect(a.start({ tokenRef, meterStartWh: 6 }).allowed).toBe('NO_CREDIT')
  })
})

describe('a cap on the energy of a day', () => {
  const capped = { offline: { maxAgeS: 30 * 86_400, maxWhPerDay: 10_000 } }

  function atCap(): { site: Campus; a: ChargingNode } {
    const site = campus()
    const a = site.node('a')
    site.grant(capped)
    site.publish(a)
    return { site, a }
  }

  it('counts what other nodes have recorded', () => {
    const { site, a } = atCap()
    const b = site.node('b')
    site.publish(b)
    b.stop({ transactionId: b.start().transactionId })
    expect(a.start({ chargerId: 'CP-2' as ChargerId }).allowed).toBe('ALLOWED')
    carry(b, a)
    expect(a.start({ chargerId: 'CP-3' as ChargerId }).allowed).toBe('NO_CREDIT')
  })

  it('counts a running session by the highest register heard, although its last sample held none', () => {
    const { a } = atCap()
    const { transactionId } = a.start()
    a.meter({ transactionId, energyWh: 156_700 })
    const sampledAt = { raw: 'later', at: a.clock.at + MINUTE_MS }
    a.say({ kind: 'meter', connectorId: 1, transactionId, readings: [{ sampledAt, socPercent: 70 }] })
    expect(a.start({ chargerId: 'CP-2' as ChargerId }).allowed).toBe('NO_CREDIT')
  })

  it('counts the session of a charger without a clock, for a day', () => {
    const { a } = atCap()
    const { transactionId } = a.start({ time: UNSET })
    a.stop({ transactionId, time: UNSET, meterStopWh: 164_200 })
    expect(a.start({ chargerId: 'CP-2' as ChargerId }).allowed).toBe('NO_CREDIT')
    a.clock.at += DAY_MS + HOUR_MS
    expect(a.start({ chargerId: 'CP-2' as ChargerId }).allowed).toBe('ALLOWED')
  })

  it('does not count the session of a charger whose clock runs ten years ahead for ten years', () => {
    const { a } = atCap()
    const { transactionId } = a.start({ at: a.clock.at + 3650 * DAY_MS })
    a.stop({ transactionId, at: a.clock.at + 3650 * DAY_MS, meterStopWh: 164_200 })
    a.clock.at += DAY_MS + HOUR_MS
    expect(a.start({ chargerId: 'CP-2' as ChargerId }).allowed).toBe('ALLOWED')
  })

  it('of zero sessions allows none', () => {
    const site = campus()
    const a = site.node('a')
    site.grant({ offline: { maxAgeS: 30 * 86_400, maxSessionsPerDay: 0 } })
    site.publish(a)
    expect(a.start().allowed).toBe('NO_CREDIT')
  })
})

describe('the price of a session', () => {
  it('is fixed at the start: a later tariff does not touch it', () => {
    const { site, a } = oneNode()
    const { transactionId } = a.start()
    site.tariff('0.99', a.clock.at)
    site.publish(a)
    a.stop({ transactionId })
    expect(a.only().pricing?.body).toMatchObject({ pricePerKwh: '0.25', currency: 'EUR' })
    expect(priceOf(a.only().energyWh ?? -1, { currency: 'EUR', pricePerKwh: '0.25' })).toBe('0.63')
  })

  it('is the tariff that was in force when a replayed session began', () => {
    const { site, a } = oneNode()
    site.tariff('0.99', SITE_OPENED_AT + DAY_MS)
    site.publish(a)
    a.clock.at = SITE_OPENED_AT + 2 * DAY_MS
    a.start({ at: SITE_OPENED_AT + HOUR_MS })
    a.start({ at: SITE_OPENED_AT + 25 * HOUR_MS, connectorId: 2 })
    expect(a.of().sessions.map(session => session.pricing?.body.pricePerKwh)).toEqual(['0.25', '0.99'])
  })

  it.each([
    ['never set', UNSET],
    ['unreadable', { raw: 'noon' }],
    ['ten years ahead', { raw: '2036-06-01T09:00:00Z', at: SITE_OPENED_AT + 3650 * DAY_MS }],
  ])('is today’s when the charger’s clock is %s', (_, time) => {
    const { site, a } = oneNode()
    site.tariff('0.99', SITE_OPENED_AT + 1000 * DAY_MS)
    site.publish(a)
    a.start({ time })
    expect(a.only().pricing?.body.pricePerKwh).toBe('0.25')
  })

  it('is missing, and said to be, without a tariff: never zero', () => {
    const a = campus().node('a')
    const { transactionId } = a.start()
    a.stop({ transactionId })
    expect(a.only().pricing).toBeUndefined()
    expect(a.only().flags).toContain('unpriced')
  })
})

describe('two cars on the two connectors of one charger', () => {
  it('have two sessions, two ids and two ends', () => {
    const { a } = oneNode()
    const at = a.clock.at
    const left = a.start({ at, connectorId: 1 })
    const right = a.start({ at, connectorId: 2 })
    expect(left.transactionId).not.toBe(right.transactionId)
    a.stop({ transactionId: right.transactionId, meterStopWh: 155_000 })
    a.stop({ transactionId: left.transactionId, meterStopWh: 156_000 })
    const energies = a.of().sessions.map(session => [session.connectorId, session.energyWh])
    expect(Object.fromEntries(energies)).toEqual({ 1: 1800, 2: 800 })
  })
})

describe('two sessions of one card that begin at the same register', () => {
  it('are two when the first was stopped, although nothing flowed in it', () => {
    const { a } = oneNode()
    const first = a.start()
    a.stop({ transactionId: first.transactionId, meterStopWh: 154_200 })
    a.clock.at += HOUR_MS
    const second = a.start()
    a.stop({ transactionId: second.transactionId })
    expect(a.of().sessions.map(session => session.energyWh)).toEqual([0, 2500])
  })

  it('are two when the stop of the first was heard elsewhere, by a node that did not know its start', () => {
    const { site, a } = oneNode()
    const b = site.node('b')
    const first = a.start()
    b.stop({ transactionId: first.transactionId, meterStopWh: 154_200, at: a.clock.at + MINUTE_MS })
    a.clock.at += HOUR_MS
    const second = a.start()
    a.stop({ transactionId: second.transactionId })
    carry(b, a)
    expect(a.of().sessions.map(session => session.energyWh)).toEqual([0, 2500])
    expect(a.of().orphanEnds).toEqual([])
  })

  it('are two when the cards differ', () => {
    const { a } = oneNode()
    a.start()
    a.clock.at += HOUR_MS
    a.start({ tokenRef: OTHER_CARD })
    expect(a.of().sessions).toHaveLength(2)
  })
})

describe('a charger that was rebooted and counts from 1970 again', () => {
  it('is served like any other: a start with an unset clock is one session, sent once or ten times', () => {
    const { a } = oneNode()
    const answers = Array.from({ length: 10 }, () => a.start({ time: UNSET }))
    expect(new Set(answers.map(answer => answer.transactionId)).size).toBe(1)
    expect(a.wrote('session_start')).toHaveLength(1)
    a.stop({ transactionId: answers[0]?.transactionId ?? 0 })
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [] })
  })

  const words = { time: UNSET, meterStartWh: 0 }

  it('has two sessions, each with its card, energy and price, when the next car begins with the same words', () => {
    const { site, a } = oneNode()
    const first = a.start(words)
    a.stop({ transactionId: first.transactionId, meterStopWh: 2500 })
    a.clock.at += HOUR_MS
    site.grant({ tokenRef: OTHER_CARD })
    site.tariff('0.40', a.clock.at)
    site.publish(a)
    const second = a.start({ ...words, tokenRef: OTHER_CARD })
    expect(a.start({ ...words, tokenRef: OTHER_CARD })).toEqual(second)
    expect(a.wrote('session_start')).toHaveLength(2)
    a.meter({ transactionId: second.transactionId, energyWh: 900 })
    const open = a.of().sessions.find(session => !session.end)
    expect(open).toMatchObject({ state: 'charging', tokenRef: OTHER_CARD, registerWh: 900 })
    a.stop({ transactionId: second.transactionId, meterStopWh: 1800 })
    expect(a.of().sessions).toMatchObject([
      { tokenRef: CARD, energyWh: 2500, pricing: { body: { pricePerKwh: '0.25' } }, flags: ['shared-words'] },
      { tokenRef: OTHER_CARD, energyWh: 1800, pricing: { body: { pricePerKwh: '0.40' } } },
    ])
    expect(new Set(a.of().sessions.map(session => session.sessionId)).size).toBe(2)
    expect(a.of().sessions.find(session => session.energyWh === 1800)?.sessionId).toBe(open?.sessionId)
  })

  it('has two sessions as well when another node served the second, on every node alike', () => {
    const { site, a } = oneNode()
    const b = site.node('b')
    site.publish(b)
    a.stop({ transactionId: a.start(words).transactionId, meterStopWh: 2500 })
    b.clock.at = a.clock.at + HOUR_MS
    carry(a, b)
    b.stop({ transactionId: b.start(words).transactionId, meterStopWh: 1800 })
    carry(b, a)
    expect(a.of().sessions.map(session => session.energyWh)).toEqual([2500, 1800])
    expect(a.of()).toEqual(b.of())
  })

  it('has one session when all of it is replayed, to the same node or to one that knew nothing', () => {
    const { site, a } = oneNode()
    const b = site.node('b')
    site.publish(b)
    for (const node of [a, b, a, b]) {
      node.clock.at += HOUR_MS
      const { transactionId } = node.start(words)
      node.stop({ transactionId, time: UNSET, meterStopWh: 2500 })
    }
    carry(a, b)
    carry(b, a)
    expect(a.only()).toMatchObject({ energyWh: 2500, state: 'completed', flags: [] })
    expect(a.of()).toEqual(b.of())
  })

  it('has no second session when its start was sent again to a node whose clock runs ahead', () => {
    const { site, a } = oneNode()
    const b = site.node('b')
    site.publish(b)
    const { transactionId } = a.start(words)
    b.clock.at = a.clock.at + HOUR_MS
    b.start(words)
    a.stop({ transactionId, meterStopWh: 2500 })
    carry(b, a)
    expect(a.only()).toMatchObject({ energyWh: 2500, state: 'completed' })
  })
})

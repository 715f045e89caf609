// What the operator decides for the whole site, and what a charger and a driver are told of a decision.
import { describe, expect, it } from 'vitest'
import { confirmation } from '../../src/ocpp/answers.ts'
import { SITE_OPENED_AT } from '../site.ts'
import { CARD, type Campus, type ChargingNode, campus, DAY_MS, MINUTE_MS, OTHER_CARD } from './charging.ts'

function oneNode(): { site: Campus; a: ChargingNode } {
  const site = campus()
  const a = site.node('a')
  site.publish(a)
  return { site, a }
}

describe('the site’s own rules', () => {
  const says = (name: string, value: string) => ({ name: 'policy' as const, body: { name, value } })

  it('let an unknown card charge where the operator wants that, and no more than a little a day', () => {
    const { site, a } = oneNode()
    expect(a.start({ tokenRef: OTHER_CARD }).allowed).toBe('NOT_ALLOWED')
    site.operator.append([says('unknown-cards', 'accept')])
    site.publish(a)
    const { transactionId, allowed } = a.start({ tokenRef: OTHER_CARD, meterStartWh: 1000 })
    expect(allowed).toBe('ALLOWED')
    expect(a.wrote('session_start').at(-1)?.reason).toBe('unknown card, accepted by site policy')
    a.stop({ transactionId, meterStopWh: 11_000 })
    expect(a.start({ tokenRef: OTHER_CARD, meterStartWh: 11_000 }).allowed).toBe('NO_CREDIT')
  })

  it('let the cards of some classes charge however old the news is', () => {
    const site = campus()
    const a = site.node('a')
    site.grant({ class: 'fleet', offline: { maxAgeS: 3600 } })
    site.grant({ tokenRef: OTHER_CARD, offline: { maxAgeS: 3600 } })
    site.operator.append([says('always-allow', 'fleet,emergency')])
    site.publish(a)
    a.clock.at += DAY_MS
    expect(a.start().allowed).toBe('ALLOWED')
    expect(a.start({ tokenRef: OTHER_CARD }).allowed).toBe('NOT_ALLOWED')
  })
})

describe('a cap on the money of a day', () => {
  it('counts the energy at the price in force, and counts nothing without one', () => {
    const site = campus()
    const a = site.node('a')
    site.grant({ offline: { maxAgeS: 30 * 86_400, maxAmountPerDay: '2.50' } })
    site.publish(a)
    // A day without news leaves a quarter of 2.50; 2,499 Wh at 0.25 are less than 0.625, and 2,500 are not.
    const { transactionId } = a.start({ meterStartWh: 1000 })
    a.stop({ transactionId, meterStopWh: 3499 })
    const second = a.start({ meterStartWh: 3499 })
    expect(second.allowed).toBe('ALLOWED')
    a.stop({ transactionId: second.transactionId, meterStopWh: 3500 })
    expect(a.start({ meterStartWh: 3500 }).allowed).toBe('NO_CREDIT')
  })
})

describe('cards of one group', () => {
  it('are named to the charger with one word, so that one may end what the other began', () => {
    const { site, a } = oneNode()
    const groupRef = 'dd'.repeat(16) as never
    site.grant({ groupRef })
    site.grant({ groupRef, tokenRef: OTHER_CARD })
    site.publish(a)
    const started = a.start()
    const other = a.say({ kind: 'authorize', tokenRef: OTHER_CARD })
    expect(confirmation('start', { kind: 'started', ...started } as never, 0)).toMatchObject({
      idTagInfo: { status: 'Accepted', parentIdTag: 'dd'.repeat(10) },
    })
    expect(confirmation('authorize', other, 0)).toMatchObject({
      idTagInfo: { parentIdTag: 'dd'.repeat(10) },
    })
  })
})

describe('a refusal explains itself', () => {
  it('by whom and when the card was revoked, and since when that is known here', () => {
    const { site, a } = oneNode()
    site.operator.append(
      [{ name: 'revoke', body: { tokenRef: CARD, reason: 'lost', effectiveAt: 0 } }],
      SITE_OPENED_AT + 2 * MINUTE_MS,
    )
    a.clock.at = SITE_OPENED_AT + 3 * MINUTE_MS
    site.publish(a)
    a.say({ kind: 'authorize', tokenRef: CARD })
    expect(a.wrote('diagnostics').at(-1)?.detail).toBe(
      'BLOCKED: revoked at 2026-06-01 08:02 UTC by the issuer, known here since 2026-06-01 08:03 UTC',
    )
  })

  it('with a word for the others', () => {
    const { a } = oneNode()
    a.say({ kind: 'authorize', tokenRef: OTHER_CARD })
    expect(a.wrote('diagnostics').at(-1)?.detail).toBe('NOT_ALLOWED: unknown card')
  })
})

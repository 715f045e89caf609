import { describe, expect, it } from 'vitest'
import { concurrentSessions } from '../../src/session/concurrent.ts'
import type { ChargerId } from '../../src/units.ts'
import { CARD, campus, HOUR_MS, MINUTE_MS, meet, OTHER_CARD } from '../serve/charging.ts'
import { SITE_OPENED_AT } from '../site.ts'

const NINE = SITE_OPENED_AT + HOUR_MS
const THERE = 'CP-2' as ChargerId

type Charge = { readonly fromMs: number; readonly toMs?: number; readonly tokenRef?: typeof CARD }

/** Two islands; what both know of cards that charged here and there, when they meet. */
function met(here: Charge, there: Charge): readonly unknown[] {
  const { node, grant, publish, tariff } = campus()
  const [a, b] = [node('a'), node('b')]
  tariff('0.25')
  grant()
  publish(a, b)
  const charge = (at: typeof a, chargerId: ChargerId, { fromMs, toMs, tokenRef = CARD }: Charge): void => {
    at.clock.at = NINE + fromMs
    const { transactionId } = at.start({ chargerId, tokenRef })
    if (toMs === undefined) return
    at.clock.at = NINE + toMs
    at.stop({ chargerId, transactionId })
  }
  charge(a, 'CP-1' as ChargerId, here)
  charge(b, THERE, there)
  meet(a, b)
  const sessions = a.ledger.view().sessions()
  const found = concurrentSessions(sessions)
  return sessions.map(one => [one.chargerId, found.get(one.sessionId)])
}

const whole = { fromMs: 0, toMs: HOUR_MS }
const ALONE = [
  ['CP-1', undefined],
  ['CP-2', undefined],
]

describe('one card at two chargers', () => {
  it('at the same time is said of both sessions, once their islands meet', () => {
    const both = [
      ['CP-1', ['CP-2']],
      ['CP-2', ['CP-1']],
    ]
    expect(met(whole, { fromMs: 30 * MINUTE_MS, toMs: 2 * HOUR_MS })).toEqual(both)
    expect(met({ fromMs: 0 }, { fromMs: 10 * HOUR_MS, toMs: 11 * HOUR_MS })).toEqual(both)
  })
  it('one after the other is nothing, also where clocks differ a little', () => {
    expect(met(whole, { fromMs: 2 * HOUR_MS, toMs: 3 * HOUR_MS })).toEqual(ALONE)
    expect(met(whole, { fromMs: 59 * MINUTE_MS, toMs: 3 * HOUR_MS })).toEqual(ALONE)
  })
  it('that was refused at one of them, and took nothing, is nothing', () => {
    const refused = { fromMs: 0, tokenRef: OTHER_CARD }
    expect(met(refused, { ...whole, tokenRef: OTHER_CARD })).toEqual(ALONE)
  })
  it('at two connectors of one charger is nothing: two cars of one driver', () => {
    const { node, grant, publish } = campus()
    const a = node('a')
    grant()
    publish(a)
    a.clock.at = NINE
    a.start({ connectorId: 1, meterStartWh: 10 })
    a.start({ connectorId: 2, meterStartWh: 20 })
    expect(concurrentSessions(a.ledger.view().sessions()).size).toBe(0)
  })
})

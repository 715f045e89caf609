// Sessions of OCPP 2.0.1: the station names its transactions, cards may come late, and nodes need not know one another.
import { describe, expect, it } from 'vitest'
import type { ChargerAnswer, ChargerMessage } from '../../src/ports.ts'
import { sessionIdOfStation } from '../../src/session/id.ts'
import type { TokenRef } from '../../src/units.ts'
import { CARD, CHARGER, type ChargingNode, campus, HOUR_MS, MINUTE_MS, meet, OTHER_CARD } from './charging.ts'

const TX = { stationTransactionId: 'b2a1-77' }
const NO_CARD = '00'.repeat(16) as TokenRef

function open() {
  const made = campus()
  const a = made.node('a')
  const b = made.node('b')
  made.tariff('0.25')
  made.grant()
  made.publish(a, b)
  return { ...made, a, b }
}

const timeOf = ({ clock }: ChargingNode, laterMs = 0) => ({
  raw: new Date(clock.at + laterMs).toISOString(),
  at: clock.at + laterMs,
})

function started(
  node: ChargingNode,
  over: Partial<Extract<ChargerMessage, { kind: 'start' }>> = {},
): ChargerMessage {
  return {
    ...{ kind: 'start', ...TX, connectorId: 1, tokenRef: CARD, meterStartWh: 1000 },
    ...{ startedAt: timeOf(node), readings: [{ sampledAt: timeOf(node), energyWh: 1000 }] },
    ...over,
  } as ChargerMessage
}

function updated(node: ChargingNode, energyWh: number, laterMs: number, state?: 'charging' | 'suspendedEv') {
  const readings = [{ sampledAt: timeOf(node, laterMs), energyWh }]
  return node.say({ kind: 'meter', ...TX, connectorId: 0, readings, ...(state && { state }) })
}

function ended(node: ChargingNode, meterStopWh: number, laterMs = HOUR_MS): ChargerAnswer {
  return node.say({
    ...{ kind: 'stop', ...TX, transactionId: 0, meterStopWh, stoppedAt: timeOf(node, laterMs) },
    ...{ reason: 'Local', readings: [] },
  })
}

describe('a session of a station that names it', () => {
  it('is one, with its energy, readings and states', () => {
    const { a } = open()
    expect(a.say(started(a))).toMatchObject({ kind: 'started', allowed: 'ALLOWED' })
    updated(a, 1500, MINUTE_MS, 'charging')
    updated(a, 1600, 2 * MINUTE_MS, 'suspendedEv')
    expect(a.only().state).toBe('paused')
    expect(ended(a, 2500)).toEqual({ kind: 'stopped' })
    expect(a.only()).toMatchObject({
      ...{ sessionId: sessionIdOfStation(CHARGER, 'b2a1-77'), connectorId: 1, energyWh: 1500 },
      ...{ state: 'completed', flags: [], tokenRef: CARD },
    })
    expect(a.wrote('meter_tick').map(tick => tick.connectorId)).toEqual([1, 1, 1])
  })

  it('takes no reading of the meter of the whole station, not even before it names its connector', () => {
    const { a } = open()
    a.say(started(a, { connectorId: 0 }))
    updated(a, 1500, MINUTE_MS)
    const readings = [{ sampledAt: timeOf(a, 2 * MINUTE_MS), energyWh: 9_000_000 }]
    expect(a.say({ kind: 'meter', connectorId: 0, readings })).toEqual({ kind: 'noted' })
    expect(a.only().soFar).toEqual({ energyWh: 500, flags: [] })
    ended(a, 2500)
    expect(a.only()).toMatchObject({ energyWh: 1500, flags: [] })
  })

  it('hears every message twice and writes it once', () => {
    const { a } = open()
    const start = started(a)
    const first = a.say(start)
    expect(a.say(start)).toEqual(first)
    const { at } = a.clock
    const again = (say: () => void) => {
      for (let i = 0; i < 2; i++) {
        a.clock.at = at
        say()
      }
    }
    again(() => updated(a, 1500, MINUTE_MS))
    again(() => ended(a, 2500))
    expect(a.say(start)).toEqual(first)
    expect(a.wrote('session_start')).toHaveLength(1)
    expect(a.wrote('session_end')).toHaveLength(1)
    expect(a.wrote('meter_tick')).toHaveLength(2)
  })

  it('is known by its name to a node that never heard of its start', () => {
    const { a, b } = open()
    a.say(started(a))
    updated(b, 1800, MINUTE_MS)
    ended(b, 2500)
    expect(b.of().sessions).toEqual([])
    expect(b.of().orphanEnds).toHaveLength(1)
    meet(a, b)
    expect(b.only()).toMatchObject({ energyWh: 1500, registerWh: 1800, flags: [] })
    expect(b.only()).toEqual(a.only())
  })

  it('under a name that the station has used before lets nobody in by the card of then', () => {
    const { a } = open()
    const first = started(a)
    a.say(first)
    ended(a, 2500)
    expect(a.say(first)).toMatchObject({ kind: 'started', allowed: 'ALLOWED' })
    const later = { raw: new Date(a.clock.at + 2 * HOUR_MS).toISOString(), at: a.clock.at + 2 * HOUR_MS }
    const again = (tokenRef: TokenRef) =>
      a.say(started(a, { tokenRef, startedAt: later, meterStartWh: 2500 }))
    expect(again(OTHER_CARD)).toMatchObject({ kind: 'started', allowed: 'NOT_ALLOWED' })
    expect(again(CARD)).toMatchObject({ kind: 'started', allowed: 'ALLOWED' })
    expect(a.wrote('session_start')).toHaveLength(1)
    expect(a.wrote('diagnostics').map(({ code }) => code)).toEqual([
      'transaction-id-reused',
      'card-refused',
      'transaction-id-reused',
    ])
    ended(a, 9500, 3 * HOUR_MS)
    expect(a.only()).toMatchObject({ energyWh: 1500, flags: ['conflicting-ends'] })
  })

  it('is never another one that began with the same words', () => {
    const { a } = open()
    a.say(started(a, { stationTransactionId: 'one', startedAt: { raw: '1970-01-01T00:00:05Z', at: 5000 } }))
    a.say(started(a, { stationTransactionId: 'two', startedAt: { raw: '1970-01-01T00:00:05Z', at: 5000 } }))
    expect(a.of().sessions).toHaveLength(2)
  })
})

describe('a session that begins before a card is shown', () => {
  const cardless = (node: ChargingNode) => started(node, { tokenRef: NO_CARD, cardless: true })
  const show = (node: ChargingNode, tokenRef: TokenRef) => node.say({ kind: 'card', ...TX, tokenRef })

  it('is its first card’s that may charge', () => {
    const { a } = open()
    expect(a.say(cardless(a))).toMatchObject({ allowed: 'NOT_ALLOWED' })
    expect(a.only()).toMatchObject({ allowed: 'NOT_ALLOWED', reason: 'no card yet' })
    expect(show(a, OTHER_CARD)).toMatchObject({ kind: 'authorized', allowed: 'NOT_ALLOWED' })
    expect(show(a, CARD)).toMatchObject({ kind: 'authorized', allowed: 'ALLOWED' })
    expect(show(a, OTHER_CARD)).toMatchObject({ allowed: 'NOT_ALLOWED' })
    ended(a, 2500)
    expect(a.only()).toMatchObject({ tokenRef: CARD, allowed: 'ALLOWED', flags: [], energyWh: 1500 })
    expect(a.ledger.view().ofToken(CARD)).toHaveLength(1)
  })

  it('writes the same card once, however often it is told', () => {
    const { a } = open()
    a.say(cardless(a))
    for (let i = 0; i < 3; i++) show(a, CARD)
    expect(a.wrote('session_card')).toHaveLength(1)
  })

  it('is flagged when energy flowed for nobody', () => {
    const { a } = open()
    a.say(cardless(a))
    ended(a, 2500)
    expect(a.only().flags).toEqual(['refused-card'])
    expect(a.wrote('diagnostics')).toEqual([])
  })

  it('finds its card when that was shown at another node', () => {
    const { a, b } = open()
    a.say(cardless(a))
    expect(show(b, CARD)).toMatchObject({ allowed: 'ALLOWED' })
    meet(a, b)
    expect(a.only()).toMatchObject({ tokenRef: CARD, allowed: 'ALLOWED' })
    expect(b.only()).toEqual(a.only())
  })

  it('keeps the card that it began with, whatever is shown at a node that does not know it', () => {
    const { a, b, grant, publish } = open()
    grant({ tokenRef: OTHER_CARD })
    publish(a, b)
    a.say(started(a))
    show(b, OTHER_CARD)
    meet(a, b)
    expect(a.only().tokenRef).toBe(CARD)
  })
})

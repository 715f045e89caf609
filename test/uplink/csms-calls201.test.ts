import { describe, expect, it } from 'vitest'
import type { SessionId } from '../../src/units.ts'
import { type Call, type ToldEnd, type ToldSession, withCard } from '../../src/uplink/csms-calls.ts'
import { OCPP_2_0_1 } from '../../src/uplink/csms-calls201.ts'

const end: ToldEnd = {
  stoppedAt: '2026-11-20T11:00:00.000Z',
  meterStopWh: 9000,
  reason: 'Local',
  byCard: true,
}
const session: ToldSession = {
  sessionId: 'a1'.repeat(16) as SessionId,
  connectorId: 2,
  startedAt: '2026-11-20T10:00:00.000Z',
  meterStartWh: 1000,
  readings: [
    { sampledAt: '2026-11-20T10:15:00.000Z', energyWh: 2500, powerW: 7000 },
    { sampledAt: '2026-11-20T10:30:00.000Z', socPercent: 80 },
    { sampledAt: '2026-11-20T10:45:00.000Z' },
  ],
  end,
}
const ID = session.sessionId
const NONE: Call = { action: '', payload: {} }
const none = { readings: 0, calls: 0 }
const numbers = (calls: readonly Call[]): readonly unknown[] => calls.map(({ payload }) => payload.seqNo)

describe('a session in the words of OCPP 2.0.1', () => {
  it('is a start, its readings and an end: offline, numbered without a gap, under one id', () => {
    const calls = [
      OCPP_2_0_1.starts(session),
      ...OCPP_2_0_1.measures(session, ID, none),
      OCPP_2_0_1.ends(session, ID),
    ]
    expect(numbers(calls)).toEqual([0, 1, 2, 3, 4])
    expect(calls.map(({ payload }) => payload.eventType)).toEqual([
      'Started',
      'Updated',
      'Updated',
      'Updated',
      'Ended',
    ])
    for (const { action, payload } of calls) {
      expect(action).toBe('TransactionEvent')
      expect(payload).toMatchObject({
        offline: true,
        evse: { id: 2, connectorId: 1 },
        transactionInfo: { transactionId: ID },
      })
    }
    expect(calls[4]?.payload).toMatchObject({
      timestamp: '2026-11-20T11:00:00.000Z',
      transactionInfo: { stoppedReason: 'Local' },
      meterValue: [{ sampledValue: [{ value: 9000, context: 'Transaction.End' }] }],
    })
  })

  it('goes on where it stopped, and says the same under the same number when it is said again', () => {
    const whole = OCPP_2_0_1.measures(session, ID, none)
    const rest = OCPP_2_0_1.measures(session, ID, { readings: 2, calls: 1 })
    expect(rest).toEqual(whole.slice(2))
    const running: ToldSession = { ...session, readings: session.readings.slice(0, 2) }
    expect(OCPP_2_0_1.measures(running, ID, none)).toEqual(whole.slice(0, 2))
  })

  it('bears the id that the station gave it, which is what the central system calls it', () => {
    const named = { ...session, stationTransactionId: 'TX-77' }
    const start = OCPP_2_0_1.starts(named)
    expect(start.payload.transactionInfo).toMatchObject({ transactionId: 'TX-77' })
    expect(OCPP_2_0_1.hears(start, { idTokenInfo: { status: 'Accepted' } })).toEqual({
      kind: 'taken',
      upstreamId: 'TX-77',
    })
    const unknown = OCPP_2_0_1.hears(start, { idTokenInfo: { status: 'Unknown' } })
    expect(unknown).toEqual({ kind: 'taken', upstreamId: 'TX-77', status: 'Unknown' })
  })

  it('names the card and what kind it is only as it leaves', () => {
    const start = OCPP_2_0_1.starts(session)
    expect(JSON.stringify(start)).not.toContain('04A2B3C4')
    expect(withCard(start, '04A2B3C4').payload.idToken).toEqual({ idToken: '04A2B3C4', type: 'ISO14443' })
    expect(withCard(start, 'guest of the site').payload.idToken).toMatchObject({ type: 'Central' })
    const byHand = { ...session, end: { ...end, byCard: false } }
    expect(OCPP_2_0_1.ends(byHand, ID).payload.idToken).toBeUndefined()
  })

  it.each([
    ['HardReset', 'ResetCommand', 'ImmediateReset'],
    ['EVDisconnected', 'EVCommunicationLost', 'EVDisconnected'],
    ['Remote', 'RemoteStop', 'Remote'],
    ['of another make', 'AbnormalCondition', 'Other'],
    ['constructor', 'AbnormalCondition', 'Other'],
  ])('ends for %s', (reason, triggerReason, stoppedReason) => {
    const ended = { ...session, end: { ...end, reason } }
    expect(OCPP_2_0_1.ends(ended, ID).payload).toMatchObject({
      triggerReason,
      transactionInfo: { stoppedReason },
    })
  })

  it('greets with the charger and each EVSE, and waits until the central system accepts it', () => {
    const connectors = [
      { connectorId: 1, isCharging: true },
      { connectorId: 2, isCharging: false },
    ]
    const at = session.startedAt
    const [boot = NONE, ...statuses] = OCPP_2_0_1.greets({
      vendor: 'V'.repeat(80),
      model: 'M'.repeat(80),
      connectors,
      at,
    })
    expect(boot.payload).toMatchObject({
      chargingStation: { vendorName: 'V'.repeat(50), model: 'M'.repeat(20) },
    })
    expect(statuses.map(({ payload }) => [payload.evseId, payload.connectorStatus])).toEqual([
      [1, 'Occupied'],
      [2, 'Available'],
    ])
    const pending = OCPP_2_0_1.hears(boot, { status: 'Pending', interval: 30 })
    expect(pending).toMatchObject({ kind: 'refused', waitS: 30 })
    expect(OCPP_2_0_1.hears(boot, { status: 'Accepted' })).toEqual({ kind: 'taken' })
  })
})

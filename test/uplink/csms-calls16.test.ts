// A session in the words of OCPP 1.6: what stands in each call, that ocpp-rpc's own schemas take it, and what answers mean.
import ocppRpc from 'ocpp-rpc'
import { describe, expect, it } from 'vitest'
import type { SessionId } from '../../src/units.ts'
import { CARD, callOf, type ToldSession, withCard, wordsOf } from '../../src/uplink/csms-calls.ts'
import { OCPP_1_6 } from '../../src/uplink/csms-calls16.ts'

const SESSION: ToldSession = {
  ...{ sessionId: '5e'.repeat(16) as SessionId, connectorId: 2, meterStartWh: 1000 },
  startedAt: '2026-06-01T08:00:00Z',
  readings: [
    { sampledAt: '2026-06-01T08:10:00Z', energyWh: 2500, powerW: 9000, socPercent: 40 },
    { sampledAt: '2026-06-01T08:20:00+02:00', energyWh: 4000 },
  ],
  end: { stoppedAt: '2026-06-01T08:30:00Z', meterStopWh: 5500, reason: 'EVDisconnected', byCard: true },
}
const NOTHING_SAID = { readings: 0, calls: 0 }

describe('in OCPP 1.6 a session', () => {
  it('is told in calls that are valid, with its own id nowhere', () => {
    const calls = [
      ...OCPP_1_6.greets({
        ...{
          vendor: 'A vendor with a very long name',
          model: 'm',
          firmware: '1.2',
          at: '2026-06-02T00:00:00Z',
        },
        connectors: [{ connectorId: 1, isCharging: true }],
      }),
      OCPP_1_6.starts(SESSION),
      ...OCPP_1_6.measures(SESSION, '42', NOTHING_SAID),
      OCPP_1_6.ends(SESSION, '42'),
    ]
    const { RPCClient } = ocppRpc
    const client = new RPCClient({
      ...{ identity: 'x', protocols: ['ocpp1.6'], strictMode: true },
    } as unknown as ConstructorParameters<typeof RPCClient>[0])
    const validators = (client as unknown as { _strictValidators: Map<string, Validator> })._strictValidators
    for (const { action, payload } of calls.map(call => withCard(call, 'A'.repeat(20))))
      validators.get('ocpp1.6')?.validate(`urn:${action}.req`, payload)
    expect(calls.map(({ action }) => action)).toEqual([
      ...['BootNotification', 'StatusNotification', 'StatusNotification'],
      ...['StartTransaction', 'MeterValues', 'StopTransaction'],
    ])
    expect(JSON.stringify(calls)).toContain(CARD)
  })

  it('says registers and times as the charger did', () => {
    expect(OCPP_1_6.starts(SESSION).payload).toEqual({
      ...{ connectorId: 2, idTag: CARD, meterStart: 1000, timestamp: '2026-06-01T08:00:00Z' },
    })
    expect(OCPP_1_6.ends(SESSION, '42').payload).toMatchObject({
      ...{ transactionId: 42, idTag: CARD, meterStop: 5500, reason: 'EVDisconnected' },
      transactionData: [{ timestamp: '2026-06-01T08:00:00Z' }, { timestamp: '2026-06-01T08:30:00Z' }],
    })
    const { end, ...rest } = SESSION
    const byOther = { ...rest, end: { ...(end as NonNullable<typeof end>), byCard: false } }
    expect(OCPP_1_6.ends(byOther, '42').payload).not.toHaveProperty('idTag')
  })

  it('says each reading once, in calls of fifty', () => {
    const readings = Array.from({ length: 120 }, (_, i) => ({
      sampledAt: '2026-06-01T08:10:00Z',
      energyWh: i,
    }))
    const sizes = (said: number): readonly number[] =>
      OCPP_1_6.measures({ ...SESSION, readings }, '1', { readings: said, calls: 0 }).map(
        ({ payload }) => (payload.meterValue as unknown[]).length,
      )
    expect(sizes(0)).toEqual([50, 50, 20])
    expect(sizes(110)).toEqual([10])
    expect(sizes(120)).toEqual([])
  })

  it('is the same bytes again from what the log keeps', () => {
    const call = OCPP_1_6.starts(SESSION)
    const again = callOf(wordsOf(call))
    expect(JSON.stringify(again && withCard(again, '04AA'))).toBe(JSON.stringify(withCard(call, '04AA')))
    expect(JSON.stringify(withCard(call, '04AA'))).toContain('"idTag":"04AA"')
    for (const words of ['', 'null', '[1,2]', '["x"]', '{}']) expect(callOf(words)).toBeUndefined()
  })
})

type Validator = { readonly validate: (schema: string, params: unknown) => void }

describe('an answer in OCPP 1.6', () => {
  const start = OCPP_1_6.starts(SESSION)
  const boot = { action: 'BootNotification', payload: {} }

  it.each([
    [
      { transactionId: 7, idTagInfo: { status: 'Accepted' } },
      { kind: 'taken', upstreamId: '7' },
    ],
    [
      { transactionId: 7, idTagInfo: { status: 'Blocked' } },
      { kind: 'taken', upstreamId: '7', status: 'Blocked' },
    ],
    [{ transactionId: -1 }, { kind: 'taken', upstreamId: '-1' }],
  ])('to a start, %j, names the transaction; that it dislikes the card is noted only', (answer, heard) => {
    expect(OCPP_1_6.hears(start, answer)).toEqual(heard)
  })

  it.each([[null], [{}], [{ transactionId: '7' }], [{ transactionId: 1.5 }], ['x'], [[]]])(
    'to a start, %j, names none',
    answer => {
      expect(OCPP_1_6.hears(start, answer)).toMatchObject({ kind: 'refused' })
    },
  )

  it.each([0, -1])('to a start, %i and a card that it dislikes, names none', transactionId => {
    const answer = { transactionId, idTagInfo: { status: 'Invalid' } }
    expect(OCPP_1_6.hears(start, answer)).toEqual({ kind: 'refused', reason: 'Invalid and no transaction' })
  })

  it('to a boot says whether the charger is welcome, and when to come again', () => {
    expect(OCPP_1_6.hears(boot, { status: 'Accepted', interval: 300 })).toEqual({ kind: 'taken' })
    expect(OCPP_1_6.hears(boot, { status: 'Pending', interval: 60 })).toMatchObject({
      kind: 'refused',
      waitS: 60,
    })
    expect(OCPP_1_6.hears(boot, undefined)).toMatchObject({ kind: 'refused' })
  })

  it('to a stop may be anything', () => {
    for (const answer of [{}, null, { idTagInfo: null }])
      expect(OCPP_1_6.hears(OCPP_1_6.ends(SESSION, '1'), answer)).toEqual({ kind: 'taken' })
  })
})

import ocppRpc from 'ocpp-rpc'
import { describe, expect, it } from 'vitest'
import schemas from '../../node_modules/ocpp-rpc/lib/schemas/ocpp2_0_1.json' with { type: 'json' }
import { dialectOf } from '../../src/ocpp/dialect.ts'
import { type Draft, UNREADABLE_START_WH } from '../../src/ocpp/draft.ts'
import type { ChargerAnswer, ChargerCommand } from '../../src/ports.ts'
import type { TokenRef } from '../../src/units.ts'

const NOW_AT = Date.UTC(2026, 4, 1, 8)
const TIME = '2026-05-01T08:00:00Z'
const AT = { raw: TIME, at: NOW_AT }
const { translate, confirm, callOf, outcomeOf } = dialectOf('OCPP2.0.1')
const schema = ocppRpc.createValidator('ocpp2.0.1', schemas)

function read(
  action: string,
  params: unknown,
  last: (of: number | string) => number | undefined = () => undefined,
) {
  const translation = translate(action, params, last)
  if (translation.kind !== 'message') throw new Error(`${action} is no message: ${translation.kind}`)
  return translation
}

const meterValue = (value: unknown, more: object = {}) => [
  { timestamp: TIME, sampledValue: [{ value, unitOfMeasure: { unit: 'Wh' }, ...more }] },
]
const event = (eventType: string, over: object = {}) => ({
  eventType,
  timestamp: TIME,
  triggerReason: 'CablePluggedIn',
  seqNo: 0,
  transactionInfo: { transactionId: 'tx-1' },
  ...over,
})
const idToken = { idToken: '04a1b2c3', type: 'ISO14443' }
const reading = (energyWh: number) => ({ sampledAt: AT, energyWh })

describe('a TransactionEvent of OCPP 2.0.1 becomes our words', () => {
  it('Started with card and register', () => {
    const params = event('Started', {
      evse: { id: 2, connectorId: 1 },
      idToken,
      meterValue: meterValue(1500),
    })
    expect(read('TransactionEvent', params)).toEqual({
      kind: 'message',
      drafts: [
        {
          ...{ kind: 'start', stationTransactionId: 'tx-1', connectorId: 2, idTag: '04A1B2C3' },
          ...{ meterStartWh: 1500, startedAt: AT, readings: [reading(1500)] },
        },
      ],
      repairs: [],
      place: { transaction: 'tx-1', seqNo: 0 },
    })
  })
  it('Started before a card was shown, and without a register', () => {
    const { drafts, repairs } = read('TransactionEvent', event('Started', { evse: { id: 1 } }))
    expect(drafts[0]).toMatchObject({ cardless: true, idTag: '', meterStartWh: UNREADABLE_START_WH })
    expect(repairs).toEqual(['no-meter-start'])
  })
  it('with all of an id token that no card of OCPP 1.6 could have', () => {
    const long = 'a-token-of-an-app-0123456789-abcdefg'
    const { drafts, repairs } = read('Authorize', { idToken: { idToken: long, type: 'Central' } })
    expect([drafts[0], repairs]).toEqual([{ kind: 'authorize', idTag: long.toUpperCase() }, []])
  })
  it('under ids that are too long tells two transactions apart that begin alike', () => {
    const named = (transactionId: string) => {
      const { drafts, repairs } = read(
        'TransactionEvent',
        event('Started', { transactionInfo: { transactionId } }),
      )
      expect(repairs).toContain('long-transaction-id')
      return (drafts[0] as { stationTransactionId?: string }).stationTransactionId ?? ''
    }
    const long = 'CP01/1/2026-05-01T08:00:00.000Z/counter-'
    expect(named(`${long}1`)).toHaveLength(36)
    expect(named(`${long}1`)).toBe(named(` ${long}1`))
    expect(named(`${long}1`)).not.toBe(named(`${long}2`))
  })
  it('Updated with card, readings and state says each once', () => {
    const over = { idToken, meterValue: meterValue(1.6, { unitOfMeasure: { unit: 'kWh' } }) }
    const transactionInfo = { transactionId: 'tx-1', chargingState: 'SuspendedEV' }
    const { drafts } = read('TransactionEvent', event('Updated', { ...over, transactionInfo, seqNo: 4 }))
    expect(drafts).toEqual([
      { kind: 'card', stationTransactionId: 'tx-1', idTag: '04A1B2C3' },
      {
        ...{ kind: 'meter', stationTransactionId: 'tx-1', connectorId: 0 },
        ...{
          readings: [reading(1600)],
          state: 'suspendedEv',
          changedAt: { raw: TIME, at: Date.parse(TIME) },
        },
      },
    ])
  })
  it('Updated by a card that only ends the session asks about it', () => {
    const { drafts } = read(
      'TransactionEvent',
      event('Updated', { idToken, triggerReason: 'StopAuthorized' }),
    )
    expect(drafts).toEqual([{ kind: 'authorize', idTag: '04A1B2C3' }])
  })
  it('Updated that says nothing we use is answered, and nothing is written', () => {
    const { drafts } = read('TransactionEvent', event('Updated'))
    expect(drafts).toEqual([])
    expect(confirm(drafts, [], NOW_AT)).toEqual({})
  })
  it('Ended takes its own register, else the last one heard, else none', () => {
    const transactionInfo = { transactionId: 'tx-1', stoppedReason: 'EVDisconnected' }
    const whole = read('TransactionEvent', event('Ended', { transactionInfo, meterValue: meterValue(9000) }))
    expect(whole.drafts[0]).toMatchObject({ kind: 'stop', meterStopWh: 9000, reason: 'EVDisconnected' })
    const heard = read('TransactionEvent', event('Ended'), of => (of === 'tx-1' ? 7000 : undefined))
    expect(heard.drafts[0]).toMatchObject({ meterStopWh: 7000, reason: 'Local' })
    expect(heard.repairs).toEqual(['no-meter-stop', 'meter-stop-from-last-reading'])
    expect(read('TransactionEvent', event('Ended')).drafts[0]).toMatchObject({ meterStopWh: 0 })
  })
  it('without a transaction id it is served like one of 1.6, and not refused', () => {
    const { drafts, repairs } = read('TransactionEvent', { ...event('Ended'), transactionInfo: undefined })
    expect(drafts[0]).toMatchObject({ kind: 'stop', transactionId: 0 })
    expect(drafts[0]).not.toHaveProperty('stationTransactionId')
    expect(repairs).toContain('no-transaction-id')
  })
  it.each([[null], [[]], [{}], ['x'], [{ eventType: 7, transactionInfo: 'a', idToken: [], evse: -1 }]])(
    'never fails, whatever comes: %j',
    params => {
      expect(read('TransactionEvent', params).kind).toBe('message')
    },
  )
})

const authorized = { kind: 'authorized', allowed: 'ALLOWED', groupRef: 'ab'.repeat(16) as TokenRef } as const
const started = { kind: 'started', transactionId: 7, allowed: 'NO_CREDIT' } as const

describe('what we say is OCPP 2.0.1 to the letter', () => {
  const answers: readonly [string, unknown, readonly ChargerAnswer[], unknown][] = [
    [
      'BootNotification',
      { reason: 'PowerUp', chargingStation: { model: 'M', vendorName: 'V' } },
      [{ kind: 'booted', nowAt: NOW_AT, heartbeatS: 60 }],
      { status: 'Accepted', currentTime: '2026-05-01T08:00:00.000Z', interval: 60 },
    ],
    ['Heartbeat', {}, [{ kind: 'noted' }], { currentTime: '2026-05-01T08:00:00.000Z' }],
    [
      'StatusNotification',
      { timestamp: TIME, connectorStatus: 'Occupied', evseId: 1, connectorId: 1 },
      [{ kind: 'noted' }],
      {},
    ],
    ['MeterValues', { evseId: 1, meterValue: meterValue(5) }, [{ kind: 'noted' }], {}],
    ['DataTransfer', { vendorId: 'x' }, [{ kind: 'noted' }], { status: 'UnknownVendorId' }],
    [
      'Authorize',
      { idToken },
      [authorized],
      { idTokenInfo: { status: 'Accepted', groupIdToken: { idToken: 'ab'.repeat(10), type: 'Central' } } },
    ],
    [
      'TransactionEvent',
      event('Started', { idToken, evse: { id: 1 } }),
      [started],
      { idTokenInfo: { status: 'NoCredit' } },
    ],
    ['TransactionEvent', event('Started', { evse: { id: 1 } }), [started], {}],
    [
      'TransactionEvent',
      event('Updated', { idToken, meterValue: meterValue(5) }),
      [{ kind: 'authorized', allowed: 'EXPIRED' }, { kind: 'noted' }],
      { idTokenInfo: { status: 'Expired' } },
    ],
    ['TransactionEvent', event('Ended'), [{ kind: 'stopped' }], {}],
  ]
  it.each(answers)('answering %s %j', (action, params, given, expected) => {
    const payload = confirm(read(action, params).drafts, given, NOW_AT)
    expect(payload).toEqual(expected)
    expect(schema.validate(`urn:${action}.conf`, payload)).toBe(true)
  })
  it('says nothing where an answer is missing or does not fit', () => {
    const drafts: readonly Draft[] = read('TransactionEvent', event('Ended')).drafts
    expect(confirm(drafts, [], NOW_AT)).toBeUndefined()
    expect(confirm(drafts, [started], NOW_AT)).toBeUndefined()
  })

  const formalities = [
    ...['NotifyEvent', 'NotifyReport', 'SignCertificate'],
    ...['Get15118EVCertificate', 'GetCertificateStatus'],
    ...['NotifyEVChargingNeeds', 'NotifyEVChargingSchedule', 'ReservationStatusUpdate'],
  ]
  it.each(formalities)('answering the formality %s', action => {
    const translation = translate(action, {}, () => undefined)
    if (translation.kind !== 'formality') throw new Error(translation.kind)
    expect(schema.validate(`urn:${action}.conf`, translation.payload)).toBe(true)
  })

  const commands: readonly [ChargerCommand, string][] = [
    [{ kind: 'remoteStart', idTag: '04A1B2C3', connectorId: 1 }, 'RequestStartTransaction'],
    [{ kind: 'remoteStop', transactionId: 5, stationTransactionId: 'tx-1' }, 'RequestStopTransaction'],
    [{ kind: 'reset', hard: true }, 'Reset'],
    [{ kind: 'reset', hard: false }, 'Reset'],
    [{ kind: 'getConfiguration', keys: [] }, 'GetBaseReport'],
    [{ kind: 'getConfiguration', keys: ['HeartbeatInterval', 'A[b]@1.2.C[d]'] }, 'GetVariables'],
    [{ kind: 'changeConfiguration', key: 'AuthCtrlr.Enabled', value: 'true' }, 'SetVariables'],
    [{ kind: 'trigger', message: 'StatusNotification', connectorId: 2 }, 'TriggerMessage'],
    [{ kind: 'getLocalListVersion' }, 'GetLocalListVersion'],
    [{ kind: 'sendLocalList', version: 3, update: 'full', entries: [] }, 'SendLocalList'],
    [
      {
        kind: 'sendLocalList',
        version: 3,
        update: 'differential',
        entries: [{ idTag: 'A', status: 'Accepted', expiresAt: NOW_AT, parentIdTag: 'G' }, { idTag: 'B' }],
      },
      'SendLocalList',
    ],
  ]
  it.each(commands)('commanding %j', (command, action) => {
    const call = callOf(command, 9)
    if (typeof call === 'string') throw new Error(call)
    expect(call.action).toBe(action)
    expect(schema.validate(`urn:${action}.req`, call.params)).toBe(true)
  })
  it.each<ChargerCommand>([
    { kind: 'remoteStop', transactionId: 5 },
    { kind: 'remoteStart', idTag: 'x'.repeat(37) },
    { kind: 'changeConfiguration', key: 'no variable', value: '' },
    { kind: 'trigger', message: 'Everything' },
    { kind: 'sendLocalList', version: 0, update: 'full', entries: [] },
  ])('does not send %j', command => {
    expect(typeof callOf(command, 9)).toBe('string')
  })
})

describe('what a station makes of a command', () => {
  it('a configuration has the same shape as that of 1.6, under the keys that were asked for', () => {
    const keys = ['LocalAuthListMaxLength', 'AuthCtrlr.Enabled', 'X.Y']
    const result = (name: string, variable: string, attributeStatus: string, attributeValue?: string) => ({
      ...{ attributeStatus, component: { name }, variable: { name: variable } },
      ...(attributeValue !== undefined && { attributeValue }),
    })
    const getVariableResult = [
      result('LocalAuthListCtrlr', 'Entries', 'Accepted', '48'),
      result('authctrlr', 'enabled', 'Accepted', 'true'),
      result('X', 'Y', 'UnknownComponent'),
    ]
    expect(outcomeOf({ kind: 'getConfiguration', keys }, { getVariableResult })).toEqual({
      kind: 'accepted',
      detail: {
        configurationKey: [
          { key: 'LocalAuthListMaxLength', readonly: false, value: '48' },
          { key: 'AuthCtrlr.Enabled', readonly: false, value: 'true' },
        ],
        unknownKey: ['X.Y'],
      },
    })
  })
  it.each([
    ['Accepted', { kind: 'accepted' }],
    ['RebootRequired', { kind: 'accepted', detail: { status: 'RebootRequired' } }],
    ['UnknownVariable', { kind: 'rejected', status: 'UnknownVariable' }],
  ])('a change that is %s', (attributeStatus, outcome) => {
    const command = { kind: 'changeConfiguration', key: 'A.B', value: '1' } as const
    expect(outcomeOf(command, { setVariableResult: [{ attributeStatus }] })).toEqual(outcome)
  })
  it('a list version', () => {
    expect(outcomeOf({ kind: 'getLocalListVersion' }, { versionNumber: 12 })).toEqual({
      ...{ kind: 'accepted', detail: 12 },
    })
  })
})

// OCPP 2.0.1: the station names its transactions and numbers what it says of each; what could not be said at once says so.
import type { Payload } from '../station/session.ts'
import type { Reading } from './connector.ts'
import { fieldOf, textField } from './settings.ts'
import { FIRMWARE, MAX_SERIAL_CHARACTERS, MODEL, type Occasion, type Tongue, VENDOR } from './tongue.ts'

export const TONGUE_2_0_1: Tongue = {
  subprotocol: 'ocpp2.0.1',
  boot: identity => ({
    reason: 'PowerUp',
    chargingStation: {
      ...{ vendorName: VENDOR, model: MODEL, firmwareVersion: FIRMWARE },
      serialNumber: identity.slice(0, MAX_SERIAL_CHARACTERS),
    },
  }),
  status: (connectorId, status, at) =>
    connectorId === 0
      ? undefined
      : {
          ...{ timestamp: new Date(at).toISOString(), evseId: connectorId, connectorId: 1 },
          connectorStatus: status === 'Available' ? 'Available' : 'Occupied',
        },
  authorize: idTag => ({ idToken: idToken(idTag) }),
  verdict: payload => textField(fieldOf(payload, 'idTokenInfo'), 'status'),
  nameSession: random => Buffer.from(random.bytes(16)).toString('hex'),
  start: occasion =>
    event(occasion, {
      ...{ eventType: 'Started', triggerReason: 'Authorized', context: 'Transaction.Begin' },
      info: { chargingState: 'Charging' },
      more: { idToken: idToken(occasion.record.idTag) },
    }),
  reading: occasion =>
    event(occasion, {
      ...{ eventType: 'Updated', triggerReason: 'MeterValuePeriodic', context: 'Sample.Periodic' },
      info: { chargingState: 'Charging' },
    }),
  idleReading: (evseId, reading, at) => {
    const timestamp = new Date(at).toISOString()
    const meterValue = [{ timestamp, sampledValue: sampled(reading, 'Trigger') }]
    return { action: 'MeterValues', isReading: true, payload: () => ({ evseId, meterValue }) }
  },
  stop: (occasion, reason) =>
    event(occasion, {
      ...{ eventType: 'Ended', context: 'Transaction.End' },
      triggerReason: reason === 'Local' ? 'StopAuthorized' : 'AbnormalCondition',
      info: { stoppedReason: reason },
      more: { idToken: idToken(occasion.record.idTag) },
    }),
}

type Saying = {
  readonly eventType: 'Started' | 'Updated' | 'Ended'
  readonly triggerReason: string
  readonly context: string
  readonly info: Payload
  readonly more?: Payload
}

/** Its number is given when it happens: one that is dropped later leaves a gap. */
function event({ record, reading, at, isOffline }: Occasion, said: Saying): ReturnType<Tongue['start']> {
  const { eventType, triggerReason, context, info, more } = said
  const timestamp = new Date(at).toISOString()
  const payload = {
    ...{ eventType, timestamp, triggerReason, seqNo: record.said++ },
    ...(isOffline && { offline: true }),
    transactionInfo: { transactionId: record.name, ...info },
    evse: { id: record.connectorId, connectorId: 1 },
    meterValue: [{ timestamp, sampledValue: sampled(reading, context) }],
    ...more,
  }
  return { action: 'TransactionEvent', isReading: eventType === 'Updated', payload: () => payload }
}

function sampled({ energyWh, powerW, socPercent }: Reading, context: string): readonly Payload[] {
  const register = 'Energy.Active.Import.Register'
  return [
    { value: energyWh, context, measurand: register, unitOfMeasure: { unit: 'Wh' } },
    { value: powerW, context, measurand: 'Power.Active.Import', unitOfMeasure: { unit: 'W' } },
    { value: socPercent, context, measurand: 'SoC', unitOfMeasure: { unit: 'Percent' } },
  ]
}

function idToken(idTag: string): Payload {
  return { idToken: idTag, type: 'ISO14443' }
}

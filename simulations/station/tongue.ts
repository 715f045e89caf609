// What a charge point says, in the version of OCPP that it speaks. A station of 2.0.1 names its transactions itself and
// numbers what it says of each; all else that it does is the same.
import { dialectOf, type Dialect as Version } from '../../src/ocpp/dialect.ts'
import { sessionIdOfStation, transactionIdOf } from '../../src/session/id.ts'
import type { ChargerId } from '../../src/units.ts'
import type { Reading } from '../charger/connector.ts'
import type { Dice } from '../dice.ts'
import type { ChargerPlan } from '../plan.ts'
import { type Dialect, meterValue } from './dialect.ts'
import type { Payload, SessionRecord, TransactionAction } from './session.ts'

export type Tongue = {
  readonly version: Version
  readonly boot: (serial: string) => Payload
  readonly status: (words: { connectorId: number; status: string; timestamp: string }) => Payload
  readonly authorize: (idTag: string) => Payload
  /** Its sessions begin with the cable, and the card is told behind (OCPP 2.0.1, E03). */
  readonly plugsFirst: boolean
  readonly card: (session: SessionRecord) => Payload
  readonly actionOf: (action: TransactionAction) => string
  readonly start: (session: SessionRecord) => Payload
  readonly meter: (
    session: SessionRecord,
    said: { reading: Reading; timestamp: string; wireId: number },
  ) => Payload
  readonly stop: (session: SessionRecord, said: { timestamp: string; wireId: number }) => Payload
  /** The number that nodes know a session by; undefined where a node gives it. */
  readonly numberOf: (session: SessionRecord) => number | undefined
  /** The station's own name of a session. */
  readonly nameOf: (session: SessionRecord) => string | undefined
}

const MAKE = { vendor: 'Chargemesh', model: 'Simulated', firmwareVersion: '1.0' }

export function tongueOf({ id, ocpp }: ChargerPlan, dialect: Dialect, dice: Dice): Tongue {
  if (ocpp !== '2.0.1') return tongue16(dialect)
  return tongue201(id as ChargerId, dice.fork(`cables of ${id}`).chance(0.5))
}

function tongue16(dialect: Dialect): Tongue {
  const { vendor, model, firmwareVersion } = MAKE
  return {
    version: dialectOf('ocpp1.6'),
    boot: serial => ({
      ...{ chargePointVendor: vendor, chargePointModel: model, firmwareVersion },
      chargePointSerialNumber: serial,
    }),
    status: ({ connectorId, status, timestamp }) => ({
      connectorId,
      errorCode: 'NoError',
      status,
      timestamp,
    }),
    authorize: idTag => ({ idTag }),
    plugsFirst: false,
    card: ({ idTag }) => ({ idTag }),
    actionOf: action => action,
    start: ({ connectorId, idTag, meterStartWh, startedRaw }) => ({
      ...{ connectorId, idTag, meterStart: meterStartWh, timestamp: startedRaw },
    }),
    meter: ({ connectorId }, { reading, timestamp, wireId }) => ({
      ...{ connectorId, transactionId: wireId, meterValue: [meterValue(dialect, reading, timestamp)] },
    }),
    stop: ({ meterStopWh, reason, idTag }, { timestamp, wireId }) => ({
      ...{ transactionId: wireId, meterStop: meterStopWh, timestamp, reason },
      ...(reason === 'Local' ? { idTag } : {}),
    }),
    numberOf: () => undefined,
    nameOf: () => undefined,
  }
}

function tongue201(chargerId: ChargerId, plugsFirst: boolean): Tongue {
  const { vendor, model, firmwareVersion } = MAKE
  const nameOf = ({ number }: SessionRecord): string => `tx-${number}`
  const event = (eventType: string, session: SessionRecord, timestamp: string): Payload => ({
    ...{ eventType, timestamp, triggerReason: 'Trigger', seqNo: session.said++, offline: session.wasOffline },
    transactionInfo: { transactionId: nameOf(session) },
  })
  return {
    version: dialectOf('ocpp2.0.1'),
    boot: serial => ({
      reason: 'PowerUp',
      chargingStation: { vendorName: vendor, model, firmwareVersion, serialNumber: serial },
    }),
    status: ({ connectorId, status, timestamp }) => ({
      ...{ evseId: connectorId, connectorId: 1, timestamp },
      connectorStatus: status === 'Available' ? 'Available' : 'Occupied',
    }),
    authorize: idTag => ({ idToken: idTokenOf(idTag) }),
    plugsFirst,
    card: session => ({
      ...event('Updated', session, session.startedRaw),
      ...{ triggerReason: 'Authorized', idToken: idTokenOf(session.idTag) },
    }),
    actionOf: () => 'TransactionEvent',
    start: session => ({
      ...event('Started', session, session.startedRaw),
      evse: { id: session.connectorId, connectorId: 1 },
      ...(!plugsFirst && { idToken: idTokenOf(session.idTag) }),
      meterValue: [registerValue(session.meterStartWh, session.startedRaw)],
    }),
    meter: (session, { reading, timestamp }) => ({
      ...event('Updated', session, timestamp),
      meterValue: [registerValue(reading.energyWh, timestamp, reading)],
    }),
    stop: (session, { timestamp }) => {
      const { meterStopWh = 0, reason = 'Other', idTag } = session
      return {
        ...event('Ended', session, timestamp),
        transactionInfo: { transactionId: nameOf(session), stoppedReason: reason },
        ...(reason === 'Local' && { idToken: idTokenOf(idTag) }),
        meterValue: [registerValue(meterStopWh, timestamp)],
      }
    },
    nameOf,
    numberOf: session => transactionIdOf(sessionIdOfStation(chargerId, nameOf(session)), () => false),
  }
}

function idTokenOf(idTag: string): Payload {
  return { idToken: idTag, type: 'ISO14443' }
}

function registerValue(energyWh: number, timestamp: string, reading?: Reading): Payload {
  const more = reading && [
    { value: reading.powerW, measurand: 'Power.Active.Import', unitOfMeasure: { unit: 'W' } },
    { value: reading.socPercent, measurand: 'SoC', unitOfMeasure: { unit: 'Percent' } },
  ]
  return { timestamp, sampledValue: [{ value: energyWh, unitOfMeasure: { unit: 'Wh' } }, ...(more ?? [])] }
}

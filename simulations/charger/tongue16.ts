// OCPP 1.6.
import { meterValue, type SessionRecord } from './connector.ts'
import { fieldOf, textField } from './settings.ts'
import { FIRMWARE, MAX_SERIAL_CHARACTERS, MODEL, type Tongue, VENDOR } from './tongue.ts'

export const TONGUE_1_6: Tongue = {
  subprotocol: 'ocpp1.6',
  boot: identity => ({
    ...{ chargePointVendor: VENDOR, chargePointModel: MODEL, firmwareVersion: FIRMWARE },
    chargePointSerialNumber: identity.slice(0, MAX_SERIAL_CHARACTERS),
  }),
  status: (connectorId, status, at) => ({
    ...{ connectorId, errorCode: 'NoError', status, timestamp: new Date(at).toISOString() },
  }),
  authorize: idTag => ({ idTag }),
  verdict: payload => textField(fieldOf(payload, 'idTagInfo'), 'status'),
  nameSession: () => undefined,
  start: ({ record, at }) => ({
    ...{ action: 'StartTransaction', isReading: false },
    payload: () => ({
      ...{ connectorId: record.connectorId, idTag: record.idTag, meterStart: record.meterStartWh },
      timestamp: new Date(at).toISOString(),
    }),
  }),
  reading: ({ record, reading, at }) => ({
    ...{ action: 'MeterValues', isReading: true },
    payload: () => ({
      ...{ connectorId: record.connectorId, transactionId: idOf(record) },
      meterValue: [meterValue(reading, at)],
    }),
  }),
  idleReading: (connectorId, reading, at) => ({
    ...{ action: 'MeterValues', isReading: true },
    payload: () => ({ connectorId, meterValue: [meterValue(reading, at)] }),
  }),
  stop: ({ record, reading, at }, reason) => ({
    ...{ action: 'StopTransaction', isReading: false },
    payload: () => ({
      ...{ transactionId: idOf(record), idTag: record.idTag, meterStop: reading.energyWh, reason },
      timestamp: new Date(at).toISOString(),
    }),
  }),
}

/** -1 when no StartTransaction.conf ever arrived (OCPP 1.6 errata 3.18). */
function idOf(record: SessionRecord): number {
  return record.transactionIds.at(-1) ?? -1
}

// OCPP 1.6 to our words. `translate` reads any JSON value as one of the actions that a charge point may send and
// never fails: what is missing gets a default that invents no money, and each repair is named. Cards leave here
// as their normal id, to be replaced by a reference before anything else sees them (PROTOCOL 2.5).
import { signRequest } from './certificates.ts'
import { type Draft, type Formality, type LastRegister, UNREADABLE_START_WH } from './draft.ts'
import { lastRegister, MAX_REGISTER_WH, readings } from './meter.ts'
import { missingStop } from './missing.ts'
import { progress, security } from './progress.ts'
import {
  actionAmong,
  count,
  type Fields,
  field,
  fieldsOf,
  idTag,
  makeOf,
  type Repairs,
  text,
  time,
  transactionId,
  word,
} from './repair.ts'

const MAX_CONNECTOR = 1000

export type Translation =
  | { readonly kind: 'message'; readonly draft: Draft; readonly repairs: readonly string[] }
  | Formality
  | { readonly kind: 'unknown' }

export function translate(action: string, params: unknown, last: LastRegister): Translation {
  const repairs: Repairs = new Set()
  const name = actionAmong(ACTIONS, action, repairs)
  if (name === undefined) return { kind: 'unknown' }
  if (name === SIGN) return signRequest(fieldsOf(params ?? {}, repairs))
  const read = READERS[name]
  if (!read) return { kind: 'unknown' }
  const draft = read(fieldsOf(params ?? {}, repairs), last)
  return { kind: 'message', draft, repairs: [...repairs] }
}

type Reader = (fields: Fields, last: LastRegister) => Draft

const READERS: Readonly<Record<string, Reader>> = {
  BootNotification: boot,
  Heartbeat: () => ({ kind: 'heartbeat' }),
  StatusNotification: status,
  Authorize: fields => ({ kind: 'authorize', idTag: idTag(fields) }),
  StartTransaction: start,
  MeterValues: meter,
  StopTransaction: stop,
  DataTransfer: fields => ({ kind: 'dataTransfer', vendorId: text(fields, 'vendorId', 255) ?? '' }),
  DiagnosticsStatusNotification: fields => progress('log', fields),
  FirmwareStatusNotification: fields => progress('firmware', fields),
  LogStatusNotification: fields => progress('log', fields),
  SecurityEventNotification: security,
  SignedFirmwareStatusNotification: fields => progress('firmware', fields),
}

const SIGN = 'SignCertificate'
const ACTIONS = [...Object.keys(READERS), SIGN]

function boot(fields: Fields): Draft {
  return { kind: 'boot', ...makeOf(fields, 'chargePointVendor', 'chargePointModel') }
}

const STATUSES = [
  'Available',
  'Preparing',
  'Charging',
  'SuspendedEV',
  'SuspendedEVSE',
  'Finishing',
  'Reserved',
  'Unavailable',
  'Faulted',
]

function status(fields: Fields): Draft {
  const said = word(text(fields, 'status', 40))
  const known = STATUSES.find(name => name.toLowerCase() === said.toLowerCase())
  if (known !== said) fields.repairs.add(said === '' ? 'no-status' : 'odd-status')
  const detail = [text(fields, 'vendorErrorCode', 50), text(fields, 'info', 50)].filter(Boolean).join(' ')
  return {
    kind: 'status',
    connectorId: connector(fields),
    status: known ?? (said || 'Unknown'),
    errorCode: word(text(fields, 'errorCode', 40)) || 'NoError',
    ...(detail ? { detail } : {}),
    ...(field(fields, 'timestamp') === undefined ? {} : { changedAt: time(fields, 'timestamp') }),
  }
}

/** 0 is the charge point as a whole; a missing connector is never guessed. */
function connector(fields: Fields): number {
  const value = count(fields, 'connectorId', MAX_CONNECTOR)
  if (value === undefined) fields.repairs.add('no-connector')
  return value ?? 0
}

function start(fields: Fields): Draft {
  const meterStartWh = count(fields, 'meterStart', MAX_REGISTER_WH)
  if (meterStartWh === undefined) fields.repairs.add('no-meter-start')
  return {
    kind: 'start',
    connectorId: connector(fields),
    idTag: idTag(fields),
    meterStartWh: meterStartWh ?? UNREADABLE_START_WH,
    startedAt: time(fields, 'timestamp'),
  }
}

function meter(fields: Fields): Draft {
  const transaction = transactionId(fields)
  return {
    kind: 'meter',
    connectorId: connector(fields),
    ...(transaction === undefined ? {} : { transactionId: transaction }),
    readings: readings(fields, 'meterValue'),
  }
}

const REASONS = [
  'DeAuthorized',
  'EmergencyStop',
  'EVDisconnected',
  'HardReset',
  'Local',
  'Other',
  'PowerLoss',
  'Reboot',
  'Remote',
  'SoftReset',
  'UnlockCommand',
]

function stop(fields: Fields, last: LastRegister): Draft {
  const transaction = transactionId(fields)
  if (transaction === undefined) fields.repairs.add('no-transaction-id')
  const data = readings(fields, 'transactionData')
  // An absent reason means Local (OCPP 1.6, 6.49).
  const said = word(text(fields, 'reason', 40)) || 'Local'
  const reason = REASONS.find(name => name.toLowerCase() === said.toLowerCase())
  if (reason !== said) fields.repairs.add('odd-reason')
  const hasTag = field(fields, 'idTag') !== undefined
  return {
    kind: 'stop',
    transactionId: transaction ?? 0,
    meterStopWh:
      count(fields, 'meterStop', MAX_REGISTER_WH) ??
      missingStop(fields.repairs, lastRegister(data), () => last(transaction ?? 0)),
    stoppedAt: time(fields, 'timestamp'),
    reason: reason ?? 'Other',
    ...(hasTag ? { idTag: idTag(fields) } : {}),
    readings: data,
  }
}

// OCPP 2.0.1 to our words (part 2; part 4 for the frames). Like v16.ts: reads any JSON value, never fails, names each
// repair, and invents no money. Our connector is their EVSE, which serves one car at a time. A station names its
// transactions itself, and one TransactionEvent may say several things: a card, readings, a state.
import { sha256, utf8Bytes } from '../identity/hash.ts'
import type { PauseState } from '../ports.ts'
import { hex } from '../units.ts'
import { signRequest } from './certificates.ts'
import type { AskedCard, Draft, LastRegister, Translation } from './draft.ts'
import { UNREADABLE_START_WH } from './draft.ts'
import { lastRegister, readings } from './meter.ts'
import { missingStop } from './missing.ts'
import { progress, security } from './progress.ts'
import {
  actionAmong,
  count,
  type Fields,
  field,
  fieldsOf,
  list,
  makeOf,
  normalIdTag,
  type Repairs,
  text,
  time,
  word,
} from './repair.ts'

const MAX_EVSE = 1000
const MAX_SEQUENCE = 2 ** 31 - 1
const MAX_TRANSACTION_CHARACTERS = 36
/** What is longer than OCPP allows is told apart up to here. */
const MAX_ODD_CHARACTERS = 1000
const MAX_CARD_CHARACTERS = 36

export function translate201(
  action: string,
  params: unknown,
  last: LastRegister,
  asked: AskedCard = () => undefined,
): Translation {
  const repairs: Repairs = new Set()
  const name = actionAmong(ACTIONS, action, repairs)
  if (name === undefined) return { kind: 'unknown' }
  const fields = fieldsOf(params ?? {}, repairs)
  if (name === 'NotifyReport') return report(fields)
  if (name === 'SignCertificate') return signRequest(fields)
  const formality = FORMALITIES[name]
  if (formality) return { kind: 'formality', payload: formality }
  const drafts =
    name === 'TransactionEvent' ? transaction(fields, last, asked) : (READERS[name]?.(fields) ?? [])
  const place = name === 'TransactionEvent' ? placeOf(fields) : undefined
  // Text in 1.6, a number here.
  repairs.delete('numeric-value')
  return { kind: 'message', drafts, repairs: [...repairs], ...(place && { place }) }
}

const READERS: Readonly<Record<string, (fields: Fields) => readonly Draft[]>> = {
  BootNotification: fields => [boot(fields)],
  Heartbeat: () => [{ kind: 'heartbeat' }],
  StatusNotification: fields => [status(fields)],
  Authorize: fields => [{ kind: 'authorize', idTag: cardIn(fields) ?? missingCard(fields) }],
  MeterValues: fields => [
    { kind: 'meter', connectorId: evse(fields, 'evseId'), readings: readings(fields, 'meterValue') },
  ],
  DataTransfer: fields => [{ kind: 'dataTransfer', vendorId: text(fields, 'vendorId', 255) ?? '' }],
  FirmwareStatusNotification: fields => [progress('firmware', fields)],
  LogStatusNotification: fields => [progress('log', fields)],
  SecurityEventNotification: fields => [security(fields)],
}

/** Heard, not acted upon. Certificates of vehicles need an authority on the internet: those are refused. */
const FORMALITIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ClearedChargingLimit: {},
  Get15118EVCertificate: { status: 'Failed', exiResponse: '' },
  GetCertificateStatus: { status: 'Failed' },
  NotifyChargingLimit: {},
  NotifyCustomerInformation: {},
  NotifyDisplayMessages: {},
  NotifyEVChargingNeeds: { status: 'Rejected' },
  NotifyEVChargingSchedule: { status: 'Accepted' },
  NotifyEvent: {},
  NotifyMonitoringReport: {},
  PublishFirmwareStatusNotification: {},
  ReportChargingProfiles: {},
  ReservationStatusUpdate: {},
}

const ACTIONS = [
  ...Object.keys(READERS),
  ...Object.keys(FORMALITIES),
  'TransactionEvent',
  'NotifyReport',
  'SignCertificate',
]

function report(fields: Fields): Translation {
  const requestId = count(fields, 'requestId', MAX_SEQUENCE)
  const payload = {}
  if (requestId === undefined) return { kind: 'formality', payload }
  const more = field(fields, 'tbc') === true
  return { kind: 'formality', payload, report: { requestId, entries: list(fields, 'reportData'), more } }
}

/** An object's fields, under the repairs of the message; without fields when it is missing. */
function within(fields: Fields, name: string): Fields {
  const value = field(fields, name)
  return value === undefined ? { source: {}, repairs: fields.repairs } : fieldsOf(value, fields.repairs)
}

function boot(fields: Fields): Draft {
  return { kind: 'boot', ...makeOf(within(fields, 'chargingStation'), 'vendorName', 'model') }
}

const STATUSES = ['Available', 'Occupied', 'Reserved', 'Unavailable', 'Faulted']

function status(fields: Fields): Draft {
  const said = word(text(fields, 'connectorStatus', 40))
  const known = STATUSES.find(name => name.toLowerCase() === said.toLowerCase())
  if (known !== said) fields.repairs.add(said === '' ? 'no-status' : 'odd-status')
  return {
    kind: 'status',
    connectorId: evse(fields, 'evseId'),
    status: known ?? (said || 'Unknown'),
    // What is wrong comes in a NotifyEvent, in words of the maker.
    errorCode: known === 'Faulted' ? 'OtherError' : 'NoError',
  }
}

/** 0 is the station as a whole; a missing EVSE is never guessed. */
function evse(fields: Fields, name: string): number {
  const value = count(fields, name, MAX_EVSE)
  if (value === undefined) fields.repairs.add('no-connector')
  return value ?? 0
}

/** The card of an IdTokenType; undefined when there is none. */
function cardIn(fields: Fields): string | undefined {
  const given = field(fields, 'idToken')
  if (given === undefined) return undefined
  if (typeof given === 'string' || typeof given === 'number') {
    fields.repairs.add('wrong-type')
    return normalIdTag(String(given), MAX_CARD_CHARACTERS)
  }
  const said = field(fieldsOf(given, fields.repairs), 'idToken')
  if (typeof said === 'number') fields.repairs.add('text-as-number')
  const raw = typeof said === 'string' || typeof said === 'number' ? String(said) : ''
  const normal = normalIdTag(raw, MAX_CARD_CHARACTERS)
  if (normal.length !== raw.length) fields.repairs.add('idtag-trimmed')
  return normal
}

/** A session that we asked for, of a station that names the request and not the card (seen of SAP's simulator 4.11). */
function askedCard(fields: Fields, asked: AskedCard): string | undefined {
  if (word(text(fields, 'triggerReason', 40)).toLowerCase() !== 'remotestart') return undefined
  const remoteStartId = count(within(fields, 'transactionInfo'), 'remoteStartId', MAX_SEQUENCE)
  const card = remoteStartId === undefined ? undefined : asked(remoteStartId)
  if (card !== undefined) fields.repairs.add('card-of-request')
  return card
}

function missingCard(fields: Fields): string {
  fields.repairs.add('no-idtag')
  return ''
}

function placeOf(fields: Fields) {
  const seqNo = count(fields, 'seqNo', MAX_SEQUENCE)
  const name = stationTransaction(fields)
  return seqNo === undefined || name === undefined ? undefined : { transaction: name, seqNo }
}

/** Two ids that are too long may begin alike: cut off, they would make one session of two, and one bill. */
function stationTransaction(fields: Fields): string | undefined {
  const said = text(within(fields, 'transactionInfo'), 'transactionId', MAX_ODD_CHARACTERS)?.trim()
  if (!said || said.length <= MAX_TRANSACTION_CHARACTERS) return said || undefined
  fields.repairs.add('long-transaction-id')
  return hex(sha256(utf8Bytes(said))).slice(0, MAX_TRANSACTION_CHARACTERS)
}

type Parts = {
  readonly fields: Fields
  /** Nothing when the station names no transaction: then it is served like one of OCPP 1.6. */
  readonly named: { readonly stationTransactionId?: string }
  readonly connectorId: number | undefined
  readonly card: string | undefined
}

function transaction(fields: Fields, last: LastRegister, asked: AskedCard): readonly Draft[] {
  const name = stationTransaction(fields)
  if (name === undefined) fields.repairs.add('no-transaction-id')
  const connectorId = count(within(fields, 'evse'), 'id', MAX_EVSE)
  const named = name === undefined ? {} : { stationTransactionId: name }
  const parts: Parts = { fields, named, connectorId, card: cardIn(fields) ?? askedCard(fields, asked) }
  const type = word(text(fields, 'eventType', 20)).toLowerCase()
  if (type === 'started') return [started(parts)]
  if (type === 'ended') return [ended(parts, last)]
  if (type !== 'updated') fields.repairs.add('odd-event-type')
  return updated(parts)
}

function started({ fields, named, connectorId, card }: Parts): Draft {
  const measured = readings(fields, 'meterValue')
  const register = measured.find(({ energyWh }) => energyWh !== undefined)?.energyWh
  if (register === undefined) fields.repairs.add('no-meter-start')
  if (connectorId === undefined) fields.repairs.add('no-connector')
  return {
    kind: 'start',
    ...named,
    connectorId: connectorId ?? 0,
    idTag: card ?? '',
    ...(card === undefined && { cardless: true as const }),
    meterStartWh: register ?? UNREADABLE_START_WH,
    startedAt: time(fields, 'timestamp'),
    readings: measured,
  }
}

/** A card that only ends a session is asked about, as at a reader. */
const ENDING = ['stopauthorized', 'deauthorized']

const STATES: ReadonlyMap<string, PauseState> = new Map([
  ['charging', 'charging'],
  ['suspendedev', 'suspendedEv'],
  ['suspendedevse', 'suspendedEvse'],
])

function updated({ fields, named, connectorId, card }: Parts): readonly Draft[] {
  const isEnding = ENDING.includes(word(text(fields, 'triggerReason', 40)).toLowerCase())
  const measured = readings(fields, 'meterValue')
  const said = word(text(within(fields, 'transactionInfo'), 'chargingState', 40)).toLowerCase()
  const state = STATES.get(said)
  const drafts: Draft[] = []
  if (card !== undefined) {
    const isFirst = !isEnding && named.stationTransactionId !== undefined
    drafts.push(isFirst ? { kind: 'card', ...named, idTag: card } : { kind: 'authorize', idTag: card })
  }
  if (measured.length > 0 || state) {
    drafts.push({
      kind: 'meter',
      ...named,
      connectorId: connectorId ?? 0,
      // Without a name it is of the session that is open on its EVSE.
      ...(named.stationTransactionId === undefined && { transactionId: 0 }),
      readings: measured,
      ...(state && { state, changedAt: time(fields, 'timestamp') }),
    })
  }
  return drafts
}

const REASONS = [
  ...['DeAuthorized', 'EmergencyStop', 'EnergyLimitReached', 'EVDisconnected', 'GroundFault'],
  ...['ImmediateReset', 'Local', 'LocalOutOfCredit', 'MasterPass', 'Other', 'OvercurrentFault'],
  ...['PowerLoss', 'PowerQuality', 'Reboot', 'Remote', 'SOCLimitReached', 'StoppedByEV'],
  ...['TimeLimitReached', 'Timeout'],
]

function ended({ fields, named, card }: Parts, last: LastRegister): Draft {
  const measured = readings(fields, 'meterValue')
  // An absent reason means Local (OCPP 2.0.1 part 2, TransactionType.stoppedReason).
  const said = word(text(within(fields, 'transactionInfo'), 'stoppedReason', 40)) || 'Local'
  const reason = REASONS.find(name => name.toLowerCase() === said.toLowerCase())
  if (reason !== said) fields.repairs.add('odd-reason')
  const { stationTransactionId } = named
  return {
    kind: 'stop',
    ...named,
    transactionId: 0,
    meterStopWh:
      lastRegister(measured) ?? missingStop(fields.repairs, undefined, () => last(stationTransactionId ?? 0)),
    stoppedAt: time(fields, 'timestamp'),
    reason: reason ?? 'Other',
    ...(card !== undefined && { idTag: card }),
    readings: measured,
  }
}

// Our commands in the words of OCPP 2.0.1, as commands.ts has them for 1.6.
import type { TransactionStatus } from '../charging-profile.ts'
import type { ChargerCommand, CommandOutcome, ListedCard } from '../ports.ts'
import { instantText, type Payload } from './answers.ts'
import { isCare } from './care.ts'
import { careCall201 } from './care201.ts'
import { certificateCall, isCertificateCommand } from './certificates.ts'
import { type Call, callOf, outcomeOf } from './commands.ts'
import { profileCall201 } from './profiles201.ts'
import { isObject } from './repair.ts'
import { tokenTypeOf } from './token-type.ts'
import { askedAs, keyOf, variableOf } from './variables.ts'

const MAX_KEYS = 100
const MAX_LISTED = 1000
const MAX_VALUE_CHARACTERS = 1000
const MAX_ENTRIES = 5000

/** The CALL of a command, or the reason why it may not be sent. `requestId` is new for each. */
export function callOf201(command: ChargerCommand, requestId: number): Call | string {
  if (isCertificateCommand(command)) return certificateCall(command, '2.0.1')
  // What 1.6 would not send is not sent here either; words that differ are put in their place.
  switch (command.kind) {
    case 'remoteStart': {
      const { idTag, connectorId } = command
      if (idTag.length < 1 || idTag.length > 36) return 'the card id must have 1 to 36 characters'
      if (connectorId !== undefined && !(connectorId > 0)) return 'a remote start needs a connector above 0'
      const evse = connectorId === undefined ? {} : { evseId: connectorId }
      const params = { remoteStartId: requestId, idToken: idTokenOf(idTag), ...evse }
      return { action: 'RequestStartTransaction', params }
    }
    case 'remoteStop': {
      const { stationTransactionId } = command
      if (stationTransactionId === undefined) return 'the session did not begin under OCPP 2.0.1'
      return { action: 'RequestStopTransaction', params: { transactionId: stationTransactionId } }
    }
    case 'reset':
      return { action: 'Reset', params: { type: command.hard ? 'Immediate' : 'OnIdle' } }
    case 'getConfiguration':
      return command.keys.length === 0 ? baseReport(requestId) : getVariables(command.keys)
    case 'changeConfiguration': {
      const variable = variableOf(command.key)
      if (!variable) return `${command.key} is no Component.Variable`
      if (command.value.length > MAX_VALUE_CHARACTERS) return 'the value is too long'
      const setVariableData = [{ ...variable, attributeValue: command.value }]
      return { action: 'SetVariables', params: { setVariableData } }
    }
    case 'trigger':
      return trigger(command)
    case 'sendLocalList':
      return localList(command)
    case 'setProfile':
    case 'clearProfile':
    case 'getCompositeSchedule':
      return profileCall201(command)
    case 'getTransactionStatus':
      return { action: 'GetTransactionStatus', params: { transactionId: command.stationTransactionId } }
    default:
      return isCare(command) ? careCall201(command, idTokenOf) : callOf(command)
  }
}

function idTokenOf(idTag: string): Payload {
  return { idToken: idTag, type: tokenTypeOf(idTag) }
}

function baseReport(requestId: number): Call {
  return { action: 'GetBaseReport', params: { requestId, reportBase: 'FullInventory' } }
}

function getVariables(keys: readonly string[]): Call | string {
  const wrong = keys.find(key => !variableOf(key))
  if (wrong !== undefined) return `${wrong} is no Component.Variable`
  if (keys.length > MAX_KEYS) return 'too many keys'
  return { action: 'GetVariables', params: { getVariableData: keys.map(variableOf) } }
}

/** OCPP 2.0.1 part 2, MessageTriggerEnumType. */
const TRIGGERS = [
  ...['BootNotification', 'LogStatusNotification', 'FirmwareStatusNotification', 'Heartbeat', 'MeterValues'],
  ...['SignChargingStationCertificate', 'StatusNotification', 'TransactionEvent'],
]

function trigger({ message, connectorId }: Extract<ChargerCommand, { kind: 'trigger' }>): Call | string {
  if (!TRIGGERS.includes(message)) return `a charger can be asked for ${TRIGGERS.join(', ')}`
  // A status is one connector's: of the first, where an EVSE is named.
  const first = message === 'StatusNotification' ? { connectorId: 1 } : {}
  const evse = connectorId === undefined ? {} : { evse: { id: Math.trunc(connectorId), ...first } }
  return { action: 'TriggerMessage', params: { requestedMessage: message, ...evse } }
}

type SendLocalList = Extract<ChargerCommand, { kind: 'sendLocalList' }>

function localList(command: SendLocalList): Call | string {
  const { version, update, entries } = command
  if (!Number.isInteger(version) || version < 1 || version > 2 ** 31 - 1)
    return 'no version that a list may have'
  if (entries.length > MAX_LISTED || entries.some(({ idTag }) => idTag.length < 1 || idTag.length > 36))
    return 'too many cards, or an id too long'
  const localAuthorizationList = entries.map(listed)
  const params = {
    versionNumber: version,
    updateType: update === 'full' ? 'Full' : 'Differential',
    // An empty list is told by leaving it out.
    ...(localAuthorizationList.length > 0 && { localAuthorizationList }),
  }
  return { action: 'SendLocalList', params }
}

function listed({ idTag, status, expiresAt, parentIdTag }: ListedCard): Payload {
  const cacheExpiryDateTime = expiresAt === undefined ? undefined : instantText(expiresAt)
  const idTokenInfo = {
    status,
    ...(cacheExpiryDateTime && { cacheExpiryDateTime }),
    ...(parentIdTag && { groupIdToken: { idToken: parentIdTag, type: 'Central' } }),
  }
  return { idToken: idTokenOf(idTag), ...(status && { idTokenInfo }) }
}

/** What a station's .conf to a command means. */
export function outcomeOf201(command: ChargerCommand, payload: unknown): CommandOutcome {
  if (!isObject(payload)) return { kind: 'rejected', status: 'Unreadable' }
  switch (command.kind) {
    case 'getConfiguration':
      if (command.keys.length === 0) return outcomeOf({ kind: 'reset', hard: false }, payload)
      return { kind: 'accepted', detail: variablesIn(payload.getVariableResult, command.keys) }
    case 'changeConfiguration': {
      const [result] = entriesOf(payload.setVariableResult)
      return outcomeOf(command, { status: result?.attributeStatus })
    }
    case 'getTransactionStatus':
      return { kind: 'accepted', detail: transactionStatusIn(payload) }
    case 'getLocalListVersion':
      return outcomeOf(command, { listVersion: payload.versionNumber })
    default:
      return outcomeOf(command, payload)
  }
}

function transactionStatusIn({ ongoingIndicator, messagesInQueue }: Payload): TransactionStatus {
  const isOngoing = typeof ongoingIndicator === 'boolean' ? { isOngoing: ongoingIndicator } : {}
  return { ...isOngoing, hasQueue: messagesInQueue === true }
}

function variablesIn(results: unknown, keys: readonly string[]): Payload {
  const unknownKey: string[] = []
  const configurationKey = entriesOf(results).flatMap(result => {
    const answered = keyOf(result)
    if (answered === undefined) return []
    const key = askedAs(keys, answered)
    if (result.attributeStatus === 'Accepted') return [entryOf(key, result.attributeValue, false)]
    // There, but not to be read: a secret, or written only.
    if (result.attributeStatus === 'Rejected') return [entryOf(key, undefined, false)]
    unknownKey.push(key)
    return []
  })
  return { configurationKey, unknownKey }
}

/** What a station's reports said, in the shape of a 1.6 configuration. */
export function configurationIn(reported: readonly unknown[]): Payload {
  const configurationKey = entriesOf(reported).flatMap(entry => {
    const key = keyOf(entry)
    if (key === undefined) return []
    const attributes = entriesOf(entry.variableAttribute)
    const actual = attributes.find(({ type }) => type === undefined || type === 'Actual')
    if (!actual) return []
    return [entryOf(key, actual.value, actual.mutability === 'ReadOnly')]
  })
  return { configurationKey, unknownKey: [] }
}

const SECRET_KEYS = /authorizationkey|password|secret/i

function entryOf(key: string, value: unknown, readonly: boolean): Payload {
  const isTold = (typeof value === 'string' || typeof value === 'number') && !SECRET_KEYS.test(key)
  return { key, readonly, ...(isTold && { value: String(value).slice(0, MAX_VALUE_CHARACTERS) }) }
}

function entriesOf(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.slice(0, MAX_ENTRIES).filter(isObject) : []
}

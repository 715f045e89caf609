// Our commands in the words of OCPP 1.6, and what a charger made of them in ours. Strict outward: a command that
// breaks a length of the standard is not sent. Nothing that a charger says in an error is passed on as text,
// since it may repeat the card's id (PROTOCOL 2.5).
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { instantText, type Payload } from './answers.ts'
import { careCall, careOutcome, EXTENDED_TRIGGERS, isCare } from './care.ts'
import { certificateCall, installedOutcome, isCertificateCommand } from './certificates.ts'
import { profileCall, scheduleOutcome } from './profiles.ts'
import { isObject } from './repair.ts'

export type Call = { readonly action: string; readonly params: Payload }

const MAX_KEYS = 100
const MAX_LISTED = 1000
const MAX_VERSION = 2 ** 31 - 1

/** The CALL of a command, or the reason why it may not be sent. */
export function callOf(command: ChargerCommand): Call | string {
  if (isCertificateCommand(command)) return certificateCall(command, '1.6')
  switch (command.kind) {
    case 'remoteStart': {
      const { idTag, connectorId } = command
      if (idTag.length < 1 || idTag.length > 20) return 'the card id must have 1 to 20 characters'
      if (connectorId !== undefined && !(connectorId > 0)) return 'a remote start needs a connector above 0'
      return { action: 'RemoteStartTransaction', params: { idTag, ...whole('connectorId', connectorId) } }
    }
    case 'remoteStop':
      if (!Number.isInteger(command.transactionId)) return 'the transaction id must be an integer'
      return { action: 'RemoteStopTransaction', params: { transactionId: command.transactionId } }
    case 'reset':
      return { action: 'Reset', params: { type: command.hard ? 'Hard' : 'Soft' } }
    case 'getConfiguration':
      if (command.keys.length > MAX_KEYS || command.keys.some(key => !fits(key, 50)))
        return 'too many or too long keys'
      return { action: 'GetConfiguration', params: command.keys.length > 0 ? { key: command.keys } : {} }
    case 'changeConfiguration':
      if (!fits(command.key, 50) || command.value.length > 500) return 'the key or its value is too long'
      return { action: 'ChangeConfiguration', params: { key: command.key, value: command.value } }
    case 'trigger':
      if (!TRIGGERS.includes(command.message)) return `a charger can be asked for ${TRIGGERS.join(', ')}`
      return {
        action: EXTENDED_TRIGGERS.includes(command.message) ? 'ExtendedTriggerMessage' : 'TriggerMessage',
        params: { requestedMessage: command.message, ...whole('connectorId', command.connectorId) },
      }
    case 'getLocalListVersion':
      return { action: 'GetLocalListVersion', params: {} }
    case 'sendLocalList':
      return localList(command)
    case 'setProfile':
    case 'clearProfile':
    case 'getCompositeSchedule':
      return profileCall(command)
    case 'getTransactionStatus':
      return 'OCPP 1.6 has no such question'
    default:
      return careCall(command)
  }
}

function localList({ version, update, entries }: Extract<ChargerCommand, { kind: 'sendLocalList' }>) {
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION)
    return 'no version that a list may have'
  const parts = entries.flatMap(({ idTag, parentIdTag }) => [idTag, parentIdTag ?? idTag])
  if (entries.length > MAX_LISTED || !parts.every(id => fits(id, 20)))
    return 'too many cards, or an id too long'
  const localAuthorizationList = entries.map(({ idTag, status, expiresAt, parentIdTag }) => {
    const expiryDate = expiresAt === undefined ? undefined : instantText(expiresAt)
    const more = { ...(expiryDate && { expiryDate }), ...(parentIdTag && { parentIdTag }) }
    return { idTag, ...(status && { idTagInfo: { status, ...more } }) }
  })
  const updateType = update === 'full' ? 'Full' : 'Differential'
  return { action: 'SendLocalList', params: { listVersion: version, localAuthorizationList, updateType } }
}

/** OCPP 1.6, 7.41, and of the security whitepaper what only its own message can ask for. */
const TRIGGERS = [
  'BootNotification',
  'DiagnosticsStatusNotification',
  'FirmwareStatusNotification',
  'Heartbeat',
  'MeterValues',
  'StatusNotification',
  ...EXTENDED_TRIGGERS,
]

function fits(text: string, max: number): boolean {
  return text.length > 0 && text.length <= max
}

function whole(name: string, value: number | undefined): Payload {
  return value === undefined ? {} : { [name]: Math.trunc(value) }
}

/** What a charger's .conf to a command means. */
export function outcomeOf(command: ChargerCommand, payload: unknown): CommandOutcome {
  if (!isObject(payload)) return { kind: 'rejected', status: 'Unreadable' }
  if (isCare(command)) return careOutcome(command, payload)
  if (command.kind === 'getConfiguration') return { kind: 'accepted', detail: configuration(payload) }
  if (command.kind === 'getLocalListVersion') {
    const version = Number(textOf(payload.listVersion) || Number.NaN)
    if (!Number.isInteger(version)) return { kind: 'rejected', status: 'Unreadable' }
    return { kind: 'accepted', detail: version }
  }
  const installed = installedOutcome(command, payload)
  if (installed) return installed
  if (command.kind === 'getCompositeSchedule') return scheduleOutcome(payload)
  const status = typeof payload.status === 'string' ? payload.status.slice(0, 40) : 'Unreadable'
  if (status === 'Accepted') return { kind: 'accepted' }
  if (status === 'RebootRequired') return { kind: 'accepted', detail: { status } }
  return { kind: 'rejected', status: /^[A-Za-z]+$/.test(status) ? status : 'Unreadable' }
}

const MAX_CONFIGURATION_KEYS = 500
/** Write-only in the standard; some firmware shows it all the same. */
const SECRET_KEYS = /authorizationkey|password|secret/i

function configuration(payload: Readonly<Record<string, unknown>>): Payload {
  const configurationKey = listOf(payload.configurationKey).flatMap(entry => {
    if (!isObject(entry) || typeof entry.key !== 'string') return []
    const value =
      SECRET_KEYS.test(entry.key) || entry.value === undefined ? {} : { value: textOf(entry.value) }
    return [{ key: entry.key.slice(0, 50), readonly: entry.readonly === true, ...value }]
  })
  const unknownKey = listOf(payload.unknownKey).map(textOf)
  return { configurationKey, unknownKey }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_CONFIGURATION_KEYS) : []
}

/** Huawei and others send integers where the standard has text. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value).slice(0, 500)
    : ''
}

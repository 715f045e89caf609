// The operator's care of a charger in the words of OCPP 1.6 and of its security whitepaper: unlocking, availability,
// reservations, firmware, logs. Strict outward like commands.ts: what breaks a bound of the standard is not sent.
import type { CareCommand } from '../care.ts'
import { assertNever } from '../errors.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { instantText, type Payload } from './answers.ts'
import type { Call } from './commands.ts'

const MAX_ID = 2 ** 31 - 1
const MAX_LOCATION = 512
/** Of SignedUpdateFirmware. */
const MAX_CERTIFICATE = 5500
const MAX_SIGNATURE = 800
/** The standard has no bound; a charger's memory has. */
const MAX_DATA = 10_000
/** What a charger answers to a data transfer, for the operator who asked. */
const MAX_DATA_SHOWN = 2000

export const EXTENDED_TRIGGERS: readonly string[] = ['LogStatusNotification', 'SignChargePointCertificate']

const CARE: Readonly<Record<CareCommand['kind'], true>> = {
  ...{ unlock: true, setAvailability: true, clearCache: true, reserve: true, cancelReservation: true },
  ...{ updateFirmware: true, uploadLog: true, dataTransfer: true },
  setNetworkProfile: true,
}

export function isCare(command: ChargerCommand): command is CareCommand {
  return Object.hasOwn(CARE, command.kind)
}

/** The CALL of a command, or the reason why it may not be sent. */
export function careCall(command: CareCommand): Call | string {
  switch (command.kind) {
    case 'unlock':
      if (!isWhole(command.connectorId, 1)) return 'unlocking needs a connector above 0'
      return { action: 'UnlockConnector', params: { connectorId: command.connectorId } }
    case 'setAvailability': {
      const { operative, connectorId = 0 } = command
      if (!isWhole(connectorId)) return 'no connector has that number'
      const type = operative ? 'Operative' : 'Inoperative'
      return { action: 'ChangeAvailability', params: { connectorId, type } }
    }
    case 'clearCache':
      return { action: 'ClearCache', params: {} }
    case 'reserve':
      return reservation(command)
    case 'cancelReservation':
      if (!isWhole(command.reservationId)) return 'no reservation has that number'
      return { action: 'CancelReservation', params: { reservationId: command.reservationId } }
    case 'updateFirmware':
      return firmware(command)
    case 'uploadLog':
      return upload(command)
    case 'dataTransfer':
      return dataTransfer(command)
    case 'setNetworkProfile':
      return 'this charger speaks OCPP 1.6, which has no such message'
    default:
      return assertNever(command)
  }
}

export type Of<K extends CareCommand['kind']> = Extract<CareCommand, { kind: K }>

function reservation({ reservationId, connectorId, idTag, untilAt }: Of<'reserve'>): Call | string {
  if (!isWhole(reservationId)) return 'a reservation is a whole number from 0 to 2147483647'
  if (!isWhole(connectorId)) return 'no connector has that number'
  if (idTag.length < 1 || idTag.length > 20) return 'the card id must have 1 to 20 characters'
  const expiryDate = instantText(untilAt)
  if (expiryDate === undefined) return 'no calendar has that time'
  return { action: 'ReserveNow', params: { connectorId, expiryDate, idTag, reservationId } }
}

function firmware(command: Of<'updateFirmware'>): Call | string {
  const { requestId, location, retrieveAt, installAt, signed } = command
  const fault = transferFault(command)
  if (fault !== undefined) return fault
  const again = retrying(command)
  const retrieveDate = instantText(retrieveAt)
  const installDate = installAt === undefined ? undefined : instantText(installAt)
  if (retrieveDate === undefined || (installAt !== undefined && installDate === undefined))
    return 'no calendar has that time'
  if (!signed) {
    if (installDate !== undefined)
      return 'OCPP 1.6 has no time of installation without a signature: the charger installs when it has fetched the file'
    return { action: 'UpdateFirmware', params: { location, retrieveDate, ...again } }
  }
  const { certificate, signature } = signed
  const bad = signatureFault(signed)
  if (bad !== undefined) return bad
  const when = { retrieveDateTime: retrieveDate, ...(installDate && { installDateTime: installDate }) }
  const file = { location, ...when, signingCertificate: certificate, signature }
  return { action: 'SignedUpdateFirmware', params: { requestId, firmware: file, ...again } }
}

function upload(command: Of<'uploadLog'>): Call | string {
  const { requestId, location, log } = command
  const fault = transferFault(command) ?? spanFault(command)
  if (fault !== undefined) return fault
  const again = retrying(command)
  const [from, until] = spanOf(command)
  if (log === 'diagnostics') {
    const span = { ...(from && { startTime: from }), ...(until && { stopTime: until }) }
    return { action: 'GetDiagnostics', params: { location, ...span, ...again } }
  }
  const span = { ...(from && { oldestTimestamp: from }), ...(until && { latestTimestamp: until }) }
  const params = { logType: 'SecurityLog', requestId, log: { remoteLocation: location, ...span }, ...again }
  return { action: 'GetLog', params }
}

/** What a transfer asks for that the standards do not allow; the same in both versions. */
export function transferFault(command: Of<'updateFirmware'> | Of<'uploadLog'>): string | undefined {
  const { requestId, location, retries, retryIntervalS } = command
  if (!isWhole(requestId)) return 'a request is a whole number from 0 to 2147483647'
  if (location.length > MAX_LOCATION || !URL.canParse(location))
    return `the place must be a URL of at most ${MAX_LOCATION} characters, such as ftp://10.0.0.5/pole.bin`
  if (![retries, retryIntervalS].every(value => value === undefined || isWhole(value)))
    return 'retries and their interval are whole numbers'
  return undefined
}

export function signatureFault(signed: NonNullable<Of<'updateFirmware'>['signed']>): string | undefined {
  const { certificate, signature } = signed
  const fits = (text: string, max: number): boolean => text.length > 0 && text.length <= max
  return fits(certificate, MAX_CERTIFICATE) && fits(signature, MAX_SIGNATURE)
    ? undefined
    : `a certificate has at most ${MAX_CERTIFICATE} characters, a signature ${MAX_SIGNATURE}`
}

export function spanFault(command: Of<'uploadLog'>): string | undefined {
  const { fromAt, untilAt } = command
  const [from, until] = spanOf(command)
  const isBad = (fromAt !== undefined && !from) || (untilAt !== undefined && !until)
  if (isBad) return 'no calendar has that time'
  return fromAt !== undefined && untilAt !== undefined && fromAt > untilAt
    ? 'the span ends before it begins'
    : undefined
}

export function spanOf({ fromAt, untilAt }: Of<'uploadLog'>): readonly (string | undefined)[] {
  return [fromAt, untilAt].map(at => (at === undefined ? undefined : instantText(at)))
}

export function retrying(command: Of<'updateFirmware'> | Of<'uploadLog'>): Payload {
  const { retries, retryIntervalS } = command
  return {
    ...(retries !== undefined && { retries }),
    ...(retryIntervalS !== undefined && { retryInterval: retryIntervalS }),
  }
}

function dataTransfer(command: Of<'dataTransfer'>): Call | string {
  const { vendorId, messageId, data } = command
  const fault = dataFault(command)
  if (fault !== undefined) return fault
  return {
    action: 'DataTransfer',
    params: {
      vendorId,
      ...(messageId !== undefined && { messageId }),
      ...(data !== undefined && { data }),
    },
  }
}

export function dataFault({ vendorId, messageId, data }: Of<'dataTransfer'>): string | undefined {
  if (vendorId.length < 1 || vendorId.length > 255) return 'a vendor id has 1 to 255 characters'
  if (messageId !== undefined && messageId.length > 50) return 'a message id has at most 50 characters'
  return data !== undefined && data.length > MAX_DATA
    ? `at most ${MAX_DATA} characters go to a charger`
    : undefined
}

export function isWhole(value: number, least = 0): boolean {
  return Number.isInteger(value) && value >= least && value <= MAX_ID
}

/** A status that says: it was done, or will be. */
const DONE: Readonly<Record<string, readonly string[]>> = {
  unlock: ['Unlocked'],
  setAvailability: ['Accepted', 'Scheduled'],
  uploadLog: ['Accepted', 'AcceptedCanceled'],
  updateFirmware: ['Accepted', 'AcceptedCanceled'],
}
/** GetDiagnostics and UpdateFirmware are answered without a status. */
const NO_STATUS: readonly string[] = ['uploadLog', 'updateFirmware']

/** What a charger's .conf to such a command means. */
export function careOutcome(
  command: CareCommand,
  payload: Readonly<Record<string, unknown>>,
): CommandOutcome {
  const status = statusIn(payload)
  if (command.kind === 'dataTransfer') {
    const data = typeof payload.data === 'string' ? payload.data.slice(0, MAX_DATA_SHOWN) : undefined
    const detail = data === undefined ? {} : { detail: data }
    return status === 'Accepted'
      ? { kind: 'accepted', ...detail }
      : { kind: 'rejected', status: status ?? 'Unreadable', ...detail }
  }
  const fileName = fileNameIn(payload)
  if (status === undefined && NO_STATUS.includes(command.kind)) {
    // A charger with nothing to upload names no file (OCPP 1.6, 6.26).
    if (command.kind === 'uploadLog' && fileName === undefined)
      return { kind: 'rejected', status: 'NothingToUpload' }
    return { kind: 'accepted', detail: { requestId: requestOf(command), ...(fileName && { fileName }) } }
  }
  if (status === undefined) return { kind: 'rejected', status: 'Unreadable' }
  if (!(DONE[command.kind] ?? ['Accepted']).includes(status)) return { kind: 'rejected', status }
  const detail = {
    ...(status !== 'Accepted' && status !== 'Unlocked' && { status }),
    ...('requestId' in command && { requestId: command.requestId }),
    ...(fileName && { fileName }),
  }
  return Object.keys(detail).length > 0 ? { kind: 'accepted', detail } : { kind: 'accepted' }
}

function requestOf(command: CareCommand): number {
  return 'requestId' in command ? command.requestId : 0
}

/** Only a word of letters is passed on. */
function statusIn({ status }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof status === 'string' && /^[A-Za-z]{1,40}$/.test(status) ? status : undefined
}

function fileNameIn(payload: Readonly<Record<string, unknown>>): string | undefined {
  const name = payload.fileName ?? payload.filename
  return typeof name === 'string' && name !== '' ? name.slice(0, 255) : undefined
}

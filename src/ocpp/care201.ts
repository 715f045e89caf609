// The operator's care of a charger in the words of OCPP 2.0.1, as care.ts has them for 1.6. Our connector is their EVSE.
import type { CareCommand } from '../care.ts'
import { instantText, type Payload } from './answers.ts'
import {
  careCall,
  isWhole,
  type Of,
  retrying,
  signatureFault,
  spanFault,
  spanOf,
  transferFault,
} from './care.ts'
import type { Call } from './commands.ts'

const MAX_URL = 512
/** OCPP 2.0.1 part 2, OCPPInterfaceEnumType. */
const INTERFACES = /^(Wired|Wireless)[0-3]$/
const MAX_SECURITY_PROFILE = 3

/** The CALL of a command, or the reason why it may not be sent. `idToken` makes one of a card's id. */
export function careCall201(command: CareCommand, idToken: (idTag: string) => Payload): Call | string {
  switch (command.kind) {
    case 'unlock':
      if (!isWhole(command.connectorId, 1)) return 'unlocking needs a connector above 0'
      return { action: 'UnlockConnector', params: { evseId: command.connectorId, connectorId: 1 } }
    case 'setAvailability': {
      const { operative, connectorId = 0 } = command
      if (!isWhole(connectorId)) return 'no connector has that number'
      const evse = connectorId === 0 ? {} : { evse: { id: connectorId } }
      const operationalStatus = operative ? 'Operative' : 'Inoperative'
      return { action: 'ChangeAvailability', params: { operationalStatus, ...evse } }
    }
    case 'reserve':
      return reservation(command, idToken)
    case 'updateFirmware':
      return firmware(command)
    case 'uploadLog': {
      const fault = transferFault(command) ?? spanFault(command)
      if (fault !== undefined) return fault
      const [from, until] = spanOf(command)
      const span = { ...(from && { oldestTimestamp: from }), ...(until && { latestTimestamp: until }) }
      const logType = command.log === 'security' ? 'SecurityLog' : 'DiagnosticsLog'
      const log = { remoteLocation: command.location, ...span }
      return {
        action: 'GetLog',
        params: { logType, requestId: command.requestId, log, ...retrying(command) },
      }
    }
    case 'setNetworkProfile':
      return networkProfile(command)
    default:
      return careCall(command)
  }
}

function reservation(command: Of<'reserve'>, idToken: (idTag: string) => Payload): Call | string {
  const { reservationId, connectorId, idTag, untilAt } = command
  if (!isWhole(reservationId)) return 'a reservation is a whole number from 0 to 2147483647'
  if (!isWhole(connectorId)) return 'no connector has that number'
  if (idTag.length < 1 || idTag.length > 36) return 'the card id must have 1 to 36 characters'
  const expiryDateTime = instantText(untilAt)
  if (expiryDateTime === undefined) return 'no calendar has that time'
  const evse = connectorId === 0 ? {} : { evseId: connectorId }
  return {
    action: 'ReserveNow',
    params: { id: reservationId, expiryDateTime, idToken: idToken(idTag), ...evse },
  }
}

function firmware(command: Of<'updateFirmware'>): Call | string {
  const { requestId, location, retrieveAt, installAt, signed } = command
  const fault = transferFault(command) ?? (signed && signatureFault(signed))
  if (fault !== undefined) return fault
  const retrieveDateTime = instantText(retrieveAt)
  const installDateTime = installAt === undefined ? undefined : instantText(installAt)
  if (retrieveDateTime === undefined || (installAt !== undefined && installDateTime === undefined))
    return 'no calendar has that time'
  const file = {
    ...{ location, retrieveDateTime },
    ...(installDateTime && { installDateTime }),
    ...(signed && { signingCertificate: signed.certificate, signature: signed.signature }),
  }
  return { action: 'UpdateFirmware', params: { requestId, firmware: file, ...retrying(command) } }
}

function networkProfile(command: Of<'setNetworkProfile'>): Call | string {
  const { slot, url, securityProfile, messageTimeoutS } = command
  if (!isWhole(slot) || !isWhole(messageTimeoutS, 1)) return 'slot and timeout are whole numbers'
  if (url.length > MAX_URL || !/^wss?:/.test(url) || !URL.canParse(url))
    return `the address must be a ws:// or wss:// URL of at most ${MAX_URL} characters`
  if (!isWhole(securityProfile) || securityProfile > MAX_SECURITY_PROFILE)
    return `security profiles are 0 to ${MAX_SECURITY_PROFILE}`
  if (!INTERFACES.test(command.interface)) return 'an interface is Wired0 to Wired3 or Wireless0 to Wireless3'
  const connectionData = {
    ...{ ocppVersion: 'OCPP20', ocppTransport: 'JSON', ocppCsmsUrl: url, securityProfile },
    ...{ messageTimeout: messageTimeoutS, ocppInterface: command.interface },
  }
  return { action: 'SetNetworkProfile', params: { configurationSlot: slot, connectionData } }
}

// Variables of OCPP 2.0.1 under keys of one line: `Component.Variable`, with `[instance]` behind either and `@1` or
// `@1.2` for an EVSE and its connector behind the component. What has a name in OCPP 1.6 that we use may be asked for by that.
import type { Payload } from './answers.ts'
import { isObject } from './repair.ts'

const KEY =
  /^([A-Za-z0-9_-]{1,50})(?:\[([^\][]{1,50})\])?(?:@(\d{1,4})(?:\.(\d{1,4}))?)?\.([A-Za-z0-9_-]{1,50})(?:\[([^\][]{1,50})\])?$/

/** Keys of OCPP 1.6 and where OCPP 2.0.1 has them (its part 2, appendix 3). */
const FORMER: Readonly<Record<string, string>> = {
  HeartbeatInterval: 'OCPPCommCtrlr.HeartbeatInterval',
  WebSocketPingInterval: 'OCPPCommCtrlr.WebSocketPingInterval',
  LocalAuthListEnabled: 'LocalAuthListCtrlr.Enabled',
  LocalAuthListMaxLength: 'LocalAuthListCtrlr.Entries',
  SendLocalListMaxLength: 'LocalAuthListCtrlr.ItemsPerMessage',
  LocalAuthorizeOffline: 'AuthCtrlr.LocalAuthorizeOffline',
  LocalPreAuthorize: 'AuthCtrlr.LocalPreAuthorize',
  StopTransactionOnInvalidId: 'TxCtrlr.StopTxOnInvalidId',
  TransactionMessageAttempts: 'OCPPCommCtrlr.MessageAttempts[TransactionEvent]',
  TransactionMessageRetryInterval: 'OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]',
  MeterValuesSampledData: 'SampledDataCtrlr.TxUpdatedMeasurands',
  MeterValueSampleInterval: 'SampledDataCtrlr.TxUpdatedInterval',
  GetConfigurationMaxKeys: 'DeviceDataCtrlr.ItemsPerMessage[GetVariables]',
  SupportedFeatureProfiles: 'SmartChargingCtrlr.Enabled',
  ChargingScheduleAllowedChargingRateUnit: 'SmartChargingCtrlr.RateUnit',
  ChargeProfileMaxStackLevel: 'SmartChargingCtrlr.ProfileStackLevel',
  ChargingScheduleMaxPeriods: 'SmartChargingCtrlr.PeriodsPerSchedule',
  ConnectorPhaseRotation: 'ChargingStation.SupplyPhases',
}

/** Component and variable of a key; undefined for what is no key. */
export function variableOf(key: string): Payload | undefined {
  const match = KEY.exec(FORMER[key] ?? key)
  if (!match) return undefined
  const [, name, instance, evseId, connectorId, variable, ofVariable] = match
  const evse = evseId && { id: Number(evseId), ...(connectorId && { connectorId: Number(connectorId) }) }
  return {
    component: { name, ...(instance && { instance }), ...(evse && { evse }) },
    variable: { name: variable, ...(ofVariable && { instance: ofVariable }) },
  }
}

/** The key of what a station calls by component and variable; undefined where it names neither. */
export function keyOf(entry: Readonly<Record<string, unknown>>): string | undefined {
  const { component, variable } = entry
  if (!isObject(component) || !isObject(variable)) return undefined
  const [of, what] = [nameIn(component), nameIn(variable)]
  if (!of || !what) return undefined
  const { evse } = component
  const place = isObject(evse) && typeof evse.id === 'number' ? `@${evse.id}${connectorIn(evse)}` : ''
  return `${of}${place}.${what}`
}

function connectorIn(evse: Readonly<Record<string, unknown>>): string {
  return typeof evse.connectorId === 'number' ? `.${evse.connectorId}` : ''
}

function nameIn(of: Readonly<Record<string, unknown>>): string {
  if (typeof of.name !== 'string') return ''
  const instance =
    typeof of.instance === 'string' && of.instance !== '' ? `[${of.instance.slice(0, 50)}]` : ''
  return `${of.name.slice(0, 50)}${instance}`
}

/** The key as it was asked for, where the answer calls it by its new name. */
export function askedAs(keys: readonly string[], answered: string): string {
  const lower = answered.toLowerCase()
  return keys.find(key => (FORMER[key] ?? key).toLowerCase() === lower) ?? answered
}

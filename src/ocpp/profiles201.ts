// Charging profiles in the words of OCPP 2.0.1 (K01, K10, K08), within the bounds that profiles.ts has for both versions.
import type { ChargingProfile } from '../charging-profile.ts'
import type { Payload } from './answers.ts'
import type { Call } from './commands.ts'
import { faultIn, type Profiled, scheduleFault, scheduleOf } from './profiles.ts'

const PURPOSES = {
  charger: 'ChargingStationMaxProfile',
  default: 'TxDefaultProfile',
  session: 'TxProfile',
} as const

/** The CALL, or the reason why it may not be sent. */
export function profileCall201(command: Profiled): Call | string {
  switch (command.kind) {
    case 'setProfile': {
      const { connectorId, profile } = command
      const fault = faultIn(connectorId, profile) ?? nameless(profile)
      if (fault !== undefined) return fault
      const params = { evseId: connectorId, chargingProfile: written(profile) }
      return { action: 'SetChargingProfile', params }
    }
    case 'clearProfile': {
      const { profileId, connectorId, purpose } = command
      const criteria = {
        ...(connectorId !== undefined && { evseId: connectorId }),
        ...(purpose && { chargingProfilePurpose: PURPOSES[purpose] }),
      }
      const params = {
        ...(profileId !== undefined && { chargingProfileId: profileId }),
        ...(Object.keys(criteria).length > 0 && { chargingProfileCriteria: criteria }),
      }
      return { action: 'ClearChargingProfile', params }
    }
    case 'getCompositeSchedule': {
      const { connectorId, durationS, unit } = command
      const fault = scheduleFault(command)
      if (fault !== undefined) return fault
      const params = { evseId: connectorId, duration: durationS, ...(unit && { chargingRateUnit: unit }) }
      return { action: 'GetCompositeSchedule', params }
    }
  }
}

function nameless({ purpose, stationTransactionId }: ChargingProfile): string | undefined {
  const isNameless = purpose === 'session' && stationTransactionId === undefined
  return isNameless ? 'the session did not begin under OCPP 2.0.1' : undefined
}

function written(profile: ChargingProfile): Payload {
  const { profileId, stackLevel, purpose, stationTransactionId } = profile
  return {
    ...{ id: profileId, stackLevel, chargingProfilePurpose: PURPOSES[purpose] },
    chargingProfileKind: purpose === 'charger' ? 'Absolute' : 'Relative',
    ...(stationTransactionId !== undefined && { transactionId: stationTransactionId }),
    chargingSchedule: [{ id: profileId, ...scheduleOf(profile) }],
  }
}

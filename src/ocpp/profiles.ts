// Charging profiles in the words of OCPP 1.6 (7.8 to 7.14, 5.16). A profile that breaks a bound of the standard is not sent:
// firmware was seen to answer one with an error, or to take it and charge without any limit.
import type { ChargingProfile, LimitPeriod, RateUnit } from '../charging-profile.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import type { Payload } from './answers.ts'
import { isObject } from './repair.ts'

export type Profiled = Extract<
  ChargerCommand,
  { kind: 'setProfile' | 'clearProfile' | 'getCompositeSchedule' }
>
type Call = { readonly action: string; readonly params: Payload }

const MAX_PERIODS = 96
const MAX_PERIODS_READ = 1000
const MAX_DURATION_S = 7 * 24 * 3600
/** Far above any charger. */
const MAX_LIMIT = { A: 10_000, W: 10_000_000 } as const
const PURPOSES = {
  charger: 'ChargePointMaxProfile',
  default: 'TxDefaultProfile',
  session: 'TxProfile',
} as const

/** The CALL, or the reason why it may not be sent. */
export function profileCall(command: Profiled): Call | string {
  switch (command.kind) {
    case 'setProfile': {
      const { connectorId, profile } = command
      const fault = faultIn(connectorId, profile)
      if (fault !== undefined) return fault
      return { action: 'SetChargingProfile', params: { connectorId, csChargingProfiles: written(profile) } }
    }
    case 'clearProfile': {
      const { profileId, connectorId, purpose } = command
      const params = {
        ...(profileId !== undefined && { id: profileId }),
        ...(connectorId !== undefined && { connectorId }),
        ...(purpose && { chargingProfilePurpose: PURPOSES[purpose] }),
      }
      return { action: 'ClearChargingProfile', params }
    }
    case 'getCompositeSchedule': {
      const { connectorId, durationS, unit } = command
      const fault = scheduleFault(command)
      if (fault !== undefined) return fault
      const params = { connectorId, duration: durationS, ...(unit && { chargingRateUnit: unit }) }
      return { action: 'GetCompositeSchedule', params }
    }
  }
}

export function scheduleFault({
  connectorId,
  durationS,
}: Extract<ChargerCommand, { kind: 'getCompositeSchedule' }>): string | undefined {
  const fits = isWhole(connectorId, 0) && isWhole(durationS, 1) && durationS <= MAX_DURATION_S
  return fits ? undefined : 'a schedule is asked of a connector, for 1 s to a week'
}

/** What the standard does not allow (7.8, 3.13.1); undefined when all is well. Both versions have these bounds. */
export function faultIn(connectorId: number, profile: ChargingProfile): string | undefined {
  const { profileId, stackLevel, purpose, unit, periods } = profile
  const namesSession = profile.transactionId !== undefined || profile.stationTransactionId !== undefined
  if (!isWhole(connectorId, 0) || !isWhole(profileId, 0) || !isWhole(stackLevel, 0))
    return 'connector, profile id and stack level are whole numbers from 0'
  if (purpose === 'charger' && connectorId !== 0)
    return 'a limit of the whole charger is set on its connector 0'
  if (purpose === 'session' && connectorId === 0) return 'a limit of a session needs its connector'
  if ((purpose === 'session') !== namesSession)
    return 'a limit of a session names it, and no other limit does'
  if (periods.length < 1 || periods.length > MAX_PERIODS) return `a profile has 1 to ${MAX_PERIODS} periods`
  const isRising = periods.every(({ fromS }, i) =>
    i === 0 ? fromS === 0 : isWhole(fromS, (periods[i - 1]?.fromS ?? 0) + 1),
  )
  if (!isRising) return 'periods begin at 0 s, each later than the one before it'
  if (!periods.every(({ limit }) => limit >= 0 && limit <= MAX_LIMIT[unit] && isInTenths(limit)))
    return `limits are 0 to ${MAX_LIMIT[unit]} ${unit}, in tenths at most`
  if (!periods.every(({ phases }) => phases === undefined || [1, 2, 3].includes(phases)))
    return 'there are 1 to 3 phases'
  return undefined
}

function isWhole(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least && value < 2 ** 31
}

/** multipleOf 0.1 in the schema of OCPP 1.6. */
function isInTenths(limit: number): boolean {
  return Math.abs(limit * 10 - Math.round(limit * 10)) < 1e-6
}

function written({ profileId, stackLevel, purpose, transactionId, unit, periods }: ChargingProfile): Payload {
  // The session's number alone: a station's own name for it is none of 1.6.
  return {
    chargingProfileId: profileId,
    ...(transactionId !== undefined && { transactionId }),
    stackLevel,
    chargingProfilePurpose: PURPOSES[purpose],
    // Seconds count from the start of the session; a limit of the whole charger has no start, and needs an absolute one.
    chargingProfileKind: purpose === 'charger' ? 'Absolute' : 'Relative',
    chargingSchedule: scheduleOf({ purpose, unit, periods }),
  }
}

/** An absolute schedule says when it began (7.13): long ago, so that it counts whatever clock the charger has. */
const LONG_AGO = '2000-01-01T00:00:00.000Z'

export function scheduleOf({
  purpose,
  unit,
  periods,
}: Pick<ChargingProfile, 'purpose' | 'unit' | 'periods'>): Payload {
  return {
    chargingRateUnit: unit,
    ...(purpose === 'charger' && { startSchedule: LONG_AGO }),
    chargingSchedulePeriod: periods.map(({ fromS, limit, phases }) => ({
      startPeriod: fromS,
      limit: Math.round(limit * 10) / 10,
      ...(phases !== undefined && { numberPhases: phases }),
    })),
  }
}

export function scheduleOutcome(payload: Readonly<Record<string, unknown>>): CommandOutcome {
  const { status, chargingSchedule, schedule } = payload
  if (status !== 'Accepted') {
    const isWord = typeof status === 'string' && /^[A-Za-z]{1,40}$/.test(status)
    return { kind: 'rejected', status: isWord ? status : 'Unreadable' }
  }
  // 2.0.1 says it under another name.
  const said = isObject(chargingSchedule) ? chargingSchedule : schedule
  const unit = isObject(said) ? unitIn(said.chargingRateUnit) : undefined
  if (!isObject(said) || !unit) return { kind: 'rejected', status: 'Unreadable' }
  const given = Array.isArray(said.chargingSchedulePeriod) ? said.chargingSchedulePeriod : []
  return { kind: 'accepted', detail: { unit, periods: given.slice(0, MAX_PERIODS_READ).flatMap(periodIn) } }
}

function unitIn(value: unknown): RateUnit | undefined {
  return value === 'A' || value === 'W' ? value : undefined
}

function periodIn(given: unknown): readonly LimitPeriod[] {
  if (!isObject(given)) return []
  const [fromS, limit, phases] = [given.startPeriod, given.limit, given.numberPhases].map(Number)
  if (fromS === undefined || limit === undefined || !Number.isFinite(fromS) || !Number.isFinite(limit))
    return []
  return [{ fromS, limit, ...(phases !== undefined && Number.isInteger(phases) && { phases }) }]
}

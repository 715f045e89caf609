// What a charger may give when nobody is there to ask: a limit that it holds itself, for every session, from what the operator
// said of it. Nothing is made up: where no limit was said none is set, and where it was said in another unit than the charger
// takes, it is converted so that it can only come out lower.
import type { ChargingProfile, LimitPeriod, RateUnit } from '../charging-profile.ts'
import { type Settings, wholeOf } from './settings.ts'

const VOLTS = 230
/** What a car needs to charge at all (IEC 61851-1); a lower limit of a plug with alternating current is a pause. */
export const LEAST_AMPS = 6
export const LEAST_WATTS = LEAST_AMPS * VOLTS

/** Ids of our profiles; a charger's own count from 1, and most people's too. */
export const SAFE_PROFILE = 7100
export const PERSON_PROFILE = 7200
export const HEAT_PROFILE = 7300

/** As the operator said it, of each connector. */
export type Cap = {
  readonly watts?: number
  readonly amps?: number
  readonly phases?: number
  /** Direct current has no volts that one could count with. */
  readonly isDirect: boolean
}

/** What the charger says of its smart charging; undefined where it does not say. */
export type Capabilities = {
  readonly isSmart: boolean | undefined
  readonly units: readonly RateUnit[] | undefined
  readonly maxStackLevel: number | undefined
  readonly maxPeriods: number | undefined
  readonly phases: number | undefined
}

/** By their names in OCPP 1.6; the others have them too. */
export const LIMIT_KEYS = {
  features: 'SupportedFeatureProfiles',
  units: 'ChargingScheduleAllowedChargingRateUnit',
  stack: 'ChargeProfileMaxStackLevel',
  periods: 'ChargingScheduleMaxPeriods',
  phases: 'ConnectorPhaseRotation',
} as const

export function capabilitiesIn(settings: Settings): Capabilities {
  const keys = LIMIT_KEYS
  const said = (key: string): string | undefined => settings.get(key.toLowerCase())?.value
  const number = (key: string): number | undefined => wholeOf(said(key) ?? '')
  return {
    isSmart: smartIn(said(keys.features)),
    units: unitsIn(said(keys.units)),
    maxStackLevel: number(keys.stack),
    maxPeriods: number(keys.periods),
    phases: phasesIn(said(keys.phases)),
  }
}

function smartIn(features: string | undefined): boolean | undefined {
  const text = features?.trim().toLowerCase()
  // A list of profiles in 1.6, true or false in 2.0.1.
  if (text === undefined || text === '') return undefined
  return text === 'true' || text.includes('smartcharging')
}

/** `Current,Power` in 1.6, `A,W` in 2.0.1, and either in firmware. */
function unitsIn(text: string | undefined): readonly RateUnit[] | undefined {
  const words = (text ?? '').split(',').map(word => word.trim().toLowerCase())
  const units = words.flatMap<RateUnit>(word =>
    word === 'current' || word === 'a' ? ['A'] : word === 'power' || word === 'w' ? ['W'] : [],
  )
  return units.length > 0 ? units : undefined
}

/** `0.RST,1.RST` (9.1.5): one phase where each of them says so. OCPP 2.0.1 has the number. */
function phasesIn(text: string | undefined): number | undefined {
  if (text === '1' || text === '3') return Number(text)
  const words = (text ?? '').split(',').map(word => word.replace(/^\s*\d+\s*\.\s*/, '').trim())
  if (words.every(word => /^[RST]{3}$/.test(word))) return 3
  return words.every(word => word === 'R' || word === 'NotApplicable') ? 1 : undefined
}

export type Limit = { readonly unit: RateUnit; readonly limit: number; readonly note?: string }

/** The limit of one connector in a unit that the charger takes, or the reason why there is none. */
export function limitFor(cap: Cap, can: Capabilities): Limit | string {
  if (can.isSmart === false) return 'the charger has no smart charging'
  const units = can.units ?? (cap.watts !== undefined && cap.amps === undefined ? ['W'] : ['A'])
  if (cap.isDirect) return directLimit(cap, units)
  const phases = cap.phases ?? can.phases
  const inAmps = least(cap.amps, cap.watts === undefined ? undefined : cap.watts / (VOLTS * (phases ?? 3)))
  const inWatts = least(cap.watts, cap.amps === undefined ? undefined : cap.amps * VOLTS * (phases ?? 1))
  const isAsSaid = (unit: RateUnit): boolean => (unit === 'A' ? cap.watts : cap.amps) === undefined
  const unit = units.find(isAsSaid) ?? units[0]
  const value = unit === 'A' ? inAmps : inWatts
  if (unit === undefined || value === undefined) return 'no limit is said for it'
  if (isAsSaid(unit)) return { unit, limit: inTenths(value) }
  const counted = phases ?? (unit === 'A' ? 3 : 1)
  const assumed = phases === undefined ? ', which nobody said: `charger add --phases`' : ''
  return { unit, limit: inTenths(value), note: `counted with ${VOLTS} V and ${counted} phases${assumed}` }
}

/** Nothing is converted: what was said in a unit that the charger takes is set, and the other stays a word. */
function directLimit({ watts, amps }: Cap, units: readonly RateUnit[]): Limit | string {
  const said = { W: watts, A: amps }
  const unit = (['W', 'A'] as const).find(one => units.includes(one) && said[one] !== undefined)
  const value = unit && said[unit]
  if (unit === undefined || value === undefined)
    return watts === undefined && amps === undefined
      ? 'no limit is said for it'
      : `the charger takes limits in ${units.join(', ')} only, and those of direct current cannot be converted`
  return { unit, limit: inTenths(value) }
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}

/** Downwards: the schema of 1.6 knows tenths. */
export function inTenths(value: number): number {
  return Math.floor(value * 10 + 1e-6) / 10
}

/** What each session begins with: the limit, and nothing more after the longest that one may last. */
export function safeProfile(
  { unit, limit }: Limit,
  maxSessionS: number | undefined,
  { maxPeriods }: Pick<Capabilities, 'maxPeriods'>,
): ChargingProfile {
  const first: LimitPeriod = { fromS: 0, limit }
  const isTimed = maxSessionS !== undefined && (maxPeriods ?? 2) >= 2
  const periods = isTimed ? [first, { fromS: maxSessionS, limit: 0 }] : [first]
  return { profileId: SAFE_PROFILE, stackLevel: 0, purpose: 'default', unit, periods }
}

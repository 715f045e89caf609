// The state of charge of a car at a station: what was told last and how old that is, or why there is none; and the setting
// of the charger that makes it tell. Only ever adds to that setting, reads it back, and says so when it could not.
import { shownIn } from '../defaults/settings.ts'
import type { ChargePoints, CommandOutcome } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId } from '../units.ts'
import { socOf } from './driver-session.ts'
import type { Station } from './driver-stations.ts'
import type { SocAnswer, SocEnabled } from './driver-words.ts'
import { isoOf } from './report.ts'

export function socAnswer(station: Station, nowAt: number): SocAnswer {
  const connectors = Array.from({ length: station.connectors }, (_, index) => index + 1).map(connectorId => {
    const session = station.openSessions.findLast(one => one.connectorId === connectorId)
    return socAt(connectorId, session, nowAt)
  })
  const charging = connectors.filter(({ reason }) => reason !== 'no_session')
  const [only, ...others] = charging
  const common = { station_id: station.chargerId, connectors }
  const none = { soc: null, age_s: null }
  if (!only) return { ...common, ...none, reason: 'no_session', text: 'No car charges here now.' }
  if (others.length > 0)
    return {
      ...common,
      ...none,
      reason: 'several_sessions',
      text: 'Several cars charge here: see connectors.',
    }
  const { soc, age_s, reason } = only
  const text =
    soc === null
      ? 'The charger has not told the state of charge of this car. enable-soc asks it to, where it can.'
      : `${soc} %, measured ${age_s} s ago.`
  return { ...common, soc, age_s, reason, text }
}

function socAt(
  connectorId: number,
  session: Session | undefined,
  nowAt: number,
): SocAnswer['connectors'][number] {
  const none = { connector_id: connectorId, soc: null, measured_at: null, age_s: null }
  if (!session) return { ...none, reason: 'no_session' }
  const soc = socOf(session, nowAt)
  if (!soc) return { ...none, reason: 'not_reported' }
  const { percent, measuredAt, ageS } = soc
  return { ...none, soc: percent, measured_at: isoOf(measuredAt), age_s: ageS, reason: null }
}

/** Its name in OCPP 1.6, by which a station of 2.0.1 is asked as well. */
const SETTING = 'MeterValuesSampledData'
const SOC = 'SoC'

type Setting = { readonly key: string; readonly value: string; readonly readonly: boolean }

export type SocSwitch = { readonly enable: (chargerId: ChargerId) => Promise<SocEnabled> }

/** One at a time for a charger: two who read and then write would each lose what the other added. */
export function createSocSwitch(chargePoints: Pick<ChargePoints, 'command'>): SocSwitch {
  const running = new Map<ChargerId, Promise<SocEnabled>>()
  return {
    enable: chargerId => {
      const held = running.get(chargerId)
      if (held) return held
      const made = enable(chargePoints, chargerId).finally(() => running.delete(chargerId))
      running.set(chargerId, made)
      return made
    },
  }
}

async function enable(
  chargePoints: Pick<ChargePoints, 'command'>,
  chargerId: ChargerId,
): Promise<SocEnabled> {
  const answer = (enabled: boolean, reason: SocEnabled['reason'], text: string): SocEnabled => ({
    ...{ station_id: chargerId, enabled, changed: false, reason, measurands: null, text },
  })
  const before = await settingOf(chargePoints, chargerId)
  if (before === 'unreachable')
    return answer(false, 'unreachable', 'The charger did not answer; try again later.')
  if (before === undefined)
    return answer(false, 'no_such_setting', 'This charger has no setting for what it measures.')
  const measurands = measurandsOf(before.value)
  if (hasSoc(measurands))
    return { ...answer(true, null, 'The charger tells it already, where the car does.'), measurands }
  if (before.readonly)
    return { ...answer(false, 'read_only', 'This charger does not let that setting be changed.'), measurands }
  const value = [...measurands, SOC].join(',')
  const outcome = await chargePoints.command(chargerId, {
    kind: 'changeConfiguration',
    key: before.key,
    value,
  })
  if (outcome.kind === 'unreachable')
    return { ...answer(false, 'unreachable', 'The charger did not answer; try again later.'), measurands }
  if (outcome.kind === 'rejected')
    return { ...answer(false, 'refused', 'This charger refuses to measure the state of charge.'), measurands }
  return await lookAgain(chargePoints, { chargerId, before: measurands, outcome }, answer)
}

type Change = {
  readonly chargerId: ChargerId
  readonly before: string[]
  readonly outcome: Extract<CommandOutcome, { kind: 'accepted' }>
}

/** Some firmware accepts a value and keeps another; some takes it up with its next boot. */
async function lookAgain(
  chargePoints: Pick<ChargePoints, 'command'>,
  { chargerId, before, outcome }: Change,
  answer: (enabled: boolean, reason: SocEnabled['reason'], text: string) => SocEnabled,
): Promise<SocEnabled> {
  if (isAfterReboot(outcome.detail)) {
    const text = 'The charger will tell it after its next restart.'
    return { ...answer(true, null, text), changed: true, measurands: [...before, SOC] }
  }
  const after = await settingOf(chargePoints, chargerId)
  if (after === 'unreachable' || after === undefined)
    return {
      ...answer(true, null, 'The charger has agreed to tell it.'),
      changed: true,
      measurands: [...before, SOC],
    }
  const measurands = measurandsOf(after.value)
  return hasSoc(measurands)
    ? {
        ...answer(true, null, 'The charger tells it from now on, where the car does.'),
        changed: true,
        measurands,
      }
    : { ...answer(false, 'not_kept', 'The charger agreed, but did not keep the setting.'), measurands }
}

function isAfterReboot(detail: unknown): boolean {
  return typeof detail === 'object' && detail !== null && Reflect.get(detail, 'status') === 'RebootRequired'
}

async function settingOf(
  chargePoints: Pick<ChargePoints, 'command'>,
  chargerId: ChargerId,
): Promise<Setting | undefined | 'unreachable'> {
  const outcome = await chargePoints.command(chargerId, { kind: 'getConfiguration', keys: [SETTING] })
  if (outcome.kind === 'unreachable') return 'unreachable'
  return outcome.kind === 'accepted' ? settingIn(outcome.detail) : undefined
}

function settingIn(detail: unknown): Setting | undefined {
  const found = shownIn(detail).configurationKey.find(one => one.key.toLowerCase() === SETTING.toLowerCase())
  return found?.value === undefined
    ? undefined
    : { key: found.key, value: found.value, readonly: found.readonly }
}

function measurandsOf(value: string): string[] {
  return value
    .split(',')
    .map(one => one.trim())
    .filter(one => one !== '')
}

function hasSoc(measurands: readonly string[]): boolean {
  return measurands.some(one => one.toLowerCase() === SOC.toLowerCase())
}

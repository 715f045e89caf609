// What is known here of the onboarding of one charger: when it is its turn, what came of it, and how that is told to people.
// Forgotten with the process: a node that meets a charger for the first time reads its settings, and finds little to do.
import { type LimitReport, type Onboarded, SETTING_RESULTS, type SettingReport } from './onboarding-talk.ts'
import type { ChargerId } from './units.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
/** A charger that came has cards, statuses and a queue to tell first. */
const SETTLE_MS = 10 * SECOND_MS
/** A site that comes back has many chargers at once. */
const SPREAD_MS = 20 * SECOND_MS
/** Without a boot, and while nothing else is wanted, the settings are as they were. */
const AGAIN_MS = 6 * 60 * MINUTE_MS
/** A boot may have brought the factory's settings back. */
const AGAIN_AFTER_BOOT_MS = 15 * MINUTE_MS
/** Who comes so often in so short a time is left alone until it stays. */
const FLAPS = 4
const FLAPPING_MS = 10 * MINUTE_MS
const RETRY_MS = 5 * MINUTE_MS
const MAX_RETRY_MS = 6 * 60 * MINUTE_MS

export type OnboardingState = {
  /** Grows when what is under way is of no use any more. */
  life: number
  isBusy: boolean
  readyAtMs: number
  /** Whatever comes, not before: a charger that falls over when it is asked must not be asked by every connection. */
  notBeforeMs: number
  failures: number
  readonly cameAtMs: number[]
  /** The wishes that were told it last, and when. */
  doneFor: string
  doneAtMs: number
  hasBooted: boolean
  last: { readonly result: Onboarded; readonly wallMs: number } | undefined
  readonly notKept: Set<string>
  state: string
}

export function newOnboarding(): OnboardingState {
  return {
    ...{ life: 0, isBusy: false, readyAtMs: 0, notBeforeMs: 0, failures: 0, cameAtMs: [] },
    ...{ doneFor: '', doneAtMs: 0, hasBooted: false, last: undefined, notKept: new Set<string>() },
    state: 'not asked yet',
  }
}

/** It came, or booted. */
export function arrive(charger: OnboardingState, chargerId: ChargerId, nowMs: number): void {
  leave(charger, nowMs)
  charger.cameAtMs.push(nowMs)
  charger.cameAtMs.splice(0, charger.cameAtMs.length - FLAPS)
  const isFlapping = charger.cameAtMs.length === FLAPS && nowMs - (charger.cameAtMs[0] ?? 0) < FLAPPING_MS
  const waitMs = isFlapping ? FLAPPING_MS : SETTLE_MS + spreadOf(chargerId, SPREAD_MS)
  charger.readyAtMs = Math.max(nowMs + waitMs, charger.notBeforeMs)
  if (isFlapping) charger.state = 'comes and goes: it is left alone until it stays'
}

/** The same wait for the same charger, without dice. */
export function spreadOf(chargerId: ChargerId, spreadMs: number): number {
  let sum = 0
  for (const letter of chargerId) sum = (sum * 31 + letter.charCodeAt(0)) % 1_000_003
  return sum % spreadMs
}

/** It went, or memory is dropped. What was being said to it failed. */
export function leave(charger: OnboardingState, nowMs: number): void {
  charger.life += 1
  if (charger.isBusy) retryLater(charger, nowMs, 'the connection was lost on the way')
}

export function retryLater(charger: OnboardingState, nowMs: number, reason: string): void {
  const waitMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(charger.failures, 10))
  charger.isBusy = false
  charger.failures += 1
  charger.notBeforeMs = nowMs + waitMs
  charger.readyAtMs = charger.notBeforeMs
  charger.state = `${reason}; the next try is in ${waitMs / MINUTE_MS} minutes at the earliest`
}

/** Told of just this, and not long ago: there is nothing to do. */
export function isDone(charger: OnboardingState, form: string, nowMs: number): boolean {
  if (charger.doneFor !== form) return false
  return nowMs - charger.doneAtMs < (charger.hasBooted ? AGAIN_AFTER_BOOT_MS : AGAIN_MS)
}

export type Ended = {
  readonly form: string
  readonly result: Onboarded
  readonly wallMs: number
  readonly nowMs: number
}

export function finish(charger: OnboardingState, { form, result, wallMs, nowMs }: Ended): void {
  for (const one of result.settings) if (one.result === 'not-kept') charger.notKept.add(one.key)
  Object.assign(charger, { isBusy: false, failures: 0, hasBooted: false, doneFor: form, doneAtMs: nowMs })
  charger.last = { result, wallMs }
  const open = notSet(result).length + (result.limit.kind === 'failed' ? 1 : 0)
  if (!result.isReadable) charger.state = 'shows none of its settings: some were set unseen'
  else charger.state = open === 0 ? 'is set as it should be' : `${open} could not be set`
}

/** Wishes that are not fulfilled; what waits for a restart is. */
export function notSet(result: Onboarded): readonly SettingReport[] {
  return result.settings.filter(one => !['ok', 'set', 'after-reboot'].includes(one.result))
}

export type OnboardingReport = {
  /** How it stands, or why not. */
  readonly state: string
  readonly readAt?: number
  readonly settings?: readonly (SettingReport & { readonly says: string })[]
  readonly notSet: readonly string[]
  readonly needsRestart?: boolean
  readonly limit?: LimitReport
}

export function reportOnboarding(charger: OnboardingState | undefined): OnboardingReport {
  if (!charger) return { state: 'not asked yet', notSet: [] }
  const { last, state } = charger
  if (!last) return { state, notSet: [] }
  const { settings, limit } = last.result
  const words = notSet(last.result).map(({ key, result }) => `${key}: ${SETTING_RESULTS[result]}`)
  return {
    ...{ state, readAt: last.wallMs },
    settings: settings.map(one => ({ ...one, says: SETTING_RESULTS[one.result] })),
    notSet: limit.kind === 'failed' ? [...words, `limit: ${limit.reason}`] : words,
    ...(settings.some(({ result }) => result === 'after-reboot') && { needsRestart: true }),
    ...(limit.kind !== 'none' && { limit }),
  }
}

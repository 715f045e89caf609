// What is said to a charger when it is onboarded: its settings are read in pieces that it can take, what differs is set, what
// was set is read again, and the limit of its connectors is installed. One command at a time, each with an end; the rules
// are in defaults/. A charger that goes in between ends it at once.
import {
  type Cap,
  type Capabilities,
  capabilitiesIn,
  LIMIT_KEYS,
  limitFor,
  SAFE_PROFILE,
  safeProfile,
} from './defaults/limits.ts'
import {
  isMet,
  nextTry,
  type Setting,
  type Settings,
  shownIn,
  type Wish,
  wantedOf,
  wholeOf,
} from './defaults/settings.ts'
import type { ChargerCommand, CommandOutcome } from './ports.ts'

/** What is wanted of one charger; equal texts of it are the same wishes. */
export type Wanted = {
  readonly wishes: readonly Wish[]
  readonly connectors: number
  readonly cap?: Cap
  readonly maxSessionS?: number
  /** The operator took a limit back: ours goes. */
  readonly clears: boolean
}

export const SETTING_RESULTS = {
  ok: 'was right',
  set: 'was set',
  'after-reboot': 'counts when the charger was restarted',
  partly: 'it took a part of it',
  'read-only': 'the charger lets nobody change it',
  unknown: 'the charger does not know it',
  refused: 'the charger refuses it',
  'not-kept': 'the charger took it and did not keep it',
} as const
export type SettingResult = keyof typeof SETTING_RESULTS

export type SettingReport = {
  readonly key: string
  readonly wanted: string
  readonly result: SettingResult
  /** What the charger has now. */
  readonly value?: string
}
export type LimitReport =
  | { readonly kind: 'none' }
  | { readonly kind: 'cleared' }
  | {
      readonly kind: 'installed'
      readonly unit: 'A' | 'W'
      readonly limit: number
      readonly maxSessionS?: number
      readonly note?: string
    }
  | { readonly kind: 'failed'; readonly reason: string }

export type Onboarded = {
  readonly kind: 'done'
  /** False where it answered no question about its settings: then some were set unseen. */
  readonly isReadable: boolean
  readonly settings: readonly SettingReport[]
  readonly limit: LimitReport
  readonly can: Capabilities
}
export type OnboardingEnd = Onboarded | { readonly kind: 'failed'; readonly reason: string }

type Command = (command: ChargerCommand) => Promise<CommandOutcome>

/** The charger went, or does not answer: nothing more is said. */
class Ended extends Error {}

/** `notKept` was taken and forgotten before: it is not set again, or firmware that restarts for it would never rest. */
export async function onboard(
  command: Command,
  wanted: Wanted,
  notKept: ReadonlySet<string>,
): Promise<OnboardingEnd> {
  const ask: Command = async asked => {
    const outcome = await command(asked)
    if (outcome.kind === 'unreachable') throw new Ended(outcome.reason)
    return outcome
  }
  try {
    const asked = [...wanted.wishes.map(({ key }) => key), ...Object.values(LIMIT_KEYS)]
    const { held, perCall } = await readSettings(ask, asked)
    const isReadable = held.size > 0
    const settings: SettingReport[] = []
    for (const wish of wanted.wishes) {
      if (wish.mayLack && !held.has(wish.key.toLowerCase())) continue
      settings.push(await setOne(ask, wish, { held, isReadable, isGivenUp: notKept.has(wish.key) }))
    }
    const seen = await seeAgain(ask, { wishes: wanted.wishes, settings, perCall })
    const can = capabilitiesIn(held)
    return { kind: 'done', isReadable, settings: seen, can, limit: await setLimit(ask, wanted, can) }
  } catch (error) {
    if (!(error instanceof Ended)) throw error
    return { kind: 'failed', reason: error.message }
  }
}

const MAX_KEYS = 'GetConfigurationMaxKeys'
const MAX_UNANSWERED = 3

type Read = { readonly held: Settings; readonly perCall: number }

/** Everything that it answers about these keys. */
async function readSettings(ask: Command, keys: readonly string[]): Promise<Read> {
  const held = new Map<string, Setting>()
  const first = noteAnswer(held, await ask({ kind: 'getConfiguration', keys: [MAX_KEYS] }))
  const most = wholeOf(held.get(MAX_KEYS.toLowerCase())?.value ?? '') || keys.length
  held.clear()
  return await readKeys(ask, keys, first === 'refused' ? 1 : most)
}

/** Key by key where it takes no more at once, and all that it shows where it knows no single keys. */
async function readKeys(ask: Command, keys: readonly string[], most: number): Promise<Read> {
  const held = new Map<string, Setting>()
  const waiting = [...keys]
  let perCall = most
  let unanswered = 0
  while (waiting.length > 0) {
    const piece = waiting.splice(0, perCall)
    const named = noteAnswer(held, await ask({ kind: 'getConfiguration', keys: piece }))
    const left = named === 'refused' ? piece : piece.filter(key => !named.has(key.toLowerCase()))
    unanswered = left.length < piece.length ? 0 : unanswered + 1
    if (left.length > 0 && perCall > 1) {
      waiting.unshift(...left)
      perCall = 1
    }
    if (held.size === 0 && unanswered === MAX_UNANSWERED) {
      noteAnswer(held, await ask({ kind: 'getConfiguration', keys: [] }))
      break
    }
  }
  return { held, perCall }
}

/** Keys in small letters that the answer says something of. */
function noteAnswer(held: Map<string, Setting>, outcome: CommandOutcome): ReadonlySet<string> | 'refused' {
  if (outcome.kind !== 'accepted') return 'refused'
  const { configurationKey, unknownKey } = shownIn(outcome.detail)
  for (const { key, value, readonly } of configurationKey)
    held.set(key.toLowerCase(), { value: value ?? '', isReadOnly: readonly })
  return new Set([...configurationKey.map(({ key }) => key), ...unknownKey].map(key => key.toLowerCase()))
}

type Known = { readonly held: Settings; readonly isReadable: boolean; readonly isGivenUp: boolean }

async function setOne(ask: Command, { key, rule }: Wish, known: Known): Promise<SettingReport> {
  const setting = known.held.get(key.toLowerCase())
  let value = setting?.value
  const report = (result: SettingResult): SettingReport => ({
    ...{ key, wanted: wantedOf(rule), result },
    ...(value !== undefined && { value }),
  })
  if (!setting && known.isReadable) return report('unknown')
  if (isMet(rule, value)) return report('ok')
  if (setting?.isReadOnly) return report('read-only')
  if (known.isGivenUp) return report('not-kept')
  const refused: string[] = []
  let [isChanged, needsReboot] = [false, false]
  for (let next = nextTry(rule, value, refused); next !== undefined; next = nextTry(rule, value, refused)) {
    const outcome = await ask({ kind: 'changeConfiguration', key, value: next })
    if (outcome.kind === 'accepted') {
      value = next
      isChanged = true
      needsReboot ||= outcome.detail !== undefined
    } else if (outcome.kind === 'rejected' && isUnknown(outcome.status)) return report('unknown')
    else refused.push(next)
  }
  if (!isChanged) return report(refused.length > 0 ? 'refused' : 'unknown')
  if (!isMet(rule, value)) return report('partly')
  return report(needsReboot ? 'after-reboot' : 'set')
}

function isUnknown(status: string): boolean {
  return ['NotSupported', 'NotImplemented', 'UnknownComponent', 'UnknownVariable'].includes(status)
}

type Told = {
  readonly wishes: readonly Wish[]
  readonly settings: readonly SettingReport[]
  readonly perCall: number
}

/** Firmware was seen to accept a value and to go on with another. */
async function seeAgain(
  ask: Command,
  { wishes, settings, perCall }: Told,
): Promise<readonly SettingReport[]> {
  const changed = settings.filter(({ result }) => result === 'set' || result === 'partly')
  if (changed.length === 0) return settings
  const keys = changed.map(({ key }) => key)
  const { held } = await readKeys(ask, keys, perCall)
  return settings.map(one => {
    const value = changed.includes(one) ? held.get(one.key.toLowerCase())?.value : undefined
    if (value === undefined || value === one.value) return one
    const wish = wishes.find(({ key }) => key === one.key)
    const isKept = wish !== undefined && isMet(wish.rule, value)
    return { ...one, value, result: isKept ? 'set' : one.result === 'partly' ? 'partly' : 'not-kept' }
  })
}

async function setLimit(ask: Command, wanted: Wanted, can: Capabilities): Promise<LimitReport> {
  const { cap, maxSessionS, clears, connectors } = wanted
  if (!cap) {
    if (!clears) return { kind: 'none' }
    for (let id = 0; id <= connectors; id++) await ask({ kind: 'clearProfile', profileId: SAFE_PROFILE + id })
    return { kind: 'cleared' }
  }
  const limit = limitFor(cap, can)
  if (typeof limit === 'string') return { kind: 'failed', reason: limit }
  const profile = safeProfile(limit, maxSessionS, can)
  const install = async (connectorId: number, profileId: number): Promise<string | undefined> => {
    const outcome = await ask({ kind: 'setProfile', connectorId, profile: { ...profile, profileId } })
    return outcome.kind === 'rejected' ? outcome.status : undefined
  }
  let refusal = await install(0, SAFE_PROFILE)
  // On connector 0 it is for each of them (3.13.1); firmware that knows no such thing is told of one after the other.
  if (refusal !== undefined && !isUnknown(refusal)) {
    refusal = undefined
    for (let id = 1; id <= connectors && refusal === undefined; id++)
      refusal = await install(id, SAFE_PROFILE + id)
  }
  if (refusal !== undefined) return { kind: 'failed', reason: `the charger does not take it: ${refusal}` }
  const isTimed = maxSessionS !== undefined && profile.periods.length > 1
  return { kind: 'installed', ...limit, ...(isTimed && { maxSessionS }) }
}

// The settings of a charge point in virtual time, as firmware has them: most let themselves be changed, some know half of the
// keys, answer one at a time, refuse a list of measurands for one of them, or show nothing. What a node sets changes nothing
// of what is simulated; that it is asked, and in what order, does.
import type { Dice } from '../dice.ts'
import type { ChargerPlan } from '../plan.ts'
import { listKeys } from './list.ts'
import type { Payload } from './session.ts'

const HABITS = ['plain', 'plain', 'one-at-a-time', 'old', 'silent'] as const
type Habit = (typeof HABITS)[number]

export type StationSettings = {
  /** To GetConfiguration and ChangeConfiguration; undefined for anything else. */
  readonly answer: (action: string, payload: Payload) => Payload | undefined
}

export function createSettings(plan: ChargerPlan, dice: Dice): StationSettings {
  const drawn = dice.fork(`settings of ${plan.id}`).pick(HABITS)
  // Without a word of how long its list may be, nobody could send one.
  const habit = plan.list && drawn === 'silent' ? 'plain' : drawn
  const fixed = new Map(Object.entries(listKeys(plan.list)))
  if (plan.quirks.includes('impatient')) fixed.set('TransactionMessageAttempts', '3')
  const values = valuesOf(plan, habit)
  return {
    answer: (action, payload) => {
      if (action === 'GetConfiguration')
        return habit === 'silent' ? {} : shown(payload, { values, fixed, habit })
      if (action === 'ChangeConfiguration') return { status: change(payload, { values, fixed, habit }) }
      return undefined
    },
  }
}

type Held = {
  readonly values: Map<string, string>
  readonly fixed: ReadonlyMap<string, string>
  readonly habit: Habit
}

function valuesOf(plan: ChargerPlan, habit: Habit): Map<string, string> {
  const values = new Map([
    ['TransactionMessageAttempts', '3'],
    ['TransactionMessageRetryInterval', '60'],
    ['LocalAuthorizeOffline', 'true'],
    ['StopTransactionOnInvalidId', 'true'],
    ['MeterValuesSampledData', 'Energy.Active.Import.Register'],
    ['MeterValueSampleInterval', String(Math.min(300, Math.max(5, Math.round(plan.meterEveryMs / 1000))))],
    ['WebSocketPingInterval', '60'],
  ])
  if (habit === 'old')
    for (const key of ['WebSocketPingInterval', 'TransactionMessageAttempts']) values.delete(key)
  if (habit === 'one-at-a-time') values.set('GetConfigurationMaxKeys', '1')
  return values
}

function shown({ key }: Payload, { values, fixed, habit }: Held): Payload {
  const all = new Map([...values, ...fixed])
  const asked = Array.isArray(key) ? key.map(String) : [...all.keys()]
  const taken = habit === 'one-at-a-time' ? asked.slice(0, 1) : asked
  return {
    configurationKey: taken.flatMap(name => {
      const value = all.get(name)
      if (value === undefined) return []
      // Some have numbers where the standard has text.
      return [
        {
          key: name,
          readonly: fixed.has(name),
          value: habit === 'old' && /^\d+$/.test(value) ? Number(value) : value,
        },
      ]
    }),
    unknownKey: taken.filter(name => !all.has(name)),
  }
}

function change({ key, value }: Payload, { values, fixed, habit }: Held): string {
  const [name, wanted] = [String(key), String(value)]
  if (fixed.has(name)) return 'Rejected'
  if (!values.has(name)) return 'NotSupported'
  if (habit === 'old' && wanted.includes('SoC')) return 'Rejected'
  values.set(name, wanted)
  return 'Accepted'
}

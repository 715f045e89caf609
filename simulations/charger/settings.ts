// The configuration keys of a virtual charge point (OCPP 1.6, chapter 9) and how it answers GetConfiguration and
// ChangeConfiguration.

export type Settings = {
  readonly flag: (key: string) => boolean
  readonly seconds: (key: string) => number
  readonly get: (payload: unknown) => Readonly<Record<string, unknown>>
  readonly change: (payload: unknown) => Readonly<Record<string, unknown>>
}

export type Defaults = Readonly<Record<string, string>>

const READ_ONLY = ['NumberOfConnectors']
const WRITE_ONLY = ['AuthorizationKey']

export function createSettings(defaults: Defaults): Settings {
  const values = new Map(Object.entries(defaults))
  return {
    flag: key => values.get(key) === 'true',
    seconds: key => Number(values.get(key) ?? 0),
    get: payload => {
      const asked = listField(payload, 'key')
      const keys = asked.length > 0 ? asked : [...values.keys()]
      return {
        configurationKey: keys
          .filter(key => values.has(key))
          .map(key => ({
            key,
            readonly: READ_ONLY.includes(key),
            ...(WRITE_ONLY.includes(key) ? {} : { value: values.get(key) }),
          })),
        unknownKey: keys.filter(key => !values.has(key)),
      }
    },
    change: payload => {
      const key = textField(payload, 'key') ?? ''
      const value = textField(payload, 'value')
      if (!values.has(key)) return { status: 'NotSupported' }
      const numeric = /^\d+$/.test(values.get(key) ?? '')
      if (value === undefined || READ_ONLY.includes(key) || (numeric && !/^\d{1,9}$/.test(value))) {
        return { status: 'Rejected' }
      }
      values.set(key, value)
      return { status: 'Accepted' }
    },
  }
}

export function fieldOf(payload: unknown, name: string): unknown {
  if (typeof payload !== 'object' || payload === null) return undefined
  return Object.hasOwn(payload, name) ? (payload as Readonly<Record<string, unknown>>)[name] : undefined
}

export function textField(payload: unknown, name: string): string | undefined {
  const value = fieldOf(payload, name)
  return typeof value === 'string' ? value : undefined
}

export function numberField(payload: unknown, name: string): number | undefined {
  const value = fieldOf(payload, name)
  return typeof value === 'number' ? value : undefined
}

function listField(payload: unknown, name: string): readonly string[] {
  const value = fieldOf(payload, name)
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

// The payloads of OCPP 1.6 as one firmware writes them. Quirky firmware is also sloppy in a way of its own, and every
// such way is one that the door can mend without losing a Wh: so these frames go through the production repairs.
import type { Reading } from '../charger/connector.ts'
import type { Dice } from '../dice.ts'
import type { ChargerPlan } from '../plan.ts'
import type { Payload } from './session.ts'

const DIALECTS = [
  'plain',
  'numbers-as-text',
  'loose-lists',
  'kilowatt-hours',
  'odd-case',
  'dirty-card',
] as const
export type Dialect = (typeof DIALECTS)[number]

export function dialectOf({ id, quirks }: ChargerPlan, dice: Dice): Dialect {
  return quirks.length > 0 ? dice.fork(`dialect of ${id}`).pick(DIALECTS) : 'plain'
}

/** The payload as it goes out. */
export function spoken(dialect: Dialect, payload: Payload): Payload {
  switch (dialect) {
    case 'numbers-as-text':
      return changed(payload, (key, value) => [key, typeof value === 'number' ? String(value) : value])
    case 'odd-case':
      return changed(payload, (key, value) => [key.toLowerCase(), value])
    case 'loose-lists':
      return changed(payload, (key, value) => [key, Array.isArray(value) ? value[0] : value])
    case 'dirty-card':
      return changed(payload, (key, value) => [
        key,
        key === 'idTag' ? ` ${value}\u0000`.toLowerCase() : value,
      ])
    case 'plain':
    case 'kilowatt-hours':
      return payload
  }
}

function changed(payload: Payload, change: (key: string, value: unknown) => [string, unknown]): Payload {
  return Object.fromEntries(Object.entries(payload).map(([key, value]) => change(key, value)))
}

export function meterValue(dialect: Dialect, reading: Reading, timestamp: string): Payload {
  const context = 'Sample.Periodic'
  const inKilo = dialect === 'kilowatt-hours'
  const energy = inKilo ? (reading.energyWh / 1000).toFixed(3) : String(reading.energyWh)
  return {
    timestamp,
    sampledValue: [
      {
        value: dialect === 'loose-lists' ? reading.energyWh : energy,
        ...{ context, measurand: 'Energy.Active.Import.Register', unit: inKilo ? 'kWh' : 'Wh' },
      },
      { value: String(reading.powerW), context, measurand: 'Power.Active.Import', unit: 'W' },
      { value: String(reading.socPercent), context, measurand: 'SoC', unit: 'Percent' },
    ],
  }
}

// How hot a charger is by its own meter values: the hottest of what it measured of itself, in degrees Celsius. Nothing is billed
// by it, so what cannot be read is left out without a word.
import { field, fieldsOf, isObject, numeral, text } from './repair.ts'

/** Colder or hotter than any charger that can still say so. */
const MIN_CELSIUS = -60
const MAX_CELSIUS = 300

/** Of the samples of one meter value. */
export function hottestIn(samples: readonly unknown[]): number | undefined {
  const all = samples.flatMap(celsiusOf)
  return all.length > 0 ? Math.max(...all) : undefined
}

function celsiusOf(given: unknown): readonly number[] {
  if (!isObject(given)) return []
  const sample = fieldsOf(given, new Set())
  if (text(sample, 'measurand', 60)?.toLowerCase() !== 'temperature') return []
  // The car's battery is no affair of the charger's.
  if (text(sample, 'location', 20)?.toLowerCase() === 'ev') return []
  const said = field(sample, 'value')
  const value = typeof said === 'string' ? numeral(said, new Set()) : said
  if (typeof value !== 'number' || !Number.isFinite(value)) return []
  const ofUnit = field(sample, 'unitOfMeasure')
  const holder = isObject(ofUnit) ? fieldsOf(ofUnit, new Set()) : sample
  const celsius = inCelsius(value, text(holder, 'unit', 20)?.trim().toLowerCase())
  return celsius !== undefined && celsius >= MIN_CELSIUS && celsius <= MAX_CELSIUS ? [celsius] : []
}

/** `Celcius` stands in the schema of OCPP 1.6. */
function inCelsius(value: number, unit: string | undefined): number | undefined {
  if (unit === undefined || unit === '' || /^(c|°c|celsius|celcius)$/.test(unit)) return value
  if (/^(f|°f|fahrenheit)$/.test(unit)) return ((value - 32) * 5) / 9
  return /^(k|kelvin)$/.test(unit) ? value - 273.15 : undefined
}

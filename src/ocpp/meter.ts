// Meter values of OCPP 1.6 in our words: the energy register in whole Wh, power in W, state of charge, and signed
// values byte for byte. Samples that say none of these are left out. Never throws; bounded.
import type { MeterReading } from '../ports.ts'
import { type Fields, field, fieldsOf, isObject, list, numeral, type Repairs, text, time } from './repair.ts'

/** A message of 64 KiB could hold thousands; what lies between the first and the last half is left out. */
export const MAX_READINGS = 256
/** The signed value is at most 2,500 characters, in a JSON object in a string; twice that for its escapes. */
export const MAX_SIGNED_CHARACTERS = 8192
/** 1,000 GWh: more than any register shows, and far inside what a double counts exactly. */
export const MAX_REGISTER_WH = 1e12
const MAX_POWER_W = 1e8

const ENERGY = 'energy.active.import.register'
const POWER = 'power.active.import'
const SOC = 'soc'

type Sample = {
  readonly measurand: string
  readonly phase: string | undefined
  readonly outlet: boolean
  readonly value: number
}

/** The readings under `name` (meterValue or transactionData), in the order sent. */
export function readings(fields: Fields, name: string): readonly MeterReading[] {
  const values = list(fields, name)
  const found: MeterReading[] = []
  for (const value of bounded(values, fields.repairs)) {
    if (isObject(value)) found.push(...readingsOf(fieldsOf(value, fields.repairs)))
    else fields.repairs.add('wrong-type')
  }
  return bounded(found, fields.repairs)
}

/** The register's last value in a list of readings. */
export function lastRegister(of: readonly MeterReading[]): number | undefined {
  return of.findLast(reading => reading.energyWh !== undefined)?.energyWh
}

function bounded<T>(values: readonly T[], repairs: Repairs): readonly T[] {
  if (values.length <= MAX_READINGS) return values
  repairs.add('too-many-readings')
  return [...values.slice(0, MAX_READINGS / 2), ...values.slice(-MAX_READINGS / 2)]
}

function readingsOf(fields: Fields): readonly MeterReading[] {
  const sampledAt = time(fields, 'timestamp')
  const samples: Sample[] = []
  const signed: string[] = []
  for (const item of bounded(list(fields, 'sampledValue'), fields.repairs)) {
    const sampled = isObject(item) ? item : { value: item }
    const sample = fieldsOf(sampled, fields.repairs)
    if (text(sample, 'format', 40)?.toLowerCase() === 'signeddata') signed.push(...signedValue(sample))
    else samples.push(...sampleOf(sample))
  }
  const energyWh = pick(samples, ENERGY)
  const powerW = pick(samples, POWER)
  const socPercent = pick(samples, SOC)
  const reading: MeterReading = {
    sampledAt,
    ...(energyWh === undefined ? {} : { energyWh: Math.round(energyWh) }),
    ...(powerW === undefined ? {} : { powerW: Math.round(powerW) }),
    ...(socPercent === undefined ? {} : { socPercent }),
  }
  const plain = Object.keys(reading).length > 1
  const [first, ...others] = signed
  if (first === undefined) return plain ? [reading] : []
  return [{ ...reading, signed: first }, ...others.map(value => ({ sampledAt, signed: value }))]
}

function signedValue(sample: Fields): readonly string[] {
  const value = field(sample, 'value')
  if (typeof value === 'string' && value.length <= MAX_SIGNED_CHARACTERS) return [value]
  // An object instead of the string that holds it: its bytes are lost already, so no signature could be checked.
  sample.repairs.add(typeof value === 'string' ? 'signed-too-long' : 'signed-not-text')
  return []
}

function sampleOf(sample: Fields): readonly Sample[] {
  const measurand = (text(sample, 'measurand', 60) ?? ENERGY).toLowerCase()
  if (measurand !== ENERGY && measurand !== POWER && measurand !== SOC) return []
  const value = scaled(sample, measurand)
  if (value === undefined) return []
  const location = text(sample, 'location', 20)?.toLowerCase()
  const phase = text(sample, 'phase', 20)?.toUpperCase()
  return [{ measurand, phase, outlet: location === undefined || location === 'outlet', value }]
}

function scaled(sample: Fields, measurand: string): number | undefined {
  const value = field(sample, 'value')
  if (typeof value === 'number') sample.repairs.add('numeric-value')
  const plain = typeof value === 'string' ? numeral(value, sample.repairs) : value
  const factor = unitFactor(sample, measurand)
  if (typeof plain !== 'number' || !Number.isFinite(plain) || factor === undefined) {
    sample.repairs.add(factor === undefined ? 'unknown-unit' : 'bad-value')
    return undefined
  }
  const result = plain * factor
  const limit = measurand === ENERGY ? MAX_REGISTER_WH : measurand === POWER ? MAX_POWER_W : 100
  // Power flows back in a discharging car; a register and a state of charge are never below zero.
  const lowest = measurand === POWER ? -MAX_POWER_W : 0
  if (result >= lowest && result <= limit) return result
  sample.repairs.add('value-out-of-range')
  return undefined
}

/** A map, here and wherever a charger's word is looked up: an object would know `__proto__`. */
const PREFIXES: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1e3],
  ['m', 1e6],
])

/** From the sample's unit to Wh, W or percent; OCPP 2's unit object with its decimal multiplier is read too. */
function unitFactor(sample: Fields, measurand: string): number | undefined {
  const unitObject = field(sample, 'unitOfMeasure')
  const holder = isObject(unitObject) ? fieldsOf(unitObject, sample.repairs) : sample
  const unit = text(holder, 'unit', 20)?.trim().toLowerCase()
  const multiplier = field(holder, 'multiplier')
  const power = multiplier === undefined ? 0 : Number(multiplier)
  if (!Number.isInteger(power) || Math.abs(power) > 9) return undefined
  // Dividing by 1000 is exact where multiplying by 0.001 is not.
  const shift = power < 0 ? 1 / 10 ** -power : 10 ** power
  if (unit === undefined || unit === '') return shift
  if (measurand === SOC) return unit === 'percent' || unit === '%' ? shift : undefined
  const base = measurand === ENERGY ? 'wh' : 'w'
  if (!unit.endsWith(base)) return undefined
  const prefix = PREFIXES.get(unit.slice(0, -base.length))
  return prefix === undefined ? undefined : prefix * shift
}

/** The total, without a phase, at the outlet when several places are measured; else the sum of the phases. */
function pick(samples: readonly Sample[], measurand: string): number | undefined {
  const fitting = samples.filter(sample => sample.measurand === measurand)
  const atOutlet = fitting.filter(sample => sample.outlet)
  const chosen = atOutlet.length > 0 ? atOutlet : fitting
  const total = chosen.findLast(sample => sample.phase === undefined || sample.phase === '')
  if (total) return total.value
  const byPhase = new Map<string, number>()
  for (const { phase, value } of chosen) {
    const line = LINES.find(name => phase === name || phase === `${name}-N`)
    if (line) byPhase.set(line, value)
  }
  if (byPhase.size === 0) return undefined
  const sum = [...byPhase.values()].reduce((a, b) => a + b, 0)
  return measurand === SOC ? undefined : sum
}

/** Voltages between lines (`L1-L2`) carry no energy. */
const LINES = ['L1', 'L2', 'L3']

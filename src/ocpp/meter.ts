// Meter values of OCPP 1.6 and 2.0.1 in our words: the energy register in whole Wh, power in W, state of charge, and
// signed values byte for byte. Only Energy.Active.Import.Register is a register: an interval says what flowed in it and
// would be taken for a meter at 0, and a net register goes back when a car feeds in. Never throws; bounded.
import type { MeterReading } from '../ports.ts'
import { type Fields, field, fieldsOf, isObject, list, numeral, type Repairs, text, time } from './repair.ts'
import { hottestIn } from './temperature.ts'

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

/** No registers, and named where they are all that a charger says of its energy. */
const OTHER_ENERGY: Readonly<Record<string, string>> = {
  'energy.active.import.interval': 'only-intervals',
  'energy.active.net': 'only-net-energy',
}

/** Where a sample may be taken, the driver's side first: what flows in at the inlet may feed other connectors too. */
const LOCATIONS = ['outlet', 'cable', 'body', 'inlet', 'upstream', 'ev']

type Sample = {
  readonly measurand: string
  readonly phase: string | undefined
  readonly location: string
  readonly isBegin: boolean
  /** Missing where it cannot be read. */
  readonly value: number | undefined
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
  const instead = new Set<string>()
  for (const item of bounded(list(fields, 'sampledValue'), fields.repairs)) {
    const sampled = isObject(item) ? item : { value: item }
    const sample = fieldsOf(sampled, fields.repairs)
    signed.push(...signedBeside(sample))
    if (text(sample, 'format', 40)?.trim().toLowerCase() === 'signeddata') signed.push(...signedValue(sample))
    else samples.push(...sampleOf(sample, instead))
  }
  const energyWh = pick(samples, ENERGY, fields.repairs)
  if (energyWh === undefined) for (const word of instead) fields.repairs.add(word)
  const powerW = pick(samples, POWER, fields.repairs)
  const socPercent = pick(samples, SOC, fields.repairs)
  const temperatureC = hottestIn(list(fields, 'sampledValue').slice(0, MAX_READINGS))
  const reading: MeterReading = {
    sampledAt,
    ...(energyWh === undefined ? {} : { energyWh: Math.round(energyWh) }),
    ...(powerW === undefined ? {} : { powerW: Math.round(powerW) }),
    ...(socPercent === undefined ? {} : { socPercent }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
  }
  const plain = Object.keys(reading).length > 1
  const [first, ...others] = signed
  if (first === undefined) return plain ? [reading] : []
  return [{ ...reading, signed: first }, ...others.map(value => ({ sampledAt, signed: value }))]
}

/** OCPP 1.6: the object of OCPP 2 as text in the value. */
function signedValue(sample: Fields): readonly string[] {
  const value = field(sample, 'value')
  if (typeof value === 'string') return signedText(value, sample.repairs)
  // What is signed stands in a text inside, so an object in place of its text has lost blanks only.
  sample.repairs.add('signed-not-text')
  return isObject(value) ? signedText(JSON.stringify(value), sample.repairs) : []
}

/** OCPP 2.0.1: an object beside the plain value; kept as the text that OCPP 1.6 would have carried. */
function signedBeside(sample: Fields): readonly string[] {
  const value = field(sample, 'signedMeterValue')
  if (value === undefined) return []
  if (isObject(value)) return signedText(JSON.stringify(value), sample.repairs)
  sample.repairs.add('wrong-type')
  return []
}

function signedText(value: string, repairs: Repairs): readonly string[] {
  if (value.length <= MAX_SIGNED_CHARACTERS) return [value]
  repairs.add('signed-too-long')
  return []
}

function sampleOf(sample: Fields, instead: Set<string>): readonly Sample[] {
  const measurand = (text(sample, 'measurand', 60) ?? ENERGY).trim().toLowerCase()
  if (Object.hasOwn(OTHER_ENERGY, measurand)) instead.add(OTHER_ENERGY[measurand] ?? '')
  if (measurand !== ENERGY && measurand !== POWER && measurand !== SOC) return []
  const value = scaled(sample, measurand)
  const location = text(sample, 'location', 20)?.trim().toLowerCase() || 'outlet'
  const phase = text(sample, 'phase', 20)?.trim().toUpperCase()
  const isBegin = text(sample, 'context', 40)?.trim().toLowerCase() === 'transaction.begin'
  return [{ measurand, phase, location, isBegin, value }]
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
  ['g', 1e9],
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

/**
 * The total, without a phase, nearest to the driver where several places are measured; else the sum of the phases. Of
 * what was read at the begin and later, in one list, the later.
 */
function pick(samples: readonly Sample[], measurand: string, repairs: Repairs): number | undefined {
  const fitting = samples.filter(sample => sample.measurand === measurand)
  const later = fitting.filter(sample => !sample.isBegin)
  const chosen = nearest(later.length > 0 ? later : fitting, measurand, repairs)
  const total = chosen.findLast(sample => !sample.phase && sample.value !== undefined)
  if (total) return total.value
  const byPhase = new Map<string, number | undefined>()
  for (const { phase, value } of chosen) {
    const line = LINES.find(name => phase === name || phase === `${name}-N`)
    if (line) byPhase.set(line, value)
  }
  const values = [...byPhase.values()]
  // Without one of its phases a register would seem to go back, or to jump when that phase is there again.
  if (values.length === 0 || measurand === SOC) return undefined
  return values.reduce((a, b) => (a === undefined || b === undefined ? undefined : a + b))
}

function nearest(samples: readonly Sample[], measurand: string, repairs: Repairs): readonly Sample[] {
  const found = LOCATIONS.find(place => samples.some(({ location }) => location === place))
  // A place that we do not know is not the driver's side.
  const chosen = found === undefined ? samples : samples.filter(({ location }) => location === found)
  if (measurand !== ENERGY || chosen.length === 0 || found === 'outlet') return chosen
  if (found !== 'ev') {
    repairs.add('not-at-outlet')
    return chosen
  }
  repairs.add('register-of-car')
  return []
}

/** Voltages between lines (`L1-L2`) carry no energy. */
const LINES = ['L1', 'L2', 'L3']

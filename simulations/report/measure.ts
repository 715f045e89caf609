// Figures as a reader wants them: with a unit, in thin groups of three, and never rounded to a promise that was not kept:
// a share is 100 % only when nothing is missing, and 0 % only when there is nothing.
import type { Percentiles, Share } from '../outcome.ts'

const THIN = '\u202f'
const NONE = 'none'

export function count(value: number): string {
  const [whole = '', part] = String(Math.abs(value)).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN)
  return `${value < 0 ? '−' : ''}${grouped}${part === undefined ? '' : `.${part}`}`
}

/** "1 session", "2 sessions", "no session". */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  if (value === 0) return `no ${noun}`
  return value === 1 ? `1 ${noun}` : `${count(value)} ${plural}`
}

export function bytes(value: number): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB'])
}

export function energy(wattHours: number): string {
  return scaled(wattHours, ['Wh', 'kWh', 'MWh', 'GWh'])
}

function scaled(value: number, units: readonly string[]): string {
  let left = value
  let step = 0
  while (left >= 999.5 && step < units.length - 1) {
    left /= 1000
    step++
  }
  const text = step === 0 || left >= 99.95 ? String(Math.round(left)) : left.toFixed(1)
  return `${text.includes('.') ? text : count(Number(text))}${THIN}${units[step] ?? ''}`
}

export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'never'
  if (ms < 999.5) return `${Math.round(ms)}${THIN}ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}${THIN}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return paired([Math.floor(seconds / 60), 'min'], [seconds % 60, 's'])
  const minutes = Math.round(ms / 60_000)
  if (minutes < 48 * 60) return paired([Math.floor(minutes / 60), 'h'], [minutes % 60, 'min'])
  const hours = Math.round(ms / 3_600_000)
  return paired([Math.floor(hours / 24), 'd'], [hours % 24, 'h'])
}

type Amount = readonly [number, string]
function paired([large, unit]: Amount, [small, smallUnit]: Amount): string {
  const first = `${count(large)}${THIN}${unit}`
  return small === 0 ? first : `${first} ${small}${THIN}${smallUnit}`
}

export function share({ good, of }: Share): string {
  if (of === 0) return NONE
  const tenths = Math.floor((good / of) * 1000)
  if (tenths === 0 && good > 0) return `< 0.1${THIN}%`
  return good === of ? `100${THIN}%` : `${(tenths / 10).toFixed(1)}${THIN}%`
}

export function percentile(
  of: Percentiles,
  at: 'p50' | 'p95' | 'max',
  format: (value: number) => string,
): string {
  return of.count === 0 ? NONE : format(of[at])
}

/** "95 of 100 within 3.0 s; 20 sessions". */
export function edge(of: Percentiles, noun: string): string {
  const cases = counted(of.count, noun)
  return of.count === 0 ? cases : `95 of 100 within ${duration(of.p95)}; ${cases}`
}

/** Of any number of values, nearest rank; none of none. */
export function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (rank: number): number => sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p95: at(0.95), max: at(1), count: sorted.length }
}

export function summed(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

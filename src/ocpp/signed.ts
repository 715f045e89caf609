// A signed meter value as a charger sent it, and what can be said of it. OCPP wraps what the meter signed into an object
// (1.6: as text; 2.0.1: as an object, which meter.ts keeps as text); some firmware sends the meter's own text bare.
import type { KeyObject } from 'node:crypto'
import { type Ocmf, type OcmfReading, readOcmf, readPublicKey, verifyOcmf } from './ocmf.ts'

export type SignedVerdict = 'valid' | 'not-valid' | 'key-unknown' | 'format-unknown'

export type Examined = {
  readonly verdict: SignedVerdict
  readonly reason?: string
  /** OCMF, or what the charger calls it. */
  readonly format: string
  /** What the meter signed, out of its wrapping. */
  readonly content: string
  readonly ocmf?: Ocmf
  /** Whose key it was that fits: one that was given, or the one that came along, which proves only that nothing changed since. */
  readonly keyFrom?: 'given' | 'value'
}

/** Keys that were given count before the one that comes along: whoever makes values up can make a key up too. */
export function examine(text: string, given: readonly KeyObject[]): Examined {
  const { content, format, publicKey } = unwrap(text)
  const ocmf = readOcmf(content)
  if (!ocmf) {
    const reason = /ocmf/i.test(format) ? 'it is called OCMF and is not' : 'only OCMF is verified'
    return { verdict: 'format-unknown', reason, format, content }
  }
  const own = publicKey === undefined ? undefined : readPublicKey(publicKey)
  const keys = given.length > 0 ? given : own ? [own] : []
  const found = verifyOcmf(ocmf, keys)
  const about = { format: 'OCMF', content, ocmf }
  if (found.kind !== 'valid') return { verdict: found.kind, reason: found.reason, ...about }
  return { verdict: 'valid', ...about, keyFrom: given.length > 0 ? 'given' : 'value' }
}

type Unwrapped = { readonly content: string; readonly format: string; readonly publicKey?: string }

function unwrap(text: string): Unwrapped {
  const wrapping = objectIn(text)
  if (!wrapping) return { content: plain(text), format: text.startsWith('OCMF|') ? 'OCMF' : 'unknown' }
  const { signedMeterData, encodingMethod, publicKey } = wrapping
  return {
    content: plain(typeof signedMeterData === 'string' ? signedMeterData : ''),
    format: (typeof encodingMethod === 'string' && encodingMethod.slice(0, 50)) || 'unknown',
    ...(typeof publicKey === 'string' && publicKey !== '' && { publicKey }),
  }
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith('{')) return undefined
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    // A brace and no JSON: the meter's own text.
    return undefined
  }
}

/** OCPP sends base64; some firmware forgets to. */
function plain(data: string): string {
  if (data.startsWith('OCMF|')) return data
  const decoded = Buffer.from(data, 'base64')
  return decoded.subarray(0, 5).toString('latin1') === 'OCMF|' ? decoded.toString('utf8') : data
}

export type Registers = { readonly beginWh: number; readonly endWh: number }
export type Agreement = {
  readonly verdict: 'agree' | 'differ' | 'unknown'
  readonly signed?: Registers
}

/** Ends of a transaction: ordinary, local, remote, aborted, power failed. */
const ENDS = ['E', 'L', 'R', 'A', 'P']
const EXPORT = /(^|:)(0?2\.0?8|C\d\.0?8)/i

/**
 * Whether begin and end that a meter signed are those of the session. A meter may sign a register of its own that begins
 * at 0 with each session, or several: it is enough that of one of them what flowed is the same.
 */
export function compare(records: readonly Ocmf[], session: Registers): Agreement {
  const resolutionWh = Math.max(1, ...records.map(record => record.resolutionWh))
  const found = pairsOf(records.flatMap(record => record.readings))
  const flowed = ({ beginWh, endWh }: Registers): number => endWh - beginWh
  // Each end is rounded by itself.
  const isSame = (one: Registers): boolean => Math.abs(flowed(one) - flowed(session)) <= 2 * resolutionWh
  const fits = (one: Registers): boolean =>
    isSame(one) && Math.abs(one.endWh - session.endWh) <= 2 * resolutionWh
  const best = found.find(fits) ?? found.find(isSame) ?? found[0]
  if (!best) return { verdict: 'unknown' }
  return { verdict: isSame(best) ? 'agree' : 'differ', signed: best }
}

/** Begin and end of each register that brings energy in; readings that their own meter calls wrong are left out. */
function pairsOf(readings: readonly OcmfReading[]): readonly Registers[] {
  const byRegister = new Map<string, { begin?: number; end?: number }>()
  for (const { reason, identification, energyWh, errors } of readings) {
    if (energyWh === undefined || errors.includes('E') || EXPORT.test(identification)) continue
    const held = byRegister.get(identification) ?? {}
    byRegister.set(identification, held)
    if (reason === 'B') held.begin ??= energyWh
    if (ENDS.includes(reason)) held.end = energyWh
  }
  return [...byRegister.values()].flatMap(({ begin, end }) =>
    begin === undefined || end === undefined ? [] : { beginWh: begin, endWh: end },
  )
}

// OCMF, the Open Charge Metering Format (S.A.F.E., 1.0 to 1.4): `OCMF|payload|signature`. What is signed are the bytes of
// the payload as they came, so they are never written anew. Reads and verifies; never throws; says of the law nothing:
// whether a key is the meter's own is for whoever gives it to know.
import { createPublicKey, type KeyObject, verify } from 'node:crypto'

export type OcmfReading = {
  /** As the meter wrote it, with the state of its clock. */
  readonly time: string
  /** Why it was read: B begin, C charging, E end, and the other ends L, R, A, P. */
  readonly reason: string
  readonly energyWh?: number
  /** Which quantity, by its OBIS code. */
  readonly identification: string
  /** G is good. */
  readonly status: string
  /** With E or t in it, energy or time are of no use. */
  readonly errors: string
}

export type Ocmf = {
  readonly payload: string
  readonly algorithm: string
  readonly signature: Uint8Array | undefined
  /** Serial numbers and the page, which is one more in each record of a meter. */
  readonly meter: string
  readonly gateway: string
  readonly page: string
  readonly readings: readonly OcmfReading[]
  /** What the last digit of its readings counts. */
  readonly resolutionWh: number
}

const HEADER = 'OCMF|'
const MAX_READINGS = 1000
/** Since version 0.4. */
const DEFAULT_ALGORITHM = 'ECDSA-secp256r1-SHA256'
/** By the curve's name in OCMF: that of OpenSSL, and the bytes of a coordinate. */
const CURVES: ReadonlyMap<string, readonly [name: string, bytes: number]> = new Map([
  ['secp192k1', ['secp192k1', 24]],
  ['secp192r1', ['prime192v1', 24]],
  ['secp256k1', ['secp256k1', 32]],
  ['secp256r1', ['prime256v1', 32]],
  ['secp384r1', ['secp384r1', 48]],
  ['brainpool256r1', ['brainpoolP256r1', 32]],
  ['brainpool384r1', ['brainpoolP384r1', 48]],
])

/** Undefined when it is no OCMF. */
export function readOcmf(text: string): Ocmf | undefined {
  const end = text.lastIndexOf('|')
  if (!text.startsWith(HEADER) || end < HEADER.length) return undefined
  const payload = text.slice(HEADER.length, end)
  const said = objectIn(payload)
  const signed = objectIn(text.slice(end + 1))
  if (!said || !signed) return undefined
  return {
    payload,
    algorithm: wordIn(signed, 'SA') || DEFAULT_ALGORITHM,
    signature: signatureIn(signed),
    meter: wordIn(said, 'MS'),
    gateway: wordIn(said, 'GS'),
    page: wordIn(said, 'PG'),
    readings: readingsIn(said),
    resolutionWh: resolutionIn(payload),
  }
}

type Fields = Readonly<Record<string, unknown>>

function objectIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined
  } catch {
    // Not JSON, so no OCMF either: the caller says so.
    return undefined
  }
}

function wordIn(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value.slice(0, 100) : ''
}

function signatureIn(signed: Fields): Uint8Array | undefined {
  const { SD: data, SE: encoding = 'hex', SM: kind = 'application/x-der' } = signed
  if (typeof data !== 'string' || kind !== 'application/x-der') return undefined
  if (encoding === 'base64') return new Uint8Array(Buffer.from(data, 'base64'))
  return encoding === 'hex' && isHex(data) ? new Uint8Array(Buffer.from(data, 'hex')) : undefined
}

function isHex(text: string): boolean {
  return text.length > 0 && text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text)
}

/** A reading leaves out what is as in the one before it. */
function readingsIn({ RD: list }: Fields): readonly OcmfReading[] {
  if (!Array.isArray(list)) return []
  let all: Fields = {}
  return list.slice(0, MAX_READINGS).flatMap(one => {
    if (typeof one !== 'object' || one === null) return []
    all = { ...all, ...one }
    const energyWh = energyIn(all, 'RV' in one)
    return {
      ...{ time: wordIn(all, 'TM'), reason: wordIn(all, 'TX'), identification: wordIn(all, 'RI') },
      ...{ status: wordIn(all, 'ST'), errors: wordIn(all, 'EF') },
      ...(energyWh !== undefined && { energyWh }),
    }
  })
}

const UNITS_WH: Readonly<Record<string, number>> = { kwh: 1000, wh: 1 }

function energyIn(fields: Fields, isRead: boolean): number | undefined {
  const factor = UNITS_WH[wordIn(fields, 'RU').toLowerCase()]
  const value = typeof fields.RV === 'string' ? Number(fields.RV) : fields.RV
  if (!isRead || factor === undefined || typeof value !== 'number') return undefined
  const energyWh = Math.round(value * factor)
  return Number.isSafeInteger(energyWh) ? energyWh : undefined
}

/** By the digits that were written: 2935.600 says more than 2935.6. */
function resolutionIn(payload: string): number {
  const written = [...payload.matchAll(/"RV"\s*:\s*"?-?\d+(?:\.(\d+))?/g)]
  const digits = Math.max(0, ...written.map(([, decimals = '']) => decimals.length))
  const unitWh = /"RU"\s*:\s*"wh"/i.test(payload) ? 1 : 1000
  return unitWh / 10 ** Math.min(digits, 12)
}

export type SignatureVerdict =
  | { readonly kind: 'valid'; readonly key: KeyObject }
  | { readonly kind: 'not-valid' | 'key-unknown' | 'format-unknown'; readonly reason: string }

/** Valid when one of the keys made the signature. */
export function verifyOcmf(ocmf: Ocmf, keys: readonly KeyObject[]): SignatureVerdict {
  const { algorithm, signature, payload } = ocmf
  const [, named = ''] = /^ECDSA-(\w+)-SHA256$/.exec(algorithm) ?? []
  // Some meters write the P of OpenSSL's name.
  const curve = CURVES.get(named.replace('brainpoolP', 'brainpool'))
  if (!curve) return { kind: 'format-unknown', reason: `unknown algorithm ${algorithm}` }
  const [name, bytes] = curve
  const numbers = signature && numbersIn(signature, bytes)
  if (!numbers) return { kind: 'not-valid', reason: 'its signature cannot be read' }
  const fitting = keys.filter(key => key.asymmetricKeyDetails?.namedCurve === name)
  if (keys.length === 0) return { kind: 'key-unknown', reason: 'no public key was given, and it brings none' }
  if (fitting.length === 0) return { kind: 'key-unknown', reason: `no key given is one for ${algorithm}` }
  const key = fitting.find(one =>
    verify('sha256', Buffer.from(payload, 'utf8'), { key: one, dsaEncoding: 'ieee-p1363' }, numbers),
  )
  return key
    ? { kind: 'valid', key }
    : { kind: 'not-valid', reason: 'the key did not sign this: values, signature or key are others' }
}

/** The two numbers of a signature, each as many bytes long. Some meters write no DER, or leave out its zero before a high first bit. */
function numbersIn(der: Uint8Array, size: number): Uint8Array | undefined {
  if (der.length === 2 * size) return der
  const [r, s] = [integerAt(der, 2), integerAt(der, 4 + (der[3] ?? 0))]
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || !r || !s) return undefined
  if (r.length > size || s.length > size) return undefined
  const numbers = new Uint8Array(2 * size)
  numbers.set(r, size - r.length)
  numbers.set(s, 2 * size - s.length)
  return numbers
}

function integerAt(der: Uint8Array, place: number): Uint8Array | undefined {
  const [kind, length = 0] = [der[place], der[place + 1]]
  const bytes = der.subarray(place + 2, place + 2 + length)
  if (kind !== 2 || length === 0 || bytes.length < length) return undefined
  const first = bytes.findIndex(byte => byte !== 0)
  return first < 0 ? undefined : bytes.subarray(first)
}

/**
 * A public key as PEM, or in hex or base64: its DER (SubjectPublicKeyInfo), or a bare point of secp256r1, OCMF's default.
 * Also as OCPP sends it: the base64 of `oca:base16:asn1:` and the hex. Undefined when it is none of an elliptic curve.
 */
export function readPublicKey(text: string): KeyObject | undefined {
  const given = text.trim()
  const inner = given.startsWith('oca:') ? given : Buffer.from(given, 'base64').toString('latin1')
  const [, encoding, body] = /^oca:(base16|base64|hex):asn1:\s*([\s\S]+)$/.exec(inner) ?? []
  try {
    if (given.startsWith('-----')) return ellipticOnly(createPublicKey(given))
    const bytes =
      body === undefined
        ? Buffer.from(given, isHex(given) ? 'hex' : 'base64')
        : Buffer.from(body.trim(), encoding === 'base64' ? 'base64' : 'hex')
    return ellipticOnly(pointIn(bytes) ?? createPublicKey({ key: bytes, format: 'der', type: 'spki' }))
  } catch {
    // Not a key: the caller says which text it was.
    return undefined
  }
}

function ellipticOnly(key: KeyObject): KeyObject | undefined {
  return key.asymmetricKeyType === 'ec' ? key : undefined
}

const COORDINATE_BYTES = 32
const UNCOMPRESSED = 4

function pointIn(bytes: Buffer): KeyObject | undefined {
  const point = bytes.length % 2 === 1 && bytes[0] === UNCOMPRESSED ? bytes.subarray(1) : bytes
  if (point.length !== 2 * COORDINATE_BYTES) return undefined
  const [x, y] = [point.subarray(0, COORDINATE_BYTES), point.subarray(COORDINATE_BYTES)]
  const [inX, inY] = [x.toString('base64url'), y.toString('base64url')]
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: inX, y: inY }, format: 'jwk' })
}

// The words that cross every boundary: branded ids (hex strings) and the functions that make them from
// bytes. Numbers carry their unit in their name (`energyWh`, `timeoutMs`), instants end in `At` and are UTC
// milliseconds since 1970.

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/** SHA-256("chargemesh/site/v1" || root public key), first 16 bytes, as 32 hex digits. */
export type SiteId = Brand<string, 'SiteId'>
/** SHA-256("chargemesh/device/v1" || log public key), first 16 bytes, as 32 hex digits (PROTOCOL 1.2). */
export type DeviceId = Brand<string, 'DeviceId'>
/** 16 random bytes drawn when a log is opened, as 32 hex digits (PROTOCOL 1.4). */
export type EpochId = Brand<string, 'EpochId'>
/** SHA-256("chargemesh/log/v1" || deviceId || epochId), first 16 bytes, as 32 hex digits. */
export type LogId = Brand<string, 'LogId'>
/** Derived from what the charger itself said (PROTOCOL 3.2), 32 hex digits. */
export type SessionId = Brand<string, 'SessionId'>
/** Keyed, stretched reference to a card (PROTOCOL 2.5), 32 hex digits. Never the card's own id. */
export type TokenRef = Brand<string, 'TokenRef'>
/** Hash of an event with its signature, 64 hex digits; the next event's `prev`. */
export type EventHash = Brand<string, 'EventHash'>
/** SHA-256 of a certificate's signed bytes, 64 hex digits. */
export type CertHash = Brand<string, 'CertHash'>
/** The identity that a charger uses in its OCPP URL; matches ^[A-Za-z0-9_.-]{1,48}$. */
export type ChargerId = Brand<string, 'ChargerId'>
/** libp2p peer id, as base58 text. */
export type PeerId = Brand<string, 'PeerId'>

/** Lower-case hex of some bytes, branded as the id that the caller says it is. */
export function hex<T extends string = string>(bytes: Uint8Array): T {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as T
}

/** Bytes of a hex text. Throws RangeError on an odd length or a character that is no hex digit. */
export function unhex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new RangeError('hex text has an odd length')
  const bytes = new Uint8Array(text.length / 2)
  let all = 0
  for (let i = 0; i < bytes.length; i++) {
    const high = DIGITS[text.charCodeAt(2 * i)] ?? -1
    const low = DIGITS[text.charCodeAt(2 * i + 1)] ?? -1
    all |= high | low
    bytes[i] = high * 16 + low
  }
  if (all < 0) throw new RangeError('hex text has a character that is no hex digit')
  return bytes
}

/** What each character of hex text is worth, or -1. Ids are written in lower case, and only so. */
const DIGITS = new Int8Array(128).fill(-1)
for (let digit = 0; digit < 16; digit++) DIGITS[digit.toString(16).charCodeAt(0)] = digit

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Writes a whole number below 2^48, big-endian. */
export function setUint48(view: DataView, at: number, value: number): void {
  view.setUint16(at, Math.floor(value / 2 ** 32))
  view.setUint32(at + 2, value % 2 ** 32)
}

const CHARGER_ID = /^[A-Za-z0-9_.-]{1,48}$/

/** A charger's identity, or undefined when it is none that we accept (PROTOCOL 7.5). Dots alone name folders, so they are refused. */
export function chargerId(text: string): ChargerId | undefined {
  return CHARGER_ID.test(text) && !/^\.+$/.test(text) ? (text as ChargerId) : undefined
}

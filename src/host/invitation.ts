// An invitation: a code of some forty characters, good once and for minutes. Whoever carries it from the operator's machine to
// a new node lets the two prove to each other, over a network that nobody trusts, that they are the ones who were meant
// (PROTOCOL 2.6). Pure: text and bytes in, text and bytes out.
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { sha256, utf8Bytes } from '../identity/hash.ts'
import { concatBytes, sameBytes } from '../units.ts'

export const SECRET_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CHECK_BYTES = 2
/** Fits seven bits; the eighth is for codes to come. */
const MAX_HOST = 64
/** Crockford's base 32: no I, L, O and U, so that nobody reads one for another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const GROUP = 5

export type Invitation = {
  /** Where the operator's machine listens. */
  readonly host: string
  readonly port: number
  readonly secret: Uint8Array
}

/** In groups of five, for people who type. */
export function codeOf({ host, port, secret }: Invitation): string {
  const name = isIPv4(host) ? Uint8Array.from(host.split('.'), Number) : utf8Bytes(host)
  const head = Uint8Array.of(isIPv4(host) ? 0 : name.length, port >> 8, port & 255)
  const body = concatBytes([head, name, secret])
  const text = base32(concatBytes([body, checkOf(body)]))
  return text.match(new RegExp(`.{1,${GROUP}}`, 'g'))?.join('-') ?? ''
}

/** What a code says; undefined when a character of it is wrong or missing. Case, spaces and dashes do not matter. */
export function invitationIn(code: string): Invitation | undefined {
  const bytes = fromBase32(code)
  const body = bytes?.subarray(0, -CHECK_BYTES)
  if (!bytes || !body || body.length < 3 + SECRET_BYTES) return undefined
  if (!sameBytes(checkOf(body), bytes.subarray(-CHECK_BYTES))) return undefined
  const [length = 0, high = 0, low = 0] = body
  const name = body.subarray(3, -SECRET_BYTES)
  if (name.length !== (length || 4) || length > MAX_HOST) return undefined
  const host = length === 0 ? name.join('.') : new TextDecoder().decode(name)
  return { host, port: high * 256 + low, secret: body.slice(-SECRET_BYTES) }
}

/** What a box is for. The last is no part of an invitation: see mdns.ts. */
export type Direction = 'ask' | 'answer' | 'done' | 'hint'

/** AES-256-GCM under a key that the secret and the direction give (RFC 5869, 5116). `nonce`: 12 random bytes, never used twice. */
export function boxWith(
  secret: Uint8Array,
  direction: Direction,
  { nonce, plain }: { readonly nonce: Uint8Array; readonly plain: Uint8Array },
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, direction), nonce)
  return concatBytes([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The plain bytes, or undefined for anything that was not made with this secret for this direction. */
export function openBox(secret: Uint8Array, direction: Direction, box: Uint8Array): Uint8Array | undefined {
  if (box.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, direction), box.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(box.subarray(-TAG_BYTES))
  try {
    return concatBytes([decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

function keyOf(secret: Uint8Array, direction: Direction): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `chargemesh/join/v1/${direction}`, 32))
}

function checkOf(body: Uint8Array): Uint8Array {
  return sha256(body).subarray(0, CHECK_BYTES)
}

function base32(bytes: Uint8Array): string {
  let [text, held, bits] = ['', 0, 0]
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text
}

function fromBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let [held, bits] = [0, 0]
  for (const letter of text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')) {
    const value = ALPHABET.indexOf(letter)
    if (value < 0) return undefined
    held = (held << 5) | value
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 255)
    held &= (1 << bits) - 1
  }
  // What is left over fills the last character, with zeros.
  return bits >= 5 || held !== 0 ? undefined : Uint8Array.from(bytes)
}

// The forms in which a signed receipt travels: lines of base64 for a file or a letter, and one line of capitals for a QR
// code, whose alphanumeric mode holds them at 5.5 bits a character. All hold the same signed bytes, deflated in the QR code,
// since site and names stand in them several times. What is read back is bounded before it is opened.
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { MAX_FILE_BYTES, MAX_RECEIPT_BYTES } from './receipt-signed.ts'

const BEGIN = '-----BEGIN CHARGEMESH RECEIPT-----'
const END = '-----END CHARGEMESH RECEIPT-----'
/** `chargemesh:receipt/1/`, in the capitals that a QR code takes. */
export const QR_PREFIX = 'CHARGEMESH:RECEIPT/1/'
/** RFC 4648, without padding: no blanks and no signs that an address or a letter would change. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const LINE = 64
/** Signs of the longest file: four for three bytes, and the ends of its lines. */
export const MAX_TEXT = Math.ceil(MAX_FILE_BYTES * 1.5)

export function armoured(encoded: Uint8Array): string {
  const text = Buffer.from(encoded).toString('base64')
  return `${[BEGIN, ...(text.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []), END].join('\n')}\n`
}

export function qrText(encoded: Uint8Array): string {
  return `${QR_PREFIX}${toBase32(deflateRawSync(encoded, { level: 9 }))}`
}

/** Whether somebody means this to be a receipt, good or bad. */
export function isReceiptText(text: string): boolean {
  const begin = text.trimStart().slice(0, BEGIN.length)
  return begin === BEGIN || begin.toUpperCase().startsWith(QR_PREFIX)
}

/** The signed bytes in either form; undefined where the text is none, is cut short, or is longer than any receipt. */
export function signedBytesIn(text: string): Uint8Array | undefined {
  if (text.length > MAX_TEXT) return undefined
  const trimmed = text.trim()
  return trimmed.startsWith(BEGIN) ? fromArmour(trimmed) : fromQr(trimmed)
}

function fromArmour(text: string): Uint8Array | undefined {
  if (!text.endsWith(END)) return undefined
  const inner = text.slice(BEGIN.length, -END.length).replace(/\s/g, '')
  const bytes = Buffer.from(inner, 'base64')
  // Signs that are no base64 are left out when it is read.
  return bytes.toString('base64') === inner ? new Uint8Array(bytes) : undefined
}

/** A terminal or a letter may have broken the line. */
function fromQr(text: string): Uint8Array | undefined {
  const line = text.replace(/\s/g, '').toUpperCase()
  if (!line.startsWith(QR_PREFIX)) return undefined
  const packed = fromBase32(line.slice(QR_PREFIX.length))
  if (!packed) return undefined
  try {
    return new Uint8Array(inflateRawSync(packed, { maxOutputLength: MAX_RECEIPT_BYTES }))
  } catch {
    // Whatever zlib has against it: it is no receipt of ours.
    return undefined
  }
}

function toBase32(bytes: Uint8Array): string {
  let [held, bits, text] = [0, 0, '']
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += BASE32[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + BASE32[(held << (5 - bits)) & 31]
}

function fromBase32(text: string): Uint8Array | undefined {
  const parts: number[] = []
  let [held, bits] = [0, 0]
  for (const sign of text) {
    const value = BASE32.indexOf(sign)
    if (value < 0) return undefined
    held = (held << 5) | value
    bits += 5
    if (bits < 8) continue
    bits -= 8
    parts.push(held >> bits)
    held &= (1 << bits) - 1
  }
  // What is left over is no byte, and nothing.
  return bits < 5 && held === 0 ? Uint8Array.from(parts) : undefined
}

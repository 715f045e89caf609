// What nodes of one site say to one another by multicast DNS (RFC 6762), and who else may read it: nobody. The name that is
// asked for and the box that answers are made from the site key and the date, so that a stranger on the same Wi-Fi sees
// neither a network nor a device, and cannot make a hint of his own (PROTOCOL 7.4). Pure: bytes in, bytes out.
//
// A message is whole DNS, and always of one form: a question for the TXT record of `<32 hex digits>.local`, or that record.
// So reading is comparing, and nothing of what else is spoken at this port is ever parsed.
import { createHmac } from 'node:crypto'
import { utf8Bytes } from '../identity/hash.ts'
import { concatBytes } from '../units.ts'
import { decodeHint, encodeHint, type Hint, MAX_HINT_ADDRESSES } from './hints.ts'
import { boxWith, openBox } from './invitation.ts'

const DAY_MS = 86_400_000
const HEADER_BYTES = 12
const LABEL_BYTES = 32
const LOCAL = utf8Bytes('local')
/** Length, label, length, "local", and the root. */
const NAME_BYTES = 1 + LABEL_BYTES + 1 + LOCAL.length + 1
/** TXT, of the Internet. */
const KIND = Uint8Array.of(0, 16, 0, 1)
/** So long a cache may keep it; ours keep nothing. */
const TTL_S = 120
const QUESTION_HEAD = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
const ANSWER_HEAD = Uint8Array.of(0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0)
const QUESTION_BYTES = HEADER_BYTES + NAME_BYTES + KIND.length
const BOX_AT = QUESTION_BYTES + 4 + 2 + 1
/** One string of a TXT record. */
const MAX_BOX_BYTES = 255

/** What a site is called on one day, as DNS writes a name, and the key of what is said then. */
export type Day = { readonly name: Uint8Array; readonly key: Uint8Array }

/** Today by our clock, yesterday and tomorrow: the other's clock may differ. Today comes first; newer site keys before older. */
export function daysOf(siteKeys: readonly Uint8Array[], nowAt: number): readonly Day[] {
  return [0, -1, 1].flatMap(step => siteKeys.map(key => dayOf(key, nowAt + step * DAY_MS)))
}

function dayOf(siteKey: Uint8Array, at: number): Day {
  const date = Number.isFinite(at) && Math.abs(at) < 8e15 ? new Date(at).toISOString().slice(0, 10) : 'never'
  const key = hmac(siteKey, `chargemesh/mdns/v1/${date}`)
  const label = utf8Bytes(hmac(key, 'name').toString('hex').slice(0, LABEL_BYTES))
  const name = [Uint8Array.of(label.length), label, Uint8Array.of(LOCAL.length), LOCAL, Uint8Array.of(0)]
  return { name: concatBytes(name), key: new Uint8Array(key) }
}

function hmac(key: Uint8Array, words: string): Buffer {
  return createHmac('sha256', key).update(words).digest()
}

export function question({ name }: Day): Uint8Array {
  return concatBytes([QUESTION_HEAD, name, KIND])
}

/** `nonce`: 12 random bytes. As many addresses as fit. */
export function answer({ name, key }: Day, nonce: Uint8Array, hint: Hint): Uint8Array {
  let box: Uint8Array
  let count = Math.min(MAX_HINT_ADDRESSES, hint.addresses.length)
  do {
    const plain = encodeHint({ ...hint, addresses: hint.addresses.slice(0, count) })
    box = boxWith(key, 'hint', { nonce, plain })
    count -= 1
  } while (box.length > MAX_BOX_BYTES)
  const rest = new Uint8Array(7)
  const view = new DataView(rest.buffer)
  view.setUint32(0, TTL_S)
  view.setUint16(4, box.length + 1)
  view.setUint8(6, box.length)
  return concatBytes([ANSWER_HEAD, name, KIND, rest, box])
}

export type Heard =
  | { readonly kind: 'question'; readonly day: Day }
  | { readonly kind: 'answer'; readonly day: Day; readonly box: Uint8Array }

/** What a packet says to this site; undefined for everything else. Opens nothing yet. */
export function hear(packet: Uint8Array, days: readonly Day[]): Heard | undefined {
  if (packet.length < QUESTION_BYTES || packet.length > BOX_AT + MAX_BOX_BYTES) return undefined
  const isQuestion = packet.length === QUESTION_BYTES && startsWith(packet, QUESTION_HEAD)
  if (!isQuestion && !startsWith(packet, ANSWER_HEAD)) return undefined
  const day = days.find(({ name }) => startsWith(packet.subarray(HEADER_BYTES), name))
  if (!day || !startsWith(packet.subarray(HEADER_BYTES + NAME_BYTES), KIND)) return undefined
  if (isQuestion) return { kind: 'question', day }
  const box = packet.subarray(BOX_AT)
  return packet[BOX_AT - 1] === box.length ? { kind: 'answer', day, box } : undefined
}

/** The hint in an answer; undefined when it was not made with this site's key. */
export function openAnswer({ day, box }: Extract<Heard, { kind: 'answer' }>): Hint | undefined {
  const plain = openBox(day.key, 'hint', box)
  return plain && decodeHint(plain)
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, i) => bytes[i] === byte)
}

// The audit file: everything that a site's bills rest on, in one file that needs nothing but public keys to be checked
// (src/PROTOCOL.md, section 8). Records in a row, each with eight bytes of a hash over all that stands before it and in it, and at
// the end the exporter's signature over the whole: no byte of it can be changed, left out, added or moved unseen.
import { bytes, id, int, oneOf, optional, record, text, uint, type Value } from '../cbor.ts'
import { hashOf, utf8Bytes } from '../identity/hash.ts'
import type { CertHash, LogId, SessionId, SiteId } from '../units.ts'

export const AUDIT_MAGIC: Uint8Array = utf8Bytes('CMAUDIT1')
export const AUDIT_VERSION = 1
/** kind:u8 length:u32 */
export const HEAD_BYTES = 5
export const TAG_BYTES = 8
/** A segment has at most 48 KiB (PROTOCOL 1.6), and nothing else is longer. */
export const MAX_PAYLOAD_BYTES = 64 * 1024

/** Numbers are never re-used. */
export const KIND = {
  ...{ header: 1, certificate: 2, segment: 3, fork: 4, object: 5, session: 6, bill: 7, trailer: 8 },
} as const
export type KindName = keyof typeof KIND

export function kindName(kind: number): KindName | undefined {
  return (Object.keys(KIND) as KindName[]).find(name => KIND[name] === kind)
}

/** Who made it: a node, of what it holds, or the cloud, of everything that was pushed to it, with its bills. */
export const SOURCES = ['node', 'cloud'] as const

export const HEADER = record({
  version: uint,
  siteId: id<SiteId>(16),
  rootKey: bytes(32, 32),
  siteName: text(128),
  source: oneOf(SOURCES),
  /** Name of the device that made it. */
  madeBy: text(48),
  madeAt: uint,
  swVersion: text(32),
  /** Events in it. */
  events: uint,
  /** Sessions that began in [fromAt, toAt) are reported on; the logs stand here whole all the same. */
  fromAt: optional(uint),
  toAt: optional(uint),
})
export type Header = Value<typeof HEADER>

/** As the journal has it (PROTOCOL 1.10); of kind `fork` it is the other branch. */
export const SEGMENT = record({ logId: id<LogId>(16), fromSeq: uint, update: bytes(48 * 1024) })

/** What a node says that a session comes to. */
export const SESSION_SAID = record({
  sessionId: id<SessionId>(16),
  energyWh: optional(int),
  currency: optional(text(3)),
  amount: optional(text(64)),
})
export type SessionSaid = Value<typeof SESSION_SAID>

/** A revision of a bill as the cloud has it. */
export const BILL = record({
  sessionId: id<SessionId>(16),
  revision: uint,
  kind: text(16),
  amount: text(64),
  currency: text(3),
  energyWh: int,
  reason: text(32),
  inputHash: text(64),
  issuedAt: uint,
  /** The resolution that decided the sum. */
  decidedBy: optional(text(160)),
})
export type BillSaid = Value<typeof BILL>

export const COUNTED = ['certificate', 'segment', 'fork', 'object', 'session', 'bill'] as const
export const ENDING = record({
  /** Of everything before the trailer. */
  digest: bytes(32, 32),
  events: uint,
  certificate: uint,
  segment: uint,
  fork: uint,
  object: uint,
  session: uint,
  bill: uint,
  signer: id<CertHash>(32),
})
export const TRAILER = record({ signed: bytes(256), signature: bytes(64, 64) })
export type Ending = Value<typeof ENDING>
export type Counts = Pick<Ending, (typeof COUNTED)[number] | 'events'>

export function noCounts(): Record<keyof Counts, number> {
  return { events: 0, certificate: 0, segment: 0, fork: 0, object: 0, session: 0, bill: 0 }
}

/** What the exporter signs. */
export function digestOfEnding(signed: Uint8Array): Uint8Array {
  return hashOf('chargemesh/audit-end/v1', signed)
}

export function firstDigest(): Uint8Array {
  return hashOf('chargemesh/audit/v1', AUDIT_MAGIC)
}

/** `framed`: kind, length and payload of one record. */
export function nextDigest(digest: Uint8Array, framed: Uint8Array): Uint8Array {
  return hashOf('chargemesh/audit/v1', digest, framed)
}

// Objects: small signed statements that travel beside the logs, each named by (kind, key), the greatest version
// wins (PROTOCOL 1.12). Here are the cloud's acks (3.5), the issuer's beacons (2.1) and the sign of life of an
// uplink (3.3).
import {
  bytes,
  fromBytes,
  id,
  MalformedBytes,
  oneOf,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { type Certificate, inForce, type Role } from '../identity/certificate.ts'
import { hashOf } from '../identity/hash.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { type Remember, readAnew } from '../remember.ts'
import type { CertHash, DeviceId, EventHash, LogId } from '../units.ts'

export const OBJECT_KINDS = ['ack', 'uplink', 'beacon'] as const
export type ObjectKind = (typeof OBJECT_KINDS)[number]
export type ObjectName = `${ObjectKind}/${string}`

/** The cloud's signed receipt for a log's prefix. durability: 1 local commit, 2 replica and archive (PROTOCOL 3.5). */
const ACK = record({
  logId: id<LogId>(16),
  seq: uint,
  hash: id<EventHash>(32),
  durability: uint,
  cloudEpoch: uint,
  issuedAt: uint,
})
export type Ack = Value<typeof ACK>
/** A node says that its uplink works; silent for a minute, it is taken for gone (PROTOCOL 3.3). */
const UPLINK = record({
  deviceId: id<DeviceId>(16),
  issuedAt: uint,
  uplink: text(32),
  /** Absent: 1. Uplinks of a higher number let it go first. */
  priority: optional(uint),
})
/** The issuer's newest head, and when it said so (PROTOCOL 2.1). */
const BEACON = record({
  logId: id<LogId>(16),
  seq: uint,
  hash: id<EventHash>(32),
  issuedAt: uint,
  nextByAt: uint,
})
export type Beacon = Value<typeof BEACON>

const SIGNED_PART = record({
  kind: oneOf(OBJECT_KINDS),
  key: id<string>(16),
  version: uint,
  signer: id<CertHash>(32),
  body: bytes(1024),
})
const OBJECT = record({ signed: bytes(1200), signature: bytes(64, 64) })
export const MAX_OBJECT_BYTES = 1400

/** A checked object. */
export type SignedObject = {
  readonly name: ObjectName
  readonly version: number
  readonly signer: Certificate
  readonly encoded: Uint8Array
} & (
  | { readonly kind: 'ack'; readonly body: Ack }
  | { readonly kind: 'uplink'; readonly body: Value<typeof UPLINK> }
  | { readonly kind: 'beacon'; readonly body: Beacon }
)

export type Statement =
  | { readonly kind: 'ack'; readonly body: Ack }
  | { readonly kind: 'uplink'; readonly body: Value<typeof UPLINK> }
  | { readonly kind: 'beacon'; readonly body: Beacon }

/** Versions of one cloud epoch: the receiver's counter of acks begins anew above them after a fail-over or a restore. */
export const VERSIONS_PER_EPOCH = 2 ** 32

/** The epoch that a version of the receiver's acks belongs to. */
export function cloudEpochOf(version: number): number {
  return Math.floor(version / VERSIONS_PER_EPOCH)
}

const MAY_SIGN: Readonly<Record<ObjectKind, Role>> = { ack: 'cloud', uplink: 'node', beacon: 'issuer' }
const MAX_LOG_SEQ = 2 ** 24

/** An ack grows with the cloud's epoch, then with the prefix, then with its durability. */
function versionOf(statement: Statement): number {
  if (statement.kind !== 'ack') return statement.body.issuedAt
  const { cloudEpoch, seq, durability } = statement.body
  return (cloudEpoch * MAX_LOG_SEQ + seq) * 4 + Math.min(durability, 3)
}

function keyOf(statement: Statement): string {
  return statement.kind === 'uplink' ? statement.body.deviceId : statement.body.logId
}

function bodyBytes(statement: Statement): Uint8Array {
  if (statement.kind === 'ack') return toBytes(ACK, statement.body)
  if (statement.kind === 'uplink') return toBytes(UPLINK, statement.body)
  return toBytes(BEACON, statement.body)
}

export type ObjectSigner = {
  readonly certHash: CertHash
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

export function signObject(signer: ObjectSigner, statement: Statement): Uint8Array {
  const signed = toBytes(SIGNED_PART, {
    kind: statement.kind,
    key: keyOf(statement),
    version: versionOf(statement),
    signer: signer.certHash,
    body: bodyBytes(statement),
  })
  const signature = signer.signatures.sign(signer.logKey, hashOf('chargemesh/object/v1', signed))
  return toBytes(OBJECT, { signed, signature })
}

export type ObjectRefusal =
  | 'malformed'
  | 'unknown-signer'
  | 'not-its-role'
  | 'bad-signature'
  | 'expired-signer'
export type ObjectVerdict =
  | { readonly kind: 'valid'; readonly object: SignedObject }
  | { readonly kind: 'refused'; readonly reason: ObjectRefusal; readonly signer?: CertHash }

/** Checks an object from anywhere. The signer's role decides what it may state. */
export function readObject(
  deps: { roster: Roster; signatures: Signatures; remember?: Remember },
  encoded: Uint8Array,
): ObjectVerdict {
  const read = (deps.remember ?? readAnew)('object', encoded, () => parseObject(encoded))
  if (!read) return { kind: 'refused', reason: 'malformed' }
  const { part, statement, signature, digest } = read
  const signer = deps.roster.certificate(part.signer)
  if (!signer) return { kind: 'refused', reason: 'unknown-signer', signer: part.signer }
  if (!signer.roles.includes(MAY_SIGN[part.kind])) return { kind: 'refused', reason: 'not-its-role' }
  if (part.kind === 'uplink' && signer.deviceId !== part.key)
    return { kind: 'refused', reason: 'not-its-role' }
  if (!inForce(signer, issuedAtOf(statement))) return { kind: 'refused', reason: 'expired-signer' }
  const isGood = (): boolean => deps.signatures.verify(signature, digest, signer.logKey)
  // A certificate's hash names its key, so the bytes alone decide.
  if (!(deps.remember ?? readAnew)('seal', read, isGood)) return { kind: 'refused', reason: 'bad-signature' }
  const name: ObjectName = `${part.kind}/${part.key}`
  return { kind: 'valid', object: { ...statement, name, version: part.version, signer, encoded } }
}

type Parsed = {
  readonly part: Value<typeof SIGNED_PART>
  readonly statement: Statement
  readonly signature: Uint8Array
  readonly digest: Uint8Array
}

/** What the bytes say, or undefined when that is nothing of ours. */
function parseObject(encoded: Uint8Array): Parsed | undefined {
  if (encoded.length > MAX_OBJECT_BYTES) return undefined
  try {
    const { signed, signature } = fromBytes(OBJECT, encoded)
    const part = fromBytes(SIGNED_PART, signed)
    const statement = readStatement(part.kind, part.body)
    if (keyOf(statement) !== part.key || versionOf(statement) !== part.version) return undefined
    return { part, statement, signature, digest: hashOf('chargemesh/object/v1', signed) }
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

function issuedAtOf(statement: Statement): number {
  return statement.body.issuedAt
}

function readStatement(kind: ObjectKind, body: Uint8Array): Statement {
  if (kind === 'ack') return { kind, body: fromBytes(ACK, body) }
  if (kind === 'uplink') return { kind, body: fromBytes(UPLINK, body) }
  return { kind, body: fromBytes(BEACON, body) }
}

// A part of what a stick carries (PROTOCOL 3.1: the same protocol in a file). Up: pushes, from a node, sealed to the
// operators of the site. Down: answers, from an operator, sealed to its nodes. In the clear stands only what a carrier's
// machine needs to go on where it stopped: the site, whose part it is, and which logs it covers from where to where.
// The author signs all of it, so a part is whole and genuine or it is refused, by value; what it brings is judged again
// by the cloud's gate or the node's. Pure: the key and the randomness of the seal are given.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  bytes,
  fromBytes,
  id,
  listOf,
  MalformedBytes,
  oneOf,
  record,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import {
  type Certificate,
  MAX_CERTIFICATE_BYTES,
  type Role,
  verifyCertificate,
} from '../identity/certificate.ts'
import { hashOf, sha256 } from '../identity/hash.ts'
import { createRoster } from '../identity/roster.ts'
import { openSealed, SEAL_OVERHEAD_BYTES, sealTo } from '../identity/seal.ts'
import type { Signatures } from '../identity/signature.ts'
import { concatBytes, type LogId, type SiteId, sameBytes } from '../units.ts'
import { MAX_REQUEST_BYTES } from './request.ts'

/** What a part holds before it is packed; far below what any file system takes, and enough for a week of ten chargers. */
export const PART_BYTES = 3 * 1024 * 1024
/** Of a whole file; more is refused unread. */
export const MAX_PART_BYTES = 8 * 1024 * 1024
const MAX_PLAIN_BYTES = 6 * 1024 * 1024
export const MAX_COVERS = 16_384
/** Nodes of the largest site; an operator's folder is one. */
export const MAX_RECIPIENTS = 2048
const MAX_CHAIN = 8
export const MAX_MESSAGES = 64
const MAGIC = Uint8Array.of(0x43, 0x4d, 0x42)
export const BUNDLE_FORMAT = 1
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_HINT_BYTES = 8

const COVER = record({ logId: id<LogId>(16), fromSeq: uint, nextSeq: uint })
export type Cover = Value<typeof COVER>

const HEAD = record({
  /** `holds`: no logs, but what a node holds of the operators' and which acks it waits for; it has one on a stick, the newest. */
  kind: oneOf(['up', 'down', 'holds']),
  siteId: id<SiteId>(16),
  /** Of the author, issuers first. */
  chain: listOf(bytes(MAX_CERTIFICATE_BYTES), MAX_CHAIN),
  madeAt: uint,
  covers: listOf(COVER, MAX_COVERS),
  /** For each: which key it is for, and the content's key, sealed to it. */
  boxes: listOf(
    record({
      key: bytes(KEY_HINT_BYTES, KEY_HINT_BYTES),
      box: bytes(KEY_BYTES + SEAL_OVERHEAD_BYTES, KEY_BYTES + SEAL_OVERHEAD_BYTES),
    }),
    MAX_RECIPIENTS,
  ),
  nonce: bytes(NONCE_BYTES, NONCE_BYTES),
  contentHash: bytes(32, 32),
})
export type PartHead = Value<typeof HEAD>
export type PartKind = PartHead['kind']

const FILE = record({
  head: bytes(MAX_PART_BYTES),
  signature: bytes(64, 64),
  content: bytes(MAX_PART_BYTES),
})
/** Pushes or answers, encoded as they are for a request (request.ts); each may be as long as one. */
const MESSAGES = listOf(bytes(MAX_REQUEST_BYTES), MAX_MESSAGES)

export type PartAuthor = {
  readonly siteId: SiteId
  /** Encoded, issuers first, own last. */
  readonly chain: readonly Uint8Array[]
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

export type PartContents = {
  readonly kind: PartKind
  readonly madeAt: number
  readonly covers: readonly Cover[]
  /** Encoded pushes or answers. */
  readonly messages: readonly Uint8Array[]
  /** X25519 keys of those who may read it. */
  readonly recipients: readonly Uint8Array[]
  readonly random: (length: number) => Uint8Array
}

const VALID_ROLES: Readonly<Record<PartKind, readonly Role[]>> = {
  up: ['node'],
  holds: ['node'],
  down: ['issuer', 'revoker'],
}

/** Throws MalformedBytes when it holds more than a part may. */
export function writePart(author: PartAuthor, contents: PartContents): Uint8Array {
  const { kind, madeAt, covers, messages, recipients, random } = contents
  const [key, nonce] = [random(KEY_BYTES), random(NONCE_BYTES)]
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const packed = gzipSync(toBytes(MESSAGES, messages))
  const content = concatBytes([cipher.update(packed), cipher.final(), cipher.getAuthTag()])
  const boxes = recipients.map(recipient => ({
    key: hintOf(recipient),
    box: sealTo(recipient, random(32), key),
  }))
  const chain = author.chain
  const head = toBytes(HEAD, {
    ...{ kind, siteId: author.siteId, chain, madeAt, covers, boxes, nonce, contentHash: sha256(content) },
  })
  const signature = author.signatures.sign(author.logKey, digestOf(head))
  const file = toBytes(FILE, { head, signature, content })
  return concatBytes([MAGIC, Uint8Array.of(BUNDLE_FORMAT), file])
}

export type PartRefusal =
  /** Not a part, cut off, or changed since it was written: by a bad stick, or by somebody. */
  | 'damaged'
  | 'future-version'
  | 'foreign-site'
  /** By nobody of this site, or by somebody who may not write this kind. */
  | 'unknown-author'

export type ReadPart = {
  readonly head: PartHead
  readonly author: Certificate
  readonly content: Uint8Array
}

export type PartVerdict =
  | { readonly kind: 'valid'; readonly part: ReadPart }
  | { readonly kind: 'refused'; readonly reason: PartRefusal }

export type PartReader = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly signatures: Signatures
}

/** Judges a file from anywhere by the site's root alone; nothing of it is opened. */
export function readPart({ siteId, rootKey, signatures }: PartReader, file: Uint8Array): PartVerdict {
  if (file.length > MAX_PART_BYTES || !sameBytes(file.subarray(0, MAGIC.length), MAGIC))
    return refused('damaged')
  if ((file[MAGIC.length] ?? 0) > BUNDLE_FORMAT) return refused('future-version')
  try {
    const { head: encoded, signature, content } = fromBytes(FILE, file.subarray(MAGIC.length + 1))
    const head = fromBytes(HEAD, encoded)
    if (head.siteId !== siteId) return refused('foreign-site')
    const author = authorOf({ siteId, rootKey, signatures }, head)
    if (!author?.roles.some(role => VALID_ROLES[head.kind].includes(role))) return refused('unknown-author')
    const isWhole = sameBytes(sha256(content), head.contentHash)
    if (!isWhole || !signatures.verify(signature, digestOf(encoded), author.logKey)) return refused('damaged')
    return { kind: 'valid', part: { head, author, content } }
  } catch (error) {
    if (error instanceof MalformedBytes) return refused('damaged')
    throw error
  }
}

/** What it holds, for who has one of the secret keys; undefined when it was sealed to none of them. */
export function openPart(
  { head, content }: ReadPart,
  secrets: readonly Secret[],
): readonly Uint8Array[] | undefined {
  const key = contentKeyOf(head, secrets)
  if (!key) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, head.nonce)
    decipher.setAuthTag(content.subarray(-TAG_BYTES))
    const packed = Buffer.concat([decipher.update(content.subarray(0, -TAG_BYTES)), decipher.final()])
    return fromBytes(MESSAGES, new Uint8Array(gunzipSync(packed, { maxOutputLength: MAX_PLAIN_BYTES })))
  } catch {
    // Its author signed these bytes: it was made badly, and nothing of it can be read.
    return undefined
  }
}

export type Secret = { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }

function contentKeyOf(head: PartHead, secrets: readonly Secret[]): Uint8Array | undefined {
  for (const { publicKey, secretKey } of secrets) {
    const hint = hintOf(publicKey)
    const mine = head.boxes.find(one => sameBytes(one.key, hint))
    const key = mine && openSealed(secretKey, mine.box)
    if (key?.length === KEY_BYTES) return key
  }
  return undefined
}

/** The beginning of a key's hash finds its box among many; it says no more of who may read than the certificates do. */
function hintOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).subarray(0, KEY_HINT_BYTES)
}

function digestOf(head: Uint8Array): Uint8Array {
  return hashOf('chargemesh/bundle/v1', head)
}

function authorOf({ siteId, rootKey, signatures }: PartReader, { chain }: PartHead): Certificate | undefined {
  const roster = createRoster({ signatures }, siteId, rootKey)
  for (const encoded of chain.slice(0, -1)) roster.enrol(encoded)
  const last = chain.at(-1)
  const verdict = last && verifyCertificate({ signatures }, roster, last)
  return verdict?.kind === 'valid' ? verdict.certificate : undefined
}

function refused(reason: PartRefusal): PartVerdict {
  return { kind: 'refused', reason }
}

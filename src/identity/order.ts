// An operator's command to one charger, signed so that any node may carry it and none may make, change or repeat it
// (PROTOCOL 7.8). It names the site, the node that holds the charger and the number which that node drew for it a moment
// ago: no clock is asked whether it is fresh, and the number is good once. The command itself is sealed to that node,
// because it may hold a card's own id; inside the box it is JSON, read by the same table as the operator's plane.
import { bytes, fromBytes, id, MalformedBytes, record, textId, toBytes, uint, type Value } from '../cbor.ts'
import type { CertHash, ChargerId, DeviceId, SiteId } from '../units.ts'
import { type Certificate, MAX_CERTIFICATE_BYTES, type Role, verifyCertificate } from './certificate.ts'
import { hashOf, utf8Bytes } from './hash.ts'
import type { Roster } from './roster.ts'
import { openSealed, sealTo } from './seal.ts'
import type { Signatures } from './signature.ts'

const VERSION = 1
export const NONCE_BYTES = 16
/** A firmware's certificate and signature, or what a data transfer may carry. */
const MAX_COMMAND_BYTES = 48 * 1024
export const MAX_ORDER_BYTES = MAX_COMMAND_BYTES + 2 * MAX_CERTIFICATE_BYTES

const ORDER = record({
  version: uint,
  siteId: id<SiteId>(16),
  /** The node that holds the charger. */
  holder: id<DeviceId>(16),
  chargerId: textId<ChargerId>(48),
  nonce: bytes(NONCE_BYTES, NONCE_BYTES),
  signer: id<CertHash>(32),
  command: bytes(MAX_COMMAND_BYTES),
})
const SIGNED = record({
  order: bytes(MAX_ORDER_BYTES),
  signature: bytes(64, 64),
  /** The signer's, for a node that has not heard of it. */
  certificate: bytes(MAX_CERTIFICATE_BYTES),
})

export type OrderRefusal =
  | 'malformed'
  | 'foreign-site'
  | 'for-another-node'
  /** The number is unknown here: used, too old, or drawn before this node restarted. */
  | 'stale'
  | 'unknown-signer'
  | 'not-its-role'
  | 'withdrawn-signer'
  | 'expired-signer'
  | 'bad-signature'

export type OrderVerdict =
  | {
      readonly kind: 'valid'
      readonly chargerId: ChargerId
      readonly nonce: Uint8Array
      readonly signer: Certificate
      /** JSON, as the operator wrote it. */
      readonly command: string
    }
  | { readonly kind: 'refused'; readonly reason: OrderRefusal }

export type OrderSigner = {
  readonly certificate: Certificate
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

/** `ephemeral`: 32 random bytes, never used twice. */
export type Ordered = {
  readonly holder: Certificate
  readonly chargerId: ChargerId
  readonly nonce: Uint8Array
  readonly command: string
  readonly ephemeral: Uint8Array
}

export function signOrder({ certificate, logKey, signatures }: OrderSigner, ordered: Ordered): Uint8Array {
  const { holder, chargerId, nonce, command, ephemeral } = ordered
  const order = toBytes(ORDER, {
    ...{ version: VERSION, siteId: certificate.siteId, holder: holder.deviceId, chargerId, nonce },
    signer: certificate.hash,
    command: sealTo(holder.sealKey, ephemeral, utf8Bytes(command)),
  })
  const signature = signatures.sign(logKey, hashOf('chargemesh/order/v1', order))
  return toBytes(SIGNED, { order, signature, certificate: certificate.encoded })
}

export type OrderReader = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly self: DeviceId
  readonly sealKey: Uint8Array
  /** Whether this node drew the number for this charger a moment ago, and nobody used it. */
  readonly isFresh: (nonce: Uint8Array, chargerId: ChargerId) => boolean
  readonly isVoid: (certificate: Certificate) => boolean
  readonly nowAt: number
}

/** Who may command at all; what a revoker may command is for the reader of the command. */
const COMMANDERS: readonly Role[] = ['issuer', 'revoker']

/** Checks bytes from anywhere, the cheapest question first. */
export function readOrder(reader: OrderReader, encoded: Uint8Array): OrderVerdict {
  const read = parseOrder(encoded)
  if (!read) return refused('malformed')
  const { order, signature, certificate, digest } = read
  if (order.siteId !== reader.roster.siteId) return refused('foreign-site')
  if (order.holder !== reader.self) return refused('for-another-node')
  if (!reader.isFresh(order.nonce, order.chargerId)) return refused('stale')
  const signer = signerOf(reader, order.signer, certificate)
  if (!signer) return refused('unknown-signer')
  if (!signer.roles.some(role => COMMANDERS.includes(role))) return refused('not-its-role')
  if (reader.isVoid(signer)) return refused('withdrawn-signer')
  // A clock that is behind proves nothing about a certificate that is not valid yet: the number is fresh all the same.
  if (reader.nowAt > signer.notAfterAt) return refused('expired-signer')
  if (!reader.signatures.verify(signature, digest, signer.logKey)) return refused('bad-signature')
  const plain = openSealed(reader.sealKey, order.command)
  if (!plain) return refused('malformed')
  const { chargerId, nonce } = order
  return { kind: 'valid', chargerId, nonce, signer, command: new TextDecoder().decode(plain) }
}

function signerOf(
  { roster, signatures }: OrderReader,
  hash: CertHash,
  encoded: Uint8Array,
): Certificate | undefined {
  const held = roster.certificate(hash)
  if (held) return held
  const verdict = verifyCertificate({ signatures }, roster, encoded)
  return verdict.kind === 'valid' && verdict.certificate.hash === hash ? verdict.certificate : undefined
}

type Parsed = {
  readonly order: Value<typeof ORDER>
  readonly signature: Uint8Array
  readonly certificate: Uint8Array
  readonly digest: Uint8Array
}

function parseOrder(encoded: Uint8Array): Parsed | undefined {
  if (encoded.length > MAX_ORDER_BYTES) return undefined
  try {
    const { order, signature, certificate } = fromBytes(SIGNED, encoded)
    const body = fromBytes(ORDER, order)
    if (body.version !== VERSION) return undefined
    return { order: body, signature, certificate, digest: hashOf('chargemesh/order/v1', order) }
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

function refused(reason: OrderRefusal): OrderVerdict {
  return { kind: 'refused', reason }
}

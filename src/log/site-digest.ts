// What a node holds of its site, in one signed line: whoever has it can tell later whether history was changed since
// (PROTOCOL 3.4). It goes ahead of the logs, and says nothing of what is in them.
import { bytes, fromBytes, id, record, toBytes, uint, type Value } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import { hashOf } from '../identity/hash.ts'
import type { Signatures } from '../identity/signature.ts'
import { type CertHash, concatBytes, type EventHash, hex, type LogId, setUint48, unhex } from '../units.ts'

/** Of one log: up to which event it is held, and that event's hash. */
export const LOG_PLACE = record({ logId: id<LogId>(16), seq: uint, hash: id<EventHash>(32) })
export type LogPlace = Value<typeof LOG_PLACE>

const BODY = record({
  issuedAt: uint,
  logs: uint,
  /** Of all logs together. */
  events: uint,
  root: id<string>(32),
})
const SITE_DIGEST = record({ body: bytes(96), signer: id<CertHash>(32), signature: bytes(64, 64) })
export const MAX_SITE_DIGEST_BYTES = 240
/** Logs in a frontier that is sent. */
export const MAX_FRONTIER = 2_000

export type SiteDigest = Value<typeof BODY> & { readonly signer: CertHash }

/** Commits to every place; in the order of the log ids, whatever order they come in. */
export function rootOf(frontier: readonly LogPlace[]): string {
  const sorted = frontier.toSorted((a, b) => (a.logId < b.logId ? -1 : 1))
  const parts = sorted.map(({ logId, seq, hash }) => {
    const number = new Uint8Array(6)
    setUint48(new DataView(number.buffer), 0, seq)
    return concatBytes([unhex(logId), number, unhex(hash)])
  })
  return hex(hashOf('chargemesh/site-root/v1', ...parts))
}

export type DigestSigner = {
  readonly certHash: CertHash
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

export function signDigest(
  { certHash, logKey, signatures }: DigestSigner,
  frontier: readonly LogPlace[],
  issuedAt: number,
): Uint8Array {
  const events = frontier.reduce((sum, { seq }) => sum + seq + 1, 0)
  const body = toBytes(BODY, { issuedAt, logs: frontier.length, events, root: rootOf(frontier) })
  const signature = signatures.sign(logKey, hashOf('chargemesh/site-digest/v1', body))
  return toBytes(SITE_DIGEST, { body, signer: certHash, signature })
}

/** What it says and who says so; nothing of it is believed before `isSignedBy`. Throws MalformedBytes. */
export function readDigest(encoded: Uint8Array): SiteDigest {
  const { body, signer } = fromBytes(SITE_DIGEST, encoded)
  return { ...fromBytes(BODY, body), signer }
}

export function isSignedBy(signatures: Signatures, certificate: Certificate, encoded: Uint8Array): boolean {
  const { body, signature } = fromBytes(SITE_DIGEST, encoded)
  const isNode = certificate.roles.includes('node')
  return isNode && signatures.verify(signature, hashOf('chargemesh/site-digest/v1', body), certificate.logKey)
}

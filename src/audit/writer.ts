// Writes an audit file record by record; what it gives back is appended to the file as it is.
import { toBytes } from '../cbor.ts'
import { invariant } from '../errors.ts'
import type { ObjectSigner } from '../log/object.ts'
import {
  AUDIT_MAGIC,
  COUNTED,
  type Counts,
  digestOfEnding,
  ENDING,
  firstDigest,
  HEAD_BYTES,
  KIND,
  type KindName,
  MAX_PAYLOAD_BYTES,
  nextDigest,
  noCounts,
  TAG_BYTES,
  TRAILER,
} from './format.ts'

export type AuditWriter = {
  readonly begin: () => Uint8Array
  /** `events`: how many a segment holds. */
  readonly record: (kind: Exclude<KindName, 'trailer'>, payload: Uint8Array, events?: number) => Uint8Array
  readonly end: (signer: ObjectSigner) => Uint8Array
  readonly counts: () => Counts
}

export function createAuditWriter(): AuditWriter {
  let digest = firstDigest()
  const counts = noCounts()
  const put = (kind: KindName, payload: Uint8Array): Uint8Array => {
    invariant(
      payload.length <= MAX_PAYLOAD_BYTES,
      `a record of an audit file has at most ${MAX_PAYLOAD_BYTES} bytes`,
    )
    const bytes = new Uint8Array(HEAD_BYTES + payload.length + TAG_BYTES)
    const framed = bytes.subarray(0, HEAD_BYTES + payload.length)
    bytes[0] = KIND[kind]
    new DataView(bytes.buffer).setUint32(1, payload.length)
    bytes.set(payload, HEAD_BYTES)
    digest = nextDigest(digest, framed)
    bytes.set(digest.subarray(0, TAG_BYTES), framed.length)
    return bytes
  }
  return {
    begin: () => AUDIT_MAGIC,
    record: (kind, payload, events = 0) => {
      const counted = COUNTED.find(one => one === kind)
      if (counted) counts[counted] += 1
      counts.events += events
      return put(kind, payload)
    },
    end: ({ certHash, logKey, signatures }) => {
      const signed = toBytes(ENDING, { digest, ...counts, signer: certHash })
      const signature = signatures.sign(logKey, digestOfEnding(signed))
      return put('trailer', toBytes(TRAILER, { signed, signature }))
    },
    counts: () => counts,
  }
}

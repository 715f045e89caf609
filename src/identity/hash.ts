// Domain-separated SHA-256: every hash begins with the name of what it hashes, so no bytes signed for one
// purpose mean anything for another (PROTOCOL 1.2).
import { createHash, hash } from 'node:crypto'
import { concatBytes } from '../units.ts'

export type HashDomain =
  | 'chargemesh/site/v1'
  | 'chargemesh/device/v1'
  | 'chargemesh/log/v1'
  | 'chargemesh/ev/v1'
  | 'chargemesh/evh/v1'
  | 'chargemesh/session/v1'
  | 'chargemesh/session/v2'
  | 'chargemesh/cert/v1'
  | 'chargemesh/root-manifest/v1'
  | 'chargemesh/site-key/v1'
  | 'chargemesh/object/v1'
  | 'chargemesh/hello/v1'
  | 'chargemesh/join/v1'
  | 'chargemesh/request/v1'
  | 'chargemesh/site-root/v1'
  | 'chargemesh/site-digest/v1'
  | 'chargemesh/answer/v1'
  | 'chargemesh/frontier/v1'
  | 'chargemesh/rank/v1'
  | 'chargemesh/bill/v1'
  | 'chargemesh/evidence/v1'
  | 'chargemesh/local-list/v1'
  | 'chargemesh/order/v1'
  | 'chargemesh/audit/v1'
  | 'chargemesh/audit-end/v1'
  | 'chargemesh/receipt/v1'
  | 'chargemesh/receipt-number/v1'
  | 'chargemesh/receipt-values/v1'
  | 'chargemesh/receipt-enclosed/v1'
  | 'chargemesh/bundle/v1'

export function hashOf(domain: HashDomain, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes([domainBytes(domain), ...parts]))
}

/** The same for parts so long that copying them together costs more than a hash object. */
export function hashOfLong(domain: HashDomain, ...parts: readonly Uint8Array[]): Uint8Array {
  const sum = createHash('sha256').update(domainBytes(domain))
  for (const part of parts) sum.update(part)
  return new Uint8Array(sum.digest())
}

/** In one call: an event is hashed several times on its way, and a hash object costs more than the hash. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'))
}

/** The same as 64 hex digits, without bytes in between. */
export function hexHashOf(domain: HashDomain, ...parts: readonly Uint8Array[]): string {
  return hash('sha256', concatBytes([domainBytes(domain), ...parts]), 'hex')
}

const domains = new Map<HashDomain, Uint8Array>()

function domainBytes(domain: HashDomain): Uint8Array {
  const known = domains.get(domain) ?? utf8Bytes(domain)
  domains.set(domain, known)
  return known
}

/** Bytes with their length (u32, big-endian) before them, so that two neighbours cannot trade characters. */
export function lengthPrefixed(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + bytes.length)
  new DataView(framed.buffer).setUint32(0, bytes.length)
  framed.set(bytes, 4)
  return framed
}

const utf8 = new TextEncoder()

export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text)
}

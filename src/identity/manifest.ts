// The root's word about who speaks for the site no more: an issuer, a revoker or a cloud whose key may be in other hands.
// Each manifest is whole and replaces the one before it; its version only grows (PROTOCOL 2.6). Whoever carries it, the
// root's signature alone decides.
import { bytes, fromBytes, id, listOf, MalformedBytes, record, toBytes, uint, type Value } from '../cbor.ts'
import { type DeviceId, type EventHash, hex, type LogId, type SiteId } from '../units.ts'
import { hashOf } from './hash.ts'
import type { Signatures } from './signature.ts'

const HEAD = record({ logId: id<LogId>(16), seq: uint, hash: id<EventHash>(32) })
/** Rotations of an issuer that one manifest can name; a certificate that it leaves out would be valid again. */
export const MAX_WITHDRAWN = 32
export const MAX_HEADS = 16
const MANIFEST = record({
  version: uint,
  siteId: id<SiteId>(16),
  issuedAt: uint,
  /** Certificates of the device up to this serial are void, and what it wrote beyond these heads counts nowhere. */
  withdrawn: listOf(
    record({ deviceId: id<DeviceId>(16), serial: uint, cutoff: listOf(HEAD, MAX_HEADS) }),
    MAX_WITHDRAWN,
  ),
})
export type RootManifest = Value<typeof MANIFEST>
/** What the root says, with a name for these very bytes. */
export type ReadManifest = { readonly manifest: RootManifest; readonly hash: string }

const SIGNED = record({ body: bytes(4000), signature: bytes(64, 64) })
export const MAX_MANIFEST_BYTES = 4096

export function signManifest(
  signatures: Signatures,
  rootSeed: Uint8Array,
  manifest: RootManifest,
): Uint8Array {
  const body = toBytes(MANIFEST, manifest)
  return toBytes(SIGNED, { body, signature: signatures.sign(rootSeed, digestOf(body)) })
}

/** Undefined when it is not the root that says it. */
export function readManifest(
  signatures: Signatures,
  { siteId, rootKey }: { readonly siteId: SiteId; readonly rootKey: Uint8Array },
  encoded: Uint8Array,
): ReadManifest | undefined {
  if (encoded.length > MAX_MANIFEST_BYTES) return undefined
  try {
    const { body, signature } = fromBytes(SIGNED, encoded)
    const manifest = fromBytes(MANIFEST, body)
    if (manifest.siteId !== siteId) return undefined
    const digest = digestOf(body)
    return signatures.verify(signature, digest, rootKey) ? { manifest, hash: hex(digest) } : undefined
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

/** Two of one version are the root's own fault; which one counts must not depend on which came first. */
export function isNewer(one: ReadManifest, held: ReadManifest | undefined): boolean {
  const [version, before] = [one.manifest.version, held?.manifest.version ?? -1]
  return version > before || (version === before && held !== undefined && one.hash < held.hash)
}

function digestOf(body: Uint8Array): Uint8Array {
  return hashOf('chargemesh/root-manifest/v1', body)
}

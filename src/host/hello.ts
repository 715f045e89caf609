// The hello: how two ends of a connection, whose peer keys noise has proven, prove to each other which devices of
// which site they are (PROTOCOL 7.3). Pure: bytes in, bytes and a verdict out, and the time is told. Four messages:
// the initiator introduces itself, the responder introduces itself and signs both nonces, the initiator signs, the
// responder says that it is content. Whoever refuses says why, in one word, and closes.
import {
  bytes,
  fromBytes,
  listOf,
  MalformedBytes,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import {
  type Certificate,
  type CertificateRefusal,
  inForce,
  MAX_CERTIFICATE_BYTES,
} from '../identity/certificate.ts'
import { hashOf } from '../identity/hash.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { type DeviceId, sameBytes } from '../units.ts'

export const HELLO_PROTOCOL = '/chargemesh/hello/1'
export const MAX_HELLO_BYTES = 4096
export const NONCE_BYTES = 32

/** The messages of `/chargemesh/sync/1` that this software speaks. */
const PROTOCOL_VERSION = 1
/** Issuer, device, and one to spare; three of the largest still fit into MAX_HELLO_BYTES. */
const MAX_CHAIN = 3

const INTRODUCTION = record({
  protocolVersion: uint,
  software: text(48),
  rootManifestVersion: uint,
  nonce: bytes(NONCE_BYTES, NONCE_BYTES),
  /** Issuers before the device that speaks. */
  certificates: listOf(bytes(MAX_CERTIFICATE_BYTES), MAX_CHAIN),
})
type Introduction = Value<typeof INTRODUCTION>

/** Which fields a message carries says which of the four it is; an empty one says "accepted". */
const MESSAGE = record({
  introduction: optional(INTRODUCTION),
  signature: optional(bytes(64, 64)),
  refusal: optional(text(32)),
})
type Message = Value<typeof MESSAGE>

export type HelloRefusal =
  | CertificateRefusal
  | 'malformed-hello'
  | 'unexpected-message'
  | 'other-protocol'
  | 'no-certificate'
  | 'not-your-certificate'
  | 'own-device'
  | 'not-a-node'
  | 'out-of-force'
  | 'banned'
  | 'revoked'
  | 'bad-proof'
  | 'refused-by-peer'

export type HelloStep =
  | { readonly kind: 'waiting'; readonly send: readonly Uint8Array[] }
  | { readonly kind: 'verified'; readonly send: readonly Uint8Array[]; readonly certificate: Certificate }
  | {
      readonly kind: 'refused'
      readonly send: readonly Uint8Array[]
      readonly reason: HelloRefusal
      /** What the other side gave as its reason, when it was the one to refuse. */
      readonly saidByPeer?: string
    }

export type HelloOptions = {
  readonly role: 'initiator' | 'responder'
  readonly ownDevice: DeviceId
  readonly ownPeerKey: Uint8Array
  readonly remotePeerKey: Uint8Array
  /** Seed that signs the proof. */
  readonly logKey: Uint8Array
  readonly certificates: readonly Uint8Array[]
  readonly software: string
  readonly nonce: Uint8Array
  readonly roster: Roster
  readonly signatures: Signatures
  readonly isBanned: (deviceId: DeviceId) => boolean
  readonly isRevoked?: (certificate: Certificate) => boolean
}

export type Hello = {
  /** What to send before anything was heard: nothing for a responder. */
  readonly begin: () => readonly Uint8Array[]
  /** One message of the peer. After `verified` or `refused` there is nothing more to hear. */
  readonly receive: (encoded: Uint8Array, nowAt: number) => HelloStep
}

type Peer = { readonly nonce: Uint8Array; readonly certificate: Certificate }

/** One side of one hello. Verified certificates are enrolled in the roster, whatever becomes of the rest. */
export function createHello(options: HelloOptions): Hello {
  const isInitiator = options.role === 'initiator'
  let expects: 'introduction' | 'proof' | 'verdict' | 'nothing' = 'introduction'
  let peer: Peer | undefined

  function refuse(reason: HelloRefusal): HelloStep {
    expects = 'nothing'
    return { kind: 'refused', reason, send: [toBytes(MESSAGE, { refusal: reason })] }
  }

  function onIntroduction({ introduction, signature }: Message, nowAt: number): HelloStep {
    if (!introduction || (signature !== undefined) !== isInitiator) return refuse('unexpected-message')
    const met = meet(options, introduction, nowAt)
    if (typeof met === 'string') return refuse(met)
    peer = met
    const ownProof = options.signatures.sign(options.logKey, transcript(options, met.nonce))
    if (!isInitiator) {
      expects = 'proof'
      return {
        kind: 'waiting',
        send: [toBytes(MESSAGE, { introduction: ownIntroduction(options), signature: ownProof })],
      }
    }
    if (!signature || !isProven(options, met, signature)) return refuse('bad-proof')
    expects = 'verdict'
    return { kind: 'waiting', send: [toBytes(MESSAGE, { signature: ownProof })] }
  }

  function onProof({ introduction, signature }: Message): HelloStep {
    if (introduction || !signature || !peer) return refuse('unexpected-message')
    if (!isProven(options, peer, signature)) return refuse('bad-proof')
    expects = 'nothing'
    return { kind: 'verified', certificate: peer.certificate, send: [toBytes(MESSAGE, {})] }
  }

  function onVerdict({ introduction, signature }: Message): HelloStep {
    if (introduction || signature || !peer) return refuse('unexpected-message')
    expects = 'nothing'
    return { kind: 'verified', certificate: peer.certificate, send: [] }
  }

  function receive(encoded: Uint8Array, nowAt: number): HelloStep {
    const message = parse(encoded)
    if (!message) return refuse('malformed-hello')
    if (message.refusal !== undefined) {
      expects = 'nothing'
      return { kind: 'refused', reason: 'refused-by-peer', saidByPeer: plain(message.refusal), send: [] }
    }
    switch (expects) {
      case 'introduction':
        return onIntroduction(message, nowAt)
      case 'proof':
        return onProof(message)
      case 'verdict':
        return onVerdict(message)
      case 'nothing':
        return refuse('unexpected-message')
    }
  }

  return {
    begin: () => (isInitiator ? [toBytes(MESSAGE, { introduction: ownIntroduction(options) })] : []),
    receive,
  }
}

function parse(encoded: Uint8Array): Message | undefined {
  if (encoded.length > MAX_HELLO_BYTES) return undefined
  try {
    return fromBytes(MESSAGE, encoded)
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

function ownIntroduction(options: HelloOptions): Introduction {
  return {
    protocolVersion: PROTOCOL_VERSION,
    software: options.software,
    // No root manifest is distributed yet; a peer may not conclude anything from 0.
    rootManifestVersion: 0,
    nonce: options.nonce,
    certificates: options.certificates,
  }
}

/** Everything that can be judged before the proof; cheapest first. */
function meet(options: HelloOptions, introduction: Introduction, nowAt: number): Peer | HelloRefusal {
  if (introduction.protocolVersion !== PROTOCOL_VERSION) return 'other-protocol'
  let certificate: Certificate | undefined
  for (const encoded of introduction.certificates) {
    // Checking a signature and two keys costs milliseconds; whoever dials in a loop gets that once.
    const known = options.roster.all().find(held => sameBytes(held.encoded, encoded))
    const verdict = known ? { kind: 'valid' as const, certificate: known } : options.roster.enrol(encoded)
    if (verdict.kind === 'refused') return verdict.reason
    certificate = verdict.certificate
  }
  if (!certificate) return 'no-certificate'
  if (!sameBytes(certificate.peerKey, options.remotePeerKey)) return 'not-your-certificate'
  if (certificate.deviceId === options.ownDevice) return 'own-device'
  if (!certificate.roles.includes('node')) return 'not-a-node'
  // It may not have heard yet that it was renewed: what it proves to hold are the same keys.
  const { peerKey } = certificate
  const renewed = options.roster
    .ofDevice(certificate.deviceId)
    .find(one => sameBytes(one.peerKey, peerKey) && !options.isRevoked?.(one))
  if (renewed) certificate = renewed
  if (!inForce(certificate, nowAt)) return 'out-of-force'
  if (options.isBanned(certificate.deviceId)) return 'banned'
  if (options.isRevoked?.(certificate)) return 'revoked'
  return { nonce: introduction.nonce, certificate }
}

function isProven(options: HelloOptions, peer: Peer, signature: Uint8Array): boolean {
  return options.signatures.verify(signature, transcript(options, peer.nonce), peer.certificate.logKey)
}

/** Both peer keys, the initiator's first, and both nonces: what each side signs with its logKey. */
function transcript(options: HelloOptions, peerNonce: Uint8Array): Uint8Array {
  const { ownPeerKey, remotePeerKey, nonce } = options
  return options.role === 'initiator'
    ? hashOf('chargemesh/hello/v1', ownPeerKey, remotePeerKey, nonce, peerNonce)
    : hashOf('chargemesh/hello/v1', remotePeerKey, ownPeerKey, peerNonce, nonce)
}

/** A stranger's words go to our log: letters and dashes only. */
function plain(words: string): string {
  return words.replace(/[^a-z-]/g, '?')
}

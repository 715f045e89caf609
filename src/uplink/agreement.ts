// Who tells an existing central system of a site's sessions, where several nodes could and all reach our receiver: what a node
// asks there and what it is answered, for both ends. One row a central system, numbered by terms; lease.ts says when a node may
// believe in it, cloud/terms.ts when the row changes hands.
import {
  bool,
  bytes,
  fromBytes,
  id,
  listOf,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { EVENT_REF } from '../log/fields.ts'
import { MAX_HANDED_HEADS } from '../log/forward-bodies.ts'
import type { DeviceId } from '../units.ts'

export const AGREEMENT_PATH = '/v1/forwarders'
/** As many ways out as a node may have. */
export const MAX_CLAIMS = 8

/** What a row said when it was seen: it changes with every word of its holder. */
const MARK = record({ term: uint, renewals: uint })

const REQUEST = record({
  /** Drawn at the start of a process: one that was started again is another holder, and so is a copy of its folder. */
  life: bytes(16, 16),
  /** For how long others wait that see no word of this one. */
  leaseMs: uint,
  claims: listOf(
    record({
      uplink: text(32),
      /** It is given up, if the row stands so. Without this or the next: to keep it, or to have it where nobody does. */
      release: optional(MARK),
      /** Seen so, and unchanged since for as long as its holder asked for: to take it. */
      silent: optional(MARK),
      /** By the operator's order the turn is the asker's: only then may a row begin, or be taken as soon as it is given up. */
      mayBegin: optional(bool),
      /** With `silent`: when, by the asker's clock. */
      at: optional(uint),
      /** With `release`: to whom. */
      to: optional(id<DeviceId>(16)),
      /** With `release`: what was said, at least; the next one waits until it has heard that. */
      heads: optional(listOf(EVENT_REF, MAX_HANDED_HEADS)),
    }),
    MAX_CLAIMS,
  ),
})
const ANSWER = record({
  rows: listOf(
    record({
      uplink: text(32),
      mark: MARK,
      /** The asker's, by this answer. */
      isYours: bool,
      /** Undefined: nobody's. */
      holder: optional(id<DeviceId>(16)),
      leaseMs: uint,
      /** When it was taken from another that did not give it up: what that one said last may not have been heard. */
      takenAt: optional(uint),
      heads: optional(listOf(EVENT_REF, MAX_HANDED_HEADS)),
    }),
    MAX_CLAIMS,
  ),
})

export type Mark = Value<typeof MARK>
export type AgreementRequest = Value<typeof REQUEST>
export type Claim = AgreementRequest['claims'][number]
export type AgreementAnswer = Value<typeof ANSWER>
export type AgreedRow = AgreementAnswer['rows'][number]

export function encodeAgreementRequest(request: AgreementRequest): Uint8Array {
  return toBytes(REQUEST, request)
}

/** Throws MalformedBytes, as the others here. */
export function decodeAgreementRequest(encoded: Uint8Array): AgreementRequest {
  return fromBytes(REQUEST, encoded)
}

export function encodeAgreementAnswer(answer: AgreementAnswer): Uint8Array {
  return toBytes(ANSWER, answer)
}

export function decodeAgreementAnswer(encoded: Uint8Array): AgreementAnswer {
  return fromBytes(ANSWER, encoded)
}

export function sameMark(a: Mark | undefined, b: Mark | undefined): boolean {
  return a !== undefined && b !== undefined && a.term === b.term && a.renewals === b.renewals
}

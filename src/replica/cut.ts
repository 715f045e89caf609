// What is left of a log that was pruned (PROTOCOL 1.11): its first event, which says whose log it is and which came before it;
// its last, which says where it ended; and the cloud's ack, which binds them and is the only licence to let go of the rest. It
// proves itself: the first event bears its author's seal, the last one hashes to what the ack names. So it may come from a disk
// or from any peer.
import { bytes, record, type Value } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import {
  decodeElement,
  digestToSign,
  type Element,
  GENESIS,
  type LogHead,
  MAX_ELEMENT_BYTES,
  place,
} from '../log/event.ts'
import { type Ack, MAX_OBJECT_BYTES, type ObjectRefusal, readObject } from '../log/object.ts'
import { headAfter, logIdOf } from '../log/writer.ts'
import { type EventHash, hex, unhex } from '../units.ts'
import type { Log } from './logs.ts'

/** `prev`: hash of the event before the last; zeros where the last is the first. */
export const CUT = record({
  first: bytes(MAX_ELEMENT_BYTES),
  prev: bytes(32, 32),
  last: bytes(MAX_ELEMENT_BYTES),
  ack: bytes(MAX_OBJECT_BYTES),
})
export type CutWords = Value<typeof CUT>

/** A checked cut. */
export type Cut = {
  readonly words: CutWords
  readonly certificate: Certificate
  readonly head: LogHead
  readonly ack: Ack
  /** Of the ack. */
  readonly signer: Certificate
}

/** An ack below this says that one database has it, and no more. */
export const PRUNING_DURABILITY = 2

export type CutRefusal =
  | ObjectRefusal
  | 'not-an-ack'
  | 'not-durable'
  | 'not-its-log'
  | 'unknown-author'
  | 'not-a-nodes'
export type CutVerdict =
  | { readonly kind: 'valid'; readonly cut: Cut }
  | { readonly kind: 'refused'; readonly reason: CutRefusal }

export type CutDeps = { readonly roster: Roster; readonly signatures: Signatures }

/** What may stand for a log that is held whole, up to what the ack covers. */
export function cutWordsOf(log: Log, ack: Uint8Array): CutWords | undefined {
  const [first, last] = [log.elements[0], log.elements[log.head.seq]]
  if (!first || !last) return undefined
  return { first, prev: unhex(log.hashes[log.head.seq - 1] ?? GENESIS), last, ack }
}

export function readCut(deps: CutDeps, words: CutWords): CutVerdict {
  const verdict = readObject(deps, words.ack)
  if (verdict.kind === 'refused') return refused(verdict.reason)
  if (verdict.object.kind !== 'ack') return refused('not-an-ack')
  const ack = verdict.object.body
  if (ack.durability < PRUNING_DURABILITY) return refused('not-durable')
  const [first, last] = [decodeElement(words.first), decodeElement(words.last)]
  if (typeof first === 'string' || typeof last === 'string') return refused('not-its-log')
  const end = place(last, { logId: ack.logId, seq: ack.seq, prev: hex<EventHash>(words.prev) })
  if (end.hash !== ack.hash || !end.signature) return refused('not-its-log')
  const certificate = authorOf(deps, first, ack)
  if (typeof certificate === 'string') return refused(certificate)
  const { signer } = verdict.object
  return { kind: 'valid', cut: { words, certificate, head: headAfter(end), ack, signer } }
}

/** Whose log it is, by the seal of its first event. */
function authorOf({ roster, signatures }: CutDeps, first: Element, { logId }: Ack): Certificate | CutRefusal {
  const said = first.type === TYPE_NUMBERS.epoch_open ? decodeBody(first.type, first.body) : undefined
  if (said?.name !== 'epoch_open' || said.body.siteId !== roster.siteId) return 'not-its-log'
  const certificate = roster.certificate(said.body.certHash)
  if (!certificate) return 'unknown-author'
  // What an operator said decides who may charge: nobody lets go of it, and nobody is believed to have.
  if (certificate.roles.some(role => role !== 'node')) return 'not-a-nodes'
  if (logIdOf(certificate.deviceId, said.body.epochId) !== logId || !first.signature) return 'not-its-log'
  const digest = digestToSign(first, { logId, seq: 0, prev: GENESIS })
  return signatures.verify(first.signature, digest, certificate.logKey) ? certificate : 'bad-signature'
}

function refused(reason: CutRefusal): CutVerdict {
  return { kind: 'refused', reason }
}

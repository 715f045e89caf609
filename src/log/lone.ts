// An event out of its log, ahead of what lies before it: signed by its author, so anybody can tell that it was said, and at
// which place (PROTOCOL 3.4). What it follows on is said with it and proven only when the log itself comes.
import { bytes, id, listOf, record, uint, type Value } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import type { Signatures } from '../identity/signature.ts'
import type { CertHash, EpochId, EventHash, LogId } from '../units.ts'
import { TYPE_NUMBERS } from './body.ts'
import { decodeElement, digestToSign, type LogEvent, MAX_ELEMENT_BYTES, place } from './event.ts'
import { logIdOf } from './writer.ts'

/** Logs of which events go ahead in one push, and events of one of them. */
export const MAX_LONE_LOGS = 128
export const MAX_LONE_EVENTS = 256

const LONE_EVENT = record({
  seq: uint,
  /** Hash of the event before it. */
  prev: id<EventHash>(32),
  element: bytes(MAX_ELEMENT_BYTES),
})
/** Whose log it is shows in its name: that is made of its author and its epoch. */
export const LONE_LOG = record({
  logId: id<LogId>(16),
  certHash: id<CertHash>(32),
  epochId: id<EpochId>(16),
  events: listOf(LONE_EVENT, MAX_LONE_EVENTS),
})
export type LoneLog = Value<typeof LONE_LOG>

/** What may go ahead: the end of a session, and its start, without which the end tells no energy. */
const TYPES: readonly number[] = [TYPE_NUMBERS.session_end, TYPE_NUMBERS.session_start]

export type LoneFault = 'not-its-role' | 'log-id-mismatch' | 'element' | 'type' | 'unsealed' | 'bad-signature'

/** The events, in their places, or what is wrong with the first that is wrong. */
export function readLone(
  signatures: Signatures,
  certificate: Certificate,
  { logId, epochId, events }: LoneLog,
): readonly LogEvent[] | LoneFault {
  if (!certificate.roles.includes('node')) return 'not-its-role'
  if (logIdOf(certificate.deviceId, epochId) !== logId) return 'log-id-mismatch'
  const read: LogEvent[] = []
  for (const { seq, prev, element: encoded } of events) {
    const element = decodeElement(encoded)
    if (typeof element === 'string') return 'element'
    if (!TYPES.includes(element.type)) return 'type'
    if (!element.signature) return 'unsealed'
    const at = { logId, seq, prev }
    if (!signatures.verify(element.signature, digestToSign(element, at), certificate.logKey))
      return 'bad-signature'
    read.push(place(element, at))
  }
  return read
}

// An audit file as a stream of bytes, made while somebody takes them: nothing of it is held but what is being sent.
import { toBytes } from '../cbor.ts'
import type { ObjectSigner } from '../log/object.ts'
import type { Segment } from '../ports.ts'
import { countOf, encodeUpdate } from '../replica/canonical.ts'
import { endOfSegment } from '../replica/logs.ts'
import { concatBytes, type LogId } from '../units.ts'
import {
  AUDIT_VERSION,
  BILL,
  type BillSaid,
  HEADER,
  type Header,
  SEGMENT,
  SESSION_SAID,
  type SessionSaid,
} from './format.ts'
import { createAuditWriter } from './writer.ts'

export type AuditContents = {
  readonly header: Omit<Header, 'version'>
  /** Issuers before those whom they certified. */
  readonly certificates: Iterable<Uint8Array>
  readonly segments: AsyncIterable<Segment> | Iterable<Segment>
  /** For each fork the other branch. */
  readonly forks: Iterable<Segment>
  readonly objects: Iterable<Uint8Array>
  readonly sessions: Iterable<SessionSaid>
  readonly bills: AsyncIterable<BillSaid> | Iterable<BillSaid>
}

/** Records are handed on together once they are so long: each hand-over costs a turn of the loop. */
const CHUNK_BYTES = 64 * 1024

export async function* auditBytes(
  contents: AuditContents,
  signer: ObjectSigner,
): AsyncGenerator<Uint8Array, void, void> {
  let waiting: Uint8Array[] = []
  let bytes = 0
  for await (const part of partsOf(contents, signer)) {
    waiting.push(part)
    bytes += part.length
    if (bytes < CHUNK_BYTES) continue
    yield concatBytes(waiting)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield concatBytes(waiting)
}

async function* partsOf(
  contents: AuditContents,
  signer: ObjectSigner,
): AsyncGenerator<Uint8Array, void, void> {
  const writer = createAuditWriter()
  yield writer.begin()
  yield writer.record('header', toBytes(HEADER, { version: AUDIT_VERSION, ...contents.header }))
  for (const encoded of contents.certificates) yield writer.record('certificate', encoded)
  for await (const segment of contents.segments)
    yield writer.record('segment', toBytes(SEGMENT, segment), countOf(segment.update))
  for (const segment of contents.forks) yield writer.record('fork', toBytes(SEGMENT, segment))
  for (const encoded of contents.objects) yield writer.record('object', encoded)
  for (const session of contents.sessions) yield writer.record('session', toBytes(SESSION_SAID, session))
  for await (const bill of contents.bills) yield writer.record('bill', toBytes(BILL, bill))
  yield writer.end(signer)
}

/** A run of a log's elements as segments; what stands behind its last seal is left out. */
export function* cutElements(
  logId: LogId,
  fromSeq: number,
  elements: readonly Uint8Array[],
): Generator<Segment, void, void> {
  for (let from = 0; from < elements.length; ) {
    const end = endOfSegment(elements, from)
    if (end === undefined) return
    yield { logId, fromSeq: fromSeq + from, update: encodeUpdate(fromSeq + from, elements.slice(from, end)) }
    from = end
  }
}

// What the ledger writes into the journal: one record for each segment that was admitted or written, each object, each
// certificate and each proof of a fork. Everything that is read back passes the gate again: a disk is not trusted either.
import { bytes, fromBytes, id, record, toBytes, uint } from '../cbor.ts'
import { MeshError } from '../errors.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { readObject } from '../log/object.ts'
import type { Segment } from '../ports.ts'
import type { Admission } from '../replica/admit.ts'
import { MAX_SEGMENT_BYTES } from '../replica/canonical.ts'
import { CUT, type CutWords, readCut } from '../replica/cut.ts'
import type { Logs } from '../replica/logs.ts'
import type { Objects } from '../replica/objects.ts'
import type { LogId } from '../units.ts'

/** What a journal record is; numbers are never re-used. */
export const RECORD = { segment: 1, object: 2, certificate: 3, fork: 4, cut: 5 } as const
export type LedgerRecord = { readonly kind: number; readonly payload: Uint8Array }

const SEGMENT = record({ logId: id<LogId>(16), fromSeq: uint, update: bytes(MAX_SEGMENT_BYTES) })

export function segmentRecord(kind: 'segment' | 'fork', segment: Segment): LedgerRecord {
  return { kind: RECORD[kind], payload: toBytes(SEGMENT, segment) }
}

/** From here on what was written of the log below the cut stands for nothing, and the journal may drop it. */
export function cutRecord(words: CutWords): LedgerRecord {
  return { kind: RECORD.cut, payload: toBytes(CUT, words) }
}

/** The log that a segment or a proof is of; undefined for other records. */
export function logOf({ kind, payload }: LedgerRecord): { logId: LogId; fromSeq: number } | undefined {
  return kind === RECORD.segment || kind === RECORD.fork ? fromBytes(SEGMENT, payload) : undefined
}

type Recovery = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly admitSegment: (segment: Segment) => Admission
  readonly addObject: Objects['add']
  readonly prune: Logs['prune']
}

/** Gives one record to whom it concerns; false when it does not pass the gate any more. */
export function recoverRecord(
  { roster, signatures, admitSegment, addObject, prune }: Recovery,
  held: LedgerRecord,
): boolean {
  switch (held.kind) {
    case RECORD.segment:
    case RECORD.fork: {
      const { kind } = admitSegment(fromBytes(SEGMENT, held.payload))
      return kind === 'admitted' || kind === 'duplicate' || kind === 'fork'
    }
    case RECORD.object: {
      const verdict = readObject({ roster, signatures }, held.payload)
      if (verdict.kind === 'valid') addObject(verdict.object)
      return verdict.kind === 'valid'
    }
    case RECORD.cut: {
      const verdict = readCut({ roster, signatures }, fromBytes(CUT, held.payload))
      if (verdict.kind === 'valid') prune(verdict.cut)
      return verdict.kind === 'valid'
    }
    case RECORD.certificate:
      return roster.enrol(held.payload).kind === 'valid'
    default:
      throw new MeshError(
        'STORE_CORRUPT',
        `the journal holds a record of unknown kind ${held.kind}: newer software wrote it`,
      )
  }
}

// Takes an audit file apart again, in pieces of any length: bounded, and it stops at the first byte that is not what was written.
import { concatBytes, sameBytes } from '../units.ts'
import {
  AUDIT_MAGIC,
  firstDigest,
  HEAD_BYTES,
  KIND,
  kindName,
  MAX_PAYLOAD_BYTES,
  nextDigest,
  TAG_BYTES,
} from './format.ts'

export type AuditRecord = {
  readonly kind: number
  /** A view into what was given: good until the next piece is. */
  readonly payload: Uint8Array
  /** Counted from 0, the header. */
  readonly number: number
  /** Its first byte in the file. */
  readonly at: number
  /** The digest of everything before it. */
  readonly before: Uint8Array
}

/** The bytes are not those of a file that was written to its end. */
export class AuditDamaged extends Error {
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.name = 'AuditDamaged'
    this.at = at
  }
}

export type AuditReader = {
  /** The records that are whole by now. Throws AuditDamaged. */
  readonly push: (chunk: Uint8Array) => readonly AuditRecord[]
  /** Throws AuditDamaged when the file was cut. */
  readonly end: () => void
}

export function createAuditReader(): AuditReader {
  let rest: Uint8Array = new Uint8Array(0)
  let at = 0
  let number = 0
  let digest: Uint8Array | undefined
  let isOver = false

  const takeMagic = (): boolean => {
    const given = rest.subarray(0, AUDIT_MAGIC.length)
    if (!sameBytes(given, AUDIT_MAGIC.subarray(0, given.length)))
      throw new AuditDamaged(0, 'it does not begin as an audit file does')
    if (given.length < AUDIT_MAGIC.length) return false
    digest = firstDigest()
    drop(AUDIT_MAGIC.length)
    return true
  }
  const drop = (count: number): void => {
    rest = rest.subarray(count)
    at += count
  }
  const takeRecord = (before: Uint8Array): AuditRecord | undefined => {
    if (rest.length === 0) return undefined
    if (isOver) throw new AuditDamaged(at, `something stands behind the end of the file, from byte ${at} on`)
    const kind = rest[0] ?? 0
    if (number === 0 && kind !== KIND.header)
      throw new AuditDamaged(at, `record 0 (from byte ${at}): it is no header`)
    if (rest.length < HEAD_BYTES) return undefined
    const length = new DataView(rest.buffer, rest.byteOffset, rest.length).getUint32(1)
    const what = `record ${number} (${kindName(kind) ?? `kind ${kind}`}, from byte ${at})`
    if (length > MAX_PAYLOAD_BYTES) throw new AuditDamaged(at, `${what}: its length cannot be`)
    const end = HEAD_BYTES + length
    if (rest.length < end + TAG_BYTES) return undefined
    const next = nextDigest(before, rest.subarray(0, end))
    if (!sameBytes(next.subarray(0, TAG_BYTES), rest.subarray(end, end + TAG_BYTES)))
      throw new AuditDamaged(
        at,
        `${what}: it is not what was written there, or another record stood before it`,
      )
    const record = { kind, payload: rest.subarray(HEAD_BYTES, end), number, at, before }
    digest = next
    isOver = kind === KIND.trailer
    number += 1
    drop(end + TAG_BYTES)
    return record
  }

  return {
    push: chunk => {
      // A Buffer's slice would be a view into bytes that are soon others.
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
      rest = rest.length === 0 ? bytes : concatBytes([rest, bytes])
      if (!digest && !takeMagic()) {
        rest = rest.slice()
        return []
      }
      const records: AuditRecord[] = []
      while (digest) {
        const record = takeRecord(digest)
        if (!record) break
        records.push(record)
      }
      // Whoever gives the next piece may give it in the same bytes.
      rest = rest.slice()
      return records
    },
    end: () => {
      if (isOver) return
      const where = at + rest.length
      throw new AuditDamaged(
        where,
        `the file is cut: it ends at byte ${where}, in or before record ${number}`,
      )
    },
  }
}

// What nodes say to each other on `/chargemesh/sync/1`: eight messages, each a CBOR record behind one byte that
// names it, each bounded so that it fits a frame.
import {
  bool,
  bytes,
  fromBytes,
  id,
  listOf,
  MalformedBytes,
  oneOf,
  record,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { MAX_OBJECT_BYTES, OBJECT_KINDS } from '../log/object.ts'
import type { DeviceId, LogId } from '../units.ts'
import { MAX_SEGMENT_BYTES } from './canonical.ts'
import { CUT, type CutWords } from './cut.ts'

/** 31 bytes an entry: a page stays well below a frame. */
export const MAX_HAVE_ENTRIES = 1000
export const MAX_WANT_LOGS = 64
export const MAX_OBJECTS = 40
export const MAX_NAMED_TREES = 64

const logId = id<LogId>(16)
const shortHash = bytes(8, 8)
const objectEntry = record({ kind: oneOf(OBJECT_KINDS), key: id<string>(16), version: uint })

/** I hold these logs up to here. `all`: and no others (the last page of everything I hold). */
const HAVE = record({
  heads: listOf(record({ logId, seq: uint, hash: shortHash }), MAX_HAVE_ENTRIES),
  objects: listOf(objectEntry, MAX_HAVE_ENTRIES),
})
/** Send me these logs from there on. `prevHash` is of the event before, so that a branch is seen and not mistaken for a forgery. */
const WANT = record({
  logs: listOf(record({ logId, fromSeq: uint, prevHash: bytes(8) }), MAX_WANT_LOGS),
  objects: listOf(objectEntry, MAX_WANT_LOGS),
})
/**
 * `more`: I hold more of this log, ask again. `prevHash`: of the event before the segment, as in a question, so that the
 * continuation of another branch is seen for what it is and an honest relay is not taken for a forger; empty at 0.
 */
const SEGMENT = record({
  logId,
  fromSeq: uint,
  update: bytes(MAX_SEGMENT_BYTES),
  more: bool,
  prevHash: bytes(8),
})
const OBJECTS = record({ objects: listOf(bytes(MAX_OBJECT_BYTES), MAX_OBJECTS) })
/** Digest over all heads and objects; who holds the same has nothing to say. */
const DIGEST = record({ digest: bytes(16, 16) })
/** Of these authors, and of objects, the news: prune, I get it from elsewhere; graft, pass it on to me. */
const TREES = record({ authors: listOf(id<DeviceId>(16), MAX_NAMED_TREES), objects: bool })

const CUT_OF = record({ logId, cut: CUT })

export type Have = Value<typeof HAVE>
export type Want = Value<typeof WANT>

export type Message =
  | ({ readonly kind: 'have' } & Have)
  | ({ readonly kind: 'want' } & Want)
  | ({ readonly kind: 'segment' } & Value<typeof SEGMENT>)
  | ({ readonly kind: 'objects' } & Value<typeof OBJECTS>)
  | ({ readonly kind: 'digest' } & Value<typeof DIGEST>)
  | ({ readonly kind: 'prune' | 'graft' } & Value<typeof TREES>)
  /** In the place of what was asked for: it was pruned, and this stands for it. */
  | ({ readonly kind: 'cut'; readonly logId: LogId } & CutWords)

const KINDS = { have: 1, want: 2, segment: 3, objects: 4, digest: 5, prune: 6, graft: 7, cut: 8 } as const

export function encodeMessage(message: Message): Uint8Array {
  const body = encodeBody(message)
  const encoded = new Uint8Array(1 + body.length)
  encoded[0] = KINDS[message.kind]
  encoded.set(body, 1)
  return encoded
}

function encodeBody(message: Message): Uint8Array {
  switch (message.kind) {
    case 'have':
      return toBytes(HAVE, message)
    case 'want':
      return toBytes(WANT, message)
    case 'segment':
      return toBytes(SEGMENT, message)
    case 'objects':
      return toBytes(OBJECTS, message)
    case 'digest':
      return toBytes(DIGEST, message)
    case 'prune':
    case 'graft':
      return toBytes(TREES, message)
    case 'cut':
      return toBytes(CUT_OF, { logId: message.logId, cut: message })
  }
}

/** What a peer said, or undefined when it is no message of ours. */
export function decodeMessage(encoded: Uint8Array): Message | undefined {
  const body = encoded.subarray(1)
  try {
    switch (encoded[0]) {
      case KINDS.have:
        return { kind: 'have', ...fromBytes(HAVE, body) }
      case KINDS.want:
        return { kind: 'want', ...fromBytes(WANT, body) }
      case KINDS.segment:
        return { kind: 'segment', ...fromBytes(SEGMENT, body) }
      case KINDS.objects:
        return { kind: 'objects', ...fromBytes(OBJECTS, body) }
      case KINDS.digest:
        return { kind: 'digest', ...fromBytes(DIGEST, body) }
      case KINDS.prune:
        return { kind: 'prune', ...fromBytes(TREES, body) }
      case KINDS.graft:
        return { kind: 'graft', ...fromBytes(TREES, body) }
      case KINDS.cut: {
        const { cut, ...said } = fromBytes(CUT_OF, body)
        return { kind: 'cut', ...said, ...cut }
      }
      default:
        return undefined
    }
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined
    throw error
  }
}

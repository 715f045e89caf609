// What nodes told an existing central system of sessions, and whose turn that is: tables of event bodies (body.ts), signed for ever.
import { listOf, oneOf, optional, record, text } from '../cbor.ts'
import { chargerId, deviceId, EVENT_REF, sessionId } from './fields.ts'
import { FORWARD_STAGES } from './words.ts'

/** The name of an uplink is that of one central system, on every node of the site. */
const uplink = text(32)
/** Logs with words of one central system that a hand-over can name. */
export const MAX_HANDED_HEADS = 64

export const FORWARD_BODIES = {
  /**
   * Written before a call leaves (asked, stopping: with its words, in which no card's own id stands), when its answer came
   * (started, stopped), and where a person decided (retry, skipped).
   */
  forwarded: record({
    ...{ uplink, sessionId, chargerId, stage: oneOf(FORWARD_STAGES) },
    words: optional(text(3000)),
    /** Said for a card whose own id nobody here can read; a name that the operator chose, and no card's. */
    standIn: optional(text(36)),
    /** What the central system calls the transaction. */
    upstreamId: optional(text(64)),
    /** retry: the words that it undoes. */
    undoes: listOf(EVENT_REF, 16),
    note: text(128),
  }),
  /** Who holds the turn gives it to another node. */
  hand_over: record({
    ...{ uplink, to: deviceId },
    /** By which it held the turn: the operator's order (a `policy` event), or another hand-over. */
    after: EVENT_REF,
    /** The newest word about this central system in each log: the next one says nothing before it holds them. */
    heads: listOf(EVENT_REF, MAX_HANDED_HEADS),
  }),
}

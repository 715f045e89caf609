// What sync keeps of one connected peer: what it is known to hold, when it was told what, and what it may still be answered.
import type { ObjectName } from '../log/object.ts'
import type { LogId } from '../units.ts'
import type { ObjectEntry } from './frontier.ts'
import { nameOf } from './sends.ts'

/** Answers to one peer at once: what its queue could hold. */
export const ANSWER_BURST_BYTES = 1024 * 1024

/** Objects asked of one peer; whoever names more than this never answered, and its answers may count as unasked. */
const MAX_ASKED = 4096

export type Peer = {
  /** Up to where it surely holds a log: we pushed it, or it told us. */
  readonly knows: Map<LogId, number>
  /** Versions of objects that it surely holds, likewise; only of names that we hold too, so that it cannot fill this. */
  readonly holds: Map<string, number>
  /** When it was last sent the proof of a fork. */
  readonly provedAt: Map<LogId, number>
  /** Objects that it was asked for; see `asks`. */
  readonly asked: Set<string>
  /** Objects that it named and we did not hold then; asked for with the next tick. */
  readonly lacking: Map<string, ObjectEntry>
  /** Counters of our changes that it was told up to. */
  told: { readonly logs: number; readonly objects: number }
  /** Its last digests in a row that differed from ours. */
  differed: number
  answerBytes: number
  /** Apart from the logs': an object that was not answered is asked for again only with the next full list. */
  objectBytes: number
  answeredAtMs: number
  fullAt: number
  /** When it came. */
  readonly cameAtMs: number
  /** It has forgotten since what it was told: everything is owed to it. */
  hasForgotten: boolean
  digestAt: number
}

export function newPeer(nowMs: number): Peer {
  return {
    knows: new Map(),
    holds: new Map(),
    provedAt: new Map(),
    asked: new Set(),
    lacking: new Map(),
    told: { logs: 0, objects: 0 },
    differed: 0,
    answerBytes: ANSWER_BURST_BYTES,
    objectBytes: ANSWER_BURST_BYTES,
    answeredAtMs: nowMs,
    fullAt: nowMs,
    cameAtMs: nowMs,
    hasForgotten: false,
    digestAt: nowMs,
  }
}

export function isHeldBy(peer: Peer, name: ObjectName, version: number): boolean {
  return (peer.holds.get(name) ?? -1) >= version
}

export function lacks(peer: Peer, missing: readonly ObjectEntry[]): void {
  for (const entry of missing) if (peer.lacking.size < MAX_ASKED) peer.lacking.set(nameOf(entry), entry)
}

export function asks(peer: Peer, name: ObjectName): void {
  if (peer.asked.size >= MAX_ASKED) peer.asked.clear()
  peer.asked.add(name)
}

/** It says that it holds nothing: whatever we believed of it is void. */
export function forgets(peer: Peer): void {
  peer.knows.clear()
  peer.holds.clear()
  peer.hasForgotten = true
}

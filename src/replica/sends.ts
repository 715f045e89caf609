// Messages in the making: pages that fit a frame, segments, and the proof of a fork.
import type { ObjectName } from '../log/object.ts'
import { type DeviceId, sameBytes } from '../units.ts'
import type { HeadEntry, ObjectEntry } from './frontier.ts'
import { type CutSegment, type Fork, type Log, shortHash } from './logs.ts'
import { MAX_HAVE_ENTRIES, MAX_NAMED_TREES, MAX_OBJECTS, type Message } from './message.ts'

export type SegmentMessage = Extract<Message, { kind: 'segment' }>
export type Send = { readonly to: DeviceId; readonly message: Message }

/**
 * A segment of a peer's as we say it on. Whether there is more only its sender knows; and the hash before it is the one we hold:
 * were it left out, whoever holds another branch would take us for a forger.
 */
export function saidOn(message: SegmentMessage, log: Log): SegmentMessage {
  const before = log.hashes[message.fromSeq - 1]
  const prevHash = before === undefined ? new Uint8Array(0) : shortHash(before)
  const isAsItCame = !message.more && sameBytes(prevHash, message.prevHash)
  return isAsItCame ? message : { ...message, more: false, prevHash }
}

export function sendOf(to: DeviceId, segment: CutSegment, more: boolean): Send {
  return { to, message: segmentMessage(segment, more) }
}

export function segmentMessage(segment: CutSegment, more: boolean): Message {
  const { logId, fromSeq, update, prevHash } = segment
  return { kind: 'segment', logId, fromSeq, update, more, prevHash }
}

/** The branch of a fork that is not ours; what lies before it is shared, so its first event follows one of ours. */
export function evidence(to: DeviceId, log: Log, fork: Fork): Send {
  const before = log.hashes[fork.evidence.fromSeq - 1]
  const prevHash = before === undefined ? new Uint8Array(0) : shortHash(before)
  return sendOf(to, { ...fork.evidence, prevHash, nextSeq: fork.seq + 1 }, false)
}

export function nameOf(entry: ObjectEntry): ObjectName {
  return `${entry.kind}/${entry.key}`
}

export function pages(heads: readonly HeadEntry[], named: readonly ObjectEntry[]): readonly Message[] {
  const messages: Message[] = []
  const most = Math.max(heads.length, named.length)
  for (let i = 0; i < most; i += MAX_HAVE_ENTRIES) {
    messages.push({
      kind: 'have',
      heads: heads.slice(i, i + MAX_HAVE_ENTRIES),
      objects: named.slice(i, i + MAX_HAVE_ENTRIES),
    })
  }
  return messages
}

export function objectPages(encoded: readonly Uint8Array[]): readonly Message[] {
  const messages: Message[] = []
  for (let i = 0; i < encoded.length; i += MAX_OBJECTS)
    messages.push({ kind: 'objects', objects: encoded.slice(i, i + MAX_OBJECTS) })
  return messages
}

/** To be left out of these authors' trees, or taken in. */
export function treePages(kind: 'prune' | 'graft', authors: readonly DeviceId[]): readonly Message[] {
  const messages: Message[] = []
  for (let i = 0; i < authors.length; i += MAX_NAMED_TREES)
    messages.push({ kind, authors: authors.slice(i, i + MAX_NAMED_TREES), objects: false })
  return messages
}

export function pick<T>(from: readonly T[], most: number, dice: (below: number) => number): readonly T[] {
  const rest = [...from]
  const picked: T[] = []
  while (picked.length < most && rest.length > 0) picked.push(...rest.splice(dice(rest.length), 1))
  return picked
}

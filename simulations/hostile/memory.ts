// What a hostile member heard from honest ones, as far as it is of use to it: raw messages to say again, heads to lie
// about, chains to forge behind, cards and stops to name. Bounded in everything; the oldest is forgotten first.
import { type BodyOf, decodeBody, type EventRef } from '../../src/log/body.ts'
import { decodeElement, GENESIS, type LogHead, place } from '../../src/log/event.ts'
import { headAfter } from '../../src/log/writer.ts'
import { decodeUpdate } from '../../src/replica/canonical.ts'
import type { Message, Want } from '../../src/replica/message.ts'
import { type LogId, type SessionId, type TokenRef, unhex } from '../../src/units.ts'

const MAX_FRAMES = 256
const MAX_FRAME_BYTES = 1024 * 1024
const MAX_SEGMENTS = 64
const MAX_LOGS = 512
const MAX_NAMES = 64
const MAX_OBJECTS = 64
/** Logs that it asks one announcement for. */
const MAX_ASKED = 16

type SegmentMessage = Extract<Message, { kind: 'segment' }>
export type Stop = {
  readonly sessionId: SessionId
  readonly end: EventRef
  readonly said: BodyOf<'session_end'>
}

export type Memory = {
  /** Keeps what was said; answers what it would like to know next, as an honest node would ask. */
  readonly hear: (frame: Uint8Array, message: Message) => Want | undefined
  readonly frames: () => readonly Uint8Array[]
  readonly segments: () => readonly SegmentMessage[]
  readonly objects: () => readonly Uint8Array[]
  /** Newest heads of honest logs that it holds whole. */
  readonly heads: () => readonly LogHead[]
  /** Logs that anybody named, and up to where. */
  readonly claims: () => readonly { readonly logId: LogId; readonly seq: number }[]
  readonly tokens: () => readonly TokenRef[]
  readonly stops: () => readonly Stop[]
}

type State = {
  readonly frames: Uint8Array[]
  frameBytes: number
  readonly segments: SegmentMessage[]
  readonly objects: Uint8Array[]
  readonly heads: Map<LogId, LogHead>
  readonly claims: Map<LogId, number>
  readonly tokens: Set<TokenRef>
  readonly stops: Stop[]
}

export function createMemory(): Memory {
  const state: State = {
    ...{ frames: [], frameBytes: 0, segments: [], objects: [], stops: [] },
    ...{ heads: new Map(), claims: new Map(), tokens: new Set() },
  }
  return {
    hear: (frame, message) => {
      keepFrame(state, frame)
      switch (message.kind) {
        case 'have':
          for (const { logId, seq } of message.heads) claim(state, logId, seq)
          return missing(
            state,
            message.heads.map(head => head.logId),
          )
        case 'segment':
          keep(state.segments, message, MAX_SEGMENTS)
          // Only on progress: else two members of its kind would ask each other for ever.
          return follow(state, message) && message.more ? missing(state, [message.logId]) : undefined
        case 'objects':
          for (const object of message.objects) keep(state.objects, object, MAX_OBJECTS)
          return undefined
        case 'want':
        case 'prune':
        case 'graft':
        case 'digest':
        case 'cut':
          return undefined
      }
    },
    frames: () => state.frames,
    segments: () => state.segments,
    objects: () => state.objects,
    heads: () => [...state.heads.values()],
    claims: () => [...state.claims].map(([logId, seq]) => ({ logId, seq })),
    tokens: () => [...state.tokens],
    stops: () => state.stops,
  }
}

function keep<T>(list: T[], item: T, most: number): void {
  list.push(item)
  if (list.length > most) list.shift()
}

function keepFrame(state: State, frame: Uint8Array): void {
  state.frames.push(frame)
  state.frameBytes += frame.length
  while (state.frames.length > MAX_FRAMES || state.frameBytes > MAX_FRAME_BYTES)
    state.frameBytes -= state.frames.shift()?.length ?? state.frameBytes
}

function claim(state: State, logId: LogId, seq: number): void {
  const known = state.claims.get(logId)
  if (known === undefined && state.claims.size >= MAX_LOGS) return
  state.claims.set(logId, Math.max(known ?? 0, seq))
}

function missing(state: State, logIds: readonly LogId[]): Want | undefined {
  const logs: Want['logs'][number][] = []
  for (const logId of logIds) {
    const head = state.heads.get(logId)
    if (logs.length >= MAX_ASKED || (head && head.seq >= (state.claims.get(logId) ?? 0))) continue
    const prevHash = head ? unhex(head.hash.slice(0, 16)) : new Uint8Array(0)
    logs.push({ logId, fromSeq: head ? head.seq + 1 : 0, prevHash })
  }
  return logs.length > 0 ? { logs, objects: [] } : undefined
}

/** Follows a log's chain where the segment continues what it holds; true when it did. Nothing else is of use for forging. */
function follow(state: State, { logId, fromSeq, update, more }: SegmentMessage): boolean {
  const before = state.heads.get(logId)
  if (fromSeq !== (before ? before.seq + 1 : 0) || (!before && state.heads.size >= MAX_LOGS)) return false
  let head = before
  for (const bytes of decodeUpdate(fromSeq, update) ?? []) {
    const element = decodeElement(bytes)
    if (typeof element === 'string') break
    const at = { logId, seq: head ? head.seq + 1 : 0, prev: head?.hash ?? GENESIS }
    const event = place(element, at)
    head = headAfter(event)
    state.heads.set(logId, head)
    note(state, { logId, seq: event.seq, hash: event.hash }, decodeBody(event.type, event.body))
  }
  if (head) claim(state, logId, head.seq + (more ? 1 : 0))
  return head !== before
}

/** Cards and stops that it may name in lies of its own. */
function note(state: State, ref: EventRef, said: ReturnType<typeof decodeBody>): void {
  if (said?.name === 'session_start' || said?.name === 'grant' || said?.name === 'revoke') {
    state.tokens.add(said.body.tokenRef)
    const [oldest] = state.tokens
    if (state.tokens.size > MAX_NAMES && oldest !== undefined) state.tokens.delete(oldest)
  }
  if (said?.name === 'session_end' && said.body.sessionId)
    keep(state.stops, { sessionId: said.body.sessionId, end: ref, said: said.body }, MAX_NAMES)
}

// Dissemination: who is told what, and who is asked for what (PROTOCOL 7.1, 8). An author pushes new segments to
// every connected peer; what was learned from elsewhere is announced to some peers each second; whoever lacks
// something asks one peer for it; digests find what got lost. Nothing here trusts a peer: a segment goes to the
// gate, and an announcement only ever leads to a question.
import type { SignedObject } from '../log/object.ts'
import { type DeviceId, type LogId, sameBytes } from '../units.ts'
import {
  digestOf,
  type HeadEntry,
  headEntry,
  headsSince,
  type ObjectEntry,
  objectsSince,
} from './frontier.ts'
import { type CutSegment, type Log, type Logs, shortHash } from './logs.ts'
import { type Have, MAX_WANT_LOGS, type Message, type Want } from './message.ts'
import type { Objects } from './objects.ts'
import { ANSWER_BURST_BYTES, newPeer, type Peer } from './peer.ts'
import { createQuestions, MAX_OUTSTANDING, type Progress } from './questions.ts'
import { evidence, nameOf, objectPages, pages, pick, type Send, segmentMessage, sendOf } from './sends.ts'

/** Segments a question is answered with; the last says whether there are more. */
const WINDOW_SEGMENTS = 4
/** Peers told of news, where they did not get it from its author. */
const GOSSIP_PEERS = 3
/** How long news is gathered before it is told on. */
const GOSSIP_EVERY_MS = 2000
const DIGEST_QUIET_MS = 2000
const DIGEST_EVERY_MS = 5000
const DIGEST_LOUD_MS = 30_000
/** Everything is listed to one peer at most this often: what we believe it to hold may have been lost on the way. */
const FULL_EVERY_MS = 15_000
/** How fast answers to one peer are allowed again: the rate at which a peer may talk to us. */
const ANSWER_BYTES_PER_MS = 16 * 1024
/** Both branches of a forked log go to one peer at most this often. */
const PROOF_EVERY_MS = 10_000
/** ... and this often where only its digest differs from ours; so many at once. */
const PROOF_AGAIN_MS = 60_000
const MAX_PROOFS = 4

type Frontier = { readonly heads: readonly HeadEntry[]; readonly named: readonly ObjectEntry[] }

export type SyncDeps = {
  readonly logs: Logs
  readonly objects: Objects
  /** A whole number, 0 <= n < below. */
  readonly dice: (below: number) => number
}

export type Sync = {
  readonly connected: (peer: DeviceId, nowMs: number) => readonly Send[]
  readonly gone: (peer: DeviceId) => void
  readonly heard: (
    peer: DeviceId,
    message: Exclude<Message, { kind: 'segment' | 'objects' }>,
    nowMs: number,
  ) => readonly Send[]
  /** We authored these: push them to all. */
  readonly authored: (segments: readonly CutSegment[], nowMs: number) => readonly Send[]
  /** A peer's segment passed the gate, or was a duplicate, or left a gap. */
  readonly progressed: (peer: DeviceId, progress: Progress, nowMs: number) => readonly Send[]
  /** Objects that we did not hold before; to all but `from` when `urgent`, else they travel by announcement. */
  readonly learned: (objects: readonly SignedObject[], from: DeviceId | undefined) => readonly Send[]
  /** News of the operator goes on at once, and so does the proof of a fork, to everybody. */
  readonly urgent: (logId: LogId, from: DeviceId | undefined, nowMs: number) => readonly Send[]
  readonly tick: (nowMs: number) => readonly Send[]
}

export function createSync(deps: SyncDeps): Sync {
  const { logs, objects } = deps
  const peers = new Map<DeviceId, Peer>()
  const questions = createQuestions(logs)
  let changedAtMs = 0
  let seenChanges = 0
  let gossiped = { logs: 0, objects: 0 }
  let gossipedAtMs = Number.NEGATIVE_INFINITY
  let digest: { changes: number; bytes: Uint8Array } | undefined

  const currentDigest = (): Uint8Array => {
    const changes = logs.changes() + objects.changes()
    if (digest?.changes !== changes) digest = { changes, bytes: digestOf(logs, objects) }
    return digest.bytes
  }

  const listAll = (to: DeviceId, peer: Peer, nowMs: number): readonly Send[] => {
    peer.fullAt = nowMs
    return [...announceAll(to), ...proofs(to, peer, nowMs)]
  }

  /** Up to its fork a frozen log looks like any other, so whoever holds only that much is shown the rest unasked. */
  const proofs = (to: DeviceId, peer: Peer, nowMs: number): readonly Send[] => {
    const sends: Send[] = []
    let left = MAX_PROOFS
    for (const log of logs.forked()) {
      const provedAtMs = peer.provedAt.get(log.logId) ?? Number.NEGATIVE_INFINITY
      if (left === 0 || nowMs - provedAtMs < PROOF_AGAIN_MS) continue
      left -= 1
      sends.push(...proof(to, log, nowMs))
    }
    return sends
  }

  const announceAll = (to: DeviceId): readonly Send[] => {
    return pages(headsSince(logs, 0), objectsSince(objects, 0)).map(message => ({ to, message }))
  }

  /** Everything new is told to a few peers that are not known to have it, once; digests find whom it did not reach. */
  const gossip = (): readonly Send[] => {
    const heads = headsSince(logs, gossiped.logs)
    const named = objectsSince(objects, gossiped.objects)
    gossiped = { logs: logs.changes(), objects: objects.changes() }
    if (heads.length + named.length === 0) return []
    return pick([...peers.keys()], GOSSIP_PEERS, deps.dice).flatMap(to =>
      tell(to, peers.get(to) as Peer, { heads, named }),
    )
  }

  /** Of these, what the peer is not known to hold. */
  const tell = (to: DeviceId, peer: Peer, { heads, named }: Frontier): readonly Send[] => {
    const unknown = heads.filter(head => (peer.knows.get(head.logId) ?? -1) < head.seq)
    const news = named.filter(entry => (peer.holds.get(nameOf(entry)) ?? -1) < entry.version)
    return unknown.length + news.length === 0 ? [] : pages(unknown, news).map(message => ({ to, message }))
  }

  const ask = (to: DeviceId, nowMs: number): readonly Send[] => {
    const wanted = questions.due(to, nowMs)
    return wanted.length === 0 ? [] : [{ to, message: { kind: 'want', logs: wanted, objects: [] } }]
  }

  /** Both branches from where they part: whoever holds one of them sees the other, and freezes the log too. */
  const proof = (to: DeviceId, log: Log, nowMs: number): readonly Send[] => {
    const peer = peers.get(to)
    const provedAtMs = peer?.provedAt.get(log.logId)
    if (!peer || !log.fork || (provedAtMs !== undefined && nowMs - provedAtMs < PROOF_EVERY_MS)) return []
    peer.provedAt.set(log.logId, nowMs)
    const ours = logs.segments(log.logId, log.fork.seq, 1)
    return [...ours.map(segment => sendOf(to, segment, false)), evidence(to, log, log.fork)]
  }

  const heardHave = (from: DeviceId, peer: Peer, have: Have, nowMs: number): readonly Send[] => {
    const sends: Send[] = []
    for (const entry of have.heads) {
      const log = logs.get(entry.logId)
      if (log) peer.knows.set(entry.logId, entry.seq)
      // A frozen log is announced up to its fork; who announces more of it does not know of the fork.
      if (log?.fork && entry.seq >= log.fork.seq) sends.push(...proof(from, log, nowMs))
      else questions.claimed(from, entry)
    }
    for (const entry of have.objects) peer.holds.set(nameOf(entry), entry.version)
    const missing = have.objects.filter(entry => (objects.get(nameOf(entry))?.version ?? -1) < entry.version)
    for (let i = 0; i < missing.length; i += MAX_WANT_LOGS) {
      sends.push({
        to: from,
        message: { kind: 'want', logs: [], objects: missing.slice(i, i + MAX_WANT_LOGS) },
      })
    }
    return [...sends, ...ask(from, nowMs)]
  }

  /** Each log is answered once however often it is named, and no peer gets more than its queue could hold. */
  const heardWant = (from: DeviceId, peer: Peer, want: Want, nowMs: number): readonly Send[] => {
    const refilled = peer.answerBytes + (nowMs - peer.answeredAtMs) * ANSWER_BYTES_PER_MS
    peer.answerBytes = Math.min(ANSWER_BURST_BYTES, refilled)
    peer.answeredAtMs = nowMs
    const sends: Send[] = []
    const asked = new Map(want.logs.map(one => [one.logId, one]))
    for (const one of [...asked.values()].slice(0, MAX_OUTSTANDING)) {
      if (peer.answerBytes <= 0) break
      const answers = answer(from, one)
      for (const { message } of answers)
        if (message.kind === 'segment') peer.answerBytes -= message.update.length
      sends.push(...answers)
    }
    const held = want.objects.flatMap(entry => objects.get(nameOf(entry))?.encoded ?? [])
    return [...sends, ...objectPages(held).map(message => ({ to: from, message }))]
  }

  const answer = (to: DeviceId, asked: Want['logs'][number]): readonly Send[] => {
    const log = logs.get(asked.logId)
    if (!log) return []
    const before = asked.fromSeq > 0 ? log.hashes[asked.fromSeq - 1] : undefined
    const branch =
      before !== undefined && asked.prevHash.length === 8 && !sameBytes(shortHash(before), asked.prevHash)
    const fromSeq = Math.min(branch ? 0 : asked.fromSeq, log.fork?.seq ?? Number.MAX_SAFE_INTEGER)
    const segments = logs.segments(asked.logId, fromSeq, WINDOW_SEGMENTS)
    const nextSeq = segments.at(-1)?.nextSeq ?? fromSeq
    const more = nextSeq <= (log.fork ? log.fork.seq : log.head.seq)
    const sends = segments.map((segment, i) => sendOf(to, segment, more && i === segments.length - 1))
    // Nobody gets one branch of a forked log without the other.
    return log.fork && !more ? [...sends, evidence(to, log, log.fork)] : sends
  }

  return {
    connected: (id, nowMs) => {
      const peer = newPeer(nowMs)
      peers.set(id, peer)
      questions.open(id)
      return listAll(id, peer, nowMs)
    },
    gone: id => {
      peers.delete(id)
      questions.close(id)
    },
    heard: (from, message, nowMs) => {
      const peer = peers.get(from)
      if (!peer) return []
      if (message.kind === 'have') return heardHave(from, peer, message, nowMs)
      if (message.kind === 'want') return heardWant(from, peer, message, nowMs)
      if (sameBytes(message.digest, currentDigest())) return []
      // On a busy site two digests are hardly ever equal: first what is surely new there, and everything only now and then.
      if (nowMs - peer.fullAt >= FULL_EVERY_MS) return listAll(from, peer, nowMs)
      return tell(from, peer, { heads: headsSince(logs, 0), named: objectsSince(objects, 0) })
    },
    authored: (segments, nowMs) => {
      changedAtMs = nowMs
      const sends: Send[] = []
      const messages = segments.map(segment => segmentMessage(segment, false))
      for (const [to, peer] of peers) {
        for (const message of messages) sends.push({ to, message })
        for (const { logId, nextSeq } of segments) peer.knows.set(logId, nextSeq - 1)
      }
      return sends
    },
    progressed: (id, progress, nowMs) => {
      const { logId, nextSeq } = progress
      const known = peers.get(id)?.knows
      if (logs.get(logId)) known?.set(logId, Math.max(known.get(logId) ?? -1, nextSeq - 1))
      questions.came(id, progress)
      return ask(id, nowMs)
    },
    learned: (news, from) => {
      // One message for all: it is encoded once.
      const messages = objectPages(news.map(object => object.encoded))
      const sends: Send[] = []
      const hand = (to: DeviceId, peer: Peer): void => {
        for (const { name, version } of news) peer.holds.set(name, version)
        if (to !== from) for (const message of messages) sends.push({ to, message })
      }
      if (from === undefined) for (const [to, peer] of peers) hand(to, peer)
      else {
        const teller = peers.get(from)
        if (teller) hand(from, teller)
      }
      return sends
    },
    urgent: (logId, from, nowMs) => {
      const log = logs.get(logId)
      if (!log) return []
      if (log.fork) return [...peers.keys()].flatMap(to => proof(to, log, nowMs))
      const entry = headEntry(log)
      if (!entry) return []
      const message: Message = { kind: 'have', heads: [entry], objects: [] }
      return [...peers.keys()].filter(id => id !== from).map(to => ({ to, message }))
    },
    tick: nowMs => {
      if (logs.changes() !== seenChanges) {
        seenChanges = logs.changes()
        changedAtMs = nowMs
      }
      const sends: Send[] = []
      if (nowMs - gossipedAtMs >= GOSSIP_EVERY_MS) {
        gossipedAtMs = nowMs
        sends.push(...gossip())
      }
      const everyMs = nowMs - changedAtMs >= DIGEST_QUIET_MS ? DIGEST_EVERY_MS : DIGEST_LOUD_MS
      const isIdle = questions.idle()
      let stalest: [DeviceId, Peer] | undefined
      for (const entry of peers) {
        const [id, peer] = entry
        // One a tick, to whoever waited longest: what silence costs a node does not grow with its neighbours.
        if (nowMs - peer.digestAt >= everyMs && peer.digestAt < (stalest?.[1].digestAt ?? nowMs))
          stalest = entry
        if (!isIdle) sends.push(...ask(id, nowMs))
      }
      if (stalest) {
        const [to, peer] = stalest
        peer.digestAt = nowMs
        sends.push({ to, message: { kind: 'digest', digest: currentDigest() } })
      }
      return sends
    },
  }
}

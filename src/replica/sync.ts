// Dissemination: who is told what, and who is asked for what (PROTOCOL 7.1, 8). An author pushes new segments to
// every connected peer; who gets them passes them on along a tree; what had to be asked for is announced to some
// peers; whoever lacks something asks one peer for it; digests find what got lost. Nothing here trusts a peer: a
// segment goes to the gate, and an announcement only ever leads to a question.
import type { SignedObject } from '../log/object.ts'
import type { Remember } from '../remember.ts'
import { type DeviceId, type LogId, sameBytes } from '../units.ts'
import { createAnswers } from './answers.ts'
import { createDigest } from './digest.ts'
import { headEntry, headsSince, type ObjectEntry, objectsSince } from './frontier.ts'
import type { CutSegment, Log, Logs } from './logs.ts'
import type { Have, Message } from './message.ts'
import { createObjectNews, type Told } from './object-news.ts'
import type { Objects } from './objects.ts'
import { forgets, lacks, newPeer, type Peer } from './peer.ts'
import { createQuestions } from './questions.ts'
import { createRumours, signsOfLife } from './rumours.ts'
import { type Arrived, createSegmentNews } from './segment-news.ts'
import { nameOf, objectPages, pages, pick, type Send, segmentMessage, treePages } from './sends.ts'
import { createTrees } from './trees.ts'

/** One digest to one peer, whoever waited longest: what silence costs a node does not grow with its neighbours. */
const DIGEST_EVERY_MS = 10_000
/** ... and each second for so long behind anything that had to be asked for, because where one thing was lost there may be more. */
const REPAIR_MS = 15_000
/** Everything is listed to one peer at most this often: what we believe it to hold may have been lost on the way. */
const FULL_EVERY_MS = 15_000
const FULL_WHILE_BUSY_MS = 120_000
const TICK_MS = 1000
/** Who says that it holds nothing so soon behind its coming was told everything just now; later, this often at most. */
const NEW_MS = 5000
/** Peers that are asked to bring what a lost one brought; all but one of them will be pruned again. */
const GRAFT_PEERS = 3

const FORGOTTEN_EVERY_MS = 5000
const NOTHING: Message = { kind: 'have', heads: [], objects: [] }

export type SyncDeps = {
  readonly logs: Logs
  readonly objects: Objects
  /** A whole number, 0 <= n < below. */
  readonly dice: (below: number) => number
  readonly remember?: Remember
}

export type Sync = {
  readonly connected: (peer: DeviceId, nowMs: number) => readonly Send[]
  readonly gone: (peer: DeviceId) => readonly Send[]
  readonly heard: (
    peer: DeviceId,
    message: Exclude<Message, { kind: 'segment' | 'objects' | 'cut' }>,
    nowMs: number,
  ) => readonly Send[]
  /** We authored these: push them to all. */
  readonly authored: (segments: readonly CutSegment[]) => readonly Send[]
  readonly arrived: (peer: DeviceId, arrived: Arrived, nowMs: number) => readonly Send[]
  /** A peer gave what stands for a log that it let go of. */
  readonly cut: (peer: DeviceId, logId: LogId, nowMs: number) => readonly Send[]
  /** Objects that we did not hold before, from the cloud, the operator or ourselves: to all. */
  readonly learned: (objects: readonly SignedObject[]) => readonly Send[]
  readonly told: (peer: DeviceId, told: Told, nowMs: number) => readonly Send[]
  /** News of the operator is announced at once to everybody, and so is the proof of a fork. */
  readonly urgent: (logId: LogId, from: DeviceId | undefined, nowMs: number) => readonly Send[]
  readonly tick: (nowMs: number) => readonly Send[]
  /** Connected peers that have told of these places or were given them. */
  readonly holders: (places: readonly Place[]) => readonly DeviceId[]
}
export type Place = { readonly logId: LogId; readonly seq: number }

export function createSync(deps: SyncDeps): Sync {
  const { logs, objects } = deps
  const peers = new Map<DeviceId, Peer>()
  const questions = createQuestions(logs)
  const answers = createAnswers(deps)
  const trees = createTrees()
  const digest = createDigest(logs, objects)
  const rumours = createRumours({ ...deps, trees })
  let digestedAtMs = Number.NEGATIVE_INFINITY
  let repairedAtMs = Number.NEGATIVE_INFINITY
  const repaired = (nowMs: number): void => {
    repairedAtMs = nowMs
  }
  const news = createObjectNews({ peers, trees, rumours, repaired })
  const segments = createSegmentNews({ logs, peers, trees, rumours, repaired })

  /** What changed since the peer was last told, or everything. */
  const tell = (to: DeviceId, peer: Peer, since: Peer['told']): readonly Send[] => {
    const messages = pages(headsSince(logs, since.logs), objectsSince(objects, since.objects))
    peer.told = { logs: logs.changes(), objects: objects.changes() }
    return messages.map(message => ({ to, message }))
  }

  const tellAll = (to: DeviceId, peer: Peer, nowMs: number): readonly Send[] => {
    peer.fullAt = nowMs
    peer.hasForgotten = false
    return [...tell(to, peer, { logs: 0, objects: 0 }), ...answers.proofs({ id: to, peer, nowMs })]
  }

  const ask = (to: DeviceId, nowMs: number): readonly Send[] => {
    const wanted = questions.due(to, nowMs)
    return wanted.length === 0 ? [] : [{ to, message: { kind: 'want', logs: wanted, objects: [] } }]
  }

  /** Nobody brings us more of it, or it is the operator's, whose news cannot wait. */
  const isWaitedFor = ({ certificate }: Log): boolean =>
    !certificate.roles.includes('node') || !trees.hasParent(certificate.deviceId)

  const heardHave = (from: DeviceId, peer: Peer, have: Have, nowMs: number): readonly Send[] => {
    if (have.heads.length + have.objects.length === 0 && nowMs - peer.cameAtMs > NEW_MS) {
      forgets(peer)
      trees.forgot(from)
    }
    const sends: Send[] = []
    const pruned = new Set<DeviceId>()
    let isUrgent = false
    for (const entry of have.heads) {
      const log = logs.get(entry.logId)
      // What it holds and we did not bring, it has from elsewhere, as we have: it is no child of ours, nor we of it.
      const isOther = log && log.head.seq >= entry.seq && (peer.knows.get(entry.logId) ?? -1) < entry.seq
      const author = isOther ? log.certificate.deviceId : undefined
      if (author !== undefined && !trees.isPruned(author, from) && trees.repeated(author, from))
        pruned.add(author)
      if (log) peer.knows.set(entry.logId, entry.seq)
      // A frozen log is announced up to its fork; who announces more of it does not know of the fork.
      if (log?.fork && entry.seq >= log.fork.seq) sends.push(...answers.proof({ id: from, peer, nowMs }, log))
      else if (questions.claimed(from, entry)) isUrgent ||= !log || isWaitedFor(log)
    }
    const missing: ObjectEntry[] = []
    for (const entry of have.objects) {
      const ours = objects.get(nameOf(entry))
      if (ours) peer.holds.set(ours.name, entry.version)
      if (!ours || ours.version < entry.version) missing.push(entry)
    }
    for (const message of treePages('prune', [...pruned])) sends.push({ to: from, message })
    // What somebody brings us is on its way: it is asked for with the next tick, if it has not come by then.
    if (isUrgent) sends.push(...ask(from, nowMs))
    if (trees.hasParent('objects')) lacks(peer, missing)
    else sends.push(...news.ask(from, peer, missing))
    return sends
  }

  const heardDigest = (from: DeviceId, peer: Peer, theirs: Uint8Array, nowMs: number): readonly Send[] => {
    if (sameBytes(theirs, digest())) {
      peer.differed = 0
      peer.told = { logs: logs.changes(), objects: objects.changes() }
      return []
    }
    peer.differed += 1
    // On a busy site something is always on its way: first what is new, and everything only where there is nothing new that
    // could be the reason, or where that has gone on for long.
    const isNew = peer.told.logs < logs.changes() || peer.told.objects < objects.changes()
    const fullEveryMs = isNew ? FULL_WHILE_BUSY_MS : FULL_EVERY_MS
    if (peer.differed > 1 && nowMs - peer.fullAt >= fullEveryMs) return tellAll(from, peer, nowMs)
    // A fork is no news to whoever holds the beginning that both branches share: its proof goes along.
    return [...tell(from, peer, peer.told), ...answers.proofs({ id: from, peer, nowMs })]
  }

  return {
    connected: (id, nowMs) => {
      const peer = newPeer(nowMs)
      peers.set(id, peer)
      trees.came()
      questions.open(id)
      // A store that was read again has forgotten what it was told, and the peer does not see that.
      return [{ to: id, message: NOTHING }, ...tellAll(id, peer, nowMs)]
    },
    gone: id => {
      peers.delete(id)
      questions.close(id)
      rumours.gone(id)
      const messages = treePages('graft', trees.gone(id))
      if (messages.length === 0) return []
      return pick([...peers.keys()], GRAFT_PEERS, deps.dice).flatMap(to =>
        messages.map(message => ({ to, message })),
      )
    },
    heard: (from, message, nowMs) => {
      const peer = peers.get(from)
      if (!peer) return []
      switch (message.kind) {
        case 'have':
          return heardHave(from, peer, message, nowMs)
        case 'want': {
          for (const { logId } of message.logs) {
            const author = logs.get(logId)?.certificate.deviceId
            if (author !== undefined) trees.graft(author, from)
          }
          if (message.objects.length > 0) trees.graft('objects', from)
          return answers.answer({ id: from, peer, nowMs }, message)
        }
        case 'prune':
        case 'graft':
          for (const author of message.authors) trees[message.kind](author, from)
          if (message.objects) trees[message.kind]('objects', from)
          return []
        case 'digest':
          return heardDigest(from, peer, message.digest, nowMs)
      }
    },
    authored: authored => {
      const sends: Send[] = []
      const messages = authored.map(segment => segmentMessage(segment, false))
      for (const [to, peer] of peers) {
        for (const message of messages) sends.push({ to, message })
        for (const { logId, nextSeq } of authored) peer.knows.set(logId, nextSeq - 1)
      }
      return sends
    },
    arrived: (from, arrived, nowMs) => {
      const { logId, nextSeq } = arrived
      const known = peers.get(from)?.knows
      const log = logs.get(logId)
      if (log) known?.set(logId, Math.max(known.get(logId) ?? -1, nextSeq - 1))
      const wasAsked = questions.awaits(from, logId)
      questions.came(from, arrived)
      const sends = ask(from, nowMs)
      return [...segments.arrived(from, { ...arrived, wasAsked }, nowMs), ...sends]
    },
    cut: (from, logId, nowMs) => {
      const seq = logs.get(logId)?.head.seq ?? -1
      peers.get(from)?.knows.set(logId, seq)
      questions.came(from, { logId, fromSeq: 0, nextSeq: seq + 1, more: false })
      return ask(from, nowMs)
    },
    learned: learned => {
      // One message for all: it is encoded once.
      const messages = objectPages(learned.map(object => object.encoded))
      const sends: Send[] = []
      for (const [to, peer] of peers) {
        for (const { name, version } of learned) peer.holds.set(name, version)
        for (const message of messages) sends.push({ to, message })
      }
      return sends
    },
    told: news.told,
    urgent: (logId, from, nowMs) => {
      const log = logs.get(logId)
      if (!log) return []
      if (log.fork) return [...peers].flatMap(([id, peer]) => answers.proof({ id, peer, nowMs }, log))
      const entry = headEntry(log)
      if (!entry) return []
      const message: Message = { kind: 'have', heads: [entry], objects: [] }
      return [...peers.keys()].filter(id => id !== from).map(to => ({ to, message }))
    },
    tick: nowMs => {
      const sends = [...rumours.due(peers, nowMs)]
      if (!questions.idle()) for (const id of peers.keys()) sends.push(...ask(id, nowMs))
      for (const [id, peer] of peers) {
        sends.push(...news.askForLacking(id, peer, objects))
        if (peer.hasForgotten && nowMs - peer.fullAt >= FORGOTTEN_EVERY_MS)
          sends.push(...tellAll(id, peer, nowMs))
      }
      const everyMs = nowMs - repairedAtMs < REPAIR_MS ? TICK_MS : DIGEST_EVERY_MS
      if (nowMs - digestedAtMs < everyMs) return sends
      digestedAtMs = nowMs
      let stalest: [DeviceId, Peer] | undefined
      for (const entry of peers)
        if (entry[1].digestAt < (stalest?.[1].digestAt ?? Number.POSITIVE_INFINITY)) stalest = entry
      if (!stalest) return sends
      stalest[1].digestAt = nowMs
      sends.push({ to: stalest[0], message: { kind: 'digest', digest: digest() } })
      return [...sends, ...signsOfLife(objects, ...stalest)]
    },
    holders: places =>
      [...peers].flatMap(([deviceId, { knows }]) =>
        places.every(({ logId, seq }) => (knows.get(logId) ?? -1) >= seq) ? [deviceId] : [],
      ),
  }
}

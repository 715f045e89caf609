// Segments that a peer sent, behind the gate: what was news goes on along its author's tree, what was asked for becomes a
// rumour, and what came twice prunes the tree.
import type { DeviceId, LogId } from '../units.ts'
import type { Log, Logs } from './logs.ts'
import type { Peer } from './peer.ts'
import type { Progress } from './questions.ts'
import type { Rumours } from './rumours.ts'
import { type SegmentMessage, type Send, saidOn } from './sends.ts'
import type { Trees } from './trees.ts'

/** News that is passed on to whoever has not said where its place in the tree is; twice so little is cheaper than a question. */
const SMALL_BYTES = 1024

/** A segment that passed the gate with news, or was a duplicate, or left a gap. */
export type Arrived = Progress & {
  readonly was: 'news' | 'duplicate' | 'gap'
  readonly message: SegmentMessage
}

export type SegmentNewsDeps = {
  readonly logs: Logs
  readonly peers: ReadonlyMap<DeviceId, Peer>
  readonly trees: Trees
  readonly rumours: Rumours
  /** Something had to be asked for, and came. */
  readonly repaired: (nowMs: number) => void
}

export type SegmentNews = {
  readonly arrived: (
    from: DeviceId,
    arrived: Arrived & { readonly wasAsked: boolean },
    nowMs: number,
  ) => readonly Send[]
}

export function createSegmentNews({ logs, peers, trees, rumours, repaired }: SegmentNewsDeps): SegmentNews {
  /** On to whoever is not known to hold it; where its place in the tree is not known yet, much is only announced. */
  const passOn = (from: DeviceId, log: Log, { nextSeq, message }: Arrived): readonly Send[] => {
    const { logId, certificate } = log
    trees.delivered(certificate.deviceId, from)
    const said = saidOn(message, log)
    const below = trees.below(certificate.deviceId, peers.keys())
    // Whoever hears the author has neighbours that mostly do so too: fifty nodes that all know one another would say its first
    // word to each of them fifty times.
    const isEager = said.update.length <= SMALL_BYTES && from !== certificate.deviceId
    if (!isEager) announce(from, logId, below.announce)
    const sends: Send[] = []
    for (const to of isEager ? [...below.passOn, ...below.announce] : below.passOn) {
      const peer = peers.get(to)
      if (!peer || to === from || (peer.knows.get(logId) ?? -1) >= nextSeq - 1) continue
      peer.knows.set(logId, nextSeq - 1)
      sends.push({ to, message: said })
    }
    return sends
  }

  const announce = (from: DeviceId, logId: LogId, to: readonly DeviceId[]): void => {
    for (const peer of to) if (peer !== from) rumours.to(peer, logId)
  }

  /** Whoever is below us may lack it too; much of what is asked for comes from everywhere at once, so it is only announced. */
  const answered = (from: DeviceId, { logId, certificate }: Log, nowMs: number): void => {
    const author = certificate.deviceId
    // A young tree's first news is always asked for; where there was one, something got lost.
    if (trees.hasParent(author)) repaired(nowMs)
    const below = trees.below(author, peers.keys())
    announce(from, logId, [...below.passOn, ...below.announce])
    trees.delivered(author, from)
  }

  return {
    arrived: (from, arrived, nowMs) => {
      const log = logs.get(arrived.logId)
      if (!log) return []
      const author = log.certificate.deviceId
      if (arrived.wasAsked) {
        if (arrived.was === 'news') answered(from, log, nowMs)
        return []
      }
      if (arrived.was === 'news') return passOn(from, log, arrived)
      if (arrived.was === 'gap' || !trees.repeated(author, from)) return []
      return [{ to: from, message: { kind: 'prune', authors: [author], objects: false } }]
    },
  }
}

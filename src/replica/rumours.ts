// Announcements in waiting, gathered for a tick. What had to be asked for is announced to a few peers that are not known to hold
// it, since whoever is beyond us may lack it too and no tree brings it; they ask, and announce it in their turn. What a
// peer's place in a tree is not known for is announced to that peer. Digests find whom neither reached.
import type { ObjectName } from '../log/object.ts'
import type { DeviceId, LogId } from '../units.ts'
import { headEntry, type ObjectEntry, objectEntry } from './frontier.ts'
import type { Logs } from './logs.ts'
import type { Objects } from './objects.ts'
import { isHeldBy, type Peer } from './peer.ts'
import { nameOf, pages, pick, type Send } from './sends.ts'
import type { Trees } from './trees.ts'

/** Peers told of what we had to ask for ourselves. */
const GOSSIP_PEERS = 3
/** How long that is gathered before it is told on. */
const GOSSIP_EVERY_MS = 2000

export type Rumours = {
  readonly ofLog: (logId: LogId) => void
  readonly ofObject: (name: ObjectName) => void
  /** To this peer, with the next tick. */
  readonly to: (peer: DeviceId, logId: LogId) => void
  readonly gone: (peer: DeviceId) => void
  readonly due: (peers: ReadonlyMap<DeviceId, Peer>, nowMs: number) => readonly Send[]
}

export type RumoursDeps = {
  readonly logs: Logs
  readonly objects: Objects
  readonly trees: Trees
  /** A whole number, 0 <= n < below. */
  readonly dice: (below: number) => number
}

export function createRumours({ logs, objects, trees, dice }: RumoursDeps): Rumours {
  const logIds = new Set<LogId>()
  const names = new Set<ObjectName>()
  const meant = new Map<DeviceId, Set<LogId>>()
  let toldAtMs = Number.NEGATIVE_INFINITY

  const isLacking = (peer: Peer, logId: LogId): boolean => {
    const seq = logs.get(logId)?.head.seq ?? -1
    return (peer.knows.get(logId) ?? -1) < seq
  }

  /** A few of those who lack something of what had to be asked for, each with what it lacks. */
  const few = (peers: ReadonlyMap<DeviceId, Peer>): readonly Lack[] => {
    const named = [...names].flatMap(name => objects.get(name) ?? []).map(objectEntry)
    const lacking = [...peers].flatMap(([to, peer]): readonly Lack[] => {
      const ids = [...logIds].filter(logId => isLacking(peer, logId))
      const news = named.filter(entry => !isHeldBy(peer, nameOf(entry), entry.version))
      return ids.length + news.length > 0 ? [{ to, ids, news }] : []
    })
    logIds.clear()
    names.clear()
    return pick(lacking, GOSSIP_PEERS, dice)
  }

  /** What waits for a peer, and still says something: it may have come to hold it, or have left the tree. */
  const waits = (to: DeviceId, peer: Peer | undefined): readonly LogId[] =>
    [...(meant.get(to) ?? [])].filter(logId => {
      const author = logs.get(logId)?.certificate.deviceId
      return peer && author !== undefined && !trees.isPruned(author, to) && isLacking(peer, logId)
    })

  return {
    ofLog: logId => void logIds.add(logId),
    ofObject: name => void names.add(name),
    to: (peer, logId) => {
      const ids = meant.get(peer) ?? new Set()
      meant.set(peer, ids.add(logId))
    },
    gone: peer => void meant.delete(peer),
    due: (peers, nowMs) => {
      const lacks = new Map<DeviceId, Lack>()
      if (logIds.size + names.size > 0 && nowMs - toldAtMs >= GOSSIP_EVERY_MS) {
        toldAtMs = nowMs
        for (const one of few(peers)) lacks.set(one.to, one)
      }
      for (const to of meant.keys()) {
        const { ids, news } = lacks.get(to) ?? { ids: [], news: [] }
        lacks.set(to, { to, ids: [...new Set([...ids, ...waits(to, peers.get(to))])], news })
      }
      meant.clear()
      return [...lacks.values()].flatMap(({ to, ids, news }) => {
        const heads = ids.flatMap(logId => {
          const log = logs.get(logId)
          return (log && headEntry(log)) ?? []
        })
        return pages(heads, news).map(message => ({ to, message }))
      })
    },
  }
}

type Lack = { readonly to: DeviceId; readonly ids: readonly LogId[]; readonly news: readonly ObjectEntry[] }

/** They stand in no digest, so nothing else would say that a tree lost one; each is announced to a peer once. */
export function signsOfLife(objects: Objects, to: DeviceId, peer: Peer): readonly Send[] {
  const unknown = objects.ofKind('uplink').filter(({ name, version }) => !isHeldBy(peer, name, version))
  for (const { name, version } of unknown) peer.holds.set(name, version)
  return pages([], unknown.map(objectEntry)).map(message => ({ to, message }))
}

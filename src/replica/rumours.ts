// What had to be asked for: whoever is beyond us may lack it too, and no tree brings it. It is announced once to a few
// peers that are not known to hold it, who ask, and announce it in their turn; digests find whom it did not reach.
import type { ObjectName } from '../log/object.ts'
import type { DeviceId, LogId } from '../units.ts'
import { headEntry, objectEntry } from './frontier.ts'
import type { Logs } from './logs.ts'
import type { Objects } from './objects.ts'
import { isHeldBy, type Peer } from './peer.ts'
import { nameOf, pages, pick, type Send } from './sends.ts'

/** Peers told of what we had to ask for ourselves. */
const GOSSIP_PEERS = 3
/** How long that is gathered before it is told on. */
const GOSSIP_EVERY_MS = 2000

export type Rumours = {
  readonly ofLog: (logId: LogId) => void
  readonly ofObject: (name: ObjectName) => void
  readonly due: (peers: ReadonlyMap<DeviceId, Peer>, nowMs: number) => readonly Send[]
}

export function createRumours(logs: Logs, objects: Objects, dice: (below: number) => number): Rumours {
  const logIds = new Set<LogId>()
  const names = new Set<ObjectName>()
  let toldAtMs = Number.NEGATIVE_INFINITY
  return {
    ofLog: logId => void logIds.add(logId),
    ofObject: name => void names.add(name),
    due: (peers, nowMs) => {
      if (logIds.size + names.size === 0 || nowMs - toldAtMs < GOSSIP_EVERY_MS) return []
      toldAtMs = nowMs
      const heads = [...logIds].flatMap(logId => {
        const log = logs.get(logId)
        return (log && headEntry(log)) ?? []
      })
      const named = [...names].flatMap(name => objects.get(name) ?? []).map(objectEntry)
      logIds.clear()
      names.clear()
      const lacking = [...peers].flatMap(([to, peer]) => {
        const unknown = heads.filter(head => (peer.knows.get(head.logId) ?? -1) < head.seq)
        const news = named.filter(entry => !isHeldBy(peer, nameOf(entry), entry.version))
        return unknown.length + news.length > 0 ? [{ to, unknown, news }] : []
      })
      return pick(lacking, GOSSIP_PEERS, dice).flatMap(({ to, unknown, news }) =>
        pages(unknown, news).map(message => ({ to, message })),
      )
    },
  }
}

/** They stand in no digest, so nothing else would say that a tree lost one; each is announced to a peer once. */
export function signsOfLife(objects: Objects, to: DeviceId, peer: Peer): readonly Send[] {
  const unknown = objects.ofKind('uplink').filter(({ name, version }) => !isHeldBy(peer, name, version))
  for (const { name, version } of unknown) peer.holds.set(name, version)
  return pages([], unknown.map(objectEntry)).map(message => ({ to, message }))
}

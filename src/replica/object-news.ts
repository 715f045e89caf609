// Objects that a peer brought: what was news goes on along their tree, what was asked for becomes a rumour, and what came twice
// prunes the tree.
import type { ObjectName, SignedObject } from '../log/object.ts'
import type { DeviceId } from '../units.ts'
import type { ObjectEntry } from './frontier.ts'
import { MAX_WANT_LOGS, type Message } from './message.ts'
import type { Objects } from './objects.ts'
import { asks, isHeldBy, type Peer } from './peer.ts'
import type { Rumours } from './rumours.ts'
import { nameOf, objectPages, type Send } from './sends.ts'
import type { Trees } from './trees.ts'

/** Valid objects of a peer, which of them we did not hold before, and the message in which they came. */
export type Told = {
  readonly all: readonly SignedObject[]
  readonly news: readonly SignedObject[]
  readonly message: Extract<Message, { kind: 'objects' }>
}

export type ObjectNewsDeps = {
  readonly peers: ReadonlyMap<DeviceId, Peer>
  readonly trees: Trees
  readonly rumours: Rumours
  /** Something had to be asked for, and came. */
  readonly repaired: (nowMs: number) => void
}

export type ObjectNews = {
  readonly ask: (to: DeviceId, peer: Peer, missing: readonly ObjectEntry[]) => readonly Send[]
  /** What it named lately and we still do not hold. */
  readonly askForLacking: (to: DeviceId, peer: Peer, objects: Objects) => readonly Send[]
  readonly told: (from: DeviceId, told: Told, nowMs: number) => readonly Send[]
}

export function createObjectNews({ peers, trees, rumours, repaired }: ObjectNewsDeps): ObjectNews {
  /** Who gave us an object. */
  const givers = new Map<ObjectName, DeviceId>()

  const passOn = (from: DeviceId, { news, message }: Told): readonly Send[] => {
    trees.delivered('objects', from)
    const sends: Send[] = []
    // Mostly one message for all, the one that came: it is encoded once.
    const isWhole = news.length === message.objects.length
    const whole = isWhole ? [message] : objectPages(news.map(object => object.encoded))
    for (const to of trees.below('objects', peers.keys()).passOn) {
      const peer = peers.get(to)
      if (!peer || to === from) continue
      const lacking = news.filter(object => !isHeldBy(peer, object.name, object.version))
      for (const { name, version } of lacking) peer.holds.set(name, version)
      const all = lacking.length === news.length
      const messages = all ? whole : objectPages(lacking.map(object => object.encoded))
      for (const one of messages) sends.push({ to, message: one })
    }
    return sends
  }

  const ask: ObjectNews['ask'] = (to, peer, missing) => {
    const sends: Send[] = []
    for (let i = 0; i < missing.length; i += MAX_WANT_LOGS) {
      const entries = missing.slice(i, i + MAX_WANT_LOGS)
      for (const entry of entries) asks(peer, nameOf(entry))
      sends.push({ to, message: { kind: 'want', logs: [], objects: entries } })
    }
    return sends
  }

  return {
    ask,
    askForLacking: (to, peer, objects) => {
      if (peer.lacking.size === 0) return []
      const missing = [...peer.lacking.values()].filter(
        entry => (objects.get(nameOf(entry))?.version ?? -1) < entry.version,
      )
      peer.lacking.clear()
      return ask(to, peer, missing)
    },
    told: (from, told, nowMs) => {
      const { all, news } = told
      const peer = peers.get(from)
      if (!peer) return []
      let wasAsked = false
      for (const { name, version } of all) {
        peer.holds.set(name, version)
        if (peer.asked.delete(name)) wasAsked = true
      }
      const isEcho = all.some(object => givers.get(object.name) === from)
      for (const { name } of news) givers.set(name, from)
      if (wasAsked && news.length > 0) {
        repaired(nowMs)
        for (const { name } of news) rumours.ofObject(name)
        trees.delivered('objects', from)
      } else if (news.length > 0) return passOn(from, told)
      else if (!wasAsked && !isEcho && all.length > 0 && trees.repeated('objects', from))
        return [{ to: from, message: { kind: 'prune', authors: [], objects: true } }]
      return []
    },
  }
}

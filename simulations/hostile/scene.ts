// What a hostile member has to work with, and the shape of a lie: messages to peers, made from what it is, what it heard
// and the dice. A quiet lie is one that an honest node endures; a loud one costs its sender the connection.
import type { Certificate } from '../../src/identity/certificate.ts'
import type { DeviceKeys } from '../../src/identity/keys.ts'
import type { Roster } from '../../src/identity/roster.ts'
import type { Signatures } from '../../src/identity/signature.ts'
import { encodeMessage, type Message } from '../../src/replica/message.ts'
import type { DeviceId, SiteId } from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import type { Memory } from './memory.ts'
import type { OwnLogs } from './own.ts'

export type Self = { readonly certificate: Certificate; readonly keys: DeviceKeys }
export type Site = {
  /** Encoded certificates of the site, as everybody has them. */
  readonly certificates: readonly Uint8Array[]
  readonly roster: Roster
  readonly siteId: SiteId
}

export type Scene = {
  readonly self: Self
  readonly site: Site
  readonly signatures: Signatures
  readonly dice: Dice
  /** Virtual time, and UTC by its own clock. */
  readonly nowMs: () => number
  readonly wallMs: () => number
  /** In the order in which they came. */
  readonly peers: () => readonly DeviceId[]
  readonly memory: Memory
  readonly own: OwnLogs
}

export type Sending = { readonly to: DeviceId; readonly message: Uint8Array }
export type Lie = (scene: Scene) => readonly Sending[]
export type Repertoire = { readonly quiet: readonly Lie[]; readonly loud: readonly Lie[] }

/** A quiet lie is told to so many peers at most. */
const FEW = 3

export function toOne(scene: Scene, messages: readonly Uint8Array[]): readonly Sending[] {
  const peers = scene.peers()
  if (peers.length === 0) return []
  const to = scene.dice.pick(peers)
  return messages.map(message => ({ to, message }))
}

export function toFew(scene: Scene, messages: readonly Uint8Array[]): readonly Sending[] {
  const chosen = scene.dice.shuffled(scene.peers()).slice(0, 1 + scene.dice.below(FEW))
  return chosen.flatMap(to => messages.map(message => ({ to, message })))
}

/** A well-formed message of the production codec. */
export function say(message: Message): Uint8Array {
  return encodeMessage(message)
}

/** Some of them, each at most once. */
export function someOf<T>(dice: Dice, items: readonly T[], most: number): readonly T[] {
  return dice.shuffled(items).slice(0, most)
}

/** Always a copy: what codecs give out may be a view of bytes that others hold, and `slice` of a Buffer copies nothing. */
export function oneBitChanged(dice: Dice, bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes)
  const at = dice.below(changed.length)
  changed[at] = (changed[at] ?? 0) ^ (1 << dice.below(8))
  return changed
}

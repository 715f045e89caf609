// A member of the mesh with a valid certificate of the site that runs somebody else's software behind the Network port
// (PROTOCOL 6.4, B1 to B12). Every few seconds it plays one of the tricks that the plan gives it, towards whoever is
// connected. It relays nothing, so no path through it counts. It takes no part in the site's work, throws at nobody, and
// is bounded in messages, bytes, logs and memory: a world can be sure that it ends.
import type { Signatures } from '../src/identity/signature.ts'
import { MAX_MESSAGE_BYTES, type Network } from '../src/ports.ts'
import { decodeMessage, type Want } from '../src/replica/message.ts'
import type { DeviceId } from '../src/units.ts'
import type { Dice } from './dice.ts'
import { BOMBS } from './hostile/bombs.ts'
import { branchFor, EQUIVOCATE, LONG_FORKS } from './hostile/branches.ts'
import { FAKE_LOGS, FALSE_FRONTIER, WITHHOLD } from './hostile/claims.ts'
import { FORGE } from './hostile/forge.ts'
import { createMemory } from './hostile/memory.ts'
import { OVERCHARGE } from './hostile/overcharge.ts'
import { createOwnLogs } from './hostile/own.ts'
import { FAKE_RECEIPTS } from './hostile/receipts.ts'
import { REPLAY } from './hostile/replay.ts'
import { type Repertoire, type Scene, type Self, type Sending, type Site, say } from './hostile/scene.ts'
import { TIME_LIES } from './hostile/time-lies.ts'
import type { HostilePlan, HostileTrick } from './plan.ts'

/** From one trick to the next. */
const PAUSE_MS = [2000, 10_000] as const
/** Loud lies cost a peer for ten minutes and more, so most are quiet: else it would soon be alone. */
const LOUD_RATE = 0.15
export const MAX_MESSAGES_AN_ACT = 64
export const MAX_BYTES_AN_ACT = 512 * 1024

const REPERTOIRES: Readonly<Record<HostileTrick, Repertoire>> = {
  forge: FORGE,
  equivocate: EQUIVOCATE,
  withhold: WITHHOLD,
  replay: REPLAY,
  bombs: BOMBS,
  'fake-receipts': FAKE_RECEIPTS,
  'false-frontier': FALSE_FRONTIER,
  'fake-logs': FAKE_LOGS,
  'time-lies': TIME_LIES,
  'long-forks': LONG_FORKS,
  overcharge: OVERCHARGE,
}

export type HostileDeps = {
  readonly plan: HostilePlan
  readonly self: Self
  readonly site: Site
  readonly signatures: Signatures
  readonly dice: Dice
  /** The virtual clock's: runs `task` after so many of its milliseconds. */
  readonly schedule: (delayMs: number, task: () => void) => void
  readonly nowMs: () => number
  /** UTC, by its own clock. */
  readonly wallMs: () => number
  readonly network: Network
}

export type Hostile = {
  readonly onPeer: (peer: DeviceId) => void
  readonly onPeerGone: (peer: DeviceId) => void
  readonly onMessage: (peer: DeviceId, bytes: Uint8Array) => void
  /** Tricks played so far: those that somebody was told of. */
  readonly acts: () => number
  /** No more tricks. It still hears, and answers for its own logs unless it withholds. */
  readonly quiet: () => void
}

export function createHostile(deps: HostileDeps): Hostile {
  const { plan, dice, network } = deps
  const peers = new Set<DeviceId>()
  const scene: Scene = {
    ...{ self: deps.self, site: deps.site, signatures: deps.signatures, dice },
    ...{ nowMs: deps.nowMs, wallMs: deps.wallMs },
    ...{ peers: () => [...peers], memory: createMemory(), own: createOwnLogs() },
  }
  const withholds = plan.tricks.includes('withhold')
  let acts = 0
  let isQuiet = false

  const act = (): void => {
    if (isQuiet) return
    if (peers.size > 0) {
      const sendings = bounded(play(scene, dice.pick(plan.tricks)))
      for (const { to, message } of sendings) network.send(to, message)
      if (sendings.length > 0) acts += 1
    }
    next()
  }
  const next = (): void => deps.schedule(dice.between(...PAUSE_MS), act)
  if (plan.tricks.length > 0) next()

  return {
    onPeer: peer => void peers.add(peer),
    onPeerGone: peer => void peers.delete(peer),
    onMessage: (peer, bytes) => {
      const message = decodeMessage(bytes)
      if (!message) return
      const want = scene.memory.hear(bytes, message)
      if (want) network.send(peer, say({ kind: 'want', ...want }))
      if (message.kind !== 'want' || withholds) return
      for (const sending of bounded(answers(scene, peer, message))) network.send(sending.to, sending.message)
    },
    acts: () => acts,
    quiet: () => {
      isQuiet = true
    },
  }
}

function play(scene: Scene, trick: HostileTrick): readonly Sending[] {
  const { quiet, loud } = REPERTOIRES[trick]
  const isLoud = loud.length > 0 && scene.dice.chance(LOUD_RATE)
  return scene.dice.pick(isLoud ? loud : quiet)(scene)
}

/** What its own logs say, each peer of its own branch only. */
function answers(scene: Scene, peer: DeviceId, want: Want): readonly Sending[] {
  return want.logs.flatMap(({ logId, fromSeq }) => {
    const log = scene.own.get(logId)
    if (!log) return []
    return scene.own.read(log, branchFor(log, peer), fromSeq).map(message => ({ to: peer, message }))
  })
}

/** The port promises nothing for what is empty or too long, so neither is ever given to it. */
function bounded(sendings: readonly Sending[]): readonly Sending[] {
  let bytes = 0
  return sendings
    .filter(({ message }) => message.length > 0 && message.length <= MAX_MESSAGE_BYTES)
    .slice(0, MAX_MESSAGES_AN_ACT)
    .filter(({ message }) => {
      bytes += message.length
      return bytes <= MAX_BYTES_AN_ACT
    })
}

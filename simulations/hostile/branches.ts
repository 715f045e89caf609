// Two and three histories of one log under its own key: each peer is told one of them and never another, so that only
// peers that meet can see it (PROTOCOL 1.8). Old forks are carried on, so a node hears more of a branch after the proof.
import { MAX_SEGMENT_EVENTS } from '../../src/replica/canonical.ts'
import type { DeviceId } from '../../src/units.ts'
import type { OwnLog } from './own.ts'
import { type Repertoire, type Scene, type Sending, toOne } from './scene.ts'
import { anyToken, chatter, rogueSession } from './words.ts'

const MAX_GROUP = 12
/** Together more than a segment holds; each less than may stand between two seals. */
const LONG_GROUPS = 5
const LONG_GROUP_EVENTS = 60

/** The branch that a peer is told, for good: halves (or thirds) by the peer's own id, whatever the order of meeting. */
export function branchFor(log: OwnLog, peer: DeviceId): number {
  return Number.parseInt(peer.slice(0, 6), 16) % log.branches.length
}

function tellAll(scene: Scene, log: OwnLog, fromSeq: number): readonly Sending[] {
  return scene
    .peers()
    .flatMap(to => scene.own.read(log, branchFor(log, to), fromSeq).map(message => ({ to, message })))
}

function openFork(scene: Scene): readonly Sending[] {
  const branches = 2 + scene.dice.below(2)
  const log = scene.own.open(scene, { branches })
  if (!log) return carryOn(scene)
  for (let branch = 0; branch < branches; branch++) {
    // Money lies only behind the fork, where no fold may count it once the fork is proven.
    const bodies = [...chatter(scene, scene.dice.below(MAX_GROUP)), ...rogueSession(scene, anyToken(scene))]
    scene.own.append(scene, log, { bodies, branch })
  }
  return tellAll(scene, log, 0)
}

function carryOn(scene: Scene): readonly Sending[] {
  const forked = scene.own.all().filter(log => log.branches.length > 1)
  if (forked.length === 0) return openFork(scene)
  const log = scene.dice.pick(forked)
  const branch = scene.dice.below(log.branches.length)
  const bodies = chatter(scene, 1 + scene.dice.below(MAX_GROUP))
  const messages = scene.own.append(scene, log, { bodies, branch })
  const sendings = scene
    .peers()
    .filter(peer => branchFor(log, peer) === branch)
    .flatMap(to => messages.map(message => ({ to, message })))
  return sendings.length > 0 ? sendings : tellAll(scene, log, 0)
}

/**
 * Once: branches that are too long for one message. What a relay passes on of them comes in parts, in any order, and a part
 * may well begin behind the fork.
 */
function openLongFork(scene: Scene): readonly Sending[] {
  if (scene.own.all().some(log => eventsIn(log) > MAX_SEGMENT_EVENTS)) return carryOn(scene)
  const log = scene.own.open(scene, { branches: 2 })
  if (!log) return carryOn(scene)
  for (let group = 0; group < LONG_GROUPS; group++)
    for (const branch of [0, 1])
      scene.own.append(scene, log, { bodies: chatter(scene, LONG_GROUP_EVENTS), branch })
  return tellAll(scene, log, 0)
}

function eventsIn({ branches }: OwnLog): number {
  return branches[0]?.reduce((sum, group) => sum + group.length, 0) ?? 0
}

/** The whole of both to one peer: it proves the fork to itself. */
function giveAway(scene: Scene): readonly Sending[] {
  const forked = scene.own.all().filter(log => log.branches.length > 1)
  if (forked.length === 0) return openFork(scene)
  const log = scene.dice.pick(forked)
  return toOne(scene, [...scene.own.read(log, 0), ...scene.own.read(log, 1)])
}

/** Forks are no offence of whoever says them: relays must not be punished for a proof. */
export const EQUIVOCATE: Repertoire = { quiet: [openFork, carryOn, carryOn, giveAway], loud: [] }

/** The same, and once with branches that fill a quarter of what it may ever write. */
export const LONG_FORKS: Repertoire = {
  quiet: [openLongFork, openFork, carryOn, carryOn, giveAway],
  loud: [],
}

// One copy of a node in a world: the production node over its simulated ports, through boots, crashes and stalls. Whatever
// a dead process still has under way is heard by nobody: every port asks whether its life is the present one.
import { MeshError } from '../../src/errors.ts'
import { type Node, startNode } from '../../src/node.ts'
import type {
  ChargerAnswer,
  ChargerCommand,
  ChargerInput,
  CommandOutcome,
  Network,
  Push,
  Uplink,
} from '../../src/ports.ts'
import type { ChargerId, DeviceId } from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import { type DiskImage, type SimulatedDisk, simulatedDisk } from '../disk/disk.ts'
import type { SimulatedNetwork } from '../network/network.ts'
import type { Plan } from '../plan.ts'
import { type BentClock, bentClock } from './clock.ts'
import type { Gone, Member } from './observer.ts'
import type { Credential, SimulatedSite } from './site.ts'

const TICK_MS = 1000
const GONE: CommandOutcome = { kind: 'unreachable', reason: 'the process is gone' }
/** A supervisor starts a process that ended again after so long. */
const RESTART_MS = 5000
export const SW_VERSION = 'simulated'

export type MemberDeps = {
  readonly number: number
  readonly isClone: boolean
  readonly credential: Credential
  readonly plan: Plan
  readonly site: SimulatedSite
  readonly network: SimulatedNetwork
  readonly dice: Dice
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, task: () => void) => void
  /** This node has something to do in this step. */
  readonly touched: (member: LiveMember) => void
  readonly sending: (member: Member, to: DeviceId, bytes: Uint8Array) => void
  readonly pushing: (member: Member, push: Push, way: string) => void
  readonly banning: (member: Member, peer: DeviceId, reason: string) => void
  readonly booted: (member: LiveMember) => void
  readonly leaving: (member: LiveMember, how: Gone) => void
  readonly gone: (member: LiveMember, how: Gone) => void
  /** The process ended by itself: an error that no production code may throw. */
  readonly broke: (member: Member, error: unknown) => void
  readonly chargers: {
    readonly connected: (to: LiveMember) => readonly ChargerId[]
    readonly disconnect: (to: LiveMember, chargerId: ChargerId) => void
    readonly command: (
      from: LiveMember,
      chargerId: ChargerId,
      command: ChargerCommand,
    ) => Promise<CommandOutcome>
  }
  readonly uplinks: () => readonly Uplink[]
  /** For a clone and for a node that starts from a copy. */
  readonly from?: DiskImage
  readonly log: (member: Member, word: string, event: string) => void
}

export type LiveMember = Member & {
  readonly clock: BentClock
  readonly boot: () => void
  /** Ends the process; it is started again by `boot`. */
  readonly end: (how: Gone, image?: DiskImage) => void
  readonly stall: (forMs: number) => void
  readonly charger: (input: ChargerInput) => Promise<ChargerAnswer>
  readonly submit: Node['submit']
  /** The terms of its uplinks have changed. */
  readonly reopenUplinks: () => void
  /** A sync takes so much longer from now on. */
  readonly slowDisk: (delayMs: number) => void
  readonly cutPowerAt: (operation: number, moment: 'before' | 'during' | 'after', cut: () => void) => void
}

export function createMember(deps: MemberDeps): LiveMember {
  const { nowMs, schedule, credential } = deps
  const clock = bentClock(nowMs, deps.plan.startsAt)
  let life = 0
  let node: Node | undefined
  let port: (Network & { close: () => void }) | undefined
  let isStarting = false
  let stalledUntilMs = 0
  let slowMs = 0
  let armed: { left: number; moment: 'before' | 'during' | 'after'; cut: () => void } | undefined

  /** Counts disk operations towards a planned power cut; true when it happens now. */
  const strikes = (moment: 'before' | 'after', kind: string): boolean => {
    if (!armed) return false
    // In the middle of an append is behind it, its sectors un-synced; in the middle of anything else is before it.
    const during = kind === 'append' ? 'after' : 'before'
    if ((armed.moment === 'during' ? during : armed.moment) !== moment) return false
    armed.left -= 1
    if (armed.left > 0) return false
    const { cut } = armed
    armed = undefined
    cut()
    return true
  }
  const [minSyncMs, maxSyncMs] = deps.plan.syncMs
  const disk: SimulatedDisk = simulatedDisk({
    before: operation => {
      if (strikes('before', operation) || operation !== 'sync') return undefined
      const delayMs = slowMs + deps.dice.between(minSyncMs, maxSyncMs)
      if (delayMs < 1) return undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      schedule(delayMs, () => {
        deps.touched(member)
        resolve()
      })
      return promise
    },
    after: operation => void strikes('after', operation),
    ...(deps.from && { from: deps.from }),
  })

  /** Runs now, or when the event loop of a stalled process turns again. */
  const enter = (act: () => void): void => {
    const waitMs = stalledUntilMs - nowMs()
    if (waitMs > 0) schedule(waitMs, () => enter(act))
    else {
      deps.touched(member)
      act()
    }
  }
  const here = (mine: number, act: (running: Node) => void): void =>
    enter(() => {
      if (life === mine && node) act(node)
    })

  const networkOf = (isAlive: () => boolean): Network => ({
    send: (to, bytes) => {
      if (!isAlive()) return
      deps.sending(member, to, bytes)
      port?.send(to, bytes)
    },
    peers: () => (isAlive() ? (port?.peers() ?? []) : []),
    ban: (peer, banMs, reason) => {
      if (!isAlive()) return
      deps.banning(member, peer, reason)
      port?.ban(peer, banMs, reason)
    },
    traffic: () => port?.traffic() ?? { receivedBytes: 0, sentBytes: 0 },
  })

  /** An answer that comes back to another life is heard by nobody. */
  const heard = <T>(mine: number, promise: Promise<T>): Promise<T> => {
    const { promise: outcome, resolve, reject } = Promise.withResolvers<T>()
    promise.then(
      value => enter(() => life === mine && resolve(value)),
      (error: unknown) => enter(() => life === mine && reject(error)),
    )
    return outcome
  }

  const openUplinks = (mine: number): void => {
    const pushOver = (uplink: Uplink) => (push: Push) => {
      if (life === mine) deps.pushing(member, push, uplink.name)
      return heard(mine, uplink.push(push))
    }
    node?.setUplinks(
      deps.uplinks().map(uplink => ({
        ...{ name: uplink.name, push: pushOver(uplink) },
        ...(uplink.terms && { terms: uplink.terms }),
      })),
    )
  }

  const start = async (mine: number): Promise<void> => {
    const isAlive = (): boolean => life === mine
    const log = (word: string) => (event: string) => {
      if (isAlive()) deps.log(member, word, event)
    }
    const roster = deps.site.roster(credential)
    const started = await startNode({
      ...{ roster, signatures: deps.site.signatures, remember: deps.site.remember },
      ...{ certificate: credential.certificate },
      ...{ logKey: credential.keys.logKey, clock, random: deps.dice.random, disk: disk.mount() },
      network: networkOf(isAlive),
      documents: { put: () => undefined },
      openTag: deps.site.tagKeys.open,
      chargePoints: {
        connected: () => (isAlive() ? deps.chargers.connected(member) : []),
        command: async (id, command) =>
          isAlive() ? heard(mine, deps.chargers.command(member, id, command)) : GONE,
        disconnect: id => {
          if (isAlive()) deps.chargers.disconnect(member, id)
        },
      },
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      ...{ swVersion: SW_VERSION, heartbeatS: 300, breathe: () => Promise.resolve() },
    })
    if (!isAlive()) return
    node = started
    port = deps.network.attach(
      {
        certificates: [deps.site.issuer.certificate.encoded, credential.certificate.encoded],
        roster,
        wallMs: clock.wallMs,
        onPeer: peer => here(mine, running => running.mesh({ kind: 'peer', peer })),
        onPeerGone: peer => here(mine, running => running.mesh({ kind: 'gone', peer })),
        onMessage: (peer, bytes) => here(mine, running => running.mesh({ kind: 'message', peer, bytes })),
      },
      { asClone: deps.isClone },
    )
    openUplinks(mine)
    const tick = (): void => {
      if (!isAlive()) return
      here(mine, running => running.tick())
      schedule(TICK_MS, tick)
    }
    // Machines are not started in the same millisecond.
    schedule(Math.floor(deps.dice.share() * TICK_MS), tick)
    deps.booted(member)
  }

  const boot = (): void => {
    if (node || isStarting) return
    life += 1
    const mine = life
    isStarting = true
    clock.reboot()
    deps.touched(member)
    start(mine).then(
      () => {
        if (life === mine) isStarting = false
      },
      (error: unknown) => {
        if (life !== mine) return
        isStarting = false
        // A store that cannot be opened: the process says why and ends, and its supervisor tries again.
        if (error instanceof MeshError) schedule(RESTART_MS, () => life === mine && boot())
        else deps.broke(member, error)
      },
    )
  }

  const member: LiveMember = {
    number: deps.number,
    name: `${deps.number}${deps.isClone ? 'c' : ''}`,
    ...{ deviceId: credential.certificate.deviceId, credential, isHonest: true, isClone: deps.isClone },
    ...{ disk, clock, boot },
    node: () => node,
    life: () => life,
    clockErrorMs: clock.errorMs,
    end: (how, image) => {
      deps.leaving(member, how)
      life += 1
      port?.close()
      port = undefined
      node = undefined
      isStarting = false
      stalledUntilMs = 0
      armed = undefined
      if (how === 'killed' || how === 'disposed') disk.kill()
      if (how === 'power-cut') disk.crash(deps.dice.share)
      if (how === 'wiped') disk.wipe()
      if (how === 'restored' && image) disk.restore(image)
      deps.gone(member, how)
    },
    stall: forMs => {
      stalledUntilMs = Math.max(stalledUntilMs, nowMs() + forMs)
    },
    charger: input => {
      const { promise, resolve } = Promise.withResolvers<ChargerAnswer>()
      const mine = life
      here(mine, running => void running.charger(input).then(answer => life === mine && resolve(answer)))
      return promise
    },
    submit: submission => {
      const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<Node['submit']>>>()
      here(life, running => void running.submit(submission).then(resolve))
      return promise
    },
    reopenUplinks: () => openUplinks(life),
    slowDisk: delayMs => {
      slowMs = delayMs
    },
    cutPowerAt: (operation, moment, cut) => {
      armed = operation > 0 ? { left: operation, moment, cut } : undefined
    },
  }
  return member
}

// A site in one process: production nodes over simulated disks and a simulated network, on a virtual clock that is a heap
// of tasks. The seed is the whole world: topology is the test's, every chance is drawn from the seed, and nothing waits
// for a real timer: after each task the nodes' microtasks run dry before the next one is taken.

import { createHash } from 'node:crypto'
import { type SimulatedDisk, simulatedDisk } from '../../simulations/disk/disk.ts'
import { createSimulatedNetwork, type SimulatedNetwork } from '../../simulations/network/network.ts'
import { createHeap } from '../../simulations/world/heap.ts'
import { MeshError } from '../../src/errors.ts'
import type { OpenTag } from '../../src/list-talk.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import { type Node, startNode } from '../../src/node.ts'
import type {
  ChargerAnswer,
  ChargerCommand,
  ChargerInput,
  ChargerMessage,
  Clock,
  CommandOutcome,
  Network,
  Random,
} from '../../src/ports.ts'
import { type ChargerId, type DeviceId, hex, type LogId, type TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog, type TestSite, testSite } from '../site.ts'

const TICK_MS = 1000
const MAX_TASKS = 2_000_000

export type Sent = {
  readonly atMs: number
  readonly from: DeviceId
  readonly to: DeviceId
  readonly bytes: Uint8Array
}

export type Member = {
  readonly device: TestDevice
  readonly deviceId: DeviceId
  readonly disk: SimulatedDisk
  readonly node: () => Node
  /** kill -9 with power loss: un-synced sectors go as the dice say. Nothing the dead process does is heard. */
  readonly crash: () => void
  readonly boot: () => Promise<void>
  readonly tell: (message: ChargerMessage, chargerId?: string) => Promise<ChargerAnswer>
  readonly peers: () => readonly DeviceId[]
  readonly disconnected: string[]
  /** What its charger says to a command; `at-<name>` is connected. */
  command: (chargerId: ChargerId, command: ChargerCommand) => CommandOutcome
  /** Whether it can read a card's own id. */
  openTag: OpenTag
  /** The card's own id, sealed, where it just read the card. */
  sealTag: (tokenRef: TokenRef) => Uint8Array | undefined
  readonly banned: string[]
  readonly logged: string[]
  wallOffsetMs: number
  /** How full its disk is; undefined: nobody can say. */
  usedShare: number | undefined
}

export type World = {
  readonly site: TestSite
  readonly network: SimulatedNetwork
  readonly sent: readonly Sent[]
  readonly member: (name: string, disk?: SimulatedDisk) => Promise<Member>
  /** Runs the world for so many virtual milliseconds. */
  readonly run: (ms: number) => Promise<void>
  /** Runs until the condition holds, asked every 100 virtual ms; fails after `withinMs`, else says how long it took. */
  readonly until: (condition: () => boolean, withinMs: number) => Promise<number>
  readonly nowMs: () => number
  readonly wallMs: () => number
  /** One line a message: equal worlds give equal traces. */
  readonly trace: () => string
  readonly random: Random
}

export function createWorld(seed: string): World {
  const site = testSite(seed)
  const random: Random = { bytes: site.random }
  const tasks = createHeap()
  const members: { node: Node | undefined }[] = []
  const sent: Sent[] = []
  let nowMs = 0
  const schedule = (delayMs: number, task: () => void): void => tasks.push(nowMs + delayMs, task)
  const network = createSimulatedNetwork({ random, schedule })
  const settle = async (): Promise<void> => {
    for (const member of members) await member.node?.settled()
  }
  const run = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms
    for (let i = 0; i < MAX_TASKS; i++) {
      const next = tasks.pop(endMs)
      if (!next) break
      nowMs = next.atMs
      next.task()
      await settle()
    }
    nowMs = endMs
  }
  const wallMs = (): number => SITE_OPENED_AT + Math.floor(nowMs)
  const usedShareOf = async ({ usedShare }: Member): Promise<number> => {
    if (usedShare === undefined) throw new MeshError('STORE_FAILED', 'statfs')
    return usedShare
  }

  const member = async (name: string, disk = simulatedDisk()): Promise<Member> => {
    const device = site.device(name)
    const { deviceId } = device.certificate
    const slot: {
      node: Node | undefined
      port: (Network & { close: () => void }) | undefined
      life: number
    } = {
      ...{ node: undefined, port: undefined, life: 0 },
    }
    members.push(slot)
    const clock: Clock = { wallMs: () => wallMs() + made.wallOffsetMs, monotonicMs: () => nowMs }
    const log = (word: string) => (event: string) => void made.logged.push(`${word}: ${event}`)
    const boot = async (): Promise<void> => {
      slot.life += 1
      const { life } = slot
      const isAlive = (): boolean => slot.life === life
      const roster = site.roster([device])
      const certificates = [site.issuer.certificate.encoded, device.certificate.encoded]
      let port: (Network & { close: () => void }) | undefined
      const outward: Network = {
        send: (to, bytes) => {
          if (!isAlive()) return
          sent.push({ atMs: nowMs, from: deviceId, to, bytes })
          port?.send(to, bytes)
        },
        peers: () => port?.peers() ?? [],
        ban: (peer, banMs, reason) => {
          made.banned.push(`${peer}: ${reason}`)
          port?.ban(peer, banMs, reason)
        },
        traffic: () => ({ receivedBytes: 0, sentBytes: 0 }),
      }
      const node = await startNode({
        ...{ roster, signatures: site.signatures, certificate: device.certificate },
        ...{ logKey: device.keys.logKey, clock, random, network: outward },
        disk: { ...disk.mount(), usedShare: () => usedShareOf(made) },
        documents: { put: () => undefined },
        openTag: (tokenRef, box) => made.openTag(tokenRef, box),
        sealTag: tokenRef => made.sealTag(tokenRef),
        chargePoints: {
          connected: () => [`at-${name}` as ChargerId],
          command: async (chargerId, command) => made.command(chargerId, command),
          disconnect: (chargerId, reason) => void made.disconnected.push(`${chargerId}: ${reason}`),
        },
        logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
        ...{ swVersion: 'test', heartbeatS: 300, breathe: () => Promise.resolve() },
      })
      slot.node = node
      const handlers = {
        onPeer: (peer: DeviceId) => node.mesh({ kind: 'peer', peer }),
        onPeerGone: (peer: DeviceId) => node.mesh({ kind: 'gone', peer }),
        onMessage: (peer: DeviceId, bytes: Uint8Array) => node.mesh({ kind: 'message', peer, bytes }),
      }
      port = network.attach({ ...handlers, certificates, roster, wallMs: clock.wallMs })
      slot.port = port
      const tick = (): void => {
        if (!isAlive()) return
        node.tick()
        schedule(TICK_MS, tick)
      }
      schedule(TICK_MS, tick)
    }
    const made: Member = {
      ...{ device, deviceId, disk, boot, disconnected: [], banned: [], logged: [], wallOffsetMs: 0 },
      usedShare: 0.1,
      openTag: () => undefined,
      sealTag: () => undefined,
      command: () => ({ kind: 'unreachable', reason: 'simulated' }),
      peers: () => slot.port?.peers() ?? [],
      node: () => {
        if (!slot.node) throw new Error(`${name} is down`)
        return slot.node
      },
      crash: () => {
        slot.life += 1
        slot.port?.close()
        slot.node = undefined
        disk.crash(() => (site.random(1)[0] ?? 0) / 256)
      },
      tell: (message, chargerId = 'CP-1') => {
        if (!slot.node) throw new Error(`${name} is down`)
        const input: ChargerInput = {
          ...{ chargerId: chargerId as ChargerId, connectionId: 1, message, repairs: [] },
        }
        return slot.node.charger(input)
      },
    }
    await boot()
    return made
  }

  return {
    ...{ site, network, sent, member, run, random, wallMs },
    nowMs: () => nowMs,
    until: async (condition, withinMs) => {
      const startedMs = nowMs
      while (!condition()) {
        if (nowMs - startedMs > withinMs) throw new Error(`not within ${withinMs} virtual ms`)
        await run(100)
      }
      return nowMs - startedMs
    },
    trace: () =>
      sent
        .map(({ atMs, from, to, bytes }) => {
          const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
          return `${atMs.toFixed(3)} ${from.slice(0, 6)}>${to.slice(0, 6)} ${bytes.length} ${digest}`
        })
        .join('\n'),
  }
}

/** Everything that must be equal where two nodes hold the same: heads, every element, sessions; forked logs apart. */
export function stateOf(node: Node): string {
  const { logs } = node.ledger()
  const heads = [...logs.all()]
    .filter(log => !log.fork)
    .map(log => `${log.logId}@${log.head.seq} ${log.head.hash}`)
  return [...heads.sort(), ...sessionsOf(node)].join('\n')
}

export function sessionsOf(node: Node): readonly string[] {
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? hex(value) : value
  return node
    .ledger()
    .view()
    .sessions()
    .map(session => JSON.stringify(session, plain))
    .sort()
}

export function sameEverywhere(members: readonly Member[]): boolean {
  const [first, ...others] = members.map(member => stateOf(member.node()))
  return others.every(state => state === first)
}

/** Hash chains of all logs a node holds, to see that they only ever grow (I2). */
export function chainsOf(node: Node): ReadonlyMap<LogId, readonly string[]> {
  return new Map([...node.ledger().logs.all()].map(log => [log.logId, [...log.hashes]]))
}

export const TOKEN = 'aa'.repeat(16) as never
export const OTHER_TOKEN = 'bb'.repeat(16) as never

export function startMessage(world: World, change: { connectorId?: number; meterStartWh?: number } = {}) {
  const at = world.wallMs()
  return {
    ...{ kind: 'start' as const, connectorId: 1, tokenRef: TOKEN, meterStartWh: 1000, ...change },
    startedAt: { raw: new Date(at).toISOString(), at },
  }
}

export function meterMessage(world: World, transactionId: number, energyWh: number) {
  const at = world.wallMs()
  const readings = [{ sampledAt: { raw: new Date(at).toISOString(), at }, energyWh }]
  return { kind: 'meter' as const, connectorId: 1, transactionId, readings }
}

export function stopMessage(world: World, transactionId: number, meterStopWh: number) {
  const at = world.wallMs()
  return {
    ...{ kind: 'stop' as const, transactionId, meterStopWh, reason: 'Local', readings: [] },
    stoppedAt: { raw: new Date(at).toISOString(), at },
  }
}

/** The operator's log of a world: a card, a price, and whatever a test appends; handed to any node. */
export type OperatorLog = {
  readonly log: TestLog
  readonly record: (bodies: readonly AnyBody[], to: Member) => Promise<void>
}

export async function operatorOf(world: World, to: Member): Promise<OperatorLog> {
  const log = world.site.openLog(world.site.issuer)
  const signer = {
    certHash: world.site.issuer.certificate.hash,
    logKey: world.site.issuer.keys.logKey,
    signatures: world.site.signatures,
  }
  const record = async (bodies: readonly AnyBody[], member: Member): Promise<void> => {
    const fromSeq = log.events().length === 1 ? 0 : log.events().length
    log.append(bodies, world.wallMs())
    const ref = log.ref()
    const beacon = { ...ref, issuedAt: world.wallMs(), nextByAt: world.wallMs() + 86_400_000 }
    const submission = {
      certificates: [world.site.issuer.certificate.encoded],
      segments: log.segments(fromSeq),
      objects: [signObject(signer, { kind: 'beacon', body: beacon })],
    }
    const { refused } = await member.node().submit(submission)
    if (refused.length > 0) throw new Error(refused.join(', '))
  }
  await record([grantOf(TOKEN), TARIFF], to)
  return { log, record }
}

const TARIFF: AnyBody = {
  name: 'tariff',
  body: { tariffId: 'day', currency: 'EUR', pricePerKwh: '0.25', effectiveAt: SITE_OPENED_AT - 1 },
}

export function grantOf(tokenRef: string): AnyBody {
  return {
    name: 'grant',
    body: {
      ...{ tokenRef: tokenRef as never, accountRef: 'ac'.repeat(16), whitelist: 'ALLOWED', class: 'driver' },
      ...{ notBeforeAt: 0, notAfterAt: SITE_OPENED_AT + 86_400_000, supersedes: [] },
      scope: { zones: [], connectorTypes: [] },
      offline: { maxAgeS: 86_400 },
    },
  }
}

export function revokeOf(tokenRef: string): AnyBody {
  return {
    name: 'revoke',
    body: { tokenRef: tokenRef as never, reason: 'lost', effectiveAt: SITE_OPENED_AT },
  }
}

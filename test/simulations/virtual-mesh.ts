// A simulated network on a heap of tasks, with members that only listen: certificates are plain objects that every roster
// holds to be good, so that a thousand members cost nothing. Members are numbered from 1.
import { seededRandom } from '../../simulations/dice.ts'
import {
  createSimulatedNetwork,
  type SimulatedNetwork,
  type SimulatedNetworkDeps,
} from '../../simulations/network/network.ts'
import { createHeap } from '../../simulations/world/heap.ts'
import { type Certificate, ISSUED_BY_ROOT } from '../../src/identity/certificate.ts'
import type { Roster } from '../../src/identity/roster.ts'
import type { Network } from '../../src/ports.ts'
import type { CertHash, DeviceId, SiteId } from '../../src/units.ts'

const STARTED_AT = Date.UTC(2026, 5, 1, 8)
const DAY_MS = 24 * 3600 * 1000
const SITE = '5e'.repeat(16) as SiteId

export type Listener = {
  readonly network: Network & { readonly close: () => void }
  readonly id: DeviceId
  /** The first byte of each message, in order. */
  readonly heard: number[]
  readonly messages: Uint8Array[]
  /** `+` and `-` with the peer's number, in order. */
  readonly comings: string[]
  /** Numbers, ascending. */
  readonly peers: () => readonly number[]
  readonly send: (to: number, length?: number, first?: number) => void
  /** Its clock is so far off. */
  wallOffsetMs: number
}

export type VirtualMesh = {
  readonly net: SimulatedNetwork
  readonly id: (number: number) => DeviceId
  readonly join: (number: number, options?: { readonly asClone?: boolean }) => Listener
  readonly joinAll: (count: number) => readonly Listener[]
  readonly pass: (ms: number) => void
  readonly nowMs: () => number
  /** Tasks put into the heap so far, and certificates that rosters were asked to check. */
  readonly calls: { scheduled: number; enrolled: number }
}

export type MeshOptions = Pick<SimulatedNetworkDeps, 'quality' | 'maxPeers' | 'sharesBytes' | 'observe'> & {
  readonly seed?: number
  /** Pairs of numbers; absent: everybody knows everybody. */
  readonly links?: readonly (readonly [number, number])[]
  /** Without a clock the network finds whoever is back at once. */
  readonly isClockless?: boolean
}

export function virtualMesh({ seed = 1, links, isClockless, ...rest }: MeshOptions = {}): VirtualMesh {
  const tasks = createHeap()
  const calls = { scheduled: 0, enrolled: 0 }
  let time = 0
  const net = createSimulatedNetwork({
    ...rest,
    dice: seededRandom(seed).share,
    schedule: (delayMs, task) => {
      calls.scheduled++
      tasks.push(time + delayMs, task)
    },
    ...(!isClockless && { nowMs: () => time }),
    ...(links && { links: links.map(([a, b]) => [idOf(a), idOf(b)] as const) }),
  })
  const join = (number: number, options: { readonly asClone?: boolean } = {}): Listener => {
    const [heard, messages, comings] = [[] as number[], [] as Uint8Array[], [] as string[]]
    const network = net.attach(
      {
        certificates: [encodedOf(number)],
        roster: rosterOf(calls),
        wallMs: () => STARTED_AT + time + listener.wallOffsetMs,
        onPeer: peer => comings.push(`+${numberOf(peer)}`),
        onPeerGone: peer => comings.push(`-${numberOf(peer)}`),
        onMessage: (_, bytes) => {
          heard.push(bytes[0] ?? -1)
          messages.push(bytes)
        },
      },
      options,
    )
    const listener: Listener = {
      ...{ network, id: idOf(number), heard, messages, comings, wallOffsetMs: 0 },
      peers: () =>
        network
          .peers()
          .map(numberOf)
          .sort((a, b) => a - b),
      send: (to, length = 1, first = 1) => network.send(idOf(to), new Uint8Array(length).fill(first)),
    }
    return listener
  }
  return {
    ...{ net, id: idOf, join, calls, nowMs: () => time },
    joinAll: count => Array.from({ length: count }, (_, i) => join(i + 1)),
    pass: ms => {
      const endMs = time + ms
      for (let next = tasks.pop(endMs); next; next = tasks.pop(endMs)) {
        time = next.atMs
        next.task()
      }
      time = endMs
    },
  }
}

function idOf(number: number): DeviceId {
  return number.toString(16).padStart(32, '0') as DeviceId
}

function numberOf(id: DeviceId): number {
  return Number.parseInt(id, 16)
}

function encodedOf(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 255)
}

function certificateOf(encoded: Uint8Array): Certificate {
  const number = (encoded[0] ?? 0) * 256 + (encoded[1] ?? 0)
  const key = new Uint8Array(32)
  return {
    ...{ version: 1, siteId: SITE, issuedBy: ISSUED_BY_ROOT, serial: number, name: `node-${number}` },
    ...{ roles: ['node'], peerKey: key, logKey: key, sealKey: key },
    ...{ notBeforeAt: STARTED_AT - DAY_MS, notAfterAt: STARTED_AT + 3650 * DAY_MS, encoded },
    ...{ hash: number.toString(16).padStart(64, '0') as CertHash, deviceId: idOf(number) },
  }
}

function rosterOf(calls: { enrolled: number }): Roster {
  return {
    ...{ siteId: SITE, rootKey: new Uint8Array(32), certificate: () => undefined },
    ...{
      byDevice: () => undefined,
      ofDevice: () => [],
      all: () => [],
      manifest: () => undefined,
      withdraw: () => false,
    },
    enrol: encoded => {
      calls.enrolled++
      return { kind: 'valid', certificate: certificateOf(encoded) }
    },
  }
}

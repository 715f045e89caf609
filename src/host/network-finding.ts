// How nodes find one another beyond what their settings say: multicast and what peers tell (PROTOCOL 7.4). Both end in
// hints for the dialler.
import type { Connection, Stream } from '@libp2p/interface'
import type { Roster } from '../identity/roster.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { createDiscovery, type DiscoveryState } from './discovery.ts'
import { type Acquaintance, createExchange } from './exchange.ts'
import { type Hint, MAX_HINT_ADDRESSES, usefulAddresses } from './hints.ts'
import { addressesIn } from './network-libp2p.ts'
import type { NetworkLimits } from './network-limits.ts'
import type { Peer } from './network-peer.ts'
import type { Address } from './peers.ts'

/** How a node is found and finds others. */
export type FindingOptions = {
  /** Newest first; without this there is no multicast. */
  readonly siteKeys?: () => readonly Uint8Array[]
  /** Where multicast is spoken, when not at its usual place. */
  readonly multicast?: Address
}

export type FindingDeps = FindingOptions & {
  readonly deviceId: DeviceId
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: NetworkLimits
  readonly listening: () => readonly Address[]
  readonly acquaintances: () => readonly Acquaintance[]
  readonly roster: Roster
  /** A device that could be dialled and is not connected. */
  readonly isMissing: (deviceId: DeviceId) => boolean
  readonly onHints: (hints: readonly Hint[]) => void
}

export type Finding = {
  readonly tick: (nowMs: number) => void
  readonly accept: (from: DeviceId, stream: Stream) => void
  readonly status: () => DiscoveryState | undefined
  readonly close: () => void
}

export function createFinding(deps: FindingDeps): Finding {
  const exchange = createExchange({
    ...deps,
    own: () => usefulAddresses(deps.listening()).slice(0, MAX_HINT_ADDRESSES),
  })
  const { siteKeys, multicast } = deps
  const discovery =
    siteKeys !== undefined
      ? createDiscovery({
          ...{ siteKeys, deviceId: deps.deviceId, clock: deps.clock, random: deps.random },
          ...{ logger: deps.logger, listening: deps.listening, limits: deps.limits },
          isLooking: () => isSomebodyMissing(deps),
          onHint: hint => deps.onHints([hint]),
          ...(multicast && { multicast }),
        })
      : undefined
  return {
    tick: nowMs => {
      exchange.tick(nowMs)
      discovery?.tick(nowMs)
    },
    accept: exchange.accept,
    status: () => discovery?.status(),
    close: () => discovery?.close(),
  }
}

function isSomebodyMissing({ roster, isMissing }: Pick<FindingDeps, 'roster' | 'isMissing'>): boolean {
  return roster.all().some(({ deviceId, roles }) => roles.includes('node') && isMissing(deviceId))
}

export function connectionAmong(
  peers: ReadonlyMap<DeviceId, Peer>,
  deviceId: DeviceId,
): Connection | undefined {
  return peers.get(deviceId)?.links.find(link => link.isOpen)?.connection
}

/** The peers that can be told something, and where we reached those that we dialled. */
export function acquaintancesAmong(peers: ReadonlyMap<DeviceId, Peer>): readonly Acquaintance[] {
  return [...peers].flatMap(([deviceId, { links }]) => {
    const connection = links.find(link => link.isOpen)?.connection
    const addressesOf = (direction: Connection['direction']): readonly Address[] =>
      links.flatMap(link =>
        link.connection.direction === direction ? addressesIn(link.connection.remoteAddr) : [],
      )
    const seenAt = addressesOf('inbound').map(({ host }) => host)
    return connection ? [{ deviceId, connection, reached: addressesOf('outbound'), seenAt }] : []
  })
}

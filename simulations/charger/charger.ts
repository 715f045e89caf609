// The types that the files of this folder share: how a virtual charge point is made, and its insides.
import type { Random } from '../../src/ports.ts'
import type { ListPlan } from '../plan.ts'
import type { StationList } from '../station/list.ts'
import type { Battery } from './battery.ts'
import type { ChargerSession, Connector } from './connector.ts'
import type { Line } from './line.ts'
import type { Queue } from './queue.ts'
import type { Settings } from './settings.ts'
import type { Tongue } from './tongue.ts'

export type VirtualChargerOptions = {
  /** 1.6 when left out. */
  readonly version?: '1.6' | '2.0.1'
  readonly identity: string
  readonly password: string
  /** Tried in turn after each lost connection; the identity is added: `ws://10.0.0.7:9000/ocpp`. */
  readonly urls: readonly string[]
  readonly connectors: number
  readonly random: Random
  /** Charging seconds in one real second. 1 when left out. */
  readonly timeScale?: number
  readonly battery?: (connectorId: number) => Battery
  /** PEM, for wss. */
  readonly ca?: string
  readonly meterIntervalMs?: number
  readonly callTimeoutMs?: number
  readonly pingIntervalMs?: number
  /** Failed tries of a transaction message before it is given up. Never, when left out. */
  readonly attempts?: number
  readonly retryIntervalMs?: number
  /** Time without power in a power cycle. */
  readonly rebootMs?: number
  /** The register of each connector when new. */
  readonly registerWh?: number
  /** The charger's clock, UTC ms. */
  readonly now?: () => number
  /** Its own list of cards; without one it has none. */
  readonly list?: ListPlan
  /** Other initial values of configuration keys, such as AllowOfflineTxForUnknownId. */
  readonly settings?: Readonly<Record<string, string>>
}

/** The insides, shared by the files of this folder only. */
export type Charger = {
  readonly options: VirtualChargerOptions
  readonly tongue: Tongue
  readonly line: Line
  readonly queue: Queue
  readonly settings: Settings
  readonly list: StationList
  readonly connectors: readonly Connector[]
  readonly sessions: ChargerSession[]
  readonly acceptedTags: Set<string>
  readonly now: () => number
  readonly timeScale: number
  readonly battery: (connectorId: number) => Battery
  meterIntervalMs: number
  booted: boolean
  closed: boolean
  heartbeat: NodeJS.Timeout | undefined
  reboot: NodeJS.Timeout | undefined
  /** Connectors whose status the server has not heard. */
  readonly unreported: Set<number>
}

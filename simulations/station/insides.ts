// The insides of a charge point, shared by the files of this folder only, and small questions about them.
import { type Battery, energyTakenWh, powerW, roomWh, socPercent } from '../charger/battery.ts'
import type { Reading } from '../charger/connector.ts'
import type { Dice } from '../dice.ts'
import type { Quirk, Visit } from '../plan.ts'
import type { StationClock } from './clock.ts'
import type { Dialect } from './dialect.ts'
import type { StationList } from './list.ts'
import type { Queue } from './queue.ts'
import type { SessionRecord } from './session.ts'
import type { StationDeps } from './station.ts'
import type { Tongue } from './tongue.ts'
import type { Wire } from './wire.ts'

export type VisitRecord = {
  readonly visit: Visit
  readonly outcome: 'served' | 'refused' | 'turned-away'
  /** The status heard last, in OCPP's words; 'Offline' when nobody answered and the firmware refused. */
  readonly status?: string
  /** Decided by the charge point alone. */
  readonly wasOffline: boolean
  readonly decidedAtMs: number
  /** Of the list that allowed it, without anybody asked. */
  readonly listVersion?: number
  /** Index into the sessions. */
  readonly session?: number
}

/** A driver at a connector; without an outcome while the card is being looked up. */
export type Guest = { readonly visit: Visit; record: VisitRecord | undefined }

export type Running = { readonly session: SessionRecord; readonly battery: Battery; readonly guest: Guest }

export type Connector = {
  readonly id: number
  status: string
  /** Wh before the running session. */
  registerWh: number
  guest: Guest | undefined
  running: Running | undefined
  /** What ran when the power went, to be stopped when it is back. */
  interrupted: SessionRecord | undefined
}

/** A card held to the reader, in the order of tapping. */
export type Tap = { readonly connector: Connector; readonly guest: Guest }

/** What the firmware has in its working memory: gone with the power. */
export type Memory = {
  isPowered: boolean
  isCableDead: boolean
  isBooted: boolean
  /** Counts power-ups: what was planned in an earlier one does not happen. */
  life: number
  isHeartbeatDue: boolean
  /** No queued message is tried again before. */
  pausedUntilMs: number
  /** Every driver has left for good. */
  isOver: boolean
}

export type Insides = {
  readonly deps: StationDeps
  readonly dice: Dice
  readonly clock: StationClock
  readonly wire: Wire
  readonly queue: Queue
  readonly list: StationList
  readonly dialect: Dialect
  readonly tongue: Tongue
  readonly connectors: readonly Connector[]
  readonly sessions: SessionRecord[]
  readonly visits: VisitRecord[]
  readonly memory: Memory
  readonly taps: Tap[]
  /** Cards that were accepted here before (OCPP 1.6, 3.4.1), and connectors whose status nobody has heard. */
  readonly known: { readonly cards: Set<string>; readonly unreported: Set<number> }
}

export function has({ deps }: Insides, quirk: Quirk): boolean {
  return deps.plan.quirks.includes(quirk)
}

/** True virtual time, in whole milliseconds. */
export function nowMs({ deps }: Insides): number {
  return Math.floor(deps.nowMs())
}

/** What the calibrated meter of a running session shows. */
export function readMeter({ session, battery }: Running, atMs: number): Reading {
  const elapsedS = (atMs - session.startedAtMs) / 1000
  return {
    energyWh: session.meterStartWh + Math.floor(energyTakenWh(battery, elapsedS)),
    powerW: Math.round(powerW(battery, elapsedS)),
    socPercent: Math.round(socPercent(battery, elapsedS)),
  }
}

export function isFull({ session, battery }: Running, { energyWh }: Reading): boolean {
  return energyWh - session.meterStartWh >= Math.floor(roomWh(battery))
}

export function isOnline({ wire, memory }: Insides): boolean {
  return memory.isBooted && wire.connectedTo() !== undefined
}

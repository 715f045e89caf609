// An OCPP 1.6J charge point in virtual time, with the habits and quirks of OCPP.md and the plan. It meters what its drivers
// took (the truth), tells the node it is connected to in the words of OCPP, and keeps what nobody confirmed, also over
// power cuts. It plans only what comes next, so that an idle one costs a heartbeat.
import type { ChargerAnswer, ChargerCommand, ChargerMessage, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId, TokenRef } from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import type { ChargerPlan, Visit } from '../plan.ts'
import { type Charging, createCharging } from './charging.ts'
import { createClock } from './clock.ts'
import { dialectOf } from './dialect.ts'
import type { Connector, Insides, Memory, VisitRecord } from './insides.ts'
import { createList, type StationList } from './list.ts'
import { createQueue } from './queue.ts'
import { sendAgain } from './replay.ts'
import type { StationSession } from './session.ts'
import { createSettings } from './settings.ts'
import { createTalk, type Talk } from './talk.ts'
import { tongueOf } from './tongue.ts'
import { createDrivers, type Drivers } from './visit.ts'
import { createWire } from './wire.ts'

export type { VisitRecord } from './insides.ts'
export type { LostByItself, StationSession } from './session.ts'

export type StationDeps = {
  readonly plan: ChargerPlan
  /** UTC of virtual time 0. */
  readonly startsAt: number
  /** True virtual time. */
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, task: () => void) => void
  readonly dice: Dice
  readonly tokenRef: (idTag: string) => TokenRef
  readonly idTagOf: (card: number) => string
  /** A socket to node n; undefined when nobody answers there. */
  readonly connect: (node: number, ears: Ears) => Line | undefined
}

/** What a charge point hears without having asked. */
export type Ears = {
  readonly onClosed: () => void
  /** Its list of cards and its settings, in OCPP's words; undefined where that is for `onCommand`. */
  readonly answer: StationList['answer']
  readonly onCommand: (command: ChargerCommand) => CommandOutcome
}

export type Line = {
  /** What the node's door hands on and its answer; 'closed' when the socket went first. Never rejects. */
  readonly call: (message: ChargerMessage, repairs: readonly string[]) => Promise<ChargerAnswer | 'closed'>
  readonly close: () => void
}

export type Station = {
  readonly id: ChargerId
  /** At its time; the station plans the rest. */
  readonly arrive: (visit: Visit) => void
  /** The end of the run: every driver leaves for good, nothing old is said again, the queue drains. */
  readonly leaveAll: () => void
  readonly powerOff: () => void
  readonly powerOn: () => void
  /** Its LAN is dead; it goes on. */
  readonly offline: (isOffline: boolean) => void
  /** Closes, and turns to the next node of its list. */
  readonly moveOn: () => void
  readonly replayAll: (times: number) => void
  /** Of drivers whose visit is decided, in that order. */
  readonly visits: () => readonly VisitRecord[]
  readonly sessions: () => readonly StationSession[]
  /** Messages in its queue. */
  readonly waiting: () => number
  readonly connectedTo: () => number | undefined
  /** Of its own list of cards; 0 for an empty one. */
  readonly listVersion: () => number
}

const IMPATIENT_ATTEMPTS = 3
/** From power to the first try to connect. */
const STARTUP_MS: readonly [number, number] = [2000, 15_000]

type Parts = {
  readonly station: Insides
  readonly talk: Talk
  readonly charging: Charging
  readonly drivers: Drivers
}

export function createStation(deps: StationDeps): Station {
  const parts = assemble(deps)
  const { station, drivers } = parts
  startUp(station)
  return {
    id: deps.plan.id as ChargerId,
    arrive: drivers.arrive,
    leaveAll: drivers.leaveAll,
    powerOff: () => powerOff(parts),
    powerOn: () => powerOn(parts),
    offline: isOffline => offline(station, isOffline),
    moveOn: station.wire.moveOn,
    replayAll: times => replayAll(parts, times),
    visits: () => station.visits,
    sessions: () => station.sessions,
    waiting: station.queue.size,
    connectedTo: station.wire.connectedTo,
    listVersion: station.list.version,
  }
}

function assemble(deps: StationDeps): Parts {
  const { plan, dice } = deps
  const memory: Memory = {
    ...{ isPowered: true, isCableDead: false, isBooted: false, life: 0, isHeartbeatDue: false },
    ...{ pausedUntilMs: 0, isOver: false },
  }
  const list = createList(plan.list)
  const settings = createSettings(plan, dice)
  const answer: StationList['answer'] = (action, payload) =>
    settings.answer(action, payload) ?? list.answer(action, payload)
  const dialect = dialectOf(plan, dice)
  const tongue = tongueOf(plan, dialect, dice)
  const wire = createWire(
    { deps, answer, version: tongue.version },
    {
      onOpen: () => talk.next(),
      onFree: () => talk.next(),
      onLost: () => talk.hangUp(),
      onCommand: command => charging.obey(command),
    },
  )
  const station: Insides = {
    ...{ deps, dice, wire, memory, list, sessions: [], visits: [], taps: [] },
    clock: createClock(deps),
    queue: createQueue(plan.quirks.includes('impatient') ? IMPATIENT_ATTEMPTS : Number.POSITIVE_INFINITY),
    ...{ dialect, tongue },
    connectors: Array.from({ length: plan.connectors }, (_, i) => newConnector(i + 1, plan.registerWh)),
    known: { cards: new Set(), unreported: new Set() },
  }
  const charging = createCharging(station, () => talk)
  const drivers = createDrivers(station, charging, () => talk)
  const talk = createTalk(station, { onCard: drivers.onCard, onConfirmed: charging.confirmed })
  return { station, talk, charging, drivers }
}

function newConnector(id: number, registerWh: number): Connector {
  return {
    ...{ id, registerWh, status: 'Available' },
    ...{ guest: undefined, running: undefined, interrupted: undefined },
  }
}

function startUp(station: Insides): void {
  const { memory, deps, dice, wire } = station
  const { life } = memory
  deps.schedule(Math.floor(dice.between(...STARTUP_MS)), () => {
    if (memory.life === life && memory.isPowered && !memory.isCableDead) wire.set('up')
  })
}

function powerOff({ station, charging, drivers }: Parts): void {
  const { memory, wire } = station
  if (!memory.isPowered) return
  charging.powerOff()
  memory.isPowered = false
  memory.isBooted = false
  memory.isHeartbeatDue = false
  memory.life++
  wire.set('powerless')
  drivers.powerOff()
}

function powerOn({ station, charging }: Parts): void {
  const { memory, clock, connectors, list } = station
  if (memory.isPowered) return
  memory.isPowered = true
  memory.pausedUntilMs = 0
  clock.powerUp()
  list.powerUp()
  charging.powerOn()
  for (const connector of connectors) connector.status = connector.guest ? 'Finishing' : 'Available'
  startUp(station)
}

function offline(station: Insides, isOffline: boolean): void {
  const { memory, wire } = station
  if (memory.isCableDead === isOffline) return
  memory.isCableDead = isOffline
  if (memory.isPowered) wire.set(isOffline ? 'cable-dead' : 'up')
}

function replayAll({ station, talk }: Parts, times: number): void {
  for (let time = 0; time < times; time++)
    for (const session of station.sessions) sendAgain(station, session.sent, talk.next)
}

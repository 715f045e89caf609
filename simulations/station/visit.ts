// The drivers of a charge point: they come, plug in, tap, charge and leave. Says of each what became of the visit. A
// charge point that nobody answers decides by its own habits: by the cards it knows, or for everybody.
import type { Visit } from '../plan.ts'
import type { Charging } from './charging.ts'
import {
  type Connector,
  type Guest,
  has,
  type Insides,
  nowMs,
  type Tap,
  type VisitRecord,
} from './insides.ts'
import type { Talk } from './talk.ts'

/** From plugging in to the card at the reader. */
const TAP_MS: readonly [number, number] = [4000, 15_000]
/** Stops by pulling the plug, without the card. */
const PULLS_PLUG_RATE = 0.3

export type Drivers = {
  readonly arrive: (visit: Visit) => void
  readonly leaveAll: () => void
  readonly onCard: (tap: Tap, status: string | undefined) => void
  /** Those who wait for an answer give up; those who charge stay, and find out later. */
  readonly powerOff: () => void
}
type Floor = { readonly station: Insides; readonly charging: Charging; readonly talk: () => Talk }

export function createDrivers(station: Insides, charging: Charging, talk: () => Talk): Drivers {
  const floor: Floor = { station, charging, talk }
  return {
    arrive: visit => arrive(floor, visit),
    onCard: (tap, status) => decide(floor, tap, status),
    leaveAll: () => {
      station.memory.isOver = true
      for (const connector of station.connectors)
        if (connector.guest) leave(floor, connector, connector.guest)
    },
    powerOff: () => {
      for (const connector of station.connectors) {
        const { guest } = connector
        if (guest && !guest.record) leave(floor, connector, guest)
      }
    },
  }
}

function arrive(floor: Floor, visit: Visit): void {
  const { station, talk } = floor
  const { deps, memory, dice } = station
  const connector = station.connectors[visit.connector - 1]
  const guest: Guest = { visit, record: undefined }
  if (!connector || !memory.isPowered || memory.isOver || connector.guest) {
    note(station, guest, { outcome: 'turned-away', wasOffline: false })
    return
  }
  connector.guest = guest
  talk().report(connector.id, 'Preparing')
  deps.schedule(Math.floor(Math.min(dice.between(...TAP_MS), visit.stayMs / 2)), () => {
    if (connector.guest === guest && memory.isPowered) talk().ask({ connector, guest })
  })
  deps.schedule(visit.stayMs, () => leave(floor, connector, guest))
}

function note(
  station: Insides,
  guest: Guest,
  said: Pick<VisitRecord, 'outcome' | 'wasOffline' | 'status' | 'session' | 'listVersion'>,
): void {
  guest.record = { visit: guest.visit, decidedAtMs: nowMs(station), ...said }
  station.visits.push(guest.record)
}

function decide(floor: Floor, { connector, guest }: Tap, answer: string | undefined): void {
  const { station, charging, talk } = floor
  if (connector.guest !== guest || guest.record || !station.memory.isPowered) return
  const { cards } = station.known
  const idTag = station.deps.idTagOf(guest.visit.card)
  const wasOffline = answer === undefined
  if (answer === 'Accepted') cards.add(idTag)
  else if (answer !== undefined) cards.delete(idTag)
  // Its list says more than what it remembers of cards, and than leave to take everybody (OCPP 1.6, 3.5).
  const listed = wasOffline ? station.list.verdict(idTag, station.deps.startsAt + nowMs(station)) : undefined
  const byHabit = has(station, 'offline-starts') || cards.has(idTag)
  const alone = listed === undefined ? byHabit : listed === 'Accepted'
  if (wasOffline ? alone : answer === 'Accepted') {
    const session = charging.begin(connector, guest, wasOffline)
    note(station, guest, {
      ...{ outcome: 'served', wasOffline, status: 'Accepted', session },
      ...(listed !== undefined && { listVersion: station.list.version() }),
    })
    return
  }
  note(station, guest, { outcome: 'refused', wasOffline, status: answer ?? 'Offline' })
  connector.guest = undefined
  talk().report(connector.id, 'Available')
}

function leave({ station, charging, talk }: Floor, connector: Connector, guest: Guest): void {
  if (connector.guest !== guest) return
  connector.guest = undefined
  if (!guest.record) note(station, guest, { outcome: 'turned-away', wasOffline: false })
  if (connector.running?.guest === guest)
    charging.end(connector, station.dice.chance(PULLS_PLUG_RATE) ? 'EVDisconnected' : 'Local')
  talk().report(connector.id, 'Available')
}

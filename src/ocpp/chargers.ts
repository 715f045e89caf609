// What this process remembers of each charger that ever proved itself here: its lane, its counters, and the last
// register of its transactions. One entry a charger, and only chargers of the roster get one.
import type { ChargerMessage } from '../ports.ts'
import type { ChargerId } from '../units.ts'
import { createLane, type Lane } from './lane.ts'
import { lastRegister } from './meter.ts'

/** Connectors of a charger that may be charging at once, with some room for sessions nobody stopped. */
const MAX_REGISTERS = 64
/** Words are ours, but counted by what a charger sends; a bound all the same. */
const MAX_WORDS = 100

/** One charger in `Central.status()`. Instants are UTC milliseconds of this node's clock. */
export type ChargerLink = {
  readonly chargerId: ChargerId
  readonly connected: boolean
  /** Since when it is connected, or when it was lost. */
  readonly sinceAt: number
  readonly lastHeardAt: number
  /** Mended messages, counted by what was mended. */
  readonly repairs: Readonly<Record<string, number>>
  /** Upgrades refused under this identity, counted by reason. */
  readonly refused: Readonly<Record<string, number>>
}

export type ChargerRecord = {
  readonly lane: Lane
  sinceAt: number
  lastHeardAt: number
  readonly repairs: Map<string, number>
  readonly refused: Map<string, number>
  /** Wh by transaction id. */
  readonly registers: Map<number, number>
}

export function newRecord(nowAt: number): ChargerRecord {
  return {
    lane: createLane(),
    sinceAt: nowAt,
    lastHeardAt: nowAt,
    repairs: new Map(),
    refused: new Map(),
    registers: new Map(),
  }
}

export function countWord(counts: Map<string, number>, word: string): void {
  if (counts.has(word) || counts.size < MAX_WORDS) counts.set(word, (counts.get(word) ?? 0) + 1)
}

/** Keeps the newest register of a transaction, for a stop that names none. */
export function noteRegister(record: ChargerRecord, message: ChargerMessage): void {
  if (message.kind !== 'meter' || message.transactionId === undefined || message.transactionId <= 0) return
  const energyWh = lastRegister(message.readings)
  if (energyWh === undefined) return
  noteStart(
    record,
    message.transactionId,
    Math.max(energyWh, record.registers.get(message.transactionId) ?? 0),
  )
}

/** The register of a transaction from its start on; the oldest transaction makes room. */
export function noteStart(record: ChargerRecord, transactionId: number, energyWh: number): void {
  record.registers.delete(transactionId)
  record.registers.set(transactionId, energyWh)
  const oldest = record.registers.size > MAX_REGISTERS ? record.registers.keys().next() : undefined
  if (oldest && !oldest.done) record.registers.delete(oldest.value)
}

export function statusOf(chargerId: ChargerId, record: ChargerRecord, connected: boolean): ChargerLink {
  return {
    chargerId,
    connected,
    sinceAt: record.sinceAt,
    lastHeardAt: record.lastHeardAt,
    repairs: Object.fromEntries(record.repairs),
    refused: Object.fromEntries(record.refused),
  }
}

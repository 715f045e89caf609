// What this process remembers of each charger that ever proved itself here: its lane, its counters, and the last
// register of its transactions. One entry a charger, and only chargers of the roster get one.
import type { ChargerAnswer, ChargerMessage } from '../ports.ts'
import { clockedAt } from '../session/clock.ts'
import { UNREADABLE_START_WH } from '../session/registers.ts'
import type { ChargerId } from '../units.ts'
import type { SequencePlace } from './draft.ts'
import { createLane, type Lane } from './lane.ts'

/** Connectors of a charger that may be charging at once, with some room for sessions nobody stopped. */
const MAX_REGISTERS = 64
/** Why a command to a charger of another node has no outcome. */
export const NOT_HERE = 'not connected to this node'
/** Nor has one that may have been heard all the same. */
export const NO_ANSWER = 'no answer in time'
export const LINE_LOST = 'the connection was lost'
/** Words are ours, but counted by what a charger sends; a bound all the same. */
const MAX_WORDS = 100

/** One charger in `Central.status()`. Instants are UTC milliseconds of this node's clock. */
export type ChargerLink = {
  readonly chargerId: ChargerId
  readonly connected: boolean
  /** What it spoke last, such as ocpp1.6. */
  readonly version: string
  /** Since when it is connected, or when it was lost. */
  readonly sinceAt: number
  readonly lastHeardAt: number
  /** Mended messages, counted by what was mended. */
  readonly repairs: Readonly<Record<string, number>>
  /** Upgrades refused under this identity, counted by reason. */
  readonly refused: Readonly<Record<string, number>>
}

export type CertificateRequest = { readonly csr: string; readonly atMs: number }

/** `at`: when it was read, by the charger's clock where that was set. */
export type HeardRegister = { readonly wh: number; readonly at: number | undefined }

export type ChargerRecord = {
  readonly lane: Lane
  version: string
  sinceAt: number
  lastHeardAt: number
  readonly repairs: Map<string, number>
  readonly refused: Map<string, number>
  /** By transaction id, ours or the station's own. */
  readonly registers: Map<number | string, HeardRegister>
  /** Cards that it was asked to charge, by the id of the request; in memory only. */
  readonly asked: Map<number, string>
  /** The last seqNo of the station's transactions. */
  readonly sequences: Map<string, number>
  /** It asks for a certificate, and has not been given one. */
  request?: CertificateRequest | undefined
}

export function newRecord(nowAt: number): ChargerRecord {
  return {
    lane: createLane(),
    version: '',
    sinceAt: nowAt,
    lastHeardAt: nowAt,
    repairs: new Map(),
    refused: new Map(),
    registers: new Map(),
    asked: new Map(),
    sequences: new Map(),
  }
}

export function countWord(counts: Map<string, number>, word: string): void {
  if (counts.has(word) || counts.size < MAX_WORDS) counts.set(word, (counts.get(word) ?? 0) + 1)
}

/** Registers of what was answered, for a stop that names none. */
export function noteAnswered(
  record: ChargerRecord,
  message: ChargerMessage,
  answer: ChargerAnswer | undefined,
): void {
  noteRegister(record, message)
  if (message.kind !== 'start' || answer?.kind !== 'started') return
  const { meterStartWh: wh, startedAt, stationTransactionId } = message
  const transaction = stationTransactionId ?? answer.transactionId
  if (wh !== UNREADABLE_START_WH) noteStart(record, transaction, { wh, at: clockedAt(startedAt) })
}

/**
 * Keeps the newest register of a transaction, for a stop that names none: what is replayed late does not lower it, and a slip
 * of the meter is forgotten with the next reading. Without a clock, the highest.
 */
function noteRegister(record: ChargerRecord, message: ChargerMessage): void {
  if (message.kind !== 'meter') return
  const transaction = message.stationTransactionId ?? message.transactionId ?? 0
  if (typeof transaction === 'number' && transaction <= 0) return
  for (const { energyWh: wh, sampledAt } of message.readings) {
    if (wh === undefined) continue
    const read = { wh, at: clockedAt(sampledAt) }
    if (isNewer(read, record.registers.get(transaction))) noteStart(record, transaction, read)
  }
}

function isNewer({ wh, at }: HeardRegister, held: HeardRegister | undefined): boolean {
  if (held?.at === undefined || at === undefined || at === held.at) return wh >= (held?.wh ?? 0)
  return at > held.at
}

/** What is odd about a message's place in its transaction; gaps are legal, low memory may leave updates out (OCPP 2.0.1, E04). */
export function noteSequence(
  { sequences }: ChargerRecord,
  { transaction, seqNo }: SequencePlace,
): readonly string[] {
  const last = sequences.get(transaction)
  keepNewest(sequences, transaction, Math.max(seqNo, last ?? seqNo))
  if (last === undefined || seqNo === last + 1) return []
  return [seqNo > last ? 'sequence-gap' : 'sequence-repeated']
}

/** The register of a transaction from its start on; the oldest transaction makes room. */
function noteStart(record: ChargerRecord, transaction: number | string, read: HeardRegister): void {
  keepNewest(record.registers, transaction, read)
}

/** Remembers which card a request to start was for. */
export function noteAsked({ asked }: ChargerRecord, remoteStartId: number, idTag: string): void {
  keepNewest(asked, remoteStartId, idTag)
}

function keepNewest<K, V>(notes: Map<K, V>, key: K, value: V): void {
  notes.delete(key)
  notes.set(key, value)
  const oldest = notes.size > MAX_REGISTERS ? notes.keys().next() : undefined
  if (oldest && !oldest.done) notes.delete(oldest.value)
}

export function statusOf(chargerId: ChargerId, record: ChargerRecord, connected: boolean): ChargerLink {
  return {
    chargerId,
    connected,
    version: record.version,
    sinceAt: record.sinceAt,
    lastHeardAt: record.lastHeardAt,
    repairs: Object.fromEntries(record.repairs),
    refused: Object.fromEntries(record.refused),
  }
}

// Ids computed from the charger's own words, so that every node answers a replayed message alike, before any sync
// (PROTOCOL 3.2).
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import { type ChargerId, hex, type SessionId } from '../units.ts'

export type StartWords = {
  readonly chargerId: ChargerId
  readonly connectorId: number
  readonly meterStartWh: number
  /** StartTransaction's timestamp, as sent. */
  readonly startedAtRaw: string
}

/** The card is not hashed in: its reference changes with the site key, and a replay may come weeks later. */
export function sessionIdOf(words: StartWords): SessionId {
  const parts = [words.chargerId, String(words.connectorId), String(words.meterStartWh), words.startedAtRaw]
  const digest = hashOf('chargemesh/session/v1', ...parts.map(part => lengthPrefixed(utf8Bytes(part))))
  return hex<SessionId>(digest.subarray(0, 16))
}

/** OCPP 2.0.1: the station numbers its transactions itself, so every event of one names the session (PROTOCOL 3.2). */
export function sessionIdOfStation(chargerId: ChargerId, stationTransactionId: string): SessionId {
  const parts = [chargerId, stationTransactionId].map(part => lengthPrefixed(utf8Bytes(part)))
  return hex<SessionId>(hashOf('chargemesh/session/v2', ...parts).subarray(0, 16))
}

const MAX_TRANSACTION_ID = 2 ** 31 - 1

/** OCPP 1.6 transactionId: the first 31 bits of the session's id, never 0, probed upwards past those `taken`. */
export function transactionIdOf(sessionId: SessionId, taken: (transactionId: number) => boolean): number {
  let candidate = Number.parseInt(sessionId.slice(0, 8), 16) >>> 1
  while (candidate === 0 || taken(candidate)) candidate = candidate === MAX_TRANSACTION_ID ? 1 : candidate + 1
  return candidate
}

// How a virtual charge point says things in the version of OCPP that it speaks. What it says, and when, does not depend on it.
import type { Random } from '../../src/ports.ts'
import type { Payload } from '../station/session.ts'
import type { Reading, SessionRecord } from './connector.ts'

/** A transaction message: its payload is made when it is first sent, by which time an id may have become known. */
export type Utterance = {
  readonly action: string
  readonly isReading: boolean
  readonly payload: () => Payload
}
/** Something of a session at an instant, and whether nobody could be told at once. */
export type Occasion = {
  readonly record: SessionRecord
  readonly reading: Reading
  readonly at: number
  readonly isOffline: boolean
}

export type Tongue = {
  readonly subprotocol: string
  readonly boot: (identity: string) => Payload
  /** Undefined where this version has no word for it; 0 is the whole charge point. */
  readonly status: (connectorId: number, status: string, at: number) => Payload | undefined
  readonly authorize: (idTag: string) => Payload
  /** What was said about a card in answer to `authorize` or to a start. */
  readonly verdict: (payload: unknown) => string | undefined
  /** The id that a station gives its session itself, if it does. */
  readonly nameSession: (random: Random) => string | undefined
  readonly start: (occasion: Occasion) => Utterance
  readonly reading: (occasion: Occasion) => Utterance
  /** While nothing runs. */
  readonly idleReading: (connectorId: number, reading: Reading, at: number) => Utterance
  readonly stop: (occasion: Occasion, reason: string) => Utterance
}

export const VENDOR = 'Chargemesh'
export const MODEL = 'Virtual'
export const FIRMWARE = '1.0'
export const MAX_SERIAL_CHARACTERS = 25

// Fields that the bodies of several event types share. Signed for ever, as the bodies are.
import { bytes, id, listOf, optional, record, text, textId, uint, type Value } from '../cbor.ts'
import type {
  CertHash,
  ChargerId,
  DeviceId,
  EpochId,
  EventHash,
  LogId,
  SessionId,
  SiteId,
  TokenRef,
} from '../units.ts'

export const MAX_BODY_BYTES = 8192

export const siteId = id<SiteId>(16)
export const logId = id<LogId>(16)
export const deviceId = id<DeviceId>(16)
export const epochId = id<EpochId>(16)
export const sessionId = id<SessionId>(16)
export const tokenRef = id<TokenRef>(16)
export const eventHash = id<EventHash>(32)
export const certHash = id<CertHash>(32)
export const chargerId = textId<ChargerId>(48)

/** A place in a log; with the hash it names one event for ever. */
export const EVENT_REF = record({ logId, seq: uint, hash: eventHash })
export type EventRef = Value<typeof EVENT_REF>

/** A charger's time: as it was sent, and in UTC ms where that could be read. */
export const chargerTime = record({ raw: text(64), at: optional(uint) })
/** Exact decimal number as text, such as 0.25; never a float. */
export const decimal = text(32)

/** A card that was revoked more often can never be granted again: it is time for a new one. */
export const MAX_SUPERSEDED = 16
export const superseded = listOf(eventHash, MAX_SUPERSEDED)
/** Devices that one event can give a key of the site; more stand in the next. */
export const MAX_KEY_BOXES = 64
export const keyBoxes = listOf(record({ deviceId, box: bytes(128) }), MAX_KEY_BOXES)

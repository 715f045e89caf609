// What the operator says about chargers and how they prove themselves: tables of event bodies (body.ts), signed for ever.
import { bool, bytes, listOf, optional, record, text, uint } from '../cbor.ts'
import { chargerId, keyBoxes } from './fields.ts'

/** A charger is let in by its old certificate until the new one has arrived. */
export const MAX_CHARGER_CERTIFICATES = 4
/** The newest authority for chargers, and the one before it while chargers still show its certificates. */
export const MAX_AUTHORITIES = 2

/** A charger that may connect, and the scrypt hash of its password (OCPP security profiles 1 and 2). */
export const CHARGE_POINT = record({
  chargerId,
  salt: bytes(32, 16),
  hash: bytes(64, 32),
  cost: uint,
  connectors: uint,
  zone: optional(text(48)),
  withdrawn: bool,
  /** OCPI ConnectorType where all its connectors are of one, and the most that one of them gives: cards may be bound to both. */
  connectorType: optional(text(24)),
  maxPowerW: optional(uint),
  /** Of the supply of each connector, where limits have to be counted from watts to amperes. */
  phases: optional(uint),
  /** OCPP security profile, 0 to 3: what it has to show at the door. None: a password, over whatever the node serves. */
  profile: optional(uint),
  /** SHA-256 of the certificates by which it may come in, and by no others. */
  certificates: optional(listOf(bytes(32, 32), MAX_CHARGER_CERTIFICATES)),
})

/** What all nodes show to chargers (DER), whose signatures on chargers' certificates count, and the private keys, sealed. */
export const CHARGER_TLS = record({
  keyId: bytes(8, 8),
  authorities: listOf(bytes(1600), MAX_AUTHORITIES),
  certificates: listOf(bytes(1600), 2),
  sealed: bytes(2048),
  /** The newest authority as the one before it vouches for it: for chargers that know only that one. */
  vouched: optional(bytes(1600)),
})

/** The key that opens them, for each device that may hold it. */
export const CHARGER_TLS_KEY = record({ keyId: bytes(8, 8), boxes: keyBoxes })

// What the outside promises us. Ports speak bytes and our own ids; the simulator replaces these and nothing else.

import type { CareCommand } from './care.ts'
import type { ProfileCommand } from './charging-profile.ts'
import type { LoneLog } from './log/lone.ts'
import type { LogPlace } from './log/site-digest.ts'
import type { ChargerId, DeviceId, EventHash, LogId, TokenRef } from './units.ts'

export type Clock = {
  /** UTC milliseconds; may jump, either way. */
  readonly wallMs: () => number
  /** Milliseconds since some instant of this boot; never goes back. */
  readonly monotonicMs: () => number
}

export type Random = {
  readonly bytes: (length: number) => Uint8Array
}

/**
 * Files by relative path (`folder/name`). A resolved `sync` or `replace` means that the bytes survive power loss;
 * a failure rejects with MeshError STORE_FULL or STORE_FAILED, and nothing is promised of what was not synced.
 */
export type Disk = {
  /** Names in a folder, sorted; empty when there is no such folder. */
  readonly list: (folder: string) => Promise<readonly string[]>
  /** The whole file, or undefined when there is none. */
  readonly read: (path: string) => Promise<Uint8Array | undefined>
  /** Adds bytes at the end, making folder and file when needed. Not durable before `sync`. */
  readonly append: (path: string, bytes: Uint8Array) => Promise<void>
  /** fdatasync of the file, and of its folder when the file is new. */
  readonly sync: (path: string) => Promise<void>
  /** Writes a whole file at once: after a crash either the old or the new content is there. Durable. */
  readonly replace: (path: string, bytes: Uint8Array) => Promise<void>
  readonly remove: (path: string) => Promise<void>
  /** How full the file system is, 0 to 1; rejects where it does not say. A disk that cannot be full has none. */
  readonly usedShare?: () => Promise<number>
}

/** The mesh. Messages may be lost, doubled and reordered; the sender's id is proven by its certificate. */
export type Network = {
  /** Best effort, never blocks. At most MAX_MESSAGE_BYTES. */
  readonly send: (to: DeviceId, message: Uint8Array) => void
  readonly peers: () => readonly DeviceId[]
  /** Drops a peer and refuses it for so long. */
  readonly ban: (peer: DeviceId, banMs: number, reason: string) => void
  /** Application bytes over all sockets since the start. */
  readonly traffic: () => { readonly receivedBytes: number; readonly sentBytes: number }
}

export const MAX_MESSAGE_BYTES = 65_536

/** Events of one log, as the Yjs update of its document from `fromSeq` on (PROTOCOL 1.6). */
export type Segment = { readonly logId: LogId; readonly fromSeq: number; readonly update: Uint8Array }

export type Push = {
  readonly segments: readonly Segment[]
  /** Encoded certificates, issuers before devices, that the receiver may not know. */
  readonly certificates: readonly Uint8Array[]
  /** The receiver's version that we saw last; it answers with the acks that are newer. 0 asks for all. */
  readonly sinceVersion: number
  /** Operators' logs that we hold, up to where; we take what the receiver has beyond, and logs not named here. Absent: nothing. */
  readonly holds?: readonly HeldLog[]
  /** Signed statements of the site, encoded: beacons, and the newest receipts that we hold of the receiver's. */
  readonly objects?: readonly Uint8Array[]
  /** Ahead of the logs: the pusher's signed digest of all that it holds, ... */
  readonly digest?: Uint8Array
  /** ... what an earlier one committed to, and ends of sessions with their starts, out of their logs. */
  readonly frontier?: readonly LogPlace[]
  readonly lone?: readonly LoneLog[]
}
/** `nextSeq` is how many events of the log are held from its beginning. */
export type HeldLog = { readonly logId: LogId; readonly nextSeq: number }
export type PushAnswer = {
  readonly version: number
  /** Signed statements, encoded: the cloud's acks (PROTOCOL 3.5), and beacons that it was given. */
  readonly acks: readonly Uint8Array[]
  readonly refused: readonly { readonly logId: LogId; readonly reason: string }[]
  /** What operators have said, in their logs, beyond what the push `holds` (cards, revocations, tariffs, policies). */
  readonly segments?: readonly Segment[]
  /** Under which these logs are written, issuers before devices. */
  readonly certificates?: readonly Uint8Array[]
  /** There was more for us than an answer holds. */
  readonly more?: boolean
  /** Up to where the receiver holds the logs of an operator that asks, and what its newest events are. */
  readonly heads?: readonly AnsweredHead[]
  /** Bytes on the wire, both ways, bodies and headers. */
  readonly wireBytes: number
}
/** `forkedAt`: where a log has two branches; nothing counts from there on. */
export type AnsweredHead = {
  readonly logId: LogId
  readonly seq: number
  readonly hash: EventHash
  readonly forkedAt?: number
}

/** What a way out may be used for, and what it costs; bytes are those on the wire, both ways. */
export type UplinkTerms = {
  /** 1 is used first; a higher number waits until all that are lower fail, or are spent for the day. */
  readonly priority: number
  /** In a day of UTC. */
  readonly budgetBytes?: number
  /** Minutes of a day of UTC, `untilMinute` excluded; over midnight where it is the smaller one. Empty: always. */
  readonly windows: readonly { readonly fromMinute: number; readonly untilMinute: number }[]
  /** In the site's currency, for people. */
  readonly costPerMb?: string
}

/** One way out of the site. At-least-once; rejects with MeshError UPLINK_FAILED (see `retryAfterMs` and `wireBytes`). */
export type Uplink = {
  readonly name: string
  /** Absent: first, always, and without a bound. */
  readonly terms?: UplinkTerms
  readonly push: (push: Push) => Promise<PushAnswer>
}

/** The chargers connected to this node. Best effort; what became of a command comes back as an outcome. */
export type ChargePoints = {
  readonly connected: () => readonly ChargerId[]
  readonly command: (chargerId: ChargerId, command: ChargerCommand) => Promise<CommandOutcome>
  /** Closes the socket without an answer, so that the charger goes offline and keeps its queue. */
  readonly disconnect: (chargerId: ChargerId, reason: string) => void
}

export type Logger = {
  readonly debug: (event: string, fields?: LogFields) => void
  readonly info: (event: string, fields?: LogFields) => void
  readonly warn: (event: string, fields?: LogFields) => void
  readonly error: (event: string, fields?: LogFields) => void
}
export type LogFields = Readonly<Record<string, unknown>>

// --- What a charger says and hears, in our words; `ocpp/` translates every OCPP version to these.

/** A time as the charger wrote it; `at` is missing when it cannot be read. */
export type ChargerTime = { readonly raw: string; readonly at?: number }

export type MeterReading = {
  readonly sampledAt: ChargerTime
  /** Energy.Active.Import.Register, rounded to whole Wh. */
  readonly energyWh?: number
  readonly powerW?: number
  readonly socPercent?: number
  /** The hottest that the charger measured of itself. */
  readonly temperatureC?: number
  /** Signed meter value, byte for byte (OCMF). */
  readonly signed?: string
}

/** OCPP 2.0.1: the station's own id, by which every event of a transaction names its session (PROTOCOL 3.2). */
export type StationTransaction = { readonly stationTransactionId?: string }
export type PauseState = 'charging' | 'suspendedEv' | 'suspendedEvse'

export type ChargerMessage =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'boot'; readonly vendor: string; readonly model: string; readonly firmware?: string }
  | { readonly kind: 'heartbeat' }
  | {
      readonly kind: 'status'
      readonly connectorId: number
      /** OCPP 1.6 ChargePointStatus: Available, Preparing, Charging, SuspendedEV, SuspendedEVSE, Finishing, ... */
      readonly status: string
      readonly errorCode: string
      readonly detail?: string
      /** Since when. */
      readonly changedAt?: ChargerTime
    }
  | { readonly kind: 'authorize'; readonly tokenRef: TokenRef }
  | ({
      readonly kind: 'start'
      readonly connectorId: number
      readonly tokenRef: TokenRef
      readonly meterStartWh: number
      readonly startedAt: ChargerTime
      /** What was measured at the start. */
      readonly readings?: readonly MeterReading[]
      /** No card was shown yet: `tokenRef` stands for none (OCPP 2.0.1, E03). */
      readonly cardless?: true
    } & StationTransaction)
  /** The first card of a session that began without one. */
  | ({ readonly kind: 'card'; readonly tokenRef: TokenRef } & StationTransaction)
  | ({
      readonly kind: 'meter'
      readonly connectorId: number
      readonly transactionId?: number
      readonly readings: readonly MeterReading[]
      /** OCPP 2.0.1 tells it with the readings of a transaction, 1.6 in a status. */
      readonly state?: PauseState
      /** Since when. */
      readonly changedAt?: ChargerTime
    } & StationTransaction)
  | ({
      readonly kind: 'stop'
      /** As on the wire; -1, 0 and ids of other nodes are a matter of course. */
      readonly transactionId: number
      readonly meterStopWh: number
      readonly stoppedAt: ChargerTime
      readonly reason: string
      readonly tokenRef?: TokenRef
      readonly readings: readonly MeterReading[]
    } & StationTransaction)
  | { readonly kind: 'dataTransfer'; readonly vendorId: string }
  /** How far an update or an upload is that somebody asked for; 0 where the charger names no request. */
  | {
      readonly kind: 'progress'
      readonly of: 'firmware' | 'log'
      readonly status: string
      readonly requestId: number
    }
  /** Without what the charger says about it in words: that may repeat a card's id. */
  | { readonly kind: 'security'; readonly event: string; readonly occurredAt: ChargerTime }

/** OCPI's words for an authorization answer (OCPI 2.2.1, 12.4.1 AllowedType). */
export type Allowed = 'ALLOWED' | 'BLOCKED' | 'EXPIRED' | 'NO_CREDIT' | 'NOT_ALLOWED'

export type ChargerAnswer =
  | { readonly kind: 'noted' }
  | { readonly kind: 'booted'; readonly nowAt: number; readonly heartbeatS: number }
  | {
      readonly kind: 'authorized'
      readonly allowed: Allowed
      readonly expiresAt?: number
      /** The card's group; cards of one group may end one another's sessions. */
      readonly groupRef?: TokenRef
    }
  | {
      readonly kind: 'started'
      readonly transactionId: number
      readonly allowed: Allowed
      readonly groupRef?: TokenRef
    }
  | { readonly kind: 'stopped' }
  /** Nothing durable was written: close the socket and say nothing, so that the charger keeps its queue. */
  | { readonly kind: 'silence' }

/** One message from an authenticated charger. `connectionId` grows with every connection of this process. */
export type ChargerInput = {
  readonly chargerId: ChargerId
  readonly connectionId: number
  readonly message: ChargerMessage
  /** What had to be mended in the message, in short words; shown per charger. */
  readonly repairs: readonly string[]
}

export type ChargerCommand =
  /** The card's own id goes straight to the charger and is kept nowhere. */
  | { readonly kind: 'remoteStart'; readonly idTag: string; readonly connectorId?: number }
  | ({ readonly kind: 'remoteStop'; readonly transactionId: number } & StationTransaction)
  | { readonly kind: 'reset'; readonly hard: boolean }
  | { readonly kind: 'getConfiguration'; readonly keys: readonly string[] }
  | { readonly kind: 'changeConfiguration'; readonly key: string; readonly value: string }
  | { readonly kind: 'trigger'; readonly message: string; readonly connectorId?: number }
  /** What the operator has signed of what the charger asked for; PEM, and like it the next. */
  | { readonly kind: 'certificateSigned'; readonly chain: string }
  /** The authority by which it knows the nodes. */
  | { readonly kind: 'installCertificate'; readonly certificate: string }
  | { readonly kind: 'installedCertificates' }
  /** Asks it to ask for a certificate. */
  | { readonly kind: 'requestCertificate' }
  /** Its detail is a number: 0 for an empty list, below for a charger that keeps none. */
  | { readonly kind: 'getLocalListVersion' }
  | {
      readonly kind: 'sendLocalList'
      readonly version: number
      readonly update: 'full' | 'differential'
      /** Their own ids go straight to the charger, like that of a remote start. */
      readonly entries: readonly ListedCard[]
    }
  | CareCommand
  | ProfileCommand

/** A card in a charger's own list; without a status it is taken out. */
export type ListedCard = {
  readonly idTag: string
  readonly status?: 'Accepted' | 'Blocked' | 'Expired'
  /** UTC ms. */
  readonly expiresAt?: number
  readonly parentIdTag?: string
}

export type CommandOutcome =
  | { readonly kind: 'accepted'; readonly detail?: unknown }
  | { readonly kind: 'rejected'; readonly status: string; readonly detail?: unknown }
  | { readonly kind: 'unreachable'; readonly reason: string }

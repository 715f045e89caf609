// What a node is given and what it offers; node.ts is what it does.
import type { Aliases } from './card.ts'
import type { Chargers, ConnectorStatus } from './chargers.ts'
import type { Deratings } from './derating.ts'
import type { Forwarder } from './forwarder.ts'
import type { Certificate } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { Signatures } from './identity/signature.ts'
import type { Submission, SubmissionReport } from './input.ts'
import type { Ledger } from './ledger.ts'
import type { OpenTag } from './list-talk.ts'
import type { LocalLists } from './local-lists.ts'
import type { AnyBody } from './log/body.ts'
import type { MeshInput } from './mesh.ts'
import type { Onboarding } from './onboarding.ts'
import type {
  ChargePoints,
  ChargerAnswer,
  ChargerInput,
  Clock,
  Disk,
  Logger,
  Network,
  Random,
  Uplink,
} from './ports.ts'
import type { Reviewed } from './pruning.ts'
import type { Remember } from './remember.ts'
import type { Place } from './replica/sync.ts'
import type { StoreKeys } from './store/sealing.ts'
import type { DeviceId, TokenRef } from './units.ts'
import type { Uplinks } from './uplinks.ts'

/** Where documents are written behind the journal. */
export type DocumentSink = { readonly put: (name: string, update: Uint8Array) => void }

export type NodeDeps = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly certificate: Certificate
  readonly logKey: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  /** Of the journal; without them it is plain. */
  readonly storeKeys?: StoreKeys
  readonly documents: DocumentSink
  readonly network: Network
  readonly chargePoints: ChargePoints
  /** Opens a card's own id for a charger's list; the site key stays outside. */
  readonly openTag: OpenTag
  /** Seals the id of a card that was just read; undefined where this process did not read it. */
  readonly sealTag?: (tokenRef: TokenRef) => Uint8Array | undefined
  readonly logger: Logger
  readonly swVersion: string
  readonly heartbeatS: number
  readonly remember?: Remember
  readonly aliases?: Aliases | undefined
  /** Lets sockets and files have their turn between two batches. */
  readonly breathe: () => Promise<void>
}

/** The tick of the mesh is the node's own. */
export type PeerInput = Exclude<MeshInput, { kind: 'tick' }>

export type Node = {
  readonly charger: (input: ChargerInput) => Promise<ChargerAnswer>
  /** Peers, their messages: fire and forget. */
  readonly mesh: (input: PeerInput) => void
  /** Segments, certificates and objects from an issuer's tool, through the same gate as a peer's. */
  readonly submit: (submission: Submission) => Promise<SubmissionReport>
  /** Writes events of this node's own; resolves when they are durable, rejects when the store fails. */
  readonly record: (bodies: readonly AnyBody[]) => Promise<void>
  readonly setUplinks: (uplinks: readonly Uplink[]) => void
  readonly forwarder: Forwarder
  /** Once a second: drives everything that waits. */
  readonly tick: () => void
  readonly settled: () => Promise<void>
  readonly ledger: () => Ledger
  /** Connected peers that are known to have been given these places of logs. */
  readonly holders: (places: readonly Place[]) => readonly DeviceId[]
  readonly uplinks: () => Uplinks
  /** Which logs may go when they are kept for so long, and why the others stay. */
  readonly reviewLogs: (retentionMs: number) => readonly Reviewed[]
  readonly localLists: LocalLists
  readonly onboarding: Onboarding
  readonly deratings: Deratings
  readonly connectors: () => ReadonlyMap<string, ConnectorStatus>
  readonly heardOf: Chargers['heardOf']
  readonly health: () => NodeHealth
  readonly counters: () => Readonly<Record<string, number>>
  readonly stop: () => Promise<void>
}

export type NodeHealth = {
  readonly store: 'open' | 'failed'
  readonly storeReason?: string
  readonly journalBytes: number
  readonly recovered: string
}

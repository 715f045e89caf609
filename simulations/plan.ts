// One world, drawn to the last fault: what a scenario and a seed become before anything runs, what a replay runs again and
// what shrinking takes pieces out of. Plain data. Instants are milliseconds from the start of the run unless a name says
// otherwise; nodes and chargers are numbered from 1.
import type { UplinkTerms } from '../src/ports.ts'
import type { Battery } from './charger/battery.ts'

export type Plan = {
  readonly scenario: string
  readonly seed: number
  /** Work and faults last so long. Then everything is mended, and the site has `quietMs` to become whole. */
  readonly durationMs: number
  readonly quietMs: number
  /** UTC of the start. */
  readonly startsAt: number
  readonly signer: 'ed25519' | 'keyed-hash'
  readonly cloud: 'memory' | 'postgres'
  readonly nodes: number
  /** Pairs of nodes that know each other's address. */
  readonly links: readonly (readonly [number, number])[]
  readonly quality: LinkPlan
  /** Time of one fsync, drawn between the two. */
  readonly syncMs: readonly [number, number]
  readonly chargers: readonly ChargerPlan[]
  readonly cards: readonly CardPlan[]
  /** Decimal text, per kWh; a tariff that is in force from the start. */
  readonly pricePerKwh: string
  /** Tariffs are more than a price of energy (world/tariff.ts). */
  readonly byTerms?: boolean
  /** So old may news of the operator be when a card is accepted; by default 90 days. */
  readonly offlineMaxAgeS?: number
  /** Energy a day that each card is granted while the operator is not heard of; by default none is named. */
  readonly capWhPerDay?: number
  /** Chargers are given lists of cards (site policy local-lists). */
  readonly localLists?: boolean
  /** Site policy retention-days; the default of the site policy where it is not said. */
  readonly retentionDays?: number
  readonly visits: readonly Visit[]
  readonly operator: readonly OperatorStep[]
  /** Behind what nodes are given when they join the operator speaks to the cloud alone; islands hear it by their own uplinks. */
  readonly operatorVia?: 'cloud'
  readonly uplinks: readonly UplinkPlan[]
  /** In order of time. */
  readonly faults: readonly FaultStep[]
  /** Nodes that run somebody else's software, with a certificate of the site. */
  readonly hostile: readonly HostilePlan[]
}

export type LinkPlan = {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** A message in so many takes up to 20 times as long; 0 for none. */
  readonly heavyTailRate: number
  readonly lossRate: number
  readonly duplicateRate: number
  /** Bytes a second each way; undefined for no limit. */
  readonly bytesPerS?: number
  /** Bytes a day each way; what exceeds them is dropped. */
  readonly bytesPerDay?: number
}

/** Firmware habits of OCPP.md that a virtual charge point may have. */
export const QUIRKS = [
  'replays-start', // sends StartTransaction again after it was confirmed
  'replays-stop', // sends StopTransaction again, minutes to days later
  'late-replay', // replays a finished transaction whole, out of order
  'negative-id', // MeterValues and StopTransaction with transactionId -1 although it was told the id
  'no-clock', // timestamps of 1970 after each power cut
  'zoneless-clock',
  'clock-ahead',
  'meter-resets', // register starts at 0 again after a power cut
  'forgets-session', // after a power cut no StopTransaction is ever sent
  'offline-starts', // allows every card while it is offline (LocalAuthorizeOffline and AllowOfflineTxForUnknownId)
  'two-connections', // opens its new connection before the old one is gone
  'impatient', // gives up on a transaction message after 3 attempts
] as const
export type Quirk = (typeof QUIRKS)[number]

export type ChargerPlan = {
  /** OCPP identity. */
  readonly id: string
  readonly connectors: number
  /** Nodes whose address it has, in the order in which it tries them. */
  readonly nodes: readonly number[]
  readonly meterEveryMs: number
  readonly registerWh: number
  readonly quirks: readonly Quirk[]
  /** Of OCPP; 1.6 without it. */
  readonly ocpp?: '2.0.1'
  /** Its own list of cards; without one it says that it has none. */
  readonly list?: ListPlan
}
/** `forgets`: with the power. */
export type ListPlan = { readonly maxLength: number; readonly perMessage: number; readonly forgets: boolean }

export type CardPlan = {
  /** As on the card; never written to a log. */
  readonly idTag: string
  readonly kind: 'good' | 'revoked' | 'expired' | 'unknown'
}

/** A driver comes, plugs in, taps, charges until full or until leaving. */
export type Visit = {
  readonly atMs: number
  /** Index into `chargers` from 1, and connector. */
  readonly charger: number
  readonly connector: number
  /** Index into `cards` from 0. */
  readonly card: number
  readonly stayMs: number
  readonly battery: Battery
}

export type OperatorStep = {
  readonly atMs: number
  /** The node that is handed the news; while it is down the operator tries again each minute. */
  readonly node: number
} & (
  | { readonly kind: 'revoke'; readonly card: number }
  | { readonly kind: 'grant'; readonly card: number }
  /** A device was stolen, or is not to be trusted: what this node holds of it from before then counts, and nothing more. */
  | { readonly kind: 'revoke-device'; readonly device: number; readonly sinceMs: number }
  | { readonly kind: 'tariff'; readonly pricePerKwh: string; readonly fromMs: number }
  /** Of the session that ended last at the told node, so much is given back. */
  | { readonly kind: 'refund'; readonly amount: string }
  /** What the told node has of it is decided so; by `amount` where the rule asks for one. */
  | { readonly kind: 'resolve'; readonly rule: 'bill-smaller' | 'amount' | 'waive'; readonly amount: string }
  | { readonly kind: 'beacon' }
)

export type UplinkPlan = {
  readonly node: number
  /** Times at which it has a way to the cloud. */
  readonly windows: readonly (readonly [fromMs: number, untilMs: number])[]
  readonly delayMs: readonly [number, number]
  /** Requests and answers that get lost; answers that come twice are pushes done twice. */
  readonly lossRate: number
  readonly duplicateRate: number
  readonly bytesPerDay?: number
  /** What the node is told of it. */
  readonly terms?: UplinkTerms
}

export const HOSTILE_TRICKS = [
  'forge', // events under another's log id
  'equivocate', // two branches of its own log to two halves of its peers
  'withhold', // announces what it never sends, drops what it should relay
  'replay', // old segments, objects and digests again
  'bombs', // oversized, nested, malformed frames
  'fake-receipts', // acks signed by itself
  'false-frontier', // heads of 2^47 events
  'fake-logs', // thousands of log ids that do not exist
  'time-lies', // events with a clock years ahead
  'long-forks', // branches longer than a message
  'overcharge', // stops of others' sessions with a higher register, in its own log
] as const
/** What a scenario gets without naming tricks. Long forks cost time, and what claims energy leaves disputes to people. */
export const USUAL_TRICKS = HOSTILE_TRICKS.filter(trick => trick !== 'long-forks' && trick !== 'overcharge')
export type HostileTrick = (typeof HOSTILE_TRICKS)[number]
/** What a cloud, or somebody in its place, may say that is not so; it takes what it is given all the same. */
export const CLOUD_LIES = [
  'forged-words', // words of an operator that no operator said
  'foreign-acks', // receipts signed by a node, and damaged ones
  'old-key', // receipts of a certificate that has run out, for more than there is
  'wrong-version', // of its receipts: none, a few more than there are, or an epoch far ahead
  'more', // there is more to fetch, for ever
  'stale', // an answer of before
  'refusals', // that it took nothing
  'nothing', // no word of what it took
] as const
export type CloudLie = (typeof CLOUD_LIES)[number]

export type HostilePlan = { readonly node: number; readonly tricks: readonly HostileTrick[] }

/** Until it is undone by time (`forMs`, `downMs`) or at the end of `durationMs`. */
export type Fault =
  // --- the network
  /** Two nodes hear each other only while they share a group: overlapping groups make bridges, rings and stars. */
  | { readonly kind: 'split'; readonly groups: readonly (readonly number[])[]; readonly forMs: number }
  | { readonly kind: 'one-way'; readonly from: number; readonly to: number; readonly forMs: number }
  /** Split and whole by turns. */
  | {
      readonly kind: 'flap'
      readonly groups: readonly (readonly number[])[]
      readonly everyMs: number
      readonly forMs: number
    }
  /** Nodes lose all links one by one, and get them back in another order. */
  | {
      readonly kind: 'swizzle'
      readonly out: readonly number[]
      readonly back: readonly number[]
      readonly forMs: number
    }
  /** All links, or one. */
  | {
      readonly kind: 'quality'
      readonly quality: Partial<LinkPlan>
      readonly pair?: readonly [number, number]
      readonly forMs: number
    }
  /** Reads so many bytes a second; the rest waits, up to a socket's buffer, then the link breaks. */
  | {
      readonly kind: 'slow-reader'
      readonly node: number
      readonly bytesPerS: number
      readonly forMs: number
    }
  // --- the process
  | { readonly kind: 'kill'; readonly node: number; readonly downMs: number }
  | { readonly kind: 'power-cut'; readonly node: number; readonly downMs: number }
  /** Power goes at the n-th disk operation from now: before it, in its middle, or between it and what follows. */
  | {
      readonly kind: 'power-cut-at'
      readonly node: number
      readonly operation: number
      readonly moment: 'before' | 'during' | 'after'
      readonly downMs: number
    }
  | { readonly kind: 'crash-loop'; readonly node: number; readonly times: number; readonly everyMs: number }
  /** A new disk; the device keeps its certificate and keys. */
  | { readonly kind: 'wipe'; readonly node: number; readonly downMs: number }
  /** Back to the image that was taken `ageMs` ago, or at the start. */
  | { readonly kind: 'restore'; readonly node: number; readonly ageMs: number; readonly downMs: number }
  /** A second live copy of the node, from its disk as it is now. */
  | { readonly kind: 'clone'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'stall'; readonly node: number; readonly forMs: number }
  // --- the disk
  | { readonly kind: 'disk-full'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'bit-flip'; readonly node: number }
  | { readonly kind: 'lost-write'; readonly node: number }
  | { readonly kind: 'misdirected-write'; readonly node: number }
  | { readonly kind: 'sync-error'; readonly node: number }
  | { readonly kind: 'sync-lies'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'slow-disk'; readonly node: number; readonly delayMs: number; readonly forMs: number }
  // --- the clock
  | { readonly kind: 'clock-jump'; readonly node: number; readonly byMs: number }
  /** Parts per million. */
  | { readonly kind: 'clock-drift'; readonly node: number; readonly ppm: number }
  /** A reboot with the clock at 1970; it is right again after `forMs`. */
  | { readonly kind: 'clock-1970'; readonly node: number; readonly forMs: number }
  /** Reboots, and the clock is behind where it was. */
  | { readonly kind: 'clock-back'; readonly node: number; readonly byMs: number; readonly downMs: number }
  // --- uplinks and the cloud
  | { readonly kind: 'uplink-flaps'; readonly node: number; readonly everyMs: number; readonly forMs: number }
  | {
      readonly kind: 'uplink-lossy'
      readonly lossRate: number
      readonly duplicateRate: number
      readonly forMs: number
    }
  | { readonly kind: 'cloud-down'; readonly forMs: number }
  /** The cloud comes back without its last so many ms, in a new epoch (PROTOCOL 3.5). */
  | { readonly kind: 'cloud-failover'; readonly losesMs: number }
  | { readonly kind: 'cloud-restore'; readonly ageMs: number }
  /** What was acknowledged in the last so many ms was never committed, and nobody says so: no new epoch. */
  | { readonly kind: 'cloud-forgets'; readonly losesMs: number }
  /** It commits each push and answers 500. */
  | { readonly kind: 'cloud-errs'; readonly forMs: number }
  | { readonly kind: 'cloud-lies'; readonly lie: CloudLie; readonly forMs: number }
  /** Requests and answers of all uplinks take so much longer. */
  | { readonly kind: 'uplink-slow'; readonly delayMs: number; readonly forMs: number }
  /** All nodes push at once. */
  | { readonly kind: 'uplink-rush' }
  // --- chargers
  | { readonly kind: 'charger-power-cut'; readonly charger: number; readonly forMs: number }
  | { readonly kind: 'charger-offline'; readonly charger: number; readonly forMs: number }
  /** It turns to the next node in its list. */
  | { readonly kind: 'charger-moves'; readonly charger: number }
  /** Everything that it ever sent of a session is sent again, so many times. */
  | { readonly kind: 'charger-replays'; readonly charger: number; readonly times: number }

export type FaultKind = Fault['kind']
/** The cloud has lost commits that it acknowledged. */
export const FORGETTING: readonly FaultKind[] = ['cloud-failover', 'cloud-restore', 'cloud-forgets']
export type FaultStep = { readonly atMs: number } & Fault

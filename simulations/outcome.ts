// What one run says of itself: figures that were counted, never assumed. The report, the sweep's lines and the comparison
// read this and nothing else. Times in virtual milliseconds.
import type { FaultKind } from './plan.ts'

export type Violation = {
  /** PROTOCOL 6.5: I1 to I32, L1 to L5. */
  readonly invariant: string
  /** File name of the checker, without its ending. */
  readonly checker: string
  readonly atMs: number
  readonly detail: string
}

/** Of the site as it is, and of each baseline under the same seed. */
export type Service = {
  /** Drivers who came, by what became of them. */
  readonly drivers: number
  readonly served: number
  /** Had a good card and were sent away. */
  readonly refusedWrongly: number
  /** Had a revoked, expired or unknown card and were sent away. */
  readonly refusedRightly: number
  /** Had such a card and were served. */
  readonly servedWrongly: number
  /** Found the charger dead or taken. */
  readonly turnedAway: number
  /** Ended at a charger's meter; of these, what no record that can be billed says. */
  readonly sessions: number
  readonly lostSessions: number
  readonly lostWh: number
  readonly doubleBills: number
}

export type Percentiles = {
  readonly p50: number
  readonly p95: number
  readonly max: number
  readonly count: number
}

export type Series = {
  readonly everyMs: number
  /** One value a sample, from 0 on. */
  readonly islands: readonly number[]
  readonly nodesUp: readonly number[]
  readonly openSessions: readonly number[]
  /** Events that some live node lacks, summed over nodes. */
  readonly missingEvents: readonly number[]
  /** Events that the cloud has not acknowledged. */
  readonly unsentEvents: readonly number[]
  readonly servedDrivers: readonly number[]
  readonly refusedDrivers: readonly number[]
}

export type Revocation = {
  readonly atMs: number
  /** From the first node's knowledge to that of so many nodes, in order of learning. */
  readonly spreadMs: readonly number[]
  /** Until the last node that could hear of it; undefined when some never did. */
  readonly allMs?: number
  /** Starts with that card anywhere after `atMs`. */
  readonly startsAfter: number
}

export type Outcome = {
  readonly scenario: string
  readonly seed: number
  readonly ok: boolean
  readonly violations: readonly Violation[]
  /** SHA-256 over every step. */
  readonly traceHash: string
  readonly steps: number
  readonly virtualMs: number
  readonly nodes: number
  readonly chargers: number
  readonly signer: string
  readonly cloud: string
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  readonly messages: { readonly sent: number; readonly lost: number; readonly doubled: number }
  readonly hostileActs: number
  readonly events: number
  readonly eventsLost: number
  /** Events that were only ever on disks that a fault destroyed: no software can keep these. */
  readonly eventsDestroyed: number
  /** Logs that nodes let go of because the cloud has them twice over (PROTOCOL 1.11), each node counted. */
  readonly logsPruned: number
  readonly service: Service
  /** From the end of the faults until all nodes hold the same; undefined when never. */
  readonly convergedMs?: number
  /** From a session's end at the meter to the cloud's ack of it. */
  readonly reconcileMs: Percentiles
  /** From the instant in which a node that holds unsent events gets an uplink until none is unsent there. */
  readonly syncAfterReconnectMs: Percentiles
  readonly meshBytes: Percentiles
  readonly uplinkBytes: number
  readonly bytesPerSession: number
  readonly revocations: readonly Revocation[]
  /** Chargers all of whose served drivers' sessions were recorded, among those with at least one; by what they are. */
  readonly chargersServed: { readonly ordinary: Share; readonly quirky: Share }
  /** Sessions begun and ended while the charger's node was cut off from part of the site, and kept to the Wh. */
  readonly badNetwork: Share
  readonly series: Series
  readonly baselines?: Readonly<Record<string, Service>>
}
export type Share = { readonly of: number; readonly good: number }

/** What took how long on this machine; never part of a trace. */
export type Timed = { readonly outcome: Outcome; readonly wallMs: number; readonly cpuMs: number }

// An existing central system, spoken to as each of the site's chargers would: a port (ports.ts has the others).
import type { EventRef } from './log/fields.ts'
import type { ChargerId, DeviceId } from './units.ts'

export type UpstreamPayload = Readonly<Record<string, unknown>>
export type UpstreamCall = { readonly action: string; readonly payload: UpstreamPayload }

export type UpstreamOutcome =
  | { readonly kind: 'answered'; readonly payload: unknown }
  /** By an OCPP error; what the central system made of the call is its secret. */
  | { readonly kind: 'refused'; readonly code: string }
  /** It left, and may have arrived. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** It never left. */
  | { readonly kind: 'unsent'; readonly reason: string }

export type Opened =
  | { readonly kind: 'open'; readonly isNew: boolean }
  | { readonly kind: 'closed'; readonly reason: string }

export type ForwardTerms = {
  readonly protocol: 'ocpp1.6' | 'ocpp2.0.1'
  /** Absent: all of the site. */
  readonly chargers?: readonly ChargerId[]
  /** A central system that knows a call again may be told it twice; any other is never asked again for a start. */
  readonly lostAnswers: 'retry' | 'hold'
  /** Nothing is sent and nothing written down; a person sees what would be. */
  readonly shadow: boolean
  /** Begin while the session runs, instead of when it is over. */
  readonly live: boolean
  /** Said for a card whose own id nobody here can read; without, such a session is held. */
  readonly unknownCard?: string
  /** Sessions that began before are none of its business; UTC ms. */
  readonly sinceAt?: number
  /** A line is kept open for each charger, so that the central system can start and stop sessions. */
  readonly commands?: boolean
}

export type TurnWish = {
  /** By the operator's order, and what was handed over since, the turn is this node's. */
  readonly mayBegin: boolean
  /** What this node knows was said, at least. */
  readonly heads: () => readonly EventRef[]
}
export type TurnState =
  | {
      readonly kind: 'held'
      readonly forMs: number
      /** Taken then from a node that did not give it up: what that one said last may not have been heard. */
      readonly takenAt?: number
      /** What was said before, at least. */
      readonly heads?: readonly EventRef[]
    }
  /** `forMs`: until it may be taken, were its holder silent from now on. */
  | { readonly kind: 'waiting'; readonly forMs: number; readonly holder?: DeviceId }
  | { readonly kind: 'unasked'; readonly reason: string }

/** Whose turn it is, where nodes agree about it at our receiver. */
export type AgreedTurn = {
  /** Each second; undefined: this node does not want it. */
  readonly tick: (wish: TurnWish | undefined) => void
  /** 0: not at all. A call may leave that has its answer within that time. */
  readonly heldForMs: () => number
  readonly state: () => TurnState
  /**
   * Who is named, else whose it is by the order, may have it at once. Nothing may be under way, and nothing leaves from now on.
   * False where the receiver did not say that it was given up. Never rejects.
   */
  readonly release: (to?: DeviceId) => Promise<boolean>
}

export type CentralSystem = {
  /** The same on every node of the site. */
  readonly name: string
  readonly terms: ForwardTerms
  /** Absent: the operator's order and hand-overs say it alone. */
  readonly turn?: AgreedTurn
  /** Connects where no line is open. Never rejects. */
  readonly open: (chargerId: ChargerId) => Promise<Opened>
  /** On an open line, one at a time for a charger. Never rejects. */
  readonly call: (chargerId: ChargerId, call: UpstreamCall) => Promise<UpstreamOutcome>
  /** Whether there is a line now. */
  readonly isOpen: (chargerId: ChargerId) => boolean
  readonly hangUp: (chargerId: ChargerId) => void
}

// An existing central system, spoken to as each of the site's chargers would: a port (ports.ts has the others).
import type { ChargerId } from './units.ts'

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
}

export type CentralSystem = {
  /** The same on every node of the site. */
  readonly name: string
  readonly terms: ForwardTerms
  /** Connects where no line is open. Never rejects. */
  readonly open: (chargerId: ChargerId) => Promise<Opened>
  /** On an open line, one at a time for a charger. Never rejects. */
  readonly call: (chargerId: ChargerId, call: UpstreamCall) => Promise<UpstreamOutcome>
  readonly hangUp: (chargerId: ChargerId) => void
}

// What a node may believe of its turn (agreement.ts), by its own monotonic clock alone. It holds from the moment at which it
// asked, for a lease less a margin; whoever else wants the turn waits a lease from the moment at which it saw the last word of
// the holder, and no clock but these two has a say. So never two hold it at once, provided that the waiting node's clock runs
// less than 10 % faster than the holder's (margin / lease), whatever is lost, late, doubled or paused on the way. A receiver
// that was restored from a backup must have its epoch raised. Nobody who cannot reach the receiver holds anything for longer.
// A call that is under way when the turn ends cannot be called back: `heldForMs` says whether there is time for one.
import type { DeviceId } from '../units.ts'
import { type AgreedRow, type Claim, type Mark, sameMark } from './agreement.ts'

export type LeaseTerms = {
  /** Others wait for so long after the last word of the holder. */
  readonly leaseMs: number
  /** Of the lease, against clocks that differ. */
  readonly marginMs: number
  readonly renewEveryMs: number
}
export const LEASE_TERMS: LeaseTerms = { leaseMs: 120_000, marginMs: 12_000, renewEveryMs: 20_000 }
/** No receiver may make a node wait for ever. */
const MAX_LEASE_MS = 3_600_000
/** A machine that slept does not count that in its monotonic clock; its wall clock does. */
const MAX_CLOCK_STEP_MS = 5_000

export type Times = { readonly monotonicMs: number; readonly wallMs: number }

export type Lease = {
  readonly held?: Pick<AgreedRow, 'mark' | 'takenAt' | 'heads'> & {
    readonly asked: Times
    readonly untilMs: number
  }
  /** Somebody else's, or nobody's: seen so since then. */
  readonly seen?: {
    readonly mark: Mark
    readonly sinceMs: number
    readonly leaseMs: number
    readonly holder?: DeviceId
  }
}

/** How much longer this node may forward; 0 and less: not at all. */
export function heldForMs({ held }: Lease, now: Times): number {
  if (!held) return 0
  const workedMs = now.monotonicMs - held.asked.monotonicMs
  const passedMs = now.wallMs - held.asked.wallMs
  return Math.abs(passedMs - workedMs) > MAX_CLOCK_STEP_MS ? 0 : held.untilMs - now.monotonicMs
}

/** What is asked for next. */
export function claimOf(uplink: string, { seen }: Lease, now: Times): Claim {
  const isSilent = seen && now.monotonicMs - seen.sinceMs >= seen.leaseMs
  return { uplink, ...(isSilent && { silent: seen.mark, at: Math.max(0, Math.floor(now.wallMs)) }) }
}

/** The turn is given up: nothing may be under way. Undefined where there is nothing to give up. */
export function releaseOf(uplink: string, { held }: Lease): Claim | undefined {
  return held && { uplink, release: held.mark }
}

/** A question that left at `asked`, whose answer came at `now`. Questions go one at a time: an older one's answer is void. */
export type Asking = { readonly asked: Times; readonly now: Times; readonly terms: LeaseTerms }

export function answered(lease: Lease, row: AgreedRow, { asked, now, terms }: Asking): Lease {
  const { mark, takenAt, heads, holder } = row
  if (row.isYours) {
    const untilMs = asked.monotonicMs + terms.leaseMs - terms.marginMs
    const words = { ...(takenAt !== undefined && { takenAt }), ...(heads && { heads }) }
    return { held: { asked, untilMs, mark, ...words } }
  }
  // From when the answer came: the row may have changed until just before it left.
  const isKnown = sameMark(lease.seen?.mark, mark)
  const sinceMs = isKnown && lease.seen ? lease.seen.sinceMs : now.monotonicMs
  const leaseMs = Math.min(row.leaseMs, MAX_LEASE_MS)
  return { seen: { mark, sinceMs, leaseMs, ...(holder !== undefined && { holder }) } }
}

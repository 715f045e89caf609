// May this card charge here, now? Answered in memory, with no network, from the signed policy that this node holds
// (PROTOCOL 2.3). Every answer explains itself.
import type { EventRef } from '../log/body.ts'
import type { Allowed } from '../ports.ts'
import type { Grant, TokenState } from './policy.ts'

export const FULL_AGE_MS = 15 * 60 * 1000
export const NORMAL_AGE_MS = 24 * 3600 * 1000
/** What is left of a card's daily caps when the operator has not been heard of for a day. */
const REDUCED_SHARE = 0.25
const DAY_MS = 24 * 3600 * 1000

export type Tier = 'FULL' | 'NORMAL' | 'REDUCED'

export type Circumstances = {
  readonly nowAt: number
  /** How far our clock may be off, in ms. */
  readonly uncertaintyMs: number
  /** Age of the newest beacon whose heads we hold; undefined when there is none. */
  readonly policyAgeMs: number | undefined
  readonly zone?: string
  /** What this card has drawn here in the last 24 hours. */
  readonly today: { readonly sessions: number; readonly energyWh: number }
}

export type DecisionReason =
  | 'ok'
  | 'unknown card'
  | 'revoked'
  | 'not valid yet'
  | 'expired'
  | 'not for this zone'
  | 'needs the operator online'
  | 'operator not heard of for too long'
  | 'sessions of the day used up'
  | 'energy of the day used up'

export type Decision = {
  readonly allowed: Allowed
  readonly reason: DecisionReason
  readonly tier: Tier
  readonly grant?: EventRef
  readonly expiresAt?: number
}

export function decide(token: TokenState, now: Circumstances): Decision {
  const tier = tierOf(now.policyAgeMs)
  const answer = (allowed: Allowed, reason: DecisionReason, grant?: Grant): Decision => ({
    allowed,
    reason,
    tier,
    ...(grant && { grant: grant.ref, expiresAt: grant.body.notAfterAt }),
  })
  if (token.kind === 'unknown') return answer('NOT_ALLOWED', 'unknown card')
  if (token.kind === 'revoked') return answer('BLOCKED', 'revoked', token.grant)
  const { grant } = token
  if (now.nowAt - now.uncertaintyMs < grant.body.notBeforeAt)
    return answer('NOT_ALLOWED', 'not valid yet', grant)
  if (now.nowAt + now.uncertaintyMs > grant.body.notAfterAt) return answer('EXPIRED', 'expired', grant)
  const refusal = scopeRefusal(grant, now) ?? capRefusal(grant, now, tier)
  return refusal ? answer(refusal[0], refusal[1], grant) : answer('ALLOWED', 'ok', grant)
}

export function tierOf(policyAgeMs: number | undefined): Tier {
  if (policyAgeMs === undefined || policyAgeMs > NORMAL_AGE_MS) return 'REDUCED'
  return policyAgeMs <= FULL_AGE_MS ? 'FULL' : 'NORMAL'
}

type Refusal = readonly [Allowed, DecisionReason]

function scopeRefusal({ body }: Grant, now: Circumstances): Refusal | undefined {
  const { zones } = body.scope
  if (zones.length > 0 && (now.zone === undefined || !zones.includes(now.zone))) {
    return ['NOT_ALLOWED', 'not for this zone']
  }
  if (body.whitelist === 'NEVER') return ['NOT_ALLOWED', 'needs the operator online']
  // Without any beacon the age counts from the grant itself: the issuer was certainly there when it was written.
  const ageMs = now.policyAgeMs ?? now.nowAt - body.notBeforeAt
  return ageMs > body.offline.maxAgeS * 1000
    ? ['NOT_ALLOWED', 'operator not heard of for too long']
    : undefined
}

function capRefusal({ body }: Grant, now: Circumstances, tier: Tier): Refusal | undefined {
  if (tier === 'FULL') return undefined
  const share = tier === 'REDUCED' ? REDUCED_SHARE : 1
  const { maxSessionsPerDay, maxWhPerDay } = body.offline
  if (
    maxSessionsPerDay !== undefined &&
    now.today.sessions >= Math.min(maxSessionsPerDay, Math.max(1, Math.floor(maxSessionsPerDay * share)))
  ) {
    return ['NO_CREDIT', 'sessions of the day used up']
  }
  if (maxWhPerDay !== undefined && now.today.energyWh >= maxWhPerDay * share) {
    return ['NO_CREDIT', 'energy of the day used up']
  }
  return undefined
}

/** Sessions count against a day's cap for 24 hours after their start. */
export function isToday(startedAt: number, nowAt: number): boolean {
  return startedAt > nowAt - DAY_MS
}

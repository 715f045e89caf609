// May this card charge here, now? Answered in memory, with no network, from the signed policy that this node holds
// (PROTOCOL 2.3). Every answer names its reason.
import type { EventRef } from '../log/body.ts'
import type { Allowed } from '../ports.ts'
import type { TokenRef } from '../units.ts'
import type { Grant, Revocation, TokenState } from './policy.ts'

export const FULL_AGE_MS = 15 * 60 * 1000
export const NORMAL_AGE_MS = 24 * 3600 * 1000
/** From here on the site may have chosen to take only cards that are always allowed. */
export const STALE_AGE_MS = 7 * 24 * 3600 * 1000
/** What is left of a card's daily caps when the operator has not been heard of for a day. */
const REDUCED_SHARE = 0.25
/** What a card that nobody granted may draw in 24 hours where the site takes it: enough to drive on. */
export const UNKNOWN_CARD_WH_PER_DAY = 10_000
const DAY_MS = 24 * 3600 * 1000

export type Tier = 'FULL' | 'NORMAL' | 'REDUCED' | 'ALLOWLIST'

export type Circumstances = {
  readonly nowAt: number
  /** How far our clock may be off, in ms. */
  readonly uncertaintyMs: number
  readonly news: News
  /** What the operator has decided for the whole site. */
  readonly site: {
    readonly unknownCards: 'refuse' | 'accept'
    readonly alwaysAllow: readonly string[]
  }
  /** What is known of the charger. */
  readonly charger: {
    readonly zone?: string
    readonly connectorType?: string
    readonly maxPowerW?: number
  }
  /** What this card has drawn here in the last 24 hours. */
  readonly today: {
    readonly sessions: number
    readonly energyWh: number
    /** Whether its price has reached this share of an amount; undefined where there is no price to reckon with. */
    readonly hasSpent: (share: number, amount: string) => boolean | undefined
  }
}

/** How much is known of the operator's latest wishes. */
export type News = {
  /** Age of the newest beacon whose heads we hold; undefined when there is none. */
  readonly policyAgeMs: number | undefined
  /** Our clock contradicts what was signed or written before, so that no age can be told. */
  readonly isClockInDoubt: boolean
  /** What the site does when the operator was not heard of for seven days. */
  readonly whenStale: 'reduced' | 'allowlist'
}

export type DecisionReason =
  | 'ok'
  | 'unknown card'
  | 'unknown card, accepted by site policy'
  | 'revoked'
  | 'not valid yet'
  | 'expired'
  | 'not for this zone'
  | 'not for connectors of this type'
  | 'not for chargers of this power'
  | 'needs the operator online'
  | 'operator not heard of for too long'
  | 'only cards that are always allowed, by site policy'
  | 'sessions of the day used up'
  | 'energy of the day used up'
  | 'amount of the day used up'
  | 'no price to reckon its daily amount with'

export type Decision = {
  readonly allowed: Allowed
  readonly reason: DecisionReason
  readonly tier: Tier
  readonly grant?: EventRef
  readonly expiresAt?: number
  /** Cards of one group may end one another's sessions (OCPP's parentIdTag). */
  readonly groupRef?: TokenRef
  readonly revocation?: Revocation
}

export function decide(token: TokenState, now: Circumstances): Decision {
  const tier = tierOf(now.news)
  const answer = (allowed: Allowed, reason: DecisionReason, grant?: Grant): Decision => ({
    allowed,
    reason,
    tier,
    ...(grant && { grant: grant.ref, expiresAt: grant.body.notAfterAt }),
    ...(grant?.body.groupRef !== undefined && { groupRef: grant.body.groupRef }),
  })
  if (token.kind === 'unknown') return answer(...unknownCard(now, tier))
  if (token.kind === 'revoked')
    return { ...answer('BLOCKED', 'revoked', token.grant), revocation: token.revocation }
  const { grant } = token
  // A card is not kept waiting for a slow clock of ours, and a fast one does not lengthen its life.
  if (now.nowAt + now.uncertaintyMs < grant.body.notBeforeAt)
    return answer('NOT_ALLOWED', 'not valid yet', grant)
  if (now.nowAt + now.uncertaintyMs > grant.body.notAfterAt) return answer('EXPIRED', 'expired', grant)
  const refusal = scopeRefusal(grant, now) ?? ageRefusal(grant, now, tier) ?? capRefusal(grant, now, tier)
  return refusal ? answer(refusal[0], refusal[1], grant) : answer('ALLOWED', 'ok', grant)
}

export function tierOf({ policyAgeMs, isClockInDoubt, whenStale }: News): Tier {
  const isStale = policyAgeMs === undefined || policyAgeMs > STALE_AGE_MS
  if (isStale && whenStale === 'allowlist') return 'ALLOWLIST'
  if (isStale || isClockInDoubt || policyAgeMs > NORMAL_AGE_MS) return 'REDUCED'
  return policyAgeMs <= FULL_AGE_MS ? 'FULL' : 'NORMAL'
}

type Refusal = readonly [Allowed, DecisionReason]

function unknownCard({ site, today }: Circumstances, tier: Tier): Refusal {
  if (site.unknownCards === 'refuse') return ['NOT_ALLOWED', 'unknown card']
  if (tier === 'ALLOWLIST') return ['NOT_ALLOWED', 'only cards that are always allowed, by site policy']
  if (today.energyWh >= UNKNOWN_CARD_WH_PER_DAY) return ['NO_CREDIT', 'energy of the day used up']
  return ['ALLOWED', 'unknown card, accepted by site policy']
}

/** What cannot be shown to be within the scope is outside of it. */
function scopeRefusal({ body }: Grant, { charger }: Circumstances): Refusal | undefined {
  const { zones, connectorTypes, maxPowerW } = body.scope
  if (zones.length > 0 && !zones.some(zone => zone === charger.zone))
    return ['NOT_ALLOWED', 'not for this zone']
  if (connectorTypes.length > 0 && !connectorTypes.some(type => type === charger.connectorType))
    return ['NOT_ALLOWED', 'not for connectors of this type']
  if (maxPowerW !== undefined && (charger.maxPowerW ?? Number.POSITIVE_INFINITY) > maxPowerW)
    return ['NOT_ALLOWED', 'not for chargers of this power']
  return body.whitelist === 'NEVER' ? ['NOT_ALLOWED', 'needs the operator online'] : undefined
}

function ageRefusal({ body }: Grant, now: Circumstances, tier: Tier): Refusal | undefined {
  if (now.site.alwaysAllow.includes(body.class)) return undefined
  // Without any beacon the age counts from the grant itself: the issuer was certainly there when it was written.
  const ageMs = now.news.policyAgeMs ?? now.nowAt - body.notBeforeAt
  if (ageMs > body.offline.maxAgeS * 1000) return ['NOT_ALLOWED', 'operator not heard of for too long']
  return tier === 'ALLOWLIST' && body.whitelist !== 'ALWAYS'
    ? ['NOT_ALLOWED', 'only cards that are always allowed, by site policy']
    : undefined
}

function capRefusal({ body }: Grant, now: Circumstances, tier: Tier): Refusal | undefined {
  if (tier === 'FULL') return undefined
  const share = tier === 'NORMAL' ? 1 : REDUCED_SHARE
  const { maxSessionsPerDay, maxWhPerDay, maxAmountPerDay } = body.offline
  if (
    maxSessionsPerDay !== undefined &&
    now.today.sessions >= Math.min(maxSessionsPerDay, Math.max(1, Math.floor(maxSessionsPerDay * share)))
  ) {
    return ['NO_CREDIT', 'sessions of the day used up']
  }
  if (maxWhPerDay !== undefined && now.today.energyWh >= maxWhPerDay * share) {
    return ['NO_CREDIT', 'energy of the day used up']
  }
  if (maxAmountPerDay === undefined) return undefined
  const hasSpent = now.today.hasSpent(share, maxAmountPerDay)
  if (hasSpent === undefined) return ['NO_CREDIT', 'no price to reckon its daily amount with']
  return hasSpent ? ['NO_CREDIT', 'amount of the day used up'] : undefined
}

/** Sessions count against a day's cap for 24 hours after their start. */
export function isToday(startedAt: number, nowAt: number): boolean {
  return startedAt > nowAt - DAY_MS
}

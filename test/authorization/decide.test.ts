// Every answer that a card can get, and the instants and ages at which the answer changes (PROTOCOL 2.3).
import { describe, expect, it } from 'vitest'
import {
  type Circumstances,
  decide,
  isToday,
  type News,
  tierOf,
  UNKNOWN_CARD_WH_PER_DAY,
} from '../../src/authorization/decide.ts'
import type { Grant, TokenState } from '../../src/authorization/policy.ts'
import type { BodyOf } from '../../src/log/body.ts'
import type { EventHash, LogId, TokenRef } from '../../src/units.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const NOW = Date.UTC(2026, 5, 1)
const REF = { logId: '1'.repeat(32) as LogId, seq: 1, hash: '2'.repeat(64) as EventHash }

function granted(over: Partial<BodyOf<'grant'>> = {}): Grant {
  const tokenRef = 'aa'.repeat(16) as TokenRef
  const body: BodyOf<'grant'> = {
    ...{ tokenRef, accountRef: tokenRef, whitelist: 'ALLOWED_OFFLINE', class: 'standard', supersedes: [] },
    ...{ scope: { zones: [], connectorTypes: [] }, offline: { maxAgeS: 30 * 86_400 } },
    ...{ notBeforeAt: NOW - 10 * DAY_MS, notAfterAt: NOW + 10 * DAY_MS },
    ...over,
  }
  return { ref: REF, hlc: 1n, body }
}

const USUAL: Circumstances = {
  ...{ nowAt: NOW, uncertaintyMs: 0, charger: {} },
  news: { policyAgeMs: 0, isClockInDoubt: false, whenStale: 'reduced' },
  site: { unknownCards: 'refuse', alwaysAllow: [] },
  today: { sessions: 0, energyWh: 0, hasSpent: () => undefined },
}

type Case = readonly [string, TokenState | Partial<BodyOf<'grant'>>, Partial<Circumstances>, string, string]

const revoked: TokenState = {
  kind: 'revoked',
  revocation: {
    ref: REF,
    hlc: 1n,
    by: 'the issuer',
    body: { tokenRef: 'aa' as TokenRef, reason: '', effectiveAt: 0 },
  },
}
const caps = { maxAgeS: 30 * 86_400, maxSessionsPerDay: 8, maxWhPerDay: 40_000 }
const few = { maxAgeS: 30 * 86_400, maxSessionsPerDay: 2 }
const drew = (sessions: number, energyWh: number): Partial<Circumstances> => ({
  today: { ...USUAL.today, sessions, energyWh },
})
/** An amount of the day that has reached this share of every cap. */
const spent = (reached: number): Partial<Circumstances> => ({
  today: { ...USUAL.today, hasSpent: share => reached >= share },
})
const aged = (policyAgeMs: number | undefined, over: Partial<News> = {}): { readonly news: News } => ({
  news: { policyAgeMs, isClockInDoubt: false, whenStale: 'reduced', ...over },
})
const at = (charger: Circumstances['charger']): Partial<Circumstances> => ({ charger })
const scope = (over: Partial<BodyOf<'grant'>['scope']>) => ({
  scope: { zones: [], connectorTypes: [], ...over },
})
const [FRESH, OLDER, OLD] = [aged(0), aged(HOUR_MS), aged(2 * DAY_MS)]
const ACCEPTS: Partial<Circumstances> = { site: { unknownCards: 'accept', alwaysAllow: [] } }
const FLEET: Partial<Circumstances> = { site: { unknownCards: 'refuse', alwaysAllow: ['fleet'] } }
const ALLOWLIST = aged(8 * DAY_MS, { whenStale: 'allowlist' })
const UNKNOWN: TokenState = { kind: 'unknown' }
const ONLY_ALWAYS = 'only cards that are always allowed, by site policy'

const CASES: readonly Case[] = [
  ['an ordinary card', {}, {}, 'ALLOWED', 'ok'],
  ['a card nobody knows', { kind: 'unknown' }, {}, 'NOT_ALLOWED', 'unknown card'],
  ['a revoked card', revoked, {}, 'BLOCKED', 'revoked'],
  ['the first instant', { notBeforeAt: NOW }, {}, 'ALLOWED', 'ok'],
  ['a millisecond early', { notBeforeAt: NOW + 1 }, {}, 'NOT_ALLOWED', 'not valid yet'],
  ['the last instant', { notAfterAt: NOW }, {}, 'ALLOWED', 'ok'],
  ['a millisecond late', { notAfterAt: NOW - 1 }, {}, 'EXPIRED', 'expired'],
  ['surely early', { notBeforeAt: NOW + 101 }, { uncertaintyMs: 100 }, 'NOT_ALLOWED', 'not valid yet'],
  ['maybe early', { notBeforeAt: NOW + 100 }, { uncertaintyMs: 100 }, 'ALLOWED', 'ok'],
  ['maybe late', { notAfterAt: NOW + 99 }, { uncertaintyMs: 100 }, 'EXPIRED', 'expired'],
  ['surely not late', { notAfterAt: NOW + 100 }, { uncertaintyMs: 100 }, 'ALLOWED', 'ok'],
  ['its zone', { scope: { zones: ['north'], connectorTypes: [] } }, at({ zone: 'north' }), 'ALLOWED', 'ok'],
  [
    'another zone',
    { scope: { zones: ['north'], connectorTypes: [] } },
    at({ zone: 'south' }),
    'NOT_ALLOWED',
    'not for this zone',
  ],
  [
    'a charger without zone',
    { scope: { zones: ['north'], connectorTypes: [] } },
    {},
    'NOT_ALLOWED',
    'not for this zone',
  ],
  ['NEVER', { whitelist: 'NEVER' }, {}, 'NOT_ALLOWED', 'needs the operator online'],
  ['ALWAYS', { whitelist: 'ALWAYS' }, {}, 'ALLOWED', 'ok'],
  ['news just young enough', { offline: { maxAgeS: 60 } }, aged(MINUTE_MS), 'ALLOWED', 'ok'],
  [
    'news too old',
    { offline: { maxAgeS: 60 } },
    aged(MINUTE_MS + 1),
    'NOT_ALLOWED',
    'operator not heard of for too long',
  ],
  ['full tier: no cap', { offline: caps }, { ...FRESH, ...drew(99, 1e9) }, 'ALLOWED', 'ok'],
  ['a day: the whole cap', { offline: caps }, { ...OLDER, ...drew(7, 39_999) }, 'ALLOWED', 'ok'],
  [
    'a day: sessions used up',
    { offline: caps },
    { ...OLDER, ...drew(8, 0) },
    'NO_CREDIT',
    'sessions of the day used up',
  ],
  [
    'a day: energy used up',
    { offline: caps },
    { ...OLDER, ...drew(0, 40_000) },
    'NO_CREDIT',
    'energy of the day used up',
  ],
  ['later: a quarter left', { offline: caps }, { ...OLD, ...drew(1, 9999) }, 'ALLOWED', 'ok'],
  [
    'later: a quarter of the sessions',
    { offline: caps },
    { ...OLD, ...drew(2, 0) },
    'NO_CREDIT',
    'sessions of the day used up',
  ],
  [
    'later: a quarter of the energy',
    { offline: caps },
    { ...OLD, ...drew(0, 10_000) },
    'NO_CREDIT',
    'energy of the day used up',
  ],
  ['later: a quarter of two is still one', { offline: few }, { ...OLD, ...drew(0, 0) }, 'ALLOWED', 'ok'],
  [
    'later: and not two',
    { offline: few },
    { ...OLD, ...drew(1, 0) },
    'NO_CREDIT',
    'sessions of the day used up',
  ],
  [
    'a cap of nothing',
    { offline: { ...few, maxSessionsPerDay: 0 } },
    OLD,
    'NO_CREDIT',
    'sessions of the day used up',
  ],
  [
    'no energy at all',
    { offline: { ...caps, maxWhPerDay: 0 } },
    OLD,
    'NO_CREDIT',
    'energy of the day used up',
  ],
]

const T2 = { connectorTypes: ['IEC_62196_T2'] }
const ALWAYS = { whitelist: 'ALWAYS', offline: caps } as const
const EURO = { maxAgeS: 30 * 86_400, maxAmountPerDay: '20.00' }
const OLD_FLEET = { class: 'fleet', offline: { maxAgeS: 60 } }

const SITE_CASES: readonly Case[] = [
  [
    'an unknown card that the site takes',
    UNKNOWN,
    ACCEPTS,
    'ALLOWED',
    'unknown card, accepted by site policy',
  ],
  [
    'an unknown card that drew enough today',
    UNKNOWN,
    { ...ACCEPTS, ...drew(1, UNKNOWN_CARD_WH_PER_DAY) },
    'NO_CREDIT',
    'energy of the day used up',
  ],
  ['an unknown card after a week', UNKNOWN, { ...ACCEPTS, ...ALLOWLIST }, 'NOT_ALLOWED', ONLY_ALWAYS],
  ['a revoked card where unknown ones are taken', revoked, ACCEPTS, 'BLOCKED', 'revoked'],
  ['an ordinary card after a week', {}, ALLOWLIST, 'NOT_ALLOWED', ONLY_ALWAYS],
  ['a card that is always allowed, after a week', ALWAYS, ALLOWLIST, 'ALLOWED', 'ok'],
  [
    'a card that is always allowed, with a quarter of its cap',
    ALWAYS,
    { ...ALLOWLIST, ...drew(0, 10_000) },
    'NO_CREDIT',
    'energy of the day used up',
  ],
  ['a class that always charges, after its age', OLD_FLEET, { ...FLEET, ...OLD }, 'ALLOWED', 'ok'],
  ['the same after a week', OLD_FLEET, { ...FLEET, ...ALLOWLIST }, 'ALLOWED', 'ok'],
  [
    'another class after its age',
    { ...OLD_FLEET, class: 'guest' },
    { ...FLEET, ...OLD },
    'NOT_ALLOWED',
    'operator not heard of for too long',
  ],
  ['its connector', scope(T2), at({ connectorType: 'IEC_62196_T2' }), 'ALLOWED', 'ok'],
  [
    'another connector',
    scope(T2),
    at({ connectorType: 'CHADEMO' }),
    'NOT_ALLOWED',
    'not for connectors of this type',
  ],
  ['a connector nobody knows', scope(T2), {}, 'NOT_ALLOWED', 'not for connectors of this type'],
  ['its power', scope({ maxPowerW: 22_000 }), at({ maxPowerW: 22_000 }), 'ALLOWED', 'ok'],
  [
    'more power',
    scope({ maxPowerW: 22_000 }),
    at({ maxPowerW: 22_001 }),
    'NOT_ALLOWED',
    'not for chargers of this power',
  ],
  ['power nobody knows', scope({ maxPowerW: 22_000 }), {}, 'NOT_ALLOWED', 'not for chargers of this power'],
  ['an amount not spent', { offline: EURO }, { ...OLDER, ...spent(0.9) }, 'ALLOWED', 'ok'],
  ['an amount spent', { offline: EURO }, { ...OLDER, ...spent(1) }, 'NO_CREDIT', 'amount of the day used up'],
  [
    'a quarter of an amount, after a day',
    { offline: EURO },
    { ...OLD, ...spent(0.25) },
    'NO_CREDIT',
    'amount of the day used up',
  ],
  [
    'an amount without a price',
    { offline: EURO },
    OLDER,
    'NO_CREDIT',
    'no price to reckon its daily amount with',
  ],
  ['an amount without a price, with fresh news', { offline: EURO }, FRESH, 'ALLOWED', 'ok'],
]

describe('the decision about a card', () => {
  it.each(SITE_CASES)('by the site: %s', (_, token, circumstances, allowed, reason) => {
    const state: TokenState = 'kind' in token ? token : { kind: 'granted', grant: granted(token as object) }
    expect(decide(state, { ...USUAL, ...circumstances })).toMatchObject({ allowed, reason })
  })

  it.each(CASES)('%s', (_, token, circumstances, allowed, reason) => {
    const state: TokenState = 'kind' in token ? token : { kind: 'granted', grant: granted(token as object) }
    expect(decide(state, { ...USUAL, ...circumstances })).toMatchObject({ allowed, reason })
  })

  it('counts the age of the policy from the grant when no beacon was ever heard, with the tightest caps', () => {
    const unheard = { ...USUAL, ...aged(undefined) }
    const young = granted({ notBeforeAt: NOW - HOUR_MS, offline: { maxAgeS: 3600 } })
    const older = granted({ notBeforeAt: NOW - HOUR_MS - 1, offline: { maxAgeS: 3600 } })
    expect(decide({ kind: 'granted', grant: young }, unheard)).toMatchObject({
      allowed: 'ALLOWED',
      tier: 'REDUCED',
    })
    expect(decide({ kind: 'granted', grant: older }, unheard).allowed).toBe('NOT_ALLOWED')
  })

  it('names the grant that it rests on, and when it ends', () => {
    const state: TokenState = { kind: 'granted', grant: granted() }
    expect(decide(state, USUAL)).toMatchObject({ grant: REF, expiresAt: NOW + 10 * DAY_MS })
    expect(decide({ kind: 'unknown' }, USUAL)).not.toHaveProperty('grant')
  })

  it.each([
    [undefined, 'REDUCED'],
    [0, 'FULL'],
    [15 * MINUTE_MS, 'FULL'],
    [15 * MINUTE_MS + 1, 'NORMAL'],
    [DAY_MS, 'NORMAL'],
    [DAY_MS + 1, 'REDUCED'],
    [8 * DAY_MS, 'REDUCED'],
  ])('is of the tier for a policy of age %s: %s', (policyAgeMs, tier) => {
    expect(tierOf(aged(policyAgeMs).news)).toBe(tier)
  })

  it.each<[number | undefined, Partial<News>, string]>([
    [7 * DAY_MS, { whenStale: 'allowlist' }, 'REDUCED'],
    [7 * DAY_MS + 1, { whenStale: 'allowlist' }, 'ALLOWLIST'],
    [undefined, { whenStale: 'allowlist' }, 'ALLOWLIST'],
    [0, { isClockInDoubt: true }, 'REDUCED'],
    [8 * DAY_MS, { isClockInDoubt: true, whenStale: 'allowlist' }, 'ALLOWLIST'],
  ])('is of the tier for a policy of age %s, where %o: %s', (policyAgeMs, over, tier) => {
    expect(tierOf(aged(policyAgeMs, over).news)).toBe(tier)
  })

  it('names the group of a card, so that another of it may end the session', () => {
    const groupRef = 'dd'.repeat(16) as TokenRef
    expect(decide({ kind: 'granted', grant: granted({ groupRef }) }, USUAL)).toMatchObject({ groupRef })
    expect(decide({ kind: 'granted', grant: granted() }, USUAL)).not.toHaveProperty('groupRef')
  })

  it.each([
    [NOW, true],
    [NOW - DAY_MS + 1, true],
    [NOW - DAY_MS, false],
  ])('counts what began at %d for 24 hours: %s', (startedAt, today) => {
    expect(isToday(startedAt, NOW)).toBe(today)
  })
})

// Every answer that a card can get, and the instants and ages at which the answer changes (PROTOCOL 2.3).
import { describe, expect, it } from 'vitest'
import { type Circumstances, decide, isToday, tierOf } from '../../src/authorization/decide.ts'
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
  ...{ nowAt: NOW, uncertaintyMs: 0, policyAgeMs: 0, today: { sessions: 0, energyWh: 0 } },
}

type Case = readonly [string, TokenState | Partial<BodyOf<'grant'>>, Partial<Circumstances>, string, string]

const revoked: TokenState = {
  kind: 'revoked',
  revocation: { ref: REF, hlc: 1n, body: { tokenRef: 'aa' as TokenRef, reason: '', effectiveAt: 0 } },
}
const caps = { maxAgeS: 30 * 86_400, maxSessionsPerDay: 8, maxWhPerDay: 40_000 }
const few = { maxAgeS: 30 * 86_400, maxSessionsPerDay: 2 }
const drew = (sessions: number, energyWh: number): Partial<Circumstances> => ({
  today: { sessions, energyWh },
})
const [FRESH, OLDER, OLD] = [{ policyAgeMs: 0 }, { policyAgeMs: HOUR_MS }, { policyAgeMs: 2 * DAY_MS }]

const CASES: readonly Case[] = [
  ['an ordinary card', {}, {}, 'ALLOWED', 'ok'],
  ['a card nobody knows', { kind: 'unknown' }, {}, 'NOT_ALLOWED', 'unknown card'],
  ['a revoked card', revoked, {}, 'BLOCKED', 'revoked'],
  ['the first instant', { notBeforeAt: NOW }, {}, 'ALLOWED', 'ok'],
  ['a millisecond early', { notBeforeAt: NOW + 1 }, {}, 'NOT_ALLOWED', 'not valid yet'],
  ['the last instant', { notAfterAt: NOW }, {}, 'ALLOWED', 'ok'],
  ['a millisecond late', { notAfterAt: NOW - 1 }, {}, 'EXPIRED', 'expired'],
  ['maybe early', { notBeforeAt: NOW - 99 }, { uncertaintyMs: 100 }, 'NOT_ALLOWED', 'not valid yet'],
  ['surely not early', { notBeforeAt: NOW - 100 }, { uncertaintyMs: 100 }, 'ALLOWED', 'ok'],
  ['maybe late', { notAfterAt: NOW + 99 }, { uncertaintyMs: 100 }, 'EXPIRED', 'expired'],
  ['surely not late', { notAfterAt: NOW + 100 }, { uncertaintyMs: 100 }, 'ALLOWED', 'ok'],
  ['its zone', { scope: { zones: ['north'], connectorTypes: [] } }, { zone: 'north' }, 'ALLOWED', 'ok'],
  [
    'another zone',
    { scope: { zones: ['north'], connectorTypes: [] } },
    { zone: 'south' },
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
  ['news just young enough', { offline: { maxAgeS: 60 } }, { policyAgeMs: MINUTE_MS }, 'ALLOWED', 'ok'],
  [
    'news too old',
    { offline: { maxAgeS: 60 } },
    { policyAgeMs: MINUTE_MS + 1 },
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

describe('the decision about a card', () => {
  it.each(CASES)('%s', (_, token, circumstances, allowed, reason) => {
    const state: TokenState = 'kind' in token ? token : { kind: 'granted', grant: granted(token as object) }
    expect(decide(state, { ...USUAL, ...circumstances })).toMatchObject({ allowed, reason })
  })

  it('counts the age of the policy from the grant when no beacon was ever heard, with the tightest caps', () => {
    const { policyAgeMs: _, ...rest } = USUAL
    const unheard = { ...rest, policyAgeMs: undefined }
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
  ])('is of the tier for a policy of age %s: %s', (policyAgeMs, tier) => {
    expect(tierOf(policyAgeMs)).toBe(tier)
  })

  it.each([
    [NOW, true],
    [NOW - DAY_MS + 1, true],
    [NOW - DAY_MS, false],
  ])('counts what began at %d for 24 hours: %s', (startedAt, today) => {
    expect(isToday(startedAt, NOW)).toBe(today)
  })
})

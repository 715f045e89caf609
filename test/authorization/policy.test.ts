// Grants and revocations of several issuers: any order gives the same verdict, and only who has seen a revocation
// can undo it (PROTOCOL 2.2).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPolicy, type Grant, type Policy, type Revocation } from '../../src/authorization/policy.ts'
import type { BodyOf, EventRef } from '../../src/log/body.ts'
import type { ChargerId, EventHash, LogId, TokenRef } from '../../src/units.ts'

const CARD = 'aa'.repeat(16) as TokenRef

function placed(issuer: number, seq: number, hlc: number): { ref: EventRef; hlc: bigint } {
  const hash = `${issuer}${seq}`.padStart(64, 'f') as EventHash
  return { ref: { logId: `${issuer}`.repeat(32) as LogId, seq, hash }, hlc: BigInt(hlc) }
}

function grant(at: { ref: EventRef; hlc: bigint }, ...supersedes: readonly EventHash[]): Grant {
  const body: BodyOf<'grant'> = {
    ...{ tokenRef: CARD, accountRef: CARD, whitelist: 'ALLOWED', notBeforeAt: 0, notAfterAt: 1, class: '' },
    ...{ scope: { zones: [], connectorTypes: [] }, offline: { maxAgeS: 1 } },
    supersedes,
  }
  return { ...at, body }
}

function revocation(at: { ref: EventRef; hlc: bigint }): Revocation {
  return { ...at, by: 'the issuer', body: { tokenRef: CARD, reason: 'lost', effectiveAt: 0 } }
}

type Entry = { kind: 'grant'; grant: Grant } | { kind: 'revoke'; revocation: Revocation }

function policyOf(entries: readonly Entry[]): Policy {
  const policy = createPolicy()
  for (const entry of entries)
    if (entry.kind === 'grant') policy.addGrant(entry.grant)
    else policy.addRevocation(entry.revocation)
  return policy
}

/** Entries of two issuers whose clocks have nothing to do with one another; a grant may cite any revocation. */
const histories: fc.Arbitrary<readonly Entry[]> = fc
  .array(
    fc.record({
      issuer: fc.nat(1),
      hlc: fc.nat(3),
      kind: fc.constantFrom('grant', 'revoke'),
      cites: fc.array(fc.nat(8), { maxLength: 4 }),
    }),
    {
      maxLength: 7,
    },
  )
  .map(moves => {
    const revocations = moves.flatMap((move, seq) =>
      move.kind === 'revoke' ? [revocation(placed(move.issuer, seq, move.hlc))] : [],
    )
    return moves.flatMap((move, seq): readonly Entry[] => {
      const at = placed(move.issuer, seq, move.hlc)
      if (move.kind === 'grant')
        return [
          {
            kind: 'grant',
            grant: grant(at, ...move.cites.flatMap(one => revocations[one]?.ref.hash ?? [])),
          },
        ]
      const own = revocations.find(one => one.ref.hash === at.ref.hash)
      return own ? [{ kind: 'revoke', revocation: own }] : []
    })
  })

describe('the policy of a card', () => {
  it('is the same in any order of arrival', () => {
    fc.assert(
      fc.property(
        histories.chain(all =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
        ),
        ([history, order]) => {
          expect(policyOf(order).token(CARD)).toEqual(policyOf(history).token(CARD))
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('lets a card charge only by a grant that cites every revocation there is', () => {
    fc.assert(
      fc.property(histories, history => {
        const state = policyOf(history).token(CARD)
        const revoked = history.flatMap(entry => (entry.kind === 'revoke' ? [entry.revocation.ref.hash] : []))
        if (state.kind !== 'granted') return
        expect(revoked.every(hash => state.grant.body.supersedes.includes(hash))).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  const [first, later] = [placed(1, 1, 10), placed(1, 2, 20)]
  const [lost, found] = [revocation(placed(2, 1, 15)), revocation(placed(2, 2, 16))]
  it.each<[string, readonly Entry[], string]>([
    ['unknown without a word about it', [], 'unknown'],
    ['granted by a grant', [{ kind: 'grant', grant: grant(first) }], 'granted'],
    ['revoked though nobody ever granted it', [{ kind: 'revoke', revocation: lost }], 'revoked'],
    [
      'revoked by a revocation that an older clock stamped before the grant',
      [
        { kind: 'grant', grant: grant(later) },
        { kind: 'revoke', revocation: lost },
      ],
      'revoked',
    ],
    [
      'granted again by who has seen the revocation, although its clock is behind',
      [
        { kind: 'grant', grant: grant(first, lost.ref.hash) },
        { kind: 'revoke', revocation: lost },
      ],
      'granted',
    ],
    [
      'revoked by a second revocation that the new grant has not seen',
      [
        { kind: 'revoke', revocation: lost },
        { kind: 'grant', grant: grant(later, lost.ref.hash) },
        { kind: 'revoke', revocation: revocation(placed(3, 1, 1)) },
      ],
      'revoked',
    ],
    [
      'granted again by a grant that cites both of two revocations',
      [
        { kind: 'revoke', revocation: lost },
        { kind: 'revoke', revocation: found },
        { kind: 'grant', grant: grant(first, lost.ref.hash, found.ref.hash) },
      ],
      'granted',
    ],
    [
      'revoked where a grant cites only the later of two revocations',
      [
        { kind: 'revoke', revocation: lost },
        { kind: 'revoke', revocation: found },
        { kind: 'grant', grant: grant(later, found.ref.hash) },
      ],
      'revoked',
    ],
  ])('is %s', (_, entries, kind) => {
    expect(policyOf(entries).token(CARD).kind).toBe(kind)
    expect(policyOf(entries.toReversed()).token(CARD).kind).toBe(kind)
  })

  it('takes the newest of several free grants, and the place where clocks are equal', () => {
    const grants = [grant(first), grant(later), grant(placed(2, 9, 20))]
    const state = policyOf(grants.map(one => ({ kind: 'grant', grant: one }))).token(CARD)
    expect(state.kind === 'granted' && state.grant.ref.logId).toBe('2'.repeat(32))
  })
})

describe('chargers of the policy', () => {
  const point = (hlc: number, withdrawn: boolean) => ({
    ...placed(1, hlc, hlc),
    body: {
      ...{ chargerId: 'CP-1' as ChargerId, salt: new Uint8Array(16), hash: new Uint8Array(32) },
      ...{ cost: 1, connectors: hlc, withdrawn },
    },
  })

  it('are as the newest entry says, in any order, and gone when it withdraws them', () => {
    for (const order of [
      [1, 2, 3],
      [3, 1, 2],
    ]) {
      const policy = createPolicy()
      for (const hlc of order) policy.addChargePoint(point(hlc, false))
      expect(policy.chargePoint('CP-1' as ChargerId)?.connectors).toBe(3)
      policy.addChargePoint(point(4, true))
      expect(policy.chargePoint('CP-1' as ChargerId)).toBeUndefined()
      expect(policy.chargePoints()).toEqual([])
    }
  })
})

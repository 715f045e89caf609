// References are remembered; a stretch that failed is not. A card goes by the key that the operator's list knows it by.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createPolicy, type Policy } from '../../src/authorization/policy.ts'
import { createTokens } from '../../src/host/tokens.ts'
import * as stretching from '../../src/identity/token.ts'
import type { BodyOf } from '../../src/log/body.ts'
import type { Hlc } from '../../src/log/hlc.ts'
import type { EventHash, LogId, TokenRef } from '../../src/units.ts'

vi.mock('../../src/identity/token.ts', { spy: true })

const STRETCHING = { salt: new Uint8Array(32), cost: 2 }
const [OLD, NEW] = [new Uint8Array(32), new Uint8Array(32).fill(1)]

function made(policy: Policy = createPolicy(), keys: readonly Uint8Array[] = [OLD]) {
  return createTokens({ stretching: STRETCHING, keys: () => keys, policy: () => policy })
}

async function refOf(key: Uint8Array, tag: string): Promise<TokenRef> {
  return stretching.keyedReference(key, await stretching.stretchTag(STRETCHING, tag))
}

const placed = (at: number) => ({
  ref: { logId: 'aa'.repeat(16) as LogId, seq: at, hash: `${at}`.padStart(64, '0') as EventHash },
  hlc: at as unknown as Hlc,
})
const grant = (tokenRef: TokenRef, at: number, supersedes: readonly EventHash[] = []) => ({
  ...placed(at),
  body: { tokenRef, supersedes } as unknown as BodyOf<'grant'>,
})

afterEach(() => {
  vi.restoreAllMocks()
})

describe('remembered card references', () => {
  it('are made once a card, however it is written', async () => {
    const { reference } = made()
    expect(await reference(' 04a2')).toBe(await reference('04A2'))
    expect(await reference('04A2')).toMatch(/^[0-9a-f]{32}$/)
    expect(vi.mocked(stretching.stretchTag)).toHaveBeenCalledOnce()
  })

  it('are stretched two at a time, so that the journal is not kept waiting', async () => {
    const { reference } = made()
    const done: (() => void)[] = []
    const tags = ['A1', 'A2', 'A3', 'A4', 'A5']
    for (const _tag of tags)
      vi.mocked(stretching.stretchTag).mockImplementationOnce(
        () => new Promise(resolve => done.push(() => resolve(new Uint8Array(32)))),
      )
    const all = Promise.all(tags.map(reference))
    for (let finished = 0; finished < 5; finished++) {
      // Each turn that ends lets in one more.
      await new Promise(resolve => setImmediate(resolve))
      expect(done.length).toBe(Math.min(5, finished + 2))
      done[finished]?.()
    }
    expect(await all).toHaveLength(5)
  })

  it('are made anew after a failure', async () => {
    const { reference } = made()
    vi.mocked(stretching.stretchTag).mockRejectedValueOnce(new Error('no memory'))
    await expect(reference('04A2')).rejects.toThrow('no memory')
    expect(await reference('04A2')).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('a card of a site that has had two keys', () => {
  it('goes by the newest key while nobody knows it', async () => {
    const { reference, aliases } = made(createPolicy(), [OLD, NEW])
    const ref = await reference('04A2')
    expect(ref).toBe(await refOf(NEW, '04A2'))
    expect(aliases(ref)).toEqual([ref, await refOf(OLD, '04A2')])
  })

  it('goes by the old one while it is granted under that, and by the new one once it is granted anew', async () => {
    const policy = createPolicy()
    const { reference } = made(policy, [OLD, NEW])
    policy.addGrant(grant(await refOf(OLD, '04A2'), 1))
    expect(await reference('04A2')).toBe(await refOf(OLD, '04A2'))
    policy.addGrant(grant(await refOf(NEW, '04A2'), 2))
    expect(await reference('04A2')).toBe(await refOf(NEW, '04A2'))
  })

  it('is revoked under both, by whoever knew only one', async () => {
    const policy = createPolicy()
    const { reference, aliases } = made(policy, [OLD, NEW])
    const old = await refOf(OLD, '04A2')
    policy.addGrant(grant(await refOf(NEW, '04A2'), 2))
    policy.addRevocation({
      ...placed(1),
      by: 'the issuer',
      body: { tokenRef: old, reason: 'lost', effectiveAt: 0 },
    })
    expect(policy.tokenOf(aliases(await reference('04A2'))).kind).toBe('revoked')
    policy.addGrant(grant(await refOf(NEW, '04A2'), 3, [placed(1).ref.hash]))
    expect(policy.tokenOf(aliases(await reference('04A2'))).kind).toBe('granted')
  })
})

// The worst case of a revoked card in figures, by hand: a cap of 20 kWh, a battery of 50 kWh.
import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/authorization/policy.ts'
import { riskWindow, type WindowFacts, type WindowNode } from '../../src/authorization/window.ts'
import type { EventHash, LogId, TokenRef } from '../../src/units.ts'

const HOUR_MS = 3600_000
const REVOKED_AT = Date.UTC(2026, 6, 4)
const CARD = 'aa'.repeat(16) as TokenRef

function grant(
  offline: Partial<Grant['body']['offline']> = { maxWhPerDay: 20_000 },
  notAfterAt = 9e12,
): Grant {
  const ref = { logId: 'f'.repeat(32) as LogId, seq: 1, hash: 'ff'.repeat(32) as EventHash }
  const scope = { zones: [], connectorTypes: [] }
  return {
    ...{ ref, hlc: 1n },
    body: {
      ...{ tokenRef: CARD, accountRef: CARD, whitelist: 'ALLOWED', supersedes: [], scope, class: '' },
      ...{ notBeforeAt: 0, notAfterAt, offline: { maxAgeS: 30 * 86_400, ...offline } },
    },
  }
}

const silent = (name: string, ...grants: readonly Grant[]): WindowNode => ({
  ...{ name, knowsSinceAt: undefined },
  grants: grants.length > 0 ? grants : [grant()],
})
const knowing = (name: string): WindowNode => ({ ...silent(name), knowsSinceAt: REVOKED_AT + 5000 })

function window(change: Partial<WindowFacts> & { hours?: number }) {
  const { hours = 1, ...facts } = change
  return riskWindow({
    ...{ nowAt: REVOKED_AT + hours * HOUR_MS, revokedAt: REVOKED_AT, sessionWh: 50_000 },
    ...{ nodes: [], drawnWh: 0, open: 0, ...facts },
  })
}

describe('what a revoked card can have cost', () => {
  it('is what was drawn and what still runs, where every node knows', () => {
    const facts = { nodes: [knowing('a'), knowing('b')], drawnWh: 12_000, open: 1 }
    expect(window(facts)).toMatchObject({ islands: 0, days: 0, worstWh: 62_000 })
  })

  it('takes each node that has not said so for an island, and twice a battery for anywhere', () => {
    const nodes = [knowing('a'), silent('b'), silent('c')]
    expect(window({ nodes })).toMatchObject({ islands: 2, days: 1, worstWh: 100_000 + 2 * 70_000 })
    const names = window({ nodes }).silent.map(one => one.name)
    expect(names).toEqual(['b', 'c'])
  })

  it.each([
    [23.9, 1],
    [24, 2],
    [47, 2],
    [72, 4],
  ])('after %s hours counts %s begun days', (hours, days) => {
    const worstWh = 100_000 + days * 70_000
    expect(window({ nodes: [silent('a')], hours })).toMatchObject({ days, worstWh })
  })

  it('counts the islands that somebody knows of, and never more than there are silent nodes', () => {
    const nodes = [silent('a'), silent('b'), silent('c')]
    expect(window({ nodes, islands: 1 }).worstWh).toBe(170_000)
    expect(window({ nodes, islands: 9 }).islands).toBe(3)
  })

  it('ends with the grant, or when the operator was not heard of for too long', () => {
    const expiring = grant({ maxWhPerDay: 20_000 }, REVOKED_AT + 2 * HOUR_MS)
    expect(window({ nodes: [silent('a', expiring)], hours: 100 }).days).toBe(1)
    const forgetful = grant({ maxWhPerDay: 20_000, maxAgeS: 36 * 3600 })
    expect(window({ nodes: [silent('a', forgetful)], hours: 100 }).days).toBe(2)
  })

  it('has no bound without a cap, unless somebody says what a connector gives', () => {
    const nodes = [silent('a', grant(), grant({}))]
    expect(window({ nodes })).toMatchObject({ worstWh: undefined, capWhPerDay: undefined })
    expect(window({ nodes, maxPowerW: 22_000, hours: 2 }).worstWh).toBe(100_000 + 44_000)
    // ... and that is believed where it is less than the cap allows.
    expect(window({ nodes: [silent('a')], maxPowerW: 22_000 }).worstWh).toBe(100_000 + 22_000)
  })
})

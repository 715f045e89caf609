// What an operator decides for the whole site, and the terms of single cards and chargers, on a real site folder.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { openOperator } from '../../src/host/operator.ts'
import { createSite } from '../../src/host/site-birth.ts'
import type { View } from '../../src/view.ts'

let site: string
let said = { out: '', error: '' }

beforeEach(async () => {
  said = { out: '', error: '' }
  site = await mkdtemp(join(tmpdir(), 'chargemesh-policy-'))
  await createSite(site, { name: 'North Stand', currency: 'EUR', nowAt: Date.now() })
  vi.spyOn(process.stdout, 'write').mockImplementation(text => {
    said.out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    said.error += String(text)
    return true
  })
})

afterEach(async () => {
  vi.restoreAllMocks()
  await rm(site, { recursive: true, force: true })
})

async function run(...words: readonly string[]): Promise<number> {
  said.out = ''
  return await runProgram(['node', 'chargemesh', ...words, '--site', site])
}

async function viewed<T>(look: (view: View) => T): Promise<T> {
  const operator = await openOperator(site)
  try {
    return look(operator.ledger.view())
  } finally {
    await operator.close()
  }
}

describe('the retention of a site', () => {
  it('is set in days, or to keep everything', async () => {
    const days = async (): Promise<number | undefined> =>
      await viewed(view => view.sitePolicy.number('retention-days'))
    expect(await days()).toBe(30)
    expect(await run('retention', 'set', '--sessions', '45d')).toBe(0)
    expect(await days()).toBe(45)
    expect(await run('retention', 'set', '--sessions', 'forever')).toBe(0)
    expect(await days()).toBeUndefined()
  })

  it.each(['6d', '0', '-7d', '', '30x', '4000d', '1e3'])('is refused as %j', async sessions => {
    expect(await run('retention', 'set', `--sessions=${sessions}`)).toBe(1)
    expect(said.error).toMatch(/CONFIG_INVALID: --sessions .*: wanted days such as 30d, 7 to 3650/)
    expect(await viewed(view => view.sitePolicy.said('retention-days'))).toBeUndefined()
  })
})

describe('the policy of a site', () => {
  it('is listed with what was set and what is the default', async () => {
    expect(await run('policy', 'set', 'unknown-cards', 'accept')).toBe(0)
    expect(await run('policy', 'set', 'always-allow', 'fleet,emergency')).toBe(0)
    expect(await run('policy', 'list', '--json')).toBe(0)
    const rows = JSON.parse(said.out)
    expect(rows).toContainEqual(
      expect.objectContaining({ name: 'unknown-cards', value: 'accept', from: 'set' }),
    )
    expect(rows).toContainEqual(expect.objectContaining({ name: 'always-allow', value: 'fleet,emergency' }))
    expect(rows).toContainEqual(
      expect.objectContaining({ name: 'stale-policy', value: 'reduced', from: 'default' }),
    )
    expect(await run('policy', 'list')).toBe(0)
    expect(said.out).toMatch(/unknown-cards\s+accept\s+set/)
  })

  it('can be taken back to no class at all', async () => {
    expect(await run('policy', 'set', 'always-allow', 'fleet')).toBe(0)
    expect(await run('policy', 'set', 'always-allow', '')).toBe(0)
    expect(await viewed(view => view.sitePolicy.classes('always-allow'))).toEqual([])
  })

  it.each([
    [['unknown-card', 'accept'], /wanted one of unknown-cards, stale-policy/],
    [['unknown-cards', 'perhaps'], /unknown-cards "perhaps": wanted refuse or accept/],
    [['always-allow', 'fleet;emergency'], /always-allow .*: wanted up to 16 classes/],
  ])('refuses %o, says what is allowed, and writes nothing', async (words, message) => {
    expect(await run('policy', 'set', ...words)).toBe(1)
    expect(said.error).toMatch(message)
    expect(await viewed(view => view.sitePolicy.said('unknown-cards'))).toBeUndefined()
  })
})

describe('the terms of a card', () => {
  it('stand in its grant, and cards of one group bear one reference', async () => {
    const terms = ['--group', 'Vans', '--class', 'fleet', '--always', '--cap-amount', '20.00']
    expect(
      await run('token', 'add', '04A1', ...terms, '--connector-type', 'iec_62196_t2', '--max-kw', '22'),
    ).toBe(0)
    expect(await run('token', 'add', '04A2', '--group', 'Vans')).toBe(0)
    const grants = await viewed(({ policy }) =>
      policy.tokens().flatMap(ref => {
        const token = policy.token(ref)
        return token.kind === 'granted' ? [token.grant.body] : []
      }),
    )
    expect(grants[0]).toMatchObject({
      ...{ class: 'fleet', whitelist: 'ALWAYS', offline: { maxAmountPerDay: '20.00' } },
      scope: { zones: [], connectorTypes: ['IEC_62196_T2'], maxPowerW: 22_000 },
    })
    expect(grants[1]).toMatchObject({ class: 'standard', whitelist: 'ALLOWED_OFFLINE' })
    expect(grants[0]?.groupRef).toMatch(/^[0-9a-f]{32}$/)
    expect(grants[1]?.groupRef).toBe(grants[0]?.groupRef)
  })

  it.each([
    [['--group', ' '], /--group: wanted 1 to 48 characters/],
    [['--class', 'fire brigade'], /--class fire brigade: wanted 1 to 24/],
    [['--cap-amount', '1,5'], /--cap-amount 1,5: wanted a plain decimal number/],
    [['--connector-type', 'Typ 2'], /--connector-type Typ 2: wanted a type as OCPI names it/],
  ])('are refused by value: %o', async (words, message) => {
    expect(await run('token', 'add', '04A1', ...words)).toBe(1)
    expect(said.error).toMatch(message)
  })

  it('meet those of the charger', async () => {
    expect(await run('charger', 'add', 'CP01', '--type', 'IEC_62196_T2', '--max-kw', '22')).toBe(0)
    const [point] = await viewed(view => view.policy.chargePoints())
    expect(point).toMatchObject({ connectorType: 'IEC_62196_T2', maxPowerW: 22_000 })
  })
})

// One card as a running node and the site's folder know it: what a charger would be told and why, and what the card can cost
// once it is revoked. No answer, and no line of the node's log, repeats the card's id.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunningNode } from '../../src/host/runner.ts'
import { mustRun, run, startSite, tempFolder } from './operator-site.ts'

const CARD = '04A2B3C4D5E6F7'
let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir] = ['', '']
let node: RunningNode

beforeEach(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir, node } = await startSite(folder.dir))
  await mustRun('charger', 'add', 'CP01', '--zone', 'A', ...via())
  await mustRun('token', 'add', CARD, '--label', 'Van 12', '--zone', 'A', '--cap-kwh', '20', ...via())
})

afterEach(async () => {
  await node.close()
  await folder.remove()
})

const via = (): readonly string[] => ['--site', site, '--via', nodeDir]
const shown = async (...words: readonly string[]) => await mustRun('token', 'show', CARD, ...words)

describe('token show', () => {
  it('says the same of a card from the folder and from a node, with the verdict at a charger', async () => {
    for (const whose of [
      ['--site', site],
      ['--dir', nodeDir],
    ]) {
      const report = JSON.parse((await shown(...whose, '--at', 'CP01', '--json')).out)
      expect(report).toMatchObject({
        ...{ card: 'Van 12', state: 'granted', revocations: [] },
        grant: { by: 'issuer', zones: ['A'], capWhPerDay: 20_000, class: 'standard' },
        decision: { charger: 'CP01', allowed: 'ALLOWED', reason: 'ok' },
      })
    }
  })

  it('names each revocation, by whom and why, and what is decided since', async () => {
    await mustRun('token', 'revoke', CARD, '--reason', 'lost', ...via())
    const { out } = await shown('--dir', nodeDir, '--at', 'CP01')
    expect(out).toMatch(/Van 12: revoked/)
    expect(out).toMatch(/revoked \S+ by issuer: lost/)
    expect(out).toContain('at CP01 now: BLOCKED, revoked')
    expect(out).not.toContain(CARD)
  })

  it.each([
    [['--at', 'CP99'], 'no such charger'],
    [['--at', 'a b'], 'no such charger'],
  ])('refuses %s', async (words, why) => {
    for (const whose of [
      ['--site', site],
      ['--dir', nodeDir],
    ])
      expect(await run('token', 'show', CARD, ...whose, ...words)).toMatchObject({
        ...{ code: 1, error: expect.stringContaining(why) },
      })
    const both = await run('token', 'show', CARD, '--site', site, '--dir', nodeDir)
    expect(both).toMatchObject({ code: 1, error: expect.stringContaining('name one of') })
  })
})

describe('token window', () => {
  it('refuses a card that is not revoked', async () => {
    const said = await run('token', 'window', CARD, '--dir', nodeDir)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('the card is granted') })
  })

  it('names the nodes, the figure and how it comes about, and ends when every node knows', async () => {
    const other = `${folder.dir}/other`
    const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
    await mustRun('node', 'join', '--site', site, '--dir', other, '--name', 'pole-2', ...ports)
    await mustRun('token', 'revoke', CARD, '--reason', 'lost', ...via())
    const { out } = await mustRun('token', 'window', CARD, '--dir', nodeDir, '--session-kwh', '50')
    expect(out).toContain('1 of 2 nodes know: pole-1')
    expect(out).toContain('1 have not said so: pole-2 (never heard of)')
    expect(out).toContain('worst case so far: 170 kWh')
    expect(out).toContain('2 x 50 kWh a session + 1 islands x 1 days x (20 kWh cap + 50 kWh)')
    expect(out).not.toContain(CARD)
    const stated = JSON.parse(
      (await mustRun('token', 'window', CARD, '--via', nodeDir, '--islands', '0', '--json')).out,
    )
    expect(stated).toMatchObject({ state: 'revoked', reason: 'lost', islands: 0, worstWh: 0 })
    await mustRun('node', 'revoke', 'pole-2', '--stolen', ...via())
    const last = await mustRun('token', 'window', CARD, '--dir', nodeDir, '--follow')
    expect(last.out).toContain('1 of 1 nodes know')
  })
})

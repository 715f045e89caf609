// Keys and certificates of a site on a real mesh: a new key for card references, and renewals.
import { cp } from 'node:fs/promises'

import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readIdentity, siteIdIn } from '../../src/host/identity-files.ts'
import { openOperator } from '../../src/host/operator.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { DAY_MS } from '../../src/host/upkeep.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { unhex } from '../../src/units.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

type Status = {
  readonly peers: readonly unknown[]
  readonly siteKeys: { readonly held: number; readonly missing: number }
}

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir] = ['', '']
const running = new Set<RunningNode>()

beforeEach(async () => {
  folder = await tempFolder()
  const started = await startSite(folder.dir)
  site = started.site
  nodeDir = started.nodeDir
  running.add(started.node)
})

afterEach(async () => {
  for (const node of running) await node.close()
  running.clear()
  await folder.remove()
})

const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
const siteKeys = async (dir: string) => (await asked<Status>(dir, '/v1/status')).siteKeys
const operator = (...words: readonly string[]) => mustRun(...words, '--site', site, '--via', nodeDir)

async function joined(name: string): Promise<string> {
  const dir = join(folder.dir, name)
  const peer = [...running][0]?.meshAddresses[0] ?? ''
  await operator('node', 'join', '--dir', dir, '--name', name, '--peer', peer, ...ports)
  return dir
}

async function start(dir: string): Promise<RunningNode> {
  const node = await runNode(dir)
  running.add(node)
  return node
}

/** What a node says to a card at a charger of the site, asked by a remote start: CHARGER_ABSENT when it would let it charge. */
async function said(dir: string, card: string): Promise<string> {
  const { error } = await run('charger', 'start', 'CP01', card, '--via', dir, '--json')
  const reason = (error.split('\n')[1] ?? '').replace(/^revoked at .* by .*, known here .*/, 'revoked')
  return `${error.split(':')[0]} ${reason}`.trim()
}

describe('a new key of the site', () => {
  it('reaches a node that slept, and one that joins later; cards of before and after are known to all', async () => {
    const slept = await joined('sleeper')
    await operator('charger', 'add', 'CP01')
    await operator('token', 'add', 'BEFORE1')
    await operator('keys', 'rotate', 'site')
    await operator('token', 'add', 'AFTER1')
    await until(async () => (await siteKeys(nodeDir)).held === 2, { withinMs: 5000, what: 'the new key' })
    const later = await joined('later')
    for (const dir of [slept, later]) await start(dir)
    for (const dir of [slept, later])
      await until(async () => (await siteKeys(dir)).held === 2, { withinMs: 10_000, what: 'its own copy' })
    expect(await siteKeys(later)).toEqual({ held: 2, missing: 0 })
    await operator('token', 'add', 'LOST1')
    await operator('token', 'revoke', 'BEFORE1', '--reason', 'lost')
    for (const dir of [nodeDir, slept, later]) {
      const answers = async (): Promise<string> => {
        const [before, after] = [await said(dir, 'BEFORE1'), await said(dir, 'AFTER1')]
        return [before, after, await said(dir, 'NEVER1')].join(' / ')
      }
      const wanted = 'CHARGER_REFUSED revoked / CHARGER_ABSENT / CHARGER_REFUSED unknown card'
      await until(async () => (await answers()) === wanted, { withinMs: 10_000, what: `${dir} knows all` })
    }
  })

  it('is not given to a node that was revoked', async () => {
    const lost = await joined('lost')
    const node = await start(lost)
    await until(async () => (await asked<Status>(nodeDir, '/v1/status')).peers.length === 1, {
      ...{ withinMs: 10_000, what: 'two nodes meet' },
    })
    await operator('node', 'revoke', 'lost', '--stolen')
    await operator('keys', 'rotate', 'site')
    await operator('tariff', 'set', '0.30')
    const { deviceId } = await ownCertificate(lost)
    const opened = await openOperator(site)
    const [key] = opened.ledger.view().siteKeys.of(deviceId)
    await opened.close()
    expect(key?.boxes).toEqual([])
    await node.close()
    running.delete(node)
  })
})

async function ownCertificate(dir: string) {
  const { certificates, site: siteFile } = await readIdentity(dir)
  const roster = createRoster({ signatures: ed25519() }, siteIdIn(siteFile), unhex(siteFile.rootKey))
  for (const one of certificates) roster.enrol(unhex(one))
  const own = roster.all().at(-1)
  if (!own) throw new Error('no certificate')
  return own
}

it('certificates are renewed with the next command before they end, and the nodes use the new ones', async () => {
  const devices = async () => await asked<{ name: string; notAfterAt: number }[]>(nodeDir, '/v1/devices')
  const [before] = await devices()
  if (!before) throw new Error('no device')
  expect(before.notAfterAt - Date.now()).toBeLessThan(91 * DAY_MS)
  await operator('tariff', 'set', '0.30')
  expect(await devices()).toEqual([expect.objectContaining({ notAfterAt: before.notAfterAt })])
  const { out } = await operator('keys', 'renew')
  expect(out).toContain('pole-1')
  const isRenewed = async (): Promise<boolean> => ((await devices())[0]?.notAfterAt ?? 0) > before.notAfterAt
  await until(isRenewed, { withinMs: 5000, what: 'a certificate that ends later' })
})

describe('a new issuer', () => {
  it('ends the old one: what a thief of its folder says counts nowhere, what it said before stays', async () => {
    await operator('charger', 'add', 'CP01')
    await operator('token', 'add', 'BEFORE1')
    await operator('token', 'add', 'LOST1')
    await operator('token', 'revoke', 'LOST1')
    await operator('token', 'add', 'FOUND1')
    await operator('token', 'revoke', 'FOUND1')
    await operator('token', 'add', 'FOUND1', '--again')
    await operator('keys', 'rotate', 'site')
    await operator('token', 'add', 'SECOND1')
    const stolen = join(folder.dir, 'stolen')
    await cp(site, stolen, { recursive: true })
    const { out } = await operator('keys', 'rotate', 'issuer', '--stolen')
    expect(out).toContain('the operator has new keys')
    await operator('token', 'add', 'AFTER1')
    const thief = (...words: readonly string[]) => run(...words, '--site', stolen, '--via', nodeDir)
    await thief('token', 'add', 'EVIL1')
    await thief('token', 'revoke', 'BEFORE1')
    const evilDir = join(folder.dir, 'evil')
    const peer = [...running][0]?.meshAddresses[0] ?? ''
    await thief('node', 'join', '--dir', evilDir, '--name', 'evil', '--peer', peer, ...ports)
    await start(evilDir)
    const answers = async (): Promise<string> => {
      const said_: string[] = []
      for (const card of ['BEFORE1', 'LOST1', 'FOUND1', 'SECOND1', 'AFTER1', 'EVIL1'])
        said_.push(await said(nodeDir, card))
      return said_.join(' / ')
    }
    const wanted =
      'CHARGER_ABSENT / CHARGER_REFUSED revoked / CHARGER_ABSENT / CHARGER_ABSENT / CHARGER_ABSENT / CHARGER_REFUSED unknown card'
    expect(await answers()).toBe(wanted)
    // Whichever of the two dials first, and is refused for a while then.
    const refusals = async (dir: string): Promise<number> =>
      Object.keys((await asked<{ network: { refused: object } }>(dir, '/v1/status')).network.refused).length
    await until(async () => (await refusals(nodeDir)) + (await refusals(evilDir)) > 0, {
      ...{ withinMs: 10_000, what: 'the thief is refused' },
    })
    expect((await asked<Status>(nodeDir, '/v1/status')).peers).toEqual([])
  })

  it('goes on after each further rotation, and a node that slept through them comes back', async () => {
    const slept = await joined('sleeper')
    await operator('charger', 'add', 'CP01')
    await operator('token', 'add', 'BEFORE1')
    for (let i = 0; i < 3; i++) await operator('keys', 'rotate', 'issuer')
    await operator('token', 'add', 'AFTER1')
    await start(slept)
    await until(async () => (await said(slept, 'AFTER1')) === 'CHARGER_ABSENT', {
      ...{ withinMs: 10_000, what: 'the sleeper believes the newest issuer' },
    })
    expect(await said(slept, 'BEFORE1')).toBe('CHARGER_ABSENT')
  })

  it('is certified by as many people as hold the root key together', async () => {
    const shared = join(folder.dir, 'shared')
    await mustRun('site', 'init', shared, '--name', 'Shared', '--root-shares', '2of3')
    const rotate = async (...shares: readonly number[]) =>
      await run(
        ...['keys', 'rotate', 'issuer', '--site', shared],
        ...shares.flatMap(share => ['--root-key', join(shared, `root-${share}.share`)]),
      )
    expect(await rotate(2)).toMatchObject({ code: 1, error: expect.stringContaining('2 are needed') })
    expect(await rotate(3, 1)).toMatchObject({ code: 0, out: expect.stringContaining('new keys') })
  })

  it('needs the root key of this very site', async () => {
    const other = join(folder.dir, 'other')
    await mustRun('site', 'init', other, '--name', 'elsewhere')
    const { code, error } = await run(
      'keys',
      'rotate',
      'issuer',
      '--site',
      site,
      '--root-key',
      join(other, 'root.key'),
    )
    expect({ code, error }).toEqual({
      code: 1,
      error: expect.stringContaining('not the root key of this site'),
    })
  })
})

describe('a revoker', () => {
  it('that was never given the newest key stops a card under that too; only who cites its word grants it again', async () => {
    await operator('charger', 'add', 'CP01')
    await operator('keys', 'rotate', 'site')
    await operator('token', 'add', 'CARD1')
    const word = ['token', 'revoke', 'CARD1', '--site', join(site, 'revoker'), '--via', nodeDir]
    expect((await run(...word)).code).toBe(0)
    type Token = { readonly state: string }
    const states = async () =>
      (await asked<readonly Token[]>(nodeDir, '/v1/tokens')).map(({ state }) => state)
    expect(await states()).toEqual(['revoked', 'revoked'])
    const again = ['token', 'add', 'CARD1', '--site', site, '--via', nodeDir]
    expect(await run(...again)).toMatchObject({ code: 1, error: expect.stringContaining('revoked') })
    expect(await said(nodeDir, 'CARD1')).toBe('CHARGER_REFUSED revoked')
    await mustRun(...again, '--again')
    expect(await said(nodeDir, 'CARD1')).toBe('CHARGER_ABSENT')
  })

  it('shuts a node out for good: no renewal by the issuer, who has not heard of it, undoes that', async () => {
    const lost = await joined('lost')
    const node = await start(lost)
    const peers = async () => (await asked<Status>(nodeDir, '/v1/status')).peers.length
    await until(async () => (await peers()) === 1, { withinMs: 10_000, what: 'two nodes meet' })
    const word = ['node', 'revoke', 'lost', '--stolen', '--site', join(site, 'revoker'), '--via', nodeDir]
    expect((await run(...word)).code).toBe(0)
    const { out } = await operator('keys', 'renew')
    expect(out).not.toContain('lost')
    await operator('keys', 'rotate', 'site')
    await operator('keys', 'rotate', 'issuer', '--stolen')
    const devices = await asked<readonly { name: string; revoked: boolean }[]>(nodeDir, '/v1/devices')
    expect(devices.find(({ name }) => name === 'lost')).toMatchObject({ revoked: true })
    const { deviceId } = await ownCertificate(lost)
    const opened = await openOperator(site)
    expect(
      opened.ledger
        .view()
        .siteKeys.of(deviceId)
        .flatMap(({ boxes }) => boxes),
    ).toEqual([])
    await opened.close()
    expect(await peers()).toBe(0)
    await node.close()
    running.delete(node)
    expect(await run('keys', 'renew', '--site', site)).toMatchObject({
      code: 1,
      error: expect.stringContaining('--via'),
    })
  })

  it('revokes cards, and can do nothing else', async () => {
    await operator('charger', 'add', 'CP01')
    await operator('token', 'add', 'CARD1')
    const revoker = (...words: readonly string[]) =>
      run(...words, '--site', join(site, 'revoker'), '--via', nodeDir)
    const granted = await revoker('token', 'add', 'CARD2')
    expect(granted).toMatchObject({ code: 1, error: expect.stringContaining("revoker's keys") })
    expect(await revoker('token', 'revoke', 'CARD1', '--reason', 'lost')).toMatchObject({ code: 0 })
    expect(await said(nodeDir, 'CARD1')).toBe('CHARGER_REFUSED revoked')
    expect(await said(nodeDir, 'CARD2')).toBe('CHARGER_REFUSED unknown card')
  })
})

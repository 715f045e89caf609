// What nodes show to chargers, as the operator makes it: for a site of before, for names, through a change of the operator's
// keys, in an encrypted folder; and what the doctor says about it.
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { examine } from '../../src/host/doctor.ts'
import { readIdentity } from '../../src/host/identity-files.ts'
import { openOperator } from '../../src/host/operator.ts'
import { runNode } from '../../src/host/runner.ts'
import { createSite } from '../../src/host/site-birth.ts'
import { keepSiteTls, renewSiteTls, siteTlsOf } from '../../src/host/site-tls.ts'
import { mustRun, run, tempFolder } from './operator-site.ts'

const DAY_MS = 86_400_000
let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, dir] = ['', '']

beforeEach(async () => {
  folder = await tempFolder()
  site = join(folder.dir, 'site')
  dir = join(folder.dir, 'node')
})

afterEach(async () => {
  await folder.remove()
})

const found = (...more: readonly string[]) => mustRun('site', 'init', site, '--name', 'North Stand', ...more)
const joined = (ocpp: string, ...more: readonly string[]) =>
  mustRun(
    ...['node', 'join', '--site', site, '--dir', dir, '--name', 'p', '--mesh', '127.0.0.1:0'],
    ...['--ocpp', ocpp, ...more],
  )
const diagnosed = async (nowAt = Date.now()) =>
  (await examine(dir, nowAt)).find(one => one.layer === 'chargers')
const authorityAt = async () => await readFile(join(site, 'charger-ca.pem'), 'utf8')

describe('a site of before there was an authority for chargers', () => {
  it('is told what is missing, gets it by a command, and its nodes show it', async () => {
    await createSite(site, { name: 'Old', currency: 'EUR', nowAt: Date.now() })
    await joined('0.0.0.0:0')
    await expect(runNode(dir)).rejects.toThrow('chargemesh site tls')
    expect(await diagnosed()).toMatchObject({ verdict: 'fail' })
    await mustRun('charger', 'add', 'CP01', '--site', site)
    const issued = await run('charger', 'certificate', 'issue', 'CP01', '--out', folder.dir, '--site', site)
    expect(issued).toMatchObject({ code: 1, error: expect.stringContaining('chargemesh site tls') })
    await mustRun('site', 'tls', '--ocpp-name', '10.0.0.5', '--site', site)
    dir = join(folder.dir, 'next')
    await joined('0.0.0.0:0')
    const node = await runNode(dir)
    expect(node.ocppUrl).toMatch(/^wss:/)
    await node.close()
    expect(await diagnosed()).toMatchObject({ verdict: 'ok', says: expect.stringContaining('10.0.0.5') })
  })
})

describe('names', () => {
  it.each([
    ['not a name', 'a b'],
    ['nothing', ''],
    ['a URL', 'wss://ocpp.local'],
    ['too many', Array.from({ length: 17 }, (_, i) => `n${i}`).join(',')],
    [
      'more than a certificate has room for',
      Array.from({ length: 8 }, (_, i) => `${i}${'x'.repeat(60)}.${'y'.repeat(180)}`).join(','),
    ],
  ])('that are %s are refused before anything else is made', async (_what, names) => {
    expect(await run('site', 'init', site, '--name', 'X', '--ocpp-name', names)).toMatchObject({ code: 1 })
    const told = await run('charger', 'add', 'CP1', '--site', site)
    expect(told).toMatchObject({ code: 1, error: expect.stringContaining('no site here') })
  })

  it('stay as they are when it is renewed, and the authority with them', async () => {
    await found('--ocpp-name', 'a.local, 10.0.0.5')
    const ca = await authorityAt()
    const said = JSON.parse((await mustRun('site', 'tls', '--site', site, '--json')).out)
    expect(said).toMatchObject({ names: ['a.local', '10.0.0.5'] })
    expect(await authorityAt()).toBe(ca)
  })
})

describe('the doctor', () => {
  it('names an address that the certificate is not for, and an end that is near', async () => {
    await found('--ocpp-name', 'ocpp.local')
    await joined('10.99.0.7:8887')
    expect(await diagnosed()).toMatchObject({ verdict: 'warn', says: expect.stringContaining('10.99.0.7') })
    expect(await diagnosed(Date.now() + 380 * DAY_MS)).toMatchObject({
      says: expect.stringContaining('ends in'),
    })
    expect(await diagnosed(Date.now() + 400 * DAY_MS)).toMatchObject({ verdict: 'fail' })
  })

  it('is content with chargers in the clear on the machine itself', async () => {
    await found()
    await joined('127.0.0.1:0')
    expect(await diagnosed()).toMatchObject({ verdict: 'ok', says: expect.stringContaining('in the clear') })
  })
})

describe('the authority’s key', () => {
  it('is encrypted with the operator’s folder, and of use when that is opened', async () => {
    const keyFile = join(folder.dir, 'key')
    await writeFile(keyFile, 'ab'.repeat(32))
    await found('--key-file', keyFile)
    const text = await readFile(join(site, 'issuer', 'identity.json'), 'utf8')
    expect(text).not.toContain('PRIVATE KEY')
    await mustRun('site', 'tls', '--site', site, '--key-file', keyFile)
  }, 60_000)

  it('survives new keys of the operator', async () => {
    await found()
    const ca = await authorityAt()
    await mustRun('keys', 'rotate', 'issuer', '--site', site)
    const said = JSON.parse((await mustRun('site', 'tls', '--site', site, '--json')).out)
    expect(await authorityAt()).toBe(ca)
    expect(new X509Certificate(ca).fingerprint256).toBe(said.caSha256)
  }, 60_000)

  it('is in no node’s folder', async () => {
    await found()
    await joined('127.0.0.1:0')
    expect((await readIdentity(join(site, 'issuer'))).chargerCa?.key).toContain('PRIVATE KEY')
    expect(await readFile(join(dir, 'identity.json'), 'utf8')).not.toContain('PRIVATE KEY')
  })
})

it('is renewed by the operator’s commands in its last 90 days, and not before', async () => {
  await found('--ocpp-name', 'ocpp.local')
  const operator = await openOperator(site)
  const [siteDir, nowAt] = [site, Date.now()]
  const before = siteTlsOf(operator)
  expect(await keepSiteTls(operator, { siteDir, nowAt: nowAt + 300 * DAY_MS })).toBeUndefined()
  const renewed = await keepSiteTls(operator, { siteDir, nowAt: nowAt + 310 * DAY_MS })
  expect(renewed?.names).toEqual(['ocpp.local'])
  expect(renewed?.notAfterAt).toBeGreaterThan(before?.notAfterAt ?? 0)
  expect(renewed?.authority.fingerprint256).toBe(before?.authority.fingerprint256)
  await expect(renewSiteTls(operator, { siteDir, nowAt, names: ['a b'] })).rejects.toThrow('host name')
  await operator.close()
})

it('asks another security profile of a charger, and keeps what else is known of it', async () => {
  await found()
  await mustRun('charger', 'add', 'CP01', '--zone', 'A', '--connectors', '2', '--site', site)
  const registered = async () => {
    const operator = await openOperator(site)
    const held = operator.ledger.view().policy.chargePoints()[0]
    await operator.close()
    return held
  }
  const before = await registered()
  expect(before).toMatchObject({ profile: 2, zone: 'A', connectors: 2 })
  await mustRun('charger', 'profile', 'CP01', '3', '--site', site)
  expect(await registered()).toEqual({ ...before, profile: 3 })
  expect(await run('charger', 'profile', 'CP02', '3', '--site', site)).toMatchObject({ code: 1 })
  expect(await run('charger', 'profile', 'CP01', '4', '--site', site)).toMatchObject({ code: 1 })
  const none = await run(
    'charger',
    'add',
    'CP03',
    '--profile',
    '3',
    '--password',
    'x'.repeat(20),
    '--site',
    site,
  )
  expect(none).toMatchObject({ code: 1, error: expect.stringContaining('--password') })
})

// The doctor on real folders: each layer is made to fail, is named, and gets a cure.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createWeb } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { parseNodeConfig } from '../../src/config.ts'
import { openDisk } from '../../src/host/disk.ts'
import { examine } from '../../src/host/doctor.ts'
import { chainOf } from '../../src/host/doctor-key.ts'
import { examineMulticast } from '../../src/host/doctor-multicast.ts'
import type { Diagnosis, Layer, Patient } from '../../src/host/doctor-patient.ts'
import { readStore } from '../../src/host/doctor-store.ts'
import { type IdentityFile, readIdentity, writeIdentity } from '../../src/host/identity-files.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { issueCertificate } from '../../src/identity/certificate.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { persistAll } from '../../src/persist.ts'
import { openJournal } from '../../src/store/journal.ts'
import { hex, unhex } from '../../src/units.ts'
import { until } from '../deadline.ts'
import { foundSite, mustRun, run, tempFolder } from './operator-site.ts'

const DAY_MS = 86_400_000
let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, dir] = ['', '']
let node: RunningNode | undefined
let servers: Server[] = []

beforeEach(async () => {
  folder = await tempFolder()
  const found = await foundSite(folder.dir)
  site = found.site
  dir = found.nodeDir
})

afterEach(async () => {
  await node?.close()
  node = undefined
  for (const server of servers) server.close()
  servers = []
  await folder.remove()
})

async function diagnosed(layer: Layer, nowAt = Date.now()): Promise<Diagnosis | undefined> {
  return (await examine(dir, nowAt)).find(one => one.layer === layer)
}

async function configure(part: 'mesh' | 'ocpp', fields: object): Promise<void> {
  const file = join(dir, 'node.yaml')
  const settings = parse(await readFile(file, 'utf8')) as Record<'mesh' | 'ocpp', object>
  await writeFile(file, stringify({ ...settings, [part]: { ...settings[part], ...fields } }))
}

async function listening(): Promise<number> {
  const server = createServer()
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const port = await listening()
  servers.at(-1)?.close()
  return port
}

/** Another certificate for the same keys, signed by the same issuer. */
async function recertify(
  valid: { readonly fromAt: number; readonly toAt: number },
  serial = Date.now() + 60_000,
): Promise<void> {
  const [issuer, own] = [await readIdentity(join(site, 'issuer')), await readIdentity(dir)]
  const { certificate } = chainOf(own)
  if (!certificate) throw new Error('no certificate')
  const body = { ...certificate, notBeforeAt: valid.fromAt, notAfterAt: valid.toAt, serial }
  const encoded = issueCertificate(ed25519(), unhex(issuer.keys.logKey), body)
  await change(identity => ({
    ...identity,
    certificates: [...identity.certificates.slice(0, -1), hex(encoded)],
  }))
}

async function change(to: (identity: IdentityFile) => IdentityFile): Promise<void> {
  await writeIdentity(dir, to(await readIdentity(dir)))
}

/** One entry of the node's own, as it would write it now. */
async function writeEntry(): Promise<void> {
  const identity = await readIdentity(dir)
  const { ledger } = await readStore(dir, identity)
  const disk = openDisk(dir)
  const { journal } = await openJournal(disk, () => undefined)
  ledger.write([{ name: 'tamper', body: { kind: 'door', detail: 'open' } }], {
    wallMs: Date.now(),
    monotonicMs: 0,
  })
  await persistAll(journal, ledger.takePending().records)
  await journal.close()
  await disk.close()
}

/** Everything in the folder, as bytes, but the lock, which every look takes for a moment. */
async function contents(): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = names.filter(one => one.isFile() && !one.parentPath.endsWith('lock'))
  const read = files.map(async one => {
    const path = join(one.parentPath, one.name)
    return [path, (await readFile(path)).toString('base64')] as const
  })
  return new Map((await Promise.all(read)).sort())
}

describe('a healthy node', () => {
  it('is well when stopped, and stays as it was', async () => {
    const before = await contents()
    const said = await run('doctor', '--dir', dir)
    expect(said).toMatchObject({ code: 0, error: '' })
    const lines = said.out.trim().split('\n')
    expect(lines.map(line => line.split(/ +/).slice(0, 2))).toEqual(
      ['settings', 'address', 'multicast', 'clock', 'key', 'certificate', 'chargers', 'store', 'uplink'].map(
        layer => ['ok', layer],
      ),
    )
    expect(await contents()).toEqual(before)
  })

  it('is well when it runs: it is asked, and its store is left alone', async () => {
    node = await runNode(dir)
    const said = await mustRun('doctor', '--dir', dir, '--json')
    const { healthy, layers } = JSON.parse(said.out) as { healthy: boolean; layers: readonly Diagnosis[] }
    expect(healthy).toBe(true)
    expect(layers.find(one => one.layer === 'store')?.says).toContain('the running node says')
  })

  it('is no other folder', async () => {
    const said = await run('doctor', '--dir', join(folder.dir, 'nowhere'))
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('is it the folder of a node?') })
  })
})

describe('a layer that fails is named, with its cure', () => {
  it('settings: a field that cannot be', async () => {
    await configure('mesh', { maxPeers: 0 })
    const said = await run('doctor', '--dir', dir)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('NODE_UNWELL: settings') })
    expect(said.out).toMatch(/^FAIL +settings .*mesh\.maxPeers = 0/m)
  })

  it('address: a port that another program has', async () => {
    const port = await listening()
    await configure('ocpp', { listen: `127.0.0.1:${port}` })
    expect(await diagnosed('address')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining(`ocpp.listen 127.0.0.1:${port}: another program listens there`),
    })
  })

  it('address: one port for two doors', async () => {
    const port = await freePort()
    await configure('ocpp', { listen: `127.0.0.1:${port}` })
    await configure('mesh', { listen: `0.0.0.0:${port}` })
    expect((await diagnosed('address'))?.says).toContain(`mesh.listen and ocpp.listen both want port ${port}`)
  })

  it('address: one that this machine has not', async () => {
    await configure('mesh', { listen: '203.0.113.7:4001' })
    expect(await diagnosed('address')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('this machine has no such address'),
    })
  })

  it('address: no peer answers; one of two is a warning', async () => {
    const [dead, alive] = [await freePort(), await listening()]
    await configure('mesh', { peers: [`127.0.0.1:${dead}`] })
    const words = `peer 127.0.0.1:${dead}: the machine is there and no node listens`
    expect(await diagnosed('address')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining(words),
    })
    await configure('mesh', { peers: [`127.0.0.1:${dead}`, `127.0.0.1:${alive}`] })
    expect(await diagnosed('address')).toMatchObject({
      verdict: 'warn',
      says: expect.stringContaining(words),
    })
    await configure('mesh', { peers: [`127.0.0.1:${dead}`] })
    const remembered = [{ deviceId: '00'.repeat(16), host: '127.0.0.1', port: alive }]
    await writeFile(join(dir, 'addresses.json'), JSON.stringify(remembered))
    expect(await diagnosed('address')).toMatchObject({ verdict: 'warn' })
    await writeFile(join(dir, 'addresses.json'), '[')
    expect(await diagnosed('address')).toMatchObject({
      says: expect.stringContaining('addresses.json cannot be read'),
    })
  })

  it('address: a node of another site', async () => {
    const other = await foundSite(join(folder.dir, 'other'))
    const stranger = await runNode(other.nodeDir)
    await configure('mesh', { peers: [stranger.meshAddresses[0]] })
    node = await runNode(dir)
    const says =
      'no peer is connected, although an address answers; the last to be refused, 127.0.0.1: a node of another site is there: correct mesh.peers'
    try {
      await until(async () => (await diagnosed('address'))?.says.includes(says) === true, {
        withinMs: 10_000,
        what: 'it is said',
      })
    } finally {
      await stranger.close()
    }
  })

  it.each([
    [0, 'which is long ago'],
    [Date.now() - 700 * DAY_MS, 'which is long ago'],
    [Date.now() - 40 * DAY_MS, 'begins only on'],
  ])('clock: one that says %i', async (nowAt, words) => {
    expect(await diagnosed('clock', nowAt)).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining(words),
    })
  })

  it('clock: one that went back behind what this node wrote, and behind what others did', async () => {
    await writeEntry()
    const back = await diagnosed('clock', Date.now() - 23 * 3600 * 1000)
    expect(back).toMatchObject({ verdict: 'fail', says: expect.stringContaining('the clock went back') })
    expect(back?.says).toContain('issuer wrote entries')
    expect(await diagnosed('clock', Date.now() + 5000)).toMatchObject({ verdict: 'ok' })
  })

  it('clock: one that the cloud’s contradicts', async () => {
    const web = createWeb((_, response) => {
      response.setHeader('date', new Date(Date.now() + 365 * DAY_MS).toUTCString())
      response.end()
    })
    servers.push(web)
    web.listen(0, '127.0.0.1')
    await once(web, 'listening')
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
    await writeFile(join(dir, 'uplinks.json'), JSON.stringify([{ name: 'van', url }]))
    expect(await diagnosed('clock')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('365 days behind that of van'),
    })
  })

  it('key: a file that others may read', async () => {
    await chmod(join(dir, 'identity.json'), 0o644)
    expect(await diagnosed('key')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('chmod 600'),
    })
  })

  it('key: another node’s, a lost site key, and none at all', async () => {
    const { keys } = await readIdentity(join(site, 'cloud'))
    await change(identity => ({ ...identity, keys: { ...identity.keys, logKey: keys.logKey } }))
    expect(await diagnosed('key')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('logKey of'),
    })
    await change(({ siteKey: _, ...identity }) => identity)
    expect((await diagnosed('key'))?.says).toContain('has lost the site key')
    await rm(join(dir, 'identity.json'))
    expect(await diagnosed('key')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('node join'),
    })
  })

  it('key: one that is encrypted opens with its secret only, and so does the store', async () => {
    const [secret, sealed] = [join(folder.dir, 'secret'), join(folder.dir, 'sealed')]
    await writeFile(secret, 'a passphrase that is long enough', { mode: 0o600 })
    const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--passphrase-file', secret]
    await mustRun('node', 'join', '--site', site, '--dir', sealed, '--name', 'pole-2', ...ports)
    dir = sealed
    await expect(run('doctor', '--dir', sealed, '--passphrase-file', secret)).resolves.toMatchObject({
      code: 0,
    })
    await writeFile(secret, 'another passphrase, which is wrong')
    const said = await run('doctor', '--dir', sealed, '--passphrase-file', secret)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('key') })
    expect(said.out).toMatch(/^FAIL +key /m)
  })

  it.each([
    ['fail', 'its days of grace', { fromAt: Date.now() - 400 * DAY_MS, toAt: Date.now() - 31 * DAY_MS }],
    ['warn', 'in grace until', { fromAt: Date.now() - 400 * DAY_MS, toAt: Date.now() - DAY_MS }],
    ['warn', 'ends in 10 days', { fromAt: Date.now() - 400 * DAY_MS, toAt: Date.now() + 10 * DAY_MS }],
  ])('certificate: %s, %s; and `node run` says the same', async (verdict, words, valid) => {
    await recertify(valid)
    expect(await diagnosed('certificate')).toMatchObject({ verdict, says: expect.stringContaining(words) })
    node = await runNode(dir)
    expect(node.warnings.join()).toContain(words)
  })

  it('clock: before the certificate begins; `node run` says the same', async () => {
    await recertify({ fromAt: Date.now() + 5 * DAY_MS, toAt: Date.now() + 90 * DAY_MS })
    expect(await diagnosed('clock')).toMatchObject({ verdict: 'fail' })
    node = await runNode(dir)
    expect(node.warnings.join()).toContain('begins only on')
  })

  it('certificate: one that has ended counts no more when the log has a newer one', async () => {
    await recertify({ fromAt: Date.now() - 400 * DAY_MS, toAt: Date.now() - 31 * DAY_MS }, 1)
    expect(await diagnosed('certificate')).toMatchObject({ verdict: 'ok' })
    node = await runNode(dir)
    expect(node.warnings).toEqual([])
    expect(await diagnosed('certificate')).toMatchObject({ verdict: 'ok' })
  })

  it('certificate: of another site, and one that was changed', async () => {
    await mustRun('site', 'init', join(folder.dir, 'other'), '--name', 'South Stand')
    const other = await readIdentity(join(folder.dir, 'other', 'issuer'))
    const own = await readIdentity(dir)
    await change(identity => ({ ...identity, site: other.site }))
    expect(await diagnosed('certificate')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('another site'),
    })
    await change(() => ({ ...own, certificates: own.certificates.map(text => text.replace(/..$/, 'ff')) }))
    expect(await diagnosed('certificate')).toMatchObject({ verdict: 'fail' })
    await expect(runNode(dir)).rejects.toThrow('`chargemesh doctor` says what to do')
  })

  it('certificate: revoked, stopped or running', async () => {
    node = await runNode(dir)
    await mustRun('node', 'revoke', 'pole-1', '--site', site, '--via', dir, '--stolen')
    const revoked = { verdict: 'fail', says: expect.stringContaining('was revoked') }
    expect(await diagnosed('certificate')).toMatchObject(revoked)
    await node.close()
    node = undefined
    expect(await diagnosed('certificate')).toMatchObject(revoked)
  })

  it('store: a journal with a hole, which stays as it is', async () => {
    const file = join(dir, 'journal', '00000001.cmj')
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0xff, 40, 60))
    const before = await contents()
    expect(await diagnosed('store')).toMatchObject({
      verdict: 'fail',
      says: expect.stringMatching(/journal is damaged in 1 places .*00000001\.cmj/),
    })
    expect(await contents()).toEqual(before)
  })

  it('store: an end that a power loss cut is a warning, and is left for the start to mend', async () => {
    const file = join(dir, 'journal', '00000001.cmj')
    await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('CM junk')]))
    const before = await contents()
    expect(await diagnosed('store')).toMatchObject({
      verdict: 'warn',
      says: expect.stringContaining('power loss'),
    })
    expect(await contents()).toEqual(before)
  })

  it('store: a folder that another process holds and does not answer for', async () => {
    node = await runNode(dir)
    await rm(join(dir, 'api.json'))
    expect(await diagnosed('store')).toMatchObject({
      verdict: 'fail',
      says: expect.stringContaining('used by a running chargemesh node'),
    })
  })

  it('store: documents that cannot be read are made anew by themselves', async () => {
    await mkdir(join(dir, 'documents'))
    await writeFile(join(dir, 'documents', 'CURRENT'), 'nonsense')
    expect(await diagnosed('store')).toMatchObject({
      verdict: 'warn',
      says: expect.stringContaining('makes it anew'),
    })
  })

  it('uplink: a cloud that is away is a warning, since the site goes on', async () => {
    const url = `https://127.0.0.1:${await freePort()}`
    await writeFile(join(dir, 'uplinks.json'), JSON.stringify([{ name: 'van', url }]))
    expect(await diagnosed('uplink')).toMatchObject({
      verdict: 'warn',
      says: expect.stringContaining('nothing listens'),
    })
    await writeFile(join(dir, 'uplinks.json'), '{')
    expect(await diagnosed('uplink')).toMatchObject({
      verdict: 'warn',
      says: expect.stringContaining('uplinks.json'),
    })
  })

  it('multicast: a port that another program keeps; worse where no address is known either', async () => {
    const socket = createSocket('udp4')
    socket.bind(0)
    await once(socket, 'listening')
    const config = parseNodeConfig('node.yaml', await readFile(join(dir, 'node.yaml'), 'utf8'))
    const patient: Patient = {
      ...{ dir, nowAt: Date.now(), config, identity: await readIdentity(dir) },
      ...{ running: undefined, store: undefined, uplinks: [], remembered: [] },
    }
    const group = { host: '224.0.0.251', port: socket.address().port }
    const alone = await examineMulticast(patient, group)
    expect(alone.troubles).toMatchObject([{ verdict: 'fail', says: expect.stringContaining('EADDRINUSE') }])
    const told = { ...patient, remembered: [{ host: '10.0.0.1', port: 1 }] }
    expect((await examineMulticast(told, group)).troubles).toMatchObject([{ verdict: 'warn' }])
    socket.close()
  })

  it('multicast: not looked for where it is off', async () => {
    await configure('mesh', { discovery: 'off' })
    expect(await diagnosed('multicast')).toMatchObject({
      verdict: 'ok',
      says: expect.stringContaining('is off'),
    })
  })
})

// Chargers over TLS at a real site, from the command line on: one certificate on all nodes, a charger that pins its authority
// and fails over with a running session, certificates for chargers by file and over OCPP, and renewal while nodes run.
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket, { type ClientOptions } from 'ws'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, tempFolder } from './operator-site.ts'

const NAMES = 'ocpp.stadium.local,127.0.0.1'
let folder: Awaited<ReturnType<typeof tempFolder>>
let site = ''
let ca = ''
const dirs = { a: '', b: '' }
const nodes: { a?: RunningNode; b?: RunningNode } = {}
const chargers: VirtualCharger[] = []
const sockets: WebSocket[] = []

const portOf = (node: RunningNode | undefined) => Number(new URL(node?.ocppUrl ?? '').port)
const urlOf = (node: RunningNode | undefined) => `wss://127.0.0.1:${portOf(node)}/ocpp`
/** Both are told: after its restart one does not know where the other is. */
const operator = (...words: readonly string[]) =>
  mustRun(...words, '--site', site, '--via', dirs.a, '--via', dirs.b)

beforeAll(async () => {
  folder = await tempFolder()
  site = join(folder.dir, 'site')
  await mustRun('site', 'init', site, '--name', 'North Stand', '--ocpp-name', NAMES)
  ca = await readFile(join(site, 'charger-ca.pem'), 'utf8')
  for (const name of ['a', 'b'] as const) {
    dirs[name] = join(folder.dir, name)
    // An address of the network: over TLS without another word.
    const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '0.0.0.0:0', '--no-discovery']
    const peers = (nodes.a?.meshAddresses ?? []).flatMap(peer => ['--peer', peer])
    await mustRun(
      'node',
      'join',
      '--site',
      site,
      '--dir',
      dirs[name],
      '--name',
      `pole-${name}`,
      ...ports,
      ...peers,
    )
    nodes[name] = await runNode(dirs[name])
  }
}, 60_000)

afterAll(async () => {
  for (const charger of chargers) charger.close()
  for (const socket of sockets) socket.terminate()
  await nodes.a?.close()
  await nodes.b?.close()
  await folder.remove()
})

async function shownAt(
  node: RunningNode | undefined,
): Promise<{ fingerprint: string; names: string | undefined }> {
  const socket = connect({ host: '127.0.0.1', port: portOf(node), ca, servername: 'ocpp.stadium.local' })
  await once(socket, 'secureConnect')
  const shown = socket.getPeerX509Certificate()
  socket.destroy()
  return { fingerprint: shown?.fingerprint256 ?? '', names: shown?.subjectAltName }
}

/** The node's door: 101 when it opens, or what it answers, or what the client has against the node. */
async function knock(identity: string, options: ClientOptions): Promise<number | string> {
  const entered = await enter(identity, options)
  if (!(entered instanceof WebSocket)) return entered
  entered.terminate()
  return 101
}

function enter(identity: string, options: ClientOptions): Promise<number | string | WebSocket> {
  const ws = new WebSocket(`${urlOf(nodes.a)}/${identity}`, ['ocpp1.6'], { ca, ...options })
  sockets.push(ws)
  return new Promise(resolve => {
    ws.once('open', () => resolve(ws))
    ws.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    ws.once('error', error => resolve((error as { code?: string }).code ?? error.message))
  })
}

const basic = (user: string, password: string) => ({
  headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
})

describe('a site with an authority for chargers', () => {
  it('shows one certificate on all nodes, and keeps its key out of what is printed', async () => {
    const [a, b] = [await shownAt(nodes.a), await shownAt(nodes.b)]
    expect(a).toEqual(b)
    expect(a.names).toBe('DNS:ocpp.stadium.local, IP Address:127.0.0.1')
    const added = await operator('charger', 'add', 'CP09', '--json')
    const [said] = JSON.parse(added.out) as readonly Record<string, unknown>[]
    expect(said).toMatchObject({ profile: 2, url: 'wss://ocpp.stadium.local:8887/ocpp/' })
    expect(await readFile(String(said?.caFile), 'utf8')).toBe(ca)
    expect(added.out).not.toContain('PRIVATE KEY')
  })

  it('says of a charger that is added again what that undoes, and takes none without a connector', async () => {
    expect((await operator('charger', 'add', 'CP10')).out).not.toContain('anew')
    expect((await operator('charger', 'add', 'CP10')).out).toContain(
      'added anew: CP10; what was said of them',
    )
    const none = await run('charger', 'add', 'CP11', '--connectors', '0', '--site', site)
    expect(none).toMatchObject({ code: 1, error: expect.stringContaining('--connectors 0') })
  })

  it('lets a charger that pins the authority go from one node to another in mid-session', async () => {
    const added = JSON.parse((await operator('charger', 'add', 'CP01', '--json')).out) as {
      password: string
    }[]
    await operator('token', 'add', 'CARD1')
    const charger = openVirtualCharger({
      ...{ identity: 'CP01', password: added[0]?.password ?? '', connectors: 1, ca },
      urls: [urlOf(nodes.a), urlOf(nodes.b)],
      random: { bytes: length => new Uint8Array(randomBytes(length)) },
      ...{ meterIntervalMs: 100, retryIntervalMs: 50, timeScale: 600 },
    })
    chargers.push(charger)
    await until(charger.booted, { withinMs: 10_000, what: 'boots over TLS' })
    charger.plugIn(1)
    expect((await charger.tap(1, 'CARD1')).accepted).toBe(true)
    const sessionsAt = (dir: string) =>
      asked<readonly { state: string; energyWh?: number }[]>(dir, '/v1/sessions')
    await until(async () => (await sessionsAt(dirs.b)).length === 1, {
      withinMs: 10_000,
      what: 'b has heard',
    })
    await nodes.a?.close()
    delete nodes.a
    await until(() => charger.connected() && charger.url().startsWith(urlOf(nodes.b)), {
      withinMs: 15_000,
      what: 'it is at b',
    })
    const fromWh = charger.registerWh(1)
    await until(() => charger.registerWh(1) > fromWh, { withinMs: 10_000, what: 'it charges on' })
    await charger.stop(1)
    await charger.settled()
    const [session, ...others] = await sessionsAt(dirs.b)
    expect(others).toEqual([])
    const [metered] = charger.sessions()
    expect(session?.energyWh).toBe((metered?.meterStopWh ?? 0) - (metered?.meterStartWh ?? 0))
    nodes.a = await runNode(dirs.a)
  }, 60_000)
})

describe('a charger with a certificate', () => {
  it('is made one from the command line, and comes in by it and nothing else', async () => {
    await operator('charger', 'add', 'CP03', '--profile', '3')
    const made03 = join(folder.dir, 'for CP03')
    const made = JSON.parse(
      (await operator('charger', 'certificate', 'issue', 'CP03', '--out', made03, '--json')).out,
    ) as { keyFile: string; certificateFile: string; sha256: string }
    const cert = await readFile(made.certificateFile, 'utf8')
    const key = await readFile(made.keyFile, 'utf8')
    expect(new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase()).toBe(made.sha256)
    expect(await knock('CP03', { key, cert })).toBe(101)
    expect(await knock('CP03', basic('CP03', 'x'.repeat(24)))).toBe(401)
    const again = await run('charger', 'certificate', 'issue', 'CP03', '--out', made03, '--site', site)
    expect(again).toMatchObject({ code: 1, error: expect.stringContaining('never overwritten') })
  })

  it('asks for it over OCPP, and the operator signs it', async () => {
    const [{ password }] = JSON.parse((await operator('charger', 'add', 'CP04', '--json')).out) as [
      { password: string },
    ]
    const ws = await enter('CP04', basic('CP04', password))
    if (!(ws instanceof WebSocket)) throw new Error(`not let in: ${ws}`)
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])
    const request = await Pkcs10CertificateRequestGenerator.create({
      ...{ name: 'CN=SN-4711, O=Somebody', keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } },
    })
    const heard: unknown[][] = []
    ws.on('message', text => {
      const frame = JSON.parse(String(text)) as unknown[]
      heard.push(frame)
      if (frame[0] === 2) ws.send(JSON.stringify([3, frame[1], { status: 'Accepted' }]))
    })
    const none = await run('charger', 'certificate', 'sign', 'CP04', '--site', site, '--via', dirs.a)
    expect(none).toMatchObject({ code: 1, error: expect.stringContaining('has not asked') })
    const csr = request.toString('pem')
    ws.send(JSON.stringify([2, '1', 'SignCertificate', { csr: 'nonsense' }]))
    ws.send(JSON.stringify([2, '2', 'SignCertificate', { csr }]))
    await until(() => heard.length === 2, { withinMs: 5000, what: 'both are answered' })
    expect(heard).toEqual([
      [3, '1', { status: 'Rejected' }],
      [3, '2', { status: 'Accepted' }],
    ])
    const listed = await mustRun('charger', 'certificate', 'requests', '--via', dirs.a, '--json')
    expect(JSON.parse(listed.out)).toMatchObject([
      { chargerId: 'CP04', commonName: 'SN-4711', organization: 'Somebody', key: 'EC-P-256' },
    ])
    await operator('charger', 'certificate', 'sign', 'CP04')
    const [, , action, params] = heard[2] ?? []
    expect(action).toBe('CertificateSigned')
    const cert = String((params as { certificateChain?: unknown }).certificateChain)
    expect(new X509Certificate(cert).verify(new X509Certificate(ca).publicKey)).toBe(true)
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    const key = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`
    ws.terminate()
    await until(async () => (await knock('CP04', { key, cert })) === 101, {
      withinMs: 10_000,
      what: 'it comes in by its certificate',
    })
    expect(
      JSON.parse((await mustRun('charger', 'certificate', 'requests', '--via', dirs.a, '--json')).out),
    ).toEqual([])
  })

  it('is given the authority over OCPP', async () => {
    const [{ password }] = JSON.parse((await operator('charger', 'add', 'CP05', '--json')).out) as [
      { password: string },
    ]
    const ws = await enter('CP05', basic('CP05', password))
    if (!(ws instanceof WebSocket)) throw new Error(`not let in: ${ws}`)
    const calls: unknown[][] = []
    ws.on('message', text => {
      const frame = JSON.parse(String(text)) as unknown[]
      calls.push(frame.slice(2))
      ws.send(
        JSON.stringify([
          3,
          frame[1],
          { status: frame[2] === 'GetInstalledCertificateIds' ? 'NotFound' : 'Accepted' },
        ]),
      )
    })
    const via = ['--via', dirs.a]
    await mustRun('charger', 'certificate', 'install', 'CP05', '--site', site, ...via)
    await mustRun('charger', 'certificate', 'installed', 'CP05', ...via)
    await mustRun('charger', 'certificate', 'request', 'CP05', ...via)
    expect(calls).toEqual([
      ['InstallCertificate', { certificateType: 'CentralSystemRootCertificate', certificate: ca }],
      ['GetInstalledCertificateIds', { certificateType: 'CentralSystemRootCertificate' }],
      ['ExtendedTriggerMessage', { requestedMessage: 'SignChargePointCertificate' }],
    ])
  })
})

describe('renewal', () => {
  it('is shown by all running nodes without a restart, and chargers that pin the authority notice nothing', async () => {
    const before = await shownAt(nodes.a)
    await operator('site', 'tls', '--ocpp-name', `${NAMES},10.0.0.5`)
    for (const node of [nodes.a, nodes.b])
      await until(async () => (await shownAt(node)).fingerprint !== before.fingerprint, {
        withinMs: 15_000,
        what: 'the new one is shown',
      })
    expect(await shownAt(nodes.a)).toEqual(await shownAt(nodes.b))
    expect((await shownAt(nodes.b)).names).toContain('10.0.0.5')
  }, 60_000)

  it('under another authority leaves nobody out, and after a theft voids the certificates of the old one', async () => {
    const key = await readFile(join(folder.dir, 'for CP03', 'CP03.key.pem'), 'utf8')
    const cert = await readFile(join(folder.dir, 'for CP03', 'CP03.cert.pem'), 'utf8')
    await operator('site', 'tls', '--new-ca')
    const newCa = await readFile(join(site, 'charger-ca.pem'), 'utf8')
    expect(newCa).not.toBe(ca)
    await until(async () => (await knock('CP03', { key, cert, ca: newCa })) === 101, {
      withinMs: 15_000,
      what: 'the node shows the new authority, and still believes the old one',
    })
    // The old authority vouches for the new one: who knows only that comes in, and can be given the new one.
    expect(await knock('CP03', { key, cert })).toBe(101)
    await operator('site', 'tls', '--new-ca', '--stolen')
    const third = await readFile(join(site, 'charger-ca.pem'), 'utf8')
    await until(async () => (await knock('CP03', { key, cert, ca: third })) === 401, {
      withinMs: 15_000,
      what: 'the old certificate is void',
    })
    expect(await knock('CP03', { key, cert })).toMatch(/CERT|VERIFY/)
  }, 60_000)
})

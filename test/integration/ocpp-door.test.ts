import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:net'
import { generate } from 'selfsigned'
import { afterEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { openCentral } from '../../src/ocpp/central.ts'
import { makeCredential } from '../../src/ocpp/credential.ts'
import { clock, openSite, PASSWORD, type RawCharger, random, type Site, until } from './ocpp-site.ts'

let site: Site | undefined

async function open(...args: Parameters<typeof openSite>): Promise<Site> {
  site = await openSite(...args)
  return site
}

afterEach(async () => {
  await site?.close()
  site = undefined
})

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

type Asking = { readonly headers?: Readonly<Record<string, string>>; readonly port: number }

/** Asks for an upgrade with a raw path and gives the status code of the answer. */
function upgrade(path: string, { port, headers = {} }: Asking): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request({
      port,
      host: '127.0.0.1',
      path,
      headers: {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        'sec-websocket-version': '13',
        'sec-websocket-protocol': 'ocpp1.6',
        authorization: basic('CP1', PASSWORD),
        ...headers,
      },
    })
    asking.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    })
    asking.on('response', response => {
      response.resume()
      resolve(response.statusCode)
    })
    asking.on('error', reject)
    asking.end()
  })
}

/** Sends bytes that an HTTP client would refuse to send; resolves to the first line of the answer. */
function rawRequest(port: number, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(head))
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('close', () => resolve(text.split('\r\n')[0] ?? ''))
    socket.on('error', reject)
  })
}

describe('the door', () => {
  it('refuses hostile paths, says why in the log, and stays open for the next one', async () => {
    const { central, lines } = await open()
    const { port } = central
    for (const path of [
      '/x/CP%zz',
      '/ocpp/CP1%00',
      '/ocpp/../CP1',
      '/ocpp/%2e%2e',
      '/ocpp/CP1/',
      '/',
      '/a//CP1',
    ]) {
      expect([path, await upgrade(path, { port })]).toEqual([path, 400])
    }
    expect(await upgrade('/ocpp/CP1$', { port })).toBe(404)
    expect(await upgrade(`/ocpp/${'x'.repeat(49)}`, { port })).toBe(404)
    expect(await upgrade(`/ocpp/${'x'.repeat(300)}`, { port })).toBe(400)
    expect(await upgrade('/any/prefix/CP1?x=1', { port })).toBe(101)
    expect(central.refusals()).toEqual({ 'bad-path': 8, 'bad-identity': 2 })
    expect(lines.filter(line => line.includes('charger-refused'))).toHaveLength(10)
    expect(lines.join()).not.toContain('%zz')
  })

  it('survives requests that are no requests', async () => {
    const { central } = await open()
    for (const head of [
      'GET /x/CP%zz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET \u0000 HTTP/1.1\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5000)}\r\n`,
      'POST /ocpp/CP1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET http://[/CP1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ]) {
      expect(await rawRequest(central.port, head)).toMatch(/^HTTP\/1\.1 4\d\d /)
    }
    expect(await upgrade('/ocpp/CP1', { port: central.port })).toBe(101)
  })

  it('refuses a malformed WebSocket handshake of a proven charger', async () => {
    const { central } = await open()
    const { port } = central
    expect(await upgrade('/ocpp/CP1', { port, headers: { 'sec-websocket-key': 'short' } })).toBe(400)
    expect(await upgrade('/ocpp/CP1', { port, headers: { 'sec-websocket-version': '7' } })).toBe(400)
    expect(await upgrade('/ocpp/CP1', { port })).toBe(101)
  })

  it('lets nobody in without the right password, and locks a place that keeps trying', async () => {
    const { central } = await open()
    const { port } = central
    const tryPassword = (user: string, password: string, path = '/ocpp/CP1') =>
      upgrade(path, { port, headers: { authorization: basic(user, password) } })
    expect(await upgrade('/ocpp/CP1', { port, headers: { authorization: 'Bearer x' } })).toBe(401)
    expect(await tryPassword('CP2', PASSWORD)).toBe(401)
    expect(await tryPassword('XX9', PASSWORD, '/ocpp/XX9')).toBe(401)
    for (let i = 0; i < 5; i++) expect(await tryPassword('CP1', 'wrong password')).toBe(401)
    expect(await tryPassword('CP1', PASSWORD)).toBe(429)
    // Another charger behind the same address is not locked out.
    expect(await tryPassword('CP2', PASSWORD, '/ocpp/CP2')).toBe(101)
    expect(central.refusals()).toEqual({
      ...{ 'no-password': 1, 'wrong-user': 1, 'wrong-password': 5, 'unknown-charger': 1, locked: 1 },
    })
  })

  it('puts out a charger that is withdrawn while it is connected, and no other', async () => {
    const credential = await makeCredential(PASSWORD, random)
    const known = new Set<string>(['CP1', 'CP2'])
    const { socket, central } = await open({ credential: id => (known.has(id) ? credential : undefined) })
    const [first, second] = [await socket('CP1'), await socket('CP2')]
    known.delete('CP1')
    await until('put out', first.closed)
    await until('gone', () => central.connected().length === 1)
    expect(second.closed()).toBe(false)
    await expect(socket('CP1')).rejects.toThrow()
  })

  it('takes any case of the subprotocol, none at all with a note, and no other', async () => {
    const { central, url, inputs } = await open()
    const { port } = central
    expect(await upgrade('/ocpp/CP1', { port, headers: { 'sec-websocket-protocol': 'ocpp2.1' } })).toBe(400)
    const headers = (id: string) => ({ authorization: basic(id, PASSWORD) })
    const shouting = new WebSocket(`${url}/CP2`, ['ocpp1.5', 'OCPP1.6'], { headers: headers('CP2') })
    const silent = new WebSocket(`${url}/CP3`, { headers: headers('CP3') })
    await until('both open', () => shouting.readyState === 1 && silent.readyState === 1)
    expect(shouting.protocol).toBe('OCPP1.6')
    silent.send('[2,"1","Heartbeat",{}]')
    await until('served', () =>
      inputs.some(({ chargerId, message }) => chargerId === 'CP3' && message.kind === 'heartbeat'),
    )
    expect(inputs.find(({ chargerId }) => chargerId === 'CP3')?.repairs).toEqual(['no-subprotocol'])
    expect(inputs.find(({ chargerId }) => chargerId === 'CP2')?.repairs).toEqual([])
    shouting.terminate()
    silent.terminate()
  })

  it('says to whoever moves a floating address whether it can serve, and nothing else', async () => {
    let healthy = true
    const { central } = await open({ healthy: () => healthy })
    const ask = async (path: string, method = 'GET') =>
      (await fetch(`http://127.0.0.1:${central.port}${path}`, { method })).status
    expect(await ask('/health')).toBe(200)
    expect(await ask('/health', 'HEAD')).toBe(200)
    expect(await ask('/health', 'POST')).toBe(404)
    expect(await ask('/health/')).toBe(404)
    healthy = false
    expect(await ask('/health')).toBe(503)
    expect(await (await fetch(`http://127.0.0.1:${central.port}/health`)).text()).toBe('')
  })

  it('serves chargers over TLS', async () => {
    const pem = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    const secure = await open({ tls: { key: [pem.private], cert: [pem.cert], ca: [] } })
    const charger = secure.charger({ ca: pem.cert })
    await until('booted', charger.booted)
    expect(secure.url).toMatch(/^wss:/)
  })

  it('is not opened in clear to a network unless somebody says so, and then complains', async () => {
    const options = {
      listen: { host: '0.0.0.0', port: 0 },
      credential: () => undefined,
      tokenReference: async () => Promise.reject(new Error('unused')),
      handle: async () => ({ kind: 'noted' }) as const,
      healthy: () => true,
      clock,
      random,
    }
    const lines: string[] = []
    const write = (event: string) => void lines.push(event)
    const logger = { debug: write, info: write, warn: write, error: write }
    await expect(openCentral({ ...options, logger, insecure: false })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    const central = await openCentral({ ...options, logger, insecure: true })
    expect(lines).toEqual(['ocpp-insecure'])
    await central.close()
  })
})

describe('a second connection of one charger', () => {
  const heartbeat = async (raw: RawCharger) => {
    const before = raw.frames.length
    raw.send([2, `h${before}`, 'Heartbeat', {}])
    await until('heartbeat answered', () => raw.frames.length > before)
  }

  it('is refused while the first one lives, with an alarm', async () => {
    const { central, socket, lines } = await open()
    const first = await socket()
    await expect(socket()).rejects.toThrow('409')
    await heartbeat(first)
    expect(lines.some(line => line.startsWith('error charger-duplicate'))).toBe(true)
    expect(central.status()[0]).toMatchObject({
      chargerId: 'CP1',
      connected: true,
      refused: { duplicate: 1 },
    })
  })

  it('takes the place of one that is dead, and the node hears of both ends in order', async () => {
    const { central, socket, inputs, lines } = await open()
    const first = await socket()
    // A peer that vanished: its socket stays open and says nothing any more.
    first.ws.pause()
    const second = await socket()
    await heartbeat(second)
    expect(central.connected()).toEqual(['CP1'])
    expect(lines.some(line => line.includes('charger-replaced'))).toBe(true)
    await until('told', () => inputs.some(({ message }) => message.kind === 'disconnected'))
    const [opening, ...later] = inputs.map(({ connectionId, message }) => [connectionId, message.kind])
    expect(opening?.[1]).toBe('connected')
    const older = Number(opening?.[0])
    expect(later).toEqual([
      [older, 'disconnected'],
      [older + 1, 'connected'],
      [older + 1, 'heartbeat'],
    ])
  })
})

// The door by security profile, with real TLS sockets: who comes in by what it shows, and each way of showing the wrong thing.
import { createHash, webcrypto, X509Certificate } from 'node:crypto'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import WebSocket, { type ClientOptions } from 'ws'
import {
  type Authority,
  type KeyPair,
  makeAuthority,
  makeChargerPair,
  makeServerPairs,
  readCsr,
  type ServerPairs,
  signCsr,
} from '../../src/host/charger-ca.ts'
import { type ChargerCredential, makeCredential } from '../../src/ocpp/credential.ts'
import type { Registration } from '../../src/ocpp/profile.ts'
import type { TlsMaterial } from '../../src/ocpp/tls-door.ts'
import { openSite, PASSWORD, random, type Site, until } from './ocpp-site.ts'

const YEAR_MS = 365 * 24 * 3600 * 1000
const now = Date.now()
let authority: Authority
let stranger: Authority
let server: ServerPairs
let strangers: ServerPairs
let credential: ChargerCredential
let site: Site
const own: Record<string, KeyPair> = {}
const chargers: Record<string, Registration> = {
  ...{ CP0: { profile: 0 }, CP1: { profile: 1 }, CP2: { profile: 2 }, CP3: { profile: 3 }, CPold: {} },
}

beforeAll(async () => {
  authority = await makeAuthority('North Stand', now)
  stranger = await makeAuthority('North Stand', now)
  server = await makeServerPairs(authority, ['localhost', '127.0.0.1'], now)
  strangers = await makeServerPairs(stranger, ['localhost', '127.0.0.1'], now)
  credential = await makeCredential(PASSWORD, random)
  for (const id of ['CP2', 'CP3', 'CP5']) own[id] = await makeChargerPair(authority, id, now)
  own.newer = await makeChargerPair(authority, 'CP5', now)
  own.foreign = await makeChargerPair(stranger, 'CP3', now)
  own.expired = await makeChargerPair(authority, 'CP3', now - 4 * YEAR_MS)
  own.early = await makeChargerPair(authority, 'CP3', now + YEAR_MS)
  own.posing = await posing()
  const hashes = (...names: readonly string[]) => names.map(name => hashOf(own[name]?.certificate ?? ''))
  chargers.CP2 = { profile: 2, certificates: hashes('CP2') }
  chargers.CP3 = { profile: 3, certificates: hashes('CP3', 'foreign', 'expired', 'early', 'posing') }
  chargers.CP5 = { profile: 3, certificates: hashes('newer') }
})

/** Made for CP2 by the operator, from a request in the common name of another charger. */
async function posing(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=CP3',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  const request = await readCsr(csr.toString('pem'))
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
    certificate: await signCsr(authority, request, { identity: 'CP2', nowAt: now }),
  }
}

const hashOf = (pem: string) =>
  new Uint8Array(createHash('sha256').update(new X509Certificate(pem).raw).digest())
const materialOf = ({ ecdsa, rsa }: ServerPairs, ca: readonly Authority[]): TlsMaterial => ({
  key: [ecdsa.key, rsa.key],
  cert: [ecdsa.certificate, rsa.certificate],
  ca: ca.map(one => one.certificate),
})

beforeEach(async () => {
  await site?.close()
  site = await openSite({
    tls: materialOf(server, [authority]),
    listenTls: { host: '127.0.0.1', port: 0 },
    credential: id => {
      const registered = chargers[id]
      return registered && { ...credential, ...registered }
    },
  })
})

afterAll(async () => {
  await site.close()
})

type Showing = ClientOptions & {
  readonly password?: string
  readonly scheme?: 'ws' | 'wss'
  readonly port?: number
}

/** 101 when it is let in, else the status of the answer, or what the client itself has against the server. */
function knock(
  identity: string,
  { password, scheme = 'wss', port, ...options }: Showing = {},
): Promise<number | string> {
  const { central } = site
  const at = port ?? (scheme === 'wss' ? central.portTls : central.port)
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  return new Promise(resolve => {
    const ws = new WebSocket(`${scheme}://127.0.0.1:${at}/ocpp/${identity}`, ['ocpp1.6'], {
      ...{ ca: authority.certificate, ...options },
      ...(password !== undefined && { headers: { authorization } }),
    })
    ws.once('open', () => {
      ws.terminate()
      resolve(101)
    })
    ws.once('unexpected-response', (_request: ClientRequest, response: IncomingMessage) => {
      response.destroy()
      resolve(response.statusCode ?? 0)
    })
    ws.once('error', error => resolve(wordOf(error)))
  })
}

/** The code of a fault; of one in the handshake the alert that the server sent. */
function wordOf({ code, message }: Error & { code?: string }): string {
  return code === undefined || code === 'EPROTO' ? message : code
}

const shown = (name: string): ClientOptions => {
  const pair = own[name]
  return { key: pair?.key, cert: pair?.certificate }
}

describe('a charger of security profile 2', () => {
  it('comes in over TLS with its password, by either kind of certificate and each suite that OCPP asks for', async () => {
    for (const ciphers of [
      ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
      ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384'],
    ]) {
      const old = { ciphers, maxVersion: 'TLSv1.2' } as const
      expect([ciphers, await knock('CP2', { ...old, password: PASSWORD })]).toEqual([ciphers, 101])
    }
    expect(await knock('CP2', { password: PASSWORD, minVersion: 'TLSv1.3' })).toBe(101)
  })

  it('finds nobody who speaks TLS 1.1 or a suite that OCPP does not ask for', async () => {
    const weak = { ciphers: 'AES128-SHA:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const
    expect(await knock('CP2', { ...weak, password: PASSWORD })).toMatch(/handshake failure/)
    const old = { ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } as const
    expect(await knock('CP2', { ...old, password: PASSWORD })).toMatch(/protocol version/)
    await until('counted', () => site.central.refusals()['tls-failed'] === 2)
  })

  it('is refused with a wrong password and with none', async () => {
    expect(await knock('CP2', { password: 'a wrong password' })).toBe(401)
    expect(await knock('CP2')).toBe(401)
    expect(site.central.refusals()).toEqual({ 'wrong-password': 1, 'no-password': 1 })
  })

  it('is locked after five wrong passwords, over TLS as in the clear; another charger is not', async () => {
    for (let i = 0; i < 5; i++) expect(await knock('CP2', { password: `wrong password ${i}` })).toBe(401)
    expect(await knock('CP2', { password: PASSWORD })).toBe(429)
    expect(await knock('CP2', { password: PASSWORD, scheme: 'ws' })).toBe(429)
    expect(await knock('CP1', { password: PASSWORD })).toBe(101)
  })

  it('itself refuses a node of another authority, and one under a name that is not its own', async () => {
    expect(await knock('CP2', { password: PASSWORD, ca: stranger.certificate })).toBe(
      'SELF_SIGNED_CERT_IN_CHAIN',
    )
    const elsewhere = { servername: 'ocpp.elsewhere', host: '127.0.0.1' }
    expect(await knock('CP2', { password: PASSWORD, ...elsewhere })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(site.central.refusals()).not.toHaveProperty('wrong-password')
  })

  it('comes in by a certificate too: it is on its way to profile 3', async () => {
    expect(await knock('CP2', shown('CP2'))).toBe(101)
    expect(await knock('CP2', shown('CP3'))).toBe(401)
  })

  it('may be in the clear on the node’s own machine, where nothing can be heard', async () => {
    expect(await knock('CP2', { password: PASSWORD, scheme: 'ws' })).toBe(101)
  })
})

describe('a charger of security profile 3', () => {
  const refused: readonly (readonly [string, string, string])[] = [
    ['of another authority', 'foreign', 'bad-certificate'],
    ['of another charger', 'CP2', 'wrong-certificate'],
    ['of another charger that asked for it in this common name', 'posing', 'wrong-certificate'],
    ['that has ended', 'expired', 'bad-certificate'],
    ['that is not in force yet', 'early', 'bad-certificate'],
  ]
  it('comes in by its certificate, without a password', async () => {
    expect(await knock('CP3', shown('CP3'))).toBe(101)
    expect(await knock('CP3', { ...shown('CP3'), password: 'whatever it says' })).toBe(101)
  })

  it.each(refused)('is refused with a certificate %s, whatever its password', async (_what, name, reason) => {
    expect(await knock('CP3', { ...shown(name), password: PASSWORD })).toBe(401)
    expect(site.central.refusals()).toEqual({ [reason]: 1 })
    expect(await knock('CP3', shown('CP3'))).toBe(101)
  })

  it('is refused without a certificate, and with the one that the nodes show', async () => {
    expect(await knock('CP3', { password: PASSWORD })).toBe(401)
    expect(site.central.refusals()).toEqual({ 'no-certificate': 1 })
    const stolen = { key: server.ecdsa.key, cert: server.ecdsa.certificate }
    expect(await knock('CP3', { ...stolen, password: PASSWORD })).toBe(401)
    expect(site.central.refusals()).toMatchObject({ 'bad-certificate': 1 })
  })

  it('is refused in the clear, also on the node’s own machine', async () => {
    expect(await knock('CP3', { password: PASSWORD, scheme: 'ws' })).toBe(403)
    expect(site.central.refusals()).toEqual({ 'tls-needed': 1 })
  })

  it('comes in only by the certificates that its registration names', async () => {
    expect(await knock('CP5', shown('CP5'))).toBe(401)
    expect(site.central.refusals()).toEqual({ 'void-certificate': 1 })
    expect(await knock('CP5', shown('newer'))).toBe(101)
  })

  it('is a stranger when nobody has registered it, whatever it shows', async () => {
    const registered = chargers.CP3
    delete chargers.CP3
    expect(await knock('CP3', shown('CP3'))).toBe(401)
    expect(await knock('CP3', { ...shown('CP3'), password: PASSWORD })).toBe(401)
    if (registered) chargers.CP3 = registered
  })
})

describe('chargers of the lower profiles', () => {
  it('come in with a password in the clear and over TLS (1), as those of before do', async () => {
    for (const id of ['CP1', 'CPold'])
      for (const scheme of ['ws', 'wss'] as const) {
        expect([id, scheme, await knock(id, { password: PASSWORD, scheme })]).toEqual([id, scheme, 101])
        expect([id, scheme, await knock(id, { scheme })]).toEqual([id, scheme, 401])
      }
  })

  it('come in with nothing (0), on the node’s own machine', async () => {
    expect(await knock('CP0', { scheme: 'ws' })).toBe(101)
  })
})

describe('the TLS door', () => {
  it('does not speak in the clear, and stays open for the next one', async () => {
    const port = site.central.portTls ?? 0
    expect(await knock('CP2', { password: PASSWORD, scheme: 'ws', port })).not.toBe(101)
    await until('counted', () => site.central.refusals()['tls-failed'] === 1)
    expect(await knock('CP2', { password: PASSWORD })).toBe(101)
  })

  it('shows what it is told to from the next connection on, and believes other authorities', async () => {
    const { central } = site
    central.setTls(materialOf(strangers, [stranger]))
    expect(await knock('CP2', { password: PASSWORD })).toBe('SELF_SIGNED_CERT_IN_CHAIN')
    const ca = stranger.certificate
    expect(await knock('CP3', { ...shown('foreign'), ca })).toBe(101)
    expect(await knock('CP3', { ...shown('CP3'), ca })).toBe(401)
    central.setTls(materialOf(server, [authority, stranger]))
    expect(await knock('CP3', shown('CP3'))).toBe(101)
    expect(await knock('CP3', shown('foreign'))).toBe(101)
  })

  it('says nothing of keys and passwords in its log', async () => {
    await knock('CP2', { password: 'a wrong password' })
    await knock('CP3', { ...shown('foreign'), password: PASSWORD })
    expect(site.lines.join()).not.toContain('password word')
    expect(site.lines.join()).not.toContain(PASSWORD)
    expect(site.lines.join()).toContain('"detail":"UNABLE_TO')
  })
})

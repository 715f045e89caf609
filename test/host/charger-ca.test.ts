// The authority for chargers: what it signs, for whom, and which requests it does not look at.
import { X509Certificate } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  makeAuthority,
  makeServerPairs,
  readCsr,
  signCsr,
  vouchFor,
} from '../../src/host/charger-ca.ts'

const DAY_MS = 86_400_000
const nowAt = Date.UTC(2026, 5, 1)
let authority: Authority

beforeAll(async () => {
  authority = await makeAuthority('North "Stand", #1 Süd', nowAt)
})

async function csrOf(algorithm: object, name = 'CN=SN-1, O=Operator'): Promise<string> {
  const keys = (await crypto.subtle.generateKey(algorithm as never, true, ['sign', 'verify'])) as never
  const made = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm as never,
  })
  return made.toString('pem')
}
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const rsa = (modulusLength: number) => ({
  ...{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength },
})

describe('a request', () => {
  it('is read with its name and its key', async () => {
    expect(await readCsr(await csrOf(EC))).toMatchObject({
      commonName: 'SN-1',
      organization: 'Operator',
      keyKind: 'EC-P-256',
    })
    expect(await readCsr(await csrOf(rsa(2048)))).toMatchObject({ keyKind: 'RSA-2048' })
  })

  it('is refused when it is none, when its key is too short, and when somebody else signed it', async () => {
    for (const text of ['', 'nonsense', authority.certificate, 'x'.repeat(20_000)])
      await expect(readCsr(text)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
    await expect(readCsr(await csrOf(rsa(1024)))).rejects.toThrow('1024 bits')
    // Another key of the same kind in its place.
    const [one, other] = [Buffer.from(derOf(await csrOf(EC))), Buffer.from(derOf(await csrOf(EC)))]
    const at = (der: Buffer) => der.indexOf(Buffer.from('034200', 'hex'))
    other.copy(one, at(one), at(other), at(other) + 68)
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${one.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
    await expect(readCsr(forged)).rejects.toThrow('not signed by the key')
  })

  it('gets a certificate for the charger and for nothing else, whatever it says', async () => {
    const csr = await readCsr(await csrOf(EC, 'CN=CP99, O=Operator'))
    const made = new X509Certificate(await signCsr(authority, csr, { identity: 'CP_01', nowAt }))
    expect(made.subject).toBe('CN=CP99\nO=Operator')
    expect(made.subjectAltName).toBe('DNS:CP_01')
    expect(made.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(made.ca).toBe(false)
    expect(made.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
    expect(Date.parse(made.validTo)).toBe(nowAt + 3 * 365 * DAY_MS)
  })
})

describe('the authority', () => {
  it('has a name that no site’s name can break, and can sign', () => {
    const made = new X509Certificate(authority.certificate)
    expect(made.subject).toBe('CN=North Stand 1 Sd chargers 2026-06-01T00:00\nO=North Stand 1 Sd')
    expect(made.ca).toBe(true)
    expect(made.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 3072 })
  })

  it('never signs beyond its own end', async () => {
    const lateAt = Date.parse(new X509Certificate(authority.certificate).validTo) - 10 * DAY_MS
    const { rsa: pair } = await makeServerPairs(authority, ['ocpp.local'], lateAt)
    expect(new X509Certificate(pair.certificate).validTo).toBe(
      new X509Certificate(authority.certificate).validTo,
    )
  })

  it('vouches for the one that follows it', async () => {
    const next = await makeAuthority('North Stand', nowAt + DAY_MS)
    const vouched = new X509Certificate(await vouchFor(authority, next.certificate, nowAt + DAY_MS))
    const [own, followed] = [
      new X509Certificate(authority.certificate),
      new X509Certificate(next.certificate),
    ]
    expect(vouched.subject).toBe(followed.subject)
    expect(vouched.issuer).toBe(own.subject)
    expect(vouched.ca).toBe(true)
    expect(vouched.publicKey.equals(followed.publicKey)).toBe(true)
    expect(vouched.verify(own.publicKey)).toBe(true)
  })
})

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
}

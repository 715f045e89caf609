// The site's private certificate authority for chargers, and what it signs: one TLS identity that all nodes show, so that a
// charger may go from one to another under one address, and certificates that chargers show (OCPP security profiles 2 and 3).
// An RSA authority, because every charger can check its signatures; the nodes show an ECDSA or an RSA certificate, as the
// charger's cipher suites ask (OCPP 2.0.1 part 2, A00; 1.6 security whitepaper, 4).
import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { MeshError, reasonOf } from '../errors.ts'

type Key = webcrypto.CryptoKey
/** PEM. The key is the secret of whoever may let chargers in. */
export type Authority = { readonly key: string; readonly certificate: string }
export type KeyPair = { readonly key: string; readonly certificate: string }
/** What the nodes of a site show to chargers. PEM. */
export type ServerPairs = { readonly ecdsa: KeyPair; readonly rsa: KeyPair }

const DAY_MS = 24 * 3600 * 1000
/** A charger pins it, and some can be given another only by a person who walks there. */
const AUTHORITY_DAYS = 25 * 365
/** Renewed by any command of the operator while RENEW_WITHIN_DAYS are left. */
const SERVER_DAYS = 397
/** A charger renews over OCPP, or is given another by a person. */
export const CHARGER_DAYS = 3 * 365
/** Chargers' clocks are seldom exact. */
const BACKDATED_DAYS = 30
/** As one entry of the operator's log has room for them (log/body.ts). */
const MAX_CERTIFICATE_BYTES = 1500
const MAX_CSR_CHARS = 10_000
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1) }
const RSA_AUTHORITY = { ...RSA, modulusLength: 3072 }
/** OCPP 2.0.1, A00.FR.504: at least 2048 bits of RSA, 224 of an elliptic curve. */
const RSA_SERVER = { ...RSA, modulusLength: 2048 }
const LEAST_RSA_BITS = 2048
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const { subtle } = webcrypto

cryptoProvider.set(webcrypto)

/** Takes some tenths of a second of one processor. */
export async function makeAuthority(siteName: string, nowAt: number): Promise<Authority> {
  const keys = await subtle.generateKey(RSA_AUTHORITY, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // The time tells this authority from an older one of the site, for chargers that hold both.
    name: nameOf(`${siteName.slice(0, 40)} chargers ${new Date(nowAt).toISOString().slice(0, 16)}`, siteName),
    keys,
    ...periodOf(nowAt, AUTHORITY_DAYS),
    signingAlgorithm: RSA_AUTHORITY,
    extensions: [
      // One step below it: the authority that follows it.
      new BasicConstraintsExtension(true, 1, true),
      ...(await authorityExtensions(keys.publicKey)),
    ],
  })
  return { key: await pemOf(keys.privateKey), certificate: certificate.toString('pem') }
}

async function authorityExtensions(publicKey: Key): Promise<readonly Extension[]> {
  return [
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

/** `next`, as this authority vouches for it: a charger that knows only this one follows. */
export async function vouchFor(authority: Authority, next: string, nowAt: number): Promise<string> {
  const { subjectName, publicKey } = new X509Certificate(next)
  const key = await publicKey.export()
  return await signed(authority, {
    ...{ publicKey: key, subject: subjectName, ...periodOf(nowAt, AUTHORITY_DAYS) },
    extensions: [new BasicConstraintsExtension(true, 0, true), ...(await authorityExtensions(key))],
  })
}

/** For these names and addresses; the first one is the common name. */
export async function makeServerPairs(
  authority: Authority,
  names: readonly string[],
  nowAt: number,
): Promise<ServerPairs> {
  const pair = async (kind: typeof ECDSA | typeof RSA_SERVER, usage: number): Promise<KeyPair> => {
    const keys = await subtle.generateKey(kind, true, ['sign', 'verify'])
    const certificate = await signed(authority, {
      publicKey: keys.publicKey,
      subject: nameOf(names[0] ?? '', organizationOf(authority)),
      ...periodOf(nowAt, SERVER_DAYS),
      extensions: [
        ...(await leafExtensions(keys.publicKey)),
        new KeyUsagesExtension(usage, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(names.map(altName)),
      ],
    })
    return { key: await pemOf(keys.privateKey), certificate }
  }
  return {
    ecdsa: await pair(ECDSA, KeyUsageFlags.digitalSignature),
    // TLS_RSA_WITH_... suites encrypt to the key.
    rsa: await pair(RSA_SERVER, KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment),
  }
}

/** A key and a certificate for a charger that cannot make a request of its own. */
export async function makeChargerPair(
  authority: Authority,
  identity: string,
  nowAt: number,
): Promise<KeyPair> {
  const keys = await subtle.generateKey(ECDSA, true, ['sign', 'verify'])
  const subject = nameOf(identity, organizationOf(authority))
  const certificate = await signCharger(authority, { identity, subject, publicKey: keys.publicKey, nowAt })
  return { key: await pemOf(keys.privateKey), certificate }
}

export type Csr = {
  /** The common name that it asks for: the identity, or the serial number of the charger (OCPP 2.0.1, A00.FR.510). */
  readonly commonName: string
  readonly organization: string
  /** Such as RSA-2048 or EC-P-256. */
  readonly keyKind: string
  readonly request: Pkcs10CertificateRequest
}

type KeyKind = { readonly name: string; readonly modulusLength: number; readonly namedCurve: string }

/** Reads a certificate request in PEM and proves that whoever made it has the key. CERTIFICATE_INVALID otherwise. */
export async function readCsr(text: string): Promise<Csr> {
  const refuse = (why: string, cause?: unknown) =>
    new MeshError('CERTIFICATE_INVALID', `the certificate request (CSR) ${why}`, cause)
  if (text.length > MAX_CSR_CHARS) throw refuse(`has more than ${MAX_CSR_CHARS} characters`)
  let request: Pkcs10CertificateRequest
  let isProven: boolean
  try {
    request = new Pkcs10CertificateRequest(text)
    isProven = await request.verify()
  } catch (error) {
    throw refuse(`cannot be read: ${reasonOf(error)}`, error)
  }
  if (!isProven) throw refuse('was not signed by the key that it names')
  const { name, modulusLength, namedCurve } = request.publicKey.algorithm as KeyKind
  const isRsa = name.startsWith('RSA')
  if (isRsa ? modulusLength < LEAST_RSA_BITS : name !== 'ECDSA')
    throw refuse(`has a key that OCPP does not allow: ${isRsa ? `RSA of ${modulusLength} bits` : name}`)
  const field = (of: string) => printable(request.subjectName.getField(of)[0] ?? '')
  return {
    ...{ commonName: field('CN'), organization: field('O'), request },
    keyKind: isRsa ? `RSA-${modulusLength}` : `EC-${namedCurve}`,
  }
}

/** Signs a request for one charger. What the request says of usages and names counts for nothing but its common name. */
export async function signCsr(
  authority: Authority,
  { commonName, organization, request }: Csr,
  { identity, nowAt }: { readonly identity: string; readonly nowAt: number },
): Promise<string> {
  const subject = nameOf(commonName || identity, organization || organizationOf(authority))
  return await signCharger(authority, {
    identity,
    subject,
    publicKey: await request.publicKey.export(),
    nowAt,
  })
}

type ForCharger = {
  readonly identity: string
  readonly subject: Name
  readonly publicKey: Key
  readonly nowAt: number
}

async function signCharger(
  authority: Authority,
  { identity, subject, publicKey, nowAt }: ForCharger,
): Promise<string> {
  return await signed(authority, {
    ...{ publicKey, subject },
    ...periodOf(nowAt, CHARGER_DAYS),
    extensions: [
      ...(await leafExtensions(publicKey)),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      // The identity stands here whatever the common name is: by this the nodes know the charger.
      new SubjectAlternativeNameExtension([{ type: 'dns', value: identity }]),
    ],
  })
}

async function leafExtensions(publicKey: Key): Promise<readonly Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

type ToSign = {
  readonly publicKey: Key
  readonly subject: Name
  readonly notBefore: Date
  readonly notAfter: Date
  readonly extensions: readonly Extension[]
}

async function signed(
  { key, certificate }: Authority,
  { publicKey, subject, ...to }: ToSign,
): Promise<string> {
  const own = new X509Certificate(certificate)
  const signingKey = await subtle.importKey('pkcs8', derOf(key), RSA_AUTHORITY, false, ['sign'])
  const made = await X509CertificateGenerator.create({
    ...{ subject, issuer: own.subjectName, signingAlgorithm: RSA_AUTHORITY },
    ...{ publicKey: publicKey, signingKey: signingKey },
    notBefore: to.notBefore,
    notAfter: to.notAfter < own.notAfter ? to.notAfter : own.notAfter,
    extensions: [
      ...to.extensions,
      // By this who holds two authorities of one name knows which of them signed.
      await AuthorityKeyIdentifierExtension.create(await own.publicKey.export()),
    ],
  })
  if (made.rawData.byteLength > MAX_CERTIFICATE_BYTES)
    throw new MeshError(
      'CONFIG_INVALID',
      'the names make the certificate too long: name fewer, or shorter ones',
    )
  return made.toString('pem')
}

function periodOf(nowAt: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return {
    notBefore: new Date(nowAt - BACKDATED_DAYS * DAY_MS),
    notAfter: new Date(nowAt + days * DAY_MS),
  }
}

function nameOf(commonName: string, organization: string): Name {
  return new Name([{ CN: [printable(commonName)] }, { O: [printable(organization) || 'chargemesh'] }])
}

function organizationOf({ certificate }: Authority): string {
  return new X509Certificate(certificate).subjectName.getField('O')[0] ?? ''
}

/** X.520 gives a name 64 characters; the library reads quotes, escapes and a leading # as syntax. */
function printable(text: string): string {
  return text
    .replace(/[^A-Za-z0-9 ._():/-]/g, '')
    .trim()
    .slice(0, 64)
}

function altName(name: string): JsonGeneralName {
  return { type: isIP(name) ? 'ip' : 'dns', value: name }
}

async function pemOf(key: Key): Promise<string> {
  const der = Buffer.from(await subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
}

import { describe, expect, it } from 'vitest'
import { MalformedBytes } from '../../src/cbor.ts'
import { CERTIFICATE_GRACE_MS } from '../../src/identity/certificate.ts'
import {
  decodeAnswer,
  decodePush,
  encodeAnswer,
  encodePush,
  MAX_CLOCK_ERROR_MS,
  MAX_PUSH_SEGMENTS,
  type RequestParts,
  readClaim,
  refuseRequest,
  signedHeaders,
} from '../../src/uplink/request.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'

const site = testSite('request')
const node = site.device('node')
const nowAt = SITE_OPENED_AT + 1000
const parts: RequestParts = {
  method: 'POST',
  path: '/v1/push',
  issuedAt: nowAt,
  body: new Uint8Array([1, 2, 3]),
}

function signerOf(device = node) {
  const { siteId, signatures } = site
  return { siteId, certificate: () => device.certificate.encoded, logKey: device.keys.logKey, signatures }
}

/** What the cloud says of the headers of `signed`, when what arrived is `arrived`. */
function verdictOf(
  signed: RequestParts,
  arrived: Partial<RequestParts> = {},
  device = node,
  at = nowAt,
): string {
  const claim = readClaim(signedHeaders(signerOf(device), signed))
  if (!claim) return 'unsigned'
  const received = { ...signed, issuedAt: claim.issuedAt, ...arrived }
  const request = { parts: received, signature: claim.signature, nowAt: at }
  return refuseRequest(site.signatures, device.certificate, request) ?? 'genuine'
}

describe('a signed request', () => {
  it.each([
    ['as signed', 'genuine', {}],
    ['another body', 'bad-signature', { body: new Uint8Array([1, 2, 4]) }],
    ['a longer body', 'bad-signature', { body: new Uint8Array([1, 2, 3, 0]) }],
    ['another path', 'bad-signature', { path: '/v1/bills' }],
    ['another method', 'bad-signature', { method: 'GET' }],
    ['another time', 'bad-signature', { issuedAt: nowAt + 1 }],
    ['characters moved from path to method', 'bad-signature', { method: 'POST/', path: 'v1/push' }],
  ])('that arrives as %s is %s', (_what, verdict, arrived) => {
    expect(verdictOf(parts, arrived)).toBe(verdict)
  })

  it.each([
    ['a day late', 'genuine', -MAX_CLOCK_ERROR_MS],
    ['a day early', 'genuine', MAX_CLOCK_ERROR_MS],
    ['more than a day late', 'clock-too-far-off', -MAX_CLOCK_ERROR_MS - 1],
    ['more than a day early', 'clock-too-far-off', MAX_CLOCK_ERROR_MS + 1],
  ])('that is %s is %s', (_what, verdict, offMs) => {
    expect(verdictOf({ ...parts, issuedAt: nowAt + offMs })).toBe(verdict)
  })

  it.each([
    ['node', 'genuine'],
    ['issuer', 'genuine'],
    ['revoker', 'genuine'],
    ['cloud', 'not-its-role'],
  ] as const)('of a device of role %s is %s', (role, verdict) => {
    expect(verdictOf(parts, {}, site.device(role, [role]))).toBe(verdict)
  })

  it('is refused when the certificate expired more than its grace ago', () => {
    const device = site.device('old', ['node'], { fromAt: 0, toAt: nowAt - CERTIFICATE_GRACE_MS })
    expect(verdictOf(parts, {}, device)).toBe('genuine')
    expect(verdictOf(parts, {}, device, nowAt + 1)).toBe('certificate-expired')
  })

  it('is refused under another key', () => {
    const thief = { ...node, keys: site.device('thief').keys }
    expect(verdictOf(parts, {}, thief)).toBe('bad-signature')
  })

  it.each([
    ['x-chargemesh-site', undefined],
    ['x-chargemesh-certificate', ''],
    ['x-chargemesh-certificate', 'not base64!'],
    ['x-chargemesh-issued-at', '-1'],
    ['x-chargemesh-issued-at', '1e3'],
    ['x-chargemesh-issued-at', '9'.repeat(16)],
    ['x-chargemesh-signature', 'AAAA'],
  ])('without a usable %s (%s) is none', (name, value) => {
    expect(readClaim({ ...signedHeaders(signerOf(), parts), [name]: value })).toBeUndefined()
  })
})

it('with a certificate longer than any is none', () => {
  const headers = { ...signedHeaders(signerOf(), parts), 'x-chargemesh-certificate': 'A'.repeat(2000) }
  expect(readClaim(headers)).toBeUndefined()
})

describe('the bytes of a push', () => {
  it('say the same after a round trip', () => {
    const segments = site.openLog(node).segments()
    const push = { segments, certificates: [new Uint8Array(node.certificate.encoded)], sinceVersion: 2 ** 33 }
    expect(decodePush(encodePush(push))).toEqual(push)
    const answer = {
      version: 7,
      acks: [new Uint8Array([1])],
      refused: [{ logId: site.openLog(node).logId, reason: 'gap' }],
    }
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer)
  })

  it('are refused when they hold more than one request may', () => {
    const [segment] = site.openLog(node).segments()
    if (!segment) throw new Error('no segment')
    const segments = Array.from({ length: MAX_PUSH_SEGMENTS + 1 }, () => segment)
    expect(() => encodePush({ segments, certificates: [], sinceVersion: 0 })).toThrow(MalformedBytes)
  })
})

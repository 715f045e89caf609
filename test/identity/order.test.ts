// An operator's command, at the node that is to obey: every reason for which it is refused, and that it is good once.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNonces, NONCE_MS } from '../../src/host/nonces.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import { type OrderReader, readOrder, signOrder } from '../../src/identity/order.ts'
import type { ChargerId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, testSite } from '../site.ts'

const site = testSite('orders')
const holder = site.device('holder')
const other = site.device('other')
const revoker = site.device('revoker', ['revoker'], undefined, 'root')
const CP1 = 'CP01' as ChargerId
const COMMAND = '{"kind":"clearCache"}'

function opened(over: Partial<OrderReader> = {}) {
  const nonces = createNonces({ bytes: site.random })
  let nowMs = 0
  const reader: OrderReader = {
    ...{ roster: site.roster([holder]), signatures: site.signatures, self: holder.certificate.deviceId },
    ...{ sealKey: holder.keys.sealKey, isVoid: () => false, nowAt: SITE_OPENED_AT },
    isFresh: (nonce, chargerId) => nonces.isFresh(nonce, chargerId, nowMs),
    ...over,
  }
  return {
    nonces,
    wait: (ms: number) => {
      nowMs += ms
    },
    draw: () => nonces.draw(other.certificate.deviceId, CP1, nowMs),
    read: (encoded: Uint8Array) => {
      const verdict = readOrder(reader, encoded)
      return verdict.kind === 'valid' ? verdict.command : verdict.reason
    },
  }
}

type Over = { readonly by?: TestDevice; readonly to?: Certificate; readonly chargerId?: ChargerId }

function signed(
  nonce: Uint8Array,
  { by = site.issuer, to = holder.certificate, chargerId = CP1 }: Over = {},
) {
  const signer = { certificate: by.certificate, logKey: by.keys.logKey, signatures: site.signatures }
  return signOrder(signer, { holder: to, chargerId, nonce, command: COMMAND, ephemeral: site.random(32) })
}

describe('an order', () => {
  it('is obeyed when an issuer or a revoker has signed it for this node', () => {
    const { read, draw } = opened()
    expect(read(signed(draw()))).toBe(COMMAND)
    // No node has heard of this revoker: its certificate comes along.
    expect(read(signed(draw(), { by: revoker }))).toBe(COMMAND)
  })

  it.each([
    ['for-another-node', { to: other.certificate }],
    ['stale', { chargerId: 'CP02' as ChargerId }],
    ['not-its-role', { by: other }],
    ['not-its-role', { by: site.cloud }],
    ['foreign-site', { by: testSite('another site').issuer }],
    ['unknown-signer', { by: { ...testSite('another site').issuer, certificate: forged() } }],
    ['bad-signature', { by: { ...site.issuer, keys: other.keys } }],
  ] as const)('is refused as %s', (reason, over) => {
    const { read, draw } = opened()
    expect(read(signed(draw(), over))).toBe(reason)
  })

  /** Says that it is of this site, which its bytes do not. */
  function forged(): Certificate {
    return { ...testSite('another site').issuer.certificate, siteId: site.siteId }
  }

  it('is refused when its signer was withdrawn, or its certificate has ended', () => {
    const { notAfterAt, hash } = site.issuer.certificate
    const withdrawn = opened({ isVoid: certificate => certificate.hash === hash })
    expect(withdrawn.read(signed(withdrawn.draw()))).toBe('withdrawn-signer')
    const ended = opened({ nowAt: notAfterAt + 1 })
    expect(ended.read(signed(ended.draw()))).toBe('expired-signer')
    const behind = opened({ nowAt: 0 })
    expect(behind.read(signed(behind.draw()))).toBe(COMMAND)
  })

  it('is good once, for one charger, for a minute, and for no other number', () => {
    const { read, draw, wait, nonces } = opened()
    const nonce = draw()
    wait(NONCE_MS - 1)
    expect(read(signed(nonce))).toBe(COMMAND)
    nonces.use(nonce)
    expect(read(signed(nonce))).toBe('stale')
    const late = draw()
    wait(NONCE_MS)
    expect(read(signed(late))).toBe('stale')
    expect(read(signed(new Uint8Array(16)))).toBe('stale')
    expect(opened().read(signed(draw()))).toBe('stale')
  })

  it('is refused whatever bit of it is changed, and says nothing of itself to who carries it', () => {
    const { read, draw } = opened()
    const encoded = signed(draw())
    expect(Buffer.from(encoded).includes('clearCache')).toBe(false)
    fc.assert(
      fc.property(fc.nat(encoded.length * 8 - 1), bit => {
        const changed = Uint8Array.from(encoded)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const said = read(changed)
        // The certificate beside it is only read by who does not know the signer.
        const isBeside = encoded.length - (bit >> 3) <= site.issuer.certificate.encoded.length + 3
        return isBeside || said !== COMMAND
      }),
    )
  })

  it('of any bytes is refused, and nothing is thrown', () => {
    const { read } = opened()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => read(bytes) === 'malformed'))
    expect(read(new Uint8Array(100_000))).toBe('malformed')
  })
})

describe('the numbers that a node draws', () => {
  it('are bounded for each asker, and no asker takes those of another', () => {
    const nonces = createNonces({ bytes: site.random })
    const kept = nonces.draw(holder.certificate.deviceId, CP1, 0)
    const first = nonces.draw(other.certificate.deviceId, CP1, 0)
    const rest = Array.from({ length: 32 }, () => nonces.draw(other.certificate.deviceId, CP1, 0))
    expect(nonces.isFresh(kept, CP1, 1)).toBe(true)
    expect(nonces.isFresh(first, CP1, 1)).toBe(false)
    expect(rest.every(nonce => nonces.isFresh(nonce, CP1, 1))).toBe(true)
  })
})

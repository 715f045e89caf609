import { describe, expect, it } from 'vitest'
import type { Peer, Registration } from '../../src/ocpp/profile.ts'
import { stayOf } from '../../src/ocpp/stay.ts'
import type { ChargerId } from '../../src/units.ts'

const CP1 = 'CP1' as ChargerId
const fingerprint = new Uint8Array(32).fill(7)
const other = new Uint8Array(32).fill(8)
const plain: Peer = { address: '10.0.0.9', isTls: true, isHere: false }
const shown: Peer = { ...plain, certificate: { names: ['CP1'], fingerprint } }

/** Whether it may stay, once its registration is another. */
function staysWhen(peer: Peer, before: Registration, now: Registration | undefined): boolean {
  let registered: Registration | undefined = before
  const mayStay = stayOf(CP1, peer, { credential: () => registered, insecure: false })
  expect(mayStay()).toBe(true)
  registered = now
  return mayStay()
}

describe('a charger that is connected', () => {
  const named = { profile: 3, certificates: [fingerprint] }
  it('goes when it is withdrawn', () => {
    expect(staysWhen(plain, { profile: 2 }, undefined)).toBe(false)
    expect(staysWhen(shown, named, undefined)).toBe(false)
  })
  it('goes when the certificate that let it in counts no longer', () => {
    expect(staysWhen(shown, named, { profile: 3, certificates: [other] })).toBe(false)
    expect(staysWhen(shown, named, { profile: 3, certificates: [other, fingerprint] })).toBe(true)
  })
  it('that came in with a password stays when that is changed, or a certificate is asked for from now on', () => {
    expect(staysWhen(plain, { profile: 2 }, { profile: 2 })).toBe(true)
    expect(staysWhen(plain, { profile: 2 }, named)).toBe(true)
    expect(staysWhen(shown, { profile: 2 }, { profile: 2, certificates: [other] })).toBe(true)
  })
})

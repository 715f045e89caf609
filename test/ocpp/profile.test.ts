// Who is let in by what: every security profile against everything that a charger may show, as a table.
import { describe, expect, it } from 'vitest'
import { demandOf, type Peer, type Registration, type ShownCertificate } from '../../src/ocpp/profile.ts'
import type { ChargerId } from '../../src/units.ts'

const CP1 = 'CP1' as ChargerId
const hash = (byte: number) => new Uint8Array(32).fill(byte)
const good: ShownCertificate = { names: ['SN-77', 'CP1'], fingerprint: hash(1) }
const lan = { address: '10.0.0.9', isTls: false, isHere: false }
const peers = {
  lan,
  here: { address: '127.0.0.1', isTls: false, isHere: true },
  tls: { ...lan, isTls: true },
  proven: { ...lan, isTls: true, certificate: good },
  others: { ...lan, isTls: true, certificate: { ...good, names: ['CP2', 'CP11', 'cp1'] } },
  faulty: { ...lan, isTls: true, certificate: { ...good, fault: 'CERT_HAS_EXPIRED' } },
} satisfies Record<string, Peer>
type Where = keyof typeof peers

function asked(
  registered: Registration | undefined,
  where: Where,
  more: { open?: boolean; password?: boolean } = {},
) {
  const peer = peers[where]
  const { open = false, password = true } = more
  const named = registered && { certificates: [hash(1)], ...registered }
  const demand = demandOf({ chargerId: CP1, registered: named, peer, hasPassword: password, isOpen: open })
  return demand.kind === 'refused' ? demand.reason : demand.kind
}

describe('a security profile', () => {
  const rows: readonly (readonly [number | undefined, Where, string])[] = [
    [3, 'proven', 'nothing'],
    [3, 'tls', 'no-certificate'],
    [3, 'others', 'wrong-certificate'],
    [3, 'faulty', 'bad-certificate'],
    [3, 'lan', 'tls-needed'],
    [3, 'here', 'tls-needed'],
    [2, 'proven', 'nothing'],
    [2, 'tls', 'password'],
    [2, 'others', 'password'],
    [2, 'faulty', 'password'],
    [2, 'lan', 'tls-needed'],
    [2, 'here', 'password'],
    [1, 'proven', 'nothing'],
    [1, 'lan', 'password'],
    [1, 'tls', 'password'],
    [undefined, 'lan', 'password'],
    [undefined, 'tls', 'password'],
    [0, 'here', 'nothing'],
    [0, 'lan', 'no-password'],
    [0, 'tls', 'no-password'],
    // Of a later version: at least as much as the highest that is known here.
    [4, 'tls', 'no-certificate'],
    [4, 'proven', 'nothing'],
  ]
  it.each(rows)('%s, from %s, asks for: %s', (profile, where, demand) => {
    expect(asked({ profile }, where)).toBe(demand)
  })

  it('asks for a password that is not there only where nothing better is', () => {
    expect(asked({ profile: 2 }, 'tls', { password: false })).toBe('no-password')
    expect(asked({ profile: 2 }, 'lan', { password: false })).toBe('tls-needed')
    expect(asked({ profile: 2 }, 'proven', { password: false })).toBe('nothing')
    expect(asked(undefined, 'proven', { password: false })).toBe('no-password')
  })

  it('of 0 and 2 is changed by leave to speak in the clear only for 0', () => {
    expect(asked({ profile: 0 }, 'lan', { open: true })).toBe('nothing')
    expect(asked({ profile: 2 }, 'lan', { open: true })).toBe('tls-needed')
  })

  it('treats a stranger like one with a wrong password, whatever it shows', () => {
    expect(asked(undefined, 'proven')).toBe('password')
  })

  it('takes only the certificates that are named: none, of a charger that was registered anew', () => {
    expect(asked({ profile: 3, certificates: [] }, 'proven')).toBe('void-certificate')
    expect(asked({ profile: 3, certificates: undefined }, 'proven')).toBe('void-certificate')
    expect(asked({ profile: 2, certificates: [] }, 'proven', { password: false })).toBe('no-password')
    expect(asked({ profile: 3, certificates: [hash(2)] }, 'proven')).toBe('void-certificate')
    expect(asked({ profile: 3, certificates: [hash(2), hash(1)] }, 'proven')).toBe('nothing')
  })
})

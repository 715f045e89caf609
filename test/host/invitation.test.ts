// The code of an invitation: typed by people, so that a slip is noticed; and the boxes that only its two ends can make.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { boxWith, codeOf, invitationIn, openBox } from '../../src/host/invitation.ts'

const secret = Uint8Array.from({ length: 16 }, (_, i) => i * 15)
const invitation = { host: '192.168.7.20', port: 40_123, secret }

describe('a code', () => {
  it('says where, and the secret, in groups of five', () => {
    const code = codeOf(invitation)
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){7}[0-9A-HJKMNP-TV-Z]{5}$/)
    expect(invitationIn(code)).toEqual(invitation)
    expect(invitationIn(code.toLowerCase().replaceAll('-', ' '))).toEqual(invitation)
    expect(invitationIn(code.replaceAll('0', 'o').replaceAll('1', 'l'))).toEqual(invitation)
  })

  it('may name a host', () => {
    const named = { ...invitation, host: 'office.stadium.example' }
    expect(invitationIn(codeOf(named))).toEqual(named)
  })

  it('with a wrong, missing or doubled character is none', () => {
    const code = codeOf(invitation).replaceAll('-', '')
    fc.assert(
      fc.property(
        fc.nat(code.length - 1),
        fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'),
        (at, letter) => {
          const wrong = code.slice(0, at) + letter + code.slice(at + 1)
          if (letter !== code[at]) expect(invitationIn(wrong)).toBeUndefined()
          expect(invitationIn(code.slice(0, at) + code.slice(at + 1))).toBeUndefined()
          expect(invitationIn(code.slice(0, at) + letter + code.slice(at))).toBeUndefined()
        },
      ),
    )
  })

  it.each(['', '-', 'hello', '4'.repeat(40), 'Z'.repeat(500), '💥'])('%j is none', text => {
    expect(invitationIn(text)).toBeUndefined()
  })
})

describe('a box', () => {
  const plain = Uint8Array.of(1, 2, 3)
  const box = boxWith(secret, 'ask', { nonce: new Uint8Array(12), plain })

  it('is opened by who knows the secret', () => {
    expect(openBox(secret, 'ask', box)).toEqual(plain)
  })

  it('is opened neither with another secret, nor for another purpose, nor when a bit of it is changed', () => {
    expect(openBox(secret.toReversed(), 'ask', box)).toBeUndefined()
    expect(openBox(secret, 'answer', box)).toBeUndefined()
    for (let at = 0; at < box.length * 8; at++) {
      const changed = Uint8Array.from(box)
      changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
      expect(openBox(secret, 'ask', changed)).toBeUndefined()
    }
    expect(openBox(secret, 'ask', box.subarray(0, 20))).toBeUndefined()
  })
})

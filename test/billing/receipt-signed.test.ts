// What a reader who has only the root's public key believes of a receipt, and what not.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/billing/receipt.ts'
import { type Encloser, readEnclosed } from '../../src/billing/receipt-enclosed.ts'
import { armoured, qrText, signedBytesIn } from '../../src/billing/receipt-forms.ts'
import {
  MAX_FILE_BYTES,
  parseReceipt,
  type ReceiptVerdict,
  shortened,
  signReceipt,
  verifyReceipt,
  withEnclosed,
} from '../../src/billing/receipt-signed.ts'
import { CERTIFICATE_GRACE_MS } from '../../src/identity/certificate.ts'
import { MINUTE_MS } from '../serve/charging.ts'
import type { TestDevice } from '../site.ts'
import { ended, readerOf, receiptOf, signed } from './receipts.ts'

const of = ended()
const reader = readerOf(of)
const whole = signed(of)

function reasonOf(verdict: ReceiptVerdict): string {
  return verdict.kind === 'valid' ? 'valid' : verdict.reason
}

describe('a signed receipt', () => {
  it('is believed by whoever has the root key, in every form', () => {
    for (const form of [armoured(whole), qrText(whole), ` ${qrText(whole).toLowerCase()}\n`]) {
      const bytes = signedBytesIn(form) ?? new Uint8Array()
      expect(Buffer.from(bytes).equals(whole)).toBe(true)
      const verdict = verifyReceipt(reader, bytes)
      expect(verdict).toMatchObject({ kind: 'valid', signer: { name: 'pole-07' } })
      expect(verdict.receipt).toEqual(receiptOf(of))
    }
    // Through a letter that breaks lines where it wants.
    expect(signedBytesIn(qrText(whole).replace(/(.{76})/g, '$1\r\n'))).toEqual(whole)
  })

  it('loses its worth by the change of any one bit', () => {
    // One of each byte, each of the eight in its turn; all of them were tried once, and take minutes.
    for (let at = 0; at < whole.length; at++) {
      const changed = Uint8Array.from(whole)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      expect(verifyReceipt(reader, changed).kind, `byte ${at}`).toBe('invalid')
    }
  }, 120_000)

  it('loses its worth by the change, loss or doubling of any sign of its written forms', () => {
    const say = (text: string): string => {
      const bytes = signedBytesIn(text)
      return bytes ? reasonOf(verifyReceipt(reader, bytes)) : 'malformed'
    }
    // What another reader of base64 would pass over.
    expect(say(armoured(whole).replace('\n', '\n!'))).toBe('malformed')
    expect(say(`${armoured(whole)}.`)).toBe('malformed')
    for (const form of [armoured(whole).trim(), qrText(whole)])
      fc.assert(
        fc.property(fc.nat(form.length - 1), fc.constantFrom('A', '7', 'z', '', '!'), (at, sign) => {
          const was = form[at] ?? ''
          fc.pre(sign !== was && /\S/.test(was) && sign.toUpperCase() !== was)
          expect(say(form.slice(0, at) + sign + form.slice(at + 1))).not.toBe('valid')
        }),
        { numRuns: 200 },
      )
  })

  it('of another site is called that', () => {
    const other = ended({ seed: 'another site' })
    expect(verifyReceipt(reader, signed(other))).toEqual({
      ...{ kind: 'invalid', reason: 'foreign-site', siteId: other.made.site.siteId },
    })
    // With our site's name over theirs: their node is none of ours.
    const forged = signed(other, { ...receiptOf(other), siteId: of.made.site.siteId })
    expect(reasonOf(verifyReceipt(reader, forged))).toBe('not-certified')
  })

  it('with other amounts, signed by a key that the root has not certified, is refused', () => {
    const { made, node } = of
    const dearer = { ...receiptOf(of), energyWh: 25_000 }
    const stranger = made.site.random(32)
    const certificates = node.ledger.chainOf(node.device.certificate)
    const forged = signReceipt({ signatures: made.site.signatures, logKey: stranger, certificates }, dearer)
    expect(reasonOf(verifyReceipt(reader, forged))).toBe('bad-signature')
  })

  it('signed by who is certified, and is no node, is refused', () => {
    const { site } = of.made
    const { certificate, keys } = site.cloud
    const receipt = { ...receiptOf(of), signer: certificate.deviceId }
    const certificates = [site.issuer.certificate.encoded, certificate.encoded]
    const made = signReceipt({ signatures: site.signatures, logKey: keys.logKey, certificates }, receipt)
    expect(reasonOf(verifyReceipt(reader, made))).toBe('not-a-node')
  })

  it('counts as long as the certificate of its signer did when it was issued, with its days of grace', () => {
    const { notBeforeAt, notAfterAt } = of.node.device.certificate
    const at = (issuedAt: number): string =>
      reasonOf(verifyReceipt(reader, signed(of, { ...receiptOf(of), issuedAt })))
    expect([at(notBeforeAt), at(notAfterAt + CERTIFICATE_GRACE_MS)]).toEqual(['valid', 'valid'])
    expect(at(notBeforeAt - 1)).toBe('not-in-force')
    expect(at(notAfterAt + CERTIFICATE_GRACE_MS + 1)).toBe('not-in-force')
  })

  it.each<[string, (cost: NonNullable<Receipt['cost']>) => object]>([
    ['a total above its parts', cost => ({ total: '6.30', beforeTaxes: '6.30', parts: cost.parts })],
    ['a tax that is not in the total', cost => ({ ...cost, taxes: [{ vat: '19', amount: '0.10' }] })],
    ['a total below nothing', cost => ({ ...cost, total: '-0.63', beforeTaxes: '-0.63' })],
    ['an amount that is no number', cost => ({ ...cost, total: '0.63e9' })],
    ['a currency that is none', cost => ({ ...cost, currency: 'eu' })],
  ])('with %s does not add up, whoever signed it', (_what, change) => {
    const receipt = receiptOf(of)
    const { cost } = receipt
    if (!cost) throw new Error('no cost')
    const wrong = signed(of, { ...receipt, cost: { ...cost, ...change(cost) } })
    expect(verifyReceipt(reader, wrong)).toMatchObject({
      reason: 'does-not-add-up',
      receipt: { siteName: 'North Stand' },
    })
  })

  it('without certificates is believed by who has them from another one, and by nobody else', () => {
    const short = shortened(whole)
    expect(reasonOf(verifyReceipt(reader, short))).toBe('no-certificate')
    const read = parseReceipt(signed(of, { ...receiptOf(of), issuedAt: of.node.clock.at + MINUTE_MS }))
    if (typeof read === 'string') throw new Error(read)
    expect(reasonOf(verifyReceipt({ ...reader, certificates: read.certificates }, short))).toBe('valid')
    const other = parseReceipt(signed(ended({ seed: 'another site' })))
    if (typeof other === 'string') throw new Error(other)
    expect(reasonOf(verifyReceipt({ ...reader, certificates: other.certificates }, short))).toBe(
      'no-certificate',
    )
  })

  it('that is junk, cut short, or far too long is malformed, and costs next to nothing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        bytes => reasonOf(verifyReceipt(reader, bytes)) === 'malformed',
      ),
    )
    for (let length = 0; length < whole.length; length += 7)
      expect(reasonOf(verifyReceipt(reader, whole.slice(0, length)))).toBe('malformed')
    expect(reasonOf(verifyReceipt(reader, new Uint8Array(MAX_FILE_BYTES + 1)))).toBe('malformed')
    expect(signedBytesIn(armoured(new Uint8Array(2 * MAX_FILE_BYTES)))).toBeUndefined()
    // A few bytes that inflate to megabytes.
    expect(signedBytesIn(qrText(new Uint8Array(8 * 1024 * 1024)))).toBeUndefined()
  })
})

describe('what the operator encloses in a receipt', () => {
  const { made } = of
  const values = [{ sampledAt: '2026-06-01T08:30:00Z', said: Uint8Array.of(0xef, 0xbb, 0xbf, 1, 2, 3) }]
  const enclosed = { enclosedAt: of.node.clock.at, values }
  const by = ({ certificate, keys }: TestDevice): Encloser => ({
    ...{ signatures: made.site.signatures, logKey: keys.logKey, certificate },
  })
  const file = withEnclosed(by(made.site.issuer), whole, enclosed)

  it('comes out byte for byte, by the name of the operator', () => {
    const text = armoured(file)
    expect(verifyReceipt(reader, signedBytesIn(text) ?? new Uint8Array())).toMatchObject({
      ...{ kind: 'valid', receipt: receiptOf(of) },
      enclosed: { ...enclosed, by: { name: 'issuer' } },
    })
  })

  it('is no longer believed after the change of any one bit', () => {
    for (let at = whole.length; at < file.length; at++) {
      const changed = Uint8Array.from(file)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      expect(verifyReceipt(reader, changed).kind, `byte ${at}`).toBe('invalid')
    }
  }, 120_000)

  it('is refused from whoever is no operator, and in another receipt', () => {
    const refused = { kind: 'invalid', reason: 'not-enclosed-by-operator' }
    expect(verifyReceipt(reader, withEnclosed(by(of.node.device), whole, enclosed))).toMatchObject(refused)
    const late = {
      ...enclosed,
      enclosedAt: made.site.issuer.certificate.notAfterAt + CERTIFICATE_GRACE_MS + 1,
    }
    expect(verifyReceipt(reader, withEnclosed(by(made.site.issuer), whole, late))).toMatchObject(refused)
    const other = parseReceipt(signed(of, { ...receiptOf(of), issuedAt: of.node.clock.at + 1 }))
    const own = parseReceipt(file)
    if (typeof other === 'string' || typeof own === 'string') throw new Error('unread')
    expect(
      readEnclosed({ ...reader, roster: made.site.roster() }, other.body, own.enclosed ?? file),
    ).toBeUndefined()
    expect(
      readEnclosed({ ...reader, roster: made.site.roster() }, own.body, own.enclosed ?? file),
    ).toBeDefined()
  })
})

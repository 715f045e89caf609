// What a camera sees of a receipt: the picture is read back by a decoder that shares no code with what drew it.
import decodeQR from 'qr/decode.js'
import { encode } from 'uqr'
import { describe, expect, it } from 'vitest'
import { qrText, signedBytesIn } from '../../src/billing/receipt-forms.ts'
import { shortened, verifyReceipt } from '../../src/billing/receipt-signed.ts'
import { drawQr, MOST_CAPITALS, pictureOfQr } from '../../src/cli/qr.ts'
import { ended, readerOf, receiptOf, signed } from '../billing/receipts.ts'

/** Pixels a module. */
const SCALE = 4

type Modules = readonly (readonly boolean[])[]

/** What a camera takes; true is light. Without a limit of time: other tests run beside this one. */
function seen(light: Modules): string {
  const [rows, columns] = [light.length, light[0]?.length ?? 0]
  const [width, height] = [columns * SCALE, rows * SCALE]
  const data = new Uint8ClampedArray(width * height * 4).fill(255)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (!light[Math.floor(y / SCALE)]?.[Math.floor(x / SCALE)])
        data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3)
  return decodeQR({ width, height, data }, { timeLimit: 60_000 })
}

/** Blocks are lit on a dark terminal; two rows of modules stand in a line. A terminal has a margin of its own. */
function ofTerminal(text: string): Modules {
  const rows = text
    .split('\n')
    .flatMap(line => [[...line].map(sign => '█▀'.includes(sign)), [...line].map(sign => '█▄'.includes(sign))])
  const [first = []] = rows
  const margin = Array.from({ length: 4 }, () => true)
  const wide = rows.map(row => [...margin, ...row, ...margin])
  const blank = Array.from({ length: first.length + 8 }, () => true)
  return [...margin.map(() => blank), ...wide, ...margin.map(() => blank)]
}

/** Dark modules are squares of 10 in one path. */
function ofPicture(svg: string): Modules {
  const size = Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1]) / 10
  const light = Array.from({ length: size }, () => Array.from({ length: size }, () => true))
  for (const [, x, y] of svg.matchAll(/M(\d+),(\d+)h10v10h-10z/g)) {
    const row = light[Number(y) / 10]
    if (row) row[Number(x) / 10] = false
  }
  return light
}

const of = ended({ seed: 'qr' })

/** As many prices as a day has hours, with tax: more than a session is likely to meet. */
function long(parts: number): Uint8Array {
  const receipt = receiptOf(of)
  const { cost } = receipt
  const [part] = cost?.parts ?? []
  if (!cost || !part) throw new Error('no cost')
  const each = Array.from({ length: parts }, (_, i) => ({
    ...part,
    ...{ quantity: 1000 + 97 * i, measured: 1000 + 91 * i, price: `0.${21 + i}`, vat: '19' },
    ...{ beforeTaxes: `0.${41_017 + 977 * i}`, afterTaxes: `0.${50_417 + 1013 * i}` },
  }))
  return signed(of, { ...receipt, cost: { ...cost, taxes: [{ vat: '19', amount: '0.10' }], parts: each } })
}

describe('the QR code of a receipt', () => {
  it.each([
    ['on a terminal', (text: string) => ofTerminal(drawQr(text))],
    ['as a picture', (text: string) => ofPicture(pictureOfQr(text))],
  ])('%s is read back by another program, and proves itself with the root key alone', (_where, draw) => {
    for (const bytes of [signed(of), shortened(signed(of))]) {
      const text = seen(draw(qrText(bytes)))
      expect(text).toBe(qrText(bytes))
      expect(signedBytesIn(text)).toEqual(bytes)
    }
    const read = signedBytesIn(seen(draw(qrText(signed(of))))) ?? new Uint8Array()
    expect(verifyReceipt(readerOf(of), read)).toMatchObject({ kind: 'valid', receipt: receiptOf(of) })
  })

  it('is one that phones read: version 25 at the most, in capitals', () => {
    const text = qrText(signed(of))
    expect(text).toMatch(/^CHARGEMESH:RECEIPT\/1\/[A-Z2-7]+$/)
    // 978 bytes signed, 1428 signs.
    expect(encode(text).version).toBeLessThanOrEqual(22)
    expect(encode(text, { ecc: 'M' }).version).toBeLessThanOrEqual(25)
    expect(encode(qrText(shortened(signed(of)))).version).toBeLessThanOrEqual(15)
    expect(encode(qrText(long(8)).padEnd(MOST_CAPITALS, 'A')).version).toBe(25)
    expect(encode('A'.repeat(MOST_CAPITALS + 1)).version).toBe(26)
  })
})

// A card id or a password in place of which `-` stands is one short line of standard input.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { secretOf } from '../../src/cli/secret.ts'

describe('a secret on the command line', () => {
  it('is the word itself, and nothing is read', async () => {
    expect(await secretOf('04A2', Readable.from(['other\n']))).toBe('04A2')
  })

  it.each([
    ['one line', ['04A2\n'], '04A2'],
    ['the first of several lines', ['04A2\r\n04B2\n'], '04A2'],
    ['a line in pieces, without an end', ['04', 'A2'], '04A2'],
  ])('is %s of standard input for `-`', async (_, chunks, secret) => {
    expect(await secretOf('-', Readable.from(chunks))).toBe(secret)
  })

  it.each([
    ['nothing', []],
    ['an empty line', ['\n04A2\n']],
    ['a line that never ends', Array.from({ length: 20 }, () => 'x'.repeat(100))],
  ])('refuses %s', async (_, chunks) => {
    await expect(secretOf('-', Readable.from(chunks))).rejects.toThrow('standard input')
  })
})

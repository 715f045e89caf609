// Ids cross every boundary as hex text: lower case, and nothing else.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hex, unhex } from '../src/units.ts'

it('hex text and bytes are one another', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      expect(unhex(hex(bytes))).toEqual(bytes)
    }),
  )
})

it.each(['0', 'AB', '0g', 'g0', ' 0', '0\n', '0é', 'İ0', '00xx', '0٣'])('%j is no hex text', text => {
  expect(() => unhex(text)).toThrow(RangeError)
})

import { describe, expect, it } from 'vitest'
import { openSealed, SEAL_OVERHEAD_BYTES, sealPublicKey, sealTo } from '../../src/identity/seal.ts'

const SECRET = new Uint8Array(32).fill(7)
const OTHER = new Uint8Array(32).fill(8)
const EPHEMERAL = new Uint8Array(32).fill(9)
const PLAIN = new TextEncoder().encode('OCMF|{"ID":"04A2B3C4"}|{"SD":"00"}')

describe('a sealed box', () => {
  const box = sealTo(sealPublicKey(SECRET), EPHEMERAL, PLAIN)

  it('gives the operator every byte back, and shows nobody else any of them', () => {
    expect(openSealed(SECRET, box)).toEqual(PLAIN)
    expect(openSealed(OTHER, box)).toBeUndefined()
    expect(openSealed(EPHEMERAL, box)).toBeUndefined()
    expect(box).toHaveLength(PLAIN.length + SEAL_OVERHEAD_BYTES)
    expect(Buffer.from(box).includes('04A2B3C4')).toBe(false)
  })

  it('stays shut when any byte was changed or cut', () => {
    for (let i = 0; i < box.length; i++) {
      const changed = box.map((byte, at) => (at === i ? byte ^ 1 : byte))
      expect(openSealed(SECRET, changed), `byte ${i}`).toBeUndefined()
      expect(openSealed(SECRET, box.subarray(0, i)), `${i} bytes`).toBeUndefined()
    }
  })
})

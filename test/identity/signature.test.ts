// One predicate for the whole mesh (PROTOCOL 1.6): noble without ZIP 215 decides, node:crypto may only say yes faster,
// and a key that makes the two differ on honest signatures is never enrolled.
import { createHash, createPublicKey, verify as nodeVerify } from 'node:crypto'
import { verify as nobleVerify, Point } from '@noble/ed25519'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519, publicKeyOf, refuseKey, slowVerify } from '../../src/identity/signature.ts'
import { digestToSign } from '../../src/log/event.ts'
import { concatBytes, unhex } from '../../src/units.ts'
import { craft, gateOf, segmentOf } from '../replica/gate.ts'
import { testSite } from '../site.ts'

const { sign, verify } = ed25519()
const L = 2n ** 252n + 27742317777372353535851937790883648493n
const SEED = new Uint8Array(32).fill(7)
const KEY = publicKeyOf(SEED)
const MESSAGE = new TextEncoder().encode('a digest of thirty-two bytes ...')

/** All eight points of small order in their canonical encodings, and the non-canonical ones of RFC 8032's discussions. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
]
const NOT_CANONICAL = [
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
]
/** A point of order 8. */
const TORSION = Point.fromBytes(unhex(SMALL_ORDER[4] as string), false)

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
}
function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}
function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash('sha512').update(concatBytes(parts)).digest())
}
function secretScalar(seed: Uint8Array): bigint {
  const half = sha512(seed).slice(0, 32)
  half[0] = (half[0] ?? 0) & 248
  half[31] = ((half[31] ?? 0) & 127) | 64
  return littleEndian(half)
}

type Crafted = { readonly signature: Uint8Array; readonly key: Uint8Array }

/** What the owner of a key can craft: R, A or both moved by points of small order, S made to fit the challenge. */
function torsionSigned(message: Uint8Array, seed: Uint8Array, moved: { r: number; a: number }): Crafted {
  const times = (n: number): Point => (n === 0 ? Point.ZERO : TORSION.multiply(BigInt(n)))
  const scalar = secretScalar(seed)
  const nonce = littleEndian(sha512(seed, message)) % L
  const key = Point.BASE.multiply(scalar % L)
    .add(times(moved.a))
    .toBytes()
  const r = Point.BASE.multiply(nonce).add(times(moved.r)).toBytes()
  const challenge = littleEndian(sha512(r, key, message)) % L
  return { key, signature: concatBytes([r, bytesOf((nonce + challenge * scalar) % L)]) }
}

function nodeSays(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key])
  return nodeVerify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}

describe('a key', () => {
  it.each(SMALL_ORDER)('of small order is refused: %s', text => {
    expect(refuseKey(unhex(text))).toBe('small-order')
  })

  it.each(NOT_CANONICAL)('that is not in canonical form is refused: %s', text => {
    expect(refuseKey(unhex(text))).toBeDefined()
  })

  it.each([1, 2, 3, 4, 5, 6, 7])(
    'with a torsion part (%i) is refused, though signatures under it verify',
    a => {
      const { key } = torsionSigned(MESSAGE, SEED, { r: 0, a })
      expect(refuseKey(key)).toBe('mixed-order')
    },
  )

  it('that is no point of the curve, or of another length, is refused', () => {
    expect(refuseKey(new Uint8Array(32).fill(2))).toBe('not-canonical')
    expect(refuseKey(KEY.subarray(1))).toBe('wrong-length')
    expect(refuseKey(concatBytes([KEY, KEY]))).toBe('wrong-length')
  })

  it('that a device draws is taken', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), seed => {
        expect(refuseKey(publicKeyOf(seed))).toBeUndefined()
      }),
      { numRuns: 20 },
    )
  })
})

describe('a signature', () => {
  it('of RFC 8032, 7.1, test 3 is made and taken', () => {
    const seed = unhex('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7')
    const wanted =
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac' +
      '18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'
    expect(sign(seed, unhex('af82'))).toEqual(unhex(wanted))
    expect(verify(unhex(wanted), unhex('af82'), publicKeyOf(seed))).toBe(true)
  })

  it.each([1, 2, 3, 4, 5, 6, 7])(
    'whose R its owner moved by torsion %i is valid, though node:crypto says no',
    r => {
      const { signature, key } = torsionSigned(MESSAGE, SEED, { r, a: 0 })
      expect(key).toEqual(KEY)
      expect(nodeSays(signature, MESSAGE, key)).toBe(false)
      expect(nobleVerify(signature, MESSAGE, key, { zip215: false })).toBe(true)
      expect(verify(signature, MESSAGE, key)).toBe(true)
      expect(slowVerify(signature, MESSAGE, key)).toBe(true)
    },
  )

  it('under a key with a torsion part gets noble’s verdict wherever it is asked', () => {
    for (let a = 0; a < 8; a++)
      for (let r = 0; r < 8; r++) {
        const { signature, key } = torsionSigned(MESSAGE, SEED, { r, a })
        const rule = nobleVerify(signature, MESSAGE, key, { zip215: false })
        expect(slowVerify(signature, MESSAGE, key)).toBe(rule)
        expect(verify(signature, MESSAGE, key)).toBe(rule)
      }
  })

  it('that node:crypto takes is valid by the rule, for every key that can be enrolled', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(63),
        fc.nat(255),
        (seed, message, at, flip) => {
          const signature = sign(seed, message)
          signature[at] = (signature[at] ?? 0) ^ flip
          const key = publicKeyOf(seed)
          const rule = nobleVerify(signature, message, key, { zip215: false })
          if (nodeSays(signature, message, key)) expect(rule).toBe(true)
          expect(verify(signature, message, key)).toBe(rule)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('with S not reduced is refused, so no relay can give a stored event another signature', () => {
    const signature = sign(SEED, MESSAGE)
    const s = littleEndian(signature.subarray(32)) + L
    const other = concatBytes([signature.subarray(0, 32), bytesOf(s)])
    expect(verify(other, MESSAGE, KEY)).toBe(false)
  })

  it('with R in another form than the canonical one is refused, though ZIP 215 takes it', () => {
    for (const r of NOT_CANONICAL.slice(2, 4).map(unhex)) {
      const challenge = littleEndian(sha512(r, KEY, MESSAGE)) % L
      const signature = concatBytes([r, bytesOf((challenge * secretScalar(SEED)) % L)])
      expect(nobleVerify(signature, MESSAGE, KEY, { zip215: true })).toBe(true)
      expect(verify(signature, MESSAGE, KEY)).toBe(false)
    }
  })

  it.each([0, 1, 63, 65, 128])('of %i bytes is refused without being looked at', length => {
    expect(verify(new Uint8Array(length), MESSAGE, KEY)).toBe(false)
  })

  it('under bytes that are no key is refused, not thrown', () => {
    for (const key of [
      new Uint8Array(32).fill(2),
      new Uint8Array(31),
      new Uint8Array(0),
      unhex('ff'.repeat(32)),
    ])
      expect(verify(sign(SEED, MESSAGE), MESSAGE, key)).toBe(false)
  })

  it('made of zeros is refused', () => {
    expect(verify(new Uint8Array(64), MESSAGE, KEY)).toBe(false)
  })
})

describe('the gate', () => {
  it('takes a torsion-crafted seal of an enrolled key, as every other node does', () => {
    const site = testSite('torsion')
    const node = site.device('node')
    const [opened] = craft({ site, device: node }, [{}])
    if (!opened) throw new Error('no event')
    const digest = digestToSign(opened, opened)
    const { signature } = torsionSigned(digest, node.keys.logKey, { r: 3, a: 0 })
    expect(nodeSays(signature, digest, node.certificate.logKey)).toBe(false)
    const admission = gateOf(site, [node]).admit(segmentOf([{ ...opened, signature }]))
    expect(admission.kind).toBe('admitted')
  })
})

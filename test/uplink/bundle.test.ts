// A part of a stick: read by who it is for, refused by everybody else and in every damaged form, by value.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sealPublicKey } from '../../src/identity/seal.ts'
import {
  BUNDLE_FORMAT,
  MAX_PART_BYTES,
  openPart,
  type PartContents,
  type PartKind,
  type PartVerdict,
  readPart,
  writePart,
} from '../../src/uplink/bundle.ts'
import { decodePush, encodePush } from '../../src/uplink/request.ts'
import { sessionBodies, type TestDevice, testSite } from '../site.ts'

const site = testSite('bundle')
const node = site.device('north')
const log = site.openLog(node)
log.append([sessionBodies().start, sessionBodies().end])
const push = {
  segments: log.segments(),
  certificates: [new Uint8Array(node.certificate.encoded)],
  sinceVersion: 0,
}

function written(kind: PartKind, author: TestDevice, to: readonly TestDevice[], of = site): Uint8Array {
  const { siteId, signatures } = of
  const contents: PartContents = {
    ...{ kind, madeAt: 1, covers: [{ logId: log.logId, fromSeq: 0, nextSeq: 3 }] },
    messages: [encodePush(push)],
    recipients: to.map(device => device.certificate.sealKey),
    random: site.random,
  }
  const chain = [of.issuer.certificate.encoded, author.certificate.encoded]
  return writePart({ siteId, chain, logKey: author.keys.logKey, signatures }, contents)
}

const reader = { siteId: site.siteId, rootKey: site.rootKey, signatures: site.signatures }
const read = (file: Uint8Array): PartVerdict => readPart(reader, file)
const secretOf = ({ keys }: TestDevice) => ({
  secretKey: keys.sealKey,
  publicKey: sealPublicKey(keys.sealKey),
})

function opened(file: Uint8Array, device: TestDevice): readonly Uint8Array[] | undefined {
  const verdict = read(file)
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return openPart(verdict.part, [secretOf(device)])
}

describe('a part', () => {
  it('is opened by each of those whom it is sealed to, and by nobody else', () => {
    const second = site.device('second issuer', ['issuer'])
    const file = written('up', node, [site.issuer, second])
    for (const device of [site.issuer, second]) {
      const [message = new Uint8Array(0)] = opened(file, device) ?? []
      expect(decodePush(message)).toEqual(push)
    }
    expect(opened(file, node), 'not by its own author').toBeUndefined()
  })

  it('says in the clear which logs it covers, and whose it is', () => {
    expect(read(written('up', node, [site.issuer]))).toMatchObject({
      kind: 'valid',
      part: { head: { covers: [{ logId: log.logId, fromSeq: 0, nextSeq: 3 }] }, author: { name: 'north' } },
    })
  })

  it.each<readonly [PartKind, string, boolean]>([
    ['up', 'node', true],
    ['holds', 'node', true],
    ['down', 'node', false],
    ['up', 'issuer', false],
    ['down', 'issuer', true],
  ])('that goes %s may be written by a %s: %s', (kind, who, may) => {
    const file = written(kind, who === 'node' ? node : site.issuer, [site.issuer])
    expect(read(file)).toMatchObject(may ? { kind: 'valid' } : { kind: 'refused', reason: 'unknown-author' })
  })

  it('of another site, by a stranger, or of a later version is refused as that', () => {
    const other = testSite('other')
    expect(read(written('up', other.device('x'), [site.issuer], other))).toMatchObject({
      reason: 'foreign-site',
    })
    const stranger = { ...other.device('x'), keys: node.keys }
    expect(read(written('up', stranger, [site.issuer]))).toMatchObject({ reason: 'unknown-author' })
    // His key under a certificate of the site.
    const thief = { ...node, keys: other.device('y').keys }
    expect(read(written('up', thief, [site.issuer]))).toMatchObject({ reason: 'damaged' })
    const later = written('up', node, [site.issuer])
    later[3] = BUNDLE_FORMAT + 1
    expect(read(later)).toMatchObject({ reason: 'future-version' })
  })

  it('that was cut, or of which any bit was changed, is refused', () => {
    const file = written('up', node, [site.issuer])
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const spoilt = file.slice()
        spoilt[at] = (spoilt[at] ?? 0) ^ mask
        expect(read(spoilt).kind).toBe('refused')
        expect(read(file.subarray(0, at)).kind).toBe('refused')
      }),
    )
    expect(read(new Uint8Array(MAX_PART_BYTES + 1))).toMatchObject({ reason: 'damaged' })
  })

  it('of junk is refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), junk => {
        expect(read(junk)).toMatchObject({ kind: 'refused', reason: 'damaged' })
        expect(read(Uint8Array.of(0x43, 0x4d, 0x42, 1, ...junk))).toMatchObject({ kind: 'refused' })
      }),
    )
  })
})

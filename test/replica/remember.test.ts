// Nodes that share a memory of readings judge as nodes that each read for themselves: nothing that is remembered depends on
// who asked first, what that node held, whom it knew, or where it was offered the bytes.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMemory } from '../../simulations/world/remember.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { readObject, signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { type Remember, readAnew } from '../../src/remember.ts'
import type { LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'
import { craft, gateOf, segmentOf } from './gate.ts'

const site = testSite('remember')
const [known, stranger] = [site.device('known'), site.device('stranger')]
const seal = {}

const whole = craft({ site, device: known }, [seal, seal, seal, seal])
const [, second] = whole
if (!second) throw new Error('four events')
// A branch of the same log, a forgery, and the log of somebody whom only one of two nodes knows.
const branch = craft({ site, device: known, fromSeq: 2, prev: second.hash }, [
  { hlc: second.hlc + 9n },
  { hlc: second.hlc + 9n },
])
const forged = craft({ site, device: stranger, logId: second.logId, fromSeq: 2, prev: second.hash }, [seal])
const foreign = craft({ site, device: stranger }, [seal, seal])
const good = [
  ...[whole.slice(0, 1), whole.slice(0, 2), whole.slice(1, 2), whole.slice(2), whole],
  ...[branch, branch.slice(1), forged, foreign],
].map(segmentOf)
// The very same bytes, offered elsewhere.
const moved = good.flatMap((segment): Segment[] => [
  { ...segment, fromSeq: segment.fromSeq + 1 },
  { ...segment, fromSeq: Math.max(0, segment.fromSeq - 1) },
  { ...segment, logId: '77'.repeat(16) as LogId },
  { ...segment, logId: good[segment.logId === second.logId ? 8 : 0]?.logId ?? segment.logId },
])
const offered = [...good, ...moved]
/** One holds each branch. */
const APART = [
  [0, whole],
  [1, whole.slice(0, 2)],
  [1, branch],
] as const

type Offers = { readonly offers: readonly (readonly [number, number])[]; readonly apart: boolean }

/** What two nodes, of which only one knows the stranger, say to a row of offers. */
function verdicts({ offers, apart }: Offers, remember: Remember): readonly string[] {
  const gates = [gateOf(site, [known], remember), gateOf(site, [known, stranger], remember)]
  if (apart) for (const [who, what] of APART) expect(gates[who]?.admit(segmentOf(what)).kind).toBe('admitted')
  return offers.map(([who, what]) => {
    const segment = offered[what]
    const verdict = segment && gates[who]?.admit(segment)
    if (verdict?.kind === 'admitted')
      return `${verdict.events.map(event => event.hash)} at ${verdict.segment.fromSeq} ${verdict.head.hash}`
    return JSON.stringify(verdict)
  })
}

it('a segment is judged alike with a memory and without, whoever was offered it where before', () => {
  const offer = fc.tuple(fc.nat(1), fc.oneof(fc.nat(good.length - 1), fc.nat(offered.length - 1)))
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.record({ offers: fc.array(offer, { maxLength: 30 }), apart: fc.boolean() }), offers => {
      const alone = verdicts(offers, readAnew)
      expect(verdicts(offers, createMemory())).toEqual(alone)
      for (const verdict of alone) seen.add(verdict.startsWith('{') ? verdict.slice(0, 20) : 'admitted')
    }),
    { numRuns: 40 },
  )
  expect(seen.size).toBeGreaterThanOrEqual(5)
})

it('bytes behind one branch are still a forgery behind the other, whoever was offered them first', () => {
  const behind = good.findIndex(({ fromSeq, logId }) => fromSeq === 3 && logId === second.logId)
  for (const offers of [
    [
      [0, behind],
      [1, behind],
    ],
    [
      [1, behind],
      [0, behind],
    ],
  ] as const) {
    const apart = true
    expect(verdicts({ offers, apart }, createMemory())).toEqual(verdicts({ offers, apart }, readAnew))
  }
})

it('bytes that are bad in one place are still good in their own', () => {
  const remember = createMemory()
  const [, first] = good as [Segment, Segment]
  expect(gateOf(site, [known], remember).admit({ ...first, fromSeq: 1 }).kind).toBe('invalid')
  expect(gateOf(site, [known], remember).admit(first).kind).toBe('admitted')
})

it('a certificate and an object of somebody unknown are refused by whoever does not know the signer, and by nobody else', () => {
  const { issuer, signatures, siteId, rootKey } = site
  const deviceId = stranger.certificate.deviceId
  const signer = { certHash: stranger.certificate.hash, logKey: stranger.keys.logKey, signatures }
  const body = { deviceId, issuedAt: SITE_OPENED_AT, uplink: 'modem' }
  const alive = signObject(signer, { kind: 'uplink', body })
  for (const order of [
    ['apart', 'at home'],
    ['at home', 'apart'],
  ]) {
    const remember = createMemory()
    const said = new Map<string, string>()
    for (const where of order) {
      const roster = createRoster({ signatures, remember }, siteId, rootKey)
      if (where === 'at home') roster.enrol(issuer.certificate.encoded)
      const certificate = roster.enrol(stranger.certificate.encoded)
      const object = readObject({ roster, signatures, remember }, alive)
      said.set(where, `${certificate.kind}, ${object.kind}`)
    }
    expect(Object.fromEntries(said)).toEqual({ apart: 'refused, refused', 'at home': 'valid, valid' })
  }
})

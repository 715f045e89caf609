// The newest object of every name: order of arrival changes nothing, and a few beacons are found among many acks.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readObject, type SignedObject, signObject } from '../../src/log/object.ts'
import { createObjects } from '../../src/replica/objects.ts'
import type { EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'

const site = testSite('objects')
const roster = site.roster()
const hash = 'ab'.repeat(32) as EventHash
const logOf = (i: number): LogId => i.toString(16).padStart(32, '0') as LogId

function ack(log: number, seq: number): SignedObject {
  const { cloud, signatures } = site
  const body = { logId: logOf(log), seq, hash, durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT }
  const signer = { certHash: cloud.certificate.hash, logKey: cloud.keys.logKey, signatures }
  const verdict = readObject({ roster, signatures }, signObject(signer, { kind: 'ack', body }))
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return verdict.object
}

describe('the objects', () => {
  it('are the greatest version of each name, in whatever order they came', () => {
    const versions = [ack(1, 1), ack(1, 2), ack(1, 3), ack(2, 9), ack(2, 1)]
    fc.assert(
      fc.property(fc.shuffledSubarray(versions, { minLength: versions.length }), order => {
        const objects = createObjects()
        for (const object of order) objects.add(object)
        expect(objects.get(`ack/${logOf(1)}`)).toBe(versions[2])
        expect(objects.get(`ack/${logOf(2)}`)).toBe(versions[3])
        expect(new Set(objects.ofKind('ack'))).toEqual(new Set([versions[2], versions[3]]))
        expect([...objects.all()]).toHaveLength(2)
      }),
    )
  })

  it('say what is news, and count only that', () => {
    const objects = createObjects()
    expect([
      objects.add(ack(1, 2)),
      objects.add(ack(1, 2)),
      objects.add(ack(1, 1)),
      objects.add(ack(1, 3)),
    ]).toEqual([true, false, false, true])
    expect(objects.changes()).toBe(2)
  })

  it('of one kind are found without going through all the others', () => {
    const objects = createObjects()
    const one = ack(1, 1)
    for (let i = 0; i < 50_000; i++) objects.add({ ...one, name: `ack/${logOf(i)}` })
    const runs = Array.from({ length: 5 }, () => {
      const startedMs = performance.now()
      expect(objects.ofKind('beacon')).toEqual([])
      return performance.now() - startedMs
    })
    expect(Math.min(...runs)).toBeLessThan(0.5)
  })
})

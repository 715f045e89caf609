// A certified peer may say anything that can be read: what it says of itself harms nobody else, and fills no memory.
import { beforeEach, expect, it, vi } from 'vitest'
import { readObject, type SignedObject, signObject } from '../../src/log/object.ts'
import { ANSWER_BURST_BYTES, type Peer } from '../../src/replica/peer.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'
import { claimOfObjects, type Middle, middleOf, toWhom } from './neighbours.ts'

const kept: Peer[] = []
vi.mock(import('../../src/replica/peer.ts'), async original => {
  const real = await original()
  return {
    ...real,
    newPeer: nowMs => {
      const peer = real.newPeer(nowMs)
      kept.push(peer)
      return peer
    },
  }
})

const site = testSite('liars')
const device = site.device('author')
const roster = site.roster([device])
const [a, b] = ['b1', 'b2'].map(byte => byte.repeat(16)) as [DeviceId, DeviceId]
const named = (i: number): string => i.toString(16).padStart(32, '0')

function ack(log: number, seq = 1): SignedObject {
  const { cloud, signatures } = site
  const hash = 'ab'.repeat(32) as EventHash
  const logId = named(log) as LogId
  const body = { logId, seq, hash, durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT }
  const signer = { certHash: cloud.certificate.hash, logKey: cloud.keys.logKey, signatures }
  const verdict = readObject({ roster, signatures }, signObject(signer, { kind: 'ack', body }))
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return verdict.object
}

let node: Middle
beforeEach(() => {
  kept.length = 0
  node = middleOf({ site, devices: [device], named: [a, b] })
})

function claimMany(count: number): void {
  for (let i = 0; i < count; i += 1000) {
    const objects = Array.from({ length: 1000 }, (_, n) => ({
      ...{ kind: 'ack' as const, key: named(i + n + 1000), version: 1 },
    }))
    node.sync.heard(a, { kind: 'have', heads: [], objects }, node.nowMs())
  }
}

it('a peer that claims 100,000 objects that nobody has fills no memory', () => {
  claimMany(100_000)
  const sizes = kept.flatMap(peer =>
    [peer.asked, peer.holds, peer.knows, peer.provedAt].map(({ size }) => size),
  )
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4096)
})

it('a peer that claimed many is still asked for what it really has, and still told what it lacks', () => {
  claimMany(10_000)
  expect(toWhom(node.sync.heard(a, claimOfObjects([ack(1)]), node.nowMs()), 'want')).toEqual([a])
  expect(node.isTold(a, [ack(1)])).toEqual([])
  expect(toWhom(node.isTold(b, [ack(1, 2)]), 'objects')).toEqual([a])
})

it('a peer that asks for objects for ever gets no more at once than its queue could hold, and each once a question', () => {
  const objects = Array.from({ length: 32 }, (_, i) => ack(i))
  node.isTold(b, objects)
  const { objects: entries } = claimOfObjects(objects)
  const want = { kind: 'want', logs: [], objects: [...entries, ...entries] } as const
  const answered = (): number => {
    let bytes = 0
    for (const { message } of node.sync.heard(a, want, node.nowMs()))
      if (message.kind === 'objects') for (const object of message.objects) bytes += object.length
    return bytes
  }
  const once = answered()
  expect(once).toBe(objects.reduce((sum, object) => sum + object.encoded.length, 0))
  let total = once
  for (let i = 0; i < 1000; i++) total += answered()
  expect(total).toBeGreaterThan(ANSWER_BURST_BYTES / 2)
  expect(total).toBeLessThan(ANSWER_BURST_BYTES + once)
  node.wait(1000)
  expect(answered()).toBe(once)
})

it('a peer that was just given all the logs it may have at once is still given objects', () => {
  node.isTold(b, [ack(1)])
  for (const peer of kept) peer.answerBytes = 0
  const want = { kind: 'want', logs: [], objects: claimOfObjects([ack(1)]).objects } as const
  expect(toWhom(node.sync.heard(a, want, node.nowMs()), 'objects')).toEqual([a])
})

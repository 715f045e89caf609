// One node between its neighbours: to whom it passes news on, whom it asks, and what it says when nobody says anything.
import { beforeEach, describe, expect, it } from 'vitest'
import { readObject, type SignedObject, type Statement, signObject } from '../../src/log/object.ts'
import { createDigest } from '../../src/replica/digest.ts'
import type { Send } from '../../src/replica/sends.ts'
import type { DeviceId, EventHash } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog, testSite } from '../site.ts'
import {
  claimOf,
  claimOfObjects,
  type Middle,
  middleOf,
  type SegmentMessage,
  toWhom,
  wordsOf,
} from './neighbours.ts'

const site = testSite('sync')
const device = site.device('author')
const author = device.certificate.deviceId
const log = site.openLog(device)
for (let i = 0; i < 5; i++) log.append([{ name: 'diagnostics', body: { code: 'x', detail: String(i) } }])
const words = wordsOf(log)
const word = (i: number): SegmentMessage => words[i] as SegmentMessage
const [a, b, c, d] = ['b1', 'b2', 'b3', 'b4'].map(byte => byte.repeat(16)) as [
  DeviceId,
  DeviceId,
  DeviceId,
  DeviceId,
]
const devices = [device]
const roster = site.roster(devices)

function sign({ certificate, keys }: TestDevice, statement: Statement): SignedObject {
  const { signatures } = site
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures }
  const verdict = readObject({ roster, signatures }, signObject(signer, statement))
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return verdict.object
}

function ack(about: TestLog, seq: number): SignedObject {
  const hash = 'ab'.repeat(32) as EventHash
  const body = { logId: about.logId, seq, hash, durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT }
  return sign(site.cloud, { kind: 'ack', body })
}

const want = (fromSeq: number, of: TestLog = log) =>
  ({ kind: 'want', logs: [{ logId: of.logId, fromSeq, prevHash: new Uint8Array(0) }], objects: [] }) as const
const graft = { kind: 'graft', authors: [author], objects: false } as const
const prunes = (sends: readonly Send[]) => sends.filter(({ message }) => message.kind === 'prune')

let node: Middle
beforeEach(() => {
  node = middleOf({ site, devices, named: [author, a, b, c, d] })
  // All have asked for something of the author's before.
  for (const peer of [a, b, c, d]) node.sync.heard(peer, graft, node.nowMs())
})

describe('news of an author whose tree is not known yet', () => {
  const large = site.openLog(device)
  for (let i = 0; i < 3; i++) large.append([{ name: 'policy', body: { name: 'x', value: 'x'.repeat(1024) } }])
  const much = (i: number): SegmentMessage => wordsOf(large)[i + 1] as SegmentMessage
  const fresh = (): Middle => middleOf({ site, devices, named: [author, a, b, c] })

  it('is passed on while it is little, and was not heard from the author', () => {
    expect(toWhom(fresh().hears(a, word(0)), 'segment')).toEqual([b, c])
  })

  it('is only announced when the author said it, to whom the others are most likely connected as well', () => {
    const young = fresh()
    expect(toWhom(young.hears(author, word(0)), 'segment')).toEqual([])
    expect(toWhom(young.wait(1000), 'have')).toEqual([a, b, c])
    young.sync.heard(b, want(0), young.nowMs())
    expect(toWhom(young.hears(author, word(1)), 'segment')).toEqual([b])
  })

  it('is only announced where it is much, with the next tick, to whoever is not known to hold it, and passed on to whoever asks', () => {
    const young = fresh()
    young.hears(author, wordsOf(large)[0] as SegmentMessage)
    young.hears(author, much(0))
    young.sync.heard(c, claimOf(large, 2), young.nowMs())
    expect(toWhom(young.hears(author, much(1)), 'segment')).toEqual([])
    const haves = young.wait(1000).filter(({ message }) => message.kind === 'have')
    expect(haves).toMatchObject([a, b].map(to => ({ to, message: claimOf(large, 2) })))
    expect(toWhom(young.wait(5000), 'have')).toEqual([])
    expect(toWhom(young.sync.heard(a, want(0, large), young.nowMs()), 'segment')).toEqual([a])
    expect(toWhom(young.hears(author, much(2)), 'segment')).toEqual([a])
  })

  it('and announced to us though we hold it is answered with prune, once, and by the author never', () => {
    const young = fresh()
    young.hears(author, wordsOf(large)[0] as SegmentMessage)
    young.hears(author, much(0))
    const prune = { to: a, message: { kind: 'prune', authors: [author], objects: false } }
    expect(young.sync.heard(a, claimOf(large, 1), young.nowMs())).toEqual([prune])
    expect(young.sync.heard(a, claimOf(large, 1), young.nowMs())).toEqual([])
    expect(young.sync.heard(author, claimOf(large, 1), young.nowMs())).toEqual([])
    young.hears(author, much(1))
    expect(toWhom(young.wait(1000), 'have')).toEqual([b, c])
  })

  it('is asked of three others when the peer that brought it is gone', () => {
    const young = fresh()
    young.hears(a, word(0))
    expect(young.sync.gone(b)).toEqual([])
    const sends = young.sync.gone(a)
    expect(new Set(sends.map(({ to }) => to))).toEqual(new Set([author, c]))
    for (const { message } of sends) expect(message).toEqual(graft)
  })
})

describe('news of its author', () => {
  it('is passed on to everybody who is not known to hold it, as it came', () => {
    node.hears(author, word(0))
    expect(node.hears(b, word(0))).toMatchObject([{ to: b, message: { kind: 'prune', authors: [author] } }])
    node.sync.heard(c, claimOf(log, 1), node.nowMs())
    const sends = node.hears(author, word(1))
    expect(toWhom(sends, 'segment')).toEqual([a, d])
    for (const { message } of sends) if (message.kind === 'segment') expect(message).toBe(word(1))
  })

  it('goes on without the promise of more, which was its sender’s', () => {
    const [first] = node.hears(author, { ...word(0), more: true })
    expect(first).toEqual({ to: a, message: word(0) })
  })

  it('goes on from a relay as well, but neither back to it nor to the author', () => {
    expect(toWhom(node.hears(a, word(0)), 'segment')).toEqual([b, c, d])
  })

  it('goes on with the hash before it that we hold, whatever its sender left out', () => {
    node.hears(author, word(0))
    const sends = node.hears(author, { ...word(1), prevHash: new Uint8Array(0) })
    expect(toWhom(sends, 'segment')).toEqual([a, b, c, d])
    for (const { message } of sends) expect(message).toEqual(word(1))
  })
})

describe('a repeat', () => {
  it('from a third party is answered with prune, and from then on neither passes on to the other', () => {
    node.hears(author, word(0))
    expect(prunes(node.hears(a, word(0)))).toEqual([
      { to: a, message: { kind: 'prune', authors: [author], objects: false } },
    ])
    expect(toWhom(node.hears(author, word(1)), 'segment')).toEqual([b, c, d])
    const other = middleOf({ site, devices, named: [author, a, b] })
    for (const peer of [a, b]) other.sync.heard(peer, graft, other.nowMs())
    other.sync.heard(a, { kind: 'prune', authors: [author], objects: false }, other.nowMs())
    expect(toWhom(other.hears(author, word(0)), 'segment')).toEqual([b])
  })

  it('from the author is no reason, however the news came', () => {
    node.hears(a, word(0))
    expect(node.hears(author, word(0))).toEqual([])
  })

  it('from the same peer again is none either: the line doubled it', () => {
    node.hears(a, word(0))
    expect(node.hears(a, word(0))).toEqual([])
    expect(toWhom(node.hears(author, word(1)), 'segment')).toEqual([a, b, c, d])
  })

  it('that was asked for is no reason', () => {
    node.sync.heard(a, claimOf(log, 1), node.nowMs())
    node.hears(author, word(0))
    expect(prunes(node.hears(a, word(0)))).toEqual([])
  })

  it('behind the parent’s leaving makes its sender the parent, so that the last branch is not cut', () => {
    node.hears(a, word(0))
    node.sync.gone(a)
    expect(node.hears(b, word(0))).toEqual([])
    expect(prunes(node.hears(c, word(0)))).toHaveLength(1)
  })
})

describe('a question', () => {
  it('takes whoever asks into the tree again', () => {
    node.hears(author, word(0))
    node.hears(a, word(0))
    expect(toWhom(node.sync.heard(a, want(0), node.nowMs()), 'segment')).toEqual([a])
    expect(toWhom(node.hears(author, word(1)), 'segment')).toEqual([a, b, c, d])
  })

  it('is asked of whoever claims more, and its answer is not passed on but announced with the next tick to all in the tree', () => {
    node.wait(1000)
    expect(toWhom(node.sync.heard(a, claimOf(log, 0), node.nowMs()), 'want')).toEqual([a])
    expect(node.hears(a, word(0))).toEqual([])
    const haves = node.wait(2000).filter(({ message }) => message.kind === 'have')
    expect(haves.map(({ to }) => to)).toEqual([b, c, d])
    for (const { message } of haves) expect(message).toEqual(claimOf(log, 0))
    expect(toWhom(node.wait(10_000), 'have')).toEqual([])
    node.sync.heard(b, { kind: 'prune', authors: [author], objects: false }, node.nowMs())
    for (const seq of [1, 2]) {
      // Somebody brings this author's news, so the question waits for the next tick.
      expect(toWhom(node.sync.heard(a, claimOf(log, seq), node.nowMs()), 'want')).toEqual([])
      expect(toWhom(node.wait(1000), 'want')).toEqual([a])
      node.hears(a, word(seq))
      expect(toWhom(node.wait(1000), 'have')).toEqual([c, d])
    }
  })
})

describe('objects', () => {
  it('of a peer are passed on to whoever is not known to hold them, as they came', () => {
    const [one, two] = [ack(log, 1), ack(log, 2)]
    node.objects.add(one)
    node.sync.learned([one])
    node.sync.heard(b, claimOfObjects([two]), node.nowMs())
    expect(toWhom(node.isTold(a, [two]), 'objects')).toEqual([author, c, d])
  })

  it('that two peers bring are answered with prune the second time, and go neither way from then on', () => {
    node.isTold(a, [ack(log, 1)])
    expect(node.isTold(a, [ack(log, 1)])).toEqual([])
    expect(node.isTold(b, [ack(log, 1)])).toEqual([
      { to: b, message: { kind: 'prune', authors: [], objects: true } },
    ])
    expect(toWhom(node.isTold(a, [ack(log, 2)]), 'objects')).toEqual([author, c, d])
    node.sync.heard(c, { kind: 'prune', authors: [], objects: true }, node.nowMs())
    expect(toWhom(node.isTold(a, [ack(log, 3)]), 'objects')).toEqual([author, d])
    const again = { kind: 'want', logs: [], objects: claimOfObjects([ack(log, 3)]).objects } as const
    expect(toWhom(node.sync.heard(c, again, node.nowMs()), 'objects')).toEqual([c])
    expect(toWhom(node.isTold(a, [ack(log, 4)]), 'objects')).toEqual([author, c, d])
  })

  it('that were asked for are announced to three within 2 s, and not passed on', () => {
    node.wait(1000)
    const [one] = [ack(log, 1)]
    expect(toWhom(node.sync.heard(a, claimOfObjects([one]), node.nowMs()), 'want')).toEqual([a])
    expect(node.isTold(a, [one])).toEqual([])
    const haves = node.wait(2000).filter(({ message }) => message.kind === 'have')
    expect(haves).toHaveLength(3)
    for (const { to, message } of haves) expect([to === a, message]).toEqual([false, claimOfObjects([one])])
  })
})

describe('a digest', () => {
  const strange = { kind: 'digest', digest: new Uint8Array(16) } as const
  const heads = (sends: readonly Send[]) =>
    sends.flatMap(({ message }) => (message.kind === 'have' ? message.heads.map(({ seq }) => seq) : []))

  it('that differs is answered with what is new since, then with everything, at most every 15 s', () => {
    const other = site.openLog(device)
    node.has({ ...word(0) })
    const digest = (): readonly number[] => heads(node.sync.heard(a, strange, node.nowMs()))
    expect(digest()).toEqual([0])
    for (const segment of other.segments()) node.has(segment)
    node.wait(14_000)
    // Connected 14 s ago, when everything was said.
    expect(digest()).toEqual([0])
    expect(digest()).toEqual([])
    node.wait(1000)
    expect(digest()).toEqual([0, 0])
    node.wait(14_000)
    expect(digest()).toEqual([])
    node.wait(1000)
    expect(digest()).toEqual([0, 0])
  })

  it('that differs brings the proof of a fork at once, and again after a minute', () => {
    for (const i of [0, 1, 2]) node.has(word(i))
    const hash = 'ab'.repeat(32) as EventHash
    const { logId, fromSeq, update } = word(2)
    node.logs.freeze(logId, { seq: 2, ours: hash, theirs: hash, evidence: { logId, fromSeq, update } })
    const proof = (): readonly DeviceId[] => toWhom(node.sync.heard(a, strange, node.nowMs()), 'segment')
    expect(proof()).toEqual([a, a])
    node.wait(59_000)
    expect(proof()).toEqual([])
    node.wait(1000)
    expect(proof()).toEqual([a, a])
  })

  it('that is equal is answered with silence, and begins the count anew', () => {
    node.has(word(0))
    node.wait(60_000)
    const same = { kind: 'digest', digest: createDigest(node.logs, node.objects)() } as const
    expect(heads(node.sync.heard(a, strange, node.nowMs()))).toEqual([0])
    expect(node.sync.heard(a, same, node.nowMs())).toEqual([])
    expect(node.sync.heard(a, strange, node.nowMs())).toEqual([])
    expect(heads(node.sync.heard(a, strange, node.nowMs()))).toEqual([0])
  })

  it('goes to one peer every 10 s, whoever waited longest, and every second for 15 s behind a repair', () => {
    const digests = (ms: number) => node.wait(ms).filter(({ message }) => message.kind === 'digest')
    const quiet = digests(100_000)
    expect(quiet).toHaveLength(10)
    expect(new Set(quiet.slice(0, 5).map(({ to }) => to)).size).toBe(5)
    expect(quiet.slice(5).map(({ to }) => to)).toEqual(quiet.slice(0, 5).map(({ to }) => to))
    node.hears(author, word(0))
    node.sync.heard(a, claimOf(log, 1), node.nowMs())
    node.wait(1000)
    node.hears(a, word(1))
    expect(digests(14_000)).toHaveLength(14)
    expect(digests(26_000).length).toBeLessThanOrEqual(3)
  })
})

describe('a peer that says it holds nothing', () => {
  const nothing = { kind: 'have', heads: [], objects: [] } as const
  const heads = (sends: readonly Send[]) =>
    sends.flatMap(({ to, message }) =>
      to === a && message.kind === 'have' ? message.heads.map(({ seq }) => seq) : [],
    )

  it('has forgotten, and is told everything with the next tick, at most every 5 s', () => {
    node.hears(author, word(0))
    node.wait(6000)
    node.sync.heard(a, nothing, node.nowMs())
    expect(heads(node.wait(1000))).toEqual([0])
    node.sync.heard(a, nothing, node.nowMs())
    expect(heads(node.wait(4000))).toEqual([])
    expect(heads(node.wait(1000))).toEqual([0])
    expect(heads(node.wait(60_000))).toEqual([])
  })

  it('is passed on to again, although it had asked to be left out', () => {
    node.hears(author, word(0))
    node.sync.heard(a, { kind: 'prune', authors: [author], objects: false }, node.nowMs())
    expect(toWhom(node.hears(author, word(1)), 'segment')).not.toContain(a)
    node.wait(6000)
    expect(toWhom(node.wait(1000), 'have')).not.toContain(a)
    node.sync.heard(a, nothing, node.nowMs())
    node.wait(1000)
    node.hears(author, word(2))
    expect(toWhom(node.wait(1000), 'have')).toContain(a)
  })

  it('has only just come, and was told everything then', () => {
    node.hears(author, word(0))
    node.sync.heard(a, nothing, node.nowMs())
    expect(heads(node.wait(60_000))).toEqual([])
  })

  it('is what a node whose store is read again says first', () => {
    expect(node.sync.connected(a, node.nowMs())[0]).toEqual({ to: a, message: nothing })
  })
})

describe('a sign of life', () => {
  it('goes with the digest to whoever is not known to hold it, and once', () => {
    const body = { deviceId: author, issuedAt: SITE_OPENED_AT, uplink: 'modem' }
    const alive = sign(device, { kind: 'uplink', body })
    node.sync.heard(b, { kind: 'prune', authors: [], objects: true }, node.nowMs())
    node.isTold(a, [alive])
    const haves = node.wait(100_000).filter(({ message }) => message.kind === 'have')
    expect(haves).toMatchObject([{ to: b, message: claimOfObjects([alive]) }])
  })
})

describe('a certified peer that lies', () => {
  it('cannot fill the memory by naming authors in prunes, and others are told as before', () => {
    const named = (i: number): DeviceId => (i + 1).toString(16).padStart(32, 'f') as DeviceId
    for (let i = 0; i < 100_000; i += 50) {
      const authors = Array.from({ length: 50 }, (_, n) => named(i + n))
      node.sync.heard(a, { kind: 'prune', authors, objects: false }, node.nowMs())
    }
    node.sync.heard(a, { kind: 'prune', authors: [author], objects: false }, node.nowMs())
    expect(toWhom(node.hears(author, word(0)), 'segment')).toEqual([b, c, d])
  })
})

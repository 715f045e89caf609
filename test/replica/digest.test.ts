// Two digests are equal exactly where everything held is equal, whatever came in which order and whenever one looked.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeElement } from '../../src/log/event.ts'
import {
  OBJECT_KINDS,
  readObject,
  type SignedObject,
  type Statement,
  signObject,
} from '../../src/log/object.ts'
import { createDigest } from '../../src/replica/digest.ts'
import { createLogs, type Logs } from '../../src/replica/logs.ts'
import { createObjects, type Objects } from '../../src/replica/objects.ts'
import type { EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog, testSite } from '../site.ts'

const site = testSite('digest')
const node = site.device('node')
const EVENTS = 4
const written: readonly TestLog[] = Array.from({ length: 8 }, () => {
  const log = site.openLog(node)
  for (let i = 1; i < EVENTS; i++) log.append([{ name: 'diagnostics', body: { code: 'x', detail: '' } }])
  return log
}).sort((one, other) => (one.logId < other.logId ? -1 : 1))
const roster = site.roster([node])

function sign(device: TestDevice, statement: Statement): SignedObject {
  const { signatures } = site
  const signer = { certHash: device.certificate.hash, logKey: device.keys.logKey, signatures }
  const verdict = readObject({ roster, signatures }, signObject(signer, statement))
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return verdict.object
}
const hash = 'ab'.repeat(32) as EventHash
const idOf = (i: number): LogId => i.toString(16).padStart(32, '0') as LogId
const ack = (log: number, seq: number): SignedObject =>
  sign(site.cloud, {
    kind: 'ack',
    body: { logId: idOf(log), seq, hash, durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT },
  })
const beacon = (log: number, at: number): SignedObject => {
  const times = { issuedAt: SITE_OPENED_AT + at, nextByAt: SITE_OPENED_AT + at + 1000 }
  return sign(site.issuer, { kind: 'beacon', body: { logId: idOf(log), seq: 1, hash, ...times } })
}
const alive = (at: number): SignedObject => {
  const body = { deviceId: node.certificate.deviceId, issuedAt: SITE_OPENED_AT + at, uplink: 'modem' }
  return sign(node, { kind: 'uplink', body })
}
const stated: readonly SignedObject[] = [
  ...[ack(1, 1), ack(1, 2), ack(2, 7), ack(3, 1), ack(3, 5)],
  ...[beacon(1, 0), beacon(1, 5), beacon(2, 0), alive(0), alive(1000)],
]

type Store = { readonly logs: Logs; readonly objects: Objects; readonly digest: () => string }

function store(): Store {
  const logs = createLogs()
  const objects = createObjects()
  const digest = createDigest(logs, objects)
  return { logs, objects, digest: () => Buffer.from(digest()).toString('hex') }
}

/** The next event of a log. */
function grow({ logs }: Store, log: TestLog): void {
  const event = log.events()[logs.get(log.logId)?.hashes.length ?? 0]
  if (event) logs.append(node.certificate, [event], [encodeElement(event)])
}

function growAll(to: Store, log: TestLog): void {
  for (const _ of log.events()) grow(to, log)
}

function freeze({ logs }: Store, log: TestLog, seq: number): void {
  const ours = logs.get(log.logId)?.hashes[seq]
  const evidence = { logId: log.logId, fromSeq: seq, update: new Uint8Array(0) }
  if (ours !== undefined) logs.freeze(log.logId, { seq, ours, theirs: hash, evidence })
}

/** PROTOCOL 7, written down once more. */
function asWritten({ logs, objects }: Store): string {
  const digest = createHash('sha256').update('chargemesh/frontier/v1')
  const number = (value: number, bytes: number): Buffer =>
    Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex')
  for (const log of [...logs.all()].sort((one, other) => (one.logId < other.logId ? -1 : 1))) {
    const seq = log.fork ? log.fork.seq - 1 : log.head.seq
    digest.update(log.logId, 'hex').update(number(Math.max(0, seq), 6))
    digest.update((log.hashes[seq] ?? '00'.repeat(8)).slice(0, 16), 'hex')
    digest.update(number(log.fork ? log.fork.seq + 1 : 0, 6))
  }
  const held = [...objects.all()].map(({ object }) => object).filter(({ kind }) => kind !== 'uplink')
  for (const { kind, name, version } of held.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    digest.update(number(OBJECT_KINDS.indexOf(kind), 1)).update(name.slice(kind.length + 1), 'hex')
    digest.update(number(version, 8))
  }
  return digest.digest('hex').slice(0, 32)
}

/** What counts, in words. */
function contentsOf({ logs, objects }: Store): string {
  const heads = [...logs.all()].map(log => {
    const seq = log.fork ? log.fork.seq - 1 : log.head.seq
    return `${log.logId} ${seq} ${log.hashes[seq]} ${log.fork?.seq}`
  })
  const held = [...objects.all()].filter(({ object }) => object.kind !== 'uplink')
  return [...heads, ...held.map(({ object }) => `${object.name} ${object.version}`)].sort().join('\n')
}

type Step =
  | { readonly log: number }
  | { readonly object: number }
  | { readonly fork: number; readonly seq: number }
  | 'look'
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ log: fc.nat(written.length - 1) }) },
    { weight: 2, arbitrary: fc.record({ object: fc.nat(stated.length - 1) }) },
    { weight: 1, arbitrary: fc.record({ fork: fc.nat(2), seq: fc.nat(EVENTS - 1) }) },
    { weight: 2, arbitrary: fc.constant('look' as const) },
  ),
  { maxLength: 40 },
)

function take(to: Store, step: Step): void {
  if (step === 'look') expect(to.digest()).toBe(asWritten(to))
  else if ('log' in step) grow(to, written[step.log] as TestLog)
  else if ('object' in step) to.objects.add(stated[step.object] as SignedObject)
  else freeze(to, written[step.fork] as TestLog, step.seq)
}

describe('the digest', () => {
  it('is the one of the protocol at every look, whatever came between two of them', () => {
    fc.assert(
      fc.property(steps, list => {
        const one = store()
        for (const step of [...list, 'look' as const]) take(one, step)
      }),
    )
  })

  it('is equal exactly where what is held is equal', () => {
    const few = fc.array(
      fc.oneof(
        fc.record({ log: fc.nat(1) }),
        fc.record({ object: fc.constantFrom(0, 1, 8, 9) }),
        fc.record({ fork: fc.nat(1), seq: fc.nat(1) }),
        fc.constant('look' as const),
      ),
      { maxLength: 8 },
    )
    const equal = { yes: 0, no: 0 }
    fc.assert(
      fc.property(few, few, (mine, yours) => {
        const [one, other] = [store(), store()]
        for (const step of mine) take(one, step)
        for (const step of yours) take(other, step)
        const isEqual = contentsOf(one) === contentsOf(other)
        equal[isEqual ? 'yes' : 'no'] += 1
        expect(one.digest() === other.digest()).toBe(isEqual)
      }),
      { numRuns: 500 },
    )
    expect(Math.min(equal.yes, equal.no)).toBeGreaterThan(10)
  })

  it('does not depend on the order of arrival, nor on who looked when', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...written.keys()], { minLength: 8 }), fc.nat(8), (order, lookAt) => {
        const [one, other] = [store(), store()]
        order.forEach((i, n) => {
          if (n === lookAt) one.digest()
          growAll(one, written[i] as TestLog)
          one.objects.add(stated[i] as SignedObject)
        })
        for (const object of stated.slice(0, 8)) other.objects.add(object)
        for (const log of written) growAll(other, log)
        expect(one.digest()).toBe(other.digest())
      }),
    )
  })

  it('finds room in the middle for a log that sorts between two others', () => {
    const [one, other] = [store(), store()]
    const [low, middle, high] = written as [TestLog, TestLog, TestLog]
    for (const log of [low, high]) growAll(one, log)
    one.digest()
    for (const log of [middle, low, high]) growAll(one, log)
    for (const log of [low, middle, high]) growAll(other, log)
    expect(one.digest()).toBe(other.digest())
    const before = one.digest()
    grow(other, written[3] as TestLog)
    expect(other.digest()).not.toBe(before)
  })

  it('tells a log that forked from one that only ends there, and a fork from one further down', () => {
    const [ends, forks, lower, whole] = [store(), store(), store(), store()]
    const [log] = written as [TestLog]
    for (const one of [ends, forks]) for (let i = 0; i < 2; i++) grow(one, log)
    for (const one of [forks, lower, whole]) growAll(one, log)
    whole.digest()
    freeze(forks, log, 2)
    freeze(lower, log, 1)
    freeze(whole, log, 2)
    expect(new Set([ends.digest(), forks.digest(), lower.digest()]).size).toBe(3)
    expect(whole.digest()).toBe(forks.digest())
    freeze(whole, log, 1)
    expect(whole.digest()).toBe(lower.digest())
  })

  it('tells a log that forked at its first event from none at all, whichever branch is held', () => {
    const [forked, none] = [store(), store()]
    const [log, another] = written as [TestLog, TestLog]
    for (const one of [forked, none]) growAll(one, another)
    grow(forked, log)
    freeze(forked, log, 0)
    expect(forked.digest()).toBe(asWritten(forked))
    expect(forked.digest()).not.toBe(none.digest())
  })

  it('changes with a newer version of an object, and not with an older one', () => {
    const one = store()
    const digests = [ack(1, 2), ack(1, 1), ack(1, 3)].map(object => {
      one.objects.add(object)
      return one.digest()
    })
    expect(digests[1]).toBe(digests[0])
    expect(digests[2]).not.toBe(digests[0])
    const fresh = store()
    fresh.objects.add(ack(1, 3))
    expect(fresh.digest()).toBe(digests[2])
  })

  it('never changes with signs of life', () => {
    const one = store()
    const empty = one.digest()
    one.objects.add(alive(0))
    expect(one.digest()).toBe(empty)
    one.objects.add(ack(1, 1))
    const held = one.digest()
    one.objects.add(alive(1000))
    expect(one.digest()).toBe(held)
  })
})

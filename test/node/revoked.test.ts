// A revoked node is out of the mesh within a second of the news and stays out; what it wrote before its cut-off counts as
// ever, what it wrote later lies in every store and moves nothing, in whatever order the logs came (PROTOCOL 1.7, 2.6; I17).
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import type { Segment } from '../../src/ports.ts'
import { sessionBodies, type TestDevice, type TestLog, testSite } from '../site.ts'
import {
  createWorld,
  type Member,
  type OperatorLog,
  operatorOf,
  sessionsOf,
  startMessage,
  stopMessage,
  type World,
} from './world.ts'

const revocation = ({ certificate }: TestDevice, cutoff: readonly EventRef[]): AnyBody => ({
  name: 'device_revoke',
  body: {
    ...{ deviceId: certificate.deviceId, serial: certificate.serial },
    ...{ reason: 'stolen', cutoff: [...cutoff] },
  },
})

describe('the logs of a revoked device', () => {
  const site = testSite('revoked')
  const [self, stolen, other] = [site.device('self'), site.device('stolen'), site.device('other')]
  const revoker = site.device('revoker', ['revoker'])
  const session = (chargerId: string): readonly AnyBody[] => {
    const { start, end } = sessionBodies({ chargerId })
    return [start, end]
  }
  /** Three boots with two sessions each; revoked after the first session of the second boot. */
  const first = site.openLog(stolen)
  first.append([...session('CP-1'), ...session('CP-2')])
  const second = site.openLog(stolen, { prev: first.ref() })
  second.append(session('CP-3'))
  const cutoff = [second.ref()]
  second.append(session('CP-4'))
  const third = site.openLog(stolen, { prev: second.ref() })
  third.append([...session('CP-5'), ...session('CP-6')])
  const honest = site.openLog(other)
  honest.append(session('CP-7'))
  const counted = ['CP-1', 'CP-2', 'CP-3', 'CP-7']

  const ledger = (): Ledger =>
    createLedger({
      ...{ roster: site.roster([self, stolen, other, revoker]), signatures: site.signatures },
      ...{ certificate: self.certificate, logKey: self.keys.logKey, random: { bytes: site.random } },
      swVersion: 'test',
    })
  const chargersIn = (held: Ledger): readonly string[] =>
    held
      .view()
      .sessions()
      .map(({ chargerId }) => chargerId)
      .sort()
  const saidBy = (author: TestDevice, at: readonly EventRef[] = cutoff): TestLog => {
    const log = site.openLog(author)
    log.append([revocation(stolen, at)])
    return log
  }
  const give = (held: Ledger, segments: readonly Segment[], nowMs = 0): void => {
    for (const segment of segments) {
      const { kind } = held.admit(segment, { wallMs: 0, monotonicMs: nowMs })
      if (kind !== 'admitted') throw new Error(kind)
    }
  }

  it.each([
    ['the issuer', site.issuer],
    ['a revoker', revoker],
  ])('count up to the cut-off when %s revokes it, in whatever order they come', (_, author) => {
    const all = [saidBy(author), first, second, third, honest].map(log => log.segments(0, 2))
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), fc.boolean(), (logs, looks) => {
        const held = ledger()
        for (const segments of logs) {
          give(held, segments)
          if (looks) held.view().sessions()
        }
        // What an epoch says of the one before it may wait half a minute.
        held.refold(60_000)
        expect(chargersIn(held)).toEqual(counted)
        held.refold(120_000)
        expect(held.view().outdated()).toBe('no')
      }),
      { numRuns: 60 },
    )
  })

  it('are kept and passed on, whatever they count for', () => {
    const held = ledger()
    for (const log of [saidBy(revoker), third]) give(held, log.segments())
    expect(held.logs.get(third.logId)?.head.seq).toBe(third.events().length - 1)
  })

  it('count as before when another node claims to revoke it', () => {
    const held = ledger()
    for (const log of [first, second, third, saidBy(other, [])]) give(held, log.segments())
    expect(chargersIn(held)).toEqual(['CP-1', 'CP-2', 'CP-3', 'CP-4', 'CP-5', 'CP-6'])
  })
})

describe('a revoked node', () => {
  let world: World
  let nodes: [Member, Member, Member]
  let operator: OperatorLog
  beforeEach(async () => {
    world = createWorld('revoked-node')
    nodes = [await world.member('a'), await world.member('b'), await world.member('c')]
    operator = await operatorOf(world, nodes[0])
    await world.run(5000)
  })
  const headsOf = (member: Member): readonly EventRef[] =>
    [...member.node().ledger().logs.all()].flatMap(({ logId, head, certificate }) =>
      certificate.deviceId === member.deviceId ? [{ logId, seq: head.seq, hash: head.hash }] : [],
    )

  it('is left by everybody within a second, and comes back to nobody, also after a reboot', async () => {
    const [a, b, c] = nodes
    expect(c.peers()).toHaveLength(2)
    await operator.record([revocation(c.device, headsOf(c))], a)
    await world.until(() => c.peers().length === 0, 1000)
    expect([...a.banned, ...b.banned]).toEqual([`${c.deviceId}: revoked`, `${c.deviceId}: revoked`])
    a.crash()
    await a.boot()
    await world.run(60_000)
    expect(c.peers()).toEqual([])
    expect(a.peers()).toEqual([b.deviceId])
  })

  it('is told nothing when it connects before it is cut off, and is not listened to', async () => {
    const [a, , c] = nodes
    // What c says before the news is news to a, and would be answered with a question.
    await c.tell(startMessage(world), 'CP-late')
    const [said] = world.sent.filter(({ from, to }) => from === c.deviceId && to === a.deviceId).slice(-1)
    if (!said) throw new Error('c said nothing')
    await operator.record([revocation(c.device, headsOf(c))], a)
    await world.until(() => c.peers().length === 0, 1000)
    const toldBefore = world.sent.length
    a.node().mesh({ kind: 'peer', peer: c.deviceId })
    await world.run(100)
    a.node().mesh({ kind: 'message', peer: c.deviceId, bytes: said.bytes })
    await world.run(5000)
    expect(
      world.sent.slice(toldBefore).filter(({ from, to }) => from === a.deviceId && to === c.deviceId),
    ).toEqual([])
    expect(a.node().counters()).toMatchObject({ 'mesh.revoked': 1 })
  })

  it('moves no session any more, although one who does not know yet passes its words on', async () => {
    const [a, b, c] = nodes
    const before = await c.tell(startMessage(world), 'CP-before')
    if (before.kind !== 'started') throw new Error(before.kind)
    await world.run(3000)
    const cutoff = headsOf(c)
    await c.tell(stopMessage(world, before.transactionId, 5000), 'CP-before')
    await c.tell(startMessage(world), 'CP-forged')
    await world.run(3000)
    expect(sessionsOf(a.node()).join()).toContain('CP-forged')
    await operator.record([revocation(c.device, cutoff)], a)
    await world.run(3000)
    for (const { node } of [a, b]) {
      expect(sessionsOf(node()).join()).not.toContain('CP-forged')
      const [session] = node().ledger().view().sessions()
      expect([session?.chargerId, session?.end]).toEqual(['CP-before', undefined])
    }
    a.crash()
    await a.boot()
    expect(sessionsOf(a.node())).toEqual(sessionsOf(b.node()))
  })
})

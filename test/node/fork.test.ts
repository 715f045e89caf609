// A key that was used twice freezes one log and nothing else, everywhere, and the honest are never excluded for it
// (PROTOCOL 1.8; I9).
import { describe, expect, it } from 'vitest'
import { decodeMessage } from '../../src/replica/message.ts'
import type { LogId } from '../../src/units.ts'
import { craft, segmentOf } from '../replica/gate.ts'
import { branches, forkIn, siteOf, submit, ticks } from './thief.ts'
import { type Member, sameEverywhere, sessionsOf, startMessage, stateOf } from './world.ts'

describe('a key that was used twice', () => {
  const shapes = [
    ['short branches', { shared: 0, ours: 0, theirs: 0 }],
    ['one branch longer than the other', { shared: 10, ours: 5, theirs: 60 }],
    ['branches of many segments', { shared: 100, ours: 900, theirs: 700 }],
    ['a fork deep below a head that is further', { shared: 10, ours: 1500, theirs: 1900 }],
    ['a fork behind many shared segments', { shared: 1800, ours: 10, theirs: 400 }],
  ] as const

  it.each(shapes)('freezes its log everywhere, and nothing else: %s', async (name, lengths) => {
    const { world, nodes, thief } = await siteOf(`fork ${name}`)
    const [a, b, c] = nodes
    const { ours, theirs, forkSeq } = branches(world, thief, lengths)
    world.network.split([[a.deviceId], [b.deviceId], [c.deviceId]])
    await world.run(20_000)
    expect(await submit(a, ours)).toEqual([])
    expect(await submit(b, theirs)).toEqual([])
    world.network.heal()
    await world.until(() => nodes.every(node => forkIn(node, ours.logId) !== undefined), 60_000)
    for (const node of nodes) {
      expect(forkIn(node, ours.logId)).toBe(forkSeq)
      expect(node.banned).toEqual([])
      const view = node.node().ledger().view()
      expect(view.sessions().map(session => session.chargerId)).toEqual(['CP-before'])
    }
    await a.tell(startMessage(world))
    await world.until(() => sameEverywhere(nodes) && sessionsOf(c.node()).length === 2, 20_000)
  })

  it('is exposed to a node that comes when all the others know', async () => {
    const { world, nodes, thief } = await siteOf('late')
    const [a, b, c] = nodes
    const { ours, theirs } = branches(world, thief, { shared: 20, ours: 20, theirs: 20 })
    world.network.split([[a.deviceId, b.deviceId], [c.deviceId]])
    await submit(a, ours)
    await submit(b, theirs)
    await world.until(() => [a, b].every(node => forkIn(node, ours.logId) !== undefined), 20_000)
    await world.run(30_000)
    world.network.heal()
    await world.until(() => forkIn(c, ours.logId) !== undefined, 60_000)
    await world.until(() => sameEverywhere(nodes), 20_000)
    expect(nodes.flatMap(node => node.banned)).toEqual([])
  })

  it('comes to rest: nobody asks or answers for ever, and no journal grows', async () => {
    const { world, nodes, thief } = await siteOf('rest')
    const [a, b] = nodes
    const { ours, theirs } = branches(world, thief, { shared: 5, ours: 300, theirs: 500 })
    world.network.split([[a.deviceId], [b.deviceId]])
    await submit(a, ours)
    await submit(b, theirs)
    world.network.heal()
    await world.until(() => nodes.every(node => forkIn(node, ours.logId) !== undefined), 60_000)
    await world.run(30_000)
    const sizes = nodes.map(node => node.node().health().journalBytes)
    const sentBefore = world.sent.length
    await world.run(60_000)
    const kinds = new Set(world.sent.slice(sentBefore).map(sent => decodeMessage(sent.bytes)?.kind))
    expect(kinds).toEqual(new Set(['digest']))
    expect(nodes.map(node => node.node().health().journalBytes)).toEqual(sizes)
  })

  it('stays frozen after a reboot, and a replay of either branch is not stored again', async () => {
    const { world, nodes, thief } = await siteOf('frozen')
    const [a] = nodes
    const { ours, theirs, forkSeq } = branches(world, thief, { shared: 5, ours: 5, theirs: 30 })
    await submit(a, ours)
    await submit(a, theirs)
    expect(forkIn(a, ours.logId)).toBe(forkSeq)
    a.crash()
    await a.boot()
    expect(forkIn(a, ours.logId)).toBe(forkSeq)
    await world.run(5000)
    const before = [stateOf(a.node()), a.node().health().journalBytes]
    ours.append(ticks(20, 5000))
    for (let i = 0; i < 5; i++) {
      await submit(a, ours)
      await submit(a, theirs)
    }
    expect([stateOf(a.node()), a.node().health().journalBytes]).toEqual(before)
  })

  it('and into three histories is frozen at the lowest fork, whichever two were seen first', async () => {
    const { world, nodes, thief } = await siteOf('three')
    const [a, b, c] = nodes
    const { ours, theirs, forkSeq } = branches(world, thief, { shared: 30, ours: 5, theirs: 5 })
    const [first] = ours.events()
    if (!first) throw new Error('no event')
    const third = craft(
      { site: world.site, device: thief, logId: ours.logId, fromSeq: 1, prev: first.hash },
      [{ hlc: first.hlc + 1n }],
    )
    const submitThird = (to: Member) =>
      to.node().submit({ certificates: [], objects: [], segments: [segmentOf(third)] })
    world.network.split([[a.deviceId], [b.deviceId], [c.deviceId]])
    await submit(a, ours)
    await submit(a, theirs)
    await submit(b, theirs)
    await submitThird(b)
    expect([forkIn(a, ours.logId), forkIn(b, ours.logId)]).toEqual([forkSeq, 1])
    world.network.heal()
    await world.until(() => nodes.every(node => forkIn(node, ours.logId) === 1), 60_000)
    for (const node of nodes) expect(sessionsOf(node.node())).toEqual([])
    a.crash()
    await a.boot()
    expect(forkIn(a, ours.logId)).toBe(1)
    expect(nodes.flatMap(node => node.banned)).toEqual([])
  })

  it('does not stop its honest owner: what it records from then on goes into a new log', async () => {
    const { world, nodes } = await siteOf('owner')
    const [a, b] = nodes
    await a.tell(startMessage(world))
    await world.run(3000)
    const own = a.node().ledger().ownLog() as LogId
    const log = a.node().ledger().logs.get(own)
    const prev = log?.hashes[0]
    if (!log || !prev) throw new Error('no log')
    const stolen = craft({ site: world.site, device: a.device, logId: own, fromSeq: 1, prev }, [
      { hlc: log.head.hlc + 1n },
    ])
    await b.node().submit({ certificates: [], objects: [], segments: [segmentOf(stolen)] })
    await world.until(() => forkIn(a, own) !== undefined && forkIn(b, own) !== undefined, 20_000)
    const message = startMessage(world, { connectorId: 2, meterStartWh: 7 })
    const answer = await a.tell(message)
    expect(answer).toMatchObject({ kind: 'started' })
    expect(a.node().ledger().ownLog()).not.toBe(own)
    await world.run(5000)
    expect(sessionsOf(b.node()).filter(session => session.includes('"connectorId":2'))).toHaveLength(1)
    expect(sameEverywhere(nodes)).toBe(true)
  })
})

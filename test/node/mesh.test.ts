// Production nodes that talk: everything they hold becomes equal, whatever the network does to their messages
// (PROTOCOL 6.5, I7), and nothing in them waits for a real timer.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ChargerAnswer } from '../../src/ports.ts'
import {
  createWorld,
  grantOf,
  type Member,
  meterMessage,
  OTHER_TOKEN,
  operatorOf,
  revokeOf,
  sameEverywhere,
  sessionsOf,
  startMessage,
  stateOf,
  stopMessage,
  TOKEN,
  type World,
} from './world.ts'

const spies = () => [
  vi.spyOn(globalThis, 'setTimeout'),
  vi.spyOn(globalThis, 'setInterval'),
  vi.spyOn(globalThis, 'setImmediate'),
  vi.spyOn(Date, 'now'),
  vi.spyOn(Math, 'random'),
]
let watched: ReturnType<typeof spies> = []
beforeEach(() => {
  watched = spies()
})
afterEach(() => {
  const calls = watched.map(spy => spy.mock.calls.length)
  vi.restoreAllMocks()
  expect(calls, 'real timers, clocks and dice that were used').toEqual([0, 0, 0, 0, 0])
})

async function site(seed: string, names: string): Promise<{ world: World; nodes: Member[] }> {
  const world = createWorld(seed)
  const nodes: Member[] = []
  for (const name of names) nodes.push(await world.member(name))
  return { world, nodes }
}

function transactionOf(answer: ChargerAnswer): number {
  if (answer.kind !== 'started') throw new Error(answer.kind)
  return answer.transactionId
}

describe('two nodes', () => {
  it('fold one session alike, though it began at one and ended, cut off, at the other', async () => {
    const { world, nodes } = await site('two', 'ab')
    const [a, b] = nodes as [Member, Member]
    await operatorOf(world, a)
    await world.run(3000)
    const started = await a.tell(startMessage(world))
    expect(started).toMatchObject({ kind: 'started', allowed: 'ALLOWED' })
    const transaction = transactionOf(started)
    await world.run(3000)
    await a.tell(meterMessage(world, transaction, 1500))
    await world.run(3000)
    world.network.cut(a.deviceId, b.deviceId)
    await world.run(60_000)
    await a.tell(meterMessage(world, transaction, 2000))
    expect(await b.tell(stopMessage(world, transaction, 3500))).toEqual({ kind: 'stopped' })
    await world.run(1000)
    expect(a.node().ledger().view().sessions()[0]?.end).toBeUndefined()
    world.network.heal()
    const tookMs = await world.until(() => sameEverywhere(nodes), 10_000)
    expect(tookMs).toBeLessThanOrEqual(2000)
    const [session] = a.node().ledger().view().sessions()
    expect(session).toMatchObject({ energyWh: 2500, flags: [] })
    expect(session?.end?.deviceId).toBe(b.deviceId)
    expect(session?.lastTick?.body.energyWh).toBe(2000)
    expect(sessionsOf(a.node())).toHaveLength(1)
  })

  it('answer a repeated start alike, with no second event', async () => {
    const { world, nodes } = await site('repeat', 'ab')
    const [a, b] = nodes as [Member, Member]
    await operatorOf(world, a)
    await world.run(3000)
    const message = startMessage(world)
    const first = await a.tell(message)
    await world.run(1000)
    const before = stateOf(a.node())
    expect(await a.tell(message)).toEqual(first)
    expect(stateOf(a.node())).toBe(before)
    expect(await b.tell(message)).toEqual(first)
    await world.run(3000)
    expect(sameEverywhere(nodes)).toBe(true)
    expect(sessionsOf(b.node())).toHaveLength(1)
  })

  it('say nothing but digests once both hold the same', async () => {
    const { world, nodes } = await site('quiet', 'ab')
    await operatorOf(world, nodes[0] as Member)
    await world.run(20_000)
    const before = world.sent.length
    await world.run(60_000)
    const quiet = world.sent.slice(before)
    expect(new Set(quiet.map(sent => sent.bytes[0]))).toEqual(new Set([5]))
    expect(quiet.length).toBeLessThanOrEqual(2 * 13)
  })
})

describe('five nodes', () => {
  it('converge over a network that loses, doubles and reorders', async () => {
    for (const seed of ['lossy-1', 'lossy-2', 'lossy-3']) {
      const { world, nodes } = await site(seed, 'abcde')
      world.network.shape({ lossRate: 0.3, duplicateRate: 0.2, minDelayMs: 1, maxDelayMs: 3000 })
      await operatorOf(world, nodes[0] as Member)
      await work(world, nodes, 40)
      const tookMs = await world.until(() => sameEverywhere(nodes), 120_000)
      expect(tookMs, seed).toBeLessThan(90_000)
      expect(sessionsOf((nodes[4] as Member).node())).toHaveLength(5)
      expect(nodes.flatMap(node => node.banned)).toEqual([])
    }
  })

  it('hear of a revocation within two seconds, wherever it was submitted', async () => {
    for (const at of [0, 2, 4]) {
      const { world, nodes } = await site(`revoke-${at}`, 'abcde')
      const operator = await operatorOf(world, nodes[0] as Member)
      await world.run(5000)
      await operator.record([revokeOf(TOKEN)], nodes[at] as Member)
      const tookMs = await world.until(() => nodes.every(isRevoked), 10_000)
      expect(tookMs).toBeLessThanOrEqual(2000)
      const answer = await (nodes[(at + 1) % 5] as Member).tell(startMessage(world))
      expect(answer).toMatchObject({ kind: 'started', allowed: 'BLOCKED' })
    }
  })

  it('in a chain hear of it within two seconds as well', async () => {
    const { world, nodes } = await site('chain', 'abcde')
    for (const [i, one] of nodes.entries())
      for (const other of nodes.slice(i + 2)) world.network.cut(one.deviceId, other.deviceId)
    const operator = await operatorOf(world, nodes[0] as Member)
    await world.run(20_000)
    await operator.record([revokeOf(TOKEN)], nodes[0] as Member)
    expect(await world.until(() => nodes.every(isRevoked), 10_000)).toBeLessThanOrEqual(2000)
  })

  it('a revocation wins on a node that was cut off while a grant was made elsewhere', async () => {
    const { world, nodes } = await site('concurrent', 'abc')
    const [a, b, c] = nodes as [Member, Member, Member]
    const operator = await operatorOf(world, a)
    await world.run(3000)
    world.network.split([[a.deviceId, b.deviceId], [c.deviceId]])
    await operator.record([revokeOf(TOKEN), grantOf(TOKEN), grantOf(OTHER_TOKEN)], a)
    await world.run(30_000)
    expect(isRevoked(b)).toBe(true)
    expect(isRevoked(c)).toBe(false)
    world.network.heal()
    await world.until(() => isRevoked(c), 2000)
    expect(c.node().ledger().view().policy.token(OTHER_TOKEN).kind).toBe('granted')
  })
})

describe('a one-way link', () => {
  it('keeps nobody from what a third node can tell', async () => {
    for (const order of ['abc', 'bca', 'cab']) {
      const { world, nodes } = await site(`one-way-${order}`, order)
      const [a, b, c] = ['a', 'b', 'c'].map(name => nodes.find(node => node.device.name === name)) as Member[]
      if (!a || !b || !c) throw new Error('three nodes')
      // What a says never reaches b; what b says reaches a.
      world.network.cut(a.deviceId, b.deviceId, { oneWay: true })
      world.network.cut(a.deviceId, c.deviceId)
      await operatorOf(world, c)
      await world.run(20_000)
      await work(world, [b, c], 10)
      await world.run(20_000)
      world.network.mend(a.deviceId, c.deviceId)
      const tookMs = await world.until(() => sameEverywhere([a, b, c]), 60_000)
      expect(tookMs, order).toBeLessThanOrEqual(15_000)
    }
  })
})

describe('a seed', () => {
  it('is a whole world: the same one twice sends the same messages at the same times', async () => {
    const once = async (seed: string): Promise<string> => {
      const { world, nodes } = await site(seed, 'abc')
      world.network.shape({ lossRate: 0.1, duplicateRate: 0.1, maxDelayMs: 500 })
      await operatorOf(world, nodes[0] as Member)
      await work(world, nodes, 10)
      ;(nodes[1] as Member).crash()
      await world.run(5000)
      await (nodes[1] as Member).boot()
      await world.run(30_000)
      return world.trace()
    }
    const first = await once('same')
    expect(first.length).toBeGreaterThan(5000)
    expect(await once('same')).toBe(first)
    expect(await once('other')).not.toBe(first)
  })
})

function isRevoked(member: Member): boolean {
  return member.node().ledger().view().policy.token(TOKEN).kind === 'revoked'
}

/** A session at every node, with ticks, over so many rounds of two seconds. */
async function work(world: World, nodes: readonly Member[], rounds: number): Promise<void> {
  const transactions = new Map<Member, number>()
  for (const [i, node] of nodes.entries()) {
    const answer = await node.tell(startMessage(world, { meterStartWh: 1000 * i }), `CP-${node.device.name}`)
    transactions.set(node, transactionOf(answer))
  }
  for (let round = 0; round < rounds; round++) {
    await world.run(2000)
    for (const [i, node] of nodes.entries()) {
      const message = meterMessage(world, transactions.get(node) ?? 0, 1000 * i + 10 * round)
      await node.tell(message, `CP-${node.device.name}`)
    }
  }
  for (const [i, node] of nodes.entries()) {
    await node.tell(stopMessage(world, transactions.get(node) ?? 0, 1000 * i + 500), `CP-${node.device.name}`)
  }
}

// What a node acknowledged it still has after any crash, and what it could not make durable nobody heard of
// (PROTOCOL 1.4, 5.1; I2, I3, I5, I6).
import { describe, expect, it } from 'vitest'
import { decodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import { eventsOf } from '../../src/log/event.ts'
import { MAX_LOG_EVENTS } from '../../src/log/writer.ts'
import type { ChargerAnswer } from '../../src/ports.ts'
import { decodeMessage } from '../../src/replica/message.ts'
import type { LogId } from '../../src/units.ts'
import {
  chainsOf,
  createWorld,
  type Member,
  meterMessage,
  operatorOf,
  sameEverywhere,
  sessionsOf,
  startMessage,
  stateOf,
  stopMessage,
  type World,
} from './world.ts'

async function pair(seed: string): Promise<{ world: World; a: Member; b: Member }> {
  const world = createWorld(seed)
  const [a, b] = [await world.member('a'), await world.member('b')]
  await operatorOf(world, a)
  await world.run(5000)
  return { world, a, b }
}

function transactionOf(answer: ChargerAnswer): number {
  if (answer.kind !== 'started') throw new Error(answer.kind)
  return answer.transactionId
}

function opening(member: Member, logId: LogId) {
  const log = member.node().ledger().logs.get(logId)
  const first = log && eventsOf(logId, log.elements)[0]
  const said = first && decodeBody(first.type, first.body)
  if (said?.name !== 'epoch_open') throw new Error('a log begins with its opening')
  return said.body
}

/** So many turns of the microtask queue: how far a write gets before the power goes. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve()
}

describe('a node that loses its power', () => {
  it('has everything that it answered for, wherever in a write that happened', async () => {
    let answered = 0
    let unanswered = 0
    for (let step = 0; step < 60; step++) {
      const { world, a, b } = await pair(`crash-${step}`)
      const message = startMessage(world)
      const transaction = transactionOf(await a.tell(message))
      const heard: string[] = []
      a.tell(meterMessage(world, transaction, 1500)).then(({ kind }) => heard.push(kind))
      a.tell(stopMessage(world, transaction, 3000)).then(({ kind }) => heard.push(kind))
      await turns(step)
      const told = [...heard]
      a.crash()
      await world.run(2000)
      await a.boot()
      const [session] = a.node().ledger().view().sessions()
      expect(session?.transactionIds).toEqual([transaction])
      if (told.includes('stopped')) {
        answered += 1
        expect(session?.energyWh).toBe(2000)
        expect(session?.lastTick?.body.energyWh).toBe(1500)
      } else unanswered += 1
      const theirs = b.node().ledger().logs
      for (const log of theirs.all()) {
        const ours = a.node().ledger().logs.get(log.logId)
        expect(ours?.hashes.slice(0, log.hashes.length), 'nobody holds what a had not saved').toEqual(
          log.hashes,
        )
      }
      const again = await a.tell(stopMessage(world, transaction, 3000))
      expect(again.kind).toBe('stopped')
      await world.until(() => sameEverywhere([a, b]), 10_000)
      expect(b.banned).toEqual([])
    }
    expect(answered).toBeGreaterThan(5)
    expect(unanswered).toBeGreaterThan(5)
  })

  it('opens a new epoch that names the newest head it has, and never goes on with the old one', async () => {
    const { world, a, b } = await pair('epoch')
    const transaction = transactionOf(await a.tell(startMessage(world)))
    const first = a.node().ledger().ownLog() as LogId
    const head = a.node().ledger().logs.get(first)?.head
    expect(opening(a, first)).toMatchObject({ storeState: 'fresh', bootReason: 'start' })
    a.crash()
    await a.boot()
    expect(a.node().ledger().ownLog(), 'the epoch is opened lazily').toBeUndefined()
    await world.run(3000)
    await a.tell(stopMessage(world, transaction, 3000))
    const second = a.node().ledger().ownLog() as LogId
    expect(second).not.toBe(first)
    expect(opening(a, second)).toMatchObject({
      ...{ storeState: 'intact', bootReason: 'start' },
      prev: { logId: first, seq: head?.seq, hash: head?.hash },
    })
    await world.run(3000)
    expect(b.node().ledger().view().sessions()[0]?.energyWh).toBe(2000)
    expect(b.node().ledger().logs.get(first)?.head).toEqual(head)
  })

  it('and then its disk as well, gets its own logs back from a peer and goes on in a new one', async () => {
    const { world, a, b } = await pair('wiped')
    const transaction = transactionOf(await a.tell(startMessage(world)))
    await world.run(3000)
    const before = stateOf(b.node())
    a.crash()
    for (const name of await a.disk.list('journal')) await a.disk.remove(`journal/${name}`)
    await a.boot()
    expect(a.node().health().recovered).toContain('fresh')
    await world.until(() => sameEverywhere([a, b]), 10_000)
    expect(stateOf(a.node())).toBe(before)
    await a.tell(stopMessage(world, transaction, 3000))
    await world.run(3000)
    expect(b.node().ledger().view().sessions()[0]?.energyWh).toBe(2000)
    expect(sameEverywhere([a, b])).toBe(true)
  })

  it('with a bit flipped in its journal, says that it is lossy and takes what is missing from a peer', async () => {
    const { world, a, b } = await pair('flipped')
    for (let i = 0; i < 20; i++) await a.tell(startMessage(world, { meterStartWh: i }))
    await world.run(3000)
    const before = chainsOf(b.node())
    a.crash()
    a.disk.flipBit('journal/00000001.cmj', 2000, 3)
    await a.boot()
    expect(sessionsOf(a.node()).length).toBeLessThan(20)
    await a.tell(startMessage(world, { meterStartWh: 99 }))
    expect(opening(a, a.node().ledger().ownLog() as LogId)).toMatchObject({ storeState: 'lossy' })
    await world.until(() => sameEverywhere([a, b]), 20_000)
    expect(sessionsOf(a.node())).toHaveLength(21)
    const now = chainsOf(a.node())
    for (const [logId, hashes] of before) expect(now.get(logId)?.slice(0, hashes.length)).toEqual(hashes)
    expect(b.banned).toEqual([])
  })
})

describe('a disk that is full', () => {
  it('silences the charger and leaves nothing behind; when there is room again, all goes on', async () => {
    const { world, a, b } = await pair('full')
    await a.tell(startMessage(world))
    await world.run(3000)
    const [before, theirs] = [stateOf(a.node()), stateOf(b.node())]
    a.disk.setFree(50)
    const message = startMessage(world, { connectorId: 2 })
    expect(await a.tell(message)).toEqual({ kind: 'silence' })
    expect(a.disconnected).toContain('at-a: store failed')
    expect(a.node().health().store).toBe('failed')
    expect(await a.tell(message)).toEqual({ kind: 'silence' })
    await world.run(20_000)
    expect(stateOf(b.node())).toBe(theirs)
    a.disk.setFree(Number.POSITIVE_INFINITY)
    await world.until(() => a.node().health().store === 'open', 20_000)
    expect(stateOf(a.node())).toBe(before)
    expect(await a.tell(message)).toMatchObject({ kind: 'started', allowed: 'ALLOWED' })
    await world.until(() => sameEverywhere([a, b]), 20_000)
    expect(sessionsOf(b.node())).toHaveLength(2)
    expect(opening(a, a.node().ledger().ownLog() as LogId)).toMatchObject({ bootReason: 'reopen' })
    expect(b.banned).toEqual([])
  })

  it('keeps the node from telling its peers what came in the same batch', async () => {
    const { world, a, b } = await pair('batch')
    a.disk.setFree(10)
    const sentBefore = world.sent.length
    const answers = await Promise.all([
      a.tell(startMessage(world)),
      a.tell(startMessage(world, { connectorId: 2 })),
    ])
    expect(answers.map(answer => answer.kind)).toEqual(['silence', 'silence'])
    expect(world.sent.length).toBe(sentBefore)
    expect(sessionsOf(b.node())).toHaveLength(0)
  })

  it('an fsync that fails once is no loss: what was not answered comes again', async () => {
    const { world, a, b } = await pair('fsync')
    const message = startMessage(world)
    a.disk.failNextSync()
    expect(await a.tell(message)).toEqual({ kind: 'silence' })
    await world.run(10_000)
    a.crash()
    await a.boot()
    await world.run(1000)
    expect((await a.tell(message)).kind).toBe('started')
    await world.until(() => sameEverywhere([a, b]), 20_000)
    expect(sessionsOf(b.node())).toHaveLength(1)
  })

  it('an error that a charger reported while it failed is recorded when it is reported again', async () => {
    const { world, a } = await pair('status')
    const fault = {
      ...{ kind: 'status' as const, connectorId: 1, status: 'Faulted', errorCode: 'GroundFailure' },
    }
    a.disk.setFree(10)
    expect(await a.tell(fault)).toEqual({ kind: 'silence' })
    a.disk.setFree(Number.POSITIVE_INFINITY)
    await world.until(() => a.node().health().store === 'open', 20_000)
    expect((await a.tell(fault)).kind).toBe('noted')
    const own = a.node().ledger().ownLog() as LogId
    const types = a
      .node()
      .ledger()
      .logs.get(own)
      ?.elements.map(element => element[1])
    expect(types).toContain(TYPE_NUMBERS.charger_error)
  })
})

describe('a log that is full', () => {
  it('is closed and followed by a new epoch, and both are equal everywhere', async () => {
    const { world, a, b } = await pair('rotation')
    const transaction = transactionOf(await a.tell(startMessage(world)))
    const first = a.node().ledger().ownLog() as LogId
    let energyWh = 1000
    for (let message = 0; message < 45; message++) {
      const { readings, ...rest } = meterMessage(world, transaction, 0)
      const many = Array.from({ length: 100 }, () => ({ ...readings[0], energyWh: energyWh++ }) as never)
      await a.tell({ ...rest, readings: many })
      await world.run(500)
    }
    const second = a.node().ledger().ownLog() as LogId
    expect(second).not.toBe(first)
    const closed = a.node().ledger().logs.get(first)
    if (!closed) throw new Error('the first log is there')
    expect(closed.elements.length).toBeLessThanOrEqual(MAX_LOG_EVENTS)
    const last = eventsOf(first, closed.elements).at(-1)
    const said = last && decodeBody(last.type, last.body)
    expect(said).toEqual({ name: 'epoch_close', body: { finalSeq: closed.head.seq } })
    expect(opening(a, second)).toMatchObject({
      ...{ bootReason: 'rotate', storeState: 'intact' },
      prev: { logId: first, seq: closed.head.seq, hash: closed.head.hash },
    })
    await world.until(() => sameEverywhere([a, b]), 20_000)
    expect(b.node().ledger().view().sessions()[0]?.lastTick?.body.energyWh).toBe(5499)
    expect(b.banned).toEqual([])
  })

  it.each([
    ['in order', 2, 300, 50],
    ['in any order', 20, 10_000, 400],
  ])(
    'reaches a node that comes late, a window at a time, when messages come %s',
    async (_, maxDelayMs, withinMs, most) => {
      const { world, a, b } = await pair('catch-up')
      world.network.shape({ minDelayMs: 2, maxDelayMs })
      world.network.cut(a.deviceId, b.deviceId)
      const transaction = transactionOf(await a.tell(startMessage(world)))
      for (let message = 0; message < 40; message++) {
        const { readings, ...rest } = meterMessage(world, transaction, 0)
        const many = Array.from(
          { length: 200 },
          (_, i) => ({ ...readings[0], energyWh: message * 200 + i }) as never,
        )
        await a.tell({ ...rest, readings: many })
      }
      await world.run(20_000)
      world.network.heal()
      const sentBefore = world.sent.length
      expect(await world.until(() => sameEverywhere([a, b]), 30_000)).toBeLessThanOrEqual(withinMs)
      const kinds = world.sent.slice(sentBefore).map(sent => decodeMessage(sent.bytes)?.kind)
      // There are 41 segments; where they overtake one another some come twice.
      expect(kinds.filter(kind => kind === 'segment').length).toBeLessThan(most)
    },
  )
})

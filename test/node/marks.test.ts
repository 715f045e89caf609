// A session that was acked is marked once, by the node that recorded its end, and a mark causes nothing more
// (PROTOCOL 3.5).
import { describe, expect, it } from 'vitest'
import { TYPE_NUMBERS } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { LogId } from '../../src/units.ts'
import {
  createWorld,
  type Member,
  operatorOf,
  sameEverywhere,
  startMessage,
  stopMessage,
  type World,
} from './world.ts'

/** The cloud's ack of everything that a node holds of its own newest log, handed to another. */
async function ack(world: World, of: Member, to: Member): Promise<void> {
  const { cloud, signatures } = world.site
  const log = of
    .node()
    .ledger()
    .logs.get(of.node().ledger().ownLog() as LogId)
  if (!log) throw new Error('no log')
  const { logId, seq, hash } = log.head
  const body = { logId, seq, hash, durability: 1, cloudEpoch: 1, issuedAt: world.wallMs() }
  const signer = { certHash: cloud.certificate.hash, logKey: cloud.keys.logKey, signatures }
  const object = signObject(signer, { kind: 'ack', body })
  await to.node().submit({ certificates: [], segments: [], objects: [object] })
}

function marksIn(member: Member): number {
  const elements = [...member.node().ledger().logs.all()].flatMap(log => log.elements)
  return elements.filter(element => element[1] === TYPE_NUMBERS.reconciliation_mark).length
}

describe('a session that the cloud has acked', () => {
  it('is marked once, by the node of its end, though the ack came to another, and again after a reboot', async () => {
    const world = createWorld('marks')
    const [a, b] = [await world.member('a'), await world.member('b')]
    await operatorOf(world, a)
    await world.run(5000)
    const started = await a.tell(startMessage(world))
    if (started.kind !== 'started') throw new Error(started.kind)
    await world.run(3000)
    await b.tell(stopMessage(world, started.transactionId, 3000))
    await world.run(3000)
    await ack(world, a, a)
    await world.run(10_000)
    expect(marksIn(a), 'the end is not acked yet').toBe(0)
    await ack(world, b, a)
    await world.until(() => marksIn(a) === 1, 10_000)
    expect(a.node().ledger().view().sessions()[0]?.mark?.deviceId).toBe(b.deviceId)
    await ack(world, b, b)
    for (const member of [a, b]) {
      member.crash()
      await member.boot()
    }
    await world.run(30_000)
    expect(sameEverywhere([a, b])).toBe(true)
    expect([marksIn(a), marksIn(b)]).toEqual([1, 1])
  })
})

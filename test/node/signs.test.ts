// Signs of life stand in no digest, so nothing else says that one was lost: they must find their way by themselves.
import { expect, it } from 'vitest'
import type { PushAnswer, Uplink } from '../../src/ports.ts'
import { createWorld, type Member, operatorOf } from './world.ts'

const NOTHING: PushAnswer = { version: 0, acks: [], refused: [], wireBytes: 0 }
const uplink: Uplink = { name: 'modem', push: async () => NOTHING }
const ALIVE_FOR_MS = 60_000

it('a node hears that a distant uplink lives, whichever way around a ring is cut', async () => {
  const world = createWorld('ring')
  const [a, b, c, d] = [
    await world.member('a'),
    await world.member('b'),
    await world.member('c'),
    await world.member('d'),
  ] as [Member, Member, Member, Member]
  // They meet once, so that each knows whose words the others pass on.
  await world.run(3000)
  world.network.cut(a.deviceId, c.deviceId)
  world.network.cut(b.deviceId, d.deviceId)
  await operatorOf(world, a)
  await world.run(20_000)
  a.node().setUplinks([uplink])
  await world.run(120_000)
  const isAlive = (): boolean => {
    const signs = c.node().ledger().objects.ofKind('uplink')
    return signs.some(({ body }) => world.wallMs() - body.issuedAt < ALIVE_FOR_MS)
  }
  expect(isAlive()).toBe(true)
  for (const lost of [b, d]) {
    world.network.cut(lost.deviceId, c.deviceId)
    await world.run(2 * ALIVE_FOR_MS)
    expect(isAlive(), `without ${lost.device.name}`).toBe(true)
    world.network.mend(lost.deviceId, c.deviceId)
    await world.run(2 * ALIVE_FOR_MS)
    expect(isAlive()).toBe(true)
  }
})

// A revoked card in a site of three nodes: each node that learns of it says so in its own log, once, and any node that has
// heard all of them states a window that has shrunk to what was drawn.
import { describe, expect, it } from 'vitest'
import { statedWindow } from '../../src/api/window.ts'
import { TYPE_NUMBERS } from '../../src/log/body.ts'
import {
  createWorld,
  type Member,
  operatorOf,
  revokeOf,
  startMessage,
  stopMessage,
  TOKEN,
  type World,
} from './world.ts'

function checkpoints(member: Member): number {
  const own = [...member.node().ledger().logs.all()].filter(
    log => log.certificate.deviceId === member.deviceId,
  )
  return own.flatMap(log => log.elements).filter(element => element[1] === TYPE_NUMBERS.checkpoint).length
}

function windowAt(world: World, member: Member, members: readonly Member[]) {
  const roster = world.site.roster(members.map(one => one.device))
  const facts = { ledger: member.node().ledger(), roster, self: member.deviceId }
  return statedWindow(facts, { tokenRefs: [TOKEN], nowAt: world.wallMs() })
}

const namesOf = (nodes: readonly { readonly name: string }[] | undefined): readonly string[] =>
  (nodes ?? []).map(({ name }) => name).sort()

describe('the window of a revoked card', () => {
  it('names who knows, shrinks as the news spreads, and outlives reboots', async () => {
    const world = createWorld('window')
    const members = [await world.member('a'), await world.member('b'), await world.member('c')]
    const [a, b, c] = members as [Member, Member, Member]
    const operator = await operatorOf(world, a)
    await world.run(5000)
    expect(windowAt(world, a, members)).toBeUndefined()
    world.network.isolate(c.deviceId)
    await world.run(5000)
    await operator.record([revokeOf(TOKEN)], a)
    await world.run(15_000)
    const split = windowAt(world, a, members)
    expect(namesOf(split?.knowing)).toEqual(['a', 'b'])
    expect(namesOf(split?.silent)).toEqual(['c'])
    expect(namesOf(windowAt(world, b, members)?.knowing)).toEqual(['a', 'b'])
    expect(windowAt(world, c, members)).toBeUndefined()
    const started = await c.tell(startMessage(world))
    expect(started).toMatchObject({ allowed: 'ALLOWED' })
    world.network.rejoin(c.deviceId)
    await world.run(30_000)
    const healed = windowAt(world, a, members)
    expect(namesOf(healed?.silent)).toEqual([])
    expect(healed).toMatchObject({ open: 1, worstWh: 100_000, islands: 0 })
    if (started.kind !== 'started') throw new Error(started.kind)
    await c.tell(stopMessage(world, started.transactionId, 7000))
    await world.run(5000)
    expect(windowAt(world, a, members)).toMatchObject({
      open: 0,
      worstWh: windowAt(world, c, members)?.drawnWh,
    })
    expect(members.map(checkpoints)).toEqual([1, 1, 1])
    for (const member of members) member.crash()
    for (const member of members) await member.boot()
    await world.run(30_000)
    expect(members.map(checkpoints), 'said once, and kept').toEqual([1, 1, 1])
    expect(namesOf(windowAt(world, b, members)?.silent)).toEqual([])
  })
})

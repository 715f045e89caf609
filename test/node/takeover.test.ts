// What a node asks of a charger that comes in mid-session: once, when it has settled, what it did not tell by itself.
import { expect, it } from 'vitest'
import type { ChargerCommand, ChargerMessage, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'
import { createWorld, type Member, operatorOf, startMessage, type World } from './world.ts'

const CP = 'at-a'
const SECOND = 1000
const MINUTE = 60 * SECOND

type Site = {
  readonly world: World
  readonly a: Member
  readonly asked: ChargerCommand[]
  /** Replaced by tests that want other answers. */
  answer: (command: ChargerCommand) => CommandOutcome
  readonly connect: () => Promise<unknown>
  readonly status: (connectorId: number) => Promise<unknown>
}

async function charging(stationTransactionId?: string): Promise<Site> {
  const world = createWorld('mid-session')
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  await operator.record([{ name: 'policy', body: { name: 'onboarding', value: 'off' } }], a)
  const start = startMessage(world)
  await a.tell(stationTransactionId === undefined ? start : { ...start, stationTransactionId }, CP)
  const asked: ChargerCommand[] = []
  const site: Site = {
    ...{ world, a, asked },
    answer: () => ({ kind: 'accepted' }),
    connect: () => a.tell({ kind: 'connected' }, CP),
    status: connectorId =>
      a.tell({ kind: 'status', connectorId, status: 'Charging', errorCode: 'NoError' }, CP),
  }
  a.command = (id: ChargerId, command) => {
    expect(id).toBe(CP)
    asked.push(command)
    return site.answer(command)
  }
  return site
}

const BOOT: ChargerMessage = { kind: 'boot', vendor: 'v', model: 'm' }
const words = ({ asked }: Site) => asked.map(one => (one.kind === 'trigger' ? one.message : one.kind))

it('asks once how the connector stands, when the charger has settled', async () => {
  const site = await charging()
  await site.connect()
  await site.world.run(14 * SECOND)
  expect(site.asked).toEqual([])
  await site.world.run(MINUTE)
  expect(site.asked).toEqual([
    { kind: 'trigger', message: 'StatusNotification', connectorId: 1 },
    { kind: 'trigger', message: 'MeterValues', connectorId: 1 },
  ])
  await site.world.run(60 * MINUTE)
  expect(site.asked).toHaveLength(2)
})

it('asks nothing of a charger that booted, has no session, or told it by itself', async () => {
  const booted = await charging()
  await booted.connect()
  await booted.a.tell(BOOT, CP)
  await booted.world.run(MINUTE)
  expect(booted.asked).toEqual([])
  const idle = await charging()
  idle.a.command = () => {
    throw new Error('asked')
  }
  await idle.a.tell({ kind: 'connected' }, 'elsewhere')
  await idle.world.run(MINUTE)
  const talkative = await charging()
  await talkative.connect()
  await talkative.status(1)
  await talkative.world.run(MINUTE)
  expect(words(talkative)).toEqual(['MeterValues'])
})

it('is not made to ask more by a charger that comes and goes', async () => {
  const site = await charging()
  for (let i = 0; i < 40; i++) {
    await site.connect()
    await site.world.run(i % 2 === 0 ? 5 * SECOND : 40 * SECOND)
    await site.a.tell({ kind: 'disconnected' }, CP)
  }
  // Fifteen minutes, two askings at the most.
  expect(site.asked.length).toBeGreaterThan(0)
  expect(site.asked.length).toBeLessThanOrEqual(4)
})

it('leaves a charger that knows no such question alone until it boots', async () => {
  const site = await charging()
  site.answer = () => ({ kind: 'rejected', status: 'NotImplemented' })
  await site.connect()
  await site.world.run(20 * MINUTE)
  await site.connect()
  await site.world.run(20 * MINUTE)
  expect(words(site)).toEqual(['StatusNotification'])
})

it('asks a station of 2.0.1 about its transaction, and writes down one whose end was never heard', async () => {
  const site = await charging('tx-1')
  site.answer = ({ kind }) =>
    kind === 'getTransactionStatus'
      ? { kind: 'accepted', detail: { isOngoing: false, hasQueue: false } }
      : { kind: 'accepted' }
  await site.connect()
  await site.world.run(MINUTE)
  expect(site.asked).toEqual([
    { kind: 'trigger', message: 'StatusNotification', connectorId: 1 },
    { kind: 'getTransactionStatus', stationTransactionId: 'tx-1' },
  ])
  const notes = site.a.node().ledger().view().diagnostics()
  expect(notes.filter(({ body }) => body.code === 'end-unheard')).toMatchObject([
    { body: { detail: expect.stringContaining('tx-1'), chargerId: CP } },
  ])
})

it.each([
  [{ isOngoing: true, hasQueue: false }],
  [{ isOngoing: false, hasQueue: true }],
  [{ hasQueue: false }],
])('writes nothing down where the station still has something to tell: %j', async detail => {
  const site = await charging('tx-1')
  site.answer = () => ({ kind: 'accepted', detail })
  await site.connect()
  await site.world.run(MINUTE)
  const notes = site.a.node().ledger().view().diagnostics()
  expect(notes.filter(({ body }) => body.code === 'end-unheard')).toEqual([])
})

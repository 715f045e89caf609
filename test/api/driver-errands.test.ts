// What a driver's wish to start waits for, and what passes for the session that came of it.
import { expect, it } from 'vitest'
import { createErrands, type ErrandDeps, type Errands } from '../../src/api/driver-errands.ts'
import type { StartWords } from '../../src/api/driver-words.ts'
import type { ChargerCommand } from '../../src/ports.ts'
import { createWorld, type Member, operatorOf, startMessage, TOKEN, type World } from '../node/world.ts'

const CP = 'at-a'
const HOUR = 3600_000

type Site = {
  readonly world: World
  readonly a: Member
  readonly errands: Errands
  readonly asked: ChargerCommand[]
  isHere: boolean
  readonly wish: (key?: string) => Promise<string>
  readonly stateOf: (id: string) => string | undefined
}

async function site(): Promise<Site> {
  const world = createWorld('errands')
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  const credential = { salt: new Uint8Array(16), hash: new Uint8Array(32), cost: 14 }
  const charger = { chargerId: CP as never, connectors: 1, withdrawn: false, ...credential }
  await operator.record([{ name: 'charge_point', body: charger }], a)
  const asked: ChargerCommand[] = []
  const made = { isHere: false }
  const errands = await createErrands({
    ...{
      node: a.node(),
      self: a.deviceId,
      name: 'a',
      random: world.random,
      aliases: (one: unknown) => [one],
    },
    ...{ network: { peers: () => [] }, heardAt: () => new Map(), commanding: { find: async () => [] } },
    clock: { wallMs: world.wallMs, monotonicMs: world.nowMs },
    mayCharge: () => ({ allowed: 'ALLOWED', reason: '' }),
    memory: { load: async () => undefined, save: async () => undefined },
    chargePoints: {
      connected: () => (made.isHere ? [CP] : []),
      command: async (_: string, command: ChargerCommand) => {
        asked.push(command)
        return { kind: 'accepted' }
      },
    },
  } as unknown as ErrandDeps)
  const words: StartWords = { card: '04A2', station_id: CP, expires_in_s: 600 }
  const asking = { tokenRef: TOKEN, idTag: '04A2', key: undefined, waitMs: 0, missed: () => undefined }
  return Object.assign(made, {
    ...{ world, a, errands, asked },
    wish: async (key?: string) => (await errands.start(words, { ...asking, key })).answer.request?.id ?? '',
    stateOf: (id: string) => errands.request(id)?.request?.state,
  })
}

/** The same card's, as the charger's own clock says. */
async function tellStart({ world, a }: Site, agoMs: number): Promise<void> {
  const at = world.wallMs() - agoMs
  const startedAt = { raw: new Date(at).toISOString(), at }
  await a.tell({ ...startMessage(world), startedAt }, CP)
}

const settled = async (): Promise<void> => await new Promise(resolve => setImmediate(resolve))

it('a session of yesterday that a charger tells on its return is not the one that was wished for', async () => {
  const at = await site()
  const id = await at.wish()
  expect(at.stateOf(id)).toBe('queued')
  await tellStart(at, 20 * HOUR)
  at.isHere = true
  at.errands.tick()
  await settled()
  expect(at.asked).toEqual([{ kind: 'remoteStart', idTag: '04A2', connectorId: 1 }])
})

it('a start at the reader meanwhile is what was wished for, and nothing is asked of the charger', async () => {
  const at = await site()
  const id = await at.wish()
  await at.world.run(5000)
  await tellStart(at, 0)
  at.isHere = true
  at.errands.tick()
  await settled()
  expect([at.stateOf(id), at.asked]).toEqual(['done', []])
})

it('a charger that has agreed is believed whatever its clock shows', async () => {
  const at = await site()
  const id = await at.wish()
  at.isHere = true
  at.errands.tick()
  await settled()
  expect(at.stateOf(id)).toBe('accepted')
  await tellStart(at, 5 * HOUR)
  at.errands.tick()
  expect(at.stateOf(id)).toBe('done')
})

it('a session that nobody ended does not keep its card from a connector that is free again', async () => {
  const at = await site()
  at.isHere = true
  await tellStart(at, 0)
  await expect(at.wish()).rejects.toMatchObject({ answer: { error: 'ALREADY_CHARGING' } })
  const status = { kind: 'status', connectorId: 1, status: 'Available', errorCode: 'NoError' } as const
  await at.a.tell(status, CP)
  await at.world.run(5000)
  expect(at.stateOf(await at.wish())).toBe('accepted')
})

it('who asks twice at once, under one key, has one wish', async () => {
  const at = await site()
  const [first, second] = await Promise.all([at.wish('tap-1'), at.wish('tap-1')])
  expect(second).toBe(first)
  expect(await at.wish('tap-2')).not.toBe(first)
})

// A hot connector's session is given a limit, and has it taken back; what the charger makes of it is written down.
import { expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import type { ChargerCommand, CommandOutcome } from '../../src/ports.ts'
import { createWorld, type Member, operatorOf, startMessage, stopMessage, type World } from './world.ts'

const CP = 'at-a'
const MINUTE = 60_000

type Site = {
  readonly world: World
  readonly a: Member
  readonly record: (...bodies: readonly AnyBody[]) => Promise<void>
  readonly transactionId: number
  readonly asked: ChargerCommand[]
  answer: CommandOutcome
  readonly feel: (celsius: number, powerW?: number) => Promise<unknown>
  readonly notes: () => readonly string[]
}

const policy = (name: string, value: string): AnyBody => ({ name: 'policy', body: { name, value } })

async function charging(): Promise<Site> {
  const world = createWorld('heat')
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  const record = (...bodies: readonly AnyBody[]) => operator.record(bodies, a)
  await record(policy('connector-cap-amps', '20'), policy('onboarding', 'off'))
  const answer = await a.tell(startMessage(world), CP)
  if (answer.kind !== 'started') throw new Error('not started')
  const asked: ChargerCommand[] = []
  const { transactionId } = answer
  const site: Site = {
    ...{ world, a, record, transactionId, asked, answer: { kind: 'accepted' } },
    feel: (temperatureC, powerW) => {
      const sampledAt = { raw: new Date(world.wallMs()).toISOString(), at: world.wallMs() }
      const readings = [{ sampledAt, temperatureC, ...(powerW !== undefined && { powerW }) }]
      return a.tell({ kind: 'meter', connectorId: 1, transactionId, readings }, CP)
    },
    notes: () =>
      a
        .node()
        .ledger()
        .view()
        .diagnostics()
        .flatMap(({ body }) => (body.code === 'derated' ? [body.detail] : [])),
  }
  a.command = (_, command) => {
    asked.push(command)
    return site.answer
  }
  return site
}

const limits = ({ asked }: Site) =>
  asked.map(one => (one.kind === 'setProfile' ? one.profile.periods[0]?.limit : one.kind))

it('is lowered step by step, to what a car needs at the least, and raised again', async () => {
  const site = await charging()
  await site.feel(75)
  await site.world.run(2500)
  expect(site.asked).toEqual([
    {
      ...{ kind: 'setProfile', connectorId: 1 },
      profile: {
        ...{ profileId: 7301, stackLevel: 1, purpose: 'session', transactionId: site.transactionId },
        ...{ unit: 'A', periods: [{ fromS: 0, limit: 15 }] },
      },
    },
  ])
  await site.world.run(3 * MINUTE)
  expect(limits(site)).toEqual([15, 10, 6])
  expect(site.a.node().deratings.report(CP as never)).toEqual({ 1: { share: 0.25, celsius: 75 } })
  await site.feel(55)
  await site.world.run(20 * MINUTE)
  expect(limits(site)).toEqual([15, 10, 6, 10, 15, 'clearProfile'])
  expect(site.asked.at(-1)).toEqual({ kind: 'clearProfile', profileId: 7301 })
  expect(site.notes()[0]).toBe('gives 15 A at the most at 75 °C')
  expect(site.notes().at(-1)).toBe('gives all it can again at 55 °C')
})

it('begins anew with the next session, and says nothing where nobody charges', async () => {
  const site = await charging()
  await site.feel(75)
  await site.world.run(2000)
  await site.a.tell(stopMessage(site.world, site.transactionId, 2000), CP)
  await site.world.run(MINUTE)
  expect(limits(site)).toEqual([15])
  const begin = async (meterStartWh: number): Promise<number> => {
    const answer = await site.a.tell(startMessage(site.world, { meterStartWh }), CP)
    if (answer.kind !== 'started') throw new Error('not started')
    return answer.transactionId
  }
  const second = await begin(2000)
  await site.world.run(2000)
  expect(site.asked.at(-1)).toMatchObject({ profile: { transactionId: second } })
  // One drives off and the next is there at once.
  await site.a.tell(stopMessage(site.world, second, 3000), CP)
  const third = await begin(3000)
  await site.world.run(2000)
  expect(site.asked.at(-1)).toMatchObject({ profile: { transactionId: third } })
})

it('takes the alarm of the charger for heat, until it is over', async () => {
  const site = await charging()
  const status = (errorCode: string, connectorId: number) =>
    site.a.tell({ kind: 'status', connectorId, status: 'Charging', errorCode }, CP)
  await status('HighTemperature', 1)
  await site.world.run(2000)
  expect(limits(site)).toEqual([15])
  await status('NoError', 1)
  await site.world.run(6 * MINUTE)
  expect(limits(site)).toEqual([15, 'clearProfile'])
})

it('has a limit to begin with from what the session took, where nobody said one; with neither it says so', async () => {
  const site = await charging()
  await site.record(policy('connector-cap-amps', ''))
  await site.feel(75)
  await site.world.run(2000)
  expect(site.asked).toEqual([])
  expect(site.notes()[0]).toContain('nobody said what it may give')
  await site.feel(75, 8000)
  await site.world.run(11 * MINUTE)
  expect(site.asked[0]).toMatchObject({ profile: { unit: 'W', periods: [{ limit: 2000 }] } })
})

it('is not wanted where the site says so, or where nothing is hot', async () => {
  const site = await charging()
  await site.feel(69)
  await site.world.run(MINUTE)
  await site.record(policy('derate-above-celsius', ''))
  await site.feel(120)
  await site.world.run(MINUTE)
  expect(site.asked).toEqual([])
})

it('is taken back when the site wants it no more', async () => {
  const site = await charging()
  await site.feel(90)
  await site.world.run(2000)
  await site.record(policy('derate-above-celsius', ''))
  await site.world.run(3000)
  expect(limits(site)).toEqual([15, 'clearProfile'])
})

it('is not asked of a charger that knows no profiles again and again', async () => {
  const site = await charging()
  site.answer = { kind: 'rejected', status: 'NotImplemented' }
  await site.feel(75)
  await site.world.run(60 * MINUTE)
  expect(site.asked).toHaveLength(1)
  expect(site.notes()).toEqual(['too hot, and the charger takes no limit: NotImplemented at 75 °C'])
})

it('takes back what another node may have lowered before the charger came here, once', async () => {
  const world = createWorld('heat elsewhere')
  const [a, b] = [await world.member('a'), await world.member('b')]
  await operatorOf(world, a)
  await world.run(5000)
  await b.tell(startMessage(world), CP)
  await world.run(10_000)
  const asked: ChargerCommand[] = []
  a.command = (_, command) => {
    asked.push(command)
    return { kind: 'rejected', status: 'Unknown' }
  }
  const sampledAt = { raw: new Date(world.wallMs()).toISOString(), at: world.wallMs() }
  await a.tell({ kind: 'meter', connectorId: 1, readings: [{ sampledAt, temperatureC: 40 }] }, CP)
  await world.run(MINUTE)
  expect(asked).toEqual([{ kind: 'clearProfile', profileId: 7301 }])
})

it('takes back what another node may have lowered while the charger was away from here, once', async () => {
  const site = await charging()
  await site.feel(40)
  await site.world.run(MINUTE)
  expect(site.asked).toEqual([])
  await site.a.tell({ kind: 'connected' }, CP)
  await site.world.run(MINUTE)
  // Whoever comes in mid-session is also asked how its connectors stand.
  const told = () => limits(site).filter(one => one !== 'trigger')
  expect(told()).toEqual(['clearProfile'])
  await site.feel(75)
  await site.world.run(2000)
  await site.a.tell({ kind: 'connected' }, CP)
  await site.world.run(2000)
  expect(told()).toEqual(['clearProfile', 15, 15])
})

it('never gives more than the session took before it was hot, and ends no later', async () => {
  const site = await charging()
  const credential = { salt: new Uint8Array(16), hash: new Uint8Array(32), cost: 14 }
  await site.record(policy('connector-cap-amps', ''), policy('max-session-minutes', '120'), {
    name: 'charge_point',
    body: { chargerId: CP as never, connectors: 1, withdrawn: false, maxPowerW: 22_000, ...credential },
  })
  await site.feel(69, 500)
  await site.world.run(2000)
  await site.feel(75, 8000)
  await site.world.run(2000)
  expect(site.asked).toMatchObject([
    {
      profile: {
        unit: 'W',
        periods: [
          { fromS: 0, limit: 6000 },
          { fromS: 7200, limit: 0 },
        ],
      },
    },
  ])
})

it('leaves a car that hardly draws anything what a car needs at the least', async () => {
  const site = await charging()
  await site.record(policy('connector-cap-amps', ''))
  await site.feel(75, 500)
  await site.world.run(4 * MINUTE)
  expect(limits(site)).toEqual([1380, 1380, 1380])
})

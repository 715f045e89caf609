// A node without a clock of its own may boot in 1970: its own stamps must not fall behind what it wrote before.
import { expect, it } from 'vitest'
import { createWorld, grantOf, OTHER_TOKEN, operatorOf, startMessage } from './world.ts'

const FIFTY_YEARS_MS = 50 * 365 * 24 * 3600 * 1000

it('stamps its events behind its earlier ones, even when it boots in 1970', async () => {
  const world = createWorld('1970')
  const a = await world.member('a')
  await operatorOf(world, a)
  await a.tell(startMessage(world, { meterStartWh: 1000 }))
  const first = a.node().ledger().ownLog()
  for (const meterStartWh of [2000, 3000]) {
    a.crash()
    a.wallOffsetMs = -FIFTY_YEARS_MS
    await a.boot()
    await a.tell(startMessage(world, { meterStartWh }))
  }
  const { logs, view } = a.node().ledger()
  const own = [...logs.all()].filter(log => log.certificate.deviceId === a.deviceId)
  expect(own).toHaveLength(3)
  const sorted = own.toSorted((x, y) => (x.head.hlc < y.head.hlc ? -1 : 1))
  expect(sorted[0]?.logId).toBe(first)
  expect(sorted[2]?.logId).toBe(a.node().ledger().ownLog())
  // Nor is a card refused or a session unpriced because the clock says 1970.
  const sessions = view().sessions()
  expect(sessions.map(({ start }) => start.body.allowed)).toEqual(['ALLOWED', 'ALLOWED', 'ALLOWED'])
  expect(sessions.every(({ pricing }) => pricing !== undefined)).toBe(true)
  const registers = view()
    .sessions()
    .map(session => session.start.body.meterStartWh)
  expect(registers).toEqual([1000, 2000, 3000])
})

const HOUR_MS = 3600_000

it('does not take its policy for younger when it boots with a clock that was set back, until there is news', async () => {
  const world = createWorld('set back')
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  await a.tell(startMessage(world, { meterStartWh: 1000 }))
  await world.run(20 * HOUR_MS)
  await a.tell(startMessage(world, { meterStartWh: 2000 }))
  a.crash()
  a.wallOffsetMs = -19 * HOUR_MS
  await a.boot()
  await world.run(HOUR_MS)
  await a.tell(startMessage(world, { meterStartWh: 3000 }))
  a.wallOffsetMs = 0
  await operator.record([grantOf(OTHER_TOKEN)], a)
  await a.tell(startMessage(world, { meterStartWh: 4000 }))
  const starts = a
    .node()
    .ledger()
    .view()
    .sessions()
    .map(({ start }) => start.body)
    .toSorted((x, y) => x.meterStartWh - y.meterStartWh)
  expect(starts.map(({ tier }) => tier)).toEqual(['FULL', 'NORMAL', 'REDUCED', 'FULL'])
  const [, second = 0, third = 0, fourth] = starts.map(({ policyAgeMs }) => policyAgeMs)
  expect(second).toBeGreaterThanOrEqual(20 * HOUR_MS)
  expect(third).toBeGreaterThanOrEqual(second)
  expect(fourth).toBe(0)
})

it('hands no charger a time before the operator’s last word, in a boot’s answer or in a heartbeat’s', async () => {
  const world = createWorld('handed out')
  const a = await world.member('a')
  await operatorOf(world, a)
  await a.tell(startMessage(world, { meterStartWh: 1000 }))
  const before = world.wallMs()
  a.crash()
  a.wallOffsetMs = -FIFTY_YEARS_MS
  await a.boot()
  for (const message of [{ kind: 'boot', vendor: 'V', model: 'M' }, { kind: 'heartbeat' }] as const) {
    const answer = await a.tell(message)
    expect(answer).toMatchObject({ kind: 'booted' })
    expect(answer.kind === 'booted' && answer.nowAt).toBeGreaterThan(before - HOUR_MS)
  }
})

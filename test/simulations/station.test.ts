import { describe, expect, it } from 'vitest'
import { accepting, bench, HOUR, MINUTE, SECOND, STARTS_AT, tokenOf, whFor } from './station-bench.ts'

const BOOTED = 30 * SECOND

describe('a simulated charge point', () => {
  it('boots, reports each connector, and then says no more than a heartbeat', async () => {
    const { heard, run, of, tasks } = bench()
    await run(HOUR)
    expect(heard.map(({ message }) => message.kind).slice(0, 5)).toEqual(
      ['boot', 'status', 'status', 'status', 'heartbeat'], // biome-ignore format: one line
    )
    expect(of('heartbeat')).toHaveLength(11)
    expect(heard).toHaveLength(4 + 11)
    expect(tasks()).toBeLessThan(60)
  })

  it('says nothing else before its boot is accepted', async () => {
    const charger = bench(['offline-starts'])
    charger.visit()
    charger.answer = ({ atMs, ...words }) =>
      atMs < 5 * MINUTE ? { kind: 'silence' } : accepting({ atMs, ...words })
    await charger.run(6 * MINUTE)
    const first = charger.heard.findIndex(({ message }) => message.kind !== 'boot')
    expect(first).toBeGreaterThan(5)
    expect(charger.heard.slice(0, first - 1).every(({ atMs }) => atMs < 5 * MINUTE)).toBe(true)
  })

  it('reports a status anew when the line was lost over it', async () => {
    const charger = bench()
    let closings = 2
    charger.answer = words =>
      words.message.kind === 'status' && closings-- > 0 ? 'closed' : accepting(words)
    await charger.run(5 * MINUTE)
    expect(charger.of('status').map(({ connectorId }) => connectorId)).toEqual([0, 0, 0, 1, 2])
  })

  it('tells a session from tap to leaving, to the Wh of its own meter', async () => {
    const { station, heard, run, of, visit } = bench()
    await run(BOOTED)
    visit()
    await run(3 * HOUR)
    const [session] = station.sessions()
    const chargedMs = (session?.stoppedAtMs ?? 0) - (session?.startedAtMs ?? 0)
    expect(session).toMatchObject({
      meterStartWh: 1000,
      meterStopWh: 1000 + whFor(chargedMs),
      wasOffline: false,
    })
    expect(chargedMs).toBeGreaterThan(HOUR - MINUTE)
    expect(of('authorize')).toEqual([{ kind: 'authorize', tokenRef: tokenOf('CARD0') }])
    expect(of('start')).toMatchObject([
      { connectorId: 1, meterStartWh: 1000, startedAt: { at: STARTS_AT + (session?.startedAtMs ?? 0) } },
    ])
    expect(of('meter')).toHaveLength(11)
    expect(of('meter').at(-1)).toMatchObject({
      transactionId: 1001,
      readings: [{ energyWh: 1000 + whFor(55 * MINUTE) }],
    })
    expect(of('stop')).toMatchObject([
      {
        transactionId: 1001,
        meterStopWh: session?.meterStopWh,
        stoppedAt: { raw: session?.stoppedRaw, at: STARTS_AT + (session?.stoppedAtMs ?? 0) },
      },
    ])
    expect(heard.flatMap(({ repairs }) => repairs)).toEqual([])
    expect(session).toMatchObject({ transactionIds: [1001], servedBy: [1] })
    expect(session?.startConfirmedMs).toBeLessThan(session?.stopConfirmedMs ?? 0)
    expect(station.visits()).toMatchObject([
      { outcome: 'served', status: 'Accepted', wasOffline: false, session: 0 },
    ])
    expect(station.waiting()).toBe(0)
  })

  it('charges no more than fits into the car, and says that the car takes no more', async () => {
    const { station, run, of, visit } = bench()
    await run(BOOTED)
    visit({ stayMs: 40 * HOUR })
    await run(41 * HOUR)
    expect(station.sessions()[0]?.meterStopWh).toBe(1000 + 48_000)
    expect(of('status').map(({ status }) => status)).toContain('SuspendedEV')
  })

  it('goes on from where the register stood', async () => {
    const { station, run, visit, of } = bench()
    await run(BOOTED)
    visit()
    await run(2 * HOUR)
    visit()
    await run(4 * HOUR)
    expect(of('meter')).toHaveLength(2 * 11)
    const [first, second] = station.sessions()
    expect(second?.meterStartWh).toBe(first?.meterStopWh)
  })

  it('refuses a card that is not accepted, and turns away who finds the place taken', async () => {
    const charger = bench()
    const { station, run, of, visit } = charger
    charger.answer = words =>
      words.message.kind === 'authorize' ? { kind: 'authorized', allowed: 'BLOCKED' } : accepting(words)
    await run(BOOTED)
    visit({ card: 3 })
    visit({ card: 4 })
    await run(2 * HOUR)
    expect(station.visits()).toMatchObject([
      { visit: { card: 4 }, outcome: 'turned-away' },
      { visit: { card: 3 }, outcome: 'refused', status: 'Blocked', wasOffline: false },
    ])
    expect(of('start')).toEqual([])
    visit({ card: 5 })
    await run(3 * HOUR)
    expect(station.visits()).toHaveLength(3)
  })

  it('stops at once when the start is answered with a card that is not accepted', async () => {
    const charger = bench()
    const { station, run, of, visit } = charger
    charger.answer = words =>
      words.message.kind === 'start'
        ? { kind: 'started', transactionId: 77, allowed: 'EXPIRED' }
        : accepting(words)
    await run(BOOTED)
    visit()
    await run(2 * HOUR)
    expect(of('stop')).toMatchObject([{ transactionId: 77, reason: 'DeAuthorized', meterStopWh: 1000 }])
    expect(station.visits()).toMatchObject([{ outcome: 'refused', status: 'Expired' }])
    expect(of('meter')).toEqual([])
  })
})

describe('a power cut', () => {
  it('stops the meter there, and the session when the power is back, with all that waited', async () => {
    const { station, run, visit, of } = bench()
    await run(BOOTED)
    visit({ stayMs: 8 * HOUR })
    await run(HOUR)
    station.powerOff()
    const cut = station.sessions()[0]
    expect(cut?.meterStopWh).toBe(1000 + whFor(HOUR - (cut?.startedAtMs ?? 0)))
    visit({ connector: 2 })
    await run(3 * HOUR)
    expect(station.visits()[1]?.outcome).toBe('turned-away')
    expect(of('stop')).toEqual([])
    station.powerOn()
    await run(4 * HOUR)
    expect(of('stop')).toMatchObject([
      {
        reason: 'PowerLoss',
        meterStopWh: cut?.meterStopWh,
        stoppedAt: { at: STARTS_AT + HOUR },
        transactionId: 1001,
      },
    ])
    expect(of('boot')).toHaveLength(2)
    expect(cut?.stopConfirmedMs).toBeGreaterThan(3 * HOUR)
    visit({ connector: 2 })
    await run(4 * HOUR + MINUTE)
    expect(station.sessions()[1]).toMatchObject({ connectorId: 2, meterStartWh: 1000 })
  })

  it('keeps the queue, and drops who waited for an answer', async () => {
    const charger = bench()
    const { station, run, visit, of } = charger
    await run(BOOTED)
    charger.answer = words =>
      words.message.kind === 'stop' || words.message.kind === 'authorize' ? 'never' : accepting(words)
    visit()
    await run(BOOTED + 20 * SECOND)
    station.powerOff()
    station.powerOn()
    charger.answer = words => (words.message.kind === 'stop' ? 'never' : accepting(words))
    await run(10 * MINUTE)
    expect(station.visits()).toMatchObject([{ outcome: 'turned-away' }])
    visit({ stayMs: 10 * MINUTE })
    await run(30 * MINUTE)
    expect(station.waiting()).toBe(1)
    station.powerOff()
    await run(HOUR)
    charger.answer = accepting
    station.powerOn()
    await run(2 * HOUR)
    expect(station.waiting()).toBe(0)
    expect(of('stop').at(-1)?.reason).not.toBe('PowerLoss')
  })
})

describe('the end of a run', () => {
  it('sends every driver away, drains the queue, and says nothing old again', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { station, run, visit, of } = bench(['replays-stop', 'late-replay', 'replays-start'], {}, seed)
      await run(BOOTED)
      visit({ stayMs: 10 * MINUTE })
      visit({ stayMs: 100 * HOUR, connector: 2, card: 1 })
      await run(15 * MINUTE)
      station.leaveAll()
      const said = of('meter').length + of('stop').length + of('start').length
      await run(100 * HOUR)
      expect(station.waiting()).toBe(0)
      expect(of('meter').length + of('stop').length + of('start').length).toBe(said + 1)
      expect(station.sessions().every(session => session.stopConfirmedMs !== undefined)).toBe(true)
      visit()
      await run(101 * HOUR)
      expect(station.visits().at(-1)?.outcome).toBe('turned-away')
    }
  })

  it('is the same for the same seed, and another for another', async () => {
    const words = async (seed: number): Promise<string> => {
      const { station, heard, run, visit } = bench(['late-replay', 'two-connections'], {}, seed)
      await run(BOOTED)
      visit()
      await run(HOUR / 2)
      station.moveOn()
      await run(30 * HOUR)
      return JSON.stringify(heard)
    }
    expect(await words(5)).toBe(await words(5))
    expect(await words(5)).not.toBe(await words(6))
  })
})

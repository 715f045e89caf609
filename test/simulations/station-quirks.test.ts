import { describe, expect, it } from 'vitest'
import type { Quirk } from '../../simulations/plan.ts'
import {
  accepting,
  type Bench,
  bench,
  HOUR,
  MINUTE,
  SECOND,
  STARTS_AT,
  tokenOf,
  whFor,
} from './station-bench.ts'

const BOOTED = 30 * SECOND
const DAY = 24 * HOUR

/** One driver for an hour, at a charge point with these habits. */
async function oneSession(quirks: readonly Quirk[], seed = 1): Promise<Bench> {
  const charger = bench(quirks, {}, seed)
  await charger.run(BOOTED)
  charger.visit()
  await charger.run(2 * HOUR)
  return charger
}

/** The first of some seeds whose dice say that it is sent again, six days later. */
async function replayed(quirk: Quirk): Promise<Bench> {
  for (let seed = 1; seed <= 20; seed++) {
    const charger = await oneSession([quirk], seed)
    await charger.run(6 * DAY)
    if (charger.of('start').length + charger.of('stop').length > 2) return charger
  }
  throw new Error(`${quirk}: nothing was sent again`)
}

const words = (of: readonly unknown[]): readonly string[] => of.map(one => JSON.stringify(one))

describe('a charge point that replays', () => {
  it('sends its start again, in the same words', async () => {
    const { of } = await replayed('replays-start')
    expect(of('start')).toHaveLength(2)
    expect(new Set(words(of('start'))).size).toBe(1)
    expect(of('stop')).toHaveLength(1)
  })

  it('sends its stop again, minutes to days later', async () => {
    const { of, heard, station } = await replayed('replays-stop')
    expect(of('stop')).toHaveLength(2)
    expect(new Set(words(of('stop'))).size).toBe(1)
    const stops = heard.filter(({ message }) => message.kind === 'stop')
    expect((stops[1]?.atMs ?? 0) - (stops[0]?.atMs ?? 0)).toBeGreaterThan(MINUTE / 2)
    expect(station.sessions()[0]?.stopConfirmedMs).toBeLessThan(2 * HOUR)
  })

  it('sends a finished transaction whole, in another order', async () => {
    const { of, heard } = await replayed('late-replay')
    const all = words(heard.map(({ message }) => message)).filter(text => /"(start|meter|stop)"/.test(text))
    const [first, again] = [all.slice(0, all.length / 2), all.slice(all.length / 2)]
    expect(again.toSorted()).toEqual(first.toSorted())
    expect(again).not.toEqual(first)
    expect(of('start')).toHaveLength(2)
  })

  it('says all that it ever said so many times over, when it is told to', async () => {
    const { of, run, station } = await oneSession([])
    const meters = of('meter').length
    station.replayAll(2)
    await run(3 * HOUR)
    expect([of('start').length, of('meter').length, of('stop').length]).toEqual([3, 3 * meters, 3])
    expect(new Set(words(of('meter'))).size).toBe(meters)
    expect(station.sessions()).toHaveLength(1)
    expect(station.sessions()[0]?.transactionIds).toEqual([1001])
  })
})

describe('a charge point with a clock of its own', () => {
  it('counts from 1970 after each power cut, until a boot tells it the time', async () => {
    const { station, run, visit, of } = await oneSession(['no-clock', 'offline-starts'])
    expect(of('start')[0]?.startedAt.at).toBeGreaterThan(STARTS_AT + 7 * MINUTE)
    station.powerOff()
    station.offline(true)
    station.powerOn()
    visit()
    await run(4 * HOUR)
    station.offline(false)
    visit()
    await run(6 * HOUR)
    expect(of('start')[1]?.startedAt.raw).toMatch(/^1970-01-01T00:00:\d\dZ$/)
    expect(of('stop')[1]?.stoppedAt.raw).toMatch(/^1970-01-01T0[01]:\d\d:\d\dZ$/)
    expect(station.sessions()[1]).toMatchObject({ startedRaw: of('start')[1]?.startedAt.raw })
    expect(station.sessions()[1]?.startedAtMs).toBeGreaterThan(2 * HOUR)
  })

  it('stops what a power cut interrupted in 1970 too', async () => {
    const { station, run, visit, of } = await oneSession(['no-clock'])
    visit()
    await run(3 * HOUR - 10 * MINUTE)
    station.powerOff()
    await run(3 * HOUR)
    station.powerOn()
    await run(4 * HOUR)
    expect(of('stop')[1]).toMatchObject({ reason: 'PowerLoss', stoppedAt: { raw: '1970-01-01T00:00:00Z' } })
  })

  it('writes no zone, which the door takes for UTC and names', async () => {
    const { of, heard } = await oneSession(['zoneless-clock'])
    expect(of('start')[0]?.startedAt.raw).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
    expect(heard.find(({ message }) => message.kind === 'start')?.repairs).toContain('no-timezone')
  })

  it('runs ahead', async () => {
    const { of, station } = await oneSession(['clock-ahead'])
    const trueAt = STARTS_AT + (station.sessions()[0]?.startedAtMs ?? 0)
    expect((of('start')[0]?.startedAt.at ?? 0) - trueAt).toBeGreaterThanOrEqual(10 * MINUTE)
  })
})

describe('a charge point with odd firmware', () => {
  it('names no transaction although it was told the id', async () => {
    const { of, station } = await oneSession(['negative-id'])
    expect(of('stop')[0]?.transactionId).toBe(-1)
    expect(of('meter')[0]?.transactionId).toBe(-1)
    expect(station.sessions()[0]?.transactionIds).toEqual([1001])
  })

  it('counts from 0 again after a power cut, but stops the old session at its own register', async () => {
    const { station, run, visit, of } = await oneSession(['meter-resets'])
    visit()
    await run(3 * HOUR - 10 * MINUTE)
    station.powerOff()
    await run(3 * HOUR)
    station.powerOn()
    await run(4 * HOUR)
    visit()
    await run(6 * HOUR)
    const [, cut, after] = station.sessions()
    expect(of('stop')[1]?.meterStopWh).toBe(cut?.meterStopWh)
    expect(cut?.meterStopWh).toBeGreaterThan(cut?.meterStartWh ?? 0)
    expect(after?.meterStartWh).toBe(0)
    expect(of('start')[2]?.meterStartWh).toBe(0)
  })

  it('forgets a session in a power cut, and says so in the truth', async () => {
    const { station, run, visit, of } = await oneSession(['forgets-session'])
    visit()
    await run(3 * HOUR - 10 * MINUTE)
    station.powerOff()
    await run(3 * HOUR)
    station.powerOn()
    await run(9 * HOUR)
    expect(of('stop')).toHaveLength(1)
    expect(station.sessions()[1]).toMatchObject({
      lostByItself: 'forgotten-after-power-cut',
      stoppedAtMs: 170 * MINUTE,
    })
    expect(station.waiting()).toBe(0)
  })

  it('serves everybody while it is offline', async () => {
    const charger = bench(['offline-starts'])
    await charger.run(BOOTED)
    charger.station.offline(true)
    charger.visit({ card: 7 })
    await charger.run(2 * HOUR)
    expect(charger.station.visits()).toMatchObject([{ outcome: 'served', wasOffline: true }])
    charger.station.offline(false)
    await charger.run(3 * HOUR)
    expect(charger.of('start')).toMatchObject([{ tokenRef: tokenOf('CARD7') }])
    expect(charger.station.waiting()).toBe(0)
  })

  it('keeps its old line for a while when it moves on, where others close it first', async () => {
    const linesAfterMove = async (quirks: readonly Quirk[]) => {
      const { station, run, openLines, heard } = await oneSession(quirks)
      station.moveOn()
      await run(2 * HOUR + 4 * SECOND)
      const soon = openLines()
      expect(station.connectedTo()).toBe(2)
      await run(3 * HOUR)
      expect(heard.at(-1)?.node).toBe(2)
      return [soon, openLines()]
    }
    expect(await linesAfterMove(['two-connections'])).toEqual([2, 1])
    expect(await linesAfterMove([])).toEqual([1, 1])
  })

  it('gives a start up after three tries without an answer, and its session with it', async () => {
    const tries = async (quirks: readonly Quirk[]) => {
      const charger = bench(quirks)
      charger.answer = heard => (heard.message.kind === 'start' ? 'never' : accepting(heard))
      await charger.run(BOOTED)
      charger.visit()
      await charger.run(3 * HOUR)
      return charger
    }
    const impatient = await tries(['impatient'])
    expect(impatient.of('start')).toHaveLength(3)
    expect([...impatient.of('meter'), ...impatient.of('stop')]).toEqual([])
    expect(impatient.station.sessions()[0]).toMatchObject({ lostByItself: 'start-given-up', servedBy: [] })
    expect(impatient.station.waiting()).toBe(0)
    const patient = await tries([])
    expect(patient.of('start').length).toBeGreaterThan(10)
    expect(patient.station.sessions()[0]?.lostByItself).toBeUndefined()
    expect(patient.station.waiting()).toBe(13)
  })

  it('gives up a reading, or a stop, after three tries, and goes on with the next', async () => {
    const charger = bench(['impatient'])
    charger.answer = heard => (['meter', 'stop'].includes(heard.message.kind) ? 'never' : accepting(heard))
    await charger.run(BOOTED)
    charger.visit({ stayMs: 8 * MINUTE })
    await charger.run(HOUR)
    expect([charger.of('meter').length, charger.of('stop').length]).toEqual([3, 3])
    expect(charger.station.waiting()).toBe(0)
    expect(charger.station.sessions()[0]).toMatchObject({ lostByItself: 'stop-given-up', servedBy: [1] })
  })

  it('does not count a closed line as a try', async () => {
    const charger = bench(['impatient'])
    charger.answer = heard =>
      heard.message.kind === 'start' && heard.atMs < HOUR ? { kind: 'silence' } : accepting(heard)
    await charger.run(BOOTED)
    charger.visit()
    await charger.run(3 * HOUR)
    expect(charger.of('start').length).toBeGreaterThan(50)
    expect(charger.station.sessions()[0]?.lostByItself).toBeUndefined()
    expect(charger.of('stop')).toHaveLength(1)
  })

  it('is sloppy in a way that the door mends without losing a Wh, whatever way that is', async () => {
    const repairs = new Set<string>()
    for (let seed = 1; seed <= 25; seed++) {
      const { of, station, heard } = await oneSession(['clock-ahead'], seed)
      const [session] = station.sessions()
      expect(of('start')).toMatchObject([{ meterStartWh: 1000, tokenRef: tokenOf('CARD0'), connectorId: 1 }])
      expect(of('stop')).toMatchObject([{ meterStopWh: session?.meterStopWh, transactionId: 1001 }])
      const energies = of('meter').map(({ readings }) => readings[0]?.energyWh ?? 0)
      expect(energies).toEqual(energies.map((_, i) => 1000 + whFor((i + 1) * 5 * MINUTE)))
      expect(energies).toHaveLength(11)
      for (const word of heard.flatMap(one => one.repairs)) repairs.add(word)
    }
    for (const word of ['number-as-text', 'field-case', 'object-for-array', 'numeric-value', 'idtag-trimmed'])
      expect(repairs).toContain(word)
  })
})

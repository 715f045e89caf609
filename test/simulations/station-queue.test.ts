import { describe, expect, it } from 'vitest'
import { accepting, bench, HOUR, MINUTE, SECOND } from './station-bench.ts'

const BOOTED = 30 * SECOND

describe('the queue of a simulated charge point', () => {
  it('delivers in order what happened while nobody answered, each message until it is confirmed', async () => {
    const charger = bench()
    const { station, run, visit, down, heard } = charger
    await run(BOOTED)
    visit()
    await run(10 * MINUTE)
    for (const node of [1, 2, 3]) down.add(node)
    charger.breakLine()
    await run(2 * HOUR)
    expect(station.connectedTo()).toBeUndefined()
    expect(station.waiting()).toBe(11)
    down.clear()
    const before = heard.length
    await run(2 * HOUR + 2 * MINUTE)
    const transaction = heard.slice(before).filter(({ message }) => ['meter', 'stop'].includes(message.kind))
    expect(transaction.map(({ message }) => message.kind)).toEqual([...Array(10).fill('meter'), 'stop'])
    expect(station.waiting()).toBe(0)
  })

  it('sends the same words again after silence, to the next node, and believes the first answer', async () => {
    const charger = bench()
    const { run, visit, of, station, heard } = charger
    let silences = 2
    charger.answer = words => {
      if (words.message.kind !== 'start' || silences-- <= 0) return accepting(words)
      return silences === 1 ? { kind: 'silence' } : 'closed'
    }
    await run(BOOTED)
    visit()
    await run(5 * MINUTE)
    const starts = of('start')
    expect(starts).toHaveLength(3)
    expect(new Set(starts.map(start => JSON.stringify(start))).size).toBe(1)
    expect(heard.flatMap(({ node, message }) => (message.kind === 'start' ? [node] : []))).toEqual([1, 2, 3])
    expect(station.sessions()[0]).toMatchObject({ transactionIds: [1001], servedBy: [3] })
    expect(of('boot')).toHaveLength(1)
  })

  it('takes an answer that does not fit its question for silence', async () => {
    const charger = bench()
    charger.answer = words =>
      words.message.kind === 'stop' ? { kind: 'booted', nowAt: 0, heartbeatS: 1 } : accepting(words)
    await charger.run(BOOTED)
    charger.visit({ stayMs: 10 * MINUTE })
    await charger.run(HOUR)
    expect(charger.station.waiting()).toBe(1)
    charger.answer = accepting
    await charger.run(2 * HOUR)
    expect(charger.station.waiting()).toBe(0)
    expect(charger.station.sessions()[0]?.stopConfirmedMs).toBeGreaterThan(HOUR)
  })

  it('gives a call 30 s, lets a line go that is dead twice, and does not hear what comes late', async () => {
    const charger = bench()
    const { run, visit, of, heard, station } = charger
    charger.answer = words =>
      words.node === 1 && words.message.kind === 'start' ? 'never' : accepting(words)
    await run(BOOTED)
    visit()
    await run(10 * MINUTE)
    const starts = heard.filter(({ message }) => message.kind === 'start')
    expect(starts.map(({ node }) => node)).toEqual([1, 1, 2])
    expect((starts[1]?.atMs ?? 0) - (starts[0]?.atMs ?? 0)).toBe(40 * SECOND)
    expect(of('stop')).toEqual([])
    expect(station.sessions()[0]?.servedBy).toEqual([2])
  })

  it('backs off from 1 s to 30 s while nobody answers, and has one call on its way at a time', async () => {
    const charger = bench()
    for (const node of [1, 2, 3]) charger.down.add(node)
    await charger.run(10 * MINUTE)
    const pauses = charger.dials.slice(1).map(({ atMs }, i) => atMs - (charger.dials[i]?.atMs ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000)
    expect(Math.max(...pauses.slice(5))).toBeGreaterThan(15_000)
    expect(charger.dials.slice(0, 4).map(({ node }) => node)).toEqual([1, 2, 3, 1])
  })
})

describe('a simulated charge point without a line', () => {
  const offline = async (knownCard: boolean) => {
    const charger = bench()
    await charger.run(BOOTED)
    if (knownCard) charger.visit({ stayMs: 10 * MINUTE })
    await charger.run(HOUR)
    charger.station.offline(true)
    charger.visit()
    await charger.run(4 * HOUR)
    return charger
  }

  it('refuses a card that it does not know', async () => {
    const { station } = await offline(false)
    expect(station.visits()).toMatchObject([{ outcome: 'refused', status: 'Offline', wasOffline: true }])
    expect(station.sessions()).toEqual([])
  })

  it('serves a card that was accepted here before, and tells all of it later', async () => {
    const { station, run, of } = await offline(true)
    expect(station.visits()[1]).toMatchObject({ outcome: 'served', wasOffline: true, session: 1 })
    expect(of('start')).toHaveLength(1)
    station.offline(false)
    await run(5 * HOUR)
    expect(of('start')).toHaveLength(2)
    expect(of('stop')).toHaveLength(2)
    const { meterStartWh = 0, ...second } = station.sessions()[1] ?? {}
    expect(second).toMatchObject({ wasOffline: true, transactionIds: [meterStartWh + 1] })
  })

  it('serves who asked when the line went, if the card is known', async () => {
    const charger = bench()
    const { run, visit, station } = charger
    await run(BOOTED)
    visit({ stayMs: 10 * MINUTE })
    await run(HOUR)
    charger.answer = words => (words.message.kind === 'authorize' ? 'closed' : accepting(words))
    visit()
    visit({ card: 9, connector: 2 })
    await run(4 * HOUR)
    const outcomes = station.visits().map(({ visit: { card }, ...became }) => ({ card, ...became }))
    expect(outcomes.filter(({ card }) => card === 0)[1]).toMatchObject({
      outcome: 'served',
      wasOffline: true,
    })
    expect(outcomes.filter(({ card }) => card === 9)).toMatchObject([
      { outcome: 'refused', status: 'Offline' },
    ])
  })

  it('forgets a card that a start was refused for', async () => {
    const charger = await offline(true)
    charger.answer = words =>
      words.message.kind === 'start'
        ? { kind: 'started', transactionId: 9, allowed: 'BLOCKED' }
        : accepting(words)
    charger.station.offline(false)
    await charger.run(5 * HOUR)
    expect(charger.station.visits()[1]).toMatchObject({ outcome: 'served', status: 'Blocked' })
    charger.station.offline(true)
    charger.visit()
    await charger.run(6 * HOUR)
    expect(charger.station.visits()[2]).toMatchObject({ outcome: 'refused', status: 'Offline' })
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import type { ChargerAnswer, ChargerInput } from '../../src/ports.ts'
import { accepts, openSite, type Site, until } from './ocpp-site.ts'

const sites: Site[] = []

async function open(...args: Parameters<typeof openSite>): Promise<Site> {
  const site = await openSite(...args)
  sites.push(site)
  return site
}

afterEach(async () => {
  await Promise.all(sites.splice(0).map(site => site.close()))
})

describe('a charger and a node', () => {
  it('carry a whole session from boot to stop, in order, with what the charger itself measured', async () => {
    const site = await open()
    const charger = site.charger({ registerWh: 5000 })
    await until('booted', charger.booted)
    charger.plugIn(1)
    expect(await charger.tap(1, 'card-a')).toEqual({ accepted: true, status: 'Accepted' })
    await until('three readings', () => site.heard('meter').length >= 3)
    await charger.stop(1)
    await charger.settled()

    const kinds = site.inputs.map(({ message }) => message.kind)
    expect(kinds[0]).toBe('connected')
    expect(kinds[1]).toBe('boot')
    expect(kinds.indexOf('authorize')).toBeLessThan(kinds.indexOf('start'))
    const [truth] = charger.sessions()
    const [start] = site.heard('start')
    const [stop] = site.heard('stop')
    expect(start).toMatchObject({ connectorId: 1, tokenRef: 'ref:CARD-A', meterStartWh: 5000 })
    expect(start?.startedAt.at).toBe(truth?.startedAt)
    expect(stop).toMatchObject({ meterStopWh: truth?.meterStopWh, transactionId: truth?.transactionIds[0] })
    expect(truth?.meterStopWh).toBeGreaterThan(5000)
    expect(truth?.finished).toBe(true)
    const registers = site
      .heard('meter')
      .flatMap(meter => meter.readings.map(({ energyWh }) => energyWh ?? -1))
    expect(registers).toEqual([...registers].sort((a, b) => a - b))
    expect(site.inputs.flatMap(({ repairs }) => repairs)).toEqual([])
  })

  it('lose nothing when the node cannot write: no answer, a closed socket, and the same start and stop again', async () => {
    let full = true
    const site = await open({
      handle: async input =>
        full && (input.message.kind === 'start' || input.message.kind === 'stop')
          ? { kind: 'silence' }
          : accepts(input),
    })
    const charger = site.charger({ meterIntervalMs: 60_000 })
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await until('the start came twice', () => site.heard('start').length >= 2)
    full = false
    await until('confirmed', () => charger.queued() === 0)
    full = true
    await charger.stop(1)
    await until('the stop came twice', () => site.heard('stop').length >= 2)
    full = false
    await charger.settled()

    const starts = site.heard('start')
    const stops = site.heard('stop')
    expect(new Set(starts.map(start => JSON.stringify(start))).size).toBe(1)
    expect(new Set(stops.map(stop => JSON.stringify(stop))).size).toBe(1)
    expect(charger.sessions()[0]).toMatchObject({ finished: true, meterStopWh: stops[0]?.meterStopWh })
    expect(site.heard('boot')).toHaveLength(1)
    expect(
      site.inputs.filter(({ message }) => message.kind === 'disconnected').length,
    ).toBeGreaterThanOrEqual(2)
  })

  it('take a failing node as a silent one', async () => {
    let failures = 0
    const site = await open({
      handle: async (input): Promise<ChargerAnswer> => {
        if (input.message.kind === 'start' && failures++ === 0) throw new Error('the disk went away')
        return accepts(input)
      },
    })
    const charger = site.charger()
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await until('started', () => charger.sessions()[0]?.transactionIds.length === 1)
    expect(site.heard('start')).toHaveLength(2)
    expect(site.lines.join('\n')).toContain('the disk went away')
  })

  it('replay a session that happened offline, with the times of its events, and without a boot', async () => {
    const site = await open()
    const charger = site.charger({ settings: { AllowOfflineTxForUnknownId: 'true' } })
    await until('booted', charger.booted)
    charger.disconnect()
    await until('offline', () => !charger.connected())
    charger.plugIn(1)
    expect((await charger.tap(1, 'A')).accepted).toBe(true)
    await until('three readings wait', () => charger.queued() >= 4)
    await charger.stop(1)
    expect(site.heard('start')).toHaveLength(0)
    const before = site.inputs.length
    charger.connect()
    await charger.settled()

    const replayed = site.inputs.slice(before).map(({ message }) => message.kind)
    expect(replayed.filter(kind => kind === 'boot')).toEqual([])
    expect(replayed.indexOf('start')).toBeLessThan(replayed.indexOf('meter'))
    expect(replayed.lastIndexOf('meter')).toBeLessThan(replayed.indexOf('stop'))
    const [truth] = charger.sessions()
    expect(site.heard('start')[0]?.startedAt.at).toBe(truth?.startedAt)
    expect(site.heard('stop')[0]).toMatchObject({ stoppedAt: { at: truth?.stoppedAt } })
  })

  it('go on at another node in the middle of a session, without a boot and under the first id', async () => {
    const first = await open()
    const second = await open()
    const charger = first.charger({ urls: [first.url, second.url] })
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await until('started', () => charger.sessions()[0]?.transactionIds.length === 1)
    await first.central.close()
    await until('the other node hears readings', () => second.heard('meter').length > 0)
    await charger.stop(1)
    await charger.settled()
    expect(second.heard('boot')).toHaveLength(0)
    expect(second.heard('start')).toHaveLength(0)
    expect(second.heard('stop')[0]?.transactionId).toBe(charger.sessions()[0]?.transactionIds[0])
  })

  it('end a session when power is lost and boot again', async () => {
    const site = await open()
    const charger = site.charger()
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await until('started', () => charger.sessions()[0]?.transactionIds.length === 1)
    await charger.powerCycle()
    await charger.settled()
    await until('booted again', () => site.heard('boot').length === 2)
    expect(site.heard('stop')[0]).toMatchObject({ reason: 'PowerLoss' })
  })

  it('stop what an unknown card started offline', async () => {
    const refuse = async (input: ChargerInput): Promise<ChargerAnswer> =>
      input.message.kind === 'start'
        ? { kind: 'started', transactionId: 77, allowed: 'NOT_ALLOWED' }
        : accepts(input)
    const site = await open({ handle: refuse })
    const charger = site.charger({ settings: { AllowOfflineTxForUnknownId: 'true' } })
    await until('booted', charger.booted)
    charger.disconnect()
    charger.plugIn(1)
    await charger.tap(1, 'A')
    charger.connect()
    await until('stopped', () => charger.sessions()[0]?.finished === true)
    expect(charger.sessions()[0]?.refused).toBe('Invalid')
    expect(site.heard('stop')[0]).toMatchObject({ transactionId: 77, reason: 'DeAuthorized' })
  })

  it('keep every card id out of the log', async () => {
    const site = await open({
      tokenReference: async tag => {
        throw new Error(`no key for ${tag}`)
      },
    })
    const charger = site.charger({ settings: { AllowOfflineTxForUnknownId: 'true' } })
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'SECRETCARD')
    await until('silenced', () => site.lines.some(line => line.includes('charger-silenced')))
    expect(site.lines.join('\n').toUpperCase()).not.toContain('SECRETCARD')
  })
})

// A driver with an app: the driver's plane of a real node over HTTP, chargers that speak OCPP over sockets.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SOC, SOC_ENABLED, type SocAnswer, type SocEnabled, STATIONS } from '../../src/api/driver-words.ts'
import { until } from '../deadline.ts'
import {
  CARD,
  type DriverSite,
  FRIEND,
  LATER,
  openDriverSite,
  phone,
  problem,
  STRANGER,
  session,
} from './driver-site.ts'
import { asked, mustRun } from './operator-site.ts'

let at: DriverSite

beforeAll(async () => {
  at = await openDriverSite()
}, 60_000)

afterEach(() => at.closeChargers())

afterAll(async () => {
  await at?.close()
})

describe('a driver', () => {
  it('starts, looks, and stops with a receipt', async () => {
    const cp = await at.booted('CP01')
    const me = phone()
    const list = STATIONS.parse((await at.call('GET', '/stations', undefined, me)).body)
    expect(list).toMatchObject({ offline: true, price: { rate_per_kwh: '0.25', currency: 'EUR' } })
    cp.plugIn(1)
    const begun = await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, me)
    expect(begun.status).toBe(200)
    expect(session(begun)).toMatchObject({
      ...{ station_id: 'CP01', connector_id: 1, state: 'charging', meter_start: 154_200, meter_stop: null },
      ...{ rate_per_kwh: '0.25', end_time: null, request: { state: 'done' } },
      payment: { state: 'running', text: 'You pay 0.25 EUR a kWh when the session has ended.' },
    })
    const id = session(begun).session_id
    let live = session(begun)
    const isLive = async (): Promise<boolean> => {
      live = session(await at.call('GET', `/session/${id}`, undefined, me))
      return (live.energy_kwh ?? 0) > 0 && live.soc !== null && live.total_cost !== null
    }
    await until(isLive, { ...LATER, what: 'live energy and state of charge' })
    expect(live.soc_age_s).toBeLessThan(60)
    const soc = SOC.parse((await at.call<SocAnswer>('GET', '/station/CP01/check-soc', undefined, me)).body)
    expect(soc).toMatchObject({ station_id: 'CP01', reason: null, connectors: [{ connector_id: 1 }] })
    expect(soc.soc).toBeGreaterThan(0)
    const ended = session(await at.call('POST', '/stop_session', { card: FRIEND, session_id: id }, me))
    const truth = cp.sessions()[0]
    expect(ended).toMatchObject({ session_id: id, state: 'completed', meter_start: 154_200 })
    expect(ended.meter_stop).toBe(truth?.meterStopWh)
    expect(ended.energy_kwh).toBe(((ended.meter_stop ?? 0) - 154_200) / 1000)
    expect(Date.parse(ended.end_time ?? '')).toBeGreaterThan(Date.parse(ended.start_time ?? ''))
    expect(ended.payment).toMatchObject({ state: 'queued', receipt: null })
    expect(ended.payment?.text).toContain(`${ended.total_cost} EUR is queued`)
    expect(ended.sync).toMatchObject({ state: 'here', nodes: 1, cloud: false })
    const rows = await asked<readonly { sessionId: string; cost: string }[]>(at.nodeDir, '/v1/sessions')
    expect(rows.find(({ sessionId }) => sessionId === id)?.cost).toBe(ended.total_cost)
    cp.close()
  })

  it('asks twice with one key and starts once; other words under it are refused', async () => {
    const cp = await at.booted('CP01')
    cp.plugIn(1)
    const words = { card: CARD, station_id: 'CP01' }
    const headers = { ...phone(), 'idempotency-key': 'tap-1' }
    const both = await Promise.all([1, 2].map(() => at.call('POST', '/start_session', words, headers)))
    const third = await at.call('POST', '/start_session', words, headers)
    const ids = [...both, third].map(said => session(said).session_id)
    expect(new Set(ids).size).toBe(1)
    expect(new Set([...both, third].map(said => session(said).request?.id)).size).toBe(1)
    expect(third.headers.get('idempotency-replayed')).toBe('true')
    expect(cp.sessions()).toHaveLength(1)
    const other = await at.call('POST', '/start_session', { ...words, connector_id: 1 }, headers)
    expect([other.status, problem(other).error]).toEqual([422, 'KEY_REUSED'])
    const again = await at.call('POST', '/start_session', words, phone())
    expect([again.status, problem(again)]).toMatchObject([
      409,
      { error: 'ALREADY_CHARGING', session_id: ids[0] },
    ])
    const stop = { card: CARD, station_id: 'CP01' }
    const stopped = await at.call('POST', '/stop_session', stop, { ...headers, 'idempotency-key': 'end-1' })
    expect(session(stopped)).toMatchObject({ session_id: ids[0], state: 'completed' })
    // The stop is known by its key, and the start's key still names the same session, which has ended meanwhile.
    const late = await at.call('POST', '/stop_session', stop, { ...headers, 'idempotency-key': 'end-1' })
    expect(session(late)).toMatchObject({ session_id: ids[0], request: { state: 'done' } })
    expect(session(await at.call('POST', '/start_session', words, headers)).state).toBe('completed')
    cp.close()
  })

  it('is told of a charger in use where else to go, and nobody else ends the session', async () => {
    const [cp, other] = [await at.booted('CP01'), await at.booted('CP02', 2)]
    cp.plugIn(1)
    const begun = session(
      await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, phone()),
    )
    const busy = await at.call('POST', '/start_session', { card: FRIEND, station_id: 'CP01' }, phone())
    expect([busy.status, problem(busy)]).toMatchObject([
      409,
      {
        error: 'STATION_BUSY',
        text: 'CP01 is in use. Free now: CP02, connector 1.',
        alternatives: [
          { station_id: 'CP02', connector_id: 1 },
          { station_id: 'CP02', connector_id: 2 },
        ],
      },
    ])
    const stop = { card: STRANGER, session_id: begun.session_id }
    const refused = await at.call('POST', '/stop_session', stop, phone())
    expect([refused.status, problem(refused).error]).toEqual([403, 'NOT_YOURS'])
    const nowhere = await at.call('POST', '/stop_session', { card: STRANGER, station_id: 'CP01' }, phone())
    expect([nowhere.status, problem(nowhere).error]).toEqual([404, 'SESSION_UNKNOWN'])
    expect(cp.sessions().at(-1)?.finished).toBe(false)
    await at.call('POST', '/stop_session', { card: CARD, session_id: begun.session_id }, phone())
    cp.close()
    other.close()
  })

  it('with a card that nobody knows, or that is blocked, hears no more than at a reader', async () => {
    const cp = await at.booted('CP01')
    const unknown = await at.call('POST', '/start_session', { card: STRANGER, station_id: 'CP01' }, phone())
    expect([unknown.status, problem(unknown)]).toMatchObject([
      403,
      { error: 'NOT_ALLOWED', text: 'This card may not charge here.' },
    ])
    const soc = await at.call('POST', '/station/CP01/enable-soc', { card: STRANGER }, phone())
    expect([soc.status, problem(soc).error]).toEqual([403, 'NOT_ALLOWED'])
    const nowhere = await at.call('POST', '/start_session', { card: CARD, station_id: 'CP99' }, phone())
    expect([nowhere.status, problem(nowhere).error]).toEqual([404, 'STATION_UNKNOWN'])
    cp.close()
  })

  it('who asks while the charger is away is started when it comes back, and told when it does not', async () => {
    const headers = { ...phone(), 'idempotency-key': 'away-1' }
    const words = { card: CARD, station_id: 'CP03', expires_in_s: 60 }
    const queued = await at.call('POST', '/start_session', words, headers)
    expect([queued.status, session(queued)]).toMatchObject([202, { session_id: null, energy_kwh: null }])
    expect(session(queued).request).toMatchObject({ state: 'queued', kind: 'start', station_id: 'CP03' })
    const cp = at.charger('CP03')
    cp.plugIn(1)
    const request = `/request/${session(queued).request?.id}`
    const begins = async (): Promise<boolean> =>
      session(await at.call('GET', request, undefined, phone())).state === 'charging'
    await until(begins, { ...LATER, what: 'the queued start is carried out' })
    const id = session(await at.call('POST', '/start_session', words, headers)).session_id
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    const ended = session(await at.call('POST', '/stop_session', { card: CARD, session_id: id }, headers))
    expect(ended).toMatchObject({ state: 'completed', request: { state: 'done' } })
    cp.close()

    const soon = { ...headers, 'idempotency-key': 'away-2' }
    const short = { ...words, expires_in_s: 5 }
    const gone = async (): Promise<boolean> => (await at.station('CP03'))?.reachable === 'away'
    await until(gone, { ...LATER, what: 'the charger is gone' })
    const waiting = await at.call('POST', '/start_session', short, soon)
    expect(waiting.status).toBe(202)
    const wish = `/request/${session(waiting).request?.id}`
    const expired = async (): Promise<boolean> =>
      session(await at.call('GET', wish, undefined, phone())).request?.state === 'expired'
    await until(expired, { ...LATER, what: 'the start is given up' })
    const late = problem(await at.call('POST', '/start_session', short, soon))
    expect(late).toMatchObject({ error: 'REQUEST_GONE', request: { state: 'expired' } })
    expect(late.text).toContain('nothing was started')
  }, 40_000)

  it('whose card is revoked while the start waits is not started', async () => {
    const card = '04A2B3C4D5E8'
    const via = ['--site', at.site, '--via', at.nodeDir]
    await mustRun('token', 'add', card, ...via)
    const headers = { ...phone(), 'idempotency-key': 'revoked-1' }
    const words = { card, station_id: 'CP03' }
    const isAway = async (): Promise<boolean> => (await at.station('CP03'))?.reachable === 'away'
    await until(isAway, { ...LATER, what: 'the charger is away' })
    expect((await at.call('POST', '/start_session', words, headers)).status).toBe(202)
    await mustRun('token', 'revoke', card, '--reason', 'lost', ...via)
    const cp = await at.booted('CP03')
    cp.plugIn(1)
    const refused = async (): Promise<boolean> =>
      (await at.call('POST', '/start_session', words, headers)).status === 409
    await until(refused, { ...LATER, what: 'the start is refused' })
    const said = problem(await at.call('POST', '/start_session', words, headers))
    expect(said).toMatchObject({ error: 'BLOCKED', request: { state: 'refused' } })
    expect(cp.sessions()).toHaveLength(0)
  }, 30_000)

  it('cancels a start that waits', async () => {
    const me = phone()
    const queued = await at.call('POST', '/start_session', { card: CARD, station_id: 'CP03' }, me)
    expect(queued.status).toBe(202)
    const cancelled = session(await at.call('POST', '/stop_session', { card: CARD, station_id: 'CP03' }, me))
    expect(cancelled).toMatchObject({ session_id: null, request: { state: 'cancelled' } })
    const cp = await at.booted('CP03')
    cp.plugIn(1)
    expect(cp.sessions()).toHaveLength(0)
    cp.close()
  })

  it('has a stop carried out after the node was restarted, and hears that a start was lost', async () => {
    const cp = await at.booted('CP02', 2)
    cp.plugIn(2)
    const start = { card: CARD, station_id: 'CP02', connector_id: 2 }
    const begun = session(await at.call('POST', '/start_session', start, phone()))
    cp.disconnect()
    const headers = { ...phone(), 'idempotency-key': 'stop-later' }
    const stop = { card: CARD, session_id: begun.session_id }
    const isAway = async (): Promise<boolean> => (await at.station('CP02'))?.reachable === 'away'
    await until(isAway, { ...LATER, what: 'the charger is away' })
    const queued = await at.call('POST', '/stop_session', stop, headers)
    expect([queued.status, session(queued).request?.state]).toEqual([202, 'queued'])
    const lost = session(await at.call('POST', '/start_session', { card: CARD, station_id: 'CP03' }, phone()))
    const written = await readFile(join(at.nodeDir, 'driver/wishes'), 'utf8')
    expect(written).toContain('"kind":"stop"')
    expect(written).not.toContain(CARD)
    await at.restart()
    const after = session(await at.call('GET', `/request/${lost.request?.id}`, undefined, phone()))
    expect(after.request).toMatchObject({ state: 'lost' })
    expect(cp.sessions().at(-1)?.finished).toBe(false)
    cp.connect()
    const ended = async (): Promise<boolean> =>
      session(await at.call('GET', `/session/${begun.session_id}`, undefined, phone())).end_time !== null
    await until(ended, { ...LATER, what: 'the stop is carried out' })
    expect(session(await at.call('POST', '/stop_session', stop, headers)).request?.state).toBe('done')
    cp.close()
  }, 30_000)

  it('adds SoC to what a charger measures, and takes nothing away', async () => {
    const measured = 'Energy.Active.Import.Register,Power.Active.Import'
    const cp = await at.booted('CP01', 1, { MeterValuesSampledData: measured })
    const enable = async (): Promise<SocEnabled> =>
      SOC_ENABLED.parse((await at.call('POST', '/station/CP01/enable-soc', { card: CARD }, phone())).body)
    // The node may have asked for it already, when the charger came.
    const first = await enable()
    expect(first).toMatchObject({ enabled: true, reason: null })
    expect(first.measurands).toEqual(expect.arrayContaining([...measured.split(','), 'SoC']))
    expect(await enable()).toMatchObject({ enabled: true, changed: false })
    cp.close()
  })
})

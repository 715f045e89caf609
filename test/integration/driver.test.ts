// The driver's plane of a real node over HTTP: a charger that speaks OCPP over a socket, a card, an app.
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { ROUTES } from '../../src/api/driver-openapi.ts'
import {
  PROBLEM,
  type ProblemAnswer,
  SESSION,
  type SessionAnswer,
  SOC,
  SOC_ENABLED,
  type SocAnswer,
  type SocEnabled,
  STATIONS,
  type StationsAnswer,
} from '../../src/api/driver-words.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { systemRandom } from '../../src/host/system.ts'
import { until } from '../deadline.ts'
import { asked, foundSite, mustRun, tempFolder } from './operator-site.ts'

const CARD = '04A2B3C4D5E6'
const FRIEND = '04A2B3C4D5E7'
const STRANGER = '04FFFFFFFFFF'
const LATER = { withinMs: 15_000 }

let folder: Awaited<ReturnType<typeof tempFolder>>
let nodeDir = ''
let site = ''
let node: RunningNode
let passwords: ReadonlyMap<string, string>
const open: VirtualCharger[] = []

function charger(identity: string, connectors = 1, settings = {}): VirtualCharger {
  const made = openVirtualCharger({
    ...{ identity, password: passwords.get(identity) ?? '', urls: [node.ocppUrl], connectors },
    ...{ random: systemRandom(), meterIntervalMs: 50, retryIntervalMs: 50, timeScale: 3600 },
    ...{ registerWh: 154_200, settings },
  })
  open.push(made)
  return made
}

type Said<T> = { readonly status: number; readonly headers: Headers; readonly body: T }

async function call<T>(method: string, path: string, body?: object, headers: object = {}): Promise<Said<T>> {
  const response = await fetch(`${node.driverUrl}${path}`, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as T }
}

const problem = (said: Said<unknown>): ProblemAnswer => PROBLEM.parse(said.body)
function session(said: Said<unknown>): SessionAnswer {
  if (said.status >= 400) throw new Error(`${said.status}: ${problem(said).text}`)
  return SESSION.parse(said.body)
}

async function startNode(): Promise<void> {
  node = await runNode(nodeDir)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

async function booted(identity: string, connectors = 1, settings = {}): Promise<VirtualCharger> {
  const cp = charger(identity, connectors, settings)
  await until(cp.booted, { ...LATER, what: `${identity} has booted` })
  const reported = async (): Promise<boolean> => {
    const list = STATIONS.parse((await call('GET', '/stations', undefined, phone())).body)
    const states = list.stations.find(one => one.station_id === identity)?.connectors.map(one => one.state)
    return states?.every(state => state === 'free') === true
  }
  await until(reported, { ...LATER, what: `${identity} has said that it is free` })
  return cp
}

beforeAll(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir } = await foundSite(folder.dir))
  const file = join(nodeDir, 'node.yaml')
  const settings = parse(await readFile(file, 'utf8')) as { mesh: object; ocpp: object }
  const driver = { listen: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }
  const [mesh, ocpp] = [
    { ...settings.mesh, discovery: 'off' },
    // Chargers come back to the same address when the node was restarted.
    { ...settings.ocpp, listen: `127.0.0.1:${await freePort()}` },
  ]
  await writeFile(file, stringify({ ...settings, mesh, ocpp, driver }))
  await startNode()
  const via = ['--site', site, '--via', nodeDir]
  await mustRun('tariff', 'set', '0.25', ...via)
  await mustRun('token', 'add', CARD, '--group', 'family', ...via)
  await mustRun('token', 'add', FRIEND, '--group', 'family', ...via)
  const add = async (
    ...words: readonly string[]
  ): Promise<readonly { identity: string; password: string }[]> =>
    JSON.parse((await mustRun('charger', 'add', ...words, ...via, '--json')).out)
  const list = [...(await add('CP01', 'CP03')), ...(await add('CP02', '--connectors', '2'))]
  passwords = new Map(list.map(({ identity, password }) => [identity, password]))
}, 60_000)

afterAll(async () => {
  for (const each of open) each.close()
  await node?.close()
  await folder.remove()
})

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** Each test is another person with another phone. */
let phones = 0
function phone(): { readonly 'x-forwarded-for': string } {
  phones += 1
  return { 'x-forwarded-for': `10.9.${phones >> 8}.${phones & 255}` }
}

describe('a driver', () => {
  it('starts, looks, and stops with a receipt', async () => {
    const cp = await booted('CP01')
    const me = phone()
    const list = STATIONS.parse((await call<StationsAnswer>('GET', '/stations', undefined, me)).body)
    expect(list).toMatchObject({ offline: true, price: { rate_per_kwh: '0.25', currency: 'EUR' } })
    cp.plugIn(1)
    const begun = await call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, me)
    expect(begun.status).toBe(200)
    expect(session(begun)).toMatchObject({
      ...{ station_id: 'CP01', connector_id: 1, state: 'charging', meter_start: 154_200, meter_stop: null },
      ...{ rate_per_kwh: '0.25', end_time: null, request: { state: 'done' } },
      payment: { state: 'running', text: 'You pay 0.25 EUR a kWh when the session has ended.' },
    })
    const id = session(begun).session_id
    let live = session(begun)
    const isLive = async (): Promise<boolean> => {
      live = session(await call('GET', `/session/${id}`, undefined, me))
      return (live.energy_kwh ?? 0) > 0 && live.soc !== null && live.total_cost !== null
    }
    await until(isLive, { ...LATER, what: 'live energy and state of charge' })
    expect(live.soc_age_s).toBeLessThan(60)
    const soc = SOC.parse((await call<SocAnswer>('GET', '/station/CP01/check-soc', undefined, me)).body)
    expect(soc).toMatchObject({ station_id: 'CP01', reason: null, connectors: [{ connector_id: 1 }] })
    expect(soc.soc).toBeGreaterThan(0)
    const ended = session(await call('POST', '/stop_session', { card: FRIEND, session_id: id }, me))
    const truth = cp.sessions()[0]
    expect(ended).toMatchObject({ session_id: id, state: 'completed', meter_start: 154_200 })
    expect(ended.meter_stop).toBe(truth?.meterStopWh)
    expect(ended.energy_kwh).toBe(((ended.meter_stop ?? 0) - 154_200) / 1000)
    expect(Date.parse(ended.end_time ?? '')).toBeGreaterThan(Date.parse(ended.start_time ?? ''))
    expect(ended.payment).toMatchObject({ state: 'queued', receipt: null })
    expect(ended.payment?.text).toContain(`${ended.total_cost} EUR is queued`)
    expect(ended.sync).toMatchObject({ state: 'here', nodes: 1, cloud: false })
    const rows = await asked<readonly { sessionId: string; cost: string }[]>(nodeDir, '/v1/sessions')
    expect(rows.find(({ sessionId }) => sessionId === id)?.cost).toBe(ended.total_cost)
    cp.close()
  })

  it('asks twice with one key and starts once; other words under it are refused', async () => {
    const cp = await booted('CP01')
    cp.plugIn(1)
    const words = { card: CARD, station_id: 'CP01' }
    const headers = { ...phone(), 'idempotency-key': 'tap-1' }
    const both = await Promise.all([1, 2].map(() => call('POST', '/start_session', words, headers)))
    const third = await call('POST', '/start_session', words, headers)
    const ids = [...both, third].map(said => session(said).session_id)
    expect(new Set(ids).size).toBe(1)
    expect(new Set([...both, third].map(said => session(said).request?.id)).size).toBe(1)
    expect(third.headers.get('idempotency-replayed')).toBe('true')
    expect(cp.sessions()).toHaveLength(1)
    const other = await call('POST', '/start_session', { ...words, connector_id: 1 }, headers)
    expect([other.status, problem(other).error]).toEqual([422, 'KEY_REUSED'])
    const again = await call('POST', '/start_session', words, phone())
    expect([again.status, problem(again)]).toMatchObject([
      409,
      { error: 'ALREADY_CHARGING', session_id: ids[0] },
    ])
    const stop = { card: CARD, station_id: 'CP01' }
    const stopped = await call('POST', '/stop_session', stop, { ...headers, 'idempotency-key': 'end-1' })
    expect(session(stopped)).toMatchObject({ session_id: ids[0], state: 'completed' })
    // The stop is known by its key, and the start's key still names the same session, which has ended meanwhile.
    const late = await call('POST', '/stop_session', stop, { ...headers, 'idempotency-key': 'end-1' })
    expect(session(late)).toMatchObject({ session_id: ids[0], request: { state: 'done' } })
    expect(session(await call('POST', '/start_session', words, headers)).state).toBe('completed')
    cp.close()
  })

  it('is told of a charger in use where else to go, and nobody else ends the session', async () => {
    const [cp, other] = [await booted('CP01'), await booted('CP02', 2)]
    cp.plugIn(1)
    const begun = session(await call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, phone()))
    const busy = await call('POST', '/start_session', { card: FRIEND, station_id: 'CP01' }, phone())
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
    const refused = await call('POST', '/stop_session', stop, phone())
    expect([refused.status, problem(refused).error]).toEqual([403, 'NOT_YOURS'])
    const nowhere = await call('POST', '/stop_session', { card: STRANGER, station_id: 'CP01' }, phone())
    expect([nowhere.status, problem(nowhere).error]).toEqual([404, 'SESSION_UNKNOWN'])
    expect(cp.sessions().at(-1)?.finished).toBe(false)
    await call('POST', '/stop_session', { card: CARD, session_id: begun.session_id }, phone())
    cp.close()
    other.close()
  })

  it('with a card that nobody knows, or that is blocked, hears no more than at a reader', async () => {
    const cp = await booted('CP01')
    const unknown = await call('POST', '/start_session', { card: STRANGER, station_id: 'CP01' }, phone())
    expect([unknown.status, problem(unknown)]).toMatchObject([
      403,
      { error: 'NOT_ALLOWED', text: 'This card may not charge here.' },
    ])
    const soc = await call('POST', '/station/CP01/enable-soc', { card: STRANGER }, phone())
    expect([soc.status, problem(soc).error]).toEqual([403, 'NOT_ALLOWED'])
    const nowhere = await call('POST', '/start_session', { card: CARD, station_id: 'CP99' }, phone())
    expect([nowhere.status, problem(nowhere).error]).toEqual([404, 'STATION_UNKNOWN'])
    cp.close()
  })

  it('who asks while the charger is away is started when it comes back, and told when it does not', async () => {
    const headers = { ...phone(), 'idempotency-key': 'away-1' }
    const words = { card: CARD, station_id: 'CP03', expires_in_s: 60 }
    const queued = await call('POST', '/start_session', words, headers)
    expect([queued.status, session(queued)]).toMatchObject([202, { session_id: null, energy_kwh: null }])
    expect(session(queued).request).toMatchObject({ state: 'queued', kind: 'start', station_id: 'CP03' })
    const cp = charger('CP03')
    cp.plugIn(1)
    const request = `/request/${session(queued).request?.id}`
    const begins = async (): Promise<boolean> =>
      session(await call('GET', request, undefined, phone())).state === 'charging'
    await until(begins, { ...LATER, what: 'the queued start is carried out' })
    const id = session(await call('POST', '/start_session', words, headers)).session_id
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    const ended = session(await call('POST', '/stop_session', { card: CARD, session_id: id }, headers))
    expect(ended).toMatchObject({ state: 'completed', request: { state: 'done' } })
    cp.close()

    const soon = { ...headers, 'idempotency-key': 'away-2' }
    const short = { ...words, expires_in_s: 5 }
    const gone = async (): Promise<boolean> =>
      (
        await call('GET', '/stations', undefined, phone()).then(said => STATIONS.parse(said.body).stations)
      ).some(one => one.station_id === 'CP03' && one.reachable === 'away')
    await until(gone, { ...LATER, what: 'the charger is gone' })
    const waiting = await call('POST', '/start_session', short, soon)
    expect(waiting.status).toBe(202)
    const wish = `/request/${session(waiting).request?.id}`
    const expired = async (): Promise<boolean> =>
      session(await call('GET', wish, undefined, phone())).request?.state === 'expired'
    await until(expired, { ...LATER, what: 'the start is given up' })
    const late = problem(await call('POST', '/start_session', short, soon))
    expect(late).toMatchObject({ error: 'REQUEST_GONE', request: { state: 'expired' } })
    expect(late.text).toContain('nothing was started')
  }, 40_000)

  it('cancels a start that waits', async () => {
    const me = phone()
    const queued = await call('POST', '/start_session', { card: CARD, station_id: 'CP03' }, me)
    expect(queued.status).toBe(202)
    const cancelled = session(await call('POST', '/stop_session', { card: CARD, station_id: 'CP03' }, me))
    expect(cancelled).toMatchObject({ session_id: null, request: { state: 'cancelled' } })
    const cp = await booted('CP03')
    cp.plugIn(1)
    expect(cp.sessions()).toHaveLength(0)
    cp.close()
  })

  it('has a stop carried out after the node was restarted, and hears that a start was lost', async () => {
    const cp = await booted('CP02', 2)
    cp.plugIn(2)
    const start = { card: CARD, station_id: 'CP02', connector_id: 2 }
    const begun = session(await call('POST', '/start_session', start, phone()))
    cp.disconnect()
    const headers = { ...phone(), 'idempotency-key': 'stop-later' }
    const stop = { card: CARD, session_id: begun.session_id }
    const isAway = async (): Promise<boolean> =>
      (
        await call('GET', '/stations', undefined, phone()).then(said => STATIONS.parse(said.body).stations)
      ).some(one => one.station_id === 'CP02' && one.reachable === 'away')
    await until(isAway, { ...LATER, what: 'the charger is away' })
    const queued = await call('POST', '/stop_session', stop, headers)
    expect([queued.status, session(queued).request?.state]).toEqual([202, 'queued'])
    const lost = session(await call('POST', '/start_session', { card: CARD, station_id: 'CP03' }, phone()))
    const written = await readFile(join(nodeDir, 'driver/wishes'), 'utf8')
    expect(written).toContain('"kind":"stop"')
    expect(written).not.toContain(CARD)
    await node.close()
    await startNode()
    const after = session(await call('GET', `/request/${lost.request?.id}`, undefined, phone()))
    expect(after.request).toMatchObject({ state: 'lost' })
    expect(cp.sessions().at(-1)?.finished).toBe(false)
    cp.connect()
    const ended = async (): Promise<boolean> =>
      session(await call('GET', `/session/${begun.session_id}`, undefined, phone())).end_time !== null
    await until(ended, { ...LATER, what: 'the stop is carried out' })
    expect(session(await call('POST', '/stop_session', stop, headers)).request?.state).toBe('done')
    cp.close()
  }, 30_000)

  it('adds SoC to what a charger measures, and takes nothing away', async () => {
    const measured = 'Energy.Active.Import.Register,Power.Active.Import'
    const cp = await booted('CP01', 1, { MeterValuesSampledData: measured })
    const enable = async (): Promise<SocEnabled> =>
      SOC_ENABLED.parse((await call('POST', '/station/CP01/enable-soc', { card: CARD }, phone())).body)
    expect(await enable()).toMatchObject({
      ...{ enabled: true, changed: true, reason: null },
      measurands: [...measured.split(','), 'SoC'],
    })
    expect(await enable()).toMatchObject({ enabled: true, changed: false })
    cp.close()
    const bare = await booted('CP02', 2)
    const other = await call<SocEnabled>('POST', '/station/CP02/enable-soc', { card: CARD }, phone())
    expect(other.body).toMatchObject({ enabled: false, reason: 'no_such_setting' })
    bare.close()
  })
})

describe('the plane', () => {
  it('describes itself, and every route that it describes is there', async () => {
    const { body } = await call<{ openapi: string; paths: Record<string, Record<string, unknown>> }>(
      'GET',
      '/openapi.json',
      undefined,
      phone(),
    )
    expect(body.openapi).toBe('3.1.0')
    for (const { method, path } of ROUTES) {
      expect(body.paths[path]).toHaveProperty(method)
      const said = await call(
        method.toUpperCase(),
        path.replace('{id}', 'x'),
        method === 'post' ? {} : undefined,
        phone(),
      )
      expect([
        path,
        said.status === 200 || problem(said).error !== 'NOT_FOUND' || path.startsWith('/request'),
      ]).toEqual([path, true])
    }
    const described = JSON.stringify(body)
    for (const [, name] of described.matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(described).toContain(`"${name}":{`)
  })

  it('knows no operator, and the operator’s plane knows no driver', async () => {
    const { url, token } = JSON.parse(await readFile(join(nodeDir, 'api.json'), 'utf8')) as Record<
      string,
      string
    >
    const operator = { authorization: `Bearer ${token}`, ...phone() }
    for (const path of ['/v1/status', '/v1/sessions'])
      expect((await call('GET', path, undefined, operator)).status).toBe(404)
    expect((await fetch(`${url}/stations`)).status).toBe(401)
    expect((await fetch(`${url}/stations`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      404,
    )
  })

  it('slows whoever tries cards, and nobody else', async () => {
    const thief = phone()
    const statuses: number[] = []
    for (let at = 0; at < 12; at++) {
      const words = { card: `04BAD0000${at}`, station_id: 'CP01' }
      const said = await call('POST', '/start_session', words, thief)
      statuses.push(said.status)
      if (said.status === 429) expect(Number(said.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(statuses.slice(0, 5)).toEqual([403, 403, 403, 403, 403])
    expect(statuses.slice(5).every(status => status === 429)).toBe(true)
    // A good card from there has to wait as well: else it would tell good ones from bad.
    expect((await call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, thief)).status).toBe(429)
    expect((await call('POST', '/start_session', { card: CARD, station_id: 'CP99' }, phone())).status).toBe(
      404,
    )
  })

  it('repeats nothing of what it cannot read, and lets no other page read it', async () => {
    const bodies: readonly (readonly [string, string])[] = [
      ['application/json', `{"card":"${CARD}","station_id"`],
      ['application/json', JSON.stringify({ card: CARD.repeat(9), station_id: 'CP01' })],
      ['application/json', JSON.stringify({ [CARD]: 1, station_id: CARD, card: CARD })],
      ['application/json', JSON.stringify({ card: CARD, station_id: 'CP01', more: 'x'.repeat(5000) })],
      ['text/plain', JSON.stringify({ card: CARD, station_id: 'CP01' })],
      ['application/json', 'null'],
    ]
    for (const [type, body] of bodies) {
      const response = await fetch(`${node.driverUrl}/start_session`, {
        ...{
          method: 'POST',
          body,
          headers: { 'content-type': type, ...phone(), origin: 'https://evil.example' },
        },
      })
      const text = await response.text()
      expect([type, body.length, response.status >= 400 && response.status < 500]).toEqual([
        type,
        body.length,
        true,
      ])
      expect(text).not.toContain(CARD)
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
    }
    const key = { ...phone(), 'idempotency-key': 'x'.repeat(65) }
    expect((await call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, key)).status).toBe(400)
  })
})

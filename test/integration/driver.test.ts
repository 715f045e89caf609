// The driver's plane of a real node over HTTP: a charger that speaks OCPP over a socket, a card, an app.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

function charger(identity: string, connectors = 1): VirtualCharger {
  const made = openVirtualCharger({
    ...{ identity, password: passwords.get(identity) ?? '', urls: [node.ocppUrl], connectors },
    ...{ random: systemRandom(), meterIntervalMs: 50, retryIntervalMs: 50, timeScale: 3600 },
    registerWh: 154_200,
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
const session = (said: Said<unknown>): SessionAnswer => SESSION.parse(said.body)

async function startNode(): Promise<void> {
  node = await runNode(nodeDir)
}

beforeAll(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir } = await foundSite(folder.dir))
  const file = join(nodeDir, 'node.yaml')
  const settings = parse(await readFile(file, 'utf8')) as { mesh: object }
  const driver = { listen: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }
  await writeFile(file, stringify({ ...settings, mesh: { ...settings.mesh, discovery: 'off' }, driver }))
  await startNode()
  const via = ['--site', site, '--via', nodeDir]
  await mustRun('tariff', 'set', '0.25', ...via)
  await mustRun('token', 'add', CARD, '--group', 'family', ...via)
  await mustRun('token', 'add', FRIEND, '--group', 'family', ...via)
  const added = await mustRun('charger', 'add', 'CP01', 'CP02', 'CP03', ...via, '--json')
  const list = JSON.parse(added.out) as { identity: string; password: string }[]
  passwords = new Map(list.map(({ identity, password }) => [identity, password]))
}, 60_000)

afterAll(async () => {
  for (const each of open) each.close()
  await node?.close()
  await folder.remove()
})

/** Each test is another person with another phone. */
let phones = 0
function phone(): { readonly 'x-forwarded-for': string } {
  phones += 1
  return { 'x-forwarded-for': `10.9.${phones >> 8}.${phones & 255}` }
}

describe('a driver', () => {
  it('starts, looks, and stops with a receipt', async () => {
    const cp = charger('CP01')
    await until(cp.booted, { ...LATER, what: 'booted' })
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
})

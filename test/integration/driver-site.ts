// A node with a driver's plane, its chargers, and phones that ask it over HTTP.
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import {
  PROBLEM,
  type ProblemAnswer,
  SESSION,
  type SessionAnswer,
  STATIONS,
  type StationAnswer,
} from '../../src/api/driver-words.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { systemRandom } from '../../src/host/system.ts'
import { until } from '../deadline.ts'
import { foundSite, mustRun, tempFolder } from './operator-site.ts'

export const CARD = '04A2B3C4D5E6'
export const FRIEND = '04A2B3C4D5E7'
export const STRANGER = '04FFFFFFFFFF'
export const LATER = { withinMs: 15_000 }

export type Said<T> = { readonly status: number; readonly headers: Headers; readonly body: T }
type Call = <T>(method: string, path: string, body?: object, headers?: object) => Promise<Said<T>>

export type DriverSite = {
  readonly site: string
  readonly dir: string
  readonly nodeDir: string
  readonly node: () => RunningNode
  readonly restart: () => Promise<void>
  readonly passwordOf: (identity: string) => string
  readonly charger: (identity: string, connectors?: number, settings?: object) => VirtualCharger
  /** Has booted, and the node knows that all its connectors are free. */
  readonly booted: (identity: string, connectors?: number, settings?: object) => Promise<VirtualCharger>
  readonly call: Call
  readonly station: (identity: string) => Promise<StationAnswer | undefined>
  readonly closeChargers: () => void
  readonly close: () => Promise<void>
}

/** CP01 and CP03 with one connector, CP02 with two; 0.25 EUR a kWh; a card and one of its group. */
export async function openDriverSite(): Promise<DriverSite> {
  const folder = await tempFolder()
  const { site, nodeDir } = await foundSite(folder.dir)
  await withDriverPlane(nodeDir)
  let node = await runNode(nodeDir)
  const via = ['--site', site, '--via', nodeDir]
  await mustRun('tariff', 'set', '0.25', ...via)
  for (const card of [CARD, FRIEND]) await mustRun('token', 'add', card, '--group', 'family', ...via)
  const passwords = new Map<string, string>()
  for (const words of [
    ['CP01', 'CP03'],
    ['CP02', '--connectors', '2'],
  ]) {
    const { out } = await mustRun('charger', 'add', ...words, ...via, '--json')
    for (const { identity, password } of JSON.parse(out) as { identity: string; password: string }[])
      passwords.set(identity, password)
  }
  const open: VirtualCharger[] = []
  const passwordOf = (identity: string): string => passwords.get(identity) ?? ''
  const charger = (identity: string, connectors = 1, settings = {}): VirtualCharger => {
    const made = openVirtualCharger({
      ...{ identity, password: passwordOf(identity), urls: [node.ocppUrl], connectors },
      ...{ random: systemRandom(), meterIntervalMs: 50, retryIntervalMs: 50, timeScale: 3600 },
      ...{ registerWh: 154_200, settings },
    })
    open.push(made)
    return made
  }
  const call: Call = (...words) => callTo(node, ...words)
  const station = async (identity: string): Promise<StationAnswer | undefined> => {
    const { stations } = STATIONS.parse((await call('GET', '/stations', undefined, phone())).body)
    return stations.find(({ station_id }) => station_id === identity)
  }
  const closeChargers = (): void => {
    for (const each of open.splice(0)) each.close()
  }
  return {
    ...{ site, dir: folder.dir, nodeDir, passwordOf, charger, call, station, closeChargers },
    node: () => node,
    restart: async () => {
      await node.close()
      node = await runNode(nodeDir)
    },
    booted: async (identity, connectors, settings) => {
      const made = charger(identity, connectors, settings)
      await until(made.booted, { ...LATER, what: `${identity} has booted` })
      const isFree = async (): Promise<boolean> =>
        (await station(identity))?.connectors.every(({ state }) => state === 'free') === true
      await until(isFree, { ...LATER, what: `${identity} has said that it is free` })
      return made
    },
    close: async () => {
      closeChargers()
      await node.close()
      await folder.remove()
    },
  }
}

/** Chargers come back to the same address when the node was restarted; phones are told apart by what a proxy says. */
export async function withDriverPlane(nodeDir: string): Promise<void> {
  const file = join(nodeDir, 'node.yaml')
  const settings = parse(await readFile(file, 'utf8')) as { mesh: object; ocpp: object }
  const driver = { listen: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }
  const mesh = { ...settings.mesh, discovery: 'off' }
  const ocpp = { ...settings.ocpp, listen: `127.0.0.1:${await freePort()}` }
  await writeFile(file, stringify({ ...settings, mesh, ocpp, driver }))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

export async function callTo<T>(
  node: RunningNode,
  ...[method, path, body, headers]: Parameters<Call>
): Promise<Said<T>> {
  const response = await fetch(`${node.driverUrl}${path}`, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as T }
}

/** As it comes, for answers that are no JSON. */
export async function textFrom(
  node: RunningNode,
  path: string,
  headers?: Record<string, string>,
): Promise<{ readonly status: number; readonly type: string | null; readonly text: string }> {
  const response = await fetch(`${node.driverUrl}${path}`, { headers: { ...phone(), ...headers } })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

export function problem(said: Said<unknown>): ProblemAnswer {
  return PROBLEM.parse(said.body)
}

export function session(said: Said<unknown>): SessionAnswer {
  if (said.status >= 400) throw new Error(`${said.status}: ${problem(said).text}`)
  return SESSION.parse(said.body)
}

let phones = 0

/** Each is another person's. */
export function phone(): { readonly 'x-forwarded-for': string } {
  phones += 1
  return { 'x-forwarded-for': `10.9.${phones >> 8}.${phones & 255}` }
}

/** Words to the driver's plane that hold cards: one that waits for CP03, one that is refused, and what cannot be read. */
export async function askAsDriver(url: string, [known = '', unknown = '']: readonly string[]) {
  const words = { card: known, station_id: 'CP03' }
  const others = [{ card: unknown }, { card: known.repeat(4) }, { [known]: known }, { station_id: known }]
  const bodies = [words, ...others.map(other => ({ ...words, ...other }))].map(body => JSON.stringify(body))
  const answers: (readonly [string, string])[] = []
  for (const path of ['start_session', 'stop_session', 'station/CP03/enable-soc'])
    for (const body of [...bodies, `{"card":"${known}",`]) {
      const headers = { 'content-type': 'application/json', 'idempotency-key': `key-${path}` }
      const said = await fetch(`${url}/${path}`, { method: 'POST', headers, body })
      answers.push([`drivers hear ${answers.length}: ${said.status}`, await said.text()])
    }
  return [...answers, ['drivers see stations', await (await fetch(`${url}/stations`)).text()] as const]
}

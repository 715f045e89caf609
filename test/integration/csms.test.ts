// Into an existing central system, over real sockets: a node whose charger charged a car tells it of the session with the
// charger's identity, password and the card's own id, which stands nowhere else.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ocppRpc from 'ocpp-rpc'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { systemRandom } from '../../src/host/system.ts'
import { until } from '../deadline.ts'
import { filesIn, findings, type Places } from './card-search.ts'
import { asked, foundSite, mustRun, run, tempFolder } from './operator-site.ts'

const CARD = '04D7C0FFEE5E9A'
const UPSTREAM_PASSWORD = 'upstream secret 16'

type Heard = { readonly charger: string; readonly action: string; readonly params: Record<string, unknown> }
type CentralSystem = {
  readonly url: string
  readonly heard: Heard[]
  readonly refused: string[]
  readonly close: () => Promise<void>
}

let folder: Awaited<ReturnType<typeof tempFolder>>
let node: RunningNode | undefined
let charger: VirtualCharger | undefined
let central: CentralSystem

beforeEach(async () => {
  folder = await tempFolder()
  central = await openCentralSystem()
})

afterEach(async () => {
  charger?.close()
  await node?.close()
  await central.close()
  await folder.remove()
})

async function openCentralSystem(): Promise<CentralSystem> {
  const heard: Heard[] = []
  const refused: string[] = []
  const server = new ocppRpc.RPCServer({ protocols: ['ocpp1.6'], strictMode: true })
  server.auth((accept, reject, handshake) => {
    if (handshake.password?.toString() === UPSTREAM_PASSWORD) return accept({})
    refused.push(handshake.identity)
    return reject(401, 'Unauthorized')
  })
  let lastId = 4710
  server.on('client', client => {
    const charger = String(client.identity)
    client.handle(({ method, params }: { method?: string; params?: Record<string, unknown> }) => {
      const action = String(method)
      heard.push({ charger, action, params: params ?? {} })
      const at = new Date().toISOString()
      if (action === 'BootNotification') return { status: 'Accepted', interval: 300, currentTime: at }
      if (action === 'StartTransaction') return { transactionId: ++lastId, idTagInfo: { status: 'Blocked' } }
      return {}
    })
  })
  const http = await server.listen(0, '127.0.0.1')
  const { port } = http.address() as { port: number }
  return {
    url: `ws://127.0.0.1:${port}/steve/websocket`,
    heard,
    refused,
    close: async () => await server.close({ force: true } as never),
  }
}

type Row = Readonly<Record<string, unknown>> & {
  readonly name: string
  readonly waiting: { readonly sessions?: number }
}

async function rowOf(nodeDir: string): Promise<Row> {
  const rows = await asked<readonly Row[]>(nodeDir, '/v1/uplinks')
  return rows.find(({ name }) => name === 'steve') as Row
}

it('tells a central system of a session, with the card that was shown', { timeout: 60_000 }, async () => {
  const { site, nodeDir } = await foundSite(folder.dir)
  await mustRun('token', 'add', CARD, '--site', site)
  const added = await mustRun('charger', 'add', 'CP01', '--site', site, '--json')
  const [{ password }] = JSON.parse(added.out) as [{ password: string }]
  node = await runNode(nodeDir)
  const via = ['--via', nodeDir]
  await mustRun('policy', 'set', 'forwarders', 'pole-1', '--site', site, ...via)
  const passwords = join(folder.dir, 'passwords.csv')
  await writeFile(passwords, `charger_id,password\nCP01,wrong\n`)
  const add = ['uplink', 'add', 'csms', central.url, '--name', 'steve', '--passwords', passwords, ...via]
  await mustRun(...add)
  charger = openVirtualCharger({
    ...{ identity: 'CP01', password, urls: [node.ocppUrl], connectors: 1, random: systemRandom() },
    ...{ timeScale: 3600, meterIntervalMs: 50, retryIntervalMs: 20 },
  })
  const virtual = charger
  await until(() => virtual.booted(), { withinMs: 20_000, what: 'a charger that booted' })
  virtual.plugIn(1)
  expect((await virtual.tap(1, CARD)).accepted).toBe(true)
  await until(() => virtual.registerWh(1) > 500, { withinMs: 20_000, what: 'some energy' })
  await virtual.stop(1)
  await virtual.settled()

  await until(() => central.refused.length > 0, { withinMs: 20_000, what: 'a refused password' })
  await until(async () => (await rowOf(nodeDir)).state === 'failing', { withinMs: 10_000, what: 'a reason' })
  expect(await rowOf(nodeDir)).toMatchObject({
    waiting: { sessions: 1 },
    why: expect.stringContaining('the password of CP01'),
  })
  const shown = JSON.stringify(await rowOf(nodeDir))
  expect(shown).not.toContain('wrong')

  await mustRun('uplink', 'remove', 'steve', ...via)
  await writeFile(passwords, `*,${UPSTREAM_PASSWORD}\n`)
  await mustRun(...add)
  const said = (action: string) => central.heard.filter(one => one.action === action)
  await until(() => said('StopTransaction').length > 0, { withinMs: 20_000, what: 'the session upstream' })
  const [truth] = virtual.sessions()
  expect(central.heard[0]).toMatchObject({ charger: 'CP01', action: 'BootNotification' })
  expect(said('StartTransaction')[0]?.params).toMatchObject({
    connectorId: 1,
    idTag: CARD,
    meterStart: truth?.meterStartWh,
  })
  expect(said('StopTransaction')[0]?.params).toMatchObject({
    transactionId: 4711,
    meterStop: truth?.meterStopWh,
  })
  await until(async () => (await rowOf(nodeDir)).waiting.sessions === 0, {
    withinMs: 10_000,
    what: 'an empty queue',
  })
  expect((await run('uplink', 'forward', 'list', ...via)).out).toContain('steve: forwarding, 0 to be told')

  // A restart says nothing again.
  const before = central.heard.filter(({ action }) => action.endsWith('Transaction')).length
  await node.close()
  const places: Places = new Map()
  for (const dir of [nodeDir, site]) for (const [name, bytes] of await filesIn(dir)) places.set(name, bytes)
  expect(findings(places, [CARD])).toEqual([])

  node = await runNode(nodeDir)
  await until(async () => (await rowOf(nodeDir)).state === 'forwarding', {
    withinMs: 10_000,
    what: 'a node that is back',
  })
  expect(central.heard.filter(({ action }) => action.endsWith('Transaction'))).toHaveLength(before)
})

// A central system starts and stops sessions of a charger that is connected to another node than the one that speaks with it:
// real nodes, a real mesh, real WebSockets on both ends.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { systemRandom } from '../../src/host/system.ts'
import { until } from '../deadline.ts'
import { type Deduplicating, openDeduplicating } from './central-deduplicating.ts'
import { foundSite, mustRun, tempFolder } from './operator-site.ts'

const CARD = '04D7C0FFEE5E9A'
const STRANGER = '04BADBADBADBAD'
const UPSTREAM_PASSWORD = 'upstream secret 16'
const SOON = { withinMs: 30_000 }

let folder: Awaited<ReturnType<typeof tempFolder>>
let central: Deduplicating
let [here, there]: (RunningNode | undefined)[] = []
let charger: VirtualCharger | undefined

beforeAll(async () => {
  folder = await tempFolder()
  central = await openDeduplicating({ passwords: { CP01: UPSTREAM_PASSWORD }, cards: [CARD] })
  const { site, nodeDir } = await foundSite(folder.dir)
  const thereDir = join(folder.dir, 'there')
  here = await runNode(nodeDir)
  const via = ['--via', nodeDir]
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
  const peer = ['--peer', here.meshAddresses[0] ?? '']
  await mustRun('node', 'join', '--site', site, '--dir', thereDir, '--name', 'pole-2', ...ports, ...peer)
  there = await runNode(thereDir)
  await mustRun('token', 'add', CARD, '--site', site, ...via)
  const added = await mustRun('charger', 'add', 'CP01', '--site', site, ...via, '--json')
  const [{ password }] = JSON.parse(added.out) as [{ password: string }]
  await mustRun('policy', 'set', 'forwarders', 'pole-1', '--site', site, ...via)
  const passwords = join(folder.dir, 'passwords.csv')
  await writeFile(passwords, `CP01,${UPSTREAM_PASSWORD}\n`)
  const how = [
    '--name',
    'office',
    '--passwords',
    passwords,
    '--lost-answers',
    'retry',
    '--live',
    '--commands',
  ]
  await mustRun('uplink', 'add', 'csms', central.url(), ...how, ...via)
  charger = openVirtualCharger({
    ...{ identity: 'CP01', password, urls: [there.ocppUrl], connectors: 1, random: systemRandom() },
    ...{ timeScale: 3600, meterIntervalMs: 50, retryIntervalMs: 20 },
  })
  const virtual = charger
  await until(() => virtual.booted(), { ...SOON, what: 'a charger that booted at the other node' })
  await until(() => central.connected('CP01'), { ...SOON, what: 'a line that is kept open' })
}, 90_000)

afterAll(async () => {
  charger?.close()
  await here?.close()
  await there?.close()
  await central.stop()
  await folder.remove()
})

const command = (action: string, params: Readonly<Record<string, unknown>>) =>
  central.command('CP01', action, params)

it('starts and stops under the ids that the central system gave, at a charger of another node', {
  timeout: 90_000,
}, async () => {
  const virtual = charger as VirtualCharger
  virtual.plugIn(1)
  const started = await command('RemoteStartTransaction', { idTag: CARD, connectorId: 1 })
  expect(started).toEqual({ status: 'Accepted' })
  await until(() => central.booked().length === 1, { ...SOON, what: 'the session upstream, while it runs' })
  const [booked] = central.booked()
  expect(booked).toMatchObject({ idTag: CARD, connectorId: 1 })
  await until(() => virtual.registerWh(1) > 500, { ...SOON, what: 'some energy' })
  const { transactionId } = booked ?? {}
  await until(
    async () => {
      // Its id is known here as soon as the answer is written down.
      const stopped = (await command('RemoteStopTransaction', { transactionId })) as { status: string }
      return stopped.status === 'Accepted'
    },
    { ...SOON, what: 'a stop by its id' },
  )
  await until(() => central.booked()[0]?.meterStop !== undefined, { ...SOON, what: 'the end upstream' })
  const [truth] = virtual.sessions()
  expect(central.booked()).toMatchObject([{ meterStart: truth?.meterStartWh, meterStop: truth?.meterStopWh }])
  expect(await command('RemoteStopTransaction', { transactionId })).toEqual({ status: 'Rejected' })
})

it('lets no card charge that the site does not know, and answers the rest honestly', {
  timeout: 60_000,
}, async () => {
  const rejected = { status: 'Rejected' }
  expect(await command('RemoteStartTransaction', { idTag: STRANGER, connectorId: 1 })).toEqual(rejected)
  expect(await command('RemoteStopTransaction', { transactionId: 4711 })).toEqual(rejected)
  expect(await command('Reset', { type: 'Hard' })).toEqual(rejected)
  expect(await command('TriggerMessage', { requestedMessage: 'Heartbeat' })).toEqual({
    status: 'NotImplemented',
  })
  expect(await command('GetConfiguration', { key: ['AuthorizationKey'] })).toEqual({
    ...{ configurationKey: [], unknownKey: ['AuthorizationKey'] },
  })
  await expect(command('GetDiagnostics', { location: 'ftp://x' })).rejects.toMatchObject({
    rpcErrorCode: 'NotSupported',
  })
  charger?.close()
  await there?.close()
  there = undefined
  expect(await command('RemoteStartTransaction', { idTag: CARD, connectorId: 1 })).toEqual(rejected)
})

it('keeps the line open: it comes back after a cut', { timeout: 60_000 }, async () => {
  central.cut('CP01')
  await until(() => !central.connected('CP01'), { ...SOON, what: 'the cut' })
  await until(() => central.connected('CP01'), { ...SOON, what: 'the line again' })
})

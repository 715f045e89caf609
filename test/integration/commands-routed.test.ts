// A command given at any node reaches the charger wherever it is, when the operator has signed it, and only then
// (PROTOCOL 7.8). One node runs here, the other is a process of its own and holds the charger.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, start } from '../../simulations/real/processes.ts'
import { apiFileIn, clientOf } from '../../src/api/client.ts'
import type { Holder } from '../../src/api/commands.ts'
import { readIdentity, readText } from '../../src/host/identity-files.ts'
import { type Operator, openOperator } from '../../src/host/operator.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { signOrder } from '../../src/identity/order.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import type { ChargerId, SiteId } from '../../src/units.ts'
import { unhex } from '../../src/units.ts'
import { until } from '../deadline.ts'
import { asked, foundSite, mustRun, run, tempFolder } from './operator-site.ts'
import { openToldCharger, type ToldCharger } from './told-charger.ts'

const CP1 = 'CP01' as ChargerId
const CARD = '04A2B3C4D5E6F7'
const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url))
const UNLOCK = { kind: 'unlock', connectorId: 1 } as const

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, hereDir, thereDir, password] = ['', '', '', '']
let here: RunningNode | undefined
let there: Running | undefined
let charger: ToldCharger | undefined
/** What the charger answers to each action; nothing where it is silent. */
const answers = new Map<string, object>()

async function connect(url: string, protocol = 'ocpp1.6'): Promise<void> {
  await charger?.close()
  const answer = (action: string) => answers.get(action)
  charger = await openToldCharger({ url, identity: CP1, password, protocol, answers: answer })
}

/** A command that stays, as a process of its own; Ctrl-C ends it. */
function following(...words: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (part: Buffer) => {
    text += String(part)
  })
  const ended = once(child, 'exit')
  return {
    lines: () => text.split('\n').filter(line => line !== ''),
    interrupt: async (): Promise<unknown> => {
      child.kill('SIGINT')
      return (await ended)[0]
    },
  }
}

/** Says it, and gives what was answered. */
async function tells<T>(action: string, payload: object): Promise<T> {
  if (!charger) throw new Error('no charger is connected')
  return (await charger.call(action, payload)) as T
}

const received = (action: string): readonly unknown[] =>
  (charger?.received ?? []).filter(one => one.action === action).map(({ payload }) => payload)
const post = async (path: string, body: unknown): Promise<unknown> => {
  const file = apiFileIn(hereDir)
  return await clientOf(file, await readText(file, '')).post(path, body)
}
const holders = () => asked<readonly Holder[]>(hereDir, `/v1/chargers/${CP1}/holders`)
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))

async function holder(): Promise<Holder> {
  const [found] = await holders()
  if (!found) throw new Error('nobody holds the charger')
  return found
}

async function withOperator<T>(dir: string, act: (operator: Operator) => T | Promise<T>): Promise<T> {
  const operator = await openOperator(dir)
  try {
    return await act(operator)
  } finally {
    await operator.close()
  }
}

/** The order and where it goes, as the command line makes them. */
async function signed(dir = site): Promise<{ to: string; order: string }> {
  const { deviceId, nonce, certificates } = await holder()
  return await withOperator(dir, operator => {
    const order = operator.order({
      ...{ chargerId: CP1, command: UNLOCK, nonce: bytes(nonce) },
      certificates: certificates.map(bytes),
    })
    return { to: deviceId, order: Buffer.from(order).toString('base64') }
  })
}

beforeAll(async () => {
  folder = await tempFolder()
  const found = await foundSite(folder.dir)
  site = found.site
  hereDir = found.nodeDir
  thereDir = join(folder.dir, 'there')
  here = await runNode(hereDir)
  const toSite = ['--site', site, '--via', hereDir]
  const peer = ['--peer', here.meshAddresses[0] ?? '']
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', ...peer]
  await mustRun('node', 'join', ...toSite, '--dir', thereDir, '--name', 'there', ...ports)
  there = await start(['node', 'run', '--dir', thereDir], join(folder.dir, 'there.log'))
  const added = await mustRun('charger', 'add', CP1, ...toSite, '--json')
  password = (JSON.parse(added.out) as { password: string }[])[0]?.password ?? ''
  await mustRun('token', 'add', CARD, ...toSite)
  const known = async (): Promise<boolean> =>
    (await asked<readonly unknown[]>(thereDir, '/v1/chargers')).length === 1 &&
    (await asked<readonly unknown[]>(thereDir, '/v1/tokens')).length === 1
  await until(known, { withinMs: 20_000, what: 'the other node knows charger and card' })
  answers.set('UnlockConnector', { status: 'Unlocked' })
  answers.set('RemoteStartTransaction', { status: 'Accepted' })
  answers.set('RemoteStopTransaction', { status: 'Accepted' })
  await connect(String(there.ready.ocppUrl))
}, 60_000)

afterAll(async () => {
  await charger?.close()
  await there?.stop()
  await here?.close()
  await folder.remove()
})

const bySite = (): readonly string[] => ['--site', site, '--via', hereDir]

describe('a command given at another node than the one that holds the charger', () => {
  it('reaches it when the site has signed it', async () => {
    const said = await mustRun('charger', 'unlock', CP1, ...bySite())
    expect(said.out).toBe('accepted\n')
    expect(received('UnlockConnector')).toEqual([{ connectorId: 1 }])
  })

  it('so does a limit, for which the charger is asked what it takes', async () => {
    answers.set('GetConfiguration', { configurationKey: [], unknownKey: [] })
    answers.set('SetChargingProfile', { status: 'Accepted' })
    const said = await mustRun('charger', 'limit', CP1, '--amps', '16', ...bySite())
    expect(said.out).toBe(`${CP1}: at most 16 A\n`)
    expect(received('SetChargingProfile')).toMatchObject([{ connectorId: 0 }])
  })

  it('is not even tried without, and says where the charger is', async () => {
    const said = await run('charger', 'unlock', CP1, '--via', hereDir)
    expect(said).toMatchObject({ code: 1 })
    expect(said.error).toMatch(
      /CHARGER_ABSENT: CP01: not connected to this node; it is connected to there: .*--site/,
    )
    expect(received('UnlockConnector')).toHaveLength(1)
  })

  it('starts and stops a session, named by its first digits', async () => {
    await mustRun('session', 'start', CP1, CARD, '--connector', '1', ...bySite())
    expect(received('RemoteStartTransaction')).toEqual([{ idTag: CARD, connectorId: 1 }])
    const timestamp = new Date().toISOString()
    const begun = { connectorId: 1, idTag: CARD, meterStart: 100, timestamp }
    const { transactionId } = await tells<{ transactionId: number }>('StartTransaction', begun)
    const sessions = () => asked<readonly { sessionId: string }[]>(hereDir, '/v1/sessions')
    await until(async () => (await sessions()).length === 1, { withinMs: 10_000, what: 'both know of it' })
    const id = (await sessions())[0]?.sessionId ?? ''
    const stopped = await mustRun('session', 'stop', id.slice(0, 6), ...bySite(), '--json')
    expect(JSON.parse(stopped.out)).toEqual({ kind: 'accepted', sessionId: id, chargerId: CP1 })
    expect(received('RemoteStopTransaction')).toEqual([{ transactionId }])
    // A revoker's keys end a session too, and begin none.
    const revoker = ['--site', join(site, 'revoker'), '--via', hereDir]
    await mustRun('session', 'stop', id, ...revoker)
    expect(received('RemoteStopTransaction')).toHaveLength(2)
    const begin = await run('session', 'start', CP1, CARD, ...revoker)
    expect(begin.error).toContain("holds a revoker's keys")
    await tells('StopTransaction', { transactionId, meterStop: 300, timestamp })
    const ended = async () => (await run('session', 'stop', id, ...bySite())).error
    await until(async () => (await ended()).includes('ended already'), {
      withinMs: 10_000,
      what: 'it has ended',
    })
  })

  it('refuses a card that may not charge, before the charger hears of it', async () => {
    const before = received('RemoteStartTransaction').length
    const said = await run('charger', 'start', CP1, 'UNKNOWN', ...bySite())
    expect(said.error).toContain('CHARGER_REFUSED: CP01: refused, NOT_ALLOWED')
    expect(received('RemoteStartTransaction')).toHaveLength(before)
  })

  it('shows what the node that holds it knows', async () => {
    await tells('BootNotification', {
      chargePointVendor: 'EVBox',
      chargePointModel: 'G3',
      firmwareVersion: '7.1',
    })
    await tells('FirmwareStatusNotification', { status: 'Downloading' })
    await tells('SecurityEventNotification', {
      type: 'TamperDetectionActivated',
      timestamp: '2026-07-04T08:00:00Z',
      techInfo: CARD,
    })
    const shown = async () =>
      JSON.parse((await mustRun('charger', 'show', CP1, '--via', hereDir, '--json')).out)
    await until(async () => (await shown()).securityEvents.length === 1, {
      withinMs: 10_000,
      what: 'the alarm is known here',
    })
    expect(await shown()).toMatchObject({
      ...{ chargerId: CP1, admitted: true, node: 'there', connected: true, version: 'ocpp1.6' },
      ...{ vendor: 'EVBox', model: 'G3', firmware: '7.1', update: { status: 'Downloading' } },
      securityEvents: [{ event: 'TamperDetectionActivated 2026-07-04T08:00:00Z', by: 'there' }],
    })
    const text = (await mustRun('charger', 'show', CP1, '--via', hereDir)).out
    expect(text).toMatch(/connected {4}to there since/)
    expect(text).toContain('EVBox G3 7.1')
    expect(text).not.toContain(CARD)
  })

  it('says what the words on the command line mean', async () => {
    const pem = join(folder.dir, 'maker.pem')
    await writeFile(pem, 'PEM')
    const last = async (words: readonly string[], action: string, answer: object): Promise<unknown> => {
      answers.set(action, answer)
      await mustRun('charger', ...words, ...bySite())
      return received(action).at(-1)
    }
    const accepted = { status: 'Accepted' }
    const off = ['availability', CP1, 'off', '--connector', '2']
    expect(await last(off, 'ChangeAvailability', accepted)).toEqual({ connectorId: 2, type: 'Inoperative' })
    const kept = ['reserve', CP1, CARD, '--connector', '1', '--id', '12', '--minutes', '5']
    expect(await last(kept, 'ReserveNow', accepted)).toMatchObject({ idTag: CARD, reservationId: 12 })
    const url = 'ftp://10.0.0.5/pole.bin'
    const fetched = ['firmware', CP1, url, '--at', '2026-07-04T08:00Z', '--retries', '3', '--every', '60']
    expect(await last(fetched, 'UpdateFirmware', {})).toEqual({
      ...{ location: url, retrieveDate: '2026-07-04T08:00:00.000Z', retries: 3, retryInterval: 60 },
    })
    const checked = ['firmware', CP1, url, '--certificate', pem, '--signature', pem]
    expect(await last(checked, 'SignedUpdateFirmware', accepted)).toMatchObject({
      firmware: { location: url, signingCertificate: 'PEM', signature: 'PEM' },
    })
    const logs = ['logs', CP1, url, '--security', '--since', '2026-07-04']
    expect(await last(logs, 'GetLog', accepted)).toMatchObject({
      ...{
        logType: 'SecurityLog',
        log: { remoteLocation: url, oldestTimestamp: '2026-07-04T00:00:00.000Z' },
      },
    })
    const key = ['config', 'set', CP1, 'HeartbeatInterval', '300']
    expect(await last(key, 'ChangeConfiguration', accepted)).toEqual({
      key: 'HeartbeatInterval',
      value: '300',
    })
    for (const words of [
      ['availability', CP1, 'maybe'],
      ['firmware', CP1, url, '--certificate', pem],
    ])
      expect((await run('charger', ...words, ...bySite())).error).toMatch(/^CONFIG_INVALID: /)
    const newer = ['network-profile', CP1, 'wss://10.0.0.6/ocpp', '--slot', '2']
    expect((await run('charger', ...newer, ...bySite())).error).toContain('speaks OCPP 1.6')
  })

  it('is given up where the charger stays silent, and says so', async () => {
    const said = await run('charger', 'clear-cache', CP1, ...bySite())
    expect(said).toMatchObject({ code: 1 })
    expect(said.error).toContain('CHARGER_ABSENT: CP01: no answer in time, 15 s; it may still do it')
    expect(received('ClearCache')).toHaveLength(1)
  }, 30_000)
})

describe('an order is refused by the node that holds the charger', () => {
  const unlocked = (): number => received('UnlockConnector').length

  it('when it is said twice', async () => {
    const order = await signed()
    expect(await post('/v1/orders', order)).toEqual({ kind: 'accepted' })
    const before = unlocked()
    expect(await post('/v1/orders', order)).toEqual({ kind: 'refused', reason: 'stale' })
    expect(unlocked()).toBe(before)
  })

  it('when one bit of it was changed', async () => {
    const before = unlocked()
    const { to, order } = await signed()
    const encoded = bytes(order)
    // In the sealed command, before the signature and the signer's certificate.
    encoded[150] = (encoded[150] ?? 0) ^ 1
    const said = await post('/v1/orders', { to, order: Buffer.from(encoded).toString('base64') })
    expect(said).toEqual({ kind: 'refused', reason: 'bad-signature' })
    expect(unlocked()).toBe(before)
  })

  it('when a node of the site has signed it with its own key', async () => {
    const before = unlocked()
    const thief = await readIdentity(hereDir)
    const signatures = ed25519()
    const roster = createRoster({ signatures }, thief.site.siteId as SiteId, unhex(thief.site.rootKey))
    const { deviceId, nonce, certificates } = await holder()
    const [held] = certificates.map(bytes).map(roster.enrol).slice(-1)
    const [own] = thief.certificates.map(unhex).map(roster.enrol).slice(-1)
    if (held?.kind !== 'valid' || own?.kind !== 'valid') throw new Error('certificates of this site')
    const order = signOrder(
      { certificate: own.certificate, logKey: unhex(thief.keys.logKey), signatures },
      {
        ...{ holder: held.certificate, chargerId: CP1, nonce: bytes(nonce), command: JSON.stringify(UNLOCK) },
        ephemeral: new Uint8Array(32).fill(7),
      },
    )
    const said = await post('/v1/orders', { to: deviceId, order: Buffer.from(order).toString('base64') })
    expect(said).toEqual({ kind: 'refused', reason: 'not-its-role' })
    expect(unlocked()).toBe(before)
  })

  it('when a revoker has signed more than an end of a session', async () => {
    const before = unlocked()
    const said = await post('/v1/orders', await signed(join(site, 'revoker')))
    expect(said).toEqual({ kind: 'refused', reason: 'not-its-role' })
    expect(unlocked()).toBe(before)
  })

  it('when the operator of another site has signed it', async () => {
    const foreign = join(folder.dir, 'foreign')
    await mustRun('site', 'init', foreign, '--name', 'South Stand')
    const said = await run('charger', 'unlock', CP1, '--site', foreign, '--via', hereDir)
    expect(said.error).toContain('is no node of this site')
  })

  it('when it was meant for another node', async () => {
    const { order } = await signed()
    const { deviceId } = JSON.parse(
      JSON.stringify(
        (await asked<readonly { name: string; deviceId: string }[]>(hereDir, '/v1/devices')).find(
          ({ name }) => name === 'pole-1',
        ),
      ),
    )
    expect(await post('/v1/orders', { to: deviceId, order })).toEqual({
      kind: 'refused',
      reason: 'for-another-node',
    })
  })

  it('when the charger has left meanwhile; the command line then finds it at the other node', async () => {
    const late = await signed()
    await connect(String(here?.ocppUrl))
    await until(async () => (await holders())[0]?.name === 'pole-1', {
      withinMs: 10_000,
      what: 'it has moved',
    })
    expect(await post('/v1/orders', late)).toEqual({ kind: 'refused', reason: 'not-here' })
    await mustRun('charger', 'unlock', CP1, ...bySite())
    await mustRun('charger', 'unlock', CP1, '--site', site, '--via', thereDir)
    expect(received('UnlockConnector')).toHaveLength(2)
    await mustRun('charger', 'unlock', CP1, '--via', hereDir)
  })
})

it('of two nodes that hold a charger, the one with the newer connection is meant', async () => {
  const older = charger
  charger = undefined
  await connect(String(there?.ready.ocppUrl))
  await until(async () => (await holders()).length === 2, { withinMs: 10_000, what: 'both hold it' })
  await mustRun('charger', 'unlock', CP1, ...bySite())
  expect(received('UnlockConnector')).toHaveLength(1)
  const shown = JSON.parse((await mustRun('charger', 'show', CP1, '--via', hereDir, '--json')).out)
  expect(shown).toMatchObject({ node: 'there', alsoHeldBy: ['pole-1'] })
  await older?.close()
})

it('a session of OCPP 2.0.1 is followed, and stopped by its own id, from another node', async () => {
  answers.set('RequestStopTransaction', { status: 'Accepted' })
  await connect(String(there?.ready.ocppUrl), 'ocpp2.0.1')
  const follow = following('session', 'list', '--open', '--follow', '--via', hereDir)
  const meterValue = (value: number) => [
    { timestamp: new Date().toISOString(), sampledValue: [{ value, unitOfMeasure: { unit: 'Wh' } }] },
  ]
  const event = (eventType: string, seqNo: number, over: object) =>
    tells('TransactionEvent', {
      ...{ eventType, seqNo, timestamp: new Date().toISOString(), triggerReason: 'RemoteStart' },
      ...{ transactionInfo: { transactionId: 'tx-7' }, ...over },
    })
  const idToken = { idToken: CARD, type: 'ISO14443' }
  await event('Started', 0, { evse: { id: 1, connectorId: 1 }, idToken, meterValue: meterValue(1000) })
  type Open = { readonly sessionId: string; readonly stationTransactionId?: string }
  const sessions = () => asked<readonly Open[]>(hereDir, '/v1/sessions')
  const mine = async () => (await sessions()).find(one => one.stationTransactionId === 'tx-7')?.sessionId
  await until(async () => (await mine()) !== undefined, { withinMs: 10_000, what: 'it is known here' })
  const id = (await mine()) ?? ''
  const short = id.slice(0, 8)
  const told = () => follow.lines().filter(line => line.includes(short))
  await until(() => told().length === 1, { withinMs: 10_000, what: 'its start is told' })
  await mustRun('session', 'stop', short, ...bySite())
  expect(received('RequestStopTransaction')).toEqual([{ transactionId: 'tx-7' }])
  expect((await mustRun('session', 'show', short, '--via', hereDir)).out).toMatch(/transaction {2}tx-7\n/)
  const one = following('session', 'show', short, '--follow', '--json', '--via', hereDir)
  const states = () => one.lines().map(line => (JSON.parse(line) as { state: string }).state)
  await until(() => states().length === 1, { withinMs: 10_000, what: 'it is shown' })
  await event('Ended', 1, { meterValue: meterValue(3500) })
  await until(() => told().some(line => line.includes('completed')), {
    withinMs: 10_000,
    what: 'its end is told',
  })
  expect(told().at(-1)).toMatch(new RegExp(`${short} {2}completed {3}CP01/1 .* 2\\.500 kWh`))
  expect(follow.lines().every(line => line.includes(short))).toBe(true)
  expect(await follow.interrupt()).toBe(0)
  await until(() => states().at(-1) === 'completed', { withinMs: 10_000, what: 'its end is shown' })
  expect(await one.interrupt()).toBe(0)
})

it('where no node holds the charger, that is said', async () => {
  await charger?.close()
  await until(async () => (await holders()).length === 0, { withinMs: 10_000, what: 'nobody holds it' })
  const said = await run('charger', 'unlock', CP1, ...bySite())
  expect(said.error).toContain('CHARGER_ABSENT: CP01: not connected to this node; none of the nodes')
  expect((await mustRun('charger', 'show', CP1, '--via', thereDir)).out).toContain(
    'its last session was recorded by',
  )
})

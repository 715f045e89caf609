// The id of a card leaves the process that its reader talks to in no plain form (PROTOCOL 2.5): a whole site with a cloud,
// in which cards are added, tapped, refused, started from afar and revoked; then everything that it wrote, said and sent is
// searched. One node is a process of its own, the other runs here, so that what passes between the two is seen in the clear.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { parse, stringify } from 'yaml'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type Running, start } from '../../simulations/real/processes.ts'
import { readText } from '../../src/host/identity-files.ts'
import type * as networkFile from '../../src/host/network.ts'
import { NODE_FILE } from '../../src/host/node-files.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import type * as systemFile from '../../src/host/system.ts'
import { systemRandom } from '../../src/host/system.ts'
import type { Logger } from '../../src/ports.ts'
import { until } from '../deadline.ts'
import { filesIn, findings, formsOf, type Places, rowsIn } from './card-search.ts'
import { askAsDriver } from './driver-site.ts'
import { asked, foundSite, mustRun, run, tempFolder } from './operator-site.ts'

const heard = vi.hoisted(() => ({ messages: [] as Uint8Array[], lines: [] as string[] }))

vi.mock('../../src/host/network.ts', async original => {
  const real = await original<typeof networkFile>()
  const openNetwork: typeof real.openNetwork = async options => {
    const onMessage: typeof options.onMessage = (peer, bytes) => {
      heard.messages.push(bytes)
      options.onMessage(peer, bytes)
    }
    const onAsked: typeof options.onAsked = async (from, question) => {
      const answer = (await options.onAsked?.(from, question)) ?? new Uint8Array(0)
      heard.messages.push(question, answer)
      return answer
    }
    const network = await real.openNetwork({ ...options, onMessage, onAsked })
    const send: typeof network.send = (to, bytes) => {
      heard.messages.push(bytes)
      network.send(to, bytes)
    }
    const ask: typeof network.ask = async (to, question, withinMs) => {
      heard.messages.push(question)
      const answer = await network.ask(to, question, withinMs)
      heard.messages.push(answer)
      return answer
    }
    return { ...network, send, ask }
  }
  return { ...real, openNetwork }
})

vi.mock('../../src/host/system.ts', async original => {
  const say = (event: string, fields?: object): void =>
    void heard.lines.push(`${event} ${JSON.stringify(fields ?? {})}`)
  const systemLogger = (): Logger => ({ debug: say, info: say, warn: say, error: say })
  return { ...(await original<typeof systemFile>()), systemLogger }
})

const LABEL = 'van-of-the-baker'
const KNOWN = '04D7C0FFEE5E9A'
const UNKNOWN = '04BADCAB1E5E77'
const LISTED = 'MUSTERKARTE-778'
const NUMBER = '80402010050607'
const CARDS = [KNOWN, UNKNOWN, LISTED, NUMBER]

let folder: Awaited<ReturnType<typeof tempFolder>>
const places: Places = new Map()
const open: { close: () => void }[] = []
const processes: Running[] = []
let here: RunningNode | undefined

/** What a command printed is one more place; it may be refused. */
async function tell(...words: readonly string[]): Promise<void> {
  const said = await run(...words)
  places.set(
    `what command ${places.size} said: ${words.slice(0, 2).join(' ')}`,
    Buffer.from(said.out + said.error),
  )
}

async function answersOf(nodeDir: string, name: string): Promise<void> {
  for (const path of ['status', 'sessions', 'logs', 'devices', 'chargers', 'refusals', 'tokens'])
    places.set(`${name} answers ${path}`, Buffer.from(JSON.stringify(await asked(nodeDir, `/v1/${path}`))))
}

async function debugLevel(nodeDir: string): Promise<void> {
  const file = join(nodeDir, NODE_FILE)
  await writeFile(
    file,
    stringify({
      ...parse(await readText(file, '')),
      driver: { listen: '127.0.0.1:0' },
      log: { level: 'debug' },
    }),
  )
}

/** A charger that says each frame as it is told, and waits for the answer where there should be one. */
async function rawCharger(url: string, identity: string, password: string) {
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  const socket = new WebSocket(`${url}/${identity}`, ['ocpp1.6'], { headers: { authorization } })
  open.push({ close: () => socket.terminate() })
  const answers = new Map<string, unknown>()
  socket.on('message', text => {
    const [, id, payload] = JSON.parse(String(text)) as [number, string, unknown]
    answers.set(id, payload)
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let calls = 0
  return {
    say: (text: string) => socket.send(text),
    call: async <T>(action: string, payload: object): Promise<T> => {
      const id = `m${++calls}`
      socket.send(JSON.stringify([2, id, action, payload]))
      await until(() => answers.has(id), { withinMs: 10_000, what: `an answer to ${action}` })
      return answers.get(id) as T
    },
  }
}

const ocmf = (id: string): string =>
  `OCMF|{"FV":"1.0","GI":"meter","IS":true,"IL":"VERIFIED","IT":"ISO14443","ID":"${id}","RD":[{"RV":1.2,"RU":"kWh"}]}|{"SD":"3045"}`
const signedValue = (id: string, at: string) => ({
  timestamp: at,
  sampledValue: [{ format: 'SignedData', value: ocmf(id) }, { value: '1200' }],
})

async function chargeByHand(url: string, identity: string, password: string): Promise<void> {
  const charger = await rawCharger(url, identity, password)
  await charger.call('BootNotification', { chargePointVendor: 'v', chargePointModel: 'm' })
  for (const idTag of [UNKNOWN, ` ${KNOWN.toLowerCase()} `, Number(NUMBER), `${KNOWN}-and-more-than-20`])
    await charger.call('Authorize', { idTag })
  const at = new Date().toISOString()
  const begin = { connectorId: 1, meterStart: 1000, timestamp: at }
  await charger.call('StartTransaction', { ...begin, connectorId: 2, idTag: UNKNOWN })
  const { transactionId } = await charger.call<{ transactionId: number }>('StartTransaction', {
    ...begin,
    idTag: KNOWN,
  })
  await charger.call('MeterValues', { connectorId: 1, transactionId, meterValue: [signedValue(KNOWN, at)] })
  const end = { transactionId, meterStop: 1300, timestamp: new Date().toISOString(), idTag: KNOWN }
  await charger.call('StopTransaction', { ...end, transactionData: [signedValue(KNOWN, end.timestamp)] })
  await charger.call('DataTransfer', { vendorId: 'v', messageId: 'card', data: KNOWN })
  const alarm = { type: 'InvalidMessages', timestamp: at, techInfo: `card ${KNOWN}` }
  await charger.call('SecurityEventNotification', alarm)
  await charger.call('CardSeen', { idTag: KNOWN })
  // What nobody can read is counted, and none of it is repeated anywhere.
  for (const text of [
    `[2,"x","Authorize",{"idTag":"${KNOWN}"`,
    `[9,"${KNOWN}"]`,
    `[4,"x","${KNOWN}","${KNOWN}",{}]`,
  ])
    charger.say(text)
  await charger.call('Authorize', { idTag: { card: KNOWN } })
}

async function chargeFromAfar(
  charger: VirtualCharger,
  via: readonly string[],
  signed: readonly string[],
): Promise<void> {
  const started = (count: number): Promise<void> =>
    until(
      () => charger.sessions().filter(({ transactionIds }) => transactionIds.length > 0).length === count,
      {
        ...{ withinMs: 10_000, what: `session ${count} has begun` },
      },
    )
  await until(charger.booted, { withinMs: 10_000, what: 'the charger has booted' })
  charger.plugIn(1)
  expect((await charger.tap(1, KNOWN)).status).toBe('Accepted')
  await started(1)
  await charger.stop(1)
  expect((await charger.tap(1, UNKNOWN)).accepted).toBe(false)
  charger.plugIn(1)
  await tell('charger', 'start', charger.identity, KNOWN, '--connector', '1', ...via)
  await started(2)
  await charger.stop(1)
  charger.plugIn(1)
  // By a node that does not hold the charger: it carries what it cannot read.
  await tell('session', 'start', charger.identity, KNOWN, '--connector', '1', ...signed)
  await started(3)
  await charger.stop(1)
  await tell('charger', 'reserve', charger.identity, KNOWN, ...signed)
  await tell('charger', 'show', charger.identity, ...via)
  await tell('charger', 'start', charger.identity, UNKNOWN, '--connector', '1', ...via)
  await tell('charger', 'start', charger.identity, `${KNOWN}${KNOWN}`, '--connector', '1', ...via)
  await charger.settled()
}

beforeAll(async () => {
  folder = await tempFolder()
  const { site, nodeDir } = await foundSite(folder.dir)
  await debugLevel(nodeDir)
  here = await runNode(nodeDir)
  const there = join(folder.dir, 'there')
  const [toSite, via] = [
    ['--site', site, '--via', nodeDir],
    ['--via', there],
  ]
  const peer = ['--peer', here.meshAddresses[0] ?? '']
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
  await mustRun('node', 'join', ...toSite, '--dir', there, '--name', 'there', ...ports, ...peer)
  await debugLevel(there)
  const log = join(folder.dir, 'there.log')
  const running = await start(['node', 'run', '--dir', there], log)
  const cloudDir = join(folder.dir, 'cloud')
  const credentials = join(site, 'cloud')
  const receiver = [
    'cloud',
    'run',
    '--credentials',
    credentials,
    '--dir',
    cloudDir,
    '--listen',
    '127.0.0.1:0',
  ]
  const cloud = await start(receiver, join(folder.dir, 'cloud.log'))
  processes.push(running, cloud)
  await mustRun('uplink', 'add', String(cloud.ready.url), '--ca', join(cloudDir, 'ca.pem'), ...via)

  await mustRun('tariff', 'set', '0.25', ...toSite)
  await tell('token', 'add', KNOWN, '--label', LABEL, ...toSite)
  await tell('token', 'add', NUMBER, ...toSite)
  const csv = await tempFolder()
  await writeFile(join(csv.dir, 'good.csv'), `card,label\n${LISTED},listed\n`)
  await writeFile(join(csv.dir, 'bad.csv'), `card,until\n${LISTED},never\n${LISTED},\n`)
  await tell('token', 'import', join(csv.dir, 'good.csv'), ...toSite)
  await tell('token', 'import', join(csv.dir, 'bad.csv'), ...toSite)
  await csv.remove()
  const chargers = await mustRun('charger', 'add', 'CP01', 'CP02', 'CP03', ...toSite, '--json')
  const [first, second] = JSON.parse(chargers.out) as { identity: string; password: string }[]
  const known = async (): Promise<boolean> =>
    (await asked<readonly unknown[]>(there, '/v1/tokens')).length === 3 &&
    (await asked<readonly unknown[]>(there, '/v1/chargers')).length === 3
  await until(known, { withinMs: 20_000, what: 'the other node knows cards and chargers' })

  const url = String(running.ready.ocppUrl)
  await chargeByHand(url, 'CP02', second?.password ?? '')
  const random = systemRandom()
  const charger = openVirtualCharger({
    ...{ identity: 'CP01', password: first?.password ?? '', urls: [url], connectors: 1, random },
    ...{ meterIntervalMs: 100, retryIntervalMs: 50, timeScale: 600 },
  })
  open.push(charger)
  await chargeFromAfar(charger, via, toSite)
  for (const [said, text] of await askAsDriver(String(running.ready.driverUrl), [KNOWN, UNKNOWN]))
    places.set(said, Buffer.from(text))
  await tell('token', 'revoke', KNOWN, '--reason', 'lost', ...toSite)
  await tell('token', 'add', KNOWN, ...toSite)
  const revoked = async (): Promise<boolean> =>
    (await asked<readonly { state: string }[]>(there, '/v1/tokens')).some(({ state }) => state === 'revoked')
  await until(revoked, { withinMs: 20_000, what: 'the other node knows of the revocation' })
  expect((await charger.tap(1, KNOWN)).accepted).toBe(false)
  await mustRun('uplink', 'hurry', ...via)
  const billed = async (): Promise<boolean> =>
    (JSON.parse((await mustRun('bills', '--cloud', cloudDir, '--json')).out) as readonly unknown[]).length ===
    4
  await until(billed, { withinMs: 30_000, what: 'four bills' })

  for (const [words, from] of [
    ...['status', 'sessions'].map(word => [[word], via] as const),
    ...[['token', 'list']].map(words => [words, via] as const),
    [['bills'], ['--cloud', cloudDir]] as const,
  ])
    await tell(...words, ...from)
  await answersOf(there, 'there')
  await answersOf(nodeDir, 'here')
  for (const each of open) each.close()
  for (const each of processes) await each.stop()
  await here.close()
  here = undefined
  // With the operator's folder, both nodes', the cloud's, and the logs of the two processes.
  for (const [place, bytes] of await filesIn(folder.dir)) places.set(place, bytes)
  for (const [place, bytes] of await rowsIn(join(cloudDir, 'database'))) places.set(place, bytes)
  places.set('log of the node here', Buffer.from(heard.lines.join('\n')))
  places.set('messages of the mesh', Buffer.concat(heard.messages))
}, 120_000)

afterAll(async () => {
  for (const each of open) each.close()
  for (const each of processes) await each.stop()
  await here?.close()
  await folder.remove()
})

it('searches all that there is: what may be known of a card is found in each of these places', () => {
  const holding = (text: string): readonly string[] =>
    [...places].flatMap(([place, bytes]) => (bytes.includes(text) ? [place] : []))
  expect(holding(LABEL)).toEqual(
    expect.arrayContaining([
      ...['messages of the mesh', 'here answers tokens', 'there answers tokens', 'table events'],
      ...[expect.stringMatching(/^node\/journal\//), expect.stringMatching(/^there\/journal\//)],
      ...[
        expect.stringMatching(/^site\/issuer\/journal\//),
        expect.stringMatching(/^there\/.*: all values$/),
      ],
    ]),
  )
  expect(holding('CP01')).toEqual(
    expect.arrayContaining(['there answers refusals', 'there answers sessions', 'table sessions']),
  )
  expect(holding('"kind":"start"')).toContain('there/driver/wishes')
  expect(holding('level: debug')).toEqual(expect.arrayContaining(['node/node.yaml', 'there/node.yaml']))
  expect(holding('network.peer')).toEqual(expect.arrayContaining(['there.log', 'log of the node here']))
})

it('finds every form in which an id is looked for', () => {
  const id = 'AB12CD34EF'
  for (const { bytes, name } of formsOf(id)) {
    const around = Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' behind')])
    expect(findings(new Map([['a place', around]]), [id])).toContain(`a place: ${id} ${name}`)
  }
  for (const before of ['', 'x', 'xy'])
    expect(
      findings(new Map([['a place', Buffer.from(Buffer.from(`${before}${id}z`).toString('base64'))]]), [id]),
    ).toEqual([`a place: ${id} base64`])
})

it('no card id stands in any file, table, log line, answer or message', () => {
  expect(findings(places, CARDS)).toEqual([])
})

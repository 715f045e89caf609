// The whole way by an MQTT 5 broker: node, broker and receiver with real sockets. What brokers and those who publish there do
// wrong has a stated outcome: at worst a push fails, is asked again, and has the effect of one.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import type { Logger, PushAnswer } from '../../src/ports.ts'
import { UplinkFailed } from '../../src/uplink/http.ts'
import { openMqttUplink } from '../../src/uplink/mqtt.ts'
import { answerTopic, requestTopic } from '../../src/uplink/mqtt-words.ts'
import { until } from '../deadline.ts'
import { sessionBodies, type TestDevice } from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase, quiet, served } from './cloud-bench.ts'
import { openTestBroker, type TestBroker } from './mqtt-broker.ts'

const LOGIN = { username: 'site-7', password: 'correct horse' }
const DEADLINE_MS = 20_000
let database: Database
let tls: { readonly key: string; readonly cert: string; readonly caPem: string }
let broker: TestBroker
let bench: CloudBench
let north: TestDevice
const receivers: Receiver[] = []
const warned: string[] = []
const logger: Logger = {
  ...quiet,
  warn: event => {
    warned.push(event)
  },
}
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }

beforeAll(async () => {
  database = await openTestDatabase()
  tls = await makeServerCertificate(['127.0.0.1', 'localhost'])
  broker = await openTestBroker({ tls, login: LOGIN })
  bench = await cloudBench(database)
  north = bench.site.device('north')
  await worker()
})
afterAll(async () => {
  for (const receiver of receivers) await receiver.close()
  await broker.stop()
  await database.close()
})

async function worker(): Promise<void> {
  const before = broker.workers()
  const receiver = await openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, sites: [served(bench.site, 'Stadium')], tls },
    ...{ operatorToken: 'a-token-for-the-operator', signatures: bench.site.signatures, random, logger },
    clock: bench.clock,
    broker: { url: `mqtts://127.0.0.1:${broker.port}`, caPem: tls.caPem, ...LOGIN },
  })
  receivers.push(receiver)
  await until(() => broker.workers() > before, {
    withinMs: DEADLINE_MS,
    what: 'the receiver is at the broker',
  })
}

const opened: { close: () => void }[] = []
afterEach(() => {
  broker.copies = () => 1
  broker.isDeaf = false
  for (const uplink of opened.splice(0)) uplink.close()
})

type Overrides = {
  readonly caPem?: string
  readonly password?: string
  readonly timeoutMs?: number
  readonly url?: string
}

function uplink(overrides: Overrides = {}) {
  const { siteId, rootKey, signatures } = bench.site
  const one = openMqttUplink({
    ...{ name: 'broker', siteId, rootKey, signatures, random, clock: bench.clock, logKey: north.keys.logKey },
    ...{
      certificate: () => north.certificate.encoded,
      url: `mqtts://127.0.0.1:${broker.port}`,
      caPem: tls.caPem,
    },
    ...{ ...LOGIN, timeoutMs: 10_000, ...overrides },
  })
  opened.push(one)
  return one
}

/** A log with a session that no other test has. */
function news(sessions = 1) {
  const log = bench.site.openLog(north)
  for (let i = 0; i < sessions; i++) {
    const words = sessionBodies({ chargerId: `CP-${crypto.randomUUID().slice(0, 8)}` })
    log.append([words.start, words.pricing, words.end])
  }
  return {
    log,
    push: { segments: log.segments(), certificates: [north.certificate.encoded], sinceVersion: 0 },
  }
}

async function failure(pushing: Promise<PushAnswer>): Promise<UplinkFailed> {
  const error: unknown = await pushing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof UplinkFailed)) throw new Error(`no refusal, but ${String(error)}`)
  return error
}

describe('a push by a broker', () => {
  it('brings back signed acks, and what it costs on the wire; twice is once', async () => {
    const { push } = news()
    const one = uplink()
    const before = (await bench.bills()).length
    const first = await one.push(push)
    expect(first.refused).toEqual([])
    expect(first.acks.length).toBeGreaterThan(0)
    const again = await one.push({ ...push, sinceVersion: first.version })
    expect(again).toMatchObject({ refused: [], version: first.version })
    expect(await bench.bills()).toHaveLength(before + 1)
    // The first had the line to open, and the cloud's certificates came along.
    expect(first.wireBytes).toBeGreaterThan(2_000)
    expect(again.wireBytes).toBeLessThan(first.wireBytes / 2)
  })

  it('is judged as over HTTPS: a stranger is refused, with the reason', async () => {
    const { siteId, rootKey, signatures } = bench.site
    const stranger = bench.site.device('screen', ['cloud'])
    const one = openMqttUplink({
      ...{
        name: 'broker',
        siteId,
        rootKey,
        signatures,
        random,
        clock: bench.clock,
        logKey: stranger.keys.logKey,
      },
      ...{ certificate: () => stranger.certificate.encoded, url: `mqtts://127.0.0.1:${broker.port}` },
      ...{ caPem: tls.caPem, ...LOGIN },
    })
    opened.push(one)
    expect(await failure(one.push(news().push))).toMatchObject({ status: 401 })
  })

  it('goes to one of several workers, in turn', async () => {
    await worker()
    const one = uplink()
    const answered = broker.heard.length
    for (let i = 0; i < 4; i++) expect((await one.push(news().push)).refused).toEqual([])
    const answers = broker.heard.slice(answered).filter(({ topic }) => topic.includes('/answer/'))
    expect(answers).toHaveLength(4)
    expect(new Set(answers.map(({ from }) => from)).size).toBe(2)
  })

  it('that the broker delivers twice, with an answer that comes twice, has the effect of one', async () => {
    const { push } = news()
    const before = (await bench.bills()).length
    broker.copies = () => 2
    expect((await uplink().push(push)).refused).toEqual([])
    await until(async () => (await bench.bills()).length > before, {
      withinMs: DEADLINE_MS,
      what: 'the bill',
    })
    expect(await bench.bills()).toHaveLength(before + 1)
  })

  it('whose answer is lost fails after its time, and is acknowledged when it comes again', async () => {
    const { push } = news()
    broker.copies = ({ topic }) => (topic.includes('/answer/') ? 0 : 1)
    const one = uplink({ timeoutMs: 1_500 })
    expect((await failure(one.push(push))).message).toBe('no answer in 1500 ms')
    broker.copies = () => 1
    const again = await one.push(push)
    expect(again.refused).toEqual([])
    expect(again.acks.length).toBeGreaterThan(0)
  })

  it('passes over an answer that the cloud did not sign, and takes the true one', async () => {
    const one = uplink()
    await one.push(news().push)
    const forge = (request: Parameters<TestBroker['copies']>[0]): void => {
      const { responseTopic = '', correlationData } = request.properties ?? {}
      const userProperties = { status: '200', by: bench.site.cloud.certificate.hash, signature: 'AAAA' }
      broker.publish({
        ...{ topic: responseTopic, payload: Buffer.from([0x80]) },
        properties: { ...(correlationData && { correlationData }), userProperties },
      })
    }
    broker.copies = packet => {
      if (packet.topic === requestTopic(bench.site.siteId)) forge(packet)
      return 1
    }
    expect((await one.push(news().push)).refused).toEqual([])
    // Alone it is no answer, and the failure says so.
    broker.copies = packet => {
      if (packet.topic !== requestTopic(bench.site.siteId)) return 1
      forge(packet)
      return 0
    }
    const alone = uplink({ timeoutMs: 1_500 })
    expect((await failure(alone.push(news().push))).message).toMatch(
      /not the cloud.s: (not of|bad signature)/,
    )
  })

  it('does not take an answer to another request for its own', async () => {
    await uplink().push(news().push)
    const one = uplink({ timeoutMs: 1_500 })
    const old = broker.heard.findLast(({ topic }) => topic.includes('/answer/'))
    broker.copies = packet => {
      if (packet.topic !== requestTopic(bench.site.siteId)) return 1
      const { responseTopic = '', correlationData } = packet.properties ?? {}
      const properties = { ...old?.properties, ...(correlationData && { correlationData }) }
      broker.publish({ topic: responseTopic, payload: old?.payload ?? '', properties })
      return 0
    }
    expect((await failure(one.push(news().push))).message).toContain('bad signature')
  })
})

describe('a broker', () => {
  it('that is away fails a push at once; when it is back, the next one passes, and workers are there again', async () => {
    const one = uplink()
    await one.push(news().push)
    await broker.stop()
    expect((await failure(one.push(news().push))).message).toMatch(/hung up|not reached/)
    expect((await failure(one.push(news().push))).message).toMatch(/not reached/)
    await broker.start()
    await until(() => broker.workers() === receivers.length, {
      withinMs: DEADLINE_MS,
      what: 'the workers are back',
    })
    const { push } = news()
    expect((await one.push(push)).refused).toEqual([])
  })

  it('that was away while nothing was said is dialled anew', async () => {
    const one = uplink()
    await one.push(news().push)
    await broker.stop()
    await broker.start()
    await until(() => broker.workers() === receivers.length, {
      withinMs: DEADLINE_MS,
      what: 'the workers are back',
    })
    expect((await one.push(news().push)).refused).toEqual([])
  })

  it('that subscribes nobody fails a push after its time', async () => {
    broker.isDeaf = true
    const error = await failure(uplink({ timeoutMs: 1000 }).push(news().push))
    expect(error.message).toBe('the broker did not subscribe us in 1000 ms')
  })

  it('is left when nothing was said for a while: one timer for that, however many questions there were at once', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const cleared = vi.spyOn(globalThis, 'clearTimeout')
    const one = uplink()
    await Promise.all([one.push(news().push), one.push(news().push)])
    const idle = set.mock.results
      .filter((_, i) => set.mock.calls[i]?.[1] === 90_000)
      .map(({ value }) => value)
    const gone = new Set<unknown>(cleared.mock.calls.map(([timer]) => timer))
    vi.restoreAllMocks()
    expect(idle.length).toBeGreaterThan(1)
    expect(idle.filter(timer => !gone.has(timer))).toHaveLength(1)
  })

  it('that goes under a push fails it at once', async () => {
    const one = uplink()
    await one.push(news().push)
    broker.copies = ({ topic }) => (topic.includes('/answer/') ? 0 : 1)
    const pushing = failure(one.push(news().push))
    const seen = broker.heard.length
    await until(() => broker.heard.length > seen, {
      withinMs: DEADLINE_MS,
      what: 'the request is at the broker',
    })
    await broker.stop()
    expect((await pushing).message).toContain('hung up')
    await broker.start()
    await until(() => broker.workers() === receivers.length, {
      withinMs: DEADLINE_MS,
      what: 'the workers are back',
    })
  })

  it('that nobody trusts, or that does not know the password, is told nothing', async () => {
    const other = await makeServerCertificate(['127.0.0.1'])
    const before = broker.heard.length
    expect((await failure(uplink({ caPem: other.caPem }).push(news().push))).message).toMatch(
      /certificate|self.signed/i,
    )
    const refused = await failure(uplink({ password: 'wrong' }).push(news().push))
    expect(refused.message).toContain('not reached')
    expect(refused.message).not.toContain('wrong')
    expect(broker.heard).toHaveLength(before)
  })

  it('at which no receiver listens says so at once', async () => {
    const lonely = await openTestBroker()
    const one = uplink({ url: `mqtt://127.0.0.1:${lonely.port}` })
    expect((await failure(one.push(news().push))).message).toBe('no receiver listens at the broker')
    await lonely.stop()
  })

  it('that takes less than a push needs refuses it before it is sent', async () => {
    const small = await openTestBroker({ maximumPacketSize: 20_000 })
    const one = uplink({ url: `mqtt://127.0.0.1:${small.port}` })
    const error = await failure(one.push(news(60).push))
    expect(error).toMatchObject({ status: 413, message: expect.stringContaining('takes 20000 bytes') })
    expect(small.heard).toEqual([])
    await small.stop()
  })

  it.each([
    'mqtt://broker.example:1883',
    'https://broker.example',
    'broker',
    'mqtts://user:secret@broker.example',
  ])('is not asked at %s', url => {
    expect(() => uplink({ url })).toThrow(/broker.s address/)
    expect(() => uplink({ url })).not.toThrow(/secret/)
  })
})

describe('what strangers publish', () => {
  it.each([
    ['no answer topic', {}],
    ['an answer topic elsewhere', { responseTopic: 'home/door/open' }],
    ['the request topic for the answer', { responseTopic: 'REQUESTS' }],
    ['an answer topic of another site', { responseTopic: answerTopic('00'.repeat(16), 'abc') }],
    ['a wildcard for the answer', { responseTopic: 'WILD' }],
    ['no correlation data', { correlationData: undefined }],
    ['a path that is not for nodes', { userProperties: { path: '/v1/summary' } }],
    ['no path', { userProperties: {} }],
  ])('is passed over: %s', async (_name, change) => {
    const { siteId } = bench.site
    const seen = broker.heard.length
    const topics: Readonly<Record<string, string>> = {
      REQUESTS: requestTopic(siteId),
      WILD: answerTopic(siteId, '#'),
    }
    const good = { responseTopic: answerTopic(siteId, 'abc'), correlationData: Buffer.from('1') }
    const given = { ...good, userProperties: { path: '/v1/push' }, ...change }
    const responseTopic = topics[given.responseTopic] ?? given.responseTopic
    const without = 'responseTopic' in change || Object.keys(change).length > 0 ? { responseTopic } : {}
    const { correlationData, userProperties } = given
    broker.publish({
      ...{ topic: requestTopic(siteId), payload: Buffer.from('nonsense') },
      properties: { ...without, userProperties, ...(correlationData && { correlationData }) },
    })
    // A true push behind it is answered; nothing else was.
    expect((await uplink().push(news().push)).refused).toEqual([])
    expect(broker.heard.slice(seen).filter(({ topic }) => topic !== requestTopic(siteId))).toHaveLength(1)
  })

  it('is refused when it is unsigned, and locks nobody out', async () => {
    const { siteId } = bench.site
    for (let i = 0; i < 80; i++)
      broker.publish({
        ...{ topic: requestTopic(siteId), payload: Buffer.from('nonsense') },
        properties: {
          ...{ responseTopic: answerTopic(siteId, 'abc'), correlationData: Buffer.from(String(i)) },
          userProperties: { path: '/v1/push' },
        },
      })
    const one = uplink()
    await until(
      () =>
        one.push(news().push).then(
          () => true,
          () => false,
        ),
      { withinMs: DEADLINE_MS, what: 'a node gets through' },
    )
    expect(warned).toContain('request-refused')
  })
})

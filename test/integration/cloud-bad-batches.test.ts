// Batches that no node of ours would send, at the door of the real receiver over HTTPS: cut off anywhere, in another order, twice,
// forged, of another site, of newer software. Each has its stated outcome; nothing of it moves a bill that the good batch
// behind it does not, nothing is applied twice, and the good batch is taken as if nothing had been.
import https from 'node:https'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { billsPage, sessionsPage, summaryOf } from '../../src/cloud/reading.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { digestToSign, encodeElement, type LogEvent, place } from '../../src/log/event.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import type { Push, Segment } from '../../src/ports.ts'
import { encodeUpdate } from '../../src/replica/canonical.ts'
import type { LogId } from '../../src/units.ts'
import { type Answer, decodeAnswer, encodePush, PUSH_PATH, signedHeaders } from '../../src/uplink/request.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, type TestSite, testSite } from '../site.ts'
import { openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'

const ALL = { cursor: '', limit: 1000 }
const UNKNOWN_TYPE = 251
let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

type Reply = { readonly status: number; readonly code?: string; readonly answer?: Answer }
type Bench = {
  readonly site: TestSite
  readonly node: TestDevice
  readonly good: Push
  readonly send: (body: Uint8Array, options?: Sending) => Promise<Reply>
  readonly known: () => Promise<{ sessions: number; bills: number; events: number }>
}
type Sending = { readonly packed?: boolean; readonly as?: TestSite; readonly device?: TestDevice }

let receiver: Receiver
let isFull = false

/** A database that has no room for another event while `isFull`, and says so as PostgreSQL does. */
function filling(on: Database): Database {
  return {
    ...on,
    transaction: (run, turn) =>
      on.transaction(
        (sql, copy) =>
          run(sql, async (...rows) => {
            if (isFull) throw Object.assign(new Error('No space left on device'), { code: '53100' })
            await copy(...rows)
          }),
        turn,
      ),
  }
}
let bench: Bench
let number = 0
const clock = testClock()
const sites = Array.from({ length: 24 }, (_, i) =>
  testSite(`bad-batches-${process.pid}-${process.hrtime.bigint()}-${i}`),
)

beforeAll(async () => {
  receiver = await openReceiver({
    ...{
      listen: { host: '127.0.0.1', port: 0 },
      database: filling(database),
      operatorToken: 'a-token-for-the-operator',
    },
    sites: sites.map((site, i) => served(site, `Site ${i}`)),
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    ...{
      signatures: (sites[0] as TestSite).signatures,
      clock,
      random: { bytes: (sites[0] as TestSite).random },
    },
    logger: quiet,
  })
}, 60_000)
afterAll(() => receiver.close())

/** A site of its own for each batch; two sessions in one log, in five segments. */
function nextBench(): Bench {
  const site = sites[number++] as TestSite
  const node = site.device('north')
  const log = site.openLog(node)
  for (const chargerId of ['CP-1', 'CP-2']) {
    const words = sessionBodies({ chargerId })
    log.append([words.start, words.pricing])
    log.append([words.end])
  }
  const good: Push = {
    segments: log.segments(0, 2),
    certificates: [node.certificate.encoded],
    sinceVersion: 0,
  }
  return {
    ...{ site, node, good },
    send: (body, { packed = false, as = site, device = node } = {}) => {
      const sent = packed ? new Uint8Array(gzipSync(body)) : body
      return post(as, device, { body: sent, isPacked: packed })
    },
    known: async () => {
      const { events } = await summaryOf(database, site.siteId)
      const [sessions, bills] = [
        await sessionsPage(database, site.siteId, ALL),
        await billsPage(database, site.siteId, ALL),
      ]
      return { sessions: sessions.items.length, bills: bills.items.length, events }
    },
  }
}

function post(
  { siteId, signatures }: TestSite,
  device: TestDevice,
  { body, isPacked }: { readonly body: Uint8Array; readonly isPacked: boolean },
): Promise<Reply> {
  const certificate = (): Uint8Array => device.certificate.encoded
  const signer = { siteId, signatures, certificate, logKey: device.keys.logKey }
  const signed = signedHeaders(signer, { method: 'POST', path: PUSH_PATH, issuedAt: clock.wallMs(), body })
  const headers = {
    ...{ 'content-type': 'application/cbor', ...signed },
    ...(isPacked && { 'content-encoding': 'gzip' }),
  }
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const agent = new https.Agent({ ca: receiver.caPem })
  const request = https.request(
    `${receiver.url}${PUSH_PATH}`,
    { method: 'POST', headers, agent },
    response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const all = Buffer.concat(parts)
        const status = response.statusCode ?? 0
        if (status === 200) resolve({ status, answer: decodeAnswer(new Uint8Array(all)) })
        else resolve({ status, code: (JSON.parse(all.toString('utf8')) as { code: string }).code })
      })
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

const NOTHING = { sessions: 0, bills: 0, events: 0 }
const WHOLE = { sessions: 2, bills: 2, events: 7 }

/** Whatever came before, the good batch is applied now, once. */
async function heals({ good, send, known }: Bench, expected = WHOLE): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const { status, answer } = await send(encodePush(good))
    expect([status, answer?.refused]).toEqual([200, []])
  }
  expect(await known()).toEqual(expected)
}

function changed(segments: readonly Segment[], at: number, change: (one: Segment) => Segment): Segment[] {
  return segments.map((segment, i) => (i === at ? change(segment) : segment))
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const other = Uint8Array.from(bytes)
  other[at] = (other[at] ?? 0) ^ 1
  return other
}

describe('a batch whose bytes are cut off', () => {
  it('is no batch, wherever the cut is, packed or not, and nothing of it is kept', async () => {
    bench = nextBench()
    const { good, send, known } = bench
    const whole = encodePush(good)
    const first = good.segments[0]?.update ?? new Uint8Array(0)
    const inUpdate = Buffer.from(whole).indexOf(first)
    // Before anything, inside a head, inside an id, where bytes begin, inside them, one short of them, between parts, one short.
    const cuts = [0, 1, 2, 3, 4, 12, inUpdate - 1, inUpdate, inUpdate + 1, inUpdate + first.length - 1]
    cuts.push(inUpdate + first.length, whole.length >> 1, whole.length - 2, whole.length - 1)
    for (const cut of cuts) {
      expect(await send(whole.subarray(0, cut)), `at ${cut}`).toEqual({ status: 400, code: 'malformed' })
      expect((await send(whole.subarray(0, cut), { packed: true })).status, `at ${cut}, packed`).toBe(400)
    }
    expect(await send(Uint8Array.from([...whole, 0])), 'a byte too many').toMatchObject({ status: 400 })
    expect(await known()).toEqual(NOTHING)
    await heals(bench)
  })

  it('in the middle of one log costs that log from there on, and no other', async () => {
    const cuts = [1, 8, 40, -70, -64, -1]
    for (const cut of cuts) {
      bench = nextBench()
      const { site, good, send, known } = bench
      const other = site.device('south')
      const log = site.openLog(other)
      const cutOff = changed(good.segments, 1, one => ({ ...one, update: one.update.slice(0, cut) }))
      const { status, answer } = await send(
        encodePush({
          ...good,
          segments: [...cutOff, ...log.segments()],
          certificates: [...good.certificates, other.certificate.encoded],
        }),
      )
      expect([status, answer?.refused.map(({ logId }) => logId)], `at ${cut}`).toEqual([
        200,
        [good.segments[0]?.logId],
      ])
      expect(await known(), `at ${cut}`).toEqual({ sessions: 1, bills: 0, events: 3 })
      await heals(bench, { ...WHOLE, events: 8 })
    }
  })
})

type Case = {
  readonly name: string
  readonly push: (bench: Bench) => Push
  /** First words of the reasons. */
  readonly refused: readonly string[]
  readonly first: { sessions: number; bills: number; events: number }
  /** When the good batch has come. */
  readonly atLast?: { sessions: number; bills: number; events: number }
}

function segmentsOf(events: readonly LogEvent[]): Segment[] {
  return events.map(event => ({
    ...{ logId: event.logId, fromSeq: event.seq },
    update: encodeUpdate(event.seq, [encodeElement(event)]),
  }))
}

/** A log of one session with an event between that newer software may write. */
function newerLog({ site, node }: Bench): { readonly logId: LogId; readonly segments: readonly Segment[] } {
  const log = site.openLog(node)
  const words = sessionBodies({ chargerId: 'CP-3' })
  const [start, pricing] = log.append([words.start, words.pricing])
  if (!start || !pricing) throw new Error('two events')
  const at = { logId: log.logId, seq: 3, prev: pricing.hash }
  const unsigned = {
    ...{ type: UNKNOWN_TYPE, hlc: hlcOf(SITE_OPENED_AT + 5000), monoMs: 5000 },
    // [1, "x"]
    body: Uint8Array.of(0x82, 1, 0x61, 0x78),
  }
  const signature = site.signatures.sign(node.keys.logKey, digestToSign(unsigned, at))
  return {
    logId: log.logId,
    segments: [...segmentsOf([place({ ...unsigned, signature }, at)])].flatMap(one => [
      ...log.segments(),
      one,
    ]),
  }
}

const CASES: readonly Case[] = [
  {
    name: 'in which each segment comes twice',
    push: ({ good }) => ({ ...good, segments: good.segments.flatMap(one => [one, one]) }),
    ...{ refused: [], first: WHOLE },
  },
  {
    name: 'whose segments come in reverse order',
    push: ({ good }) => ({ ...good, segments: good.segments.toReversed() }),
    ...{ refused: ['gap'], first: NOTHING },
  },
  {
    name: 'with a segment missing',
    push: ({ good }) => ({ ...good, segments: good.segments.filter((_, i) => i !== 1) }),
    ...{ refused: ['gap'], first: { sessions: 1, bills: 0, events: 2 } },
  },
  {
    name: 'that says another number than its bytes',
    push: ({ good }) => ({
      ...good,
      segments: changed(good.segments, 1, one => ({ ...one, fromSeq: one.fromSeq + 1 })),
    }),
    ...{ refused: ['*'], first: { sessions: 1, bills: 0, events: 2 } },
  },
  {
    name: 'with one bit turned in a signed event',
    push: ({ good }) => ({
      ...good,
      segments: changed(good.segments, 1, one => ({
        ...one,
        update: flipped(one.update, one.update.length >> 1),
      })),
    }),
    ...{ refused: ['*'], first: { sessions: 1, bills: 0, events: 2 } },
  },
  {
    name: 'under the name of another log',
    push: ({ good }) => ({
      ...good,
      segments: good.segments.map(one => ({ ...one, logId: 'ab'.repeat(16) as LogId })),
    }),
    ...{ refused: ['*'], first: NOTHING },
  },
  {
    name: 'signed by somebody else than whose log it is',
    push: ({ site, good }) => {
      const thief = { ...site.device('robbed'), keys: site.device('thief').keys }
      const log = site.openLog(thief)
      log.append([sessionBodies({ chargerId: 'CP-9' }).start])
      return { ...good, segments: log.segments(), certificates: [thief.certificate.encoded] }
    },
    ...{ refused: ['bad-signature'], first: NOTHING },
  },
  {
    name: 'of another site',
    push: ({ good }) => {
      const other = testSite('a foreign site')
      const stranger = other.device('stranger')
      const log = other.openLog(stranger)
      log.append([sessionBodies({ chargerId: 'CP-9' }).start])
      const certificates = [other.issuer.certificate.encoded, stranger.certificate.encoded]
      return { ...good, segments: log.segments(), certificates }
    },
    ...{ refused: ['foreign-site'], first: NOTHING },
  },
  {
    name: 'of a certificate that nobody knows',
    push: ({ site, good }) => ({
      ...good,
      segments: site.openLog(site.device('new')).segments(),
      certificates: [],
    }),
    ...{ refused: ['unknown-certificate'], first: NOTHING },
  },
  {
    name: 'with certificates that are none',
    push: ({ good }) => ({ ...good, certificates: [Uint8Array.of(1, 2, 3), ...good.certificates] }),
    ...{ refused: [], first: WHOLE },
  },
  {
    name: 'with an event of a type that only newer software knows',
    push: bench => ({ ...bench.good, segments: newerLog(bench).segments }),
    ...{
      refused: [],
      first: { sessions: 1, bills: 0, events: 4 },
      atLast: { sessions: 3, bills: 2, events: 11 },
    },
  },
]

describe('a cloud whose disk is full', () => {
  it('says that it cannot now, keeps nothing of the batch and acknowledges nothing, and takes it when there is room', async () => {
    bench = nextBench()
    const { good, send, known } = bench
    isFull = true
    try {
      for (let i = 0; i < 3; i++) expect(await send(encodePush(good))).toEqual({ status: 503, code: 'busy' })
      expect(await known()).toEqual(NOTHING)
    } finally {
      isFull = false
    }
    await heals(bench)
  })
})

describe('a batch', () => {
  it.each(CASES)('$name', async ({ push, refused, first, atLast = WHOLE }) => {
    bench = nextBench()
    const { status, answer } = await bench.send(encodePush(push(bench)))
    expect(status).toBe(200)
    const reasons = (answer?.refused ?? []).map(({ reason }) => reason.split(' ')[0])
    if (refused[0] === '*') expect(reasons).toHaveLength(refused.length)
    else expect(reasons).toEqual(refused)
    expect(await bench.known()).toEqual(first)
    await heals(bench, atLast)
  })

  it('with fields that only newer software knows is read as far as it is understood', async () => {
    bench = nextBench()
    const [head, ...row] = encodePush(bench.good)
    expect(head, 'an array of three').toBe(0x83)
    // Thirteen: what it may hold besides is null, and behind it stand "x" and 1.
    const newer = Uint8Array.of(0x8d, ...row, ...Array.from({ length: 8 }, () => 0xf6), 0x61, 0x78, 1)
    const { status, answer } = await bench.send(newer)
    expect([status, answer?.refused]).toEqual([200, []])
    expect(await bench.known()).toEqual(WHOLE)
  })

  it('that another site’s node sends to this site is not let in, nor is one to a site that is not served', async () => {
    bench = nextBench()
    const { site, good, send, known } = bench
    const [other, nobody] = [nextBench(), testSite('not served here')]
    const body = encodePush(good)
    expect(await send(body, { as: site, device: other.node })).toEqual({
      status: 401,
      code: 'certificate-refused',
    })
    expect(await send(body, { as: nobody, device: nobody.device('x') })).toEqual({
      status: 401,
      code: 'foreign-site',
    })
    expect(await known()).toEqual(NOTHING)
    await heals(bench)
    // To its own site a node may carry another's words; they are judged by whose they are.
    expect((await other.send(body)).answer?.refused).toMatchObject([{ reason: 'foreign-site' }])
  })
})

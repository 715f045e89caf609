// Nodes that agree at the receiver whose turn of forwarding it is: over real HTTPS and SQL, with clocks of their own.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { agree } from '../../src/cloud/forwarders.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { type Agreeing, createAgreeing } from '../../src/uplink/agreeing.ts'
import { AGREEMENT_PATH, encodeAgreementRequest } from '../../src/uplink/agreement.ts'
import { type AskReceiver, openHttpUplink } from '../../src/uplink/http.ts'
import { LEASE_TERMS } from '../../src/uplink/lease.ts'
import type { TurnState } from '../../src/upstream.ts'
import { until } from '../deadline.ts'
import { type TestDevice, testSite } from '../site.ts'
import { openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'

const site = testSite(`forwarders-${process.pid}-${process.hrtime.bigint()}`)
const clock = testClock()
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
let database: Database
let receiver: Receiver
let tests = 0
let uplink = ''
/** Whose turn it is by the order. */
let first = 'north'

beforeAll(async () => {
  database = await openTestDatabase()
  receiver = await openReceiver({
    listen: { host: '127.0.0.1', port: 0 },
    ...{ database, sites: [served(site, 'Stadium')], signatures: site.signatures, clock, random },
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    ...{ operatorToken: 'a-token-for-the-operator', logger: quiet },
  })
})
afterAll(async () => {
  await receiver.close()
  await database.close()
})
beforeEach(() => {
  uplink = `office-${++tests}`
  first = 'north'
})

/** Held, and without a doubt about what was said before. */
const isWhole = (state: TurnState): boolean => state.kind === 'held' && state.takenAt === undefined

type Forwarder = {
  readonly device: TestDevice
  readonly agreeing: Agreeing
  /** Asks now, and waits for what comes of it. */
  readonly ask: () => Promise<void>
  readonly pass: (ms: number) => void
  readonly way: { fault: 'none' | 'unreachable' | 'loses-answer' }
  readonly close: () => void
}

function forwarder(name: string, device = site.device(name)): Forwarder {
  const own = testClock()
  let nowMs = 0
  let answers = 0
  const { siteId, signatures } = site
  const http = openHttpUplink({
    ...{ name: 'fibre', siteId, signatures, clock, logKey: device.keys.logKey },
    ...{ certificate: () => device.certificate.encoded, url: receiver.url, caPem: receiver.caPem },
  })
  const way: Forwarder['way'] = { fault: 'none' }
  const ask: AskReceiver = async (path, body) => {
    try {
      if (way.fault === 'unreachable') throw new Error('no way')
      const answer = await http.ask(path, body)
      if (way.fault === 'loses-answer') throw new Error('lost on the way')
      return answer
    } finally {
      answers += 1
    }
  }
  const agreeing = createAgreeing({
    ...{ uplink, random, logger: quiet, ask: () => ask },
    clock: { monotonicMs: () => nowMs, wallMs: () => own.wallMs() + nowMs },
  })
  return {
    ...{ device, agreeing, way },
    pass: ms => {
      nowMs += ms
    },
    ask: async () => {
      nowMs += LEASE_TERMS.renewEveryMs
      const before = answers
      agreeing.tick({ mayBegin: name === first, heads: () => [] })
      await until(() => answers > before, { withinMs: 5000, what: 'an answer of the receiver' })
      // The tick after finds nothing under way.
      await new Promise(resolve => setImmediate(resolve))
    },
    close: () => http.close(),
  }
}

describe('two nodes at the receiver', () => {
  it('agree: the first has the turn, the other waits, says for whom, and has it at once when it is given up', async () => {
    const [north, south] = [forwarder('north'), forwarder('south')]
    await north.ask()
    await south.ask()
    expect(north.agreeing.state()).toSatisfy(isWhole)
    expect(south.agreeing.heldForMs()).toBe(0)
    expect(south.agreeing.state()).toEqual({
      ...{ kind: 'waiting', holder: north.device.certificate.deviceId, forMs: LEASE_TERMS.leaseMs },
    })
    await north.agreeing.close()
    first = 'south'
    expect(north.agreeing.heldForMs()).toBe(0)
    await south.ask()
    expect(south.agreeing.state()).toSatisfy(isWhole)
    north.close()
    south.close()
  })

  it('let the later one follow a silent holder, who has stopped by then; and nobody else', async () => {
    const [north, south] = [forwarder('north'), forwarder('south')]
    await north.ask()
    for (let passedMs = 0; passedMs < LEASE_TERMS.leaseMs; passedMs += LEASE_TERMS.renewEveryMs) {
      await south.ask()
      if (passedMs < LEASE_TERMS.leaseMs - LEASE_TERMS.marginMs)
        expect(north.agreeing.heldForMs()).toBeGreaterThan(0)
      expect(south.agreeing.heldForMs()).toBe(0)
      north.pass(LEASE_TERMS.renewEveryMs)
    }
    await south.ask()
    expect(south.agreeing.state()).toMatchObject({ kind: 'held', takenAt: expect.any(Number) })
    expect(north.agreeing.heldForMs()).toBe(0)
    await north.ask()
    const holder = south.device.certificate.deviceId
    expect(north.agreeing.state()).toMatchObject({ kind: 'waiting', holder })
    north.close()
    south.close()
  })

  it('lose nothing by a lost answer, and hold nothing for long that they cannot ask for', async () => {
    const north = forwarder('north')
    north.way.fault = 'loses-answer'
    await north.ask()
    expect(north.agreeing.heldForMs()).toBe(0)
    expect(north.agreeing.state()).toEqual({ kind: 'unasked', reason: 'lost on the way' })
    north.way.fault = 'none'
    await north.ask()
    expect(north.agreeing.state()).toSatisfy(isWhole)
    north.way.fault = 'unreachable'
    for (let i = 0; i < 5; i++) await north.ask()
    expect(north.agreeing.heldForMs()).toBeGreaterThan(0)
    await north.ask()
    expect(north.agreeing.heldForMs()).toBe(0)
    north.close()
  })

  it('give no turn to a device that was revoked, and take it from none that waits', async () => {
    first = 'thief'
    const thief = forwarder('thief')
    const { deviceId } = thief.device.certificate
    await database.query(
      `INSERT INTO revocations (site_id, device_id, log_id, seq, serial, cutoff) VALUES ($1, $2, 'root', 0, 1, '80')`,
      [site.siteId, deviceId],
    )
    await thief.ask()
    const reason = 'the receiver gives this node no turn'
    expect(thief.agreeing.state()).toEqual({ kind: 'unasked', reason })
    thief.close()
  })
})

describe('what the receiver refuses', () => {
  const { siteId } = site
  const request = (names: readonly string[]) => ({
    ...{
      life: random.bytes(16),
      leaseMs: 1000,
      claims: names.map(name => ({ uplink: name, mayBegin: true })),
    },
  })

  it('words that are no question, and who is of another site', async () => {
    const stranger = testSite('elsewhere')
    const device = stranger.device('stranger')
    const to = { name: 'fibre', clock, url: receiver.url, caPem: receiver.caPem }
    const north = site.device('north')
    const own = openHttpUplink({
      ...{ ...to, siteId, signatures: site.signatures, logKey: north.keys.logKey },
      certificate: () => north.certificate.encoded,
    })
    await expect(own.ask(AGREEMENT_PATH, new Uint8Array([1, 2]))).rejects.toMatchObject({ status: 400 })
    const foreign = openHttpUplink({
      ...{ ...to, siteId: stranger.siteId, signatures: site.signatures, logKey: device.keys.logKey },
      certificate: () => device.certificate.encoded,
    })
    const asked = encodeAgreementRequest(request([uplink]))
    await expect(foreign.ask(AGREEMENT_PATH, asked)).rejects.toMatchObject({ status: 401 })
    own.close()
    foreign.close()
  })

  it('more names than a site has central systems', async () => {
    const { deviceId } = site.device('greedy').certificate
    const names = Array.from({ length: 80 }, (_, i) => `name-${i}`)
    for (let i = 0; i < 80; i += 8)
      await agree(database, { siteId, deviceId, request: request(names.slice(i, i + 8)) })
    const found = await database.query('SELECT count(*) AS n FROM forwarders WHERE site_id = $1', [siteId])
    expect(Number(found.rows[0]?.n)).toBe(64)
  })
})

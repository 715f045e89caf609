// What goes ahead of logs, from a production node to the real receiver: digests, and ends of sessions with their starts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { digestsPage } from '../../src/cloud/digests.ts'
import { MAX_LONE_OF_DEVICE } from '../../src/cloud/lone-events.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { encodeElement } from '../../src/log/event.ts'
import { type LoneLog, readLone } from '../../src/log/lone.ts'
import { rootOf, signDigest } from '../../src/log/site-digest.ts'
import type { Push, Uplink } from '../../src/ports.ts'
import { hex } from '../../src/units.ts'
import { openHttpUplink } from '../../src/uplink/http.ts'
import { createWorld, operatorOf, type World } from '../node/world.ts'
import { sessionBodies, type TestDevice, type TestLog } from '../site.ts'
import { openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'

const TOKEN = 'a-token-for-the-operator'
const clock = testClock()
let database: Database
let world: World
let receiver: Receiver

beforeAll(async () => {
  database = await openTestDatabase()
  world = createWorld(`ahead-${process.pid}-${process.hrtime.bigint()}`)
  receiver = await openReceiver({
    ...{ listen: { host: '127.0.0.1', port: 0 }, database, sites: [served(world.site, 'Stadium')] },
    ...{ tls: await makeServerCertificate(['127.0.0.1']), operatorToken: TOKEN, clock, logger: quiet },
    ...{ signatures: world.site.signatures, random: world.random },
  })
})
afterAll(async () => {
  await receiver.close()
  await database.close()
})

function uplinkOf(device: TestDevice): Uplink {
  return openHttpUplink({
    ...{ name: 'fibre', url: receiver.url, caPem: receiver.caPem, clock, logKey: device.keys.logKey },
    ...{ siteId: world.site.siteId, signatures: world.site.signatures },
    certificate: () => device.certificate.encoded,
  })
}

async function listOf(path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { siteId } = world.site
  const { rows } = await database.query('SELECT 1 AS one FROM sites WHERE site_id = $1', [siteId])
  expect(rows).toHaveLength(1)
  const { get } = await import('node:https')
  return await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    get(`${receiver.url}/v1/${path}?limit=500`, { ca: receiver.caPem, headers }, response => {
      let text = ''
      response.on('data', chunk => {
        text += String(chunk)
      })
      response.on('end', () => resolve(JSON.parse(text).items))
    }).on('error', reject)
  })
}

/** A log with one long session. */
function longSession(device: TestDevice, chargerId: string): TestLog {
  const log = world.site.openLog(device)
  const words = sessionBodies({ chargerId, meterStartWh: 1000, meterStopWh: 8500 })
  const ticks = Array.from({ length: 120 }, (_, i) => words.tick(1000 + 25 * i))
  log.append([words.start, words.pricing, ...ticks, words.end])
  return log
}

function loneEnd(log: TestLog, device: TestDevice): LoneLog {
  const end = log.events().at(-1)
  if (!end) throw new Error('a log has events')
  return {
    ...{ logId: log.logId, epochId: log.epochId, certHash: device.certificate.hash },
    events: [{ seq: end.seq, prev: end.prev, element: encodeElement(end) }],
  }
}

const NOTHING: Push = { segments: [], certificates: [], sinceVersion: 0 }

describe('what goes ahead of logs', () => {
  it('comes first where bytes are paid for: sessions are known by their ends, and the logs agree when they are there', async () => {
    const a = await world.member('a')
    await operatorOf(world, a)
    const devices = Array.from({ length: 12 }, (_, i) => world.site.device(`pole ${i}`))
    for (const [i, device] of devices.entries()) {
      const segments = longSession(device, `CP-${i}`).segments()
      await a.node().submit({ certificates: [device.certificate.encoded], segments, objects: [] })
    }
    const pushes: Push[] = []
    const real = uplinkOf(a.device)
    let pending: Promise<unknown> = Promise.resolve()
    const paid: Uplink = {
      ...{ name: 'satellite', terms: { priority: 1, windows: [], budgetBytes: 5_000_000 } },
      push: push => {
        pushes.push(push)
        const answer = real.push(push)
        pending = answer
        return answer
      },
    }
    a.node().setUplinks([paid])
    /** Until the condition holds, each push answered in real time. */
    const until = async (holds: () => Promise<boolean>): Promise<void> => {
      for (let [i, seen] = [0, -1]; i < 120; i++) {
        if (pushes.length !== seen && (await holds())) return
        seen = pushes.length
        await world.run(5000)
        await pending
      }
      throw new Error('it never came to that')
    }
    await until(async () => pushes.length > 0)
    const [first] = pushes
    const ends = (first?.lone ?? []).flatMap(({ events }) => events)
    const covered = new Set(first?.segments.map(({ logId }) => logId))
    expect(first?.digest?.length).toBeLessThan(180)
    expect(covered.size).toBeLessThan(10)
    expect(ends.length).toBeGreaterThanOrEqual(2 * (12 - covered.size))
    const provisional = await listOf('provisional')
    expect(provisional.length).toBeGreaterThanOrEqual(12 - covered.size)
    for (const session of provisional) expect(session).toMatchObject({ state: 'provisional', energyWh: 7500 })
    const billed = (await listOf('bills')).map(({ sessionId }) => sessionId)
    expect(provisional.filter(({ sessionId }) => billed.includes(sessionId))).toEqual([])
    expect((await listOf('digests')).map(({ state }) => state)).toEqual(['held'])

    await until(async () => (await listOf('provisional')).length === 0)
    expect((await listOf('sessions')).filter(({ endRef }) => endRef !== null)).toHaveLength(12)
    // What comes next has room for the list.
    const late = longSession(world.site.device('late'), 'CP-late').segments()
    const certificates = [world.site.device('late').certificate.encoded]
    await a.node().submit({ certificates, segments: late, objects: [] })
    await until(async () => (await listOf('digests')).some(({ state }) => state === 'agrees'))
    expect(await listOf('forks')).toEqual([])
  })
})

describe('a digest', () => {
  const node = () => world.site.device('north')
  const place = (log: TestLog) => {
    const newest = log.events().at(-1)
    if (!newest) throw new Error('a log has events')
    return { logId: log.logId, seq: newest.seq, hash: newest.hash }
  }

  it('agrees once its list and the logs have come, in whatever order', async () => {
    const device = node()
    const log = longSession(device, 'CP-north')
    const signer = {
      ...{ certHash: device.certificate.hash, logKey: device.keys.logKey },
      signatures: world.site.signatures,
    }
    const frontier = [place(log)]
    const uplink = uplinkOf(device)
    const issuedAt = clock.wallMs()
    await uplink.push({ ...NOTHING, digest: signDigest(signer, frontier, issuedAt), frontier })
    const mine = async () =>
      (await listOf('digests')).find(({ deviceId }) => deviceId === device.certificate.deviceId)
    expect(await mine()).toMatchObject({ state: 'held', logs: 1, root: rootOf(frontier), issuedAt })
    await uplink.push({ ...NOTHING, segments: log.segments() })
    expect(await mine()).toMatchObject({ state: 'agrees' })
  })

  it('that commits to another history than the log has is shown beside the forks', async () => {
    const device = world.site.device('two-faced')
    const log = longSession(device, 'CP-two')
    const signer = {
      ...{ certHash: device.certificate.hash, logKey: device.keys.logKey },
      signatures: world.site.signatures,
    }
    const lie = [{ ...place(log), hash: 'ee'.repeat(32) as never }]
    const uplink = uplinkOf(device)
    await uplink.push({ ...NOTHING, segments: log.segments() })
    await uplink.push({ ...NOTHING, digest: signDigest(signer, lie, 5), frontier: lie })
    const forks = (await listOf('forks')).filter(({ deviceId }) => deviceId === device.certificate.deviceId)
    expect(forks).toMatchObject([{ evidence: 'digest', seq: lie[0]?.seq, theirs: 'ee'.repeat(32) }])
  })

  it('is compared though others wait for what never comes, and those that contradict are bounded', async () => {
    const device = world.site.device('patient')
    const log = longSession(device, 'CP-patient')
    const signer = {
      ...{ certHash: device.certificate.hash, logKey: device.keys.logKey },
      signatures: world.site.signatures,
    }
    const uplink = uplinkOf(device)
    const tell = async (issuedAt: number, frontier: readonly ReturnType<typeof place>[]): Promise<void> => {
      await uplink.push({ ...NOTHING, digest: signDigest(signer, frontier, issuedAt), frontier })
    }
    const never = longSession(device, 'CP-never')
    await tell(0, [place(never)])
    await tell(1, [{ ...place(never), seq: 1 }])
    await tell(clock.wallMs(), [place(log)])
    await uplink.push({ ...NOTHING, segments: log.segments() })
    const mine = async () =>
      (await listOf('digests')).filter(({ deviceId }) => deviceId === device.certificate.deviceId)
    const agrees = async () => (await mine()).some(({ state }) => state === 'agrees')
    for (let i = 0; i < 100 && !(await agrees()); i++) await uplink.push(NOTHING)
    expect(await agrees()).toBe(true)

    const { siteId } = world.site
    const { deviceId } = device.certificate
    await database.query(
      `INSERT INTO digests (site_id, device_id, issued_at, encoded, logs, events, root, received_at, state)
       SELECT $1, $2, n, '', 0, 0, '', 0, 'contradicts' FROM generate_series(9007199254740000, 9007199254740299) AS n`,
      [siteId, deviceId],
    )
    await tell(77, [place(log)])
    expect((await mine()).map(({ issuedAt }) => issuedAt)).not.toContain(77)
    const first = await digestsPage(database, siteId, { cursor: '', limit: 5 })
    const second = await digestsPage(database, siteId, { cursor: first.next ?? '', limit: 5 })
    expect(second.items).not.toEqual(first.items)
  })

  it('that nobody of this site signed is not kept', async () => {
    const device = world.site.device('east')
    const signer = {
      ...{ certHash: device.certificate.hash, logKey: node().keys.logKey },
      signatures: world.site.signatures,
    }
    const before = await listOf('digests')
    const uplink = uplinkOf(device)
    await uplink.push({ ...NOTHING, digest: signDigest(signer, [], 7) })
    await uplink.push({ ...NOTHING, digest: Uint8Array.of(0x80) })
    expect(await listOf('digests')).toEqual(before)
  })
})

describe('a lone end', () => {
  it('that contradicts the log when it comes is evidence of a fork, and bills nothing', async () => {
    const device = world.site.device('forger')
    const epochId = hex<TestLog['epochId']>(world.random.bytes(16))
    const told = world.site.openLog(device, { epochId })
    const kept = world.site.openLog(device, { epochId })
    const words = sessionBodies({ chargerId: 'CP-forged' })
    told.append([words.start, words.end])
    kept.append([words.start, sessionBodies({ chargerId: 'CP-forged', meterStopWh: 154_201 }).end])
    const uplink = uplinkOf(device)
    await uplink.push({ ...NOTHING, lone: [loneEnd(told, device)] })
    const mine = (await listOf('provisional')).filter(({ chargerId }) => chargerId === 'CP-forged')
    expect(mine).toMatchObject([{ energyWh: null }])
    await uplink.push({ ...NOTHING, segments: kept.segments() })
    const forks = (await listOf('forks')).filter(({ deviceId }) => deviceId === device.certificate.deviceId)
    expect(forks).toMatchObject([{ evidence: 'lone-event', theirs: told.events().at(-1)?.hash }])
    expect(await listOf('provisional')).toEqual([])
  })

  it('costs the push that carries it nothing, whatever its charger is called, and a device has so many', async () => {
    const [liar, relay] = [world.site.device('liar'), world.site.device('relay')]
    const told = longSession(liar, 'CP-\u0000')
    const log = longSession(relay, 'CP-relay')
    const uplink = uplinkOf(relay)
    const certificates = [liar.certificate.encoded]
    const answer = await uplink.push({
      ...{ ...NOTHING, certificates, segments: log.segments() },
      lone: [loneEnd(told, liar)],
    })
    expect(answer.refused).toEqual([])
    const known = async () => (await listOf('provisional')).filter(({ chargerId }) => chargerId === 'CP-more')
    const more = longSession(liar, 'CP-more')
    const { deviceId } = liar.certificate
    const params = [world.site.siteId, deviceId]
    await database.query(
      `INSERT INTO lone_events (site_id, log_id, seq, event_hash, device_id, type, element, register_wh, charger_id, received_at)
       SELECT $1, 'x', n, '', $2, 0, '', 0, '', 0 FROM generate_series(1, ${MAX_LONE_OF_DEVICE}) AS n`,
      params,
    )
    await uplink.push({ ...NOTHING, lone: [loneEnd(more, liar)] })
    expect(await known()).toEqual([])
    await database.query(`DELETE FROM lone_events WHERE site_id = $1 AND device_id = $2`, params)
    await uplink.push({ ...NOTHING, lone: [loneEnd(more, liar)] })
    expect(await known()).toHaveLength(1)
  })

  it('is refused where its signature, its log or its type is not what it says', () => {
    const device = world.site.device('south')
    const log = longSession(device, 'CP-south')
    const good = loneEnd(log, device)
    const [event] = good.events
    if (!event) throw new Error('there is an end')
    const read = (lone: LoneLog, by = device) => readLone(world.site.signatures, by.certificate, lone)
    expect(read(good)).toHaveLength(1)
    expect(read({ ...good, events: [{ ...event, seq: event.seq + 1 }] })).toBe('bad-signature')
    expect(read({ ...good, epochId: 'ab'.repeat(16) as never })).toBe('log-id-mismatch')
    expect(read(good, world.site.device('west'))).toBe('log-id-mismatch')
    expect(read({ ...good, events: [{ ...event, element: event.element.slice(1) }] })).toBe('element')
    const tick = log.events().find(one => one.signature === undefined)
    if (!tick) throw new Error('there is a tick')
    const ticking = { seq: tick.seq, prev: tick.prev, element: encodeElement(tick) }
    expect(read({ ...good, events: [ticking] })).toBe('type')
  })
})

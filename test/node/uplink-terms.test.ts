// A production node with ways out that are paid for or that come second, over a simulated disk and a virtual clock.
import { describe, expect, it } from 'vitest'
import type { EventRef } from '../../src/log/fields.ts'
import { signObject } from '../../src/log/object.ts'
import type { HeldLog, Push, PushAnswer, Uplink, UplinkTerms } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import { UplinkFailed } from '../../src/uplink/http.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { createWorld, type Member, operatorOf, revokeOf, startMessage, type World } from './world.ts'

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS

type Tap = Uplink & { readonly pushes: { readonly atMs: number; readonly push: Push }[]; fails: boolean }

type TapOptions = Partial<UplinkTerms> & { readonly wireBytes?: number; readonly isDeaf?: boolean }

function tap(world: World, name: string, options: TapOptions = {}): Tap {
  const { wireBytes = 1000, isDeaf = false, ...terms } = options
  const pushes: Tap['pushes'] = []
  const made: Tap = {
    ...{ name, pushes, fails: false, terms: { priority: 1, windows: [], ...terms } },
    push: async (push): Promise<PushAnswer> => {
      pushes.push({ atMs: world.nowMs(), push })
      if (isDeaf) await new Promise(() => undefined)
      if (made.fails) throw new UplinkFailed('no way to it', {})
      return { version: 0, acks: [], refused: [], wireBytes }
    },
  }
  return made
}

/** The cloud's word that it holds a log up to there. */
function ackOf({ site, wallMs }: World, { logId, seq, hash }: EventRef): Uint8Array {
  const { certificate, keys } = site.cloud
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: site.signatures }
  const body = { logId, seq, hash, durability: 1, cloudEpoch: 0, issuedAt: wallMs() }
  return signObject(signer, { kind: 'ack', body })
}

const reachesOf = ({ segments }: Push): readonly HeldLog[] =>
  segments.map(({ logId, fromSeq, update }) => ({ logId, nextSeq: fromSeq + countOf(update) }))

/** What it was pushed it has. */
function acking<U extends Uplink>(world: World, a: Member, one: U): U {
  const acks = (push: Push): readonly Uint8Array[] =>
    reachesOf(push).map(({ logId, nextSeq }) => {
      const seq = nextSeq - 1
      const hash = a.node().ledger().logs.get(logId)?.hashes[seq]
      if (!hash) throw new Error('no log is so long')
      return ackOf(world, { logId, seq, hash })
    })
  const push = async (given: Push): Promise<PushAnswer> => {
    const answer = await one.push(given)
    return { ...answer, acks: [...answer.acks, ...acks(given)] }
  }
  return { ...one, push }
}

async function oneNode(seed: string): Promise<{ world: World; a: Member }> {
  const world = createWorld(seed)
  const a = await world.member('a')
  await operatorOf(world, a)
  await world.run(3000)
  return { world, a }
}

function statusOf(a: Member, name: string) {
  const status = a
    .node()
    .uplinks()
    .status()
    .find(one => one.name === name)
  if (!status) throw new Error(`no uplink ${name}`)
  return status
}

describe('an uplink of a higher number', () => {
  it('is used when the first has failed for a while, for money sooner, and left when that works again', async () => {
    const { world, a } = await oneNode('second way')
    const [cloud, satellite] = [tap(world, 'cloud'), tap(world, 'satellite', { priority: 2 })]
    a.node().setUplinks([cloud, satellite])
    await world.run(30_000)
    expect(cloud.pushes.length).toBeGreaterThan(0)
    expect(satellite.pushes).toEqual([])
    expect(statusOf(a, 'satellite')).toMatchObject({ state: 'waiting', why: 'waits behind cloud' })

    cloud.fails = true
    const brokeAtMs = world.nowMs()
    await world.until(() => satellite.pushes.length > 0, 120_000)
    expect((satellite.pushes[0]?.atMs ?? 0) - brokeAtMs).toBeGreaterThan(10_000)
    expect(statusOf(a, 'cloud').why).toMatch(/^backs off after .*: no way to it$/)

    cloud.fails = false
    a.node().uplinks().hurry()
    await world.run(2000)
    const before = satellite.pushes.length
    await a.tell(startMessage(world))
    await world.run(60_000)
    expect(satellite.pushes.length).toBe(before)
  })
})

describe('a window', () => {
  it('is kept, and what waits goes when it opens', async () => {
    const { world, a } = await oneNode('window')
    const minute = Math.floor(world.wallMs() / 60_000) % 1440
    const [fromMinute, untilMinute] = [(minute + 10) % 1440, (minute + 20) % 1440]
    const nightly = tap(world, 'nightly', { windows: [{ fromMinute, untilMinute }] })
    a.node().setUplinks([nightly])
    await a.tell(startMessage(world))
    await world.run(5 * 60_000)
    expect(nightly.pushes).toEqual([])
    expect(statusOf(a, 'nightly').why).toMatch(/^outside its window until \d\d:\d\d UTC$/)
    expect(a.node().uplinks().waiting(a.node().ledger()).events).toBeGreaterThan(1)
    await world.run(40 * 60_000)
    const minuteOf = (atMs: number): number => Math.floor((SITE_OPENED_AT + atMs) / 60_000) % 1440
    const minutes = nightly.pushes.map(({ atMs }) => (minuteOf(atMs) - fromMinute + 1440) % 1440)
    expect(minutes.length).toBeGreaterThan(0)
    expect(Math.max(...minutes)).toBeLessThan(10)
  })
})

describe('a budget', () => {
  it('holds over a crash loop: what a push may take is on the disk before it goes', async () => {
    const { world, a } = await oneNode('crash loop')
    const budgetBytes = 120_000
    let pushes = 0
    for (let i = 0; i < 25; i++) {
      const paid = tap(world, 'paid', { budgetBytes, isDeaf: true })
      a.node().setUplinks([paid])
      await a.tell(startMessage(world, { connectorId: 1 + (i % 4) }))
      await world.until(() => paid.pushes.length > 0 || statusOf(a, 'paid').state === 'waiting', 60_000)
      pushes += paid.pushes.length
      a.crash()
      await a.boot()
    }
    expect(pushes).toBeGreaterThan(8)
    // Each is reserved 6 kB at the least, and a fifth is kept.
    expect(pushes).toBeLessThanOrEqual((0.8 * budgetBytes) / 6000)
  })

  it('counts what a push really took, and goes on the next day', async () => {
    const { world, a } = await oneNode('real bytes')
    a.wallOffsetMs = DAY_MS - (world.wallMs() % DAY_MS) - 1.5 * HOUR_MS
    const paid = tap(world, 'paid', { budgetBytes: 50_000, wireBytes: 10_000 })
    a.node().setUplinks([paid])
    await world.run(1.4 * HOUR_MS)
    const first = paid.pushes.length
    expect(first * 10_000).toBeLessThanOrEqual(50_000)
    expect(statusOf(a, 'paid')).toMatchObject({ sentTodayBytes: first * 10_000, budgetBytes: 50_000 })
    expect(first).toBeGreaterThan(1)
    await world.run(0.5 * HOUR_MS)
    const second = paid.pushes.length - first
    expect(second).toBeGreaterThan(0)
    expect(statusOf(a, 'paid').sentTodayBytes).toBe(second * 10_000)
  })

  it('that cannot be read counts as spent, and is said', async () => {
    const { world, a } = await oneNode('unreadable')
    await a.disk.mount().replace('uplinks/spent', Uint8Array.of(1, 2, 3))
    const paid = tap(world, 'paid', { budgetBytes: 1_000_000 })
    a.node().setUplinks([paid])
    await world.run(60_000)
    expect(paid.pushes).toEqual([])
    expect(a.logged.join()).toContain('what uplinks have cost cannot be read')
    expect(statusOf(a, 'paid').why).toBe("the day's budget is spent")
  })

  it('lets nothing go that could not be written down', async () => {
    const { world, a } = await oneNode('full disk')
    const paid = tap(world, 'paid', { budgetBytes: 1_000_000 })
    a.disk.fillUp()
    a.node().setUplinks([paid])
    await world.run(30_000)
    expect(paid.pushes).toEqual([])
    expect(statusOf(a, 'paid').sentTodayBytes).toBe(0)
  })

  it('that does not carry the next piece is not spent on empty pushes, and the way behind it is used', async () => {
    const { world, a } = await oneNode('too small')
    const pole = world.site.device('pole')
    const log = world.site.openLog(pole)
    const { start, tick, end } = sessionBodies({})
    log.append([start, ...Array.from({ length: 60 }, (_, n) => tick(154_200 + n)), end])
    const certificates = [pole.certificate.encoded]
    await a.node().submit({ certificates, segments: log.segments(), objects: [] })
    const paid = acking(world, a, tap(world, 'paid', { budgetBytes: 10_000, wireBytes: 100 }))
    const second = acking(world, a, tap(world, 'second', { priority: 2 }))
    a.node().setUplinks([paid, second])
    await world.run(60 * 60_000)
    const reachOf = ({ pushes }: Tap): number =>
      pushes
        .flatMap(({ push }) => reachesOf(push))
        .filter(({ logId }) => logId === log.logId)
        .reduce((most, { nextSeq }) => Math.max(most, nextSeq), 0)
    expect(reachOf(paid)).toBeLessThan(log.events().length)
    expect(reachOf(second)).toBe(log.events().length)
    const empty = paid.pushes.filter(({ push }) => push.segments.length === 0 && !push.lone && !push.digest)
    expect(empty.length).toBeLessThan(3)
    expect(a.node().ledger().ackedSeq(log.logId)).toBe(log.events().length - 1)
  })
})

describe('a way that is paid for', () => {
  it('asks on at once while an answer has no room for all that operators said', async () => {
    const { world, a } = await oneNode('more')
    const log = world.site.openLog(world.site.issuer)
    for (let i = 1; i <= 6; i++) log.append([revokeOf(`${i}${i}`.repeat(16))], world.wallMs())
    const parts = log.segments(0, 1)
    // It has all of this: nothing is pushed on its account.
    const acks = [ackOf(world, log.ref())]
    const certificates = [world.site.issuer.certificate.encoded]
    const asked: number[] = []
    const satellite: Uplink = {
      ...{ name: 'satellite', terms: { priority: 1, windows: [], budgetBytes: 5_000_000 } },
      push: async (push): Promise<PushAnswer> => {
        const held = push.holds?.find(one => one.logId === log.logId)?.nextSeq ?? 0
        asked.push(held)
        const segments = parts.slice(held, held + 1)
        const more = held + 1 < parts.length
        return { version: 1, acks, refused: [], wireBytes: 500, segments, certificates, more }
      },
    }
    a.node().setUplinks([acking(world, a, satellite)])
    await world.run(30_000)
    expect(asked.slice(0, parts.length)).toEqual(parts.map((_, i) => i))
  })
})

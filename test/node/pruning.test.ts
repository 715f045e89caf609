// What nodes let go of, and what they never do (PROTOCOL 1.11; I10, I11): only whole logs that the cloud has twice over, old
// enough by signed words, with all of their sessions; and what comes back from below a cut changes nothing.
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { simulatedDisk } from '../../simulations/disk/disk.ts'
import type { Acting } from '../../src/acting.ts'
import { addAudit } from '../../src/api/audit.ts'
import { reportRetention } from '../../src/api/retention.ts'
import { addTrace } from '../../src/api/trace.ts'
import type { AuditReport } from '../../src/audit/report.ts'
import type { Submission } from '../../src/input.ts'
import { createLedger } from '../../src/ledger.ts'
import { decodeBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { createPruning, prunable } from '../../src/pruning.ts'
import { heldEvents } from '../../src/replica/logs.ts'
import { decodeMessage } from '../../src/replica/message.ts'
import type { Journal } from '../../src/store/journal.ts'
import { cutRecord, type LedgerRecord, segmentRecord } from '../../src/store/records.ts'
import { type ChargerId, hex, type LogId } from '../../src/units.ts'
import { checked } from '../audit/site.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, type TestLog } from '../site.ts'
import { createWorld, type Member, operatorOf, sessionsOf, stateOf, type World } from './world.ts'

const DAY_MS = 24 * 3600 * 1000
const HOUR_MS = 3600 * 1000
const silent = (): void => undefined

/** The log of the tariff that the sessions name; nobody has it. */
const NOWHERE = '1'.repeat(32)

type Ack = {
  readonly seq?: number
  readonly hash?: string
  readonly durability?: number
  readonly at?: number
}

async function give(to: Member, given: Partial<Submission>) {
  return await to.node().submit({ certificates: [], segments: [], objects: [], ...given })
}

/** The cloud's word for a log, as far as is said. */
function ackOf({ site }: World, log: TestLog, said: Ack = {}): Uint8Array {
  const newest = log.ref(said.seq)
  const body = {
    ...{ ...newest, ...(said.hash !== undefined && { hash: said.hash as never }) },
    ...{ durability: said.durability ?? 2, cloudEpoch: 1, issuedAt: said.at ?? SITE_OPENED_AT },
  }
  const { certificate, keys } = site.cloud
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: site.signatures }
  return signObject(signer, { kind: 'ack', body })
}

/** The operator says that so many days have gone by. */
async function daysLater(world: World, to: Member, days: number): Promise<void> {
  const { certificate, keys } = world.site.issuer
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: world.site.signatures }
  const log = [...to.node().ledger().logs.all()].find(
    one => one.certificate.deviceId === certificate.deviceId,
  )
  if (!log) throw new Error('no operator')
  const { logId, seq, hash } = log.head
  const issuedAt = SITE_OPENED_AT + days * DAY_MS
  const body = { logId, seq, hash, issuedAt, nextByAt: issuedAt + DAY_MS }
  await give(to, { objects: [signObject(signer, { kind: 'beacon', body })] })
}

const FIRST = sessionBodies({ chargerId: 'CP-7' })
const SECOND = sessionBodies({ chargerId: 'CP-8', startedAt: SITE_OPENED_AT + 7_200_000 })
const whole = (session: typeof FIRST) => [session.start, session.pricing, session.tick(1500), session.end]

type Old = { readonly world: World; readonly a: Member; readonly device: TestDevice; readonly log: TestLog }

/** A node that is gone wrote two logs; `a` holds both, and all that happened in the older one is over. */
async function oldLogs(seed: string, bodies = whole(FIRST), disk = simulatedDisk()): Promise<Old> {
  const world = createWorld(seed)
  const a = await world.member('a', disk)
  await operatorOf(world, a)
  const device = world.site.device('gone')
  const log = world.site.openLog(device)
  log.append(bodies, world.wallMs())
  const later = world.site.openLog(device, { prev: log.ref() })
  later.append(whole(SECOND), world.wallMs() + 8_000_000)
  const certificates = [device.certificate.encoded]
  await give(a, { certificates, segments: [...log.segments(), ...later.segments()] })
  return { world, a, device, log }
}

const candidates = ({ a }: Pick<Old, 'a'>, days = 30): readonly LogId[] =>
  prunable(a.node().ledger(), days * DAY_MS)
const heldOf = ({ a, log }: Pick<Old, 'a' | 'log'>) => a.node().ledger().logs.get(log.logId)

describe('a log may go', () => {
  it('when an old ack of durability 2 covers all of it', async () => {
    const old = await oldLogs('may')
    expect(candidates(old), 'nobody acknowledged it').toEqual([])
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    expect(candidates(old), 'the ack is of today').toEqual([])
    await daysLater(old.world, old.a, 29)
    expect(candidates(old)).toEqual([])
    await daysLater(old.world, old.a, 30)
    expect(candidates(old)).toEqual([old.log.logId])
    expect(candidates(old, 31)).toEqual([])
    expect(candidates(old, 0), 'nobody is asked to keep less than a week').toEqual([old.log.logId])
  })

  it('and it is said what may, and what has to stay for which reason', async () => {
    const old = await oldLogs('said')
    const said = () => reportRetention(old.a.node())
    expect(said()).toMatchObject({
      days: 30,
      logs: { unacknowledged: { logs: 1, events: 5 }, live: { logs: 1 } },
    })
    await give(old.a, { objects: [ackOf(old.world, old.log, { durability: 1 })] })
    expect(said().logs).toMatchObject({ once: { logs: 1, events: 5 } })
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    expect(said()).toMatchObject({ logs: { young: { logs: 1 } }, nextAt: '2026-07-01T08:00:00.000Z' })
    await daysLater(old.world, old.a, 30)
    expect(said().logs).toMatchObject({ due: { logs: 1, events: 5 } })
    await old.world.run(HOUR_MS + 60_000)
    expect(said().logs).toMatchObject({ gone: { logs: 1, events: 5 }, operators: { logs: 1 } })
  })

  it('never where the site keeps everything', async () => {
    const old = await oldLogs('forever')
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    const operator = await operatorOf(old.world, old.a)
    const forever = { name: 'retention-days', value: '' }
    await operator.record([{ name: 'policy', body: forever }], old.a)
    await daysLater(old.world, old.a, 400)
    await old.world.run(HOUR_MS + 60_000)
    expect(heldOf(old)?.base).toBe(0)
  })

  it('after a week where the disk is nearly full, and not before it is', async () => {
    const old = await oldLogs('full')
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    await daysLater(old.world, old.a, 8)
    for (const usedShare of [undefined, 0.79]) {
      old.a.usedShare = usedShare
      await old.world.run(2 * HOUR_MS)
      expect(heldOf(old)?.base, String(usedShare)).toBe(0)
    }
    expect(old.a.logged).toContain('warn: the disk does not say how full it is')
    old.a.usedShare = 0.8
    await old.world.run(2 * HOUR_MS + 60_000)
    expect(heldOf(old)?.base).toBeGreaterThan(0)
  })

  it.each<[string, Ack]>([
    ['one database has it', { durability: 1 }],
    ['the ack is of another branch', { hash: 'ee'.repeat(32) }],
    ['the ack covers less', { seq: 3 }],
    ['the ack is younger', { at: SITE_OPENED_AT + 20 * DAY_MS }],
  ])('never when %s', async (_, said) => {
    const old = await oldLogs('never')
    await give(old.a, { objects: [ackOf(old.world, old.log, said)] })
    await daysLater(old.world, old.a, 40)
    expect(candidates(old)).toEqual([])
  })

  it('never on the word of a cloud whose key was stolen', async () => {
    const old = await oldLogs('stolen-cloud')
    const { deviceId, serial } = old.world.site.cloud.certificate
    const operator = await operatorOf(old.world, old.a)
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    await daysLater(old.world, old.a, 40)
    expect(candidates(old)).toEqual([old.log.logId])
    const revoke = { deviceId, serial, reason: 'stolen', cutoff: [] }
    await operator.record([{ name: 'device_revoke', body: revoke }], old.a)
    expect(candidates(old)).toEqual([])
  })

  it.each([
    ['a session in it is not over', [FIRST.start, FIRST.tick(1500)]],
    ['a stop in it fits no start yet', [FIRST.end]],
  ])('never while %s', async (_, bodies) => {
    const old = await oldLogs('open', bodies)
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    await daysLater(old.world, old.a, 40)
    expect(candidates(old)).toEqual([])
  })

  it('only with every other log of its sessions', async () => {
    const old = await oldLogs('together', [FIRST.start, FIRST.tick(1500)])
    const other = old.world.site.device('other')
    const [end, newer] = [old.world.site.openLog(other), old.world.site.openLog(other)]
    end.append([FIRST.end], old.world.wallMs())
    newer.append([{ name: 'diagnostics', body: { code: 'x', detail: '' } }], old.world.wallMs() + DAY_MS)
    const certificates = [other.certificate.encoded]
    await give(old.a, { certificates, segments: [...end.segments(), ...newer.segments()] })
    await give(old.a, { objects: [ackOf(old.world, old.log)] })
    await daysLater(old.world, old.a, 40)
    expect(candidates(old), 'its end is not acknowledged').toEqual([])
    await give(old.a, { objects: [ackOf(old.world, end)] })
    expect([...candidates(old)].sort()).toEqual([old.log.logId, end.logId].sort())
  })

  it('never when its device is revoked, and never from the operator', async () => {
    const old = await oldLogs('revoked')
    const { deviceId, serial } = old.device.certificate
    const operator = await operatorOf(old.world, old.a)
    await give(old.a, { objects: [ackOf(old.world, old.log), ackOf(old.world, operator.log)] })
    await daysLater(old.world, old.a, 40)
    expect(candidates(old)).toEqual([old.log.logId])
    const revoke = { deviceId, serial, reason: 'stolen', cutoff: [] }
    await operator.record([{ name: 'device_revoke', body: revoke }], old.a)
    expect(candidates(old)).toEqual([])
  })
})

describe('the journal, while it is written anew', () => {
  it('keeps what was let go of since, because the word of that may not be durable yet', async () => {
    const { world, a, log, device } = await oldLogs('since')
    const other = world.site.openLog(device, { prev: log.ref() })
    other.append([{ name: 'diagnostics', body: { code: 'x', detail: '' } }], world.wallMs())
    await give(a, {
      segments: other.segments(),
      objects: [ackOf(world, log), ackOf(world, other, { at: SITE_OPENED_AT + 20 * DAY_MS })],
    })
    await daysLater(world, a, 40)
    const ledger = a.node().ledger()
    const [first, second] = [log, other].map(one => ({
      logId: one.logId,
      record: segmentRecord('segment', one.segments()[0] as Segment),
    }))
    if (!first || !second) throw new Error('two logs')
    ledger.prune([first.logId])
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    let isDropped: ((record: LedgerRecord) => boolean) | undefined
    const drop = async (dropping: Parameters<Journal['drop']>[0]) => {
      isDropped = dropping.isDropped
      await held
      return 0
    }
    const pruning = createPruning({
      disk: {},
      journal: { drop, turnOver: () => undefined } as Partial<Journal> as Journal,
      ...{ self: a.deviceId, count: () => undefined, breathe: () => Promise.resolve() },
      logger: { debug: silent, info: silent, warn: silent, error: silent },
    })
    for (const monotonicMs of [0, HOUR_MS])
      pruning.tick({
        ...{ ledger, times: { wallMs: 0, monotonicMs } },
        afterwards: (run: () => void) => run(),
      } as Partial<Acting> as Acting)
    expect(isDropped?.(first.record)).toBe(true)
    ledger.prune([second.logId])
    expect(ledger.logs.get(second.logId)?.cut).toBeDefined()
    expect(isDropped?.(second.record)).toBe(false)
    go()
    await pruning.settled()
  })
})

/** Licensed, forty days old, and an hour later. */
async function prunedLog(seed: string): Promise<Old> {
  const old = await oldLogs(seed)
  await give(old.a, { objects: [ackOf(old.world, old.log)] })
  await daysLater(old.world, old.a, 40)
  await old.world.run(HOUR_MS + 60_000)
  return old
}

const journalOf = ({ disk }: Member): Buffer =>
  Buffer.concat(
    disk
      .durablePaths()
      .filter(path => path.startsWith('journal/'))
      .map(path => disk.durableBytes(path) ?? new Uint8Array()),
  )

describe('what a node let go of', () => {
  it('still says whose log it was, and nothing else', async () => {
    const old = await prunedLog('first')
    const log = heldOf(old)
    const names = (log ? heldEvents(log) : []).map(({ seq, type, body }) => [
      seq,
      decodeBody(type, body)?.name,
    ])
    expect(names).toEqual([[0, 'epoch_open']])
  })

  it('leaves no loss behind where a file of the journal that was removed with it comes back', async () => {
    const old = await prunedLog('back-from-the-dead')
    const { a, log, device, world } = old
    const words = heldOf(old)?.cut?.words
    const ledger = createLedger({
      ...{ roster: world.site.roster([device]), signatures: world.site.signatures, swVersion: 'test' },
      ...{ certificate: a.device.certificate, logKey: a.device.keys.logKey, random: world.random },
    })
    for (const segment of log.segments(2)) ledger.recover(segmentRecord('segment', segment))
    expect(ledger.rejectedOnRecovery()).toBe(1)
    if (words) ledger.recover(cutRecord(words))
    expect(ledger.rejectedOnRecovery()).toBe(0)
    expect(ledger.logs.get(log.logId)).toMatchObject({ base: 5 })
  })

  it('is gone from memory, folds and disk, and stays so over a crash', async () => {
    const old = await prunedLog('gone')
    const { a, log, world } = old
    const [event] = log.events().filter(({ seq }) => seq === 2)
    const look = (when: string): void => {
      expect(heldOf(old), when).toMatchObject({ base: 5, head: { seq: 4, hash: log.ref().hash } })
      expect(heldOf(old)?.elements[2], when).toBeUndefined()
      expect(
        a
          .node()
          .ledger()
          .view()
          .ofCharger('CP-7' as ChargerId).sessions,
        when,
      ).toEqual([])
      expect(
        a
          .node()
          .ledger()
          .view()
          .ofCharger('CP-8' as ChargerId).sessions,
        when,
      ).toHaveLength(1)
      expect(journalOf(a).includes(Buffer.from(event?.body ?? '')), when).toBe(false)
    }
    look('at once')
    a.crash()
    await a.boot()
    await world.run(2000)
    look('after a crash')
    expect(a.node().health().recovered).toMatch(/ 0 refused/)
    expect(a.node().ledger().rejectedOnRecovery()).toBe(0)
  })

  it('is no news to a peer that still holds it, and is kept by no newcomer', async () => {
    const old = await prunedLog('peers')
    const { world, a, log } = old
    const b = await world.member('b')
    await give(b, { certificates: [old.device.certificate.encoded] })
    await world.until(() => b.node().ledger().logs.get(log.logId) !== undefined, 60_000)
    expect(b.node().ledger().logs.get(log.logId)).toMatchObject({ base: 5 })
    await world.until(() => stateOf(a.node()) === stateOf(b.node()), 60_000)
    const before = world.sent.length
    await world.run(120_000)
    const since = world.sent.slice(before).map(({ bytes }) => decodeMessage(bytes)?.kind)
    expect(since.filter(kind => kind === 'want' || kind === 'cut' || kind === 'segment')).toEqual([])
    expect([...a.banned, ...b.banned]).toEqual([])
    b.crash()
    await b.boot()
    await world.run(30_000)
    expect(b.node().ledger().logs.get(log.logId)).toMatchObject({ base: 5 })
  })

  it('that comes back changes nothing, and what follows on it is taken', async () => {
    const old = await prunedLog('back')
    const { a, log, world } = old
    const sessions = sessionsOf(a.node())
    await give(a, { segments: log.segments() })
    await give(a, { segments: log.segments(2) })
    expect(heldOf(old)).toMatchObject({ base: 5, head: { seq: 4 }, fork: undefined })
    expect(sessionsOf(a.node())).toEqual(sessions)
    const third = sessionBodies({ chargerId: 'CP-9' })
    log.append(whole(third), world.wallMs())
    await give(a, { segments: log.segments(5) })
    expect(heldOf(old)).toMatchObject({ base: 5, head: { seq: 8 } })
    expect(
      a
        .node()
        .ledger()
        .view()
        .ofCharger('CP-9' as ChargerId).sessions,
    ).toHaveLength(1)
    a.crash()
    await a.boot()
    expect(heldOf(old)).toMatchObject({ base: 5, head: { seq: 8 } })
    expect(
      a
        .node()
        .ledger()
        .view()
        .ofCharger('CP-9' as ChargerId).sessions,
    ).toHaveLength(1)
    expect(a.node().uplinks().unsentEvents(a.node().ledger())).toBeGreaterThan(0)
  })

  it('keeps nobody from following a session that is still there', async () => {
    const old = await prunedLog('trace')
    const node = old.a.node()
    const [session] = node.ledger().view().sessions()
    const server = fastify()
    const roster = old.world.site.roster([old.a.device, old.device])
    addTrace(server, {
      report: { node, roster, connected: () => [] },
      ...{ name: 'a', clock: { wallMs: old.world.wallMs, monotonicMs: old.world.nowMs } },
    })
    const { statusCode, json } = await server.inject(`/v1/sessions/${session?.sessionId}/trace`)
    await server.close()
    expect(statusCode).toBe(200)
    expect(json().events.map((one: { what: string }) => one.what)).toContain('session_end')
  })

  it('leaves an audit that is proven, with a remark, at once and later', async () => {
    const old = await oldLogs('audit')
    const { a, world } = old
    await give(a, { objects: [ackOf(world, old.log)] })
    await daysLater(world, a, 40)
    const audit = async (): Promise<AuditReport> => {
      const server = fastify()
      const { certificate, keys } = a.device
      addAudit(server, {
        ...{ node: a.node(), roster: world.site.roster([a.device, old.device]), name: 'a', siteName: 'site' },
        clock: { wallMs: world.wallMs, monotonicMs: world.nowMs },
        signer: () => ({
          ...{ certHash: certificate.hash, logKey: keys.logKey, signatures: world.site.signatures },
        }),
      })
      const { rawPayload } = await server.inject('/v1/audit')
      await server.close()
      return await checked(new Uint8Array(rawPayload), { rootKey: world.site.rootKey })
    }
    const [before, wrongs] = [
      await audit(),
      (of: AuditReport) => of.findings.filter(one => one.severity === 'wrong' && one.about !== NOWHERE),
    ]
    expect(wrongs(before)).toEqual([])
    expect(before).toMatchObject({ sessions: { sessions: 2 } })
    await world.until(() => heldOf(old)?.base === 5, 2 * HOUR_MS)
    for (const when of ['at once', 'later']) {
      const after = await audit()
      expect(wrongs(after), when).toEqual([])
      expect(after.found, when).toMatchObject({ pruned: expect.any(Number) })
      expect(after.sessions?.sessions, when).toBe(1)
      await world.run(60_000)
    }
  })

  it('is there whole, or gone whole, whenever the power fails', async () => {
    const disk = { dieAt: Number.POSITIVE_INFINITY, operations: 0 }
    const steps: string[] = []
    for (let dieAt = 1, isDone = false; !isDone; dieAt++) {
      Object.assign(disk, { dieAt: Number.POSITIVE_INFINITY, operations: 0 })
      let last = ''
      const made = simulatedDisk({
        before: (operation, path) => {
          disk.operations += 1
          last = `${operation} ${path}`
          if (disk.operations === disk.dieAt) made.crash(() => 0.5)
          return undefined
        },
      })
      const old = await oldLogs('each-step', whole(FIRST), made)
      const { world, a, log } = old
      await give(a, { objects: [ackOf(world, log)] })
      await daysLater(world, a, 40)
      await world.run(HOUR_MS - 5000)
      expect(heldOf(old)?.base).toBe(0)
      const all = sessionsOf(a.node())
      Object.assign(disk, { dieAt, operations: 0 })
      await world.run(10_000)
      isDone = disk.operations < dieAt
      if (!isDone) steps.push(last)
      disk.dieAt = Number.POSITIVE_INFINITY
      a.crash()
      await a.boot()
      const when = `died at ${dieAt}: ${last}`
      expect(a.node().health().recovered, when).toMatch(/^(intact|torn).* 0 refused/)
      expect(heldOf(old)?.head, when).toMatchObject({ seq: 4, hash: log.ref().hash })
      expect([0, 5], when).toContain(heldOf(old)?.base)
      if (heldOf(old)?.base === 0) expect(sessionsOf(a.node()), when).toEqual(all)
      const sessions = a.node().ledger().view().sessions()
      expect(
        sessions.filter(({ end }) => !end),
        when,
      ).toEqual([])
      expect(sessions, when).toHaveLength(heldOf(old)?.base === 0 ? 2 : 1)
      await world.run(HOUR_MS + 60_000)
      expect(heldOf(old)?.base, when).toBe(5)
      const [event] = log.events().filter(({ seq }) => seq === 2)
      expect(journalOf(a).includes(Buffer.from(event?.body ?? '')), when).toBe(false)
    }
    expect(steps.map(step => step.split(' ')[0])).toContain('replace')
    expect(steps.length).toBeGreaterThan(3)
  }, 60_000)

  it('is a fork where another branch of it comes', async () => {
    const old = await prunedLog('branch')
    const { a, device, log, world } = old
    const other = world.site.openLog(device, { epochId: log.epochId })
    other.append([...whole(FIRST).slice(0, 3), { name: 'diagnostics', body: { code: 'x', detail: '' } }])
    await give(a, { segments: other.segments() })
    expect(heldOf(old)?.fork).toMatchObject({ seq: 4 })
  })

  it('is taken from no peer that let go of it too early, or without the cloud', async () => {
    const old = await oldLogs('liar')
    const { a, log, world } = old
    const elements = heldOf(old)?.elements ?? []
    const b = await world.member('b')
    const words = (ack: Uint8Array) => ({
      ...{ first: elements[0] as Uint8Array, last: elements.at(-1) as Uint8Array, ack },
      prev: Buffer.from(log.events().at(-1)?.prev ?? '', 'hex'),
    })
    const answer = (ack: Uint8Array): string => b.node().ledger().admitCut(words(ack)).kind
    expect(answer(ackOf(world, log))).toBe('refused')
    await give(b, { certificates: [old.device.certificate.encoded] })
    expect(answer(ackOf(world, log, { durability: 1 }))).toBe('refused')
    expect(answer(ackOf(world, log))).toBe('young')
    await world.run(10_000)
    await daysLater(world, a, 6)
    await world.run(10_000)
    expect(b.node().ledger().objects.signedAt() - SITE_OPENED_AT).toBe(6 * DAY_MS)
    expect(answer(ackOf(world, log, { seq: 3 }))).toBe('refused')
    expect(answer(ackOf(world, log))).toBe('young')
    expect(hex(elements[0] as Uint8Array)).not.toBe(hex(elements.at(-1) as Uint8Array))
  })

  it('is taken of no operator: a grant or a revocation is let go of by nobody', async () => {
    const old = await oldLogs('operators')
    const { a, world } = old
    const { log } = await operatorOf(world, a)
    const held = a.node().ledger().logs.get(log.logId)
    const b = await world.member('b')
    await daysLater(world, a, 40)
    await world.run(10_000)
    const newest = held?.head.seq ?? 0
    const words = {
      ...{ first: held?.elements[0] as Uint8Array, last: held?.elements[newest] as Uint8Array },
      prev: newest === 0 ? new Uint8Array(32) : Buffer.from(held?.hashes[newest - 1] ?? '', 'hex'),
      ack: ackOf(world, log),
    }
    const ledger = createLedger({
      ...{ roster: world.site.roster([b.device]), signatures: world.site.signatures, swVersion: 'test' },
      ...{ certificate: b.device.certificate, logKey: b.device.keys.logKey, random: world.random },
    })
    for (const { object } of b.node().ledger().objects.all()) ledger.admitObject(object.encoded)
    expect(ledger.admitCut(words)).toMatchObject({ kind: 'refused', reason: 'not-a-nodes' })
  })

  it.each([
    ['the cloud has lost since', 2, 'held'],
    ['the cloud has', 1, 'taken'],
  ] as const)('leaves what is held of a log alone where %s', async (_, cloudEpoch, kind) => {
    const old = await oldLogs('void')
    const { a, log, world, device } = old
    const b = await world.member('b')
    await daysLater(world, a, 40)
    await world.run(1000)
    const ledger = createLedger({
      ...{ roster: world.site.roster([b.device, device]), signatures: world.site.signatures },
      ...{ certificate: b.device.certificate, logKey: b.device.keys.logKey, random: world.random },
      swVersion: 'test',
    })
    for (const { object } of a.node().ledger().objects.all()) ledger.admitObject(object.encoded)
    const [part] = log.segments(0, 2)
    if (part) ledger.admit(part, { wallMs: world.wallMs(), monotonicMs: 0 })
    expect(ledger.logs.get(log.logId)?.head.seq).toBeLessThan(4)
    ledger.objects.sawCloud(cloudEpoch, ledger.objects.changes())
    const elements = heldOf(old)?.elements ?? []
    const words = {
      ...{ first: elements[0] as Uint8Array, last: elements.at(-1) as Uint8Array },
      ...{ prev: Buffer.from(log.events().at(-1)?.prev ?? '', 'hex'), ack: ackOf(world, log) },
    }
    expect(ledger.admitCut(words).kind).toBe(kind)
    expect(ledger.logs.get(log.logId)?.cut === undefined).toBe(kind === 'held')
  })
})

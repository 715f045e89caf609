// What a push may not do: each bad log is refused with its reason, and everything beside it is applied all the same.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { FINALISE_AFTER_MS, finalise } from '../../src/cloud/finalise.ts'
import { forksPage, gapsPage, summaryOf } from '../../src/cloud/reading.ts'
import type { AnyBody } from '../../src/log/body.ts'
import type { EventHash, LogId, SessionId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, testSite } from '../site.ts'
import { cloudBench, openTestDatabase } from './cloud-bench.ts'

const ALL = { cursor: '', limit: 1000 }

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

function certificateEvent(device: TestDevice): AnyBody {
  return { name: 'device_cert', body: { certificate: device.certificate.encoded } }
}

describe('a bad log', () => {
  it('is refused with its reason, and the rest of the batch is applied', async () => {
    const { site, push, bills } = await cloudBench(database)
    const [good, forged, gapped] = [site.device('good'), site.device('forged'), site.device('gapped')]
    const stranger = testSite('another site').device('stranger')
    const words = sessionBodies()
    const goodLog = site.openLog(good)
    goodLog.append([words.start, words.pricing, words.end])
    const forgedLog = site.openLog({ ...forged, keys: site.device('thief').keys })
    const gappedLog = site.openLog(gapped)
    gappedLog.append([words.start])
    const foreignLog = testSite('another site').openLog(stranger)
    const unknownLog = site.openLog(site.device('never certified to the cloud'))
    const answer = await push({
      segments: [
        ...forgedLog.segments(),
        ...gappedLog.segments(1),
        ...foreignLog.segments(),
        ...unknownLog.segments(),
        ...goodLog.segments(),
      ],
      certificates: [good, forged, gapped, stranger].map(device => device.certificate.encoded),
    })

    expect(new Map(answer.refused.map(({ logId, reason }) => [logId, reason.split(' ')[0]]))).toEqual(
      new Map([
        [forgedLog.logId, 'bad-signature'],
        [gappedLog.logId, 'gap'],
        [foreignLog.logId, 'foreign-site'],
        [unknownLog.logId, 'unknown-certificate'],
      ]),
    )
    expect(await bills()).toMatchObject([{ sessionId: words.sessionId, amount: '0.63' }])
  })

  it('is admitted when the issuer log that certifies its device comes later in the same batch', async () => {
    const { site, push } = await cloudBench(database)
    const node = site.device('north')
    const issuerLog = site.openLog(site.issuer)
    issuerLog.append([certificateEvent(node)])
    const log = site.openLog(node)
    const answer = await push({ segments: [...log.segments(), ...issuerLog.segments()] })
    expect(answer.refused).toEqual([])
    expect(answer.acks).toHaveLength(2)
  })

  it('certifies nobody when its writer is no issuer', async () => {
    const { site, push } = await cloudBench(database)
    const [node, hidden] = [site.device('north'), site.device('hidden')]
    const log = site.openLog(node)
    log.append([certificateEvent(hidden)])
    const hiddenLog = site.openLog(hidden)
    const answer = await push({
      segments: [...log.segments(), ...hiddenLog.segments()],
      certificates: [node.certificate.encoded],
    })
    expect(answer.refused).toMatchObject([{ logId: hiddenLog.logId }])
  })

  it('is admitted by a receiver that did not itself see the certificate', async () => {
    const one = await cloudBench(database)
    const two = await cloudBench(database, one)
    const node = one.site.device('north')
    const log = one.site.openLog(node)
    await one.push({ certificates: [node.certificate.encoded] })
    expect((await two.push({ segments: log.segments() })).refused).toEqual([])
    log.append([sessionBodies().start])
    const three = await cloudBench(database, one)
    expect((await three.push({ segments: log.segments(1) })).refused).toEqual([])
  })

  it('that forks is kept as evidence, and what lies beyond the fork moves no bill', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const node = site.device('clone')
    const certificates = [node.certificate.encoded]
    const before = sessionBodies({ chargerId: 'CP-A' })
    const beyond = sessionBodies({ chargerId: 'CP-B' })
    const later = sessionBodies({ chargerId: 'CP-C' })
    const log = site.openLog(node)
    log.append([before.start, before.pricing, before.end])
    log.append([beyond.start, beyond.pricing, beyond.end])
    const branch = site.openLog(node, { epochId: log.epochId })
    branch.append([before.start, before.pricing, before.end])
    branch.append([later.start, later.pricing, later.end], SITE_OPENED_AT + 9_000)
    expect((await push({ segments: log.segments(), certificates })).refused).toEqual([])
    expect(await bills()).toHaveLength(2)

    const forked = await push({ segments: branch.segments() })
    expect(forked.refused).toEqual([{ logId: log.logId, reason: 'fork at 4' }])
    log.append([later.start, later.pricing, later.end])
    expect((await push({ segments: log.segments(7) })).refused).toEqual([])

    expect(await bills()).toHaveLength(2)
    const states = new Map((await sessions()).map(session => [session.chargerId, session.state]))
    expect(states).toEqual(
      new Map([
        ['CP-A', 'complete'],
        ['CP-B', 'disputed'],
      ]),
    )
    const forks = await forksPage(database, site.siteId, ALL)
    expect(forks.items).toMatchObject([{ logId: log.logId, seq: 4, theirs: branch.ref(4).hash }])
    expect(await summaryOf(database, site.siteId)).toMatchObject({ forkedLogs: 1, events: 10 })
  })

  it('of a revoked device counts up to the cut-off, whichever comes first', async () => {
    for (const revokedFirst of [true, false]) {
      const { site, push, bills } = await cloudBench(database)
      const node = site.device('stolen')
      const old = sessionBodies({ chargerId: 'CP-A' })
      const fine = sessionBodies({ chargerId: 'CP-B' })
      const stolen = sessionBodies({ chargerId: 'CP-C' })
      const earlier = site.openLog(node)
      earlier.append([old.start, old.pricing, old.end])
      const log = site.openLog(node, { prev: earlier.ref() })
      log.append([fine.start, fine.pricing, fine.end])
      const cutoff = [log.ref()]
      log.append([stolen.start, stolen.pricing, stolen.end])
      const next = site.openLog(node, { prev: log.ref() })
      next.append([stolen.start, stolen.pricing, stolen.end])
      const issuerLog = site.openLog(site.issuer)
      const { deviceId, serial } = node.certificate
      issuerLog.append([{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff } }])
      const parts = [issuerLog.segments(), [...earlier.segments(), ...log.segments(), ...next.segments()]]
      for (const segments of revokedFirst ? parts : parts.toReversed()) {
        await push({ segments, certificates: [node.certificate.encoded] })
      }
      const billed = (await bills()).map(bill => bill.sessionId)
      const expected = [old.sessionId, fine.sessionId]
      // Written before the revocation was known, the bill stays and is disputed: people decide.
      expect(new Set(billed)).toEqual(new Set(revokedFirst ? expected : [...expected, stolen.sessionId]))
    }
  })
})

describe('a forged session', () => {
  it('under the id of another charger leaves the true one and its bill alone', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const [honest, liar] = [site.device('honest'), site.device('liar')]
    const certificates = [honest, liar].map(device => device.certificate.encoded)
    const words = sessionBodies()
    const other = sessionBodies({ chargerId: 'CP-2', meterStopWh: 154_300 })
    const rename = (said: AnyBody): AnyBody =>
      said.name === 'session_start' || said.name === 'session_end' || said.name === 'pricing'
        ? ({ name: said.name, body: { ...said.body, sessionId: words.sessionId } } as AnyBody)
        : said
    const [log, forged] = [site.openLog(honest), site.openLog(liar)]
    log.append([words.start, words.pricing, words.end])
    forged.append([other.start, other.end].map(rename))
    await push({ segments: log.segments(), certificates })
    const before = [await sessions(), await bills()]
    expect((await push({ segments: forged.segments(), certificates })).refused).toEqual([])
    expect([await sessions(), await bills()]).toEqual(before)
  })
})

describe('revisions', () => {
  it('credits the difference when another node tells of a smaller register', async () => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const [north, south] = [site.device('north'), site.device('south')]
    const certificates = [north, south].map(device => device.certificate.encoded)
    const more = sessionBodies()
    const less = sessionBodies({ meterStopWh: 156_200, stoppedAt: SITE_OPENED_AT + 3000_000 })
    const one = site.openLog(north)
    one.append([more.start, more.pricing, more.end])
    await push({ segments: one.segments(), certificates })
    const two = site.openLog(south)
    two.append([less.end])
    await push({ segments: two.segments(), certificates })

    expect(await sessions()).toMatchObject([
      { state: 'disputed', energyWh: 2000, flags: ['conflicting-ends'] },
    ])
    expect(await bills()).toMatchObject([
      { revision: 0, kind: 'invoice', amount: '0.63' },
      { revision: 1, kind: 'credit', amount: '-0.13', energyWh: 2000, reason: 'corrected' },
    ])
  })

  it('gives a session back that turns out to be another one with a corrected clock', async () => {
    const { site, push, sessions, bills, clock, deps } = await cloudBench(database)
    const node = site.device('north')
    const certificates = [node.certificate.encoded]
    const early = sessionBodies({ startedAt: Date.UTC(1970, 0, 1) })
    const right = sessionBodies()
    const log = site.openLog(node)
    log.append([early.start, early.pricing, early.tick(155_200)])
    await push({ segments: log.segments(), certificates })
    await finalise(deps.database, site.siteId, { wallMs: () => clock.wallMs() + FINALISE_AFTER_MS })
    expect(await bills()).toMatchObject([{ reason: 'provisional', amount: '0.25' }])
    log.append([right.start, right.pricing, right.end])
    await push({ segments: log.segments(4), certificates })

    const bySession = new Map<SessionId, readonly unknown[]>()
    for (const bill of await bills()) {
      const id = bill.sessionId as SessionId
      bySession.set(id, [...(bySession.get(id) ?? []), bill.amount])
    }
    expect(bySession).toEqual(
      new Map([
        [early.sessionId, ['0.25', '-0.25']],
        [right.sessionId, ['0.63']],
      ]),
    )
    expect(await sessions()).toEqual(
      expect.arrayContaining([expect.objectContaining({ sessionId: early.sessionId, flags: ['merged'] })]),
    )
  })

  it('ends a silent session at its last tick, and bills only the difference when the stop comes', async () => {
    const { site, push, sessions, bills, clock, deps } = await cloudBench(database)
    const node = site.device('north')
    const certificates = [node.certificate.encoded]
    const words = sessionBodies()
    const unread = sessionBodies({ chargerId: 'CP-2' })
    // Recorded last, sampled before: a queue that the charger emptied late.
    const late = sessionBodies().tick(154_900, SITE_OPENED_AT - 1)
    const log = site.openLog(node)
    log.append([
      words.start,
      words.pricing,
      words.tick(155_900),
      words.tick(156_200),
      late,
      unread.start,
      unread.pricing,
    ])
    await push({ segments: log.segments(), certificates })
    await finalise(deps.database, site.siteId, { wallMs: () => clock.wallMs() + FINALISE_AFTER_MS - 1 })
    expect(await bills()).toEqual([])
    await finalise(deps.database, site.siteId, { wallMs: () => clock.wallMs() + FINALISE_AFTER_MS })
    await finalise(deps.database, site.siteId, { wallMs: () => clock.wallMs() + 2 * FINALISE_AFTER_MS })
    expect(await bills()).toMatchObject([{ amount: '0.50', reason: 'provisional' }])
    expect(new Set((await sessions()).map(session => session.state))).toEqual(
      new Set(['provisional', 'open']),
    )

    log.append([words.end])
    await push({ segments: log.segments(8), certificates })
    expect(await bills()).toMatchObject([
      { revision: 0, amount: '0.50' },
      { revision: 1, kind: 'debit', amount: '0.13', reason: 'corrected' },
    ])
  })
})

describe('gaps', () => {
  it('are named by the next epoch, device by device, and close when the events come', async () => {
    const { site, push, deps } = await cloudBench(database)
    const [north, south] = [site.device('north'), site.device('south')]
    const certificates = [north, south].map(device => device.certificate.encoded)
    const gaps = async (): Promise<readonly unknown[]> =>
      (await gapsPage(deps.database, site.siteId, ALL)).items
    const first = site.openLog(north)
    first.append([sessionBodies().start])
    first.append([sessionBodies().end])
    const second = site.openLog(north, { prev: first.ref() })
    const fresh = site.openLog(south)
    await push({ segments: [...second.segments(), ...fresh.segments()], certificates })
    const { deviceId } = north.certificate
    const missing = { kind: 'missing', deviceId, logId: first.logId, toSeq: 2, namedBy: second.logId }
    expect(await gaps()).toEqual([{ ...missing, fromSeq: 0 }])
    await push({ segments: first.segments(0, 2).slice(0, 1) })
    expect(await gaps()).toEqual([{ ...missing, fromSeq: 2 }])
    await push({ segments: first.segments() })
    expect(await gaps()).toEqual([])

    const lossy = site.openLog(north, {
      prev: second.ref(),
      storeState: 'lossy',
      openedAt: SITE_OPENED_AT + 9e6,
    })
    await push({ segments: lossy.segments() })
    expect(await gaps()).toEqual([{ kind: 'lossy', deviceId, logId: lossy.logId }])
    lossy.append([{ name: 'loss_declaration', body: { logId: second.logId, lastKnownSeq: 4 } }])
    await push({ segments: lossy.segments(1) })
    expect(await gaps()).toEqual([])
    const wrong = { logId: first.logId as LogId, seq: 1, hash: '77'.repeat(32) as EventHash }
    const odd = site.openLog(south, { prev: wrong })
    await push({ segments: odd.segments() })
    expect(await gaps()).toMatchObject([{ kind: 'mismatch', logId: first.logId, namedBy: odd.logId }])
  })
})

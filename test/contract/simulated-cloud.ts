// What every simulated cloud does, run on the one in memory and on the one that is production on PGlite.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CloudDeps, SimulatedCloud } from '../../simulations/cloud/cloud.ts'
import { FINALISE_AFTER_MS } from '../../src/cloud/finalise.ts'
import { type Ack, readObject } from '../../src/log/object.ts'
import type { Push, PushAnswer } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'
import { createView } from '../../src/view.ts'
import { quiet } from '../integration/cloud-bench.ts'
import { SITE_OPENED_AT, sessionBodies, type TestSite, testSite } from '../site.ts'

export type OpenCloud = (deps: CloudDeps) => Promise<SimulatedCloud>

export type CloudSetting = {
  readonly site: TestSite
  readonly deps: CloudDeps
  readonly pass: (ms: number) => void
}

let sites = 0

/** A site, and a virtual clock that only `pass` moves. */
export function cloudSetting(seed = `simulated cloud ${sites++}`): CloudSetting {
  const site = testSite(seed)
  let nowMs = 0
  const clock = { wallMs: () => SITE_OPENED_AT + nowMs, monotonicMs: () => nowMs }
  const { siteId, rootKey, signatures, issuer, cloud } = site
  return {
    site,
    deps: {
      ...{ siteId, rootKey, signatures, clock, logger: quiet },
      certificates: [issuer.certificate.encoded, cloud.certificate.encoded],
      cloud: { certificate: cloud.certificate.encoded, logKey: cloud.keys.logKey },
    },
    pass: ms => {
      nowMs += ms
    },
  }
}

export function pushOf(push: Partial<Push>): Push {
  return { segments: [], certificates: [], sinceVersion: 0, ...push }
}

export function acksOf(site: TestSite, answer: PushAnswer): readonly Ack[] {
  const roster = site.roster()
  return answer.acks.map(encoded => {
    const verdict = readObject({ roster, signatures: site.signatures }, encoded)
    if (verdict.kind !== 'valid' || verdict.object.kind !== 'ack') throw new Error('no valid ack')
    return verdict.object.body
  })
}

export async function stateOf(cloud: SimulatedCloud): Promise<unknown> {
  return {
    sessions: await cloud.sessions(),
    bills: await cloud.bills(),
    heads: [...(await cloud.heads())],
    gaps: await cloud.gaps(),
  }
}

export function cloudContract(name: string, open: OpenCloud): void {
  describe(name, () => {
    let { site, deps, pass } = cloudSetting()
    let cloud: SimulatedCloud
    beforeEach(async () => {
      ;({ site, deps, pass } = cloudSetting())
      cloud = await open(deps)
    })
    afterEach(() => cloud.close())
    const push = (given: Partial<Push>): Promise<PushAnswer> => cloud.push(pushOf(given))
    const charged = (chargerId: string) => {
      const node = site.device(`at ${chargerId}`)
      const log = site.openLog(node)
      const words = sessionBodies({ chargerId })
      log.append([words.start, words.pricing, words.end])
      return { log, words, given: { segments: log.segments(), certificates: [node.certificate.encoded] } }
    }

    it('makes one session, one bill and one ack of a push, however often it comes', async () => {
      const { log, words, given } = charged('CP-1')
      const first = await push(given)
      const again = await push({ ...given, segments: log.segments(0, 2), sinceVersion: first.version })
      expect(acksOf(site, first)).toMatchObject([{ ...log.ref(), durability: 2, cloudEpoch: 1 }])
      // Whoever pushes what is here already is told so again.
      expect(again).toEqual({ version: first.version, acks: first.acks, refused: [], wireBytes: 0 })
      const { sessionId } = words
      const known = { sessionId, chargerId: 'CP-1', meterStartWh: 154_200, energyWh: 2500 }
      expect(await cloud.sessions()).toEqual([
        { ...known, meterStopWh: 156_700, state: 'complete', flags: [] },
      ])
      const invoice = { revision: 0, kind: 'invoice', amount: '0.63', currency: 'EUR', reason: 'ended' }
      expect(await cloud.bills()).toMatchObject([{ ...known, ...invoice, cost: { total: '0.63' } }])
      expect([...(await cloud.heads())]).toEqual([[log.logId, { seq: 3, hash: log.ref().hash }]])
      expect(cloud.counters()).toEqual({ pushes: 2, duplicateEvents: 4, refused: {} })
    })

    it('refuses a bad log with its reason, and takes the rest of the push', async () => {
      const good = charged('CP-1')
      const gapped = charged('CP-2')
      const thief = { ...site.device('robbed'), keys: site.device('thief').keys }
      const forged = site.openLog(thief)
      const stranger = site.openLog(site.device('stranger'))
      const answer = await push({
        segments: [
          ...[...gapped.log.segments(2), ...forged.segments(), ...stranger.segments()],
          ...good.log.segments(),
        ],
        certificates: [
          ...[...good.given.certificates, ...gapped.given.certificates],
          thief.certificate.encoded,
        ],
      })
      expect(answer.refused).toEqual([
        { logId: gapped.log.logId, reason: 'gap' },
        { logId: forged.logId, reason: 'bad-signature' },
        {
          logId: stranger.logId,
          reason: expect.stringMatching(/^unknown-certificate [0-9a-f]{64}$/) as unknown,
        },
      ])
      expect(await cloud.bills()).toMatchObject([{ chargerId: 'CP-1' }])
      expect(cloud.counters()).toEqual({
        pushes: 1,
        duplicateEvents: 0,
        refused: { 'bad-signature': 1, gap: 1, 'unknown-certificate': 1 },
      })
    })

    it('learns a device from the issuer’s log, though that comes later in the push', async () => {
      const node = site.device('north')
      const [issued, log] = [site.openLog(site.issuer), site.openLog(node)]
      issued.append([{ name: 'device_cert', body: { certificate: node.certificate.encoded } }])
      const answer = await push({ segments: [...log.segments(), ...issued.segments()] })
      expect(answer.refused).toEqual([])
      expect(answer.acks).toHaveLength(2)
      const hidden = site.device('hidden')
      log.append([{ name: 'device_cert', body: { certificate: hidden.certificate.encoded } }])
      const unknown = site.openLog(hidden)
      const refused = await push({ segments: [...log.segments(1), ...unknown.segments()] })
      expect(refused.refused, 'a node certifies nobody').toMatchObject([{ logId: unknown.logId }])
    })

    it('judges by all that a push says, and not by one log of it after another', async () => {
      const [first, second] = [charged('CP-1'), site.device('second')]
      const other = sessionBodies({ chargerId: 'CP-1', meterStopWh: 156_500 })
      const log = site.openLog(second)
      log.append([first.words.start, other.end])
      const { given } = first
      await push({
        segments: [...given.segments, ...log.segments()],
        certificates: [...given.certificates, second.certificate.encoded],
      })
      expect(await cloud.sessions()).toMatchObject([{ state: 'disputed', flags: ['conflicting-ends'] }])
      expect((await cloud.bills()).map(({ revision, amount }) => [revision, amount])).toEqual([[0, '0.58']])
    })

    it('bills nothing from a fork on, and goes on taking the branch that it holds', async () => {
      const node = site.device('clone')
      const [one, two, three] = ['CP-1', 'CP-2', 'CP-3'].map(chargerId => sessionBodies({ chargerId }))
      if (!one || !two || !three) throw new Error('three sessions')
      const log = site.openLog(node)
      log.append([one.start, one.pricing, one.end])
      log.append([two.start, two.pricing, two.end])
      const branch = site.openLog(node, { epochId: log.epochId })
      branch.append([one.start, one.pricing, one.end])
      branch.append([three.start], SITE_OPENED_AT + 9_000)
      await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
      const forked = await push({ segments: branch.segments() })
      expect(forked.refused).toEqual([{ logId: log.logId, reason: 'fork at 4' }])
      log.append([three.start, three.pricing, three.end])
      expect((await push({ segments: log.segments(7) })).refused).toEqual([])
      // A third branch further up takes nothing back.
      const later = site.openLog(node, { epochId: log.epochId })
      for (const words of [one, two]) later.append([words.start, words.pricing, words.end])
      later.append([one.end])
      const third = await push({ segments: later.segments(7) })
      expect(third.refused).toEqual([{ logId: log.logId, reason: 'fork at 7' }])
      expect((await cloud.heads()).get(log.logId)).toEqual({ seq: 9, hash: log.ref().hash, forkSeq: 4 })
      const states = (await cloud.sessions()).map(({ chargerId, state }) => [chargerId, state])
      expect(states.toSorted()).toEqual([
        ['CP-1', 'complete'],
        ['CP-2', 'disputed'],
      ])
      expect(await cloud.bills()).toHaveLength(2)
    })

    it('counts a revoked device up to its cut-off, and disputes what was billed beyond', async () => {
      const node = site.device('stolen')
      const certificates = [node.certificate.encoded]
      const [old, fine, stolen] = ['CP-0', 'CP-1', 'CP-2'].map(chargerId => sessionBodies({ chargerId }))
      if (!old || !fine || !stolen) throw new Error('three sessions')
      const eldest = site.openLog(node)
      eldest.append([old.start, old.pricing, old.end])
      const elder = site.openLog(node, { prev: eldest.ref() })
      const log = site.openLog(node, { prev: elder.ref() })
      log.append([fine.start, fine.pricing, fine.end])
      const cutoff = [log.ref()]
      log.append([stolen.start, stolen.pricing, stolen.end])
      const segments = [eldest, elder, log].flatMap(one => one.segments())
      await push({ segments, certificates })
      const issued = site.openLog(site.issuer)
      const { deviceId, serial } = node.certificate
      issued.append([{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff } }])
      await push({ segments: issued.segments() })
      const states = (await cloud.sessions()).map(({ chargerId, state, flags }) => [chargerId, state, flags])
      expect(states.toSorted()).toEqual([
        ['CP-0', 'complete', []],
        ['CP-1', 'complete', []],
        ['CP-2', 'disputed', ['evidence-withdrawn']],
      ])
      expect(await cloud.bills()).toHaveLength(3)
    })

    it('leaves a session to the charger that told it first, whatever another one claims', async () => {
      const { words, given } = charged('CP-1')
      await push(given)
      const before = await stateOf(cloud)
      const liar = site.device('liar')
      const forged = site.openLog(liar)
      const { sessionId } = words
      for (const said of [words.start, words.end])
        if (said.name === 'session_start')
          forged.append([
            { name: said.name, body: { ...said.body, sessionId, chargerId: 'CP-0' as ChargerId } },
          ])
        else if (said.name === 'session_end')
          forged.append([
            { name: said.name, body: { ...said.body, chargerId: 'CP-0' as ChargerId, meterStopWh: 154_300 } },
          ])
      const answer = await push({ segments: forged.segments(), certificates: [liar.certificate.encoded] })
      expect(answer.refused).toEqual([])
      expect(await stateOf(cloud)).toEqual({ ...(before as object), heads: [...(await cloud.heads())] })
      expect(await cloud.heads()).toHaveProperty('size', 2)
    })

    it('hears of sessions from nodes alone, as nodes do', async () => {
      const words = sessionBodies()
      const said = [words.start, words.pricing, words.end]
      const node = site.device('node')
      const others = [site.issuer, site.cloud, site.device('desk', ['revoker'])]
      const mixed = [site.device('both', ['node', 'revoker']), site.device('all', ['node', 'issuer'])]
      for (const device of [...others, ...mixed]) {
        const log = site.openLog(device)
        log.append(said)
        const answer = await push({ segments: log.segments(), certificates: [device.certificate.encoded] })
        expect(acksOf(site, answer).map(ack => ack.logId)).toContain(log.logId)
        // What nodes make of the same log.
        const view = createView(site.roster([device]))
        for (const event of log.events()) view.apply(event, device.certificate)
        expect([view.sessions(), await cloud.sessions(), await cloud.bills()]).toEqual([[], [], []])
      }
      const log = site.openLog(node)
      log.append([words.start, words.pricing])
      await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
      expect(await cloud.sessions()).toMatchObject([{ state: 'open' }])
      log.append([words.end])
      await push({ segments: log.segments(3) })
      expect(await cloud.bills()).toMatchObject([{ kind: 'invoice', amount: '0.63' }])
    })

    it('names what is missing before an epoch, until it comes', async () => {
      const node = site.device('north')
      const certificates = [node.certificate.encoded]
      const first = site.openLog(node)
      first.append([sessionBodies().start])
      const second = site.openLog(node, { prev: first.ref(), storeState: 'lossy' })
      await push({ segments: second.segments(), certificates })
      const { deviceId } = node.certificate
      const lossy = { kind: 'lossy', deviceId, logId: second.logId }
      const missing = { kind: 'missing', deviceId, logId: first.logId, fromSeq: 0, toSeq: 1 }
      expect(await cloud.gaps()).toEqual([lossy, { ...missing, namedBy: second.logId }])
      await push({ segments: first.segments() })
      expect(await cloud.gaps()).toEqual([lossy])
    })

    it('bills a silent session provisionally, and then only the difference', async () => {
      const node = site.device('north')
      const words = sessionBodies()
      const log = site.openLog(node)
      log.append([words.start, words.pricing, words.tick(156_200)])
      await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
      pass(FINALISE_AFTER_MS - 1)
      // What survives keeps its own time.
      await cloud.failover(0)
      await cloud.finalise()
      expect(await cloud.bills()).toEqual([])
      pass(1)
      await cloud.finalise()
      expect(await cloud.sessions()).toMatchObject([{ state: 'provisional', energyWh: 2000 }])
      log.append([words.end])
      await push({ segments: log.segments(4) })
      expect(await cloud.bills()).toMatchObject([
        { revision: 0, kind: 'invoice', amount: '0.50', reason: 'provisional' },
        { revision: 1, kind: 'debit', amount: '0.13', reason: 'corrected' },
      ])
    })

    it('hears a late reading that names no session for the one that bears its transaction id', async () => {
      const [first, second] = [site.device('first'), site.device('second')]
      const certificates = [first, second].map(node => node.certificate.encoded)
      const words = sessionBodies({ meterStartWh: 5000, meterStopWh: 5300 })
      const [known, unknown] = [site.openLog(first), site.openLog(second)]
      known.append([words.start, words.pricing])
      const jumped = words.tick(900_000, SITE_OPENED_AT + 60_000)
      if (jumped.name !== 'meter_tick') throw new Error('a reading')
      const { sessionId: _, ...nameless } = jumped.body
      unknown.append([{ name: 'meter_tick', body: nameless }], SITE_OPENED_AT + 60_000)
      known.append([words.end], SITE_OPENED_AT + 3_600_000)
      await push({ segments: known.segments(), certificates })
      expect(await cloud.sessions()).toMatchObject([{ state: 'complete', flags: [] }])
      await push({ segments: unknown.segments(), certificates })
      expect(await cloud.sessions()).toMatchObject([{ state: 'complete', flags: ['meter-jumped'] }])
    })

    it('takes nothing while it is down, and says when to come back', async () => {
      const { given } = charged('CP-1')
      cloud.down(true)
      const refusal = { code: 'UPLINK_FAILED', status: 503, retryAfterMs: expect.any(Number) as unknown }
      await expect(push(given)).rejects.toMatchObject(refusal)
      cloud.down(false)
      expect(await cloud.bills()).toEqual([])
      expect((await push(given)).refused).toEqual([])
    })

    it('begins a new epoch when it is shown a receipt of its own for what it does not have', async () => {
      const [kept, lost] = [charged('CP-1'), charged('CP-2')]
      const before = await push(kept.given)
      pass(10_000)
      const { acks, version } = await push(lost.given)
      const receipt = acksOf(site, { ...before, acks }).findIndex(ack => ack.logId === lost.log.logId)
      const claim = acks.slice(receipt, receipt + 1)
      await push({ objects: claim, sinceVersion: version })
      expect(cloud.epoch(), 'it has all that it signed for').toBe(1)
      pass(1)
      await cloud.forget(5)
      await push({ objects: [...before.acks, Uint8Array.of(1)], sinceVersion: before.version })
      expect([cloud.epoch(), (await cloud.heads()).has(lost.log.logId)]).toEqual([1, false])
      const told = await push({ objects: claim, sinceVersion: version })
      expect(cloud.epoch()).toBe(2)
      expect(told.version).toBeGreaterThan(version)
      expect(acksOf(site, told)).toMatchObject([{ logId: kept.log.logId, cloudEpoch: 2 }])
      await push({ ...lost.given, objects: claim })
      expect([cloud.epoch(), (await cloud.bills()).length], 'once for one receipt').toEqual([2, 2])
    })

    it('loses its last commits in a fail-over, says so by a new epoch, and is whole after a new push', async () => {
      const [before, lost] = [charged('CP-1'), charged('CP-2')]
      await push(before.given)
      const kept = await stateOf(cloud)
      pass(10_000)
      const { version } = await push(lost.given)
      const whole = await stateOf(cloud)
      pass(5_000)
      await cloud.failover(5_000)
      expect(await stateOf(cloud)).toEqual(whole)
      await cloud.failover(5_001)
      expect(await stateOf(cloud)).toEqual(kept)
      expect(cloud.epoch()).toBe(3)
      const answer = await push({ ...lost.given, sinceVersion: version })
      expect(acksOf(site, answer).map(ack => [ack.logId, ack.seq, ack.cloudEpoch])).toEqual(
        [before, lost].map(({ log }) => [log.logId, 3, 3]).toSorted(),
      )
      expect(answer.version).toBeGreaterThan(version)
      expect(await stateOf(cloud)).toEqual(whole)
    })

    it('has seen nothing after a backup from before its first push, and gives all acks to whoever saw more', async () => {
      pass(1_000)
      const { log, given } = charged('CP-1')
      const { version } = await push(given)
      await cloud.restore(1)
      expect(await stateOf(cloud)).toEqual({ sessions: [], bills: [], heads: [], gaps: [] })
      expect((await push({ sinceVersion: version })).acks).toEqual([])
      const known = await push({ segments: log.segments(), sinceVersion: version })
      expect(known.refused, 'the certificate is gone as well').toMatchObject([{ logId: log.logId }])
      const answer = await push({ ...given, sinceVersion: version + 2 ** 40 })
      expect(acksOf(site, answer)).toMatchObject([{ ...log.ref(), cloudEpoch: 2 }])
    })
  })
}

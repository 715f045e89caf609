// What a cloud says down to a node: an honest one is heard; an older one undoes nothing; of a lying one nothing is applied,
// the node goes on, and log and counters say why.
import { describe, expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { PushAnswer, Segment, Uplink } from '../../src/ports.ts'
import { hex, type LogId, type TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestLog, testSite } from '../site.ts'
import { createWorld, type Member, startMessage, type World } from './world.ts'

type Down = Pick<PushAnswer, 'segments' | 'certificates' | 'more' | 'acks'>

type Setting = {
  readonly world: World
  readonly a: Member
  readonly log: TestLog
  readonly pushes: () => number
  /** Has the cloud say this to the next push, and again to each one after it. */
  readonly says: (down: Partial<Down>) => Promise<void>
}

/** A node that holds a log of the operator with one grant revoked, and a cloud that says what it is told to. */
async function setting(seed: string): Promise<Setting> {
  const world = createWorld(seed)
  const a = await world.member('a')
  const log = world.site.openLog(world.site.issuer)
  log.append([revocation(world)], world.wallMs())
  const certificates = [world.site.issuer.certificate.encoded]
  await a.node().submit({ certificates, segments: log.segments(), objects: [] })
  let down: Partial<Down> = {}
  let pushes = 0
  const cloud: Uplink = {
    name: 'cloud',
    push: async () => {
      pushes += 1
      return { version: 1, acks: [], refused: [], wireBytes: 0, ...down }
    },
  }
  a.node().setUplinks([cloud])
  await world.run(20_000)
  return {
    ...{ world, a, log, pushes: () => pushes },
    says: async said => {
      down = said
      const before = pushes
      await world.until(() => pushes > before + 1, 60_000)
      await world.run(1000)
    },
  }
}

function revocation({ site }: Pick<World, 'site'>): AnyBody {
  const tokenRef = hex<TokenRef>(site.random(16))
  return { name: 'revoke', body: { tokenRef, reason: 'lost', effectiveAt: SITE_OPENED_AT } }
}

function spoilt({ logId, fromSeq, update }: Segment): Segment {
  const copy = update.slice()
  copy[copy.length - 20] = (copy.at(-20) ?? 0) ^ 1
  return { logId, fromSeq, update: copy }
}

const headsOf = ({ a }: Setting): readonly string[] =>
  [...a.node().ledger().logs.all()].map(({ logId, head }) => `${logId}/${head.seq}`).sort()

describe('a cloud that tells the truth', () => {
  it('is heard: what operators said is held, and counted', async () => {
    const at = await setting('honest')
    at.log.append([revocation(at.world)])
    await at.says({ segments: at.log.segments(2) })
    expect(at.a.node().ledger().logs.get(at.log.logId)?.head.seq).toBe(2)
    expect(at.a.node().counters()['uplink.heard']).toBe(1)
    expect(at.a.logged.filter(line => line.startsWith('warn'))).toEqual([])
  })

  it('and was restored from a backup says nothing new: what is held stays', async () => {
    const at = await setting('restored')
    const before = headsOf(at)
    await at.says({ segments: at.log.segments(0, 1) })
    expect(headsOf(at)).toEqual(before)
    expect(at.a.node().counters()['uplink.unheard'], 'no lie').toBeUndefined()
  })
})

describe('a cloud that lies', () => {
  const beacon = ({ world, log }: Setting, signer = world.site.issuer): Uint8Array => {
    const pen = {
      certHash: signer.certificate.hash,
      logKey: signer.keys.logKey,
      signatures: world.site.signatures,
    }
    const body = { ...log.ref(), issuedAt: world.wallMs(), nextByAt: world.wallMs() + 1000 }
    return signObject(pen, { kind: 'beacon', body })
  }
  const foreign = testSite('another site')
  const foreignLog = foreign.openLog(foreign.issuer)

  it.each<readonly [string, (at: Setting) => Partial<Down>]>([
    [
      'with a forged segment',
      ({ world, log }) => {
        log.append([revocation(world)])
        return { segments: log.segments(2).map(spoilt) }
      },
    ],
    [
      'with words of another site',
      () => ({ segments: foreignLog.segments(), certificates: [foreign.issuer.certificate.encoded] }),
    ],
    [
      'with a hole',
      ({ world, log }) => {
        log.append([revocation(world)])
        log.append([revocation(world)])
        return { segments: log.segments(3) }
      },
    ],
    [
      'with junk',
      ({ log }) => ({
        segments: [{ logId: log.logId, fromSeq: 2, update: new Uint8Array(40_000).fill(7) }],
        certificates: [new Uint8Array(300).fill(1)],
      }),
    ],
    [
      'with 2 MB of junk, and more of it for ever',
      ({ log }) => ({
        segments: Array.from({ length: 44 }, (_, i) => ({
          ...{ logId: log.logId, fromSeq: 2 + i, update: new Uint8Array(46_000).fill(i) },
        })),
        more: true,
      }),
    ],
  ])('%s: nothing is applied, the node goes on, and says why', async (what, lie) => {
    const at = await setting(what)
    const before = headsOf(at)
    const pushesBefore = at.pushes()
    const fromMs = at.world.nowMs()
    await at.says(lie(at))
    expect(headsOf(at)).toEqual(before)
    expect(at.a.node().counters()['uplink.unheard']).toBeGreaterThan(0)
    expect(at.a.logged).toContain('warn: words that came by an uplink were refused')
    const rounds = (at.world.nowMs() - fromMs) / 5000
    expect(at.pushes() - pushesBefore, 'it is asked no sooner for it').toBeLessThanOrEqual(rounds + 2)
    expect((await at.a.tell(startMessage(at.world))).kind).toBe('started')
  })

  it('with a forgery after the other: some are judged, each log once; the rest is left', async () => {
    const at = await setting('many')
    at.log.append([revocation(at.world)])
    const [next] = at.log.segments(2).map(spoilt)
    const logs = Array.from({ length: 40 }, (_, i) => ({
      ...{ fromSeq: 0, update: at.log.segments(0, 1)[0]?.update ?? new Uint8Array(0) },
      logId: String(10 + i).repeat(16) as LogId,
    }))
    const before = at.a.node().counters()
    const pushes = at.pushes()
    await at.says({ segments: [...Array.from({ length: 50 }, () => next as Segment), ...logs] })
    const after = at.a.node().counters()
    const answers = at.pushes() - pushes
    expect((after['gate.invalid'] ?? 0) - (before['gate.invalid'] ?? 0)).toBeLessThanOrEqual(16 * answers)
    expect(after['uplink.unheard']).toBeLessThanOrEqual(16 * answers)
  })

  it('with another branch of a log: the fork is seen, and what lies behind it counts nowhere', async () => {
    const at = await setting('branch')
    const { world, log } = at
    const other = world.site.openLog(world.site.issuer, { epochId: log.epochId })
    other.append([revocation(world)], world.wallMs() + 5000)
    await at.says({ segments: other.segments() })
    expect(at.a.node().ledger().logs.get(log.logId)).toMatchObject({ head: { seq: 1 }, fork: { seq: 1 } })
    expect(at.a.logged.join()).toContain('a log has two branches')
  })

  it('with `more` that is always the same: it is asked at the next round, not at once', async () => {
    const at = await setting('more')
    const before = at.pushes()
    await at.says({ segments: at.log.segments(), more: true })
    await at.world.run(60_000)
    expect(at.pushes() - before).toBeLessThanOrEqual(16)
  })

  it('with beacons that nobody of the site signed, or who may not: news is no younger', async () => {
    const at = await setting('beacons')
    const forged = beacon(at)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    await at.says({ acks: [forged, beacon(at, at.a.device)] })
    expect(at.a.node().ledger().objects.ofKind('beacon')).toEqual([])
    await at.says({ acks: [beacon(at)] })
    expect(at.a.node().ledger().objects.ofKind('beacon')).toHaveLength(1)
  })
})

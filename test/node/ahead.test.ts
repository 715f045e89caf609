// What a production node sends ahead of its logs, by a way that is paid for and by one that cannot carry all at once.
import { describe, expect, it } from 'vitest'
import { readLone } from '../../src/log/lone.ts'
import { isSignedBy, readDigest, rootOf } from '../../src/log/site-digest.ts'
import type { Push, PushAnswer, Uplink, UplinkTerms } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import { encodePush } from '../../src/uplink/request.ts'
import { sessionBodies } from '../site.ts'
import { createWorld, type Member, operatorOf, type World } from './world.ts'

const NOTHING: PushAnswer = { version: 0, acks: [], refused: [], wireBytes: 5000 }

async function loaded(seed: string, sessions: number): Promise<{ world: World; a: Member }> {
  const world = createWorld(seed)
  const a = await world.member('a')
  await operatorOf(world, a)
  for (let i = 0; i < sessions; i++) {
    const device = world.site.device(`pole ${i}`)
    const log = world.site.openLog(device)
    const words = sessionBodies({ chargerId: `CP-${i}` })
    log.append([words.start, ...Array.from({ length: 120 }, (_, n) => words.tick(154_200 + n)), words.end])
    const certificates = [device.certificate.encoded]
    await a.node().submit({ certificates, segments: log.segments(), objects: [] })
  }
  return { world, a }
}

function tap(pushes: Push[], terms?: Partial<UplinkTerms>): Uplink {
  return {
    ...{ name: 'tap', ...(terms && { terms: { priority: 1, windows: [], ...terms } }) },
    push: async push => {
      pushes.push(push)
      return NOTHING
    },
  }
}

const loneIn = (push: Push | undefined) => (push?.lone ?? []).flatMap(log => log.events)

describe('ahead of the logs', () => {
  it('goes a digest of all that is held, and every end that has no room in a segment, once', async () => {
    const { world, a } = await loaded('paid', 12)
    const pushes: Push[] = []
    a.node().setUplinks([tap(pushes, { budgetBytes: 50_000_000 })])
    await world.until(() => pushes.length >= 2, 600_000)
    const [first, second] = pushes
    if (!first?.digest || !first.lone) throw new Error('the first push has a digest and ends')
    const { root, logs } = readDigest(first.digest)
    const held = [...a.node().ledger().logs.all()]
    expect(isSignedBy(world.site.signatures, a.device.certificate, first.digest)).toBe(true)
    expect([root, logs]).toEqual([
      rootOf(held.map(({ logId, head: { seq, hash } }) => ({ logId, seq, hash }))),
      held.length,
    ])
    const roster = new Map(held.map(({ logId, certificate }) => [logId, certificate]))
    for (const log of first.lone) {
      const certificate = roster.get(log.logId)
      const read = certificate && readLone(world.site.signatures, certificate, log)
      expect(read).toHaveLength(log.events.length)
      for (const { seq } of log.events)
        for (const { logId, fromSeq, update } of first.segments)
          expect(logId === log.logId && seq >= fromSeq && seq < fromSeq + countOf(update)).toBe(false)
      expect(first.certificates).toContain(certificate?.encoded)
    }
    const whole = first.segments.filter(({ fromSeq, update }) => fromSeq + countOf(update) === 123)
    expect(loneIn(first).length).toBeGreaterThanOrEqual(2 * (12 - whole.length) - 1)
    expect(loneIn(second)).toEqual([])
    expect(second?.digest).toBeUndefined()
  })

  it('go no more ends, with their authors, than is paid for', async () => {
    const { world, a } = await loaded('authors', 60)
    const pushes: Push[] = []
    const budgetBytes = 30_000
    a.node().setUplinks([tap(pushes, { budgetBytes })])
    await world.until(() => pushes.length >= 1, 600_000)
    const [first] = pushes
    expect(first?.lone?.length).toBeGreaterThan(10)
    expect(
      encodePush({
        ...first,
        segments: first?.segments ?? [],
        certificates: first?.certificates ?? [],
        sinceVersion: 0,
      }).length,
    ).toBeLessThan(0.8 * budgetBytes)
  })

  it('goes nothing by a free way that carries all at once, and as much by one that does not', async () => {
    const { world, a } = await loaded('free', 12)
    const pushes: Push[] = []
    a.node().setUplinks([tap(pushes)])
    await world.until(() => pushes.length >= 2, 60_000)
    const [first, second] = pushes
    expect([first?.digest, first?.lone, first?.frontier]).toEqual([undefined, undefined, undefined])
    expect(second?.digest).toBeDefined()
    expect(loneIn(second).length).toBeGreaterThan(0)
    const few: Push[] = []
    const one = await loaded('little', 1)
    one.a.node().setUplinks([tap(few)])
    await one.world.until(() => few.length >= 3, 60_000)
    expect(few.every(({ digest, lone, frontier }) => !digest && !lone && !frontier)).toBe(true)
  })
})

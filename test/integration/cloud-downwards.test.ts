// What a receiver gives down with its answers: operators' words beyond what is held, whole and in order, and nothing else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acksSince } from '../../src/cloud/acks.ts'
import type { Database } from '../../src/cloud/database.ts'
import { MAX_DOWN_BYTES, type Words, wordsFor } from '../../src/cloud/downwards.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { HeldLog, Push } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import { hex, type TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, type TestLog, testSite } from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase } from './cloud-bench.ts'

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(async () => await database.close())

function revocation(bench: CloudBench): AnyBody {
  const tokenRef = hex<TokenRef>(bench.site.random(16))
  return { name: 'revoke', body: { tokenRef, reason: 'lost', effectiveAt: SITE_OPENED_AT } }
}

function revocations(bench: CloudBench, count: number): readonly AnyBody[] {
  return Array.from({ length: count }, () => revocation(bench))
}

async function ask(bench: CloudBench, asker: TestDevice, push: Partial<Push> = {}): Promise<Words> {
  const asked: Push = { segments: [], certificates: [], sinceVersion: 0, holds: [], ...push }
  const page = await acksSince(bench.deps, asked.sinceVersion)
  return await wordsFor(bench.deps, { push: asked, asker: asker.certificate, page })
}

/** What is held after these segments, and that each follows on what was held before it. */
function heldAfter(words: Words, before: readonly HeldLog[] = []): readonly HeldLog[] {
  const held = new Map(before.map(log => [log.logId, log.nextSeq]))
  for (const { logId, fromSeq, update } of words.segments ?? []) {
    expect(fromSeq, 'a segment follows on what is held').toBe(held.get(logId) ?? 0)
    held.set(logId, fromSeq + countOf(update))
  }
  return [...held].map(([logId, nextSeq]) => ({ logId, nextSeq }))
}

async function everything(
  bench: CloudBench,
  asker: TestDevice,
): Promise<{ held: readonly HeldLog[]; answers: readonly Words[] }> {
  const answers: Words[] = []
  let held: readonly HeldLog[] = []
  do {
    expect(answers.length).toBeLessThan(50)
    answers.push(await ask(bench, asker, { holds: held }))
    held = heldAfter(answers.at(-1) as Words, held)
  } while (answers.at(-1)?.more)
  return { held, answers }
}

type Setting = { readonly bench: CloudBench; readonly node: TestDevice; readonly log: TestLog }

async function setting(words = 3): Promise<Setting> {
  const bench = await cloudBench(database)
  const node = bench.site.device('north')
  const log = bench.site.openLog(bench.site.issuer)
  log.append(revocations(bench, words))
  await bench.push({ segments: log.segments(), certificates: [node.certificate.encoded] })
  return { bench, node, log }
}

describe('an answer', () => {
  it('brings logs of operators whole, with their certificates, and no log of a node', async () => {
    const { bench, node, log } = await setting()
    const own = bench.site.openLog(node)
    own.append([sessionBodies().start])
    await bench.push({ segments: own.segments() })
    const words = await ask(bench, node)
    expect(heldAfter(words)).toEqual([{ logId: log.logId, nextSeq: 4 }])
    expect(words.segments).toEqual(log.segments())
    expect(words.certificates).toEqual([bench.site.issuer.certificate.encoded])
    expect(words.heads, 'a node is told of no heads').toBeUndefined()
  })

  it('brings only what is beyond what the push holds, and nothing where that is all', async () => {
    const { bench, node, log } = await setting()
    const words = await ask(bench, node, { holds: [{ logId: log.logId, nextSeq: 2 }] })
    expect(words.segments).toEqual(log.segments(2))
    expect(words.certificates, 'the log is known').toBeUndefined()
    const none = await ask(bench, node, { holds: [{ logId: log.logId, nextSeq: 4 }] })
    expect(none.segments).toBeUndefined()
    const beyond = await ask(bench, node, { holds: [{ logId: log.logId, nextSeq: 9 }] })
    expect(beyond.segments, 'an older cloud is silent').toBeUndefined()
  })

  it('brings nothing to who does not say what it holds, or was revoked', async () => {
    const { bench, node, log } = await setting()
    const page = await acksSince(bench.deps, 0)
    const push = { segments: [], certificates: [], sinceVersion: 0 }
    expect(await wordsFor(bench.deps, { push, asker: node.certificate, page })).toEqual(page)
    const { deviceId, serial } = node.certificate
    log.append([{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff: [] } }])
    await bench.push({ segments: log.segments() })
    expect((await ask(bench, node)).segments, 'a thief learns nothing').toBeUndefined()
    const other = bench.site.device('south')
    expect((await ask(bench, other)).segments).toHaveLength(1)
  })

  it('is bounded, says that there is more, and comes to the same in pieces: who can only revoke first', async () => {
    const { bench, node, log } = await setting(3500)
    const revoker = bench.site.device('revoker', ['revoker'])
    const urgent = bench.site.openLog(revoker)
    urgent.append(revocations(bench, 1))
    await bench.push({ segments: urgent.segments(), certificates: [revoker.certificate.encoded] })
    const { held, answers } = await everything(bench, node)
    expect(answers[0]?.segments?.[0]?.logId).toBe(urgent.logId)
    expect(held.toSorted((a, b) => a.nextSeq - b.nextSeq)).toEqual([
      { logId: urgent.logId, nextSeq: 2 },
      { logId: log.logId, nextSeq: 3501 },
    ])
    expect(answers.length).toBeGreaterThan(1)
    for (const { segments = [] } of answers)
      expect(segments.reduce((sum, one) => sum + one.update.length, 0)).toBeLessThan(
        MAX_DOWN_BYTES + 48 * 1024,
      )
  })

  it('brings of a forked log the branch that was acknowledged, and nothing from the fork on', async () => {
    const bench = await cloudBench(database)
    const node = bench.site.device('north')
    const { issuer } = bench.site
    const ours = bench.site.openLog(issuer)
    const theirs = bench.site.openLog(issuer, { epochId: ours.epochId })
    for (const at of [1000, 2000]) {
      const said = [revocation(bench)]
      for (const log of [ours, theirs]) log.append(said, SITE_OPENED_AT + at)
    }
    for (const log of [ours, theirs]) log.append(revocations(bench, 2))
    await bench.push({ segments: ours.segments() })
    await bench.push({ segments: theirs.segments() })
    const words = await ask(bench, node)
    expect(heldAfter(words)).toEqual([{ logId: ours.logId, nextSeq: 3 }])
    const own = await ask(bench, issuer)
    expect(own.heads).toEqual([{ ...ours.ref(), forkedAt: 3 }])
  })

  it('tells an operator up to where its own logs are held', async () => {
    const { bench, log } = await setting()
    const words = await ask(bench, bench.site.issuer, { holds: [{ logId: log.logId, nextSeq: 4 }] })
    expect(words.heads).toEqual([log.ref()])
  })

  it('comes from a receiver that has not heard of the operator before', async () => {
    const { bench, node } = await setting()
    const beside = await cloudBench(database, bench)
    const second = bench.site.device('second issuer', ['issuer'])
    const log = bench.site.openLog(second)
    log.append(revocations(bench, 1))
    await bench.push({ segments: log.segments(), certificates: [second.certificate.encoded] })
    expect(heldAfter(await ask(beside, node))).toContainEqual({ logId: log.logId, nextSeq: 2 })
  })

  it('costs one statement when there is nothing new', async () => {
    const { bench, node, log } = await setting()
    let statements = 0
    const query: Database['query'] = (text, params) => {
      statements += 1
      return database.query(text, params)
    }
    const page = await acksSince(bench.deps, 0)
    const holds = [{ logId: log.logId, nextSeq: 4 }]
    const push = { segments: [], certificates: [], sinceVersion: page.version, holds }
    const deps = { ...bench.deps, database: { ...database, query } }
    await wordsFor(deps, { push, asker: node.certificate, page })
    expect(statements).toBe(1)
  })
})

describe('beacons', () => {
  function beacon({ bench, log }: Setting, issuedAt: number, signer = bench.site.issuer): Uint8Array {
    const { signatures } = bench.site
    const pen = { certHash: signer.certificate.hash, logKey: signer.keys.logKey, signatures }
    const body = { ...log.ref(), issuedAt, nextByAt: issuedAt + 1000 }
    return new Uint8Array(signObject(pen, { kind: 'beacon', body }))
  }

  it('that a push brought reach those who poll, once each and the newest only', async () => {
    const at = await setting()
    const { bench, node } = at
    const [older, newer] = [beacon(at, SITE_OPENED_AT + 5000), beacon(at, SITE_OPENED_AT + 9000)]
    await ask(bench, node, { objects: [newer, older] })
    const first = await ask(bench, node)
    expect(first.acks.at(-1)).toEqual(newer)
    expect(first.acks).not.toContainEqual(older)
    expect(first.certificates).toContainEqual(bench.site.issuer.certificate.encoded)
    const { version } = await acksSince(bench.deps, first.version)
    expect((await ask(bench, node, { sinceVersion: version })).acks).toEqual([])
    // Rolled back by nobody.
    await ask(bench, node, { objects: [older] })
    expect((await ask(bench, node)).acks.at(-1)).toEqual(newer)
  })

  it('of anybody but an issuer of the site are left out', async () => {
    const at = await setting()
    const { bench, node } = at
    const stranger = testSite('elsewhere').issuer
    const forged = beacon(at, SITE_OPENED_AT + 5000)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    const objects = [
      beacon(at, SITE_OPENED_AT + 5000, node),
      beacon(at, SITE_OPENED_AT + 5000, stranger),
      forged,
      Uint8Array.of(1, 2, 3),
    ]
    const before = await ask(bench, node)
    await ask(bench, node, { objects })
    expect((await ask(bench, node)).acks).toEqual(before.acks)
  })
})

// Operators that the root withdrew, as the cloud has it: what they wrote beyond the cut-off, whom only they certified, and
// revocations that count no more. In any order of arrival, with a restart between any two pushes, the sessions that count are
// those that count on a node that holds the same logs.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog, type TestSite, testSite } from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase } from './cloud-bench.ts'
import { certified, charging, revoked, watchingNode, withdrawal, withdrawnSite } from './withdrawn-site.ts'

let database: Database
const statements: string[] = []
beforeAll(async () => {
  const opened = await openTestDatabase()
  database = {
    ...opened,
    transaction: (run, turn) =>
      opened.transaction(
        (sql, copy) =>
          run((text, params) => {
            statements.push(text)
            return sql(text, params)
          }, copy),
        turn,
      ),
  }
})
afterAll(() => database.close())

/** Chargers whose sessions count, in order; what was withdrawn is seen by people. */
async function counting({ sessions }: CloudBench): Promise<readonly unknown[]> {
  const rows = (await sessions()).filter(({ flags }) => !(flags as string[]).includes('evidence-withdrawn'))
  return rows.map(row => row.chargerId).toSorted()
}

type Scene = {
  readonly site: TestSite
  readonly node: TestDevice
  readonly log: TestLog
  readonly issuer: TestLog
  readonly fresh: TestDevice
  /** Whoever carries the root's word: another node, certified by the new issuer. */
  readonly carrier: TestLog
  readonly certificates: readonly Uint8Array[]
}

function sceneOf(site: TestSite): Scene {
  const fresh = site.device('issuer 2', ['issuer'])
  const [node, other] = [site.device('node'), site.device('carrier', ['node'], undefined, fresh)]
  const [log, issuer, carrier] = [site.openLog(node), site.openLog(site.issuer), site.openLog(other)]
  charging(log, 'CP-A')
  const certificates = [fresh, node, other].map(one => one.certificate.encoded)
  return { ...{ site, node, log, issuer, fresh, carrier, certificates } }
}

/** Each of so many logs as the first, then those behind it or those before it. */
function ordersOf(count: number): readonly (readonly number[])[] {
  const all = Array.from({ length: count }, (_, i) => i)
  return all.flatMap(first => {
    const rotated = [...all.slice(first), ...all.slice(0, first)]
    return [rotated, rotated.toReversed()]
  })
}

/** Pushed in many orders, each log to a receiver that was just started; answers what counts in the end, which must be one. */
async function inAnyOrder(
  tell: (scene: Scene) => readonly TestLog[],
  forks: readonly string[] = [],
): Promise<{ readonly counts: readonly unknown[]; readonly bills: ReadonlySet<number> }> {
  const found = new Set<string>()
  const bills = new Set<number>()
  for (const order of ordersOf(tell(sceneOf(testSite('counted'))).length)) {
    const bench = await cloudBench(database)
    const scene = sceneOf(bench.site)
    const logs = tell(scene)
    const refusals: string[] = []
    for (const i of order) {
      const { push } = await cloudBench(database, bench)
      const { refused } = await push({
        segments: logs[i]?.segments() ?? [],
        certificates: scene.certificates,
      })
      refusals.push(...refused.map(one => one.reason))
    }
    expect(refusals).toEqual(forks)
    found.add(JSON.stringify(await counting(bench)))
    bills.add((await bench.bills()).length)
  }
  expect([...found]).toHaveLength(1)
  return { counts: JSON.parse([...found][0] ?? '[]') as unknown[], bills }
}

const says = (log: TestLog, ...bodies: readonly AnyBody[]): EventRef => {
  log.append(bodies)
  return log.ref()
}

describe('a withdrawn issuer', () => {
  it('is believed up to the cut-off: a revocation beyond it is lifted, one before it stays', async () => {
    for (const isBeyond of [true, false]) {
      const { counts, bills } = await inAnyOrder(({ site, node, log, issuer, carrier }) => {
        const certifiedAt = says(issuer, certified(node))
        const revokedAt = says(issuer, revoked(node))
        says(carrier, withdrawal(site, 1, [[site.issuer, [isBeyond ? certifiedAt : revokedAt]]]))
        return [log, issuer, carrier]
      })
      expect(counts).toEqual(isBeyond ? ['CP-A'] : [])
      // Billed once, whether the revocation was believed for a while or not.
      if (isBeyond) expect(bills).toEqual(new Set([1]))
    }
  })

  it('vouches for a node up to the cut-off; beyond it its successor does', async () => {
    for (const by of ['before', 'beyond', 'successor', 'node'] as const) {
      const { counts } = await inAnyOrder(({ site, node, log, issuer, carrier, fresh }) => {
        const before = says(issuer, ...(by === 'before' ? [certified(node)] : [certified(fresh)]))
        if (by === 'beyond') says(issuer, certified(node))
        const next = site.openLog(fresh)
        if (by === 'successor') says(next, certified(node))
        says(
          carrier,
          withdrawal(site, 1, [[site.issuer, [before]]]),
          ...(by === 'node' ? [certified(node)] : []),
        )
        return [log, issuer, carrier, next]
      })
      expect([by, counts]).toEqual([by, by === 'before' || by === 'successor' ? ['CP-A'] : []])
    }
  })

  it('counts wholly in the epochs before the one that is named', async () => {
    const { counts } = await inAnyOrder(({ site, node, log, issuer, carrier }) => {
      says(issuer, certified(node))
      const next = site.openLog(site.issuer, { prev: issuer.ref() })
      says(carrier, withdrawal(site, 1, [[site.issuer, [next.ref()]]]))
      return [log, issuer, next, carrier]
    })
    expect(counts).toEqual(['CP-A'])
  })

  it('is one whom a newer word of the root still names, and only the root says so', async () => {
    const { counts } = await inAnyOrder(({ site, node, log, carrier, fresh }) => {
      const [by, next] = [site.openLog(fresh), site.openLog(node, { prev: log.ref() })]
      says(carrier, withdrawal(site, 1, [[site.issuer, []]]))
      says(by, withdrawal(site, 2, []))
      says(next, withdrawal(site, 3, [[site.issuer, []]], fresh.keys.logKey))
      return [log, carrier, by, next]
    })
    expect(counts).toEqual(['CP-A'])
  })
})

describe('a revocation', () => {
  it('takes nothing for the log before that an epoch names of which there are two', async () => {
    for (const isTwo of [false, true]) {
      const { counts } = await inAnyOrder(
        ({ site, node, log, issuer }) => {
          const next = site.openLog(node, { prev: log.ref() })
          charging(next, 'CP-B')
          says(issuer, revoked(node, [next.ref()]))
          if (!isTwo) return [log, issuer, next]
          const openedAt = SITE_OPENED_AT + 1
          const other = site.openLog(node, { epochId: next.epochId, prev: log.ref(), openedAt })
          return [log, issuer, next, other]
        },
        isTwo ? ['fork at 0'] : [],
      )
      expect(counts).toEqual(isTwo ? [] : ['CP-A', 'CP-B'])
    }
  })

  it('behind a fork of the operator’s log does not count', async () => {
    const { counts } = await inAnyOrder(
      ({ site, node, log, issuer, carrier }) => {
        const branch = site.openLog(site.issuer, { epochId: issuer.epochId })
        says(issuer, revoked(node))
        branch.append([certified(node)], SITE_OPENED_AT + 5_000)
        return [log, issuer, branch, carrier]
      },
      ['fork at 1'],
    )
    expect(counts).toEqual(['CP-A'])
  })

  it('is meant for nodes: an issuer goes on, whoever revokes it', async () => {
    const { counts } = await inAnyOrder(({ site, node, log, issuer, fresh }) => {
      says(issuer, revoked(fresh))
      const next = site.openLog(fresh)
      says(next, revoked(node))
      return [log, issuer, next]
    })
    expect(counts).toEqual([])
  })
})

describe('the cloud', () => {
  it('weighs what another receiver took, of devices that this one never heard of', async () => {
    const one = await cloudBench(database)
    const two = await cloudBench(database, one)
    const { site, log, carrier, certificates } = sceneOf(one.site)
    await one.push({ segments: log.segments(), certificates })
    says(carrier, withdrawal(site, 1, [[site.issuer, []]]))
    await two.push({ segments: carrier.segments(), certificates: certificates.toSpliced(1, 1) })
    expect(await counting(two)).toEqual([])
  })

  it('counts what a node counts that holds the same logs, after every push, whatever the order', async () => {
    const orders = fc.infiniteStream(fc.integer({ min: 0, max: 9_999 }))
    await fc.assert(
      fc.asyncProperty(orders, async draws => {
        const bench = await cloudBench(database)
        const { logs, certificates, counting: wanted } = withdrawnSite(bench.site)
        const node = watchingNode(bench.site, certificates)
        const waiting = logs.map(segments => [...segments])
        for (let left = waiting.filter(one => one.length > 0); left.length > 0; ) {
          const from = left[(draws.next().value ?? 0) % left.length]
          const segments = from?.splice(0, 1 + ((draws.next().value ?? 0) % 4)) ?? []
          for (const segment of segments) node.take(segment)
          const { push } = await cloudBench(database, bench)
          await push({ segments, certificates })
          expect(await counting(bench)).toEqual(node.counting())
          left = waiting.filter(one => one.length > 0)
        }
        expect(await counting(bench)).toEqual([...wanted].toSorted())
      }),
      { numRuns: 5 },
    )
  }, 240_000)

  it('asks nothing more for a push while nobody was revoked or withdrawn, and never without the site', async () => {
    const { site, push } = await cloudBench(database)
    const { log, issuer, certificates } = sceneOf(site)
    const asked = async (from: TestLog, fromSeq: number): Promise<readonly string[]> => {
      const before = statements.length
      await push({ segments: from.segments(fromSeq), certificates })
      return statements.slice(before).filter(text => /revocations|exclusions [rof]\b|manifests/.test(text))
    }
    expect(await asked(log, 0), 'of a new epoch').toHaveLength(1)
    charging(log, 'CP-B')
    expect(await asked(log, 4)).toEqual([])
    says(issuer, certified(site.device('another')))
    expect(await asked(issuer, 0)).toHaveLength(1)
    for (const text of statements)
      expect(text).toMatch(/\bsite_id = \$1|INSERT INTO \w+\s*\(site_id,|LOCK|migrations|CREATE|UPDATE sites/)
  })
})

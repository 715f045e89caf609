// Both simulated clouds under one contract: the one in memory, and the one that is production on a database. Whatever
// nodes tell, in whatever order, with forks, revocations and lost commits between, they answer and bill the same.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryCloud } from '../../simulations/cloud/cloud.ts'
import { postgresCloud } from '../../simulations/cloud/postgres.ts'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { FINALISE_AFTER_MS } from '../../src/cloud/finalise.ts'
import type { AnyBody } from '../../src/log/body.ts'
import type { Segment } from '../../src/ports.ts'
import type { EventHash, LogId, SessionId } from '../../src/units.ts'
import { clocklessContract } from '../contract/clockless-cloud.ts'
import { moneyContract } from '../contract/money-cloud.ts'
import { cloudContract, cloudSetting, pushOf, stateOf } from '../contract/simulated-cloud.ts'
import { namedTellings, type Told, tellingsWithLies } from '../session/telling.ts'
import { SITE_OPENED_AT, sessionBodies, type TestSite } from '../site.ts'
import { withdrawnSite } from './withdrawn-site.ts'

let database: Database
beforeAll(async () => {
  database = await openDatabase({ dir: 'memory' })
})
afterAll(() => database.close())

cloudContract('the cloud on a database', deps => postgresCloud({ ...deps, database }))
moneyContract('the cloud on a database', deps => postgresCloud({ ...deps, database }), 5)
clocklessContract('the cloud on a database', deps => postgresCloud({ ...deps, database }))
clocklessContract('the cloud in memory', async deps => memoryCloud(deps))

type Step =
  /** A log, whole or from its second event on, forgets or repeats what was pushed before. */
  | { readonly kind: 'push'; readonly log: number; readonly fromSeq: number; readonly upTo: number }
  | { readonly kind: 'failover' | 'restore'; readonly ageMs: number }
  | { readonly kind: 'finalise' }

const told = fc
  .tuple(namedTellings, tellingsWithLies, namedTellings, tellingsWithLies)
  .map(parts => parts.flat())

const NODES = 3
/** Logs: one of each node, a branch of the first, a second epoch of the second, the issuer's. */
const LOGS = NODES + 3

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({
        kind: fc.constant('push' as const),
        log: fc.oneof(fc.nat(NODES - 1), fc.nat(NODES - 1), fc.nat(LOGS - 1)),
        fromSeq: fc.constantFrom(0, 0, 0, 1, 4),
        upTo: fc.constantFrom(2, 5, 20, 20),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('failover' as const, 'restore' as const),
        ageMs: fc.constantFrom(1_000, 90_000, FINALISE_AFTER_MS),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'finalise' as const }) },
  ),
  { minLength: 8, maxLength: 16 },
)

function priced(sessionId: SessionId): AnyBody {
  const tariff = { logId: '11'.repeat(16) as LogId, seq: 1, hash: '22'.repeat(32) as EventHash }
  return { name: 'pricing', body: { sessionId, tariff, currency: 'EUR', pricePerKwh: '0.25' } }
}

/** The logs of a site where this was told; some of it twice, in an order of its own. */
function logsOf(site: TestSite, told: readonly Told[]) {
  const nodes = Array.from({ length: NODES }, (_, i) => site.device(`node-${i}`))
  const logs = nodes.map(node => site.openLog(node))
  // Each node knows the whole of one session, and of another one only that it stopped earlier.
  for (const [i, log] of logs.entries()) {
    const whole = sessionBodies({ chargerId: `CP-${4 + i}` })
    const less = sessionBodies({ chargerId: `CP-${4 + ((i + 1) % NODES)}`, meterStopWh: 155_200 + 700 * i })
    log.append([whole.start, whole.pricing, whole.tick(156_300 + 100 * i)])
    log.append([whole.end])
    log.append([less.end])
  }
  for (const { node, atMs, body } of told) {
    logs[node]?.append([body], Math.max(SITE_OPENED_AT, atMs))
    if (body.name === 'session_start') logs[node]?.append([priced(body.body.sessionId)])
  }
  const [first, second] = [nodes[0], nodes[1]]
  const [firstLog, secondLog] = [logs[0], logs[1]]
  if (!first || !second || !firstLog || !secondLog) throw new Error('two nodes at least')
  const words = sessionBodies()
  const branch = site.openLog(first, { epochId: firstLog.epochId })
  branch.append([words.start, words.end], SITE_OPENED_AT + 7)
  const next = site.openLog(second, { prev: secondLog.ref(), storeState: 'lossy' })
  next.append([words.start, words.pricing, words.tick(155_000)])
  next.append([{ name: 'loss_declaration', body: { logId: secondLog.logId, lastKnownSeq: 1 } }])
  const issued = site.openLog(site.issuer)
  const { deviceId, serial } = second.certificate
  const cutoff = [secondLog.ref(Math.min(2, secondLog.events().length - 1))]
  issued.append([{ name: 'device_cert', body: { certificate: first.certificate.encoded } }])
  issued.append([{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff } }])
  return { logs: [...logs, branch, next, issued], certificates: [second, nodes[2]] }
}

describe('the cloud in memory', () => {
  it('answers, folds and bills as production on a database does, whatever happens', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(told, steps, async (words, taken) => {
        const { site, deps, pass } = cloudSetting()
        const both = [memoryCloud(deps), await postgresCloud({ ...deps, database })] as const
        const { logs, certificates } = logsOf(site, words)
        const encoded = certificates.flatMap(device => (device ? [device.certificate.encoded] : []))
        let sinceVersion = 0
        for (const step of taken) {
          pass(60_000)
          if (step.kind === 'push') {
            const segments = logs[step.log]?.segments(0, 1).slice(step.fromSeq, step.upTo) ?? []
            const push = pushOf({ segments, certificates: encoded, sinceVersion })
            const [inMemory, onDisk] = [await both[0].push(push), await both[1].push(push)]
            expect(inMemory).toEqual(onDisk)
            sinceVersion = onDisk.version
          } else {
            if (step.kind === 'finalise') pass(FINALISE_AFTER_MS)
            for (const cloud of both)
              await (step.kind === 'finalise' ? cloud.finalise() : cloud[step.kind](step.ageMs))
          }
        }
        expect(await stateOf(both[0])).toEqual(await stateOf(both[1]))
        for (const { kind } of await both[0].bills()) seen.set(kind, (seen.get(kind) ?? 0) + 1)
        expect(both[0].counters()).toEqual(both[1].counters())
        expect(both[0].epoch()).toBe(both[1].epoch())
        await both[1].close()
      }),
      { numRuns: 30 },
    )
    expect([...seen.keys()]).toContain('credit')
    expect(seen.get('invoice')).toBeGreaterThan(9)
  }, 240_000)

  it('does so too where the root withdraws operators, log by log, and when all is taken again', async () => {
    const { site, deps, pass } = cloudSetting()
    const both = [memoryCloud(deps), await postgresCloud({ ...deps, database })] as const
    const { logs, branch, certificates } = withdrawnSite(site)
    const same = async (): Promise<unknown> => {
      const state = await stateOf(both[0])
      expect(state).toEqual(await stateOf(both[1]))
      return state
    }
    // The fork comes last: no other news may hide what it changes.
    for (const segments of [...logs.filter(one => one !== branch), branch]) {
      pass(60_000)
      const before = await stateOf(both[0])
      for (const cloud of both) await cloud.push(pushOf({ segments, certificates }))
      expect(await same()).not.toEqual(before)
    }
    const whole = await same()
    for (const cloud of both) await cloud.failover(0)
    expect(await same(), 'a manifest that was refused is refused again').toEqual(whole)
    await both[1].close()
  })

  it('does so too where the root withdraws operators', async () => {
    const taken = fc.array(
      fc.record({ log: fc.nat(99), upTo: fc.integer({ min: 1, max: 9 }), next: fc.nat(9) }),
      { minLength: 12, maxLength: 24 },
    )
    await fc.assert(
      fc.asyncProperty(taken, async steps => {
        const { site, deps, pass } = cloudSetting()
        const both = [memoryCloud(deps), await postgresCloud({ ...deps, database })] as const
        const { logs, certificates, counting } = withdrawnSite(site)
        const push = async (segments: readonly Segment[]): Promise<void> => {
          pass(60_000)
          const given = pushOf({ segments, certificates })
          expect(await both[0].push(given)).toEqual(await both[1].push(given))
        }
        for (const { log, upTo, next } of steps) {
          await push(logs[log % logs.length]?.slice(0, upTo) ?? [])
          if (next === 0) pass(FINALISE_AFTER_MS)
          for (const cloud of both) {
            if (next === 0) await cloud.finalise()
            if (next === 1) await cloud.failover(150_000)
          }
          expect(await stateOf(both[0])).toEqual(await stateOf(both[1]))
        }
        await push(logs.flat())
        expect(await stateOf(both[0])).toEqual(await stateOf(both[1]))
        const standing = (await both[0].sessions()).filter(one => !one.flags.includes('evidence-withdrawn'))
        expect(standing.map(one => one.chargerId).toSorted()).toEqual([...counting].toSorted())
        await both[1].close()
      }),
      { numRuns: 5 },
    )
  }, 240_000)
})

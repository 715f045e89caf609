// Two cars at a charger whose clock was never set and whose meter begins at 0 each time: their starts say the very same,
// and the cloud has to bill two sessions, once each, whatever comes again or late.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { addAmounts } from '../../src/tariff/price.ts'
import type { EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { cloudBench, openTestDatabase } from './cloud-bench.ts'

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const words = (meterStopWh: number, tokenRef: string) =>
  sessionBodies({
    meterStartWh: 0,
    meterStopWh,
    startedAt: 5000,
    stoppedAt: 60_000,
    tokenRef: tokenRef.repeat(16),
  })
const FIRST = words(2500, 'aa')
const SECOND = behindStop(words(1800, 'bb'))
/** Whoever records the second start knows of the first stop, and says so. */
function behindStop(said: ReturnType<typeof words>): ReturnType<typeof words> {
  const follows = { logId: '1a'.repeat(16) as LogId, seq: 3, hash: '1b'.repeat(32) as EventHash }
  const { start } = said
  if (start.name !== 'session_start') throw new Error('a session begins with its start')
  return { ...said, start: { ...start, body: { ...start.body, follows } } }
}
const bodies = ({ start, pricing, end }: typeof FIRST): readonly AnyBody[] => [start, pricing, end]

describe('two sessions under one tuple of words', () => {
  it.each([
    ['in one log', [[...bodies(FIRST), ...bodies(SECOND)]]],
    ['at two nodes', [bodies(FIRST), bodies(SECOND)]],
    ['at two nodes, the second heard first', [bodies(SECOND), bodies(FIRST)]],
    ['with all of it replayed', [[...bodies(FIRST), ...bodies(SECOND)], bodies(FIRST), bodies(SECOND)]],
  ] as const)('are billed once each: %s', async (_, told) => {
    const { site, push, sessions, bills } = await cloudBench(database)
    const nodes = told.map((_, i) => site.device(`node-${i}`))
    const certificates = nodes.map(node => node.certificate.encoded)
    const logs = nodes.map((node, i) => {
      const log = site.openLog(node)
      // Which of the two is the first is said by the nodes' clocks, not by the order of arrival.
      const order = told[i]?.[0] === FIRST.start ? 0 : 1
      for (const [j, body] of (told[i] ?? []).entries())
        log.append(
          [body],
          SITE_OPENED_AT + (i > 1 || told.length === 3 ? i : order) * 3600_000 + (j + 1) * 1000,
        )
      return log
    })
    for (const log of [...logs, ...logs]) {
      // One event a push: the second session is open, and then is not, before everything is known.
      for (const segment of log.segments(0, 1))
        expect((await push({ segments: [segment], certificates })).refused).toEqual([])
    }
    const standing = (await sessions()).map(({ energyWh, state }) => [energyWh, state]).toSorted()
    expect(standing).toEqual([
      [1800, 'complete'],
      [2500, 'complete'],
    ])
    const owed = new Map<unknown, string>()
    for (const { sessionId, amount } of await bills())
      owed.set(sessionId, addAmounts(owed.get(sessionId) ?? '0', String(amount)))
    expect([...owed.values()].toSorted()).toEqual(['0.45', '0.63'])
  })
})

// A register that ran over, began anew or slipped, told by two nodes between which the charger moved: the cloud keeps the
// last readings only and yet comes to what the nodes' fold of all of them says, in whatever order their logs come.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger } from '../../src/session/fold.ts'
import type { ChargerId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { cloudBench, openTestDatabase } from './cloud-bench.ts'

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const MINUTE = 60_000
type Row = readonly [
  what: string,
  registers: readonly number[],
  energyWh: number | null,
  state: string,
  flags: readonly string[],
]

const rows: readonly Row[] = [
  ['only rose', [5000, 5100, 5150, 5200, 5250, 5300], 300, 'complete', []],
  ['slipped once', [5000, 5100, 900_000, 5200, 5250, 5300], 300, 'complete', ['meter-jumped']],
  ['ran over', [999_600, 999_700, 999_800, 999_900, 0, 100, 200], 600, 'complete', ['meter-rolled-over']],
  ['began anew', [5000, 5100, 5200, 5300, 0, 100, 200, 300], 400, 'disputed', ['meter-reset']],
  [
    'began anew and rose above its start',
    [100, 9000, 9200, 0, 300, 500],
    400,
    'disputed',
    ['meter-went-back'],
  ],
  ['fell, and nobody knows how', [5000, 4000], null, 'disputed', ['meter-went-back']],
]

describe('a register that', () => {
  it.each(rows)('%s', async (_what, registers, energyWh, state, flags) => {
    for (const order of [1, -1]) {
      const { site, push, sessions, bills } = await cloudBench(database)
      const [first = 0, ...later] = registers
      const lastWh = later.at(-1) ?? 0
      const atOf = (i: number): number => SITE_OPENED_AT + i * MINUTE
      const words = { meterStartWh: first, meterStopWh: lastWh, stoppedAt: atOf(later.length) }
      const { start, pricing, tick, end } = sessionBodies(words)
      const ticks = later.slice(0, -1).map((wh, i) => ({ body: tick(wh, atOf(i + 1)), at: atOf(i + 1), i }))
      const nodes = [0, 1].map(i => site.device(`node-${i}`))
      const logs = nodes.map(node => site.openLog(node))
      const facts = emptyFacts()
      const say = (node: number, body: typeof start, at: number): void => {
        for (const event of logs[node]?.append([body], at) ?? [])
          addFact(facts, event, body, nodes[node]?.certificate.deviceId ?? ('' as never))
      }
      say(0, start, SITE_OPENED_AT)
      say(0, pricing, SITE_OPENED_AT)
      // Every other reading is heard by the other node, and all by both at the end.
      for (const { body, at, i } of ticks) say(i % 2, body, at)
      for (const { body, at, i } of ticks) say(1 - (i % 2), body, at + 1)
      say(1, end, atOf(later.length))
      const certificates = nodes.map(node => node.certificate.encoded)
      for (const log of order > 0 ? logs : logs.toReversed())
        for (const segment of log.segments(0, 1))
          expect((await push({ segments: [segment], certificates })).refused).toEqual([])
      const held = (await sessions()).map(one => [one.energyWh, one.state, one.flags])
      expect(held).toEqual([[energyWh, state, flags]])
      const owed = (await bills()).map(one => one.energyWh)
      expect(owed).toEqual(energyWh === null ? [] : [energyWh])
      const folded = foldCharger(facts.chargers.get('CP-1' as ChargerId) as never).sessions
      expect(folded.map(one => [one.energyWh ?? null, one.flags])).toEqual([[energyWh, flags]])
    }
  })
})

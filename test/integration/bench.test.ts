// The benchmarks run and count right; how fast anything is, no test says.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { encodeBody } from '../../src/log/body.ts'
import { difference, median, quantile, ratio } from '../bench/figures.ts'
import { bodiesOf, numberOf } from '../bench/payload.ts'

const bench = fileURLToPath(new URL('../../dist/test/bench/bench.js', import.meta.url))
const run = promisify(execFile)

describe('a benchmark', () => {
  it('lets both floods reach all nodes, and says so in one line', { timeout: 60_000 }, async () => {
    const words = [bench, 'flood', '--nodes', '3', '--events', '30', '--pairs', '1', '--json']
    const { stdout } = await run(process.execPath, words)
    const said = JSON.parse(stdout) as {
      readonly ratio: number
      readonly ours: readonly Record<string, number>[]
      readonly floor: readonly Record<string, number>[]
    }
    expect(said.ratio).toBeGreaterThan(0)
    for (const [figures] of [said.ours, said.floor]) {
      expect(figures?.eventsPerS).toBeGreaterThan(0)
      // Each node gets what the two others wrote: bodies, a signature for ten, and what stands around them.
      expect(figures?.wireRatio).toBeGreaterThan(1)
      expect(figures?.wireRatio).toBeLessThan(4)
    }
  })

  it('asks the cards of a site and starts a node of it, and spreads revocations', {
    timeout: 120_000,
  }, async () => {
    const figuresOf = async (...words: readonly string[]): Promise<Readonly<Record<string, number>>> => {
      const { stdout } = await run(process.execPath, [bench, ...words, '--json'])
      return (JSON.parse(stdout) as { ours: readonly [Record<string, number>] }).ours[0]
    }
    const cards = await figuresOf('cards', '--most', '1000')
    for (const name of ['decisionUs', 'heapMb', 'startMs', 'mostMb'])
      expect(cards[`${name}, 1000 cards`], name).toBeGreaterThan(0)
    const spread = await figuresOf('spread', '--most', '10', '--revocations', '5')
    expect(spread['count, 10 nodes']).toBe(5)
    expect(spread['p50Ms, 10 nodes']).toBeGreaterThanOrEqual(spread['floorMs, 10 nodes'] ?? Number.NaN)
  })

  it('kills the node of a site, and finds every session that its chargers come back with', {
    timeout: 120_000,
  }, async () => {
    const words = ['--chargers', '3', '--every-s', '1', '--seconds', '2', '--storm-ms', '200', '--pairs', '1']
    const { stdout } = await run(process.execPath, [bench, 'ocpp', ...words, '--json'])
    const { ours, floor } = JSON.parse(stdout) as Record<'ours' | 'floor', readonly [Record<string, number>]>
    for (const [figures] of [ours, floor])
      for (const name of ['callsPerS', 'p99StartMs', 'p99StopMs', 'cpuShare', 'stormMs', 'stormServedP99Ms'])
        expect(figures[name], name).toBeGreaterThan(0)
    expect(ours[0].stormRefused).toBe(0)
  })

  it('refuses a figure that is none', { timeout: 20_000 }, async () => {
    const wrong = run(process.execPath, [bench, 'flood', '--nodes', 'ten'])
    await expect(wrong).rejects.toMatchObject({ code: 2 })
  })

  it('writes bodies of just the size that is asked for, each with its number', () => {
    for (const size of [40, 62, 63, 64, 250, 300, 301, 1000]) {
      const bodies = bodiesOf(100_000, 3, size, 'seed').map(encodeBody)
      expect(bodies.map(body => body.length)).toEqual([size, size, size])
      expect(bodies.map(numberOf)).toEqual([100_000, 100_001, 100_002])
    }
    expect(bodiesOf(0, 1, 250, 'a')).not.toEqual(bodiesOf(0, 1, 250, 'b'))
  })

  it('takes the median of the pairs', () => {
    const paired = { ours: [{ ms: 2 }, { ms: 9 }, { ms: 4 }], floor: [{ ms: 1 }, { ms: 3 }, { ms: 4 }] }
    expect(ratio(paired, 'ms')).toBe(2)
    expect(difference(paired, 'ms')).toBe(1)
    expect([median([3, 1]), median([5, 1, 2]), quantile([1, 2, 3, 4], 0.5), quantile([7], 0.99)]).toEqual([
      2, 2, 2, 7,
    ])
  })
})

// What a revocation leaves standing: the ends of a device's chains, as far as anybody holds them.
import { expect, it } from 'vitest'
import type { Head } from '../../src/api/devices.ts'
import { cutoffOf } from '../../src/cli/node-revoke.ts'
import type { EventHash, LogId } from '../../src/units.ts'

const log = (i: number): LogId => i.toString(16).padStart(32, '0') as LogId
const head = (i: number, seq: number, prev?: number): Head => ({
  ...{ logId: log(i), seq, hash: 'aa'.repeat(32) as EventHash },
  ...(prev !== undefined && { prev: log(prev) }),
})
const named = (heads: readonly Head[]): readonly (readonly [string, number])[] =>
  cutoffOf(heads).cutoff.map(({ logId, seq }) => [logId, seq])

it('names the last of a hundred boots, which brings all before it', () => {
  const boots = Array.from({ length: 100 }, (_, i) => head(i, 5, i > 0 ? i - 1 : undefined))
  expect(named(boots)).toEqual([[log(99), 5]])
})

it('takes of each log the furthest head that any node holds', () => {
  expect(named([head(1, 5), head(2, 3, 1), head(1, 9), head(2, 7, 1), head(2, 4, 1)])).toEqual([[log(2), 7]])
})

it('keeps the long history when a thief opened more logs than a cut-off holds, and says how many it left out', () => {
  const honest = [head(1, 900), head(2, 50, 1)]
  const forged = Array.from({ length: 100 }, (_, i) => head(i + 10, 3))
  const { cutoff, leftOut } = cutoffOf([...forged, ...honest])
  expect(cutoff).toHaveLength(64)
  expect(cutoff[0]?.logId).toBe(log(2))
  expect(leftOut).toBe(37)
})

it('of logs that name one another in a circle names none', () => {
  expect(named([head(1, 5, 2), head(2, 5, 1)])).toEqual([])
})

import { describe, expect, it } from 'vitest'
import type { ChargerTime } from '../../src/ports.ts'
import { timesOf } from '../../src/session/times.ts'
import { campus, HOUR_MS, iso, MINUTE_MS } from '../serve/charging.ts'
import { SITE_OPENED_AT } from '../site.ts'

const NINE = SITE_OPENED_AT + HOUR_MS

/** When a node heard of something, and what the charger's clock showed. */
type Told = readonly [recordedAt: number, shown: ChargerTime]

function times([startAt, startShown]: Told, [stopAt, stopShown]: Told): unknown {
  const node = campus().node('a')
  node.clock.at = startAt - 1
  const { transactionId } = node.start({ time: startShown })
  node.clock.at = stopAt - 1
  node.stop({ transactionId, time: stopShown })
  const { startedAt, stoppedAt } = timesOf(node.only())
  return [startedAt.at - NINE, startedAt.clock, (stoppedAt?.at ?? 0) - NINE, stoppedAt?.clock]
}

const TEN = NINE + HOUR_MS
const NEXT_DAY = NINE + 24 * HOUR_MS
/** A clock that was never set, so long after its power came. */
const since = (ms: number): ChargerTime => iso(ms)

describe('the times of a session', () => {
  it('are the charger’s, also when they come a day later', () => {
    const charger = [0, 'charger', HOUR_MS, 'charger']
    expect(times([NINE, iso(NINE)], [TEN, iso(TEN)])).toEqual(charger)
    expect(times([NEXT_DAY, iso(NINE)], [NEXT_DAY + 1, iso(TEN)])).toEqual(charger)
    // A minute ahead is no wrong clock.
    expect(times([NINE - MINUTE_MS, iso(NINE)], [TEN - MINUTE_MS, iso(TEN)])).toEqual(charger)
  })

  it('are the node’s where the charger’s clock cannot be right', () => {
    const node = [0, 'node', HOUR_MS, 'node']
    expect(times([NINE, since(5000)], [TEN, since(5000 + HOUR_MS)])).toEqual(node)
    expect(times([NINE, { raw: '' }], [TEN, { raw: 'x' }])).toEqual(node)
    expect(times([NINE, iso(NINE + 2 * HOUR_MS)], [TEN, iso(TEN + 2 * HOUR_MS)])).toEqual(node)
    // The power went in mid-session, and the clock counts anew.
    expect(times([NINE, since(9000)], [TEN, since(5000)])).toEqual(node)
  })

  it('are counted from what was heard at once where one wrong clock showed both', () => {
    // Both a day later: it ended then at the latest.
    expect(times([NEXT_DAY, since(5000)], [NEXT_DAY, since(5000 + HOUR_MS)])).toEqual([
      23 * HOUR_MS,
      'counted',
      24 * HOUR_MS,
      'node',
    ])
    // The start at once, the stop a day later.
    expect(times([NINE, since(5000)], [NEXT_DAY, since(5000 + HOUR_MS)])).toEqual([
      0,
      'node',
      HOUR_MS,
      'counted',
    ])
    // Three hours ahead: the stop, heard at once, says so, and the start came an hour late.
    expect(times([TEN, iso(NINE + 3 * HOUR_MS)], [TEN, iso(TEN + 3 * HOUR_MS)])).toEqual([
      0,
      'counted',
      HOUR_MS,
      'node',
    ])
    // The start looks possible by itself, a day later; the stop shows that the clock is ahead.
    const [shownStart, shownStop] = [iso(NINE + 3 * HOUR_MS), iso(NEXT_DAY + 3 * HOUR_MS)]
    expect(times([NEXT_DAY, shownStart], [NEXT_DAY, shownStop])).toEqual([0, 'counted', 24 * HOUR_MS, 'node'])
  })

  it('are the charger’s as far as its clock was right, where that jumped in mid-session', () => {
    const right = iso(NINE)
    const stopByNode = [0, 'charger', HOUR_MS, 'node']
    expect(times([NINE, right], [TEN, iso(TEN + 5 * HOUR_MS)])).toEqual(stopByNode)
    expect(times([NINE, right], [TEN, iso(NINE - HOUR_MS)])).toEqual(stopByNode)
    expect(times([NINE, right], [TEN, since(7000)])).toEqual(stopByNode)
    const startByNode = [0, 'node', HOUR_MS, 'charger']
    expect(times([NINE, iso(NINE + 5 * HOUR_MS)], [TEN, iso(TEN)])).toEqual(startByNode)
    expect(times([NINE, since(7000)], [TEN, iso(TEN)])).toEqual(startByNode)
  })

  it('never end before they begin', () => {
    const [begun, , over] = times([NEXT_DAY, since(7000)], [NEXT_DAY, iso(TEN)]) as number[]
    expect(begun).toBe(over)
  })

  it('are the charger’s where the node’s own clock was never set', () => {
    expect(times([7000, iso(NINE)], [8000 + HOUR_MS, iso(TEN)])).toEqual([0, 'charger', HOUR_MS, 'charger'])
  })
})

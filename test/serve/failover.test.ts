// What chargers do when their node dies, by the numbers of the failover table (rows 1 to 8): the answers that a
// charger hears, and the one session that all nodes agree upon afterwards.
import { describe, expect, it } from 'vitest'
import { transactionIdOf } from '../../src/session/id.ts'
import type { ChargerId } from '../../src/units.ts'
import { SITE_OPENED_AT } from '../site.ts'
import {
  CARD,
  CHARGER,
  type ChargingNode,
  campus,
  carry,
  gist,
  HOUR_MS,
  iso,
  MINUTE_MS,
  meet,
} from './charging.ts'

function twoNodes(): { a: ChargingNode; b: ChargingNode } {
  const site = campus()
  const [a, b] = [site.node('a'), site.node('b')]
  site.publish(a, b)
  return { a, b }
}

describe('row 1: a charger joins another node in mid-session, without a boot', () => {
  it('goes on with the session that came through the mesh, and says so once', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    a.meter({ transactionId, energyWh: 154_900 })
    carry(a, b)
    b.meter({ transactionId, energyWh: 155_400 })
    b.meter({ transactionId, energyWh: 155_900 })
    b.stop({ transactionId })
    meet(a, b)
    expect(b.only()).toMatchObject({ state: 'completed', energyWh: 2500, flags: [] })
    expect(b.wrote('adoption')).toHaveLength(1)
    expect(b.only().recordedBy).toHaveLength(2)
    expect(gist(a.of())).toEqual(gist(b.of()))
  })

  it('keeps readings of a session that it does not know yet, and they count once the start arrives', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    b.meter({ transactionId, energyWh: 155_400 })
    expect(b.of().sessions).toEqual([])
    meet(a, b)
    expect(b.only()).toMatchObject({ state: 'charging' })
    expect(b.only().lastTick?.body.energyWh).toBe(155_400)
    expect(gist(a.of())).toEqual(gist(b.of()))
  })

  it('writes one adoption a move when the charger goes to and fro', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    carry(a, b)
    b.meter({ transactionId, energyWh: 154_500 })
    b.meter({ transactionId, energyWh: 154_600 })
    carry(b, a)
    a.meter({ transactionId, energyWh: 154_700 })
    a.meter({ transactionId, energyWh: 154_800 })
    a.stop({ transactionId })
    meet(a, b)
    expect(b.wrote('adoption')).toHaveLength(1)
    expect(a.wrote('adoption')).toHaveLength(1)
    expect(a.only().adoptions.map(fact => fact.deviceId)).toEqual([
      b.device.certificate.deviceId,
      a.device.certificate.deviceId,
    ])
  })

  it('names in an adoption the newest event of the session that it knew', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    a.meter({ transactionId, energyWh: 154_900 })
    carry(a, b)
    b.meter({ transactionId, energyWh: 155_400 })
    const { lastTick } = a.only()
    expect(b.wrote('adoption')[0]?.from).toEqual(lastTick?.ref)
  })
})

describe('row 2: a stop comes to a node that never saw the start', () => {
  it('is accepted, kept, and joined when the log with the start arrives', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    b.clock.at += HOUR_MS
    b.stop({ transactionId })
    expect(b.of()).toMatchObject({ sessions: [], orphanEnds: [{ body: { transactionId } }] })
    meet(a, b)
    expect(b.only()).toMatchObject({ state: 'completed', energyWh: 2500, flags: [] })
    expect(b.of().orphanEnds).toEqual([])
    expect(gist(a.of())).toEqual(gist(b.of()))
  })

  it('is joined by its id although its clock has lost the time', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    b.stop({ transactionId, time: { raw: '1970-01-01T00:12:00Z', at: 720_000 } })
    meet(a, b)
    expect(b.only()).toMatchObject({ state: 'completed', energyWh: 2500 })
  })

  it('gives the same session, and the same doubt, as a node that knew the start, when the meter went back', () => {
    const [knew, joined] = [twoNodes(), twoNodes()]
    for (const { a, b } of [knew, joined]) {
      const { transactionId } = a.start()
      if (b === knew.b) carry(a, b)
      b.stop({ transactionId, meterStopWh: 10 })
      meet(a, b)
    }
    expect(knew.b.only()).toMatchObject({ state: 'completed', flags: ['meter-went-back'] })
    expect(joined.b.only()).toMatchObject({ state: 'completed', flags: ['meter-went-back'] })
    expect(joined.b.only().energyWh).toBeUndefined()
  })

  it('stays an orphan of its own charger: another one with the same id is not stopped', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    carry(a, b)
    b.stop({ transactionId, chargerId: 'CP-2' as ChargerId })
    expect(b.only()).toMatchObject({ state: 'charging' })
    expect(b.of('CP-2' as ChargerId)).toMatchObject({ sessions: [], orphanEnds: [{}] })
  })
})

describe('row 3: the answer to a start is lost, and the start is sent again', () => {
  it('gets the same id from a node that knows nothing of the first, and one session after the merge', () => {
    const { a, b } = twoNodes()
    const at = a.clock.at
    const first = a.start({ at })
    b.clock.at += MINUTE_MS
    const second = b.start({ at })
    expect(second).toEqual(first)
    b.stop({ transactionId: second.transactionId })
    meet(a, b)
    expect(a.only()).toMatchObject({ energyWh: 2500, transactionIds: [first.transactionId], flags: [] })
    expect(gist(a.of())).toEqual(gist(b.of()))
  })

  it('is answered by the same node without a second event', () => {
    const { a } = twoNodes()
    const at = a.clock.at
    const first = a.start({ at })
    expect(a.start({ at })).toEqual(first)
    expect(a.start({ at })).toEqual(first)
    expect(a.wrote('session_start')).toHaveLength(1)
    expect(a.wrote('pricing')).toHaveLength(1)
  })

  it('is answered alike when its clock was corrected in between and the old words come once more', () => {
    const { a } = twoNodes()
    const at = a.clock.at
    const early = a.start({ at })
    a.start({ at: at + 5 * MINUTE_MS })
    expect(a.only().flags).toEqual(['restarted-clock'])
    expect(a.start({ at })).toEqual(early)
    expect(a.wrote('session_start')).toHaveLength(2)
  })
})

describe('row 4: two nodes gave one start different ids', () => {
  it('accepts a stop under either, at any node', () => {
    for (const which of ['first', 'second'] as const) {
      const { a, b } = twoNodes()
      const at = b.clock.at
      // B holds an open session whose id is the one that the start would get: it probes past it.
      const { transactionId: wanted } = a.start({ at, connectorId: 2 })
      b.ledger.write([foreignOpen(wanted)], { wallMs: b.clock.at, monotonicMs: b.clock.at - SITE_OPENED_AT })
      const { transactionId: probed } = b.start({ at, connectorId: 2 })
      expect(probed).toBe(wanted + 1)
      meet(a, b)
      const session = a.of().sessions.find(one => one.connectorId === 2)
      expect(session?.transactionIds).toEqual([wanted, probed])
      b.stop({ transactionId: which === 'first' ? wanted : probed, at: at + HOUR_MS })
      meet(a, b)
      const ended = a.of().sessions.filter(one => one.end)
      if (which === 'second') expect(ended).toMatchObject([{ connectorId: 2, energyWh: 2500 }])
      else expect(ended).toHaveLength(1)
      expect(gist(a.of())).toEqual(gist(b.of()))
    }
  })

  it('probes past ids of open sessions, round the end, and never to 0', () => {
    const last = 'fffffffe'.padEnd(32, '0') as Parameters<typeof transactionIdOf>[0]
    expect(transactionIdOf(last, () => false)).toBe(2 ** 31 - 1)
    expect(transactionIdOf(last, id => id === 2 ** 31 - 1)).toBe(1)
    const zero = '00000001'.padEnd(32, '0') as typeof last
    expect(transactionIdOf(zero, () => false)).toBe(1)
  })

  function foreignOpen(transactionId: number) {
    return {
      name: 'session_start' as const,
      body: {
        ...{ sessionId: 'ee'.repeat(16) as never, chargerId: CHARGER, connectorId: 1, tokenRef: CARD },
        ...{ meterStartWh: 5, startedAt: iso(SITE_OPENED_AT), transactionId, allowed: 'ALLOWED' as const },
        ...{ reason: 'ok', policyHead: [], tier: 'FULL' as const, connectionId: 1, clock: 'rtc' as const },
      },
    }
  }
})

describe('row 5: a stop is sent again', () => {
  it('is one end, at the same node', () => {
    const { a } = twoNodes()
    const { transactionId } = a.start()
    const at = a.clock.at
    for (let i = 0; i < 3; i++) a.stop({ transactionId, at })
    expect(a.wrote('session_end')).toHaveLength(1)
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [] })
  })

  it('is one end, at another node', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    carry(a, b)
    const at = a.clock.at
    a.stop({ transactionId, at })
    b.stop({ transactionId, at })
    meet(a, b)
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [] })
    expect(a.only().endRefs).toHaveLength(2)
  })

  it('is one end when neither node knew the start', () => {
    const { a, b } = twoNodes()
    for (const node of [a, b]) {
      node.stop({ transactionId: 4711, at: SITE_OPENED_AT })
      node.stop({ transactionId: 4711, at: SITE_OPENED_AT })
      expect(node.wrote('session_end')).toHaveLength(1)
    }
  })

  it('with another register is kept, shown, and the smaller energy counts whichever came first', () => {
    for (const registers of [
      [156_700, 157_700],
      [157_700, 156_700],
    ]) {
      const { a } = twoNodes()
      const { transactionId } = a.start()
      for (const meterStopWh of registers) a.stop({ transactionId, meterStopWh })
      expect(a.only()).toMatchObject({ energyWh: 2500, flags: ['conflicting-ends'], state: 'completed' })
      expect(a.only().ends).toHaveLength(2)
    }
  })
})

describe('row 6: a whole session was offline and is replayed', () => {
  it('is recorded like any other by any node, with the charger’s own times', () => {
    const { a, b } = twoNodes()
    const startedAt = SITE_OPENED_AT + 10 * MINUTE_MS
    b.clock.at = SITE_OPENED_AT + 5 * 24 * HOUR_MS
    const { transactionId, allowed } = b.start({ at: startedAt })
    b.meter({ transactionId, energyWh: 155_000, at: startedAt + MINUTE_MS })
    b.stop({ transactionId, at: startedAt + HOUR_MS })
    expect(allowed).toBe('ALLOWED')
    meet(a, b)
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [] })
    expect(a.only().end?.body.stoppedAt.at).toBe(startedAt + HOUR_MS)
  })

  it('changes nothing when it is replayed in full to both nodes, again and again', () => {
    const { a, b } = twoNodes()
    const startedAt = SITE_OPENED_AT
    for (const node of [a, b, a, b, a]) {
      const { transactionId } = node.start({ at: startedAt })
      node.meter({ transactionId, energyWh: 155_000, at: startedAt + MINUTE_MS })
      node.stop({ transactionId, at: startedAt + HOUR_MS })
    }
    meet(a, b)
    expect(a.only()).toMatchObject({ energyWh: 2500, flags: [], state: 'completed' })
    expect(a.wrote('session_start')).toHaveLength(1)
    expect(a.wrote('session_end')).toHaveLength(1)
  })

  it('goes on beside a session of the same card elsewhere: nothing is refused as concurrent', () => {
    const { a } = twoNodes()
    a.start()
    expect(a.start({ chargerId: 'CP-2' as ChargerId, at: SITE_OPENED_AT }).allowed).toBe('ALLOWED')
  })
})

describe('row 7: meter values come late', () => {
  it('attach to the closed session and change neither its energy nor its state', () => {
    const { a, b } = twoNodes()
    const { transactionId } = a.start()
    const at = a.clock.at
    a.stop({ transactionId, at: at + HOUR_MS })
    a.clock.at += 2 * HOUR_MS
    a.meter({ transactionId, energyWh: 155_100, at: at + MINUTE_MS })
    carry(a, b)
    b.meter({ transactionId, energyWh: 155_200, at: at + 2 * MINUTE_MS })
    meet(a, b)
    expect(a.only()).toMatchObject({ energyWh: 2500, state: 'completed', flags: [] })
    expect(a.only().lastTick?.body.energyWh).toBe(155_200)
    expect(b.wrote('adoption')).toEqual([])
  })

  it('are ordered by the time of the sample, not of their arrival', () => {
    const { a } = twoNodes()
    const { transactionId } = a.start()
    const at = a.clock.at
    a.meter({ transactionId, energyWh: 156_000, at: at + 30 * MINUTE_MS })
    a.meter({ transactionId, energyWh: 155_000, at: at + 10 * MINUTE_MS })
    expect(a.only().lastTick?.body.energyWh).toBe(156_000)
  })
})

describe('row 8: transaction ids that nobody gave', () => {
  it.each([-1, 0, 2 ** 31 - 1])('joins a stop under %d to the only session that fits', transactionId => {
    const { a } = twoNodes()
    a.start()
    a.stop({ transactionId })
    expect(a.only()).toMatchObject({ energyWh: 2500, state: 'completed', flags: ['joined-by-fit'] })
    expect(a.of().orphanEnds).toEqual([])
  })

  it('gives readings under -1 and 0 to the session that is open on their connector', () => {
    const { a } = twoNodes()
    a.start({ connectorId: 1 })
    a.start({ connectorId: 2, meterStartWh: 90_000 })
    a.meter({ transactionId: -1, connectorId: 2, energyWh: 91_000 })
    a.meter({ transactionId: 0, connectorId: 1, energyWh: 155_000 })
    expect(a.of().sessions.map(one => one.lastTick?.body.energyWh)).toEqual([155_000, 91_000])
  })

  it('leaves a stop that fits two sessions to people, and guesses no connector', () => {
    const { a } = twoNodes()
    a.start({ connectorId: 1 })
    a.start({ connectorId: 2, meterStartWh: 90_000 })
    a.stop({ transactionId: -1 })
    expect(a.of().sessions.map(one => one.state)).toEqual(['charging', 'charging'])
    expect(a.of().orphanEnds).toHaveLength(1)
  })

  it('gives two stops under -1 to two sessions of one connector, although a slow clock stamped the second first', () => {
    const { a, b } = twoNodes()
    const at = SITE_OPENED_AT + HOUR_MS
    a.start({ at })
    a.stop({ transactionId: -1, meterStopWh: 156_700, at: at + 10 * MINUTE_MS })
    a.start({ meterStartWh: 156_700, at: at + 20 * MINUTE_MS })
    b.clock.at = SITE_OPENED_AT
    b.stop({ transactionId: -1, meterStopWh: 158_000, at: at + 30 * MINUTE_MS })
    meet(a, b)
    expect(a.of().sessions.map(one => one.energyWh)).toEqual([2500, 1300])
    expect(a.of().orphanEnds).toEqual([])
  })
})

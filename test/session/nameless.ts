// What a charge point with two connectors goes through whose firmware names no transaction (StopTransaction and MeterValues
// with id -1): cars come and go on both, its words reach one node or another, and each node's clock is off by something.
// The truth is told beside it, so that a test can say which stop belongs to which session.
import fc from 'fast-check'
import type { AnyBody } from '../../src/log/body.ts'
import type { ChargerId, SessionId, TokenRef } from '../../src/units.ts'
import { idsOf, type Told } from './telling.ts'

const OPENED_AT = Date.UTC(2026, 5, 1)
const MINUTE_MS = 60_000
export const CHARGER = 'CP-1' as ChargerId

/** One car: it waits, charges, and is stopped by its card or by pulling the plug. */
export type Visit = {
  readonly waitMin: number
  readonly chargeMin: number
  readonly energyWh: number
  readonly card: number
  readonly byCard: boolean
  /** The meter begins at 0 again before it. */
  readonly resets: boolean
  /** Where its start, its readings and its stop go, and whether whoever hears a reading knows of the session. */
  readonly nodes: readonly [number, number, number]
  readonly reading: 'named' | 'nameless' | 'before' | 'none'
}
export type Lane = { readonly registerWh: number; readonly visits: readonly Visit[] }
export type Firmware = { readonly isClocked: boolean; readonly resets: boolean; readonly allAtZero: boolean }
export type Day = {
  readonly lanes: readonly Lane[]
  readonly firmware: Firmware
  readonly skewsMs: readonly number[]
}

export const ORDINARY: Firmware = { isClocked: true, resets: false, allAtZero: false }
/** Some have no clock, some a meter that begins at 0 now and then, or each time. */
export const ANY_FIRMWARE: fc.Arbitrary<Firmware> = fc.record({
  isClocked: fc.boolean(),
  resets: fc.boolean(),
  allAtZero: fc.nat(3).map(n => n === 0),
})

const visit: fc.Arbitrary<Visit> = fc.record({
  waitMin: fc.integer({ min: 1, max: 90 }),
  chargeMin: fc.integer({ min: 1, max: 120 }),
  energyWh: fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.integer({ min: 10, max: 9000 }) },
  ),
  card: fc.nat(3),
  byCard: fc.boolean(),
  resets: fc.nat(4).map(n => n === 0),
  nodes: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
  reading: fc.constantFrom('named', 'named', 'named', 'nameless', 'before', 'none'),
})

export function daysOf(firmware: fc.Arbitrary<Firmware>): fc.Arbitrary<Day> {
  return fc.record({
    lanes: fc.array(
      fc.record({
        registerWh: fc.constantFrom(0, 5000, 5000, 120_000),
        visits: fc.array(visit, { minLength: 1, maxLength: 7 }),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    firmware,
    skewsMs: fc.tuple(fc.nat(4000), fc.nat(4000), fc.nat(4000)),
  })
}

export type Truth = { readonly sessionId: SessionId; readonly energyWh: number }
type Moment = Told & { readonly order: number }

/** The words of the day in the order in which they were said, and what really was taken. */
export function dayOf({ lanes, firmware, skewsMs }: Day): {
  told: readonly Told[]
  truths: readonly Truth[]
} {
  const moments: Moment[] = []
  const truths: Truth[] = []
  for (const [i, lane] of lanes.entries()) {
    const connectorId = i + 1
    let atMs = i * 7
    let registerWh = lane.registerWh
    let before: { sessionId: SessionId } | undefined
    for (const one of lane.visits) {
      if (firmware.allAtZero || (firmware.resets && one.resets)) registerWh = 0
      atMs += one.waitMin * MINUTE_MS
      const stopMs = atMs + one.chargeMin * MINUTE_MS
      const stampOf = (ms: number) => {
        const at = firmware.isClocked ? OPENED_AT + ms : 1000 + ms
        return { raw: new Date(at).toISOString(), at }
      }
      const tokenRef = `${one.card}${one.card}`.repeat(16) as TokenRef
      const said = { chargerId: CHARGER, connectorId, meterStartWh: registerWh, startedAt: stampOf(atMs) }
      const ids = idsOf(said)
      const meterStopWh = registerWh + one.energyWh
      const say = (ms: number, node: number, body: AnyBody): void => {
        moments.push({ node, atMs: OPENED_AT + ms + (skewsMs[node] ?? 0), body, order: ms })
      }
      const [startNode, readNode, stopNode] = one.nodes
      say(atMs, startNode, {
        name: 'session_start',
        body: {
          ...{ ...said, ...ids, tokenRef, allowed: 'ALLOWED', reason: '', policyHead: [] },
          ...{ tier: 'FULL', connectionId: 1, clock: 'rtc' },
        },
      })
      const named = one.reading === 'named' ? ids : one.reading === 'before' ? before : undefined
      const readMs = atMs + Math.floor((one.chargeMin * MINUTE_MS) / 2)
      if (one.reading !== 'none')
        say(readMs, readNode, {
          name: 'meter_tick',
          body: {
            ...(named && { sessionId: named.sessionId }),
            ...{
              chargerId: CHARGER,
              connectorId,
              transactionId: -1,
              sampledAt: stampOf(readMs),
              connectionId: 1,
            },
            energyWh: registerWh + Math.floor(one.energyWh / 2),
          },
        })
      say(stopMs, stopNode, {
        name: 'session_end',
        body: {
          ...{
            chargerId: CHARGER,
            transactionId: -1,
            meterStopWh,
            stoppedAt: stampOf(stopMs),
            connectionId: 1,
          },
          ...{ reason: one.byCard ? 'Local' : 'EVDisconnected', clock: 'rtc' },
          ...(one.byCard && { tokenRef }),
        },
      })
      truths.push({ sessionId: ids.sessionId, energyWh: one.energyWh })
      registerWh = meterStopWh
      before = ids
      atMs = stopMs
    }
  }
  return { told: moments.toSorted((a, b) => a.order - b.order), truths }
}

// A session of the accountant's table as what a charger says of it.
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import type { ChargerTime } from '../../src/ports.ts'
import type { IdleSpan } from '../../src/tariff/usage.ts'
import { sessionBodies } from '../site.ts'
import type { TariffCase } from '../tariff/cases.ts'

const START_WH = 100_000
const STATES = { parked: 'suspendedEv', withheld: 'suspendedEvse' } as const

function timeOf(second: number): ChargerTime {
  const at = second * 1000
  return { raw: new Date(at).toISOString(), at }
}

/** In the order in which it happened, behind the start and its price. */
export function wordsOfCase(
  { usage, currency }: TariffCase,
  tariff: EventRef,
): { readonly start: readonly AnyBody[]; readonly between: readonly AnyBody[]; readonly end: AnyBody } {
  const { startedAt, stoppedAt, curve, idle } = usage
  const words = sessionBodies({
    ...{ startedAt: startedAt * 1000, stoppedAt: stoppedAt * 1000, currency },
    ...{ meterStartWh: START_WH, meterStopWh: START_WH + (curve.at(-1)?.wh ?? 0) },
  })
  const { sessionId, start, pricing, end, tick } = words
  const ticks = curve.slice(1, -1).map(({ at, wh }) => tick(START_WH + wh, at * 1000))
  const states = idle.flatMap(({ fromAt, toAt, kind }, i) => [
    { at: fromAt, state: STATES[kind] },
    ...(isFollowed(idle, i) || toAt === stoppedAt ? [] : [{ at: toAt, state: 'charging' as const }]),
  ])
  const changes = states.map(
    ({ at, state }): AnyBody => ({
      name: 'session_state',
      body: { sessionId, state, chargerStatus: '', changedAt: timeOf(at) },
    }),
  )
  const priced = { ...pricing.body, tariff, byTerms: true } as Extract<AnyBody, { name: 'pricing' }>['body']
  return { start: [start, { name: 'pricing', body: priced }], between: [...ticks, ...changes], end }
}

function isFollowed(idle: readonly IdleSpan[], i: number): boolean {
  return idle[i]?.toAt === idle[i + 1]?.fromAt
}

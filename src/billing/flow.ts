// When the energy of a session flowed: what its readings say between the registers at its start and at its end, which are
// what is billed whatever the readings say. A reading that contradicts them, or most others, is left out; where the readings
// do not tell, the energy is spread evenly.
import { registersOf } from '../session/curve.ts'
import type { Session, SessionFlag } from '../session/fold.ts'
import { type Register, UNREADABLE_START_WH } from '../session/registers.ts'
import { timesOf, wrongClockOf } from '../session/times.ts'
import type { CurvePoint } from '../tariff/usage.ts'

/** Seconds, and what is billed. */
type Span = { readonly from: number; readonly to: number; readonly energyWh: number }

/** From nothing at `from` to all of it at `to`. */
export function flowOf(session: Session, { from, to, energyWh }: Span): readonly CurvePoint[] {
  const isWithin = ({ at, wh }: CurvePoint): boolean => from < at && at < to && 0 <= wh && wh <= energyWh
  const points = longestRise(pointsOf(session).filter(isWithin).sort(inOrder))
  // Of one second the last counts.
  const kept = points.filter(({ at }, i) => at !== points[i + 1]?.at)
  return [{ at: from, wh: 0 }, ...kept, { at: to, wh: energyWh }]
}

function inOrder(a: CurvePoint, b: CurvePoint): number {
  return a.at - b.at || a.wh - b.wh
}

/** The readings as energy since the start, by clocks that were put right. */
function pointsOf(session: Session): readonly CurvePoint[] {
  const sinceStart = sinceStartOf(session)
  const wrong = wrongClockOf(session)
  const { startedAt, stoppedAt } = timesOf(session)
  const isCounted = startedAt.clock === 'counted' || stoppedAt?.clock === 'counted'
  // By a clock that was never set they stand where they were recorded, and that was later, all at once.
  if (!sinceStart || (wrong && !wrong.isSet && isCounted)) return []
  const aheadMs = wrong?.isSet ? wrong.aheadMs : 0
  return registersOf(session.curve).map(register => ({
    at: Math.floor((register.at - aheadMs) / 1000),
    wh: sinceStart(register),
  }))
}

/** The register began anew somewhere, or two stops say so: what a reading means is not known. */
const UNCLEAR: readonly SessionFlag[] = ['meter-reset', 'meter-went-back']

type SinceStart = (register: Register) => number

/** Undefined where a reading says nothing of what had flowed by then. */
function sinceStartOf(session: Session): SinceStart | undefined {
  const flags: readonly SessionFlag[] = session.end ? session.flags : (session.soFar?.flags ?? [])
  if (flags.some(flag => UNCLEAR.includes(flag))) return undefined
  const startWh = session.start.body.meterStartWh
  const stopWh = session.end?.body.meterStopWh
  const isOdd = startWh === UNREADABLE_START_WH || flags.includes('meter-rolled-over')
  if (!isOdd) return ({ wh }) => wh - startWh
  if (stopWh === undefined || session.energyWh === undefined) return undefined
  const { energyWh } = session
  if (startWh === UNREADABLE_START_WH) return ({ wh }) => wh - (stopWh - energyWh)
  const widthWh = energyWh - (stopWh - startWh)
  return ({ wh }) => (wh < startWh ? wh + widthWh : wh) - startWh
}

/**
 * The most of these points, in order of time, that never fall: one slip of the meter is left out, whichever way it went. Of
 * several choices the lowest.
 */
function longestRise(points: readonly CurvePoint[]): readonly CurvePoint[] {
  // Of the rises of each length, where the lowest ends; and before each point the one that it follows.
  const ends: number[] = []
  const before: (number | undefined)[] = []
  const whAt = (i: number | undefined): number => (i === undefined ? 0 : (points[i]?.wh ?? 0))
  points.forEach(({ wh }, i) => {
    let low = 0
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (whAt(ends[middle]) <= wh) low = middle + 1
      else high = middle
    }
    before.push(ends[low - 1])
    ends[low] = i
  })
  const rise: CurvePoint[] = []
  for (let i = ends.at(-1); i !== undefined; i = before[i]) rise.push(points[i] as CurvePoint)
  return rise.reverse()
}

// When a session began and ended, and by whose clock (PROTOCOL 3.7). Nothing can be recorded before it happened, so a
// charger's clock that is ahead of the recorder's shows that it is wrong, and by how much at the least; one that was never
// set shows nothing but how long something took. What it said stands in the events for ever; this is what people are told.
import { wallOf } from '../log/hlc.ts'
import type { ChargerTime, MeterReading } from '../ports.ts'
import { clockedAt, isClockSet } from './clock.ts'
import type { Session } from './fold.ts'

/** Clocks that differ by less agree: a heartbeat sets a charger's to the second, and nodes hold theirs together. */
const AGREE_MS = 2 * 60_000

/**
 * `charger`: its own clock says so. `node`: that cannot be right, and this is when a node heard of it, so it was no later.
 * `counted`: from what a node heard, by the time that went by on the charger's clock.
 */
export type Moment = { readonly at: number; readonly clock: 'charger' | 'node' | 'counted' }

export type SessionTimes = { readonly startedAt: Moment; readonly stoppedAt?: Moment }

/** Something that a charger told: what its clock showed, and when that was recorded. */
type Told = {
  readonly shownAt: number | undefined
  readonly recordedAt: number
  readonly clock: 'unset' | 'possible' | 'ahead'
}

export function timesOf({ start, end }: Pick<Session, 'start' | 'end'>): SessionTimes {
  const begun = told(start.body.startedAt, wallOf(start.hlc))
  if (!end) return { startedAt: alone(begun) }
  const over = told(end.body.stoppedAt, wallOf(end.hlc))
  const counted = countedFrom(begun, over)
  if (counted) return inOrder(counted)
  const isBackwards = begun.clock === 'possible' && over.clock === 'possible' && shown(over) < shown(begun)
  return inOrder({ startedAt: alone(begun), stoppedAt: isBackwards ? byNode(over) : alone(over) })
}

/** What a node heard of behind the stop had begun by then. */
function inOrder({ startedAt, stoppedAt }: Required<SessionTimes>): SessionTimes {
  return { startedAt: { ...startedAt, at: Math.min(startedAt.at, stoppedAt.at) }, stoppedAt }
}

function told(time: ChargerTime, recordedAt: number): Told {
  const at = clockedAt(time)
  // A node without a clock says nothing against a charger's.
  const isAhead = at !== undefined && at > recordedAt + AGREE_MS && isClockSet(recordedAt)
  return { shownAt: time.at, recordedAt, clock: at === undefined ? 'unset' : isAhead ? 'ahead' : 'possible' }
}

function shown({ shownAt }: Pick<Told, 'shownAt'>): number {
  return shownAt ?? 0
}

function alone(one: Told): Moment {
  return one.clock === 'possible' ? { at: shown(one), clock: 'charger' } : byNode(one)
}

function byNode({ recordedAt }: Told): Moment {
  return { at: recordedAt, clock: 'node' }
}

/**
 * Both by one wrong clock: whichever was heard of sooner after it happened says how wrong, and the other keeps its
 * distance. Undefined where no clock is wrong, or another one showed the start than the stop.
 */
function countedFrom(begun: Told, over: Told): Required<SessionTimes> | undefined {
  const aheadMs = aheadOf(begun, over)
  if (aheadMs === undefined) return undefined
  const moment = (one: Told): Moment => {
    const at = shown(one) - aheadMs
    return one.recordedAt - at <= AGREE_MS ? byNode(one) : { at, clock: 'counted' }
  }
  return { startedAt: moment(begun), stoppedAt: moment(over) }
}

/** By how much one wrong clock that showed both was ahead; of one that was never set, far below zero. */
function aheadOf(begun: Told, over: Told): number | undefined {
  if (begun.shownAt === undefined || over.shownAt === undefined || over.shownAt < begun.shownAt)
    return undefined
  const unset = [begun, over].filter(one => one.clock === 'unset').length
  const isAhead = begun.clock === 'ahead' || over.clock === 'ahead'
  if (unset === 1 || (unset === 0 && !isAhead)) return undefined
  // Told at once by a clock that was right: it was put ahead in mid-session.
  if (unset === 0 && begun.clock === 'possible' && begun.recordedAt - begun.shownAt <= AGREE_MS)
    return undefined
  return Math.max(begun.shownAt - begun.recordedAt, over.shownAt - over.recordedAt)
}

/** One wrong clock by which a whole session was told: what it showed, less `aheadMs`, is when that happened. */
export type WrongClock = { readonly isSet: boolean; readonly aheadMs: number }

/** Undefined where the clock was right, or not the same all the time. */
export function wrongClockOf({ start, end }: Pick<Session, 'start' | 'end'>): WrongClock | undefined {
  const begun = told(start.body.startedAt, wallOf(start.hlc))
  const over = end && told(end.body.stoppedAt, wallOf(end.hlc))
  const isAlone = !over && begun.clock !== 'possible' && begun.shownAt !== undefined
  const aheadMs = over ? aheadOf(begun, over) : isAlone ? shown(begun) - begun.recordedAt : undefined
  return aheadMs === undefined ? undefined : { isSet: begun.clock !== 'unset', aheadMs }
}

/**
 * When something within a session happened: by the charger's clock, put right where it was wrong; where that cannot be, when
 * it was recorded. Undefined where nobody's clock says.
 */
export function withinAt(
  wrong: WrongClock | undefined,
  time: ChargerTime | undefined,
  recordedAt: number,
): number | undefined {
  const set = time && clockedAt(time)
  const isWrong = wrong !== undefined && time?.at !== undefined && wrong.isSet === (set !== undefined)
  const at = isWrong ? (time?.at ?? 0) - wrong.aheadMs : set
  if (!isClockSet(recordedAt)) return at
  return at === undefined || at > recordedAt + AGREE_MS ? recordedAt : at
}

/** A reading that names no transaction may be from before the session, when it was sent late. */
export function isDuring({ start }: Pick<Session, 'start'>, { sampledAt, energyWh }: MeterReading): boolean {
  const [startedAt, at] = [clockedAt(start.body.startedAt), clockedAt(sampledAt)]
  const isBefore = startedAt !== undefined && at !== undefined && at < startedAt
  return !isBefore && (energyWh === undefined || energyWh >= start.body.meterStartWh)
}

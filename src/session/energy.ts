// How much a session took, from the register at its start, at its end, and at the readings between. Mostly the
// difference of the two ends, whatever the readings say. Where the register went back, what flowed is the least that the
// readings prove: parts in which it only went up, each end of a part borne out by a second reading, so that one slip of a
// meter is never billed. What is not proven is for a person to see.
import { type Extremes, type Register, UNREADABLE_START_WH } from './registers.ts'

export type MeterFlag =
  /** The end is below the start, and the readings between do not say how that came. */
  | 'meter-went-back'
  /** The register ran over at its width and went on from 0; what flowed is known. */
  | 'meter-rolled-over'
  /** The register began anew; the least that flowed is counted. */
  | 'meter-reset'
  /** A reading that start and end speak against was left out. */
  | 'meter-jumped'
  /** The start named no register; the second lowest reading stands in for it. */
  | 'start-from-readings'

export type Measured = { readonly energyWh?: number; readonly flags: readonly MeterFlag[] }

/** 10^6 Wh to 10^10 Wh: counters of decimal digits; 2^32: a counter of 32 bits. 2^31 is left out: a start that cannot be read stands just below it. */
const WIDTHS_WH = [1e6, 1e7, 1e8, 1e9, 1e10, 2 ** 32]
/** The last readings before and the first behind a roll-over lie so near to it, as a part of the width, and at most so near. */
const NEAR_PART = 1 / 500
const NEAR_WH = 200_000
/** More than any connector gives: readings that say more are in another unit, or of another meter. */
const MOST_POWER_W = 5e6
/** Start and end may come from a coarser register than readings do: tenths of a kWh, or whole ones. */
const COARSE_WH = 1000

/** `heard`: the readings that were taken in the session, between start and end or not. */
export function measure(start: Register, end: Register, heard: Extremes): Measured {
  const highest = heard.highest.filter(one => isBetween(one, start, end))
  const lowest = heard.lowest.filter(one => isBetween(one, start, end))
  const energyWh = end.wh - start.wh
  if (start.wh === UNREADABLE_START_WH) return measureFrom(heard.lowest, end)
  if (energyWh >= 0) return { energyWh, flags: flagsOfRise(start, end, { highest, lowest }) }
  return measureBack(start, end, { highest, lowest })
}

function isBetween({ at }: Register, start: Register, end: Register): boolean {
  return start.at <= at && at <= end.at
}

function flagsOfRise(start: Register, end: Register, { highest, lowest }: Extremes): readonly MeterFlag[] {
  const above = highest.filter(({ wh }) => wh > end.wh + COARSE_WH)
  const below = lowest.filter(({ wh }) => wh < start.wh - COARSE_WH)
  const [, second] = above
  // Two that were reached by what a connector can give: it was up there, and has begun anew since.
  if (second && isPossible(start, second)) return ['meter-went-back']
  return above.length + below.length > 0 ? ['meter-jumped'] : []
}

/** Of a start without a register: the lowest reading might be a slip, and the next is at least what it began with. */
function measureFrom([, second]: readonly Register[], end: Register): Measured {
  if (!second || second.wh > end.wh || !isPossible(second, end)) return UNKNOWN
  return { energyWh: end.wh - second.wh, flags: ['start-from-readings'] }
}

const UNKNOWN: Measured = { flags: ['meter-went-back'] }

/** The end is below the start: up to somewhere before the register fell, and from somewhere behind that. */
function measureBack(start: Register, end: Register, { highest, lowest }: Extremes): Measured {
  const before = highest.filter(({ wh }) => wh >= start.wh)
  const behind = lowest.filter(({ wh }) => wh <= end.wh)
  const [top, second] = before
  // Whatever lies between end and start belongs to neither part.
  const isOdd = lowest.some(({ wh }) => wh > end.wh && wh < start.wh)
  if (!top || !second || isOdd || !isPossible(start, second)) return UNKNOWN
  const fellAt = Math.max(top.at, second.at)
  if (behind.some(({ at }) => at < fellAt)) return UNKNOWN
  // The end bears out the lowest, as a second reading does.
  const from = behind[1] ?? end
  if (!isPossible(from, end)) return UNKNOWN
  const fall = { top, second, behind: from }
  const width = WIDTHS_WH.find(wide => behind.length > 0 && isNear(wide, fall))
  if (width !== undefined) return { energyWh: width - start.wh + end.wh, flags: ['meter-rolled-over'] }
  return { energyWh: second.wh - start.wh + (end.wh - from.wh), flags: ['meter-reset'] }
}

type Fall = { readonly top: Register; readonly second: Register; readonly behind: Register }

/** Whether a connector can give so much in that time. */
function isPossible(from: Register, to: Register): boolean {
  return ((to.wh - from.wh) * 3_600_000) / MOST_POWER_W <= to.at - from.at + SLACK_MS
}

/** Readings are stamped when they are sent, a little off when they are taken. */
const SLACK_MS = 10_000

/**
 * Whether what is missing around a width is at most twice what would have flowed there as it did just before. A register
 * that began anew at that very place is taken for one that ran over: too much by so little at the most.
 */
function isNear(width: number, { top, second, behind }: Fall): boolean {
  const aroundWh = width - second.wh + behind.wh
  if (top.wh >= width || top.at <= second.at || aroundWh > Math.min(width * NEAR_PART, NEAR_WH)) return false
  return aroundWh * (top.at - second.at) <= 2 * (top.wh - second.wh) * (behind.at - second.at)
}
